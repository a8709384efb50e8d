"""The page and its forms: each works with htmx, and without JavaScript by redirects."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from chat import access, doors, feedback
from chat.engine import engine
from chat.errors import Invalid, NotAuthenticated, NotFound, Refusal
from chat.models import Conversation, Generation, Message, Person, Rating, Status
from chat.rendering import (
    DONE,
    MessageView,
    finished_patch,
    html_frames,
    message_view,
    notice_view,
    patch_so_far,
    paused,
    with_text_so_far,
)
from chat.streams import follow, so_far
from chat.turns import Ask, Turn
from chat.web.errors import kindly, to_login
from streaming import sse
from streaming.events import TERMINAL, notice_from_wire
from streaming.log.base import Entry, LogUnavailable, StreamNotFound
from streaming.responses import StreamResponse, pad_json

LISTED = 50
COMMENT_CHARS = 2000
CLIENT_ID_CHARS = 64
TIMEZONE_CHARS = 64
LONGEST_WAIT = 25.0
"""Seconds that a poll may wait; proxies that hold streams back often give up at 30."""
GATHER = 0.5
"""Seconds of words that one poll brings, after the first ones."""
COUNTED_DOWN = 120
"""Seconds; for what is further away the page tells the time of day."""


def suggestions() -> list[str]:
    """First questions for an empty page."""
    return [
        _("How often should a newborn feed at night?"),
        _("Tell me about baby sleep patterns"),
        _("What helps with colic?"),
        _("When does morning sickness stop?"),
    ]


# --- Reading ------------------------------------------------------------------------------------------------


@require_GET
async def home(request: HttpRequest) -> HttpResponse:
    """A new conversation; or, where guests are off and nobody is logged in, the welcome page."""
    try:
        return await _page(request)
    except NotAuthenticated:
        return render(request, "chat/welcome.html")


@require_GET
@kindly
async def conversation(request: HttpRequest, conversation_uuid: uuid.UUID) -> HttpResponse:
    return await _page(request, conversation_uuid)


async def _page(
    request: HttpRequest, conversation_uuid: uuid.UUID | None = None, **more: Any
) -> HttpResponse:
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
    return [await _as_it_stands(m, may_wait=index == last) for index, m in enumerate(messages)]


async def _as_it_stands(message: MessageView, *, may_wait: bool = False) -> MessageView:
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
    rows = shown.messages.current().select_related("generation").prefetch_related("feedback")
    return [message_view(row, person) for row in rows]


@require_GET
@kindly
async def stream(request: HttpRequest, stream_uuid: uuid.UUID) -> HttpResponseBase:
    """An answer as it is being written, for as long as the page reads it."""
    generation = await doors.find_stream(request, stream_uuid)
    return StreamResponse(_frames(request, generation.stream_uuid, generation.message.uuid))


async def _frames(request: HttpRequest, stream_uuid: uuid.UUID, answer: uuid.UUID) -> AsyncGenerator[bytes]:
    async with aclosing(html_frames(follow(stream_uuid), answer)) as frames:
        async for frame in frames:
            yield frame
    with suppress(NotFound):  # deleted meanwhile, in another tab
        yield sse.frame_lines(await _finished(request, answer))
    yield DONE


async def _finished(request: HttpRequest, answer: uuid.UUID) -> str:
    saved = await doors.with_visitor(request, lambda person: _answer_view(person, answer))
    return finished_patch(saved, request)


@require_GET
@kindly
async def poll(request: HttpRequest, stream_uuid: uuid.UUID) -> HttpResponseBase:
    """The answer as it stands, once it has gone beyond `after`: for networks that hold streams back.

    A comment with the id of its last event stands before it. Empty where nothing came within `wait` seconds.
    """
    generation = await doors.find_stream(request, stream_uuid)
    after, wait = _number(request.GET.get("after")), _number(request.GET.get("wait"))
    # One chunk, and yet a stream: it waits as cheaply as one.
    chunks = _polled(request, generation, after, min(float(wait), LONGEST_WAIT))
    return StreamResponse(chunks, content_type="text/html; charset=utf-8", padded=pad_json)


async def _polled(
    request: HttpRequest, generation: Generation, after: int, seconds: float
) -> AsyncGenerator[bytes]:
    answer = generation.message.uuid
    entries = await _beyond(generation.stream_uuid, after, seconds)
    if _is_end(entries):
        with suppress(NotFound):  # deleted meanwhile: the page learns it when it asks again
            yield (await _finished(request, answer)).encode()
    elif entries:
        yield f"<!-- {entries[-1][0]} -->{patch_so_far(entries, answer)}".encode()


async def _beyond(stream_uuid: uuid.UUID, after: int, seconds: float) -> Sequence[Entry]:
    """All that an answer says, once there is something after `after`; empty where nothing came."""
    log, stream_id = engine().log, str(stream_uuid)
    try:
        new = await log.wait(stream_id, after, seconds)
        if new and after and not _is_end(new):  # the first words at once, the others in steps
            await asyncio.sleep(GATHER)
        entries = await log.read(stream_id)
    except (StreamNotFound, LogUnavailable):
        return await _saved(stream_uuid, seconds)
    return entries if new or _is_end(entries) else ()


async def _saved(stream_uuid: uuid.UUID, seconds: float) -> Sequence[Entry]:
    entries: list[Entry] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), aclosing(follow(stream_uuid)) as batches:
            async for batch in batches:
                entries += batch
    return entries


def _is_end(entries: Sequence[Entry]) -> bool:
    return bool(entries) and isinstance(entries[-1][1], TERMINAL)


def _answer_view(person: Person | None, answer: uuid.UUID) -> MessageView:
    return message_view(access.answer(person, answer), person)


# --- Asking -------------------------------------------------------------------------------------------------


@require_POST
async def send(request: HttpRequest) -> HttpResponseBase:
    """Take a message; give the page its bubbles, or redirect to the page that shows them.

    The answer comes by a connection of its own: so a card is on the page at once on any network, one that
    holds streams back too, and each answer can be paused, or left for the next one, without the others.
    """
    form = request.POST
    conversation_uuid = _uuid_or_none(form.get("conversation", ""))
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
        return await _refused(request, refusal, conversation_uuid, draft=message.message)
    return await _answering(request, turn)


@require_POST
async def retry(request: HttpRequest, message_uuid: uuid.UUID) -> HttpResponseBase:
    """Have a failed, stopped or cut-off answer tried again."""
    try:
        turn = await doors.ask_again(request, message_uuid)
    except Refusal as refusal:
        return await _refused(request, refusal, None, draft="")
    return await _answering(request, turn, retried=message_uuid)


async def _answering(request: HttpRequest, turn: Turn, retried: uuid.UUID | None = None) -> HttpResponse:
    address = _conversation_url(turn.conversation)
    if not _by_htmx(request):
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
    context["answer"] = await _as_it_stands(context["answer"])
    return render_to_string("chat/_turn.html", context, request=request)


async def _refused(
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
    if _by_htmx(request):
        response = render(request, "chat/_problem.html", {"problem": problem}, status=refusal.status)
        response["HX-Retarget"], response["HX-Reswap"] = "#problem", "innerHTML"
    else:
        shown = None if isinstance(refusal, NotFound) else conversation_uuid
        response = await _page(request, shown, problem=problem, draft=draft, status=refusal.status)
    if refusal.retry_after is not None:
        response["Retry-After"] = str(refusal.retry_after)
    return response


def _far_away(seconds: int | None) -> datetime | None:
    """The moment in `seconds`, where it is too far away to count down to."""
    return timezone.now() + timedelta(seconds=seconds) if seconds and seconds > COUNTED_DOWN else None


# --- Other forms --------------------------------------------------------------------------------------------


@require_POST
@kindly
async def stop(request: HttpRequest, stream_uuid: uuid.UUID) -> HttpResponse:
    """End a running answer, a paused one too; the page learns it from the stream."""
    generation = await doors.stop(request, stream_uuid)
    if generation.paused_after is not None:
        await doors.resume(request, stream_uuid)
    return _back_to(request, generation)


@require_POST
@kindly
async def pause(request: HttpRequest, stream_uuid: uuid.UUID) -> HttpResponse:
    """Note how far an answer was read; it is kept for this person, who goes on here or on another device."""
    generation = await doors.find_stream(request, stream_uuid)
    await doors.pause(request, stream_uuid, _number(request.POST.get("after")))
    return _back_to(request, generation)


@require_POST
@kindly
async def resume(request: HttpRequest, stream_uuid: uuid.UUID) -> HttpResponse:
    """Go on with a paused answer."""
    generation = await doors.find_stream(request, stream_uuid)
    await doors.resume(request, stream_uuid)
    return _back_to(request, generation)


def _back_to(request: HttpRequest, generation: Generation) -> HttpResponse:
    if _by_htmx(request):
        return HttpResponse(status=204)
    answer = generation.message
    return HttpResponseRedirect(_conversation_url(answer.conversation.uuid) + f"#m-{answer.uuid}")


@require_POST
@kindly
async def rate(request: HttpRequest, message_uuid: uuid.UUID) -> HttpResponse:
    """Keep, change or clear what a person thinks of an answer."""
    rating = request.POST.get("rating", "")
    comment = request.POST.get("comment", "").replace("\0", "").strip()
    if rating not in (*Rating.values, "clear") or len(comment) > COMMENT_CHARS:
        return await _refused(request, Invalid(_("This rating is not known.")), None, draft="")

    def keep(person: Person | None) -> tuple[MessageView, Message]:
        if rating == "clear":
            feedback.take_back(person, message_uuid)
        else:
            feedback.give(person, message_uuid, feedback.Opinion(rating, comment=comment))
        answer = access.answer(person, message_uuid)
        return message_view(answer, person), answer

    shown, answer = await doors.with_visitor(request, keep)
    if _by_htmx(request):
        return render(request, "chat/_feedback.html", {"message": shown})
    return HttpResponseRedirect(_conversation_url(answer.conversation.uuid) + f"#m-{message_uuid}")


@require_POST
@kindly
async def delete(request: HttpRequest, conversation_uuid: uuid.UUID) -> HttpResponse:
    await doors.delete_conversation(request, conversation_uuid)
    response = HttpResponseRedirect(reverse("chat:home"))
    if _by_htmx(request):
        response = HttpResponse(status=204)  # type: ignore[assignment]
        response["HX-Redirect"] = reverse("chat:home")
    return response


def _by_htmx(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def _conversation_url(conversation_uuid: uuid.UUID) -> str:
    return reverse("chat:conversation", args=[conversation_uuid])


def _number(raw: str | None) -> int:
    """An event id or a number of seconds; what is none counts as 0."""
    return int(raw) if raw and raw.isascii() and raw.isdecimal() and len(raw) < 10 else 0


def _uuid_or_none(raw: str) -> uuid.UUID | None:
    """None for an empty field. What is no UUID is looked up as one that nobody has, and so not found."""
    if not raw:
        return None
    try:
        return uuid.UUID(raw)
    except ValueError:
        return uuid.uuid4()
