"""The rows: people, what was said, what was thought of it."""

from chat.models.conversation import (
    Checkpoint,
    Conversation,
    Generation,
    Message,
    Role,
    Share,
    Status,
    StopReason,
    Summary,
)
from chat.models.people import Child, Consent, Feeding, Person, Reading, Suggestion, Tone, User
from chat.models.prompts import Prompt
from chat.models.review import Feedback, Rating, Reason, ReviewStatus, SafetyEvent
from chat.models.server import Worker
from chat.models.usage import AnswerStatistics, CachedAnswer

__all__ = [
    "AnswerStatistics",
    "CachedAnswer",
    "Checkpoint",
    "Child",
    "Consent",
    "Conversation",
    "Feedback",
    "Feeding",
    "Generation",
    "Message",
    "Person",
    "Prompt",
    "Rating",
    "Reading",
    "Reason",
    "ReviewStatus",
    "Role",
    "SafetyEvent",
    "Share",
    "Status",
    "StopReason",
    "Suggestion",
    "Summary",
    "Tone",
    "User",
    "Worker",
]
