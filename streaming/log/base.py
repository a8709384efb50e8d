"""The log of a stream: appended by one writer, read by any number of readers, ids from 1 without gaps."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from streaming.events import TERMINAL, Event

Entry = tuple[int, Event]


class StreamNotFound(KeyError):
    """The log has no such stream: it never had, or it has expired."""


class Log(Protocol):
    """What a backend must do; `tests/streaming/test_log.py` is its contract."""

    async def open(self, stream_id: str) -> None:
        """Make an empty stream. Readers may come from now on."""
        ...

    async def append(self, stream_id: str, event: Event) -> int:
        """Add an event and give its id. A stream ends with its terminal event."""
        ...

    async def read(self, stream_id: str, after: int = 0) -> Sequence[Entry]:
        """All events with an id above `after` that are there now. Raises `StreamNotFound`."""
        ...

    async def wait(self, stream_id: str, after: int, seconds: float) -> Sequence[Entry]:
        """As `read`, but waits up to `seconds` for the first one. Raises `StreamNotFound`."""
        ...


async def tail(
    log: Log, stream_id: str, after: int = 0, *, keepalive: float
) -> AsyncGenerator[Sequence[Entry]]:
    """Batches of what comes after `after`, up to the terminal event; an empty one per `keepalive` seconds
    of silence. Ends at once where `after` is already the end. Raises `StreamNotFound` before the first batch.
    """
    batch = await log.read(stream_id, after)
    if not batch and after:
        # The reader has all of it, or names an id that is not there yet: it goes on from the last one.
        after, is_ended = await _last(log, stream_id)
        if is_ended:
            return
    while True:
        yield batch
        if batch:
            after, last = batch[-1]
            if isinstance(last, TERMINAL):
                return
        batch = await log.wait(stream_id, after, keepalive)


async def _last(log: Log, stream_id: str) -> tuple[int, bool]:
    entries = await log.read(stream_id, 0)
    return (entries[-1][0], isinstance(entries[-1][1], TERMINAL)) if entries else (0, False)
