"""Our own HTTP transport against real servers over loopback, on both event loops."""

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
from inspect import Parameter, Signature, signature

import httpx2
import pytest
import uvloop
from openai._vendor.httpx_aiohttp.transport import AiohttpTransport

from streaming.providers.transport import HEAD_BYTES, Transport, http_client

PATIENCE = 20
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def on_both_loops(scenario):
    """Runs it as a test of its own on each."""

    def test(loop, **given):
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(asyncio.wait_for(scenario(**given), PATIENCE))

    taken = signature(scenario).parameters.values()
    test.__signature__ = Signature([Parameter("loop", Parameter.POSITIONAL_OR_KEYWORD), *taken])
    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    loops = [asyncio.new_event_loop, uvloop.new_event_loop]
    return pytest.mark.parametrize("loop", loops, ids=["asyncio", "uvloop"])(test)


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def request(self):
        """One whole request: its line, its fields, its body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        line, *fields = head.rstrip().split("\r\n")
        named = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        body = await self.reader.readexactly(int(named.get("content-length", 0)))
        return line, named, body

    async def send(self, *parts):
        """Each part by itself, as far as the client can tell."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            for _ in range(3):
                await asyncio.sleep(0)

    def reset(self):
        """End the connection as a crash would."""
        self.writer.transport.abort()

    async def until_gone(self):
        """Until the client has closed its end."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


class Server:
    def __init__(self, talk, tls=None):
        self.talk, self.tls, self.connections, self.failures = talk, tls, 0, []

    async def _serve(self, reader, writer):
        self.connections += 1
        try:
            await self.talk(Peer(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except Exception as error:
            self.failures.append(error)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *failed):
        self.server.close()
        if not failed[0]:
            assert self.failures == []


@contextlib.asynccontextmanager
async def talking(talk, *, connect=5.0, read=5.0, keepalive=30.0, idle_most=100, server_tls=None, tls=None):
    """A server that talks so, and a client of it that uses our transport."""
    transport = Transport(tls=tls, keepalive=keepalive, idle_most=idle_most)
    timeout = httpx2.Timeout(read, connect=connect)
    async with (
        Server(talk, server_tls) as server,
        httpx2.AsyncClient(transport=transport, timeout=timeout, base_url=server.url) as client,
    ):
        yield client, server


def answering(*parts, more=True):
    """Every request gets these parts; the connection stays open where there may be `more`."""

    async def talk(peer):
        while True:
            await peer.request()
            await peer.send(*parts)
            if not more:
                return

    return talk


# --- Bodies, wherever they are cut --------------------------------------------------------------------------


@on_both_loops
async def test_a_request_arrives_as_it_was_sent():
    seen = []

    async def talk(peer):
        seen.append(await peer.request())
        await peer.send(OK)

    async with talking(talk) as (client, server):
        reply = await client.post("/v1/chat?api-version=1%2F2", json={"a": "ü"}, headers={"x-key": "k"})
    (line, fields, body), _ = seen[0], server
    assert line == "POST /v1/chat?api-version=1%2F2 HTTP/1.1"
    assert (fields["x-key"], fields["host"], body) == ("k", server.url[7:], '{"a":"ü"}'.encode())
    assert (reply.status_code, reply.text, reply.headers["content-length"]) == (200, "ok", "2")


@on_both_loops
async def test_a_chunked_body_is_whole_wherever_it_is_cut():
    whole = (
        CHUNKED
        + b"7\r\ndata: a\r\n1a;ext=1\r\n\n\ndata: \xc3\xa4 and some more\n\n\r\n0\r\nx-trailer: 1\r\n\r\n"
    )
    cuts = iter(range(1, len(whole)))

    async def talk(peer):
        for cut in cuts:
            await peer.request()
            await peer.send(whole[:cut], whole[cut:])

    async with talking(talk) as (client, server):
        bodies = {(await client.post("/")).content for _ in range(1, len(whole))}
    assert bodies == {b"data: a\n\ndata: \xc3\xa4 and some more\n\n"}
    assert server.connections == 1


@on_both_loops
async def test_a_body_of_known_length_may_come_byte_by_byte():
    reply = b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello"
    async with talking(answering(*(reply[at : at + 1] for at in range(len(reply))))) as (client, _):
        answer = await client.post("/")
    assert (answer.status_code, answer.content) == (201, b"hello")


@on_both_loops
async def test_a_body_without_a_length_ends_with_the_connection():
    async with talking(answering(HEAD + b"\r\ndata: a\n\n", b"data: b\n\n", more=False)) as (client, server):
        answers = [(await client.post("/")).content for _ in range(2)]
    assert answers == [b"data: a\n\ndata: b\n\n"] * 2
    assert server.connections == 2


@on_both_loops
async def test_a_response_without_a_body_is_over_with_its_head():
    async with talking(answering(b"HTTP/1.1 204 No Content\r\n\r\n")) as (client, server):
        assert [(await client.post("/")).content for _ in range(2)] == [b"", b""]
    assert server.connections == 1


@on_both_loops
async def test_a_large_body_is_whole():
    body = bytes(range(256)) * 8192
    parts = CHUNKED, b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
    async with talking(answering(*parts)) as (client, _):
        assert (await client.post("/")).content == body


@on_both_loops
async def test_interim_responses_are_passed_over():
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    async with talking(answering(interim + OK)) as (client, _):
        answer = await client.post("/")
    assert (answer.status_code, answer.content, answer.headers.raw) == (
        200,
        b"ok",
        [(b"content-length", b"2")],
    )


@on_both_loops
async def test_an_error_keeps_its_status_and_its_fields():
    reply = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 3\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n"
    async with talking(answering(reply + b"content-length: 2\r\n\r\n{}")) as (client, _):
        answer = await client.post("/")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]


# --- Reading only when asked --------------------------------------------------------------------------------


@on_both_loops
async def test_what_comes_while_nobody_reads_comes_with_the_next_read():
    sent = asyncio.Event()

    async def talk(peer):
        await peer.request()
        await peer.send(CHUNKED + b"1\r\na\r\n")
        await sent.wait()
        for letter in (b"b", b"c", b"d"):
            await peer.send(b"1\r\n%b\r\n" % letter)
        done.set()
        await peer.send(b"0\r\n\r\n")

    done = asyncio.Event()
    async with talking(talk) as (client, _), client.stream("POST", "/") as response:
        reads = response.aiter_raw()
        assert await anext(reads) == b"a"
        sent.set()
        await done.wait()
        assert await anext(reads) == b"bcd"


@on_both_loops
async def test_a_server_is_not_read_faster_than_its_reader_reads():
    sent = 0

    async def talk(peer):
        nonlocal sent
        peer.writer.transport.set_write_buffer_limits(high=65536)
        await peer.request()
        await peer.send(CHUNKED)
        while True:
            peer.writer.write(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
            await peer.writer.drain()
            sent += 0x8000

    async with talking(talk) as (client, _), client.stream("POST", "/") as response:
        await anext(response.aiter_raw())
        seen = -1
        while seen != sent:  # until the server can send no more
            seen = sent
            await asyncio.sleep(0.2)
    assert sent < 64 * 1024 * 1024


# --- Connections are kept -----------------------------------------------------------------------------------


@on_both_loops
async def test_the_next_request_uses_the_same_connection():
    async with talking(answering(OK)) as (client, server):
        for _ in range(5):
            await client.post("/")
    assert server.connections == 1


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ],
    ids=["said so", "HTTP/1.0"],
)
@on_both_loops
async def test_a_connection_that_the_server_will_close_is_not_used_again(reply):
    async with talking(answering(reply)) as (client, server):
        assert [(await client.post("/")).text for _ in range(2)] == ["ok", "ok"]
    assert server.connections == 2


@on_both_loops
async def test_requests_at_once_have_connections_of_their_own_and_few_are_kept():
    both = asyncio.Barrier(3)

    async def talk(peer):
        while True:
            line, *_ = await peer.request()
            if "/first" in line:
                await both.wait()
            await peer.send(OK)

    async with talking(talk, idle_most=1) as (client, server):
        await asyncio.gather(*(client.post("/first") for _ in range(3)))
        assert server.connections == 3
        await client.post("/second")
        await client.post("/second")
        assert server.connections == 3


@on_both_loops
async def test_a_connection_is_not_kept_for_longer_than_it_may():
    async with talking(answering(OK), keepalive=-1) as (client, server):
        await client.post("/")
        await client.post("/")
    assert server.connections == 2


@on_both_loops
async def test_a_server_that_hangs_up_on_a_kept_connection_is_asked_on_another():
    async def talk(peer):
        await peer.request()
        await peer.send(OK)
        if server.connections == 1:
            await peer.request()  # taken, and never answered
            peer.reset()
        else:
            await peer.until_gone()

    async with talking(talk) as (client, server):
        answers = [(await client.post("/")).text for _ in range(2)]
    assert (answers, server.connections) == (["ok", "ok"], 2)


@on_both_loops
async def test_what_a_server_says_unasked_is_nobodys_answer():
    said = asyncio.Event()

    async def talk(peer):
        await peer.request()
        await peer.send(OK)
        if server.connections == 1:
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstale")
            await peer.until_gone()
            said.set()

    async with talking(talk) as (client, server):
        assert (await client.post("/")).text == "ok"
        await said.wait()
        assert (await client.post("/")).text == "ok"
    assert server.connections == 2


# --- Ended early --------------------------------------------------------------------------------------------


def first_chunk_then_silence(gone):
    async def talk(peer):
        await peer.request()
        await peer.send(CHUNKED + b"1\r\na\r\n")
        await peer.until_gone()
        gone.set()

    return talk


@on_both_loops
async def test_a_response_closed_before_its_end_closes_its_connection():
    gone = asyncio.Event()
    async with talking(first_chunk_then_silence(gone)) as (client, _):
        async with client.stream("POST", "/") as response:
            assert await anext(response.aiter_raw()) == b"a"
        await gone.wait()


@on_both_loops
async def test_a_cancelled_reader_closes_its_connection():
    gone, reading = asyncio.Event(), asyncio.Event()

    async def read(client):
        async with client.stream("POST", "/") as response:
            async for _ in response.aiter_raw():
                reading.set()

    async with talking(first_chunk_then_silence(gone)) as (client, _):
        task = asyncio.create_task(read(client))
        await reading.wait()
        task.cancel()
        await gone.wait()
        with pytest.raises(asyncio.CancelledError):
            await task


@on_both_loops
async def test_who_is_cancelled_while_waiting_for_the_head_closes_its_connection():
    asked, gone = asyncio.Event(), asyncio.Event()

    async def talk(peer):
        await peer.request()
        asked.set()
        await peer.until_gone()
        gone.set()

    async with talking(talk) as (client, _):
        task = asyncio.create_task(client.post("/"))
        await asked.wait()
        task.cancel()
        await gone.wait()
        with pytest.raises(asyncio.CancelledError):
            await task


@on_both_loops
async def test_a_closed_client_closes_what_it_kept():
    gone = asyncio.Event()

    async def talk(peer):
        await peer.request()
        await peer.send(OK)
        await peer.until_gone()
        gone.set()

    async with Server(talk) as server:
        async with httpx2.AsyncClient(transport=Transport()) as client:
            await client.post(server.url)
        await gone.wait()


# --- What goes wrong ----------------------------------------------------------------------------------------


async def failure(client):
    """What a request came to: the bytes that could be read, and the error."""
    read = b""
    try:
        async with client.stream("POST", "/") as response:
            async for data in response.aiter_raw():
                read += data
    except Exception as error:
        return read, error
    return read, None


@pytest.mark.parametrize(
    ("parts", "read"),
    [
        ((CHUNKED + b"1\r\na\r\n",), b"a"),
        ((CHUNKED, b"5\r\nab"), b"ab"),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",), b"abc"),
        ((b"HTTP/1.1 200 OK\r\ncontent-le",), b""),
        ((), b""),
    ],
    ids=["between chunks", "in a chunk", "short body", "in the head", "before the head"],
)
@on_both_loops
async def test_a_response_cut_short_is_an_error_after_what_came(parts, read):
    async with talking(answering(*parts, more=False)) as (client, _):
        seen, error = await failure(client)
    assert (seen, type(error)) == (read, httpx2.RemoteProtocolError)


@on_both_loops
async def test_a_connection_that_is_reset_is_an_error():
    async def talk(peer):
        await peer.request()
        await peer.send(CHUNKED + b"1\r\na\r\n")
        sock = peer.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        peer.reset()

    async with talking(talk) as (client, _):
        seen, error = await failure(client)
    assert isinstance(error, httpx2.ReadError | httpx2.RemoteProtocolError)
    assert seen in (b"a", b"")


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 two OK\r\n\r\n",
        CHUNKED + b"xyz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nraw",
    ],
    ids=["not HTTP", "no status", "no chunk size", "another protocol"],
)
@on_both_loops
async def test_what_is_not_http_is_an_error(reply):
    async with talking(answering(reply)) as (client, _):
        seen, error = await failure(client)
    assert (seen, type(error)) == (b"", httpx2.RemoteProtocolError)


@on_both_loops
async def test_an_endless_head_is_an_error():
    async def talk(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await peer.send(b"x-more: " + b"x" * 8000 + b"\r\n")

    async with talking(talk) as (client, _):
        _, error = await failure(client)
    assert isinstance(error, httpx2.RemoteProtocolError)
    assert str(error) == "the head of the response is too long"


@on_both_loops
async def test_a_long_head_is_read():
    field = b"x-long: " + b"x" * (HEAD_BYTES - 1000) + b"\r\n"
    async with talking(answering(HEAD + field + b"content-length: 2\r\n\r\nok")) as (client, _):
        assert (await client.post("/")).text == "ok"


@pytest.mark.parametrize("parts", [(), (CHUNKED + b"1\r\na\r\n",)], ids=["head", "body"])
@on_both_loops
async def test_silence_runs_into_the_timeout_and_closes_the_connection(parts):
    gone = asyncio.Event()

    async def talk(peer):
        await peer.request()
        await peer.send(*parts)
        await peer.until_gone()
        gone.set()

    async with talking(talk, read=0.2) as (client, _):
        seen, error = await failure(client)
        await gone.wait()
    assert (seen, type(error)) == (b"a" if parts else b"", httpx2.ReadTimeout)


@on_both_loops
async def test_a_response_may_take_longer_than_the_silence_it_may_have():
    async def talk(peer):
        await peer.request()
        await peer.send(CHUNKED)
        for _ in range(8):
            await asyncio.sleep(0.1)
            await peer.send(b"1\r\na\r\n")
        await peer.send(b"0\r\n\r\n")

    async with talking(talk, read=0.5) as (client, _):
        assert (await client.post("/")).content == b"a" * 8


@on_both_loops
async def test_a_slow_reader_is_not_silence_of_the_server():
    async def talk(peer):
        await peer.request()
        await peer.send(CHUNKED + b"1\r\na\r\n")
        await peer.send(b"1\r\nb\r\n0\r\n\r\n")

    async with talking(talk, read=0.1) as (client, _), client.stream("POST", "/") as response:
        read = b""
        async for data in response.aiter_raw():
            read += data
            await asyncio.sleep(0.4)
    assert read == b"ab"


@on_both_loops
async def test_nobody_listens():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        async with httpx2.AsyncClient(transport=Transport()) as client:
            with pytest.raises(httpx2.ConnectError):
                await client.post(f"http://127.0.0.1:{bound.getsockname()[1]}/")


@on_both_loops
async def test_a_name_that_is_nobodys():
    async with httpx2.AsyncClient(transport=Transport()) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.post("http://nobody.invalid/")


@on_both_loops
async def test_a_host_by_name_is_found_on_whichever_address_answers():
    async with talking(answering(OK)) as (client, server):
        url = server.url.replace("127.0.0.1", "localhost")  # ::1 comes first on many systems
        assert (await client.post(url)).text == "ok"


@on_both_loops
async def test_a_server_that_never_accepts_runs_into_the_timeout():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        with contextlib.ExitStack() as waiting:  # fills the queue of those who wait to be accepted
            for _ in range(4):
                one = waiting.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(address)
            async with httpx2.AsyncClient(
                transport=Transport(), timeout=httpx2.Timeout(9, connect=0.2)
            ) as client:
                with pytest.raises(httpx2.ConnectTimeout):
                    await client.post(f"http://127.0.0.1:{address[1]}/")


@pytest.mark.parametrize(("method", "url"), [("HEAD", "http://127.0.0.1/"), ("POST", "ftp://127.0.0.1/")])
@on_both_loops
async def test_what_it_does_not_speak_it_refuses(method, url):
    async with Transport() as transport:
        with pytest.raises(httpx2.UnsupportedProtocol):
            await transport.handle_async_request(httpx2.Request(method, url))


# --- TLS ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A key and a certificate for 127.0.0.1, made for this run."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate")
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = [
        openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    return server, ssl.create_default_context(cafile=cert)


@on_both_loops
async def test_over_tls_a_stream_is_read_and_its_connection_kept(certificate):
    server_tls, tls = certificate
    parts = CHUNKED, b"1\r\na\r\n", b"1\r\nb\r\n", b"0\r\n\r\n"
    async with talking(answering(*parts), server_tls=server_tls, tls=tls) as (client, server):
        assert [(await client.post("/")).content for _ in range(3)] == [b"ab"] * 3
    assert server.connections == 1


@on_both_loops
async def test_over_tls_a_response_closed_early_closes_its_connection(certificate):
    gone = asyncio.Event()
    server_tls, tls = certificate
    async with talking(first_chunk_then_silence(gone), server_tls=server_tls, tls=tls) as (client, _):
        async with client.stream("POST", "/") as response:
            assert await anext(response.aiter_raw()) == b"a"
        await gone.wait()


@on_both_loops
async def test_a_certificate_that_nobody_vouches_for_is_refused(certificate):
    server_tls, _ = certificate
    async with talking(answering(OK), server_tls=server_tls) as (client, _):
        with pytest.raises(httpx2.ConnectError, match="certificate verify failed"):
            await client.post("/")


# --- Proxies ------------------------------------------------------------------------------------------------


def used_for(client, url):
    return type(client._transport_for_url(httpx2.URL(url)))


@pytest.mark.parametrize(
    ("environment", "plain", "secure"),
    [
        ({}, Transport, Transport),
        ({"https_proxy": "http://127.0.0.1:1"}, Transport, AiohttpTransport),
        ({"all_proxy": "http://127.0.0.1:1"}, AiohttpTransport, AiohttpTransport),
    ],
    ids=["none", "https", "all"],
)
async def test_what_goes_through_a_proxy_goes_by_aiohttp(monkeypatch, environment, plain, secure):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with http_client(connect=1, idle=2) as client:
        assert used_for(client, "http://azure.test/") is plain
        assert used_for(client, "https://azure.test/") is secure
        assert client.timeout == httpx2.Timeout(2, connect=1, read=2)
