"""Rows as the JSON objects of the API, camelCase, as `docs/api.md` has them."""

from typing import Any

from chat.models import Conversation, Feedback, Message, Person, Role
from chat.streams import saved_error, saved_timing, saved_usage
from streaming.events import error_to_wire, timing_to_wire, usage_to_wire


def conversation_to_wire(
    conversation: Conversation, message_count: int, shared_url: str | None
) -> dict[str, Any]:
    return {
        "id": str(conversation.uuid),
        "title": conversation.title,
        "createdAt": conversation.created_at,
        "updatedAt": conversation.updated_at,
        "messageCount": message_count,
        "pinned": conversation.pinned_at is not None,
        "sharedUrl": shared_url,
    }


def message_to_wire(message: Message, person: Person | None) -> dict[str, Any]:
    """A message with what `person` thinks of it.

    Reads `generation`, `feedback`, `question` and `follows`: fetch them before.
    """
    fields: dict[str, Any] = {
        "id": str(message.uuid),
        "role": message.role,
        "content": message.content,
        "status": message.status,
        "createdAt": message.created_at,
        "notices": message.notices,
        "feedback": _feedback_of(message, person),
        "parentId": _parent_of(message),
        "shown": message.is_shown,
    }
    if message.role == Role.ASSISTANT:
        fields |= _generation_fields(message)
    return fields


def _generation_fields(message: Message) -> dict[str, Any]:
    generation = message.generation
    usage, timing = saved_usage(generation), saved_timing(generation)
    fields = {
        "model": generation.model,
        "streamId": str(generation.stream_uuid),
        "finishReason": generation.finish_reason or None,
        "stopReason": generation.stop_reason or None,
        "cached": generation.cached or None,
        "pausedAfter": generation.paused_after,
        "used": generation.used or None,
        "usage": usage and usage_to_wire(usage),
        "cost": None if generation.cost is None else float(generation.cost),
        "timing": timing and timing_to_wire(timing),
        "error": error_to_wire(saved_error(generation)) if generation.error_code else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _parent_of(message: Message) -> str | None:
    parent = message.question or message.follows
    return str(parent.uuid) if parent else None


def _feedback_of(message: Message, person: Person | None) -> dict[str, Any] | None:
    given = next((f for f in message.feedback.all() if person and f.person_id == person.pk), None)
    return feedback_to_wire(given) if given else None


def feedback_to_wire(feedback: Feedback) -> dict[str, Any]:
    fields = {
        "rating": feedback.rating,
        "reasons": feedback.reasons,
        "comment": feedback.comment,
        "updatedAt": feedback.updated_at,
    }
    return fields | ({"reply": feedback.reply, "repliedAt": feedback.replied_at} if feedback.reply else {})
