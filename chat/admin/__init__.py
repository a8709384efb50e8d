"""The clinic's side: read what was said, review feedback and safety events, see how answers are doing."""

from chat.admin import answers, conversations, people, prompts, review, server, usage

__all__ = ["answers", "conversations", "people", "prompts", "review", "server", "usage"]
