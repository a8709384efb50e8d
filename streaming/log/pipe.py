"""A full-duplex connection to Redis or Valkey: commands go out at once, replies come when they come.

The clients of redis-py wait for each reply, or send a pipeline and wait for all of them. A log must not wait:
what was written to the socket survives the end of this process, and that is enough for its readers.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from random import random
from typing import Any, cast

import hiredis
from redis.asyncio.connection import Connection, ConnectionPool, SSLConnection, UnixDomainSocketConnection

from streaming.log.base import LogUnavailable

logger = logging.getLogger(__name__)

Part = str | bytes | int
Then = Callable[[Any], None]

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0
LOOK_EVERY = 1.0

_INCOMPLETE = object()


class Refused(Exception):
    """Redis answered with an error."""


class Pipe(asyncio.Protocol):
    """One connection. Replies are handed to callbacks, in the order in which commands were sent; a callback
    gets `Refused` for an error, and `LogUnavailable` where the connection ends before its reply.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._replies = hiredis.Reader(replyError=Refused, notEnoughData=_INCOMPLETE)
        self._pending: deque[Then] = deque()
        self._heard_at = 0.0
        self._transport: asyncio.Transport
        self._closed = asyncio.Event()
        self.is_full = False  # the kernel takes no more for now: what was sent last is still in this process
        self.on_room: Callable[[], None] = lambda: None
        self.lost: asyncio.Future[Exception] = self._loop.create_future()

    def send(self, command: tuple[Part, ...], then: Then) -> None:
        """Write a command to the socket: uvloop does it at the end of this turn of the loop, with all others
        of the turn, and before any task that is woken now can run.
        """
        if self.lost.done():
            then(self.lost.result())
            return
        if not self._pending:
            self._heard_at = self._loop.time()
        self._pending.append(then)
        self._transport.write(hiredis.pack_command(command))  # type: ignore[arg-type]

    async def ask(self, *command: Part, seconds: float) -> Any:
        """Send a command and give its reply. Raises `LogUnavailable` after `seconds`, and `Refused`."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        self.send(command, partial(_settle, answer))
        try:
            async with asyncio.timeout(seconds):
                reply = await answer
        except TimeoutError:
            raise LogUnavailable(f"no reply within {seconds} s") from None
        if isinstance(reply, Exception):
            raise reply
        return reply

    def is_stuck(self, seconds: float) -> bool:
        """Whether replies are due, and nothing has come for so long."""
        return bool(self._pending) and self._loop.time() - self._heard_at > seconds

    def abort(self) -> None:
        self._lose("given up")
        self._transport.abort()

    async def close(self) -> None:
        """Returns when what was sent is on its way, and the socket is closed."""
        self._transport.close()
        try:
            async with asyncio.timeout(LOOK_EVERY):
                await self._closed.wait()
        except TimeoutError:
            self.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self._transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        if self.lost.done():
            return
        self._heard_at = self._loop.time()
        replies, pending = self._replies, self._pending
        replies.feed(data)
        while (reply := replies.gets()) is not _INCOMPLETE:
            pending.popleft()(reply)

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        self.on_room()

    def connection_lost(self, error: Exception | None) -> None:
        self._lose(str(error or "closed"))
        self._closed.set()

    def _lose(self, why: str) -> None:
        if self.lost.done():
            return
        reason = LogUnavailable(f"the connection to Redis ended: {why}")
        self.lost.set_result(reason)
        while self._pending:
            self._pending.popleft()(reason)


def _settle(answer: asyncio.Future[Any], reply: Any) -> None:
    if not answer.done():
        answer.set_result(reply)


class Address:
    """Where Redis is, and how to sign in: a redis://, rediss:// or unix:// URL, as redis-py reads it."""

    def __init__(self, url: str, *, timeout: float) -> None:
        self._timeout = timeout
        self._at = ConnectionPool.from_url(url).make_connection()  # type: ignore[no-untyped-call]

    def __str__(self) -> str:
        at = self._at
        return f"{at.host}:{at.port}" if isinstance(at, Connection) else str(getattr(at, "path", "?"))

    async def connect(self, name: str) -> Pipe:
        """A pipe that is ready for commands. Raises `LogUnavailable`."""
        try:
            async with asyncio.timeout(self._timeout):
                pipe = await self._dial()
                try:
                    await self._sign_in(pipe, name)
                except BaseException:
                    pipe.abort()
                    raise
                return pipe
        except (OSError, TimeoutError, Refused) as error:
            raise LogUnavailable(f"Redis at {self}: {error or type(error).__name__}") from error

    async def _dial(self) -> Pipe:
        loop, at = asyncio.get_running_loop(), self._at
        if isinstance(at, UnixDomainSocketConnection):
            return (await loop.create_unix_connection(Pipe, at.path))[1]
        assert isinstance(at, Connection)
        tls = at.ssl_context.get() if isinstance(at, SSLConnection) else None
        return (await loop.create_connection(Pipe, at.host, at.port, ssl=tls))[1]

    async def _sign_in(self, pipe: Pipe, name: str) -> None:
        at, seconds = self._at, self._timeout
        if at.password:
            who = (at.username, at.password) if at.username else (at.password,)
            await pipe.ask("AUTH", *who, seconds=seconds)
        if at.db:
            await pipe.ask("SELECT", at.db, seconds=seconds)
        await pipe.ask("CLIENT", "SETNAME", name, seconds=seconds)
        await pipe.ask("PING", seconds=seconds)  # refused while Redis loads its data


class Link:
    """A pipe that is made anew when it is lost: `run` keeps it, in a task of its own."""

    def __init__(self, address: Address, name: str, on_up: Callable[[Pipe], None], *, timeout: float) -> None:
        self.pipe: Pipe | None = None
        self._address = address
        self._name = name
        self._on_up = on_up
        self._timeout = timeout
        self._tried = asyncio.Event()
        self._trouble: LogUnavailable | None = None

    async def run(self) -> None:
        while True:
            self.pipe = pipe = await self._connected()
            self._tried.set()
            pipe.lost.add_done_callback(self._went_down)
            try:
                self._on_up(pipe)
                await self._until_lost(pipe)
            finally:
                await pipe.close()

    async def ready(self) -> Pipe:
        """The pipe, after the first try to connect. Raises `LogUnavailable` at once while Redis is away."""
        if self.pipe is not None and self.pipe.lost.done():
            self._went_down(self.pipe.lost)  # just now: the callback comes in the next turn of the loop
        if self.pipe is None:
            try:
                async with asyncio.timeout(self._timeout):
                    await self._tried.wait()
            except TimeoutError:
                pass
            if self.pipe is None:
                raise LogUnavailable(str(self._trouble or f"Redis at {self._address} does not answer"))
        return self.pipe

    async def ask(self, *command: Part) -> Any:
        """The reply to a command. Raises `LogUnavailable` and `Refused`. A command may be sent twice, where
        the connection is lost before its reply.
        """
        pipe = await self.ready()
        try:
            return await pipe.ask(*command, seconds=self._timeout)
        except LogUnavailable:
            if not pipe.lost.done():
                raise
        return await (await self.ready()).ask(*command, seconds=self._timeout)

    def _went_down(self, lost: asyncio.Future[Exception]) -> None:
        if self.pipe is not None and self.pipe.lost is lost:
            self.pipe = None
            self._tried.clear()

    async def _connected(self) -> Pipe:
        pause = FIRST_PAUSE
        while True:
            try:
                pipe = await self._address.connect(self._name)
            except LogUnavailable as trouble:
                if self._trouble is None:
                    logger.warning("%s. Answers go on for those who read them in this process.", trouble)
                self._trouble = trouble
                self._tried.set()
            else:
                if self._trouble is not None:
                    logger.warning("Redis at %s is back", self._address)
                self._trouble = None
                return pipe
            await asyncio.sleep(pause * (0.5 + random()))  # noqa: S311
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _until_lost(self, pipe: Pipe) -> None:
        while not pipe.lost.done():
            await asyncio.wait({pipe.lost}, timeout=LOOK_EVERY)
            if pipe.is_stuck(self._timeout):
                pipe.abort()
