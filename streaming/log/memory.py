"""The embedded default: streams in this process's memory, for one process only."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic

from streaming.events import Event
from streaming.log.base import Entry, OnStop, Place, StreamLost, StreamNotFound, check_size
from streaming.log.mirror import Mirror


class MemoryLog:
    """Ended streams stay readable for `ttl` seconds; after that they are rebuilt from the saved message."""

    def __init__(self, *, ttl: float, clock: Callable[[], float] = monotonic) -> None:
        self.on_stop: OnStop = lambda _stream_id, _reason: None
        self._streams: dict[str, Mirror] = {}
        self._concluded: set[str] = set()
        self._ended: deque[tuple[float, Mirror]] = deque()  # when it expires, soonest first
        self._sweep: asyncio.TimerHandle | None = None
        self._ttl = ttl
        self._clock = clock

    async def open(self, stream_id: str) -> None:
        self._drop_expired()
        self._streams[stream_id] = Mirror(stream_id, self._clock)

    async def append(self, stream_id: str, event: Event) -> int:
        mirror = self._mirror(stream_id)
        if mirror.is_ended:
            if stream_id in self._concluded:
                raise StreamLost(stream_id)
            raise ValueError(f"stream {stream_id} has ended")
        check_size(event)
        seq = mirror.add(event)
        if mirror.is_ended:
            self._expire(mirror)
        return seq

    async def read(self, stream_id: str, after: int = 0) -> Sequence[Entry]:
        return self._mirror(stream_id).since(after)

    async def wait(self, stream_id: str, after: int, seconds: float) -> Sequence[Entry]:
        return await self._mirror(stream_id).wait(after, seconds)

    def join(self, stream_id: str) -> Place:
        return self._mirror(stream_id).join()

    async def conclude(self, stream_id: str, after: int, events: Sequence[Event]) -> bool:
        mirror = self._mirror(stream_id)
        if mirror.is_ended or len(mirror.entries) != after:
            return False
        for event in events:
            mirror.add(event)
        self._concluded.add(stream_id)
        self._expire(mirror)
        return True

    async def ask_stop(self, stream_id: str, reason: str) -> None:
        """There is no other process; who runs here is stopped without asking."""

    async def unread_seconds(self, stream_id: str) -> float:
        return self._mirror(stream_id).unread_seconds

    def lost_readers(self, stream_id: str) -> int:
        mirror = self._streams.get(stream_id)
        return mirror.lost_readers if mirror else 0

    async def ping(self) -> None:
        """Memory does not go away."""

    async def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _mirror(self, stream_id: str) -> Mirror:
        try:
            return self._streams[stream_id]
        except KeyError:
            raise StreamNotFound(stream_id) from None

    def _expire(self, mirror: Mirror) -> None:
        # All live equally long after their end, so they expire in the order in which they ended, and a look
        # at the first one is enough. The timer frees them where nothing is opened any more.
        self._ended.append((self._clock() + self._ttl, mirror))
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self._ttl, self._sweep_up)

    def _sweep_up(self) -> None:
        self._sweep = None
        self._drop_expired()
        if self._ended:
            self._sweep = asyncio.get_running_loop().call_later(self._ttl, self._sweep_up)

    def _drop_expired(self) -> None:
        now = self._clock()
        while self._ended and self._ended[0][0] <= now:
            _, mirror = self._ended.popleft()
            if self._streams.get(mirror.stream_id) is mirror:
                del self._streams[mirror.stream_id]
                self._concluded.discard(mirror.stream_id)
