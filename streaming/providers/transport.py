"""HTTP/1.1 for the provider's SDK: one socket, one parser, and as few wake-ups as the reader asks for.

General clients read each packet as it comes. Here a connection is only read when its reader asks, and then
stops: while tokens are being joined the kernel gathers what arrives, and one read brings all of it.
`docs/decisions/0011-a-transport-of-our-own.md` has the figures.
"""

import asyncio
import ipaddress
import os
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator
from typing import cast
from urllib.request import getproxies

import aiohappyeyeballs
import httptools
import httpx2
from openai import DefaultAioHttpClient

READ_BYTES = 64 * 1024
"""The most that one look at the socket takes."""
HEAD_BYTES = 64 * 1024
"""The most that a response may take before its body begins."""
NEXT_ADDRESS_SECONDS = 0.25
"""After so long the next address of a host is tried beside the first: a broken IPv6 costs no more."""

# aiohttp takes "no limit" for its own default of 100.
PROXIED_CONNECTIONS = 10_000

Origin = tuple[str, str, int]


def http_client(*, connect: float, idle: float) -> httpx2.AsyncClient:
    """A client for the SDK; `connect` and `idle`, the longest silence, are in seconds.

    What the environment sends through a proxy (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`) goes by aiohttp.
    """
    return DefaultAioHttpClient(
        timeout=httpx2.Timeout(idle, connect=connect, read=idle),
        limits=httpx2.Limits(max_connections=PROXIED_CONNECTIONS, max_keepalive_connections=100),
        mounts=None if "all" in getproxies() else {"all://": Transport()},
    )


class Transport(httpx2.AsyncBaseTransport):
    """For `httpx2.AsyncClient(transport=…)`. Up to `idle_most` connections to a server are kept for its next
    request, each for `keepalive` seconds.

    It knows no proxy, no HTTP/2 and no HEAD, and makes as many connections as there are requests at once.
    Times out as the client says, by `connect` and `read`, the longest silence within a response. Errors are
    those of httpx2. A response that is closed before its end closes its connection there and then.
    """

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, keepalive: float = 30.0, idle_most: int = 100
    ) -> None:
        self._tls = tls or httpx2.create_ssl_context()  # now, since it reads files
        self._keepalive = keepalive
        self._idle_most = idle_most
        self._idle: dict[Origin, deque[_Connection]] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "HEAD" or request.url.scheme not in ("http", "https"):
            raise httpx2.UnsupportedProtocol(f"{request.method} {request.url.scheme}")
        timeouts = request.extensions.get("timeout", {})
        origin = _origin(request.url)
        message = _head(request) + await request.aread()
        connection = self._kept(origin)
        if connection is None or not await connection.ask_again(message, timeouts.get("read")):
            connection = await self._connected(origin, timeouts.get("connect"))
            await connection.ask(message, timeouts.get("read"))
        return httpx2.Response(
            connection.status,
            headers=connection.take_headers(),
            stream=_Body(self, origin, connection),
            request=request,
            extensions={"http_version": b"HTTP/1.1"},
        )

    async def aclose(self) -> None:
        for kept in self._idle.values():
            for connection in kept:
                connection.abort()
        self._idle.clear()

    def give_back(self, origin: Origin, connection: "_Connection") -> None:
        """Keep a connection for the next request where its response came to an end, else close it."""
        kept = self._idle.setdefault(origin, deque())
        if not connection.is_reusable:
            connection.abort()
            return
        connection.rest()
        kept.append(connection)
        if len(kept) > self._idle_most:
            kept.popleft().abort()

    def _kept(self, origin: Origin) -> "_Connection | None":
        """The one used last: the others grow old, and go."""
        kept = self._idle.get(origin)
        if not kept:
            return None
        oldest = asyncio.get_running_loop().time() - self._keepalive
        while kept and (kept[0].rested_at < oldest or not kept[0].is_reusable):
            kept.popleft().abort()
        while kept:
            connection = kept.pop()
            if connection.is_reusable:
                return connection
        return None

    async def _connected(self, origin: Origin, seconds: float | None) -> "_Connection":
        scheme, host, port = origin
        tls = self._tls if scheme == "https" else None
        try:
            async with asyncio.timeout(seconds):
                return await _connect(host, port, tls)
        except TimeoutError as error:
            raise httpx2.ConnectTimeout(f"{host}:{port} did not answer in {seconds} s") from error
        except OSError as error:  # ssl.SSLError is one
            raise httpx2.ConnectError(f"{host}:{port}: {error}") from error


def _origin(url: httpx2.URL) -> Origin:
    return url.scheme, url.raw_host.decode("ascii"), url.port or (443 if url.scheme == "https" else 80)


def _head(request: httpx2.Request) -> bytes:
    """The request line and the header fields. httpx2 has checked their characters."""
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%b: %b" % (name, value) for name, value in request.headers.raw]
    return b"\r\n".join(lines) + b"\r\n\r\n"


async def _connect(host: str, port: int, tls: ssl.SSLContext | None) -> "_Connection":
    loop = asyncio.get_running_loop()
    name = host if tls else None
    if _is_address(host):
        _, made = await loop.create_connection(_Connection, host, port, ssl=tls, server_hostname=name)
        return made
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    sock = await aiohappyeyeballs.start_connection(
        found, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS, interleave=1, loop=loop
    )
    _, made = await loop.create_connection(_Connection, sock=sock, ssl=tls, server_hostname=name)
    return made


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class _Body(httpx2.AsyncByteStream):
    """What is left of a response: each item is what came since the last one."""

    def __init__(self, transport: Transport, origin: Origin, connection: "_Connection") -> None:
        self._transport = transport
        self._origin = origin
        self._connection: _Connection | None = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (connection := self._connection) is not None and (data := await connection.read()):
            yield data

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._transport.give_back(self._origin, connection)


class _Connection(asyncio.Protocol):
    """One socket, and one response after another on it."""

    __slots__ = (
        "_ends_with_connection",
        "_error",
        "_fields",
        "_has_head",
        "_head_bytes",
        "_idle",
        "_is_asked",
        "_is_complete",
        "_is_gone",
        "_is_paused",
        "_loop",
        "_parser",
        "_parts",
        "_socket",
        "_stays_open",
        "_waiter",
        "_waiting_since",
        "_watch",
        "rested_at",
        "status",
        "transport",
    )
    transport: asyncio.Transport

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._waiting_since = self.rested_at = 0.0
        self._idle: float | None = None
        self._is_paused = self._is_gone = False
        self._socket = -1
        self._begin()

    def _begin(self) -> None:
        """Ready for a response."""
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._fields: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._is_asked = self._has_head = self._is_complete = False
        self._ends_with_connection = self._stays_open = False
        self.status = 0

    # --- What the transport above asks ------------------------------------------------------------------

    def take_headers(self) -> list[tuple[bytes, bytes]]:
        """The fields of the head; once, for a stream lasts long and nobody asks again."""
        fields, self._fields = self._fields, []
        return fields

    @property
    def is_reusable(self) -> bool:
        """Whether another request may follow: the response is whole, and nobody hung up or will."""
        return self._is_complete and self._stays_open and not self._is_gone and self._error is None

    async def ask(self, message: bytes, idle: float | None) -> None:
        """Send a request and wait for the head of its response; `idle` is the longest silence, in seconds.

        Closes the connection where that fails or is cancelled.
        """
        self._begin()
        self._idle, self._is_asked = idle, True
        self.transport.write(message)
        try:
            while not self._has_head:
                await self._more()
        except BaseException:
            self.abort()
            raise

    async def ask_again(self, message: bytes, idle: float | None) -> bool:
        """As `ask`, on a kept connection. False where the server had closed it, and has answered nothing."""
        try:
            await self.ask(message, idle)
        except (httpx2.ReadError, httpx2.RemoteProtocolError):
            if self._head_bytes:
                raise
            return False
        return True

    async def read(self) -> bytes:
        """What came since the last call, or comes next; nothing at the end of the response."""
        while not self._parts:
            if self._is_complete:
                return b""
            await self._more()
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        return data

    def rest(self) -> None:
        """Kept for a next request: what comes before it is one too many, and ends the connection."""
        self.rested_at = self._loop.time()
        self._stop_watching()
        self._resume()

    def abort(self) -> None:
        """Close the socket now, whatever is on its way."""
        self._stop_watching()
        if not self._is_gone:
            self._is_gone = True
            self.transport.abort()

    # --- Waiting ----------------------------------------------------------------------------------------

    async def _more(self) -> None:
        """Until something came. Raises what went wrong, once all that came before it was taken."""
        if self._error is not None:
            raise self._error
        if self._is_paused and self._read_now():
            return
        self._resume()
        self._waiter = self._loop.create_future()
        self._waiting_since = self._loop.time()
        # A timer for each read would cost more than the read; one looks after all of them.
        if self._watch is None and self._idle is not None:
            self._watch = self._loop.call_later(self._idle, self._look)
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._error is not None and not self._parts:
            raise self._error

    def _read_now(self) -> bool:
        """Take what came while nobody read, straight from the socket: it spares the event loop two rounds.
        Over TLS only the transport can read it.
        """
        if self._socket < 0 or self.transport.is_closing():
            return False
        try:
            data = os.read(self._socket, READ_BYTES)
        except BlockingIOError:
            return False
        except OSError as error:
            self._fail(httpx2.ReadError(str(error)))
            raise self._error from error  # type: ignore[misc]
        if data:  # else it is the end, which the event loop will see too
            self.data_received(data)
        return bool(data)

    def _look(self) -> None:
        """Was the reader kept waiting for too long?"""
        self._watch = None
        if self._idle is None or self._is_gone:
            return
        left = self._idle
        if self._waiter is not None:
            left = self._waiting_since + self._idle - self._loop.time()
            if left <= 0.001:
                self._fail(httpx2.ReadTimeout(f"nothing came for {self._idle} s"))
                return
        self._watch = self._loop.call_later(left, self._look)

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: Exception) -> None:
        """This response is over, and so is the connection."""
        if self._error is None:
            self._error = error
        self.abort()
        self._wake()

    def _pause(self) -> None:
        if not self._is_paused and not self._is_gone:
            self._is_paused = True
            self.transport.pause_reading()

    def _resume(self) -> None:
        if self._is_paused and not self._is_gone:
            self._is_paused = False
            self.transport.resume_reading()

    # --- What the event loop says -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if transport.get_extra_info("sslcontext") is None:
            self._socket = transport.get_extra_info("socket").fileno()
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none, by class

    def data_received(self, data: bytes) -> None:
        if not self._is_asked or self._is_complete:
            self._fail(httpx2.RemoteProtocolError("the server spoke without being asked"))
            return
        if not self._has_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(httpx2.RemoteProtocolError("the server wants to change the protocol"))
            return
        except httptools.HttpParserError as error:
            self._fail(httpx2.RemoteProtocolError(f"unreadable response: {error}"))
            return
        if not self._has_head:
            if self._head_bytes > HEAD_BYTES:
                self._fail(httpx2.RemoteProtocolError("the head of the response is too long"))
            return
        if not self._is_complete:
            self._pause()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._is_gone = True
        self._stop_watching()
        if self._is_complete or not self._is_asked:
            return
        if self._ends_with_connection and error is None:
            self._is_complete = True
        elif self._error is None:
            self._error = (
                httpx2.ReadError(str(error) or repr(error))
                if error is not None
                else httpx2.RemoteProtocolError("the server hung up before the end of its response")
            )
        self._wake()

    # --- What the parser says ---------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head:  # else it is a trailer
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 200:  # "100 Continue", "103 Early Hints": the response proper is still to come
            self._fields.clear()
            return
        self._has_head = True
        names = {name.lower() for name, _ in self._fields}
        self._ends_with_connection = not names & {b"content-length", b"transfer-encoding"}
        self._stays_open = self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)

    def on_message_complete(self) -> None:
        self._is_complete = self._has_head
