"""A stream that this process writes, and how far Redis has it."""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Any

from streaming.events import Event
from streaming.log.base import LogUnavailable, StreamLost, encode
from streaming.log.layout import FENCE, OPENING, field_of
from streaming.log.mirror import Mirror
from streaming.log.pipe import Link, Pipe, Refused

logger = logging.getLogger(__name__)

AGAIN = 1.0
"""Seconds, after Redis refused a command for a reason of its own: full, or a replica."""


class Writing:
    """The mirror is the truth, and Redis is kept level with it.

    While `_pipe` is set, Redis has all of the mirror or is being sent it, and each event is sent as it comes.
    After anything unforeseen (a lost connection, a restart, a refusal) it is None: then Redis is asked what
    it has, and sent the rest.
    """

    __slots__ = (
        "_has",
        "_key",
        "_link",
        "_live_ms",
        "_on_lost",
        "_opened",
        "_pipe",
        "_retry",
        "_ttl_ms",
        "ended_at",
        "is_lost",
        "mirror",
    )

    def __init__(
        self,
        mirror: Mirror,
        link: Link,
        key: str,
        *,
        ttl: float,
        live_ttl: float,
        on_lost: Callable[["Writing"], None],
    ) -> None:
        self.mirror = mirror
        self.is_lost = False
        self.ended_at: float | None = None
        self._link = link
        self._key = key
        self._ttl_ms, self._live_ms = round(ttl * 1000), round(live_ttl * 1000)
        self._on_lost = on_lost
        self._pipe: Pipe | None = None
        self._has = 0  # events that Redis has acknowledged
        mirror.safe = self._safe
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._retry: asyncio.TimerHandle | None = None

    def _safe(self) -> int:
        """How many events outlive this process: all, for the kernel has them, unless it takes no more. While
        Redis is away there is nothing to wait for.
        """
        if self._pipe is None or not self._pipe.is_full:
            return len(self.mirror.entries)
        return self._has

    @property
    def is_safe(self) -> bool:
        """Whether Redis has all of it."""
        return self._pipe is not None and self._has == len(self.mirror.entries)

    async def open(self, seconds: float) -> None:
        """Returns when other processes can read the stream, or after `seconds`."""
        if self._link.pipe is None:
            return
        self._send_opening(self._link.pipe)
        self._pipe = self._link.pipe
        await asyncio.wait({self._opened}, timeout=seconds)

    def add(self, event: Event) -> int:
        """Append, hand it to Redis, and wake the readers here: in this order."""
        mirror = self.mirror
        if self.is_lost:
            raise StreamLost(mirror.stream_id)
        if mirror.is_ended:
            raise ValueError(f"stream {mirror.stream_id} has ended")
        payload = encode(event)
        if self._pipe is not None:
            self._send(self._pipe, len(mirror.entries) + 1, event, payload)
        seq = mirror.add(event)
        if mirror.is_ended:
            self.ended_at = monotonic()
        return seq

    def level(self) -> None:
        """Find out what Redis has, and send the rest."""
        self._pipe = None
        self.forget_retry()
        if self._link.pipe is not None and not self.is_lost:
            self._link.pipe.send(("XINFO", "STREAM", self._key), self._looked)

    def forget_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _send(self, pipe: Pipe, seq: int, event: Event, payload: bytes) -> None:
        field = field_of(event)
        # NOMKSTREAM: where Redis has lost the stream, its end alone would be worse than nothing.
        pipe.send(("XADD", self._key, "NOMKSTREAM", b"%d-0" % seq, field, payload), self._added)
        if field == b"t":
            pipe.send(("PEXPIRE", self._key, self._ttl_ms), _ignore)

    def _send_opening(self, pipe: Pipe) -> None:
        pipe.send(("XADD", self._key, OPENING, "o", ""), self._was_opened)
        pipe.send(("PEXPIRE", self._key, self._live_ms), _ignore)

    def _was_opened(self, reply: Any) -> None:
        if isinstance(reply, Exception):
            self._stumble(reply)
        elif not self._opened.done():
            self._opened.set_result(None)

    def _added(self, reply: Any) -> None:
        if type(reply) is bytes:
            if self._pipe is not None:
                self._has += 1
        else:
            self._stumble(reply)

    def _stumble(self, reply: Any) -> None:
        """An event has not got in. Replies to the others that were on their way are of no interest."""
        if self._pipe is None:
            return
        self._pipe = None
        self.mirror.wake()  # nothing is held back for it any more
        if isinstance(reply, LogUnavailable):
            return  # the next connection levels all streams
        if reply is None or "equal or smaller" in str(reply):
            self.level()  # the key is gone, or somebody else has written there
        else:
            self._try_again(reply)

    def _try_again(self, reason: Exception) -> None:
        logger.warning("Redis refuses events of stream %s: %s", self.mirror.stream_id, reason)
        self._retry = asyncio.get_running_loop().call_later(AGAIN, self.level)

    def _looked(self, reply: Any) -> None:
        if isinstance(reply, LogUnavailable) or self._link.pipe is None:
            return
        if self._pipe is not None or self.is_lost:
            return  # asked twice
        if isinstance(reply, Refused):
            if "no such key" in str(reply):
                self._send_from(self._link.pipe, None)
            else:
                self._try_again(reply)
            return
        found = dict(zip(reply[::2], reply[1::2], strict=True))
        last = int(found[b"last-entry"][0].partition(b"-")[0]) if found[b"last-entry"] else 0
        if found[b"last-generated-id"] == FENCE.encode() or last > len(self.mirror.entries):
            self.is_lost, self.ended_at = True, monotonic()
            self._on_lost(self)
        elif found[b"length"] != last + 1:
            # Some in the middle were refused. Readers elsewhere have seen the gap, and look again.
            self._link.pipe.send(("DEL", self._key), _ignore)
            self._send_from(self._link.pipe, None)
        else:
            self._send_from(self._link.pipe, last)

    def _send_from(self, pipe: Pipe, has: int | None) -> None:
        self._pipe, self._has = pipe, has or 0
        if has is None:
            self._send_opening(pipe)
        for seq, event in self.mirror.entries[self._has :]:
            self._send(pipe, seq, event, encode(event))


def _ignore(_reply: Any) -> None:
    pass
