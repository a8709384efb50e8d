"""The log of a stream: appended by one writer, read by any number of readers, ids from 1 without gaps."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Protocol

import msgspec

from streaming.events import TERMINAL, Event, Token, to_wire

Entry = tuple[int, Event]
OnStop = Callable[[str, str], None]

MAX_EVENT_BYTES = 64 * 1024
"""Of an event's JSON."""
BATCH = 256
"""Events that a reader takes at once: what it makes of them is bounded, however far behind it is."""
_SURELY_SMALL = MAX_EVENT_BYTES // 6 - 64  # JSON takes six bytes for a character at most


class StreamNotFound(KeyError):
    """The log has no such stream: it never had, or it has expired."""


class StreamLost(Exception):
    """Another process concluded this stream: its writer must stop, and save nothing."""


class PayloadTooLarge(ValueError):
    """An event of more than `MAX_EVENT_BYTES`."""


class LogUnavailable(ConnectionError):
    """The backend is away, and the stream is not kept in this process. Try again later."""


class Place(Protocol):
    """A reader's, from `Log.join`."""

    def leave(self, *, early: bool) -> None:
        """`early`: before the terminal event; such a reader counts as lost."""
        ...


class Log(Protocol):
    """What a backend must do; `tests/streaming/log/test_contract.py` is its contract."""

    on_stop: OnStop
    """Called with (stream id, reason) where another process asks to stop a stream that is written here."""

    async def open(self, stream_id: str) -> None:
        """Make an empty stream, once per id. Readers may come from now on."""
        ...

    async def append(self, stream_id: str, event: Event) -> int:
        """Add an event and give its id. A stream ends with its terminal event.

        Raises `PayloadTooLarge`, `StreamLost`, and `ValueError` after the terminal event.
        """
        ...

    async def read(self, stream_id: str, after: int = 0) -> Sequence[Entry]:
        """All events with an id above `after` that are there now.

        Raises `StreamNotFound`, `LogUnavailable`.
        """
        ...

    async def wait(self, stream_id: str, after: int, seconds: float) -> Sequence[Entry]:
        """As `read`, but waits up to `seconds` for the first one."""
        ...

    def join(self, stream_id: str) -> Place:
        """A reader that has just called `read` is here to stay: it counts as one, also while it is slow,
        until it leaves its place. Raises `StreamNotFound`.
        """
        ...

    async def conclude(self, stream_id: str, after: int, events: Sequence[Event]) -> bool:
        """Append the last events, a terminal one at the end, to the stream of a dead writer, right after the
        id `after`. False where it has grown beyond, or has ended. Raises `StreamNotFound`, `LogUnavailable`.
        """
        ...

    async def ask_stop(self, stream_id: str, reason: str) -> None:
        """Ask whichever other process writes this stream to stop. Raises `LogUnavailable`."""
        ...

    async def unread_seconds(self, stream_id: str) -> float:
        """How long nobody, in any process, has read it; 0 while there is a reader, or while the backend
        cannot say. Raises `StreamNotFound` where it is not written here.
        """
        ...

    def lost_readers(self, stream_id: str) -> int:
        """How many readers in this process left before the end; 0 for an unknown stream."""
        ...

    async def ping(self) -> None:
        """Raises `LogUnavailable` where the backend is away."""
        ...

    async def close(self) -> None:
        """Let go of everything, once the backend has what was appended, or a short time has passed."""
        ...


def encode(event: Event) -> bytes:
    """The event's JSON, as it travels. Raises `PayloadTooLarge`."""
    payload = msgspec.json.encode(to_wire(event))
    if len(payload) > MAX_EVENT_BYTES:
        raise PayloadTooLarge(f"an event of {len(payload)} bytes; {MAX_EVENT_BYTES} are the limit")
    return payload


def check_size(event: Event) -> None:
    """Refuse what `encode` would refuse, without the work where it surely would not."""
    if type(event) is not Token or len(event.content) > _SURELY_SMALL:
        encode(event)


async def tail(
    log: Log, stream_id: str, after: int = 0, *, keepalive: float
) -> AsyncGenerator[Sequence[Entry]]:
    """Batches (of `BATCH` events at most) of what comes after `after`, up to the terminal event; an empty one
    per `keepalive` seconds of silence. Ends at once where `after` is already the end. Raises `StreamNotFound`
    and `LogUnavailable` before the first batch, and `StreamNotFound` later where the backend lost the stream.

    A reader that closes this before the terminal event counts as lost.
    """
    batch = await log.read(stream_id, after)
    if not batch and after:
        # The reader has all of it, or names an id that is not there yet: it goes on from the last one.
        after, is_ended = await _last(log, stream_id)
        if is_ended:
            return
    place = log.join(stream_id)
    early = True
    try:
        while True:
            while len(batch) > BATCH:
                yield batch[:BATCH]
                batch = batch[BATCH:]
                await asyncio.sleep(0)  # others' turn, and the moment to notice that the reader has gone
            early = not (batch and isinstance(batch[-1][1], TERMINAL))
            yield batch
            if not early:
                return
            if batch:
                after = batch[-1][0]
            batch = await log.wait(stream_id, after, keepalive)
    finally:
        place.leave(early=early)


async def _last(log: Log, stream_id: str) -> tuple[int, bool]:
    entries = await log.read(stream_id, 0)
    return (entries[-1][0], isinstance(entries[-1][1], TERMINAL)) if entries else (0, False)
