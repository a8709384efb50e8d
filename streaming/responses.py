"""The HTTP response of a stream: async, closed at once when the reader leaves, never buffered or zipped.

One stream in three forms: server-sent events, a JSON object a line, and a JSON object for who polls.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.cache import patch_vary_headers

from streaming import sse
from streaming.events import TERMINAL, to_wire
from streaming.log.base import BATCH, Entry, Log, LogUnavailable, StreamNotFound

HEADERS = {
    # no-transform: a gzip on the way collapses a stream into one chunk, and squeezes the padding out.
    "Cache-Control": "no-cache, no-transform",
    # nginx's
    "X-Accel-Buffering": "no",
}
SSE = "text/event-stream"
NDJSON = "application/x-ndjson"

Pad = Callable[[bytes, int], bytes]
"""Brings what is written at once up to a multiple of so many bytes."""


class StreamResponse(StreamingHttpResponse):
    """Streams the bytes of an async generator, and closes it in the task that reads it.

    Django's own response closes its generator late and elsewhere, which would keep a reader's place in the
    log after it has left. Each chunk is padded to a multiple of STREAM_PAD_BYTES.
    """

    def __init__(
        self, frames: AsyncGenerator[bytes], *, content_type: str = SSE, padded: Pad = sse.pad
    ) -> None:
        self.chunks = _padding(frames, padded, settings.STREAM_PAD_BYTES)
        super().__init__(self.chunks, content_type=content_type, headers=HEADERS)


async def _padding(frames: AsyncGenerator[bytes], padded: Pad, step: int) -> AsyncGenerator[bytes]:
    async with aclosing(frames):
        async for frame in frames:
            yield padded(frame, step)


def events_response(request: HttpRequest, batches: AsyncGenerator[Sequence[Entry]]) -> StreamResponse:
    """The events in the form that the reader asked for: server-sent events, unless it prefers NDJSON."""
    if request.get_preferred_type([SSE, NDJSON]) == NDJSON:
        response = StreamResponse(json_lines(batches), content_type=NDJSON, padded=pad_line)
    else:
        response = StreamResponse(json_frames(batches))
    patch_vary_headers(response, ["Accept"])
    return response


def last_event_id(request: HttpRequest, after: int = 0) -> int:
    """Where a reader was: its Last-Event-ID header, else `after`; anything else counts as the beginning."""
    raw = request.headers.get("Last-Event-ID", "")
    return int(raw) if raw.isdecimal() and len(raw) < 19 else max(after, 0)


# --- Server-sent events -------------------------------------------------------------------------------------


async def json_frames(batches: AsyncGenerator[Sequence[Entry]]) -> AsyncGenerator[bytes]:
    """Events as server-sent JSON objects, each with its id; a comment where a batch is empty."""
    encode = msgspec.json.encode
    async with aclosing(batches):
        async for batch in batches:
            frames = [sse.frame(encode(to_wire(event)), seq) for seq, event in batch]
            yield b"".join(frames) or sse.COMMENT


# --- One JSON object a line ---------------------------------------------------------------------------------


async def json_lines(batches: AsyncGenerator[Sequence[Entry]]) -> AsyncGenerator[bytes]:
    """Events as lines of JSON, each with its id; a line without an object where a batch is empty."""
    encode = msgspec.json.encode
    async with aclosing(batches):
        async for batch in batches:
            yield b"".join([encode(numbered(entry)) + b"\n" for entry in batch]) or b"\n"


def numbered(entry: Entry) -> dict[str, Any]:
    """An event with its id, for readers that have no `id:` line."""
    seq, event = entry
    return to_wire(event) | {"id": seq}


def pad_line(chunk: bytes, step: int) -> bytes:
    """Lines of JSON, brought up to a multiple of `step` bytes (0 = as they are) by blanks at their end."""
    missing = -len(chunk) % step if step else 0
    return chunk[:-1] + b" " * missing + b"\n" if missing else chunk


def pad_json(document: bytes, step: int) -> bytes:
    """A JSON document, brought up to a multiple of `step` bytes (0 = as it is) by blanks after it."""
    return document + b" " * (-len(document) % step) if step else document


# --- One JSON object for what is new ------------------------------------------------------------------------


def poll_response(
    log: Log, stream_id: str, after: int, *, seconds: float, saved: AsyncGenerator[Sequence[Entry]]
) -> StreamResponse:
    """What is new after `after`, as one JSON object: at once, or as soon as it comes within `seconds`.

    `saved` gives the stream where the log has it no more. The reply is a stream of one chunk, and waits as
    cheaply as a stream.
    """
    chunks = _polled(log, stream_id, after, seconds, saved)
    return StreamResponse(chunks, content_type="application/json", padded=pad_json)


async def _polled(
    log: Log, stream_id: str, after: int, seconds: float, saved: AsyncGenerator[Sequence[Entry]]
) -> AsyncGenerator[bytes]:
    try:
        new, ended = await _news(log, stream_id, after, seconds)
    except (StreamNotFound, LogUnavailable):
        new, ended = await _first_of(saved, seconds)
    last = new[-1][0] if new else after
    yield msgspec.json.encode({"events": list(map(numbered, new)), "ended": ended, "lastEventId": last})


async def _news(log: Log, stream_id: str, after: int, seconds: float) -> tuple[Sequence[Entry], bool]:
    """What comes next, and whether it is the end. A reader between two polls is none that was lost."""
    new = await log.read(stream_id, after)
    if not new:
        # It has all of it, or names an id that is not there yet: it goes on from the last one.
        known = await log.read(stream_id)
        if _is_end(known):
            return (), True
        new = await log.wait(stream_id, len(known), seconds)
    new = new[:BATCH]
    return new, _is_end(new)


async def _first_of(batches: AsyncGenerator[Sequence[Entry]], seconds: float) -> tuple[Sequence[Entry], bool]:
    """The first batch that has something in it, and whether it is the end."""
    async with aclosing(batches):
        try:
            # The first one is what there is now: it may have to be read from the database.
            batch = await anext(batches)
            async with asyncio.timeout(seconds):
                while not batch:
                    batch = await anext(batches)
        except TimeoutError:
            return (), False
    return batch, _is_end(batch)


def _is_end(entries: Sequence[Entry]) -> bool:
    return bool(entries) and isinstance(entries[-1][1], TERMINAL)
