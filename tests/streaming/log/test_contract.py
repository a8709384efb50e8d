"""What every log must do, whatever keeps it."""

import asyncio
from contextlib import aclosing

import pytest

from streaming.events import Done, Error, Notice, Token
from streaming.log.base import BATCH, MAX_EVENT_BYTES, PayloadTooLarge, StreamLost, StreamNotFound, tail
from tests.streaming.log.conftest import ENTRIES, EVENTS, read, write

CUT_OFF = Error("stream_interrupted", "It was cut off.", retryable=True)


async def test_ids_begin_at_one_without_gaps(log):
    assert await write(log) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("k", range(len(EVENTS) + 2))
async def test_resume_after_any_event_gives_exactly_the_rest(log, k):
    await write(log)
    assert await read(log, after=k) == ENTRIES[k:]


@pytest.mark.parametrize("k", range(len(EVENTS)))
async def test_readers_that_join_at_any_moment_see_all_of_it(log, k):
    await write(log, EVENTS[:k])
    reader = asyncio.create_task(read(log))
    for event in EVENTS[k:]:
        await asyncio.sleep(0)
        await log.append("s", event)
    assert await asyncio.wait_for(reader, 5) == ENTRIES


async def test_reader_who_names_an_id_that_is_not_there_yet_goes_on_from_the_last_one(log):
    await write(log, EVENTS[:2])
    batches = tail(log, "s", 99, keepalive=5)
    assert await anext(batches) == []
    for event in EVENTS[2:]:
        await log.append("s", event)
    assert [entry async for batch in batches for entry in batch] == ENTRIES[2:]


async def test_many_readers_get_the_same(log):
    await log.open("s")
    readers = [asyncio.create_task(read(log)) for _ in range(20)]
    for event in EVENTS:
        await log.append("s", event)
        await asyncio.sleep(0)
    assert await asyncio.gather(*readers) == [ENTRIES] * 20


async def test_late_reader_takes_a_long_stream_in_bounded_batches(log):
    events = [Token(str(n)) for n in range(2 * BATCH + 7)]
    await write(log, [*events, Done()])
    sizes = [len(batch) async for batch in tail(log, "s", 0, keepalive=5)]
    assert sizes == [BATCH, BATCH, 8]


async def test_silence_gives_empty_batches(log):
    await write(log, EVENTS[:1])
    async with aclosing(tail(log, "s", 0, keepalive=0.01)) as batches:
        assert [len(await anext(batches)) for _ in range(4)] == [1, 0, 0, 0]


async def test_each_reader_has_a_silence_of_its_own(log):
    await write(log, EVENTS[:1])
    patient = asyncio.create_task(log.wait("s", 1, 5))
    await asyncio.sleep(0)
    assert await log.wait("s", 1, 0.01) == []
    assert await log.wait("s", 1, 0.01) == []
    assert not patient.done()
    await log.append("s", EVENTS[1])
    assert await patient == ENTRIES[1:2]


async def test_unknown_stream_is_not_found(log):
    with pytest.raises(StreamNotFound):
        await read(log)
    with pytest.raises(StreamNotFound):
        await log.append("s", Token("a"))
    with pytest.raises(StreamNotFound):
        await log.conclude("s", 0, [Done()])
    with pytest.raises(StreamNotFound):
        await log.unread_seconds("s")
    assert log.lost_readers("s") == 0


async def test_open_stream_is_empty_not_unknown(log):
    await log.open("s")
    assert list(await log.read("s")) == []


async def test_nothing_can_follow_the_terminal_event(log):
    await write(log)
    with pytest.raises(ValueError, match="has ended"):
        await log.append("s", Token("late"))


@pytest.mark.parametrize("make", [Token, lambda text: Notice("crisis", "high", text)])
async def test_too_large_an_event_is_refused_and_the_stream_goes_on(log, make):
    await log.open("s")
    with pytest.raises(PayloadTooLarge):
        await log.append("s", make("x" * MAX_EVENT_BYTES))
    with pytest.raises(PayloadTooLarge):
        await log.append("s", make("\x01" * (MAX_EVENT_BYTES // 6)))
    fitting = Token("x" * (MAX_EVENT_BYTES - len('{"type":"token","content":""}')))
    assert await log.append("s", fitting) == 1
    await log.append("s", Done())
    assert await read(log) == [(1, fitting), (2, Done())]


# --- Readers ------------------------------------------------------------------------------------------------


async def test_reader_counts_until_it_leaves(log):
    await write(log, EVENTS[:1])
    assert await log.unread_seconds("s") > 0
    batches = tail(log, "s", 0, keepalive=5)
    await anext(batches)  # it has not asked for more: a slow reader is one, too
    assert await log.unread_seconds("s") == 0
    waiting = asyncio.create_task(anext(batches))
    await asyncio.sleep(0)
    assert await log.unread_seconds("s") == 0
    waiting.cancel()
    await asyncio.wait({waiting})
    assert await log.unread_seconds("s") > 0


async def test_who_polls_is_a_reader_while_it_waits(log):
    await write(log, EVENTS[:1])
    poll = asyncio.create_task(log.wait("s", 1, 5))
    await asyncio.sleep(0)
    assert await log.unread_seconds("s") == 0
    await log.append("s", EVENTS[1])
    assert await poll == ENTRIES[1:2]
    assert 0 < await log.unread_seconds("s") < 5


async def test_reader_that_leaves_before_the_end_is_lost(log):
    await write(log, EVENTS[:1])
    batches = tail(log, "s", 0, keepalive=5)
    await anext(batches)
    assert log.lost_readers("s") == 0
    await batches.aclose()
    assert log.lost_readers("s") == 1


async def test_reader_that_had_the_terminal_event_is_not_lost(log):
    await write(log)
    batches = tail(log, "s", 0, keepalive=5)
    await anext(batches)
    await batches.aclose()
    await read(log)
    await read(log, after=len(EVENTS))
    assert log.lost_readers("s") == 0


# --- The streams of the dead --------------------------------------------------------------------------------


async def test_conclude_ends_a_stream_where_its_writer_left_it(log):
    await write(log, EVENTS[:3])
    reader = asyncio.create_task(read(log))
    await asyncio.sleep(0)
    assert await log.conclude("s", 3, [Token("!"), CUT_OFF]) is True
    whole = [*ENTRIES[:3], (4, Token("!")), (5, CUT_OFF)]
    assert await asyncio.wait_for(reader, 5) == whole
    assert await read(log) == whole


async def test_conclude_before_the_first_event(log):
    await log.open("s")
    assert await log.conclude("s", 0, [CUT_OFF]) is True
    assert await read(log) == [(1, CUT_OFF)]


@pytest.mark.parametrize("after", [0, 2, 4])
async def test_conclude_elsewhere_than_at_the_end_is_refused(log, after):
    await write(log, EVENTS[:3])
    assert await log.conclude("s", after, [CUT_OFF]) is False
    assert list(await log.read("s")) == ENTRIES[:3]
    await log.append("s", EVENTS[3])
    assert list(await log.read("s")) == ENTRIES[:4]


async def test_conclude_after_the_end_is_refused(log):
    await write(log)
    assert await log.conclude("s", len(EVENTS), [CUT_OFF]) is False
    assert await read(log) == ENTRIES


async def test_writer_of_a_concluded_stream_is_told(log):
    await write(log, EVENTS[:3])
    await log.conclude("s", 3, [CUT_OFF])
    with pytest.raises(StreamLost):
        await log.append("s", EVENTS[3])
    assert await read(log) == [*ENTRIES[:3], (4, CUT_OFF)]


async def test_ping_and_stop_requests_are_answered(log):
    await log.ping()
    await log.ask_stop("s", "person")
