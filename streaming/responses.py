"""The HTTP response of a stream: async, closed at once when the reader leaves, never buffered or zipped."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

import msgspec
from django.http import HttpRequest, StreamingHttpResponse

from streaming import sse
from streaming.events import to_wire
from streaming.log.base import Entry

HEADERS = {
    # no-transform: a gzip on the way collapses a stream into one chunk. X-Accel-Buffering is nginx's.
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


class StreamResponse(StreamingHttpResponse):
    """Streams the bytes of an async generator, and closes it in the task that reads it.

    Django's own response closes its generator late and elsewhere, which would keep a reader's place in the
    log after it has left.
    """

    def __init__(self, frames: AsyncGenerator[bytes], *, content_type: str = "text/event-stream") -> None:
        super().__init__(_closing(frames), content_type=content_type, headers=HEADERS)


async def _closing(frames: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    async with aclosing(frames):
        async for frame in frames:
            yield frame


async def json_frames(batches: AsyncGenerator[Sequence[Entry]]) -> AsyncGenerator[bytes]:
    """Events as server-sent JSON objects, each with its id; a comment where a batch is empty."""
    encode = msgspec.json.encode
    async with aclosing(batches):
        async for batch in batches:
            frames = [sse.frame(encode(to_wire(event)), seq) for seq, event in batch]
            yield b"".join(frames) or sse.COMMENT


def last_event_id(request: HttpRequest, after: int = 0) -> int:
    """Where a reader was: its Last-Event-ID header, else `after`; anything else counts as the beginning."""
    raw = request.headers.get("Last-Event-ID", "")
    return int(raw) if raw.isdecimal() and len(raw) < 19 else max(after, 0)
