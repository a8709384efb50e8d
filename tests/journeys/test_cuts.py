"""Hundreds of answers at once, cut off by the network or by the death of a worker: not a letter is lost."""

import asyncio
import json
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp
import pytest

from streaming.events import TERMINAL, Event, Outcome, fold, from_wire
from streaming.sse import DataSplitter
from tests.journeys.cluster import QUICK, start_cluster
from tests.journeys.network import scissors
from tests.journeys.product import opening, wait_until
from tests.streaming.simulator.process import start_simulator

pytestmark = pytest.mark.database

STREAMS = 500
AT_ONCE = 80
PEOPLE = 5
SEED = 20261123
QUESTION = "Tell me about baby sleep patterns [[simulate long tokens={tokens} delay=8]]"
LENGTHS = (40, 60, 80)
SETTINGS = QUICK | {
    "STALE_SECONDS": "8",  # of a crowded machine nobody is dead so soon
    "COALESCE_MS": "10",
    "STREAM_PAD_BYTES": "0",
    "QUOTA_GUEST_TOKENS_PER_DAY": "off",
}
KILLED = 60
SHOW_UNFINISHED = 'print(Message.objects.filter(status="streaming").count())'
SHOW_ANSWERS = """
answers = Message.objects.filter(role="assistant").select_related("generation")
print(json.dumps({str(a.generation.stream_uuid): [a.status, a.content] for a in answers}))
"""


@dataclass
class Reading:
    """What one person has of one answer so far, over however many connections."""

    tokens: int
    name: str
    events: list[Event] = field(default_factory=list)
    connections: int = 0

    @property
    def ended(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], TERMINAL)

    @property
    def stream_id(self) -> str | None:
        return opening(self.events).stream_id

    def take(self, seq: int, fields: dict[str, Any]) -> None:
        assert seq == len(self.events) + 1, f"event {seq} after {len(self.events)}"
        self.events.append(from_wire(fields))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with (
        start_simulator("--tokens-per-second", "1000", "--first-token-ms", "0") as simulator,
        start_cluster(simulator, tmp_path_factory.mktemp("cuts"), **SETTINGS) as running,
    ):
        yield running


async def read_to_the_end(session, url, chance, reading, cookie):
    """Send, and go on wherever the connection was cut: by any transport, at whichever worker comes next."""
    while not reading.ended:
        reading.connections += 1
        assert reading.connections < 200
        with suppress(aiohttp.ClientError, TimeoutError):
            headers = {"Cookie": cookie}
            if reading.events:
                await FOLLOWING[chance.choice(sorted(FOLLOWING))](session, url, reading, headers)
            else:
                await send(session, url, reading, headers)


async def send(session, url, reading, headers):
    """The message, and again with the same id where not even the first event came back."""
    body = {"message": QUESTION.format(tokens=reading.tokens), "clientMessageId": reading.name}
    async with session.post(f"{url}/api/v1/ai/chat/stream", json=body, headers=headers) as response:
        assert response.status == 200, await response.text()
        await read_events(response, reading)


async def follow(session, url, reading, headers):
    headers = headers | {"Last-Event-ID": str(len(reading.events))}
    async with session.get(address(url, reading), headers=headers) as response:
        assert response.status == 200, await response.text()
        await read_events(response, reading)


async def follow_lines(session, url, reading, headers):
    headers = headers | {"Accept": "application/x-ndjson"}
    params = {"after": str(len(reading.events))}
    async with session.get(address(url, reading), headers=headers, params=params) as response:
        assert (response.status, response.content_type) == (200, "application/x-ndjson")
        async for line in response.content:
            if line.endswith(b"\n") and line.strip():
                fields = json.loads(line)
                reading.take(fields.pop("id"), fields)


async def poll(session, url, reading, headers):
    params = {"after": str(len(reading.events)), "wait": "2"}
    async with session.get(address(url, reading), headers=headers, params=params) as response:
        assert response.status == 200, await response.text()
        for fields in (await response.json())["events"]:
            reading.take(fields.pop("id"), fields)


FOLLOWING = {"sse": follow, "ndjson": follow_lines, "poll": poll}


def address(url, reading):
    return f"{url}/api/v1/ai/streams/{reading.stream_id}"


async def read_events(response, reading):
    splitter, ids, rest = DataSplitter(), [], b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        ids += [int(line[4:]) for line in lines if line.startswith(b"id: ")]
        for data in splitter.feed(chunk):
            reading.take(ids.pop(0), json.loads(data))


async def read_until_killed(worker, cookies):
    """What readers on a worker were shown of long answers until it was killed in the middle of all."""
    readings = [Reading(1000, f"killed-{number}") for number in range(KILLED)]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def read(reading, cookie):
            with suppress(aiohttp.ClientError):
                await send(session, worker.url, reading, {"Cookie": cookie})

        reads = [asyncio.create_task(read(one, cookies[n % PEOPLE])) for n, one in enumerate(readings)]
        async with asyncio.timeout(30):
            while not all(len(reading.events) > 10 for reading in readings):
                await asyncio.sleep(0.05)
        worker.server.kill()
        await asyncio.gather(*reads)
    return readings


async def read_all(url, cookies):
    """Every answer, `AT_ONCE` at a time, each over connections of its own."""
    chance, names = random.Random(SEED), count()
    readings = [Reading(LENGTHS[number % len(LENGTHS)], f"cut-{next(names)}") for number in range(STREAMS)]
    waiting = list(zip(readings, [cookies[number % PEOPLE] for number in range(STREAMS)], strict=True))
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

        async def one_after_the_other():
            while waiting:
                await read_to_the_end(session, url, chance, waiting[-1][0], waiting.pop()[1])

        await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))
    return readings


def cookie_of(guest):
    guest.http.get("/api/v1/conversations")
    return f"sessionid={guest.http.cookies['sessionid']}"


def test_five_hundred_cut_answers_are_each_read_to_the_letter(cluster):
    whole = {tokens: fold(cluster.guest().ask(QUESTION.format(tokens=tokens))).text for tokens in LENGTHS}
    started = cluster.simulator.stats()["started"]
    cookies = [cookie_of(cluster.guest()) for _ in range(PEOPLE)]
    urls = [worker.url for worker in cluster.workers]
    with scissors(urls, seed=SEED, least=300, most=2000) as network:
        readings = asyncio.run(read_all(network.url, cookies))
        assert network.cuts > 2 * STREAMS
    assert [fold(reading.events).text for reading in readings] == [whole[one.tokens] for one in readings]
    assert Counter(fold(reading.events).outcome for reading in readings) == {Outcome.COMPLETE: STREAMS}
    saved = json.loads(cluster.workers[1].shell(SHOW_ANSWERS))
    assert {one.stream_id: saved[one.stream_id] for one in readings} == {
        one.stream_id: ["complete", whole[one.tokens]] for one in readings
    }
    assert cluster.simulator.stats()["started"] - started == STREAMS, "each was answered once"


def test_nothing_of_sixty_running_answers_is_lost_with_their_worker(cluster):
    """The last one here: it takes the worker away."""
    doomed, other = cluster.workers
    readings = asyncio.run(read_until_killed(doomed, [cookie_of(cluster.guest()) for _ in range(PEOPLE)]))
    assert wait_until(lambda: other.shell(SHOW_UNFINISHED) == "0\n", 30)
    saved = json.loads(other.shell(SHOW_ANSWERS))
    shown = {one.stream_id: fold(one.events).text for one in readings}
    kept = {stream_id: saved[stream_id] for stream_id in shown}
    assert [status for status, _text in kept.values()] == ["interrupted"] * KILLED
    assert [text[: len(shown[stream_id])] for stream_id, (_status, text) in kept.items()] == list(
        shown.values()
    )
