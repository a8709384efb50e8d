"""The law of the log: whatever the order of appends and readers, each reader gets all events, in order."""

import asyncio
import itertools
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streaming.events import Done, Token
from streaming.log.base import LogUnavailable
from streaming.log.memory import MemoryLog
from streaming.log.redis import RedisLog
from tests.streaming.log.conftest import read, url_of

streams = itertools.count()

steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.text(max_size=5)),
        st.tuples(st.just("read"), st.tuples(st.sampled_from([0, 1]), st.integers(0, 12))),
        st.tuples(st.just("pause"), st.integers(0, 3)),
        st.tuples(st.just("cut"), st.sampled_from([0, 1])),
    ),
    max_size=30,
)


@pytest.mark.parametrize("kind", ["memory", "redis"])
@given(steps=steps)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_reader_gets_all_events_in_order(valkey, kind, steps):
    asyncio.run(_play(kind, url_of(valkey), steps))


async def _play(kind, url, steps):
    if kind == "memory":
        log = MemoryLog(ttl=600)
        logs = [log, log]
    else:
        prefix = f"order{next(streams)}:"
        logs = [RedisLog(url, ttl=600, live_ttl=900, prefix=prefix) for _ in range(2)]
    try:
        await _check(kind, logs, steps)
    finally:
        for log in logs:
            await log.close()


async def _patiently(call, *arguments):
    """Redis may be said to be away, before anything was read: who comes back gets it all."""
    while True:
        with suppress(LogUnavailable):
            return await call(*arguments)
        await asyncio.sleep(0)


async def _check(kind, logs, steps):
    await logs[0].open("s")
    written, readers = [], []
    for what, value in steps:
        if what == "append":
            written.append(Token(value))
            await logs[0].append("s", written[-1])
        elif what == "read":
            which, after = value
            after = min(after, len(written))
            if which:
                await _patiently(logs[0].ping)
            readers.append((after, asyncio.create_task(_patiently(read, logs[which], after))))
        elif what == "pause":
            await asyncio.sleep(value / 1000)
        elif kind == "redis" and (pipe := logs[value]._link.pipe):
            pipe.abort()
    written.append(Done())
    await logs[0].append("s", written[-1])
    whole = list(enumerate(written, start=1))
    for after, reader in readers:
        assert await asyncio.wait_for(reader, 10) == whole[after:]
