"""Several workers on one Redis: each may read what another writes, stop it, and end it when it has died."""

import asyncio
from contextlib import aclosing

import pytest

from streaming.events import Done, Error, Token
from streaming.log import following, redis
from streaming.log.base import StreamLost, StreamNotFound, tail
from tests.streaming.log.conftest import ENTRIES, EVENTS, read, write
from tests.streaming.log.moments import until

CUT_OFF = Error("stream_interrupted", "It was cut off.", retryable=True)


@pytest.fixture
def writer(worker):
    return worker()


@pytest.fixture
def other(worker):
    return worker()


# --- Reading ------------------------------------------------------------------------------------------------


async def test_opened_stream_can_be_read_elsewhere_at_once(writer, other):
    await writer.open("s")
    assert list(await other.read("s")) == []


@pytest.mark.parametrize("k", range(len(EVENTS) + 2))
async def test_resume_on_another_worker_after_any_event_gives_exactly_the_rest(writer, other, k):
    await write(writer)
    await writer.ping()
    assert await read(other, after=k) == ENTRIES[k:]


@pytest.mark.parametrize("k", range(len(EVENTS)))
async def test_reader_elsewhere_that_joins_at_any_moment_sees_all_of_it(writer, other, k):
    await write(writer, EVENTS[:k])
    reader = asyncio.create_task(read(other))
    for event in EVENTS[k:]:
        await asyncio.sleep(0)
        await writer.append("s", event)
    assert await asyncio.wait_for(reader, 5) == ENTRIES


async def test_reader_that_has_seen_more_than_redis_has_gets_nothing_twice(writer, other):
    """It read on the writer's worker, and comes to another one before Redis has got the last events."""
    await write(writer, EVENTS[:2])
    assert len(await other.read("s")) == 2
    writer._written["s"]._pipe = None
    await writer.append("s", EVENTS[2])
    reader = asyncio.create_task(read(other, after=3))
    await asyncio.sleep(0.02)
    writer._written["s"].level()
    for event in EVENTS[3:]:
        await writer.append("s", event)
    assert await asyncio.wait_for(reader, 5) == ENTRIES[3:]


async def test_reader_elsewhere_who_names_an_id_that_never_comes_goes_on_from_the_last_one(writer, worker):
    other = worker(timeout=0.2)
    await write(writer, EVENTS[:2])
    batches = tail(other, "s", 99, keepalive=5)
    assert await anext(batches) == []
    for event in EVENTS[2:]:
        await writer.append("s", event)
    assert [entry async for batch in batches for entry in batch] == ENTRIES[2:]


async def test_stream_longer_than_a_page_is_loaded_whole(writer, other, monkeypatch):
    monkeypatch.setattr(following, "PAGE", 10)
    for length in (8, 9, 10, 11, 19, 20, 21):
        events = [*(Token(str(n)) for n in range(length - 1)), Done()]
        await write(writer, events, f"s{length}")
        await writer.ping()
        assert await read(other, stream_id=f"s{length}") == list(enumerate(events, start=1))


async def test_many_tails_share_one_connection(writer, other, client):
    streams = [f"s{n}" for n in range(50)]
    for stream in streams:
        await write(writer, EVENTS[:1], stream)
    readers = [asyncio.create_task(read(other, stream_id=stream)) for stream in streams]
    for event in EVENTS[1:]:
        await asyncio.sleep(0.01)
        for stream in streams:
            await writer.append(stream, event)
    assert await asyncio.wait_for(asyncio.gather(*readers), 10) == [ENTRIES] * 50
    names = [each["name"] for each in client.client_list()]
    assert sorted(name.removeprefix(other._name) for name in names if name.startswith(other._name)) == [
        "-read",
        "-write",
    ]


async def test_many_readers_of_one_stream_load_it_once(writer, other, client):
    await write(writer)
    await writer.ping()
    await other.ping()
    before = client.info("commandstats")["cmdstat_xrange"]["calls"] if _ranges(client) else 0
    assert await asyncio.gather(*(read(other) for _ in range(20))) == [ENTRIES] * 20
    assert _ranges(client) - before == 1


def _ranges(client):
    return client.info("commandstats").get("cmdstat_xrange", {}).get("calls", 0)


async def test_mirror_that_nobody_reads_is_dropped(writer, other, monkeypatch):
    monkeypatch.setattr(following, "UNREAD", 0.0)
    monkeypatch.setattr(redis, "TEND_EVERY", 0.01)
    await write(writer, EVENTS[:2])
    async with aclosing(tail(other, "s", 0, keepalive=5)) as batches:
        await anext(batches)
        await asyncio.sleep(0.05)
        assert list(other._following._mirrors) == ["s"]
    await until(lambda: not other._following._mirrors and not other._following._keys)
    assert list(await other.read("s")) == ENTRIES[:2]


async def test_gap_is_read_anew(writer, other, client, prefix):
    await write(writer, EVENTS[:2])
    reader = asyncio.create_task(read(other))
    await until(lambda: other._following.known("s"))
    # A refusal in the middle, as of a server that was full for a moment.
    writer._written["s"].mirror.add(EVENTS[2])
    await writer.append("s", EVENTS[3])
    await until(lambda: other._following._tasks)
    writer._written["s"].level()
    await writer.append("s", EVENTS[4])
    assert await asyncio.wait_for(reader, 5) == ENTRIES
    assert client.xlen(f"{prefix}stream:s") == 1 + len(EVENTS)


# --- Readers ------------------------------------------------------------------------------------------------


async def test_reader_elsewhere_counts(writer, other, monkeypatch):
    monkeypatch.setattr(redis, "TEND_EVERY", 0.01)
    monkeypatch.setattr(following, "PRESENCE_MS", 100)
    await write(writer, EVENTS[:2])
    await writer.ping()
    async with aclosing(tail(other, "s", 0, keepalive=5)) as batches:
        await anext(batches)
        await until(lambda: other._link.pipe and other._following._keys)
        await asyncio.sleep(0.05)
        assert 0 <= await writer.unread_seconds("s") < 0.05
    await asyncio.sleep(0.2)
    assert 0.1 < await writer.unread_seconds("s") < 5


# --- Stopping and ending ------------------------------------------------------------------------------------


async def test_request_to_stop_reaches_the_writer_and_nobody_else(worker):
    workers = [worker() for _ in range(3)]
    asked = []
    for n, log in enumerate(workers):
        log.on_stop = lambda stream_id, reason, n=n: asked.append((n, stream_id, reason))
        await log.open(f"s{n}")
    await workers[2].ask_stop("s1", "person")
    await workers[0].ask_stop("s2", "superseded")
    await until(lambda: len(asked) == 2)
    assert sorted(asked) == [(1, "s1", "person"), (2, "s2", "superseded")]


async def test_request_to_stop_what_has_ended_is_not_passed_on(writer, other):
    asked = []
    writer.on_stop = lambda stream_id, reason: asked.append(stream_id)
    await write(writer)
    await writer.open("next")
    await other.ask_stop("s", "person")
    await other.ask_stop("next", "person")
    await until(lambda: asked)
    assert asked == ["next"]


async def test_requests_to_stop_are_kept_for_a_while_only(writer, client, prefix, monkeypatch):
    monkeypatch.setattr(redis, "STOPS", 10)
    for _ in range(500):
        await writer.ask_stop("s", "person")
    assert client.xlen(f"{prefix}stops") < 200


async def test_stream_of_a_dead_writer_is_ended_for_all_its_readers(writer, other, worker):
    await write(writer, EVENTS[:3])
    readers = [asyncio.create_task(read(log)) for log in (other, worker())]
    await until(lambda: other._following.known("s"))
    assert await other.conclude("s", 3, [Token("!"), CUT_OFF]) is True
    assert (
        await asyncio.wait_for(asyncio.gather(*readers), 5)
        == [[*ENTRIES[:3], (4, Token("!")), (5, CUT_OFF)]] * 2
    )


async def test_refused_conclusion_shows_what_has_grown(writer, other):
    await write(writer, EVENTS[:3])
    assert len(await other.read("s")) == 3
    writer_went_on = [await writer.append("s", event) for event in EVENTS[3:]]
    await writer.ping()
    assert await other.conclude("s", 3, [CUT_OFF]) is False
    assert (writer_went_on, list(await other.read("s"))) == ([4, 5], ENTRIES)


async def test_only_one_of_many_concludes(writer, worker):
    await write(writer, EVENTS[:3])
    await writer.ping()
    others = [worker() for _ in range(5)]
    ends = await asyncio.gather(*(log.conclude("s", 3, [CUT_OFF]) for log in others))
    assert sorted(ends) == [False] * 4 + [True]


async def test_stalled_writer_loses_and_its_late_events_get_nowhere(writer, other):
    """It comes back, and appends several events before it can know."""
    await write(writer, EVENTS[:3])
    reader = asyncio.create_task(read(writer))
    await writer.ping()
    concluding = asyncio.create_task(other.conclude("s", 3, [CUT_OFF]))
    while not concluding.done():
        await asyncio.sleep(0)
    lost = False
    for n in range(1000):
        try:
            await writer.append("s", Token(f"late {n}"))
        except StreamLost:
            lost = True
            break
        await asyncio.sleep(0)
    assert lost
    assert await read(other) == [*ENTRIES[:3], (4, CUT_OFF)]
    # What its own readers saw cannot be unseen: they are sent elsewhere, or had the same end.
    try:
        assert await asyncio.wait_for(reader, 5) == [*ENTRIES[:3], (4, CUT_OFF)]
    except StreamNotFound:
        assert await read(writer) == [*ENTRIES[:3], (4, CUT_OFF)]


async def test_writer_that_waits_hears_of_the_end(writer, other):
    await write(writer, EVENTS[:3])
    reader = asyncio.create_task(read(writer))
    await asyncio.sleep(0)
    assert await other.conclude("s", 3, [CUT_OFF]) is True
    assert await asyncio.wait_for(reader, 5) == [*ENTRIES[:3], (4, CUT_OFF)]
    with pytest.raises(StreamLost):
        await writer.append("s", EVENTS[3])


# --- What is kept, and how long -----------------------------------------------------------------------------


async def test_live_stream_is_never_trimmed_and_outlives_its_end_by_ttl(worker, client, prefix):
    log = worker(ttl=600, live_ttl=900)
    await write(log, [Token(str(n)) for n in range(5000)])
    await log.ping()
    assert client.xlen(f"{prefix}stream:s") == 5001
    assert 890_000 < client.pttl(f"{prefix}stream:s") <= 900_000
    await log.append("s", Done())
    await log.ping()
    assert 590_000 < client.pttl(f"{prefix}stream:s") <= 600_000


async def test_ended_stream_expires_everywhere(worker, monkeypatch):
    monkeypatch.setattr(redis, "TEND_EVERY", 0.01)
    monkeypatch.setattr(redis, "KEPT", 0.0)
    monkeypatch.setattr(following, "UNREAD", 0.0)
    writer, other = worker(ttl=0.05), worker()
    await write(writer)
    await write(writer, EVENTS[:2], "live")
    await until(lambda: list(writer._written) == ["live"])
    for log in (writer, other):
        with pytest.raises(StreamNotFound):
            while True:
                await log.read("s")
                await asyncio.sleep(0.02)
    assert list(await writer.read("live")) == ENTRIES[:2]


async def test_ended_stream_is_read_from_redis_when_the_writer_has_let_it_go(writer, monkeypatch):
    monkeypatch.setattr(redis, "TEND_EVERY", 0.01)
    monkeypatch.setattr(redis, "KEPT", 0.0)
    await write(writer)
    await until(lambda: not writer._written)
    assert await read(writer) == ENTRIES


async def test_all_keys_but_the_stops_expire(writer, other, client, prefix):
    await write(writer, EVENTS[:2])
    reader = asyncio.create_task(read(other))
    await until(lambda: other._following.known("s"))
    await other.ask_stop("s", "person")
    await until(lambda: client.exists(f"{prefix}read:s"))
    keys = client.keys(f"{prefix}*")
    assert [key for key in keys if client.pttl(key) < 0] == [f"{prefix}stops".encode()]
    reader.cancel()
    await asyncio.wait({reader})


async def test_nothing_is_left_after_close(worker, client):
    writer, other = worker(), worker()
    await write(writer, EVENTS[:3])
    reader = asyncio.create_task(read(other))
    await until(lambda: other._following.known("s"))
    reader.cancel()
    await asyncio.wait({reader})
    await writer.append("s", EVENTS[3])
    for log in (writer, other):
        await log.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    ours = (writer._name, other._name)
    await until(lambda: not [c for c in client.client_list() if c["name"].startswith(ours)])


async def test_close_waits_for_what_was_appended(worker):
    writer = worker()
    await write(writer)
    await writer.close()
    assert await read(worker()) == ENTRIES
