"""A conversation to read and nothing else: for whoever has its link, and for paper."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_safe

from chat import access, conversations, doors
from chat.markdown import render as html_of
from chat.models import Message, Person, Role, Status
from chat.quota import zone_of
from chat.rendering import NoticeView, notice_view, safe
from chat.web.errors import kindly
from chat.work import unit_of_work
from streaming.events import notice_from_wire


@dataclass(frozen=True, slots=True)
class Said:
    """A message without anything of its person: what was said, the cards, and whether it ended early."""

    is_question: bool
    content: str
    html: SafeString
    notices: Sequence[NoticeView]
    is_cut: bool


def said(messages: Iterable[Message]) -> list[Said]:
    return [
        Said(
            message.role == Role.USER,
            message.content,
            safe(html_of(message.content)),
            [notice_view(notice_from_wire(fields)) for fields in message.notices],
            message.status not in (Status.COMPLETE, Status.REFUSED),
        )
        for message in messages
    ]


@require_safe
@kindly
async def shared(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    """For whoever has the link. It asks nobody who they are, and says nothing of who shared it."""
    messages = await unit_of_work(lambda: said(conversations.shared(key)))
    response = render(request, "chat/shared.html", {"messages": messages})
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


@require_GET
@kindly
async def print_page(request: HttpRequest, conversation_uuid: uuid.UUID) -> HttpResponse:
    """The whole branch that is shown, for paper."""

    def load(person: Person | None) -> dict[str, Any]:
        found = access.conversation(person, conversation_uuid)
        begun = found.created_at.astimezone(zone_of(person))
        return {"item": found, "begun": begun, "messages": said(found.messages.shown())}

    return render(request, "chat/print.html", await doors.with_visitor(request, load))
