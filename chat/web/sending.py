"""Sending a message, and trying one again: taken at once, or refused with its draft kept."""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.http import require_POST

from chat import access, doors
from chat.errors import NotAuthenticated, NotFound, Refusal
from chat.models import Person
from chat.rendering import message_view, notice_view
from chat.turns import Ask, Turn
from chat.web.errors import to_login
from chat.web.forms import by_htmx, conversation_url, uuid_or_none
from chat.web.page import LISTED, as_it_stands, page
from streaming.events import notice_from_wire

CLIENT_ID_CHARS = 64
TIMEZONE_CHARS = 64
COUNTED_DOWN = 120
"""Seconds; for what is further away the page tells the time of day."""


@require_POST
async def send(request: HttpRequest) -> HttpResponseBase:
    """Take a message; give the page its bubbles, or redirect to the page that shows them.

    The answer comes by a connection of its own: so a card is on the page at once on any network, one that
    holds streams back too, and each answer can be paused, or left for the next one, without the others.
    """
    form = request.POST
    conversation_uuid = uuid_or_none(form.get("conversation", ""))
    message = Ask(
        message=form.get("message", ""),
        conversation=conversation_uuid,
        model=form.get("model") or None,
        client_message_id=form.get("client_message_id", "").replace("\0", "")[:CLIENT_ID_CHARS] or None,
        timezone=form.get("timezone", "").replace("\0", "")[:TIMEZONE_CHARS] or None,
    )
    try:
        turn = await doors.ask(request, message)
    except Refusal as refusal:
        return await refused(request, refusal, conversation_uuid, draft=message.message)
    return await _answering(request, turn)


@require_POST
async def retry(request: HttpRequest, message_uuid: uuid.UUID) -> HttpResponseBase:
    """Have a failed, stopped or cut-off answer tried again."""
    try:
        turn = await doors.ask_again(request, message_uuid)
    except Refusal as refusal:
        return await refused(request, refusal, None, draft="")
    return await _answering(request, turn, retried=message_uuid)


async def _answering(request: HttpRequest, turn: Turn, retried: uuid.UUID | None = None) -> HttpResponse:
    address = conversation_url(turn.conversation)
    if not by_htmx(request):
        return HttpResponseRedirect(f"{address}#m-{turn.answer}")
    response = HttpResponse(await _bubbles(request, turn, retried))
    response["HX-Push-Url"] = address
    return response


async def _bubbles(request: HttpRequest, turn: Turn, retried: uuid.UUID | None) -> str:
    """Question and answer for the end of the log, and the list and form that know the conversation."""

    def load(person: Person | None) -> dict[str, Any]:
        answer = access.answer(person, turn.answer)
        assert answer.question is not None  # the database says so: message_question_or_answer
        return {
            "question": None if retried else message_view(answer.question, person),
            "answer": message_view(answer, person),
            "retried": retried,
            "follow": True,
            "conversation": answer.conversation,
            "conversations": list(access.conversations(person)[:LISTED]),
        }

    context = await doors.with_visitor(request, load)
    context["answer"] = await as_it_stands(context["answer"])
    return render_to_string("chat/_turn.html", context, request=request)


async def refused(
    request: HttpRequest, refusal: Refusal, conversation_uuid: uuid.UUID | None, *, draft: str
) -> HttpResponse:
    """The reason, kindly, beside the message that was not taken."""
    if isinstance(refusal, NotAuthenticated):
        return to_login(request)
    problem = {
        "title": refusal.title,
        "detail": refusal.detail,
        "code": refusal.code,
        "retry_after": refusal.retry_after,
        "goes_on": _far_away(refusal.retry_after),
        "notices": [notice_view(notice_from_wire(fields)) for fields in refusal.extra.get("notices", ())],
    }
    if by_htmx(request):
        response = render(request, "chat/_problem.html", {"problem": problem}, status=refusal.status)
        response["HX-Retarget"], response["HX-Reswap"] = "#problem", "innerHTML"
    else:
        shown = None if isinstance(refusal, NotFound) else conversation_uuid
        response = await page(request, shown, problem=problem, draft=draft, status=refusal.status)
    if refusal.retry_after is not None:
        response["Retry-After"] = str(refusal.retry_after)
    return response


def _far_away(seconds: int | None) -> datetime | None:
    """The moment in `seconds`, where it is too far away to count down to."""
    return timezone.now() + timedelta(seconds=seconds) if seconds and seconds > COUNTED_DOWN else None
