"""The rows: people, what was said, what was thought of it."""

from chat.models.conversation import (
    Checkpoint,
    Conversation,
    Generation,
    Message,
    Role,
    Status,
    StopReason,
)
from chat.models.people import Person, User
from chat.models.review import Feedback, Rating, ReviewStatus, SafetyEvent
from chat.models.server import Worker
from chat.models.usage import AnswerStatistics, CachedAnswer

__all__ = [
    "AnswerStatistics",
    "CachedAnswer",
    "Checkpoint",
    "Conversation",
    "Feedback",
    "Generation",
    "Message",
    "Person",
    "Rating",
    "ReviewStatus",
    "Role",
    "SafetyEvent",
    "Status",
    "StopReason",
    "User",
    "Worker",
]
