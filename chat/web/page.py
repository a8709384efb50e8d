"""The page: a conversation as it stands, and a new one."""

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from chat import access, doors
from chat.engine import engine
from chat.errors import NotAuthenticated
from chat.models import Conversation, Person, Status
from chat.rendering import MessageView, message_view, paused, with_text_so_far
from chat.streams import so_far
from chat.web.errors import kindly

LISTED = 50


def suggestions() -> list[str]:
    """First questions for an empty page."""
    return [
        _("How often should a newborn feed at night?"),
        _("Tell me about baby sleep patterns"),
        _("What helps with colic?"),
        _("When does morning sickness stop?"),
    ]


@require_GET
async def home(request: HttpRequest) -> HttpResponse:
    """A new conversation; or, where guests are off and nobody is logged in, the welcome page."""
    try:
        return await page(request)
    except NotAuthenticated:
        return render(request, "chat/welcome.html")


@require_GET
@kindly
async def conversation(request: HttpRequest, conversation_uuid: uuid.UUID) -> HttpResponse:
    return await page(request, conversation_uuid)


async def page(request: HttpRequest, conversation_uuid: uuid.UUID | None = None, **more: Any) -> HttpResponse:
    """The page, with `more` context; `status` in it is the HTTP status."""

    def load(person: Person | None) -> dict[str, Any]:
        shown = access.conversation(person, conversation_uuid) if conversation_uuid else None
        return {
            "person": person or Person(),
            "user": request.user,
            "conversation": shown,
            "conversations": list(access.conversations(person)[:LISTED]),
            "messages": _messages(shown, person) if shown else [],
            "follow": True,
            "suggestions": suggestions(),
            "client_message_id": str(uuid.uuid4()),
            "models": list(engine().models.values()),
            "draft": "",
            "problem": None,
        }

    status = more.pop("status", 200)
    context = await doors.with_visitor(request, load) | more
    messages = context["messages"] = await _as_they_stand(context["messages"])
    context["refresh"] = _refresh_address(request, messages)
    context["model"] = _last_model(messages)
    get_token(request)
    return render(request, "chat/page.html", context, status=status)


async def _as_they_stand(messages: list[MessageView]) -> list[MessageView]:
    """Only the last answer can wait for someone to come back to it."""
    last = len(messages) - 1
    return [await as_it_stands(m, may_wait=index == last) for index, m in enumerate(messages)]


async def as_it_stands(message: MessageView, *, may_wait: bool = False) -> MessageView:
    """A running answer with what it says now; a paused one with what was read of it."""
    after, running = message.paused_after, message.status == Status.STREAMING
    is_paused = may_wait and after is not None and (running or message.status == Status.COMPLETE)
    if message.stream_uuid is None or not (running or is_paused):
        return message
    now = await so_far(message.stream_uuid)
    if is_paused and now:
        read = await so_far(message.stream_uuid, after)
        # A pause keeps words back, never a card; and nothing where all had been read.
        if read and len(read.notices) == len(now.notices) and (running or read.text != now.text):
            return paused(message, read)
    return with_text_so_far(message, now) if running and now else message


def _last_model(messages: list[MessageView]) -> str:
    """What the last answer was given by, while that may still be chosen."""
    used = next((message.model for message in reversed(messages) if message.model in engine().models), None)
    return used or engine().default_model


def _refresh_address(request: HttpRequest, messages: list[MessageView]) -> str | None:
    """Where a page without JavaScript looks again while an answer is written: at that answer, at another
    address each time, since a browser does not load the same address with a fragment twice.
    """
    running = [m.uuid for m in messages if m.status == Status.STREAMING and not m.is_paused]
    again = request.GET.get("again", "0")
    count = int(again) + 1 if again.isdecimal() and len(again) < 6 else 1
    return f"{request.path}?again={count}#m-{running[-1]}" if running else None


def _messages(shown: Conversation, person: Person | None) -> list[MessageView]:
    rows = shown.messages.shown().select_related("generation").prefetch_related("feedback")
    return [message_view(row, person) for row in rows]
