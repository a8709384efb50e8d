"""An answer as it is being written: by a stream of HTML, and by polls where streams do not get through."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET

from chat import access, doors
from chat.engine import engine
from chat.errors import NotFound
from chat.frames import DONE, finished_patch, html_frames, patch_so_far
from chat.models import Conversation, Generation, Message, Person
from chat.rendering import MessageView, views_of
from chat.streams import follow
from chat.web.errors import kindly
from chat.web.forms import number
from chat.web.language import in_language_of_request
from chat.web.listing import listed
from streaming import sse
from streaming.events import TERMINAL
from streaming.log.base import Entry, LogUnavailable, StreamNotFound
from streaming.responses import StreamResponse, pad_json

LONGEST_WAIT = 25.0
"""Seconds that a poll may wait; proxies that hold streams back often give up at 30."""
GATHER = 0.5
"""Seconds of words that one poll brings, after the first ones."""


@require_GET
@kindly
async def stream(request: HttpRequest, stream_uuid: uuid.UUID) -> HttpResponseBase:
    """An answer as it is being written, for as long as the page reads it."""
    generation, country = await _found(request, stream_uuid)
    frames = _frames(request, generation.stream_uuid, generation.message.uuid, country)
    return StreamResponse(in_language_of_request(frames))


async def _found(request: HttpRequest, stream_uuid: uuid.UUID) -> tuple[Generation, str]:
    """The generation behind a stream, and the country that its reader has chosen. Raises `NotFound`."""

    def find(person: Person | None) -> tuple[Generation, str]:
        return access.generation(person, stream_uuid), person.country if person else ""

    return await doors.with_visitor(request, find)


async def _frames(
    request: HttpRequest, stream_uuid: uuid.UUID, answer: uuid.UUID, country: str
) -> AsyncGenerator[bytes]:
    async with aclosing(html_frames(follow(stream_uuid), answer, request, country)) as frames:
        async for frame in frames:
            yield frame
    with suppress(NotFound):  # deleted meanwhile, in another tab
        yield sse.frame_lines(await _finished(request, answer))
    yield DONE


async def _finished(request: HttpRequest, answer: uuid.UUID) -> str:
    def load(person: Person | None) -> tuple[MessageView, Conversation | None]:
        message = access.answer(person, answer)
        return _view_of(message, person), message.conversation if _awaits_title(message) else None

    saved, untitled = await doors.with_visitor(request, load)
    watch = {"conversation": untitled}
    awaiting = render_to_string("chat/_title_awaited.html", watch, request=request) if untitled else ""
    return finished_patch(saved, request) + awaiting


def _awaits_title(message: Message) -> bool:
    """Whether the model may be thinking of one: see `chat.turns.asides`."""
    question = message.question
    is_first = question is not None and question.follows_id is None
    return settings.MODEL_TITLES and is_first and not (message.conversation.is_named or message.notices)


@require_GET
@kindly
async def title(request: HttpRequest, conversation_uuid: uuid.UUID) -> HttpResponse:
    """The title and the list, a moment after the first answer."""

    def load(person: Person | None) -> dict[str, Any]:
        return {"conversation": access.conversation(person, conversation_uuid), **listed(person)}

    return render(request, "chat/_titled.html", await doors.with_visitor(request, load))


@require_GET
@kindly
async def poll(request: HttpRequest, stream_uuid: uuid.UUID) -> HttpResponseBase:
    """The answer as it stands, once it has gone beyond `after`: for networks that hold streams back.

    A comment with the id of its last event stands before it. Empty where nothing came within `wait` seconds.
    """
    generation, country = await _found(request, stream_uuid)
    after, wait = number(request.GET.get("after")), number(request.GET.get("wait"))
    # One chunk, and yet a stream: it waits as cheaply as one.
    chunks = _polled(request, generation, country, after, min(float(wait), LONGEST_WAIT))
    html = "text/html; charset=utf-8"
    return StreamResponse(in_language_of_request(chunks), content_type=html, padded=pad_json)


async def _polled(
    request: HttpRequest, generation: Generation, country: str, after: int, seconds: float
) -> AsyncGenerator[bytes]:
    answer = generation.message.uuid
    entries = await _beyond(generation.stream_uuid, after, seconds)
    if _is_end(entries):
        with suppress(NotFound):  # deleted meanwhile: the page learns it when it asks again
            yield (await _finished(request, answer)).encode()
    elif entries:
        patch = patch_so_far(entries, answer, request, country)
        yield f"<!-- {entries[-1][0]} -->{patch}".encode()


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


def _view_of(message: Message, person: Person | None) -> MessageView:
    return views_of(message.conversation, [message], person)[0]
