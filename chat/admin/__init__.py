"""The clinic's side: read what was said, review feedback and safety events."""

from chat.admin import conversations, people, review

__all__ = ["conversations", "people", "review"]
