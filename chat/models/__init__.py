"""The rows: people, what was said, what was thought of it."""

from chat.models.conversation import Conversation, Generation, Message, Role, Status
from chat.models.people import Person, User
from chat.models.review import Feedback, Rating, ReviewStatus, SafetyEvent

__all__ = [
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
    "User",
]
