"""The embedded default: streams in this process's memory, for one process only."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic

from streaming.events import TERMINAL, Event
from streaming.log.base import Entry, StreamNotFound


@dataclass(slots=True)
class _Stream:
    entries: list[Entry] = field(default_factory=list)
    waiting: set[asyncio.Future[None]] = field(default_factory=set)
    expires: float | None = None  # set by the terminal event: a live stream is never dropped


class MemoryLog:
    """Ended streams stay readable for `ttl` seconds; after that they are rebuilt from the saved message."""

    def __init__(self, *, ttl: float, clock: Callable[[], float] = monotonic) -> None:
        self._streams: dict[str, _Stream] = {}
        self._ttl = ttl
        self._clock = clock

    async def open(self, stream_id: str) -> None:
        self._drop_expired()
        self._streams[stream_id] = _Stream()

    async def append(self, stream_id: str, event: Event) -> int:
        stream = self._stream(stream_id)
        if stream.expires is not None:
            raise ValueError(f"stream {stream_id} has ended")
        seq = len(stream.entries) + 1
        stream.entries.append((seq, event))
        if isinstance(event, TERMINAL):
            stream.expires = self._clock() + self._ttl
        for waiter in stream.waiting:
            _wake(waiter)
        stream.waiting.clear()
        return seq

    async def read(self, stream_id: str, after: int = 0) -> Sequence[Entry]:
        return self._stream(stream_id).entries[max(after, 0) :]

    async def wait(self, stream_id: str, after: int, seconds: float) -> Sequence[Entry]:
        stream = self._stream(stream_id)
        if len(stream.entries) <= after and stream.expires is None:
            await self._next_append(stream, seconds)
        return stream.entries[max(after, 0) :]

    async def _next_append(self, stream: _Stream, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        stream.waiting.add(waiter)
        # Once per event and reader: a bare timer costs half of what asyncio.timeout does.
        timer = loop.call_later(seconds, _wake, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            stream.waiting.discard(waiter)

    def _stream(self, stream_id: str) -> _Stream:
        try:
            return self._streams[stream_id]
        except KeyError:
            raise StreamNotFound(stream_id) from None

    def _drop_expired(self) -> None:
        # Streams end roughly in the order in which they began, so the walk stops early.
        now = self._clock()
        for stream_id, stream in list(self._streams.items())[:100]:
            if stream.expires is not None and stream.expires <= now:
                del self._streams[stream_id]


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
