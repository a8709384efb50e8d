"""Streams in Redis or Valkey, for any number of processes and hosts.

Each process keeps the streams it writes in its own memory, too: its readers are served from there, and never
wait for Redis. Streams of others are mirrored while somebody reads them here. Two connections do all of it.
See `docs/decisions/0009-log-on-redis-streams.md`.
"""

import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import Coroutine, Sequence
from contextvars import Context
from time import monotonic
from typing import Any

from streaming.events import Event
from streaming.log.base import Entry, LogUnavailable, OnStop, Place, StreamNotFound, encode
from streaming.log.following import Following
from streaming.log.layout import FENCE, Layout, entry_id, field_of
from streaming.log.mirror import Mirror
from streaming.log.pipe import Address, Link, Pipe, Refused
from streaming.log.writing import Writing

logger = logging.getLogger(__name__)

TIMEOUT = 2.0
"""Seconds for a reply."""
OPEN_WAIT = 0.25
"""Seconds that `open` waits for Redis, at most."""
TEND_EVERY = 1.0
KEPT = 5.0
"""Seconds that an ended stream which Redis has, and nobody reads, stays in this process's memory."""
STOPS = 1000
"""Requests to stop that are kept; each is of use for a moment only."""

CONCLUDE = f"""
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if not last then return -1 end
if last[1] ~= ARGV[1] or last[2][1] == 't' then return 0 end
for i = 5, #ARGV, 3 do redis.call('XADD', KEYS[1], ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
redis.call('XSETID', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', {STOPS}, '*', 'c', ARGV[4])
return 1
"""


class RedisLog:
    """`ttl` is how long an ended stream stays readable, and `live_ttl` how long one may be written, in
    seconds: what a process that died has left is gone after it, so no answer may take longer.

    Belongs to the event loop in which it is first used; opens no connection before.
    """

    def __init__(
        self,
        url: str,
        *,
        ttl: float,
        live_ttl: float,
        prefix: str = "nightlight:",
        timeout: float = TIMEOUT,
    ) -> None:
        self.on_stop: OnStop = lambda _stream_id, _reason: None
        self._ttl, self._live_ttl, self._timeout = ttl, live_ttl, timeout
        self._name = f"nightlight-{os.getpid()}-{secrets.token_hex(4)}"
        self._layout = Layout(prefix, self._name)
        self._address = Address(url, timeout=timeout)
        self._written: dict[str, Writing] = {}
        self._link = Link(self._address, f"{self._name}-write", self._came_up, timeout=timeout)
        self._following = Following(self._link, self._layout, timeout=timeout)
        self._tasks: set[asyncio.Task[None]] = set()
        self._handing_over: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def open(self, stream_id: str) -> None:
        self._start()
        with contextlib.suppress(LogUnavailable):
            await self._link.ready()
        writing = self._written[stream_id] = Writing(
            Mirror(stream_id, monotonic),
            self._link,
            self._layout.stream(stream_id),
            ttl=self._ttl,
            live_ttl=self._live_ttl,
            on_lost=self._lost,
        )
        await writing.open(OPEN_WAIT)

    async def append(self, stream_id: str, event: Event) -> int:
        try:
            writing = self._written[stream_id]
        except KeyError:
            raise StreamNotFound(stream_id) from None
        return writing.add(event)

    async def read(self, stream_id: str, after: int = 0) -> Sequence[Entry]:
        mirror = self._known(stream_id) or await self._load(stream_id)
        if after > len(mirror.entries) and stream_id not in self._written:
            await self._reach(mirror, after)
        return mirror.since(after)

    async def wait(self, stream_id: str, after: int, seconds: float) -> Sequence[Entry]:
        mirror = self._known(stream_id) or await self._load(stream_id)
        return await mirror.wait(after, seconds)

    def join(self, stream_id: str) -> Place:
        mirror = self._known(stream_id)
        if mirror is None:
            raise StreamNotFound(stream_id)
        return mirror.join()

    async def conclude(self, stream_id: str, after: int, events: Sequence[Event]) -> bool:
        self._start()
        entries: list[str | bytes] = []
        for seq, event in enumerate(events, start=after + 1):
            entries += (f"{seq}-0", field_of(event), encode(event))
        expected, ttl_ms = entry_id(after), round(self._ttl * 1000)
        keys = (self._layout.stream(stream_id), self._layout.stops)
        outcome = await self._ask("EVAL", CONCLUDE, 2, *keys, expected, FENCE, ttl_ms, stream_id, *entries)
        if outcome < 0:
            raise StreamNotFound(stream_id)
        await self._see_the_end(stream_id)
        return bool(outcome)

    async def ask_stop(self, stream_id: str, reason: str) -> None:
        self._start()
        request = ("s", stream_id, "r", reason)
        await self._ask("XADD", self._layout.stops, "MAXLEN", "~", STOPS, "*", *request)

    async def unread_seconds(self, stream_id: str) -> float:
        writing = self._written.get(stream_id)
        if writing is None:
            raise StreamNotFound(stream_id)
        mirror = writing.mirror
        if not mirror.is_read:
            try:
                is_read_elsewhere = await self._ask("EXISTS", self._layout.read(stream_id))
            except LogUnavailable:
                is_read_elsewhere = True  # it may be: nobody's answer is ended for want of knowledge
            if is_read_elsewhere:
                mirror.touch()
        return mirror.unread_seconds

    def lost_readers(self, stream_id: str) -> int:
        mirror = self._known(stream_id)
        return mirror.lost_readers if mirror else 0

    async def ping(self) -> None:
        self._start()
        await self._ask("PING")

    async def close(self) -> None:
        self._is_closed = True
        if self._link.pipe and not all(writing.is_safe for writing in self._written.values()):
            with contextlib.suppress(LogUnavailable, Refused):
                await self._ask("PING")  # answered after all that was sent before it
        for task in (*self._tasks, *self._handing_over):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._handing_over, return_exceptions=True)
        await self._following.close()
        for writing in self._written.values():
            writing.forget_retry()

    # --- Streams of this process ----------------------------------------------------------------------------

    def _came_up(self, pipe: Pipe) -> None:
        pipe.on_room = self._tell_all
        for writing in self._written.values():
            writing.level()

    def _tell_all(self) -> None:
        """The kernel has all that was sent: what was held back may be shown."""
        for writing in self._written.values():
            writing.mirror.wake()

    def _lost(self, writing: Writing) -> None:
        logger.warning("Stream %s was concluded by another process", writing.mirror.stream_id)
        self._run(self._hand_over(writing), self._handing_over)

    async def _hand_over(self, writing: Writing) -> None:
        """Give the readers here the end that another process wrote, if they have seen nothing else."""
        mirror, concluded = writing.mirror, Mirror(writing.mirror.stream_id, monotonic)
        try:
            await self._following.catch_up(concluded)
        except (StreamNotFound, LogUnavailable, Refused):
            mirror.lose()
            return
        seen = len(mirror.entries)
        if concluded.entries[:seen] != mirror.entries:
            mirror.lose()
            return
        for _seq, event in concluded.entries[seen:]:
            mirror.add(event)

    async def _see_the_end(self, stream_id: str) -> None:
        """After an attempt to conclude, whose end it is now."""
        if writing := self._written.get(stream_id):
            writing.level()
            await self._ask("PING")  # answered after it
        elif mirror := self._following.known(stream_id):
            await self._catch_up(mirror)

    def _drop_ended(self) -> None:
        now = monotonic()
        for stream_id, writing in list(self._written.items()):
            if writing.ended_at is None or writing.mirror.is_read:
                continue
            is_elsewhere = writing.is_safe or (writing.is_lost and writing.mirror.is_ended)
            if now - max(writing.ended_at, writing.mirror.seen_at) > (KEPT if is_elsewhere else self._ttl):
                writing.forget_retry()
                del self._written[stream_id]

    # --- Streams of others ----------------------------------------------------------------------------------

    def _known(self, stream_id: str) -> Mirror | None:
        writing = self._written.get(stream_id)
        if writing is not None and not writing.mirror.is_gone:
            return writing.mirror
        return self._following.known(stream_id)

    async def _load(self, stream_id: str) -> Mirror:
        self._start()
        try:
            return await self._following.mirror(stream_id)
        except Refused as error:
            raise LogUnavailable(str(error)) from error

    async def _reach(self, mirror: Mirror, after: int) -> None:
        """A reader who comes from another process may have seen more than has got here. It must not see that
        twice: wait for it. Raises `LogUnavailable`; gives up on an id that the stream does not come to have.
        """
        until = monotonic() + self._timeout
        await self._catch_up(mirror)
        while after > len(mirror.entries) and not mirror.is_ended and (left := until - monotonic()) > 0:
            await mirror.wait(len(mirror.entries), left)

    async def _catch_up(self, mirror: Mirror) -> None:
        try:
            await self._following.catch_up(mirror)
        except Refused as error:
            raise LogUnavailable(str(error)) from error

    def _control(self, kind: bytes, fields: dict[bytes, bytes]) -> None:
        writing = self._written.get(fields[kind].decode())
        if writing is None or writing.ended_at is not None:
            return
        if kind == b"c":
            writing.level()
        else:
            self.on_stop(writing.mirror.stream_id, fields[b"r"].decode())

    # --- Connections ----------------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._is_closed:
            raise LogUnavailable("the log is closed")
        if not self._tasks:
            for work in (
                self._link.run(),
                self._following.run(self._connect, self._control),
                self._tend(),
            ):
                self._run(work, self._tasks)

    def _run(self, work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(work, context=Context(), name="redis log")
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(_report)

    async def _connect(self) -> Pipe:
        """The connection that follows; there is no use in trying while the link has no success."""
        while True:
            with contextlib.suppress(LogUnavailable):
                await self._link.ready()
                return await self._address.connect(f"{self._name}-read")
            await asyncio.sleep(0.1)

    async def _ask(self, *command: str | bytes | int) -> Any:
        try:
            return await self._link.ask(*command)
        except Refused as error:
            raise LogUnavailable(str(error)) from error

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(TEND_EVERY)
            self._following.tend()
            self._drop_ended()


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.error("The log's work in Redis broke off: this is a bug", exc_info=error)
