"""Two workers, one installation: whoever writes an answer, the other shows it, resumes it and stops it."""

import json
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier

import pytest
import redis
from websockets.sync.client import connect

from streaming.events import Done, Error, Outcome, Token, fold, from_wire
from tests.journeys.cluster import start_cluster, valkey
from tests.journeys.network import network_to
from tests.journeys.product import ROOT, environment_of, first, launch, opening, rest, wait_until

pytestmark = pytest.mark.database

SLEEP = "Tell me about baby sleep patterns"
LONG = f"{SLEEP} [[simulate long tokens=400 delay=20]]"
SHORT = f"{SLEEP} [[simulate long tokens=60 delay=20]]"
BRIEF = f"{SLEEP} [[simulate long tokens=20 delay=20]]"
STOPPED_WITHIN = 0.3


@pytest.fixture(scope="module")
def simulator(swift):
    return swift.simulator


@pytest.fixture(scope="module")
def cluster(simulator, tmp_path_factory):
    settings = {"STREAM_KEEPALIVE": "0.5"}
    with start_cluster(simulator, tmp_path_factory.mktemp("workers"), **settings) as running:
        yield running


@pytest.fixture(scope="module")
def forgetful(simulator, tmp_path_factory):
    """Where what is over, or read by nobody, does not stay for long."""
    settings = {"STREAM_LOG_TTL": "1", "STREAM_UNREAD_SECONDS": "1.5", "CHECKPOINT_SECONDS": "0.3"}
    with start_cluster(simulator, tmp_path_factory.mktemp("forgetful"), **settings) as running:
        yield running


def generation_of(product, begun, *fields):
    """Columns of the row behind a stream."""
    code = "print(json.dumps(list(Generation.objects.values_list(*fields).get(stream_uuid=stream))))"
    return json.loads(product.shell(code, stream=begun.stream_id, fields=fields))


# --- Read, and resume ---------------------------------------------------------------------------------------


def lines_of(guest, begun, after):
    """The rest of a stream as NDJSON."""
    response = guest.http.get(
        f"/api/v1/ai/streams/{begun.stream_id}",
        headers={"Accept": "application/x-ndjson"},
        params={"after": after},
    )
    assert response.headers["content-type"] == "application/x-ndjson"
    return [numbered(json.loads(line)) for line in response.text.splitlines() if line.strip()]


def polls_of(guest, begun, after):
    """The rest of a stream, one long poll after the other."""
    entries, ended = [], False
    while not ended:
        last = entries[-1][0] if entries else after
        params = {"after": last, "wait": 5}
        told = guest.http.get(f"/api/v1/ai/streams/{begun.stream_id}", params=params).json()
        entries += [numbered(event) for event in told["events"]]
        ended = told["ended"]
    return entries


def socket_of(guest, begun, after):
    """The rest of a stream over a WebSocket."""
    with socket_to(guest) as socket:
        socket.send(json.dumps({"type": "resume", "streamId": begun.stream_id, "after": after}))
        entries = []
        while not (entries and isinstance(entries[-1][1], Done | Error)):
            told = json.loads(socket.recv(timeout=20))
            if "messageId" not in told:
                del told["streamId"]  # only there, as on everything that a socket tells
            if "id" in told:
                entries.append(numbered(told))
        return entries


def socket_to(guest):
    address = guest.product.url.replace("http", "ws", 1)
    cookie = {"Cookie": f"sessionid={guest.http.cookies['sessionid']}"}
    return connect(f"{address}/ws/chat/", origin=guest.product.url, additional_headers=cookie)


def numbered(fields):
    return fields["id"], from_wire(fields)


def test_every_cut_is_resumed_on_the_other_worker(cluster):
    guest, entries, tails = cluster.guest(), [], []
    # Long enough for that many pieces where a crowded machine makes fewer and larger ones.
    with guest.asking(f"{SLEEP} [[simulate long tokens=150 delay=20]]") as stream, ExitStack() as stack:
        for seq, event in stream:
            entries.append((seq, event))
            begun = opening([event for _seq, event in entries])
            there = guest.at(cluster.workers[1])
            tails.append(stack.enter_context(there.following(begun.stream_id, seq)))
        tails = [list(tail) for tail in tails]
    assert [seq for seq, _event in entries] == list(range(1, len(entries) + 1))
    assert len(entries) > 10
    assert tails == [entries[cut:] for cut in range(1, len(entries) + 1)]
    ended = [there.follow(begun.stream_id, cut) for cut in range(len(entries) + 1)]
    assert ended == [entries[cut:] for cut in range(len(entries) + 1)]
    assert there.saved(begun)["content"] == fold(event for _seq, event in entries).text


@pytest.mark.parametrize("read", [lines_of, polls_of, socket_of])
def test_every_transport_resumes_on_the_other_worker(cluster, read):
    guest = cluster.guest()
    there = guest.at(cluster.workers[1])
    with guest.asking(SHORT) as stream:
        entries = [next(stream) for _ in range(3)]
        begun = opening([event for _seq, event in entries])
        there.http.cookies.update(guest.http.cookies)
        with ThreadPoolExecutor(3) as threads:
            tails = [threads.submit(read, there, begun, cut) for cut in range(3)]
            entries += list(stream)
            assert [tail.result() for tail in tails] == [entries[cut:] for cut in range(3)]
    assert read(there, begun, 5) == entries[5:]


def test_readers_elsewhere_share_the_connections_of_their_worker(cluster):
    guest = cluster.guest()
    with guest.asking(LONG) as stream, ExitStack() as stack:
        begun = opening(first(stream, 3))
        there = guest.at(cluster.workers[1])
        tails = [stack.enter_context(there.following(begun.stream_id, 0)) for _ in range(30)]
        begins = [first(tail, 3) for tail in tails]
        assert redis_connections(cluster, there.product) == ["read", "write"]
        assert len(redis_connections(cluster)) < 30, "sessions and rates need one for each thread at most"
        there.stop(begun)
        whole = [event for _seq, event in guest.follow(begun.stream_id)]
        assert [[*begin, *rest(tail)] for begin, tail in zip(begins, tails, strict=True)] == [whole] * 30


def redis_connections(cluster, product=None):
    """What they are for; those of the log of one worker, or all."""
    with redis.Redis.from_url(cluster.redis) as client:
        names = [one["name"] for one in client.client_list()]
    if product is None:
        return names
    return sorted(name.rpartition("-")[2] for name in names if f"nightlight-{product.server.pid}-" in name)


def test_strangers_get_nothing_on_the_other_worker_either(cluster):
    alice, bob = cluster.guest(), cluster.workers[1].guest()
    bob.http.get("/api/v1/conversations")
    with alice.asking(LONG) as stream:
        begun = opening(first(stream, 2))
        address = f"/api/v1/ai/streams/{begun.stream_id}"
        refusals = [
            bob.http.get(address),
            bob.http.get(address, params={"after": 1, "wait": 1}),
            bob.http.post(f"{address}/stop", json={}),
            bob.http.post(f"{address}/pause", json={"after": 1}),
            bob.http.post(f"{address}/resume", json={}),
        ]
        assert [(reply.status_code, reply.json()["code"]) for reply in refusals] == [(404, "not_found")] * 5
        with socket_to(bob) as socket:
            socket.send(json.dumps({"type": "stop", "streamId": begun.stream_id}))
            assert json.loads(socket.recv(timeout=10))["status"] == 404
        assert isinstance(next(stream)[1], Token), "a stranger's stop must not end the answer"
    assert alice.stop(begun)["status"] == "stopped"


def test_answer_that_the_log_has_forgotten_is_rebuilt_on_the_other_worker(forgetful):
    guest = forgetful.guest()
    events = guest.ask(f"{SLEEP} [[simulate none tokens=30 delay=0]]")
    there = guest.at(forgetful.workers[1])
    with redis.Redis.from_url(forgetful.redis) as client:
        assert wait_until(lambda: not client.keys(f"*{opening(events).stream_id}*"), 10)
    rebuilt = [event for _seq, event in there.follow(opening(events).stream_id, 4)]
    assert rebuilt[0].reset
    assert (fold(rebuilt).text, fold(rebuilt).outcome) == (fold(events).text, Outcome.COMPLETE)


# --- Stop, pause, and the next question ---------------------------------------------------------------------


def test_stop_on_the_other_worker_is_stopped_upstream_at_once(cluster):
    guest, seconds = cluster.guest(), []
    guest.http.get("/api/v1/conversations")
    there = guest.at(cluster.workers[1])
    for _ in range(5):
        with guest.asking(LONG) as stream:
            events = first(stream, 3)
            aborted = cluster.simulator.stats()["aborted"]
            asked = time.monotonic()
            stopped = there.stop(opening(events))
            assert wait_until(lambda n=aborted: cluster.simulator.stats()["aborted"] == n + 1)
            seconds.append(cluster.simulator.stats()["last_abort"] - asked)
            events += rest(stream)
        assert fold(events).outcome == Outcome.STOPPED
        saved = there.saved(opening(events))
        assert (stopped["status"], stopped["content"]) == ("stopped", fold(events).text)
        assert (saved["status"], saved["content"]) == ("stopped", fold(events).text)
        assert saved["usage"]["completionTokens"] > 0
    assert statistics.median(seconds) < STOPPED_WITHIN
    assert generation_of(there.product, opening(events), "stop_reason") == ["person"]


def test_pause_here_goes_on_there(cluster):
    guest = cluster.guest()
    with guest.asking(SHORT) as stream:
        events = first(stream, 4)
        address = f"/api/v1/ai/streams/{opening(events).stream_id}"
        assert guest.http.post(f"{address}/pause", json={"after": 4}).json()["pausedAfter"] == 4
    there = guest.at(cluster.workers[1])
    after = there.http.post(f"{address}/resume", json={}).json()["after"]
    assert after == 4
    events += [event for _seq, event in there.follow(opening(events).stream_id, after)]
    assert fold(events).outcome == Outcome.COMPLETE
    assert fold(events).text == there.saved(opening(events))["content"]


def test_next_question_on_the_other_worker_stops_the_answer_before_it(cluster):
    guest = cluster.guest()
    there = guest.at(cluster.workers[1])
    with guest.asking(LONG) as stream:
        events = first(stream, 3)
        begun = opening(events)
        there.http.cookies.update(guest.http.cookies)
        after = there.ask(f"{SLEEP} [[simulate none tokens=9]]", conversationId=begun.conversation_id)
        events += rest(stream)
    assert (fold(events).outcome, fold(after).outcome) == (Outcome.STOPPED, Outcome.COMPLETE)
    saved = there.saved(begun)
    assert (saved["status"], saved["content"]) == ("stopped", fold(events).text)
    assert generation_of(there.product, begun, "stop_reason") == ["superseded"]


def test_same_message_sent_to_both_at_the_same_moment_is_one_answer(cluster):
    guest = cluster.guest()
    guest.http.get("/api/v1/conversations")
    doors = [guest, guest.at(cluster.workers[1])]
    for number in range(5):
        together, body = Barrier(2), {"message": BRIEF, "clientMessageId": f"unsure-{number}"}

        def send(door, together=together, body=body):
            together.wait()
            with door.http.stream("POST", "/api/v1/ai/chat/stream", json=body) as response:
                assert response.status_code == 200, response.read()
                return response.read().decode()

        started = cluster.simulator.stats()["started"]
        with ThreadPoolExecutor(2) as threads:
            first_text, second_text = (list_of(text) for text in threads.map(send, doors))
        assert first_text == second_text
        assert cluster.simulator.stats()["started"] == started + 1
    listed = guest.http.get("/api/v1/conversations", params={"limit": 50}).json()["items"]
    assert [item["messageCount"] for item in listed] == [2] * 5


def list_of(text):
    """What stands in a stream, without what keeps it open."""
    return [line for line in text.splitlines() if line.startswith(("id: ", "data: "))]


# --- Valkey goes away ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shaky(simulator, tmp_path_factory):
    """A cluster, and the network between it and its Valkey."""
    with valkey() as address, network_to(address) as network:
        redis_url = network.url.replace("http", "redis", 1) + "/0"
        with start_cluster(
            simulator, tmp_path_factory.mktemp("shaky"), redis=redis_url, RATE_LIMIT_GUEST_MESSAGES="100/m"
        ) as cluster:
            yield cluster, network


def test_answer_goes_on_for_local_readers_while_valkey_is_away(shaky):
    cluster, network = shaky
    guest = cluster.guest()
    with guest.asking(f"{SLEEP} [[simulate long tokens=150 delay=20]]") as stream:
        entries = [next(stream) for _ in range(3)]
        begun = opening([event for _seq, event in entries])
        network.down = True
        network.cut()
        entries += [next(stream) for _ in range(5)]
        readiness = guest.at(cluster.workers[1]).http.get("/readyz")
        assert (readiness.status_code, readiness.json()["checks"]["log"]["ok"]) == (503, False)
        entries += [next(stream) for _ in range(5)]
        network.down = False
        for worker in cluster.workers:
            assert wait_until(lambda url=worker: guest.at(url).http.get("/readyz").status_code == 200, 15)
        there = guest.at(cluster.workers[1])
        with there.following(begun.stream_id, 2) as following:
            entries += list(stream)
            assert list(following) == entries[2:]
    assert [seq for seq, _event in entries] == list(range(1, len(entries) + 1))
    assert fold(event for _seq, event in entries).outcome == Outcome.COMPLETE
    assert there.saved(begun)["content"] == fold(event for _seq, event in entries).text


def test_reader_elsewhere_comes_through_an_outage_of_valkey(shaky):
    cluster, network = shaky
    guest = cluster.guest()
    with guest.asking(f"{SLEEP} [[simulate long tokens=150 delay=20]]") as stream:
        events = first(stream, 3)
        begun = opening(events)
        with guest.at(cluster.workers[1]).following(begun.stream_id, 0) as following:
            told = [next(following) for _ in range(4)]
            network.down = True
            network.cut()
            events += first(stream, 5)
            network.down = False
            events += rest(stream)
            told += list(following)
    assert told == list(enumerate(events, start=1))


def test_question_is_answered_while_valkey_is_away(shaky):
    cluster, network = shaky
    guest = cluster.guest()
    guest.http.get("/api/v1/conversations")
    network.down = True
    network.cut()
    try:
        events = guest.ask(BRIEF)
        urgent = guest.ask("baby won't wake to feed and lips look blue")
    finally:
        network.down = False
    assert (fold(events).outcome, fold(urgent).notices[0].severity) == (Outcome.COMPLETE, "emergency")
    there = guest.at(cluster.workers[1])
    assert wait_until(lambda: there.http.get("/readyz").status_code == 200, 15)
    # From the saved message, where the worker that wrote it has not got through to Valkey yet.
    assert fold(event for _seq, event in there.follow(opening(events).stream_id)).text == fold(events).text


def test_valkey_that_lost_everything_is_told_again(simulator, tmp_path):
    with ExitStack() as stack:
        lost = ExitStack()
        address = lost.enter_context(valkey())
        cluster = stack.enter_context(start_cluster(simulator, tmp_path, redis=address))
        guest = cluster.guest()
        with guest.asking(f"{SLEEP} [[simulate long tokens=150 delay=20]]") as stream:
            entries = [next(stream) for _ in range(5)]
            lost.close()
            stack.enter_context(valkey(port=int(address.split(":")[2].split("/")[0])))
            there = guest.at(cluster.workers[1])
            assert wait_until(lambda: there.http.get("/readyz").status_code == 200, 15)
            with there.following(opening([entries[0][1]]).stream_id, 0) as following:
                entries += list(stream)
                assert list(following) == entries
    assert fold(event for _seq, event in entries).outcome == Outcome.COMPLETE


# --- Who may run beside whom --------------------------------------------------------------------------------


def test_process_without_redis_refuses_to_run_beside_those_with_it(cluster):
    environment = {k: v for k, v in cluster.workers[0].environment.items() if k != "REDIS_URL"}
    with launch(cluster.simulator, environment, stderr=subprocess.PIPE) as alone:
        assert alone.server.wait(timeout=30) != 0
        said = alone.server.stderr.read().decode()
    assert "is running here. Without REDIS_URL streams are kept in memory" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("command", [("check",), ("check", "--deploy")])
def test_check_refuses_several_workers_without_redis(simulator, tmp_path, command):
    environment = environment_of(simulator, tmp_path, WEB_CONCURRENCY="2")
    done = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "WEB_CONCURRENCY asks for 2 processes, and there is no REDIS_URL for them to share." in done.stderr


# --- Answers that nobody reads ------------------------------------------------------------------------------


def test_answer_that_nobody_reads_is_ended_unless_it_is_paused_or_read_elsewhere(forgetful):
    left, paused, read = guests = [forgetful.guest() for _ in range(3)]
    begun = []
    for guest in guests:
        with guest.asking(LONG) as stream:
            begun.append(opening(first(stream, 3)))
    pause = f"/api/v1/ai/streams/{begun[1].stream_id}/pause"
    assert paused.http.post(pause, json={"after": 3}).status_code == 200
    with read.at(forgetful.workers[1]).following(begun[2].stream_id, 3) as following:
        assert wait_until(lambda: left.saved(begun[0])["status"] == "interrupted", 8)
        first(following, 20)
        statuses = [guest.saved(one)["status"] for guest, one in zip(guests, begun, strict=True)]
        assert statuses == ["interrupted", "streaming", "streaming"]
        stop_reason = generation_of(left.product, begun[0], "stop_reason", "error_code")
        assert stop_reason == ["unread", "stream_interrupted"]
    assert [paused.stop(begun[1])["status"], read.stop(begun[2])["status"]] == ["stopped"] * 2
