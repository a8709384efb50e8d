"""What a person takes along: one conversation or all of them, as JSON with everything, as Markdown to read.

Both are made in pieces, a page of messages at a time, so that memory stays flat however much there is. The
shape of the JSON is in docs/export.md.
"""

import json
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from chat import access
from chat.models import Conversation, Feedback, Message, Person, Role, Status
from chat.quota import zone_of
from chat.work import unit_of_work

FORMAT = "nightlight-conversations"
VERSION = 1
PAGE = 200
"""Messages read at a time."""
NAME_CHARS = 60

# --- Files --------------------------------------------------------------------------------------------------


async def as_json(person: Person | None, only: uuid.UUID | None = None) -> AsyncGenerator[str]:
    """One document with the conversations of a person, or `only` one; in pieces."""
    head = {"format": FORMAT, "version": VERSION, "exportedAt": _time(timezone.now())}
    yield _json(head)[:-1] + ', "conversations": '
    async with aclosing(json_list(person, only)) as pieces:
        async for piece in pieces:
            yield piece
    yield "}\n"


async def json_list(person: Person | None, only: uuid.UUID | None = None) -> AsyncGenerator[str]:
    """A JSON array of the conversations, for a document that holds more than them; in pieces."""
    yield "["
    between, after = "\n", 0
    while (conversation := await unit_of_work(_next, person, after, only)) is not None:
        yield between + _json(conversation_fields(conversation))[:-1] + ', "messages": ['
        between, after = ",\n", conversation.pk
        more, last = "\n", 0
        while messages := await unit_of_work(_messages, conversation, last, person, every_version=True):
            fields = [_json(message_fields(message, person)) for message in messages]
            yield more + ",\n".join(fields)
            more, last = ",\n", messages[-1].pk
        yield "]}"
    yield "]"


async def as_markdown(person: Person | None, only: uuid.UUID | None = None) -> AsyncGenerator[str]:
    """The conversations of a person, or `only` one, as they are shown; in pieces."""
    between, after = "", 0
    while (conversation := await unit_of_work(_next, person, after, only)) is not None:
        yield between + markdown_head(conversation, person)
        between, after, last = "\n---\n\n", conversation.pk, 0
        while messages := await unit_of_work(_messages, conversation, last, person, every_version=False):
            yield "".join(markdown_of(message) for message in messages)
            last = messages[-1].pk


def filename(conversation: Conversation | None, ending: str) -> str:
    """A name that any file system takes. One without a title has none that tells what it is about."""
    today = timezone.now().date().isoformat()
    if conversation is None:
        return f"nightlight-{today}.{ending}"
    name = slugify(conversation.title, allow_unicode=True)[:NAME_CHARS].strip("-")
    return f"{name or 'notes'}-{today}.{ending}"


def _next(person: Person | None, after: int, only: uuid.UUID | None) -> Conversation | None:
    rows = access.conversations(person).filter(pk__gt=after).order_by("pk")
    return (rows.filter(uuid=only) if only else rows).first()


def _messages(
    conversation: Conversation, after: int, person: Person | None, *, every_version: bool
) -> Sequence[Message]:
    """The next page. Empty, too, where the conversation was deleted meanwhile."""
    still_there = access.conversations(person).filter(pk=conversation.pk)
    rows = Message.objects.filter(conversation__in=still_there.order_by(), pk__gt=after).order_by("pk")
    rows = rows if every_version else rows.filter(is_shown=True)
    return list(rows.select_related("generation", "question", "follows").prefetch_related("feedback")[:PAGE])


# --- JSON ---------------------------------------------------------------------------------------------------


def conversation_fields(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": str(conversation.uuid),
        "title": conversation.title,
        "named": conversation.is_named,
        "pinned": conversation.pinned_at is not None,
        "createdAt": _time(conversation.created_at),
        "updatedAt": _time(conversation.updated_at),
        "usesProfile": conversation.uses_profile,
    }


def message_fields(message: Message, person: Person | None) -> dict[str, Any]:
    """Reads `question`, `follows`, `generation` and `feedback`: fetch them before."""
    parent = message.question or message.follows
    fields: dict[str, Any] = {
        "id": str(message.uuid),
        "parentId": str(parent.uuid) if parent else None,
        "role": message.role,
        "content": message.content,
        "status": message.status,
        "shown": message.is_shown,
        "createdAt": _time(message.created_at),
    }
    return fields | (_answer_fields(message, person) if message.role == Role.ASSISTANT else {})


def _answer_fields(message: Message, person: Person | None) -> dict[str, Any]:
    generation = message.generation
    opinion = next((one for one in message.feedback.all() if person and one.person_id == person.pk), None)
    return {
        "notices": message.notices,
        "model": generation.model,
        "promptVersion": generation.prompt_version,
        "profileUsed": generation.used,
        "error": generation.error_code or None,
        "stopReason": generation.stop_reason or None,
        "feedback": opinion and _feedback_fields(opinion),
    }


def _feedback_fields(opinion: Feedback) -> dict[str, Any]:
    return {
        "rating": opinion.rating,
        "reasons": opinion.reasons,
        "comment": opinion.comment,
        "reply": opinion.reply or None,
        "updatedAt": _time(opinion.updated_at),
    }


def _json(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False)


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


# --- Markdown -----------------------------------------------------------------------------------------------


def markdown_head(conversation: Conversation, person: Person | None) -> str:
    title = conversation.title or _("Conversation")
    begun = conversation.created_at.astimezone(zone_of(person))
    warning = _("Nightlight is an AI and can be wrong. In an emergency, call your local emergency number.")
    return f"# {title}\n\n{begun:%Y-%m-%d %H:%M %Z}\n\n{warning}\n\n"


def markdown_of(message: Message) -> str:
    """One message under the name of who speaks; cards stand first, each as a quotation."""
    if message.role == Role.USER:
        return f"## {_('You')}\n\n{message.content}\n\n"
    cards = "".join(_card(notice) for notice in message.notices)
    told = f"{message.content.strip()}\n\n" if message.content.strip() else ""
    return f"## {_('Nightlight')}\n\n{cards}{told}{_outcome(message)}"


def _card(notice: dict[str, Any]) -> str:
    links = [f"[{action['label']}]({action['href']})" for action in notice.get("actions", ())]
    lines = "\n\n".join([notice["content"].strip(), *links]).splitlines()
    return "".join(f"> {line}".rstrip() + "\n" for line in lines) + "\n"


def _outcome(message: Message) -> str:
    whole = (Status.COMPLETE, Status.REFUSED)
    return "" if message.status in whole else f"*{_('This answer was cut short.')}*\n\n"
