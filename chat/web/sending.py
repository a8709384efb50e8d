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

from chat import access, consent, doors
from chat.errors import ConsentNeeded, NotAuthenticated, NotFound, Refusal
from chat.models import Person
from chat.rendering import notice_view, views_of
from chat.turns import Ask, Turn
from chat.web.errors import to_login
from chat.web.forms import by_htmx, conversation_url, uuid_or_none
from chat.web.listing import listed
from chat.web.page import page
from chat.web.transcript import as_it_stands, log_again
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
        edits=uuid_or_none(form.get("edits", "")),
        without_profile=form.get("without_profile") == "on",
    )
    try:
        if form.get("consent") == "on":
            await doors.agree(request)
        turn = await doors.ask(request, message, asks_consent=True)
    except Refusal as refusal:
        return await refused(request, refusal, conversation_uuid, draft=message.message, edits=message.edits)
    return await _answering(request, turn, anew=message.edits is not None)


@require_POST
async def retry(request: HttpRequest, message_uuid: uuid.UUID) -> HttpResponseBase:
    """Have a question answered again, by the model in the form if there is one."""
    try:
        is_last = await doors.with_visitor(request, lambda person: access.is_last(person, message_uuid))
        turn = await doors.ask_again(request, message_uuid, request.POST.get("model") or None)
    except Refusal as refusal:
        return await refused(request, refusal, None, draft="")
    return await _answering(request, turn, retried=message_uuid, anew=not is_last)


async def _answering(
    request: HttpRequest, turn: Turn, *, retried: uuid.UUID | None = None, anew: bool = False
) -> HttpResponse:
    """`anew`: what stands after the place of the question is no longer shown."""
    address = conversation_url(turn.conversation)
    if not by_htmx(request):
        return HttpResponseRedirect(f"{address}#m-{turn.answer}")
    if anew:
        return await log_again(request, turn.conversation)
    response = HttpResponse(await _bubbles(request, turn, retried))
    response["HX-Push-Url"] = address
    return response


async def _bubbles(request: HttpRequest, turn: Turn, retried: uuid.UUID | None) -> str:
    """Question and answer for the end of the log, and the list and form that know the conversation."""

    def load(person: Person | None) -> dict[str, Any]:
        answer = access.answer(person, turn.answer)
        assert answer.question is not None  # the database says so: message_question_or_answer
        question, view = views_of(answer.conversation, [answer.question, answer], person)
        return {
            "question": None if retried else question,
            "answer": view,
            "retried": retried,
            "follow": True,
            "conversation": answer.conversation,
            "client_message_id": str(uuid.uuid4()),
            **listed(person),
        }

    context = await doors.with_visitor(request, load)
    context["answer"] = await as_it_stands(context["answer"])
    return render_to_string("chat/_turn.html", context, request=request)


async def refused(
    request: HttpRequest,
    refusal: Refusal,
    conversation_uuid: uuid.UUID | None,
    *,
    draft: str,
    edits: uuid.UUID | None = None,
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
        "consent": consent.points() if isinstance(refusal, ConsentNeeded) else None,
        "edit": {"message": draft, "edits": edits, "conversation": conversation_uuid} if edits else None,
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
