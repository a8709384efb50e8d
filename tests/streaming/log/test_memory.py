"""Streams in memory are kept while they live, and freed when they have expired."""

import asyncio

import pytest

from streaming.events import Done, Token
from streaming.log.base import StreamNotFound
from streaming.log.memory import MemoryLog
from tests.streaming.log.conftest import EVENTS, read, write


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
    await log.close()


async def test_long_lived_streams_hold_up_nobody():
    now = [0.0]
    log = MemoryLog(ttl=10, clock=lambda: now[0])
    for n in range(300):
        await log.open(f"live {n}")
    for n in range(20_000):
        now[0] += 0.01
        await write(log, [Token("a"), Done()], f"short {n}")
    # ten seconds of short streams are left
    assert len(log._streams) <= 300 + 1002
    await log.close()


async def test_expired_streams_are_freed_where_nothing_is_opened_any_more():
    log = MemoryLog(ttl=0.01)
    for n in range(100):
        await write(log, stream_id=str(n))
    async with asyncio.timeout(5):
        while log._streams:
            await asyncio.sleep(0.01)
    assert (len(log._ended), log._sweep) == (0, None)


async def test_reader_that_leaves_is_forgotten():
    log = MemoryLog(ttl=600)
    await write(log, EVENTS[:1])
    reader = asyncio.create_task(read(log))
    await asyncio.sleep(0.01)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    mirror = log._streams["s"]
    assert (mirror._waiting, mirror.readers) == ({}, 0)


async def test_reader_of_an_ended_stream_leaves_no_alarm_behind():
    log = MemoryLog(ttl=600)
    await write(log, EVENTS[:1])
    reader = asyncio.create_task(read(log))
    await asyncio.sleep(0)
    for event in EVENTS[1:]:
        await log.append("s", event)
    await reader
    assert log._streams["s"]._alarm is None
    await log.close()
