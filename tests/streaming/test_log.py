"""The contract of a log, for every backend."""

import asyncio

import pytest

from streaming.events import Done, Metadata, Token
from streaming.log.base import StreamNotFound, tail
from streaming.log.memory import MemoryLog

EVENTS = [Metadata(stream_id="s"), Token("a"), Token("b"), Token("c"), Done()]


@pytest.fixture(params=["memory"])
def log(request):
    return MemoryLog(ttl=600)


async def write(log, events=EVENTS, stream_id="s"):
    await log.open(stream_id)
    return [await log.append(stream_id, event) for event in events]


async def read(log, after=0):
    return [entry async for batch in tail(log, "s", after, keepalive=5) for entry in batch]


async def test_ids_begin_at_one_without_gaps(log):
    assert await write(log) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("k", range(len(EVENTS) + 2))
async def test_resume_after_any_event_gives_exactly_the_rest(log, k):
    await write(log)
    assert await read(log, after=k) == list(enumerate(EVENTS, start=1))[k:]


@pytest.mark.parametrize("k", range(len(EVENTS)))
async def test_readers_that_join_at_any_moment_see_all_of_it(log, k):
    await write(log, EVENTS[:k])
    reader = asyncio.create_task(read(log))
    for event in EVENTS[k:]:
        await asyncio.sleep(0)
        await log.append("s", event)
    assert await asyncio.wait_for(reader, 5) == list(enumerate(EVENTS, start=1))


async def test_reader_who_names_an_id_that_is_not_there_yet_goes_on_from_the_last_one(log):
    await write(log, EVENTS[:2])
    reader = asyncio.create_task(read(log, after=99))
    await asyncio.sleep(0.01)
    for event in EVENTS[2:]:
        await log.append("s", event)
    assert await asyncio.wait_for(reader, 5) == list(enumerate(EVENTS, start=1))[2:]


async def test_many_readers_get_the_same(log):
    await log.open("s")
    readers = [asyncio.create_task(read(log)) for _ in range(20)]
    for event in EVENTS:
        await log.append("s", event)
        await asyncio.sleep(0)
    assert await asyncio.gather(*readers) == [list(enumerate(EVENTS, start=1))] * 20


async def test_silence_gives_empty_batches(log):
    await write(log, EVENTS[:1])
    batches = tail(log, "s", 0, keepalive=0.01)
    assert [len(await anext(batches)) for _ in range(3)] == [1, 0, 0]
    await batches.aclose()


async def test_unknown_stream_is_not_found(log):
    with pytest.raises(StreamNotFound):
        await read(log)


async def test_nothing_can_follow_the_terminal_event(log):
    await write(log)
    with pytest.raises(ValueError, match="has ended"):
        await log.append("s", Token("late"))


async def test_reader_that_leaves_is_forgotten(log):
    await write(log, EVENTS[:1])
    reader = asyncio.create_task(read(log))
    await asyncio.sleep(0.01)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    assert log._streams["s"].waiting == set()


async def test_ended_stream_expires_and_a_live_one_never_does():
    now = [0.0]
    log = MemoryLog(ttl=10, clock=lambda: now[0])
    await write(log)
    await write(log, EVENTS[:2], "live")
    now[0] = 1000.0
    await log.open("next")
    with pytest.raises(StreamNotFound):
        await log.read("s")
    assert len(await log.read("live")) == 2
