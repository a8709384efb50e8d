"""The page: a conversation as it stands, and a new one."""

import uuid
from contextlib import suppress
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.views.decorators.http import require_GET

from chat import access, conversations, doors, feedback
from chat.consent import is_given, points
from chat.engine import engine
from chat.errors import NotAuthenticated, NotFound
from chat.models import Conversation, Person, Status
from chat.profile import known_of
from chat.quota import today_of
from chat.rendering import MessageView
from chat.suggestions import suggestions
from chat.web.errors import kindly
from chat.web.forms import uuid_or_none
from chat.web.language import remember, speak_to
from chat.web.listing import listed
from chat.web.transcript import Stretch, as_they_stand, stretch


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
    """As it ends; or, for links, the part before one message (`before`) or around one (`at`)."""
    return await page(request, conversation_uuid)


async def page(request: HttpRequest, conversation_uuid: uuid.UUID | None = None, **more: Any) -> HttpResponse:
    """The page, with `more` context; `status` in it is the HTTP status."""

    def load(person: Person | None) -> dict[str, Any]:
        speak_to(person)
        shown = access.conversation(person, conversation_uuid) if conversation_uuid else None
        news = feedback.unseen_replies(person)
        if shown:
            feedback.see_replies(person, shown)
        return {
            "person": person or Person(),
            "news": news,
            "user": request.user,
            "conversation": shown,
            "stretch": _stretch(request, shown, person) if shown else Stretch(),
            "follow": True,
            "suggestions": suggestions(person, today_of(person)),
            "knows": not shown and bool(known_of(person, today_of(person)).lines) if person else False,
            "consent": [] if is_given(person) else points(),
            "client_message_id": str(uuid.uuid4()),
            "models": list(engine().models.values()),
            "draft": "",
            "problem": None,
            "deleted": _deleted(request, person),
            **listed(person),
        }

    status = more.pop("status", 200)
    context = await doors.with_visitor(request, load) | more
    chosen = speak_to(context["person"])
    messages = context["messages"] = await as_they_stand(context["stretch"].messages)
    context["refresh"] = _refresh_address(request, messages)
    context["model"] = _last_model(messages)
    context["readonly"] = not context["stretch"].is_latest  # what is asked now belongs to the end
    get_token(request)
    response = render(request, "chat/page.html", context, status=status)
    if chosen:
        remember(response, chosen)
    return response


def _deleted(request: HttpRequest, person: Person | None) -> Conversation | None:
    """What was deleted a moment ago, and led here."""
    with suppress(NotFound):
        if gone := uuid_or_none(request.GET.get("deleted", "")):
            return conversations.deleted(person, gone)
    return None


def _stretch(request: HttpRequest, shown: Conversation, person: Person | None) -> Stretch:
    before, around = (uuid_or_none(request.GET.get(name, "")) for name in ("before", "at"))
    return stretch(shown, person, before=before, around=around)


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
