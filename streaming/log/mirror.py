"""A stream as it stands in this process's memory, and who waits for more of it.."""

import asyncio
from collections.abc import Callable, Sequence

from streaming.events import TERMINAL, Event
from streaming.log.base import Entry, Place, StreamNotFound


class Mirror:
    """The entries of one stream from id 1, and its readers. All of it belongs to one event loop."""

    __slots__ = (
        "_alarm",
        "_alarm_at",
        "_clock",
        "_waiting",
        "entries",
        "is_ended",
        "is_gone",
        "lost_readers",
        "readers",
        "safe",
        "seen_at",
        "stream_id",
    )

    def __init__(self, stream_id: str, clock: Callable[[], float]) -> None:
        self.stream_id = stream_id
        self.entries: list[Entry] = []
        self.is_ended = False
        self.is_gone = False  # its backend has lost it: readers must look elsewhere
        self.readers = 0
        self.lost_readers = 0
        self.seen_at = clock()
        self.safe: Callable[[], int] | None = None  # how many may be shown, where not all
        self._clock = clock
        self._waiting: dict[asyncio.Future[None], float] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0

    @property
    def is_read(self) -> bool:
        return self.readers > 0 or bool(self._waiting)

    @property
    def unread_seconds(self) -> float:
        return 0.0 if self.is_read else self._clock() - self.seen_at

    @property
    def visible(self) -> int:
        """How many events may be shown."""
        return len(self.entries) if self.safe is None else self.safe()

    def add(self, event: Event) -> int:
        """Append, wake the readers, and give the id."""
        entries = self.entries
        seq = len(entries) + 1
        entries.append((seq, event))
        if isinstance(event, TERMINAL):
            self.is_ended = True
        if self._waiting:
            self.wake()
        return seq

    def touch(self) -> None:
        """Somebody has read it just now."""
        self.seen_at = self._clock()

    def lose(self) -> None:
        """Send the readers elsewhere: they get `StreamNotFound`."""
        self.is_gone = True
        self.wake()

    def since(self, after: int) -> Sequence[Entry]:
        self.seen_at = self._clock()
        return self.entries[after if after > 0 else 0 : self.visible]

    async def wait(self, after: int, seconds: float) -> Sequence[Entry]:
        """What comes after `after`, or nothing when `seconds` have passed. Raises `StreamNotFound`."""
        if self.visible <= after and not (self._is_told or self.is_gone):
            await self._change(seconds)
        if self.is_gone:
            raise StreamNotFound(self.stream_id)
        return self.since(after)

    def join(self) -> Place:
        self.readers += 1
        return self

    def leave(self, *, early: bool) -> None:
        self.readers -= 1
        self.lost_readers += early
        self.seen_at = self._clock()

    async def _change(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        until = self._waiting[waiter] = loop.time() + seconds
        # Once per event and reader. One alarm for all, which is left running when an event comes sooner,
        # costs much less than a timer, let alone asyncio.timeout, for each.
        if self._alarm is None or until < self._alarm_at:
            self._set_alarm(loop, until)
        try:
            await waiter
        finally:
            self._waiting.pop(waiter, None)
            if self.is_ended:
                self._stop_alarm()

    @property
    def _is_told(self) -> bool:
        """Whether it has ended, and may be shown to its end."""
        return self.is_ended and self.visible == len(self.entries)

    def wake(self) -> None:
        """Let those who wait look again."""
        waiting, self._waiting = self._waiting, {}
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _set_alarm(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        self._stop_alarm()
        self._alarm, self._alarm_at = loop.call_at(at, self._ring, loop), at

    def _stop_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake those whose time has passed; ring again for the next."""
        self._alarm = None
        now = loop.time()
        # A timer may ring a little early, by the resolution of the clock.
        for waiter in [waiter for waiter, until in self._waiting.items() if until <= now + 0.001]:
            del self._waiting[waiter]
            if not waiter.done():
                waiter.set_result(None)
        if self._waiting:
            self._set_alarm(loop, min(self._waiting.values()))
