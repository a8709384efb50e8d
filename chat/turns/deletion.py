"""A conversation that its person has deleted, and may still bring back. Sync."""

from datetime import datetime

from chat.models import CachedAnswer, Conversation, Generation, Message, StopReason


def set_aside(conversation: Conversation, now: datetime) -> None:
    """Gone for its person from now on, and for everybody whom it was shared with or told to."""
    conversation.deleted_at = now
    conversation.save(update_fields=["deleted_at"])
    CachedAnswer.objects.filter(generation__message__conversation=conversation).delete()
    # A message that is sent once more must not find its answer in here.
    Message.objects.filter(conversation=conversation).update(client_message_id=None)


def bring_back(conversation: Conversation) -> None:
    """As it was, but that an answer which was being written has ended there."""
    conversation.deleted_at = None
    conversation.save(update_fields=["deleted_at"])
    ended = Generation.objects.filter(message__conversation=conversation, stop_reason=StopReason.DELETED)
    ended.update(stop_reason=StopReason.PERSON)
