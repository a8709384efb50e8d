"""Streams that other processes write, as far as somebody here reads them: all over one connection."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextvars import Context
from time import monotonic
from typing import Any

from streaming.log.base import LogUnavailable, StreamNotFound
from streaming.log.layout import Layout, entry_id, feed
from streaming.log.mirror import Mirror
from streaming.log.pipe import Link, Part, Pipe, Refused

PAGE = 1000
"""Entries of a stream in one reply."""
BLOCK_MS = 5000
XREAD = ("XREAD", "COUNT", str(PAGE), "BLOCK", str(BLOCK_MS), "STREAMS")
WAKE_MS = 60_000
PAUSE_PER_STREAM = 0.0002
LONGEST_PAUSE = 0.02
"""Seconds between two looks at many streams. Each look names all of them, so that one per event would cost
their number squared; one per 20 ms gathers what came meanwhile, and nobody sees the difference."""
FEW = 4
"""Streams that are followed without a pause."""
UNREAD = 5.0
"""Seconds until a mirror that nobody reads is dropped."""
PRESENCE_MS = 4000
PAUSE_BEFORE_ANEW = 0.05
MEND_PAUSES = (0.05, 0.1, 0.3, 1.0, 2.0)
"""Seconds. A gap is closed by the writer, as soon as it sees it; where it does not, the stream is lost."""

Control = Callable[[bytes, dict[bytes, bytes]], None]


class Following:
    """Mirrors of other processes' streams, loaded when they are first read, and fed by one blocking XREAD."""

    def __init__(self, link: Link, layout: Layout, *, timeout: float) -> None:
        self._link = link
        self._layout = layout
        self._timeout = timeout
        self._mirrors: dict[str, Mirror] = {}
        self._keys: dict[bytes, Mirror] = {}
        self._missing: dict[str, int] = {}
        self._tasks: dict[str, asyncio.Task[Mirror]] = {}
        self._is_blocked = False
        self._seen_stop = "0"
        self._seen_wake = "0"

    def known(self, stream_id: str) -> Mirror | None:
        return self._mirrors.get(stream_id)

    async def mirror(self, stream_id: str) -> Mirror:
        """The stream's mirror, loaded if need be. Raises `StreamNotFound` and `LogUnavailable`."""
        if known := self._mirrors.get(stream_id):
            return known
        loading = self._tasks.get(stream_id)
        if loading is None:
            loading = self._task(stream_id, self._load(stream_id))
        return await asyncio.shield(loading)

    def adopt(self, mirror: Mirror) -> None:
        """Feed this mirror, too."""
        self._mirrors[mirror.stream_id] = mirror
        if not mirror.is_ended:
            self._keys[self._layout.stream(mirror.stream_id).encode()] = mirror
            self._interrupt()

    async def catch_up(self, mirror: Mirror) -> bool:
        """Read what the mirror lacks. False at a gap. Raises `StreamNotFound` and `LogUnavailable`."""
        key, is_there = self._layout.stream(mirror.stream_id), False
        while True:
            after = entry_id(len(mirror.entries))
            begin = f"({after}" if mirror.entries or is_there else "-"
            page = await self._link.ask("XRANGE", key, begin, "+", "COUNT", PAGE)
            is_there = is_there or bool(page)
            if not feed(mirror, page):
                return False
            if len(page) < PAGE or mirror.is_ended:
                break
        if not is_there and not await self._link.ask("EXISTS", key):
            raise StreamNotFound(mirror.stream_id)
        return True

    async def run(self, connect: Callable[[], Awaitable[Pipe]], on_stop: Control) -> None:
        """Follow, for as long as the task runs; a lost connection is made anew."""
        while True:
            pipe = await connect()
            try:
                while True:
                    await self._look(pipe, on_stop)
                    if len(self._keys) > FEW:
                        await asyncio.sleep(min(LONGEST_PAUSE, PAUSE_PER_STREAM * len(self._keys)))
            except (LogUnavailable, Refused):
                pipe.abort()
                await asyncio.sleep(PAUSE_BEFORE_ANEW)
            finally:
                await pipe.close()

    def tend(self) -> None:
        """To be called every second: drops what nobody reads, says what is read, notices what Redis lost."""
        for mirror in [mirror for mirror in self._mirrors.values() if mirror.unread_seconds > UNREAD]:
            self._forget(mirror)
        if pipe := self._link.pipe:
            for mirror in self._keys.values():
                self._say_present(pipe, mirror)

    async def close(self) -> None:
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    # --- Loading --------------------------------------------------------------------------------------------

    async def _load(self, stream_id: str) -> Mirror:
        mirror = Mirror(stream_id, monotonic)
        if not await self.catch_up(mirror):
            await self._mend(mirror)
        self.adopt(mirror)
        return mirror

    async def _mend(self, mirror: Mirror) -> Mirror:
        """Read on from a gap. Raises `LogUnavailable` where it stays."""
        for pause in MEND_PAUSES:
            await asyncio.sleep(pause)
            with contextlib.suppress(StreamNotFound):  # it is just being written again
                if await self.catch_up(mirror):
                    return mirror
        raise LogUnavailable(f"stream {mirror.stream_id} has a gap after {len(mirror.entries)}")

    async def _reload(self, mirror: Mirror) -> Mirror:
        try:
            self.adopt(await self._mend(mirror))
        except BaseException:
            self._forget(mirror)
            mirror.lose()
            raise
        return mirror

    def _task(self, stream_id: str, work: Any) -> asyncio.Task[Mirror]:
        # Several readers wait for it, and each may leave. It must not belong to the request of the first.
        task = self._tasks[stream_id] = asyncio.create_task(work, context=Context(), name=f"load {stream_id}")
        task.add_done_callback(lambda done: self._loaded(stream_id, done))
        return task

    def _loaded(self, stream_id: str, task: asyncio.Task[Mirror]) -> None:
        del self._tasks[stream_id]
        if not task.cancelled():
            task.exception()  # those who waited have it; if nobody did, nobody misses it

    # --- Following ------------------------------------------------------------------------------------------

    def _interrupt(self) -> None:
        """Have the blocked XREAD return, so that the next one names a new stream, too. Since the wake stream
        is read from the last id seen, no wake is lost, whenever it comes."""
        if self._is_blocked and (pipe := self._link.pipe):
            pipe.send(("XADD", self._layout.wake, "MAXLEN", 1, "*", "w", ""), _ignore)
            pipe.send(("PEXPIRE", self._layout.wake, WAKE_MS), _ignore)

    async def _look(self, pipe: Pipe, on_stop: Control) -> None:
        ids = [entry_id(len(mirror.entries)) for mirror in self._keys.values()]
        keys: list[Part] = [self._layout.stops, self._layout.wake, *self._keys]
        self._is_blocked = True
        try:
            found = await pipe.ask(
                *XREAD, *keys, self._seen_stop, self._seen_wake, *ids, seconds=BLOCK_MS / 1000 + self._timeout
            )
        finally:
            self._is_blocked = False
        for key, entries in found or ():
            if mirror := self._keys.get(key):
                self._feed(key, mirror, entries)
            else:
                self._control(key.decode(), entries, on_stop)

    def _feed(self, key: bytes, mirror: Mirror, entries: list[Any]) -> None:
        if not feed(mirror, entries):
            del self._keys[key]
            if mirror.stream_id not in self._tasks:
                self._task(mirror.stream_id, self._reload(mirror))
        elif mirror.is_ended:
            del self._keys[key]

    def _control(self, key: str, entries: list[Any], on_stop: Control) -> None:
        last = entries[-1][0].decode()
        if key == self._layout.wake:
            self._seen_wake = last
        elif key == self._layout.stops:
            self._seen_stop = last
            for _name, fields in entries:
                on_stop(fields[0], dict(zip(fields[::2], fields[1::2], strict=True)))

    # --- Every second ---------------------------------------------------------------------------------------

    def _forget(self, mirror: Mirror) -> None:
        self._mirrors.pop(mirror.stream_id, None)
        self._keys.pop(self._layout.stream(mirror.stream_id).encode(), None)
        self._missing.pop(mirror.stream_id, None)

    def _say_present(self, pipe: Pipe, mirror: Mirror) -> None:
        stream_id = mirror.stream_id
        if mirror.is_read:
            pipe.send(("SET", self._layout.read(stream_id), "", "PX", PRESENCE_MS), _ignore)
        pipe.send(("EXISTS", self._layout.stream(stream_id)), lambda reply: self._is_there(mirror, reply))

    def _is_there(self, mirror: Mirror, reply: Any) -> None:
        """A writer that lives writes a lost stream anew within a moment; one that does not, never will."""
        if reply != 0:
            self._missing.pop(mirror.stream_id, None)
            return
        times = self._missing[mirror.stream_id] = self._missing.get(mirror.stream_id, 0) + 1
        if times > 2 and self._mirrors.get(mirror.stream_id) is mirror:
            self._forget(mirror)
            mirror.lose()


def _ignore(_reply: Any) -> None:
    pass
