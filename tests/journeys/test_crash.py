"""A server process that is killed in the middle of an answer: what is kept, and how people go on."""

import json
import os
import signal
import time
from contextlib import ExitStack

import pytest

from streaming.events import Error, Outcome, fold
from tests.journeys.cluster import QUICK, server_of, start_cluster, workers_of
from tests.journeys.product import (
    environment_of,
    first,
    opening,
    rest,
    serve,
    start_product,
    wait_until,
)

pytestmark = pytest.mark.database

LONG = "Tell me about baby sleep patterns [[simulate long tokens=150 delay=20]]"
SHOW_LEFT = """
print(json.dumps([
    Checkpoint.objects.count(),
    Generation.objects.filter(ended_at=None).count(),
    sorted(set(Generation.objects.values_list("stop_reason", "error_code"))),
]))
"""
CHECKPOINT = 0.3
SLACK = 0.5


@pytest.fixture(scope="module")
def simulator(swift):
    return swift.simulator


@pytest.fixture(scope="module")
def whole(swift):
    """The answer as it is where nobody kills anything."""
    return fold(swift.guest().ask(LONG.replace("delay=20", "delay=0"))).text


def interrupted(end):
    return (type(end), end.code, end.retryable) == (Error, "stream_interrupted", True)


def ask_and_kill(product, guest, seconds):
    """(when it came, event) of an answer, its process killed `seconds` after its first text; and when."""
    shown = []
    with guest.asking(LONG) as stream:
        shown += [(time.monotonic(), event) for event in first(stream, 2)]
        while time.monotonic() < shown[1][0] + seconds:
            shown += [(time.monotonic(), event) for event in first(stream, 1)]
        product.kill()
        killed = time.monotonic()
        shown += [(killed, event) for event in rest(stream)]
    return shown, killed


# --- One process, its log in memory -------------------------------------------------------------------------


def test_killed_process_loses_no_more_than_since_the_last_checkpoint(simulator, tmp_path, whole):
    settings = QUICK | {"CHECKPOINT_SECONDS": str(CHECKPOINT)}
    environment = environment_of(simulator, tmp_path, **settings)
    with serve(simulator, environment) as product:
        guest = product.guest()
        shown, killed = ask_and_kill(product, guest, 1.8)
        begun = opening([event for _at, event in shown])
        long_ago = [event for at, event in shown if at < killed - CHECKPOINT - SLACK]
    with serve(simulator, environment) as product:
        after = guest.at(product)
        saved = after.saved(begun)
        assert (saved["status"], saved["error"]["code"]) == ("interrupted", "stream_interrupted")
        assert fold(event for _at, event in shown).text.startswith(saved["content"])
        assert saved["content"].startswith(fold(long_ago).text)
        assert len(fold(long_ago).text) > 100
        assert json.loads(product.shell(SHOW_LEFT)) == [0, 0, [["died", "stream_interrupted"]]]
        followed = [event for _seq, event in after.follow(begun.stream_id)]
        assert (followed[0].reset, fold(followed).text, interrupted(followed[-1])) == (
            True,
            saved["content"],
            True,
        )
        assert fold(after.retry(begun)).text == whole


def test_sweep_by_hand_says_what_it_did(simulator, tmp_path):
    with start_product(simulator, tmp_path, **QUICK) as product:
        guest = product.guest()
        shown, _killed = ask_and_kill(product, guest, 1)
        assert product.manage("sweep", "--stale", "60") == "No unfinished answers: nothing to do.\n"
        assert product.manage("sweep", "--stale", "0") == "1 unfinished answers were saved as interrupted.\n"
        content = json.loads(product.shell(SHOW_CONTENT))
    assert content == [fold(event for _at, event in shown).text[: len(content[0])]]
    assert len(content[0]) > 20


SHOW_CONTENT = """
answers = Message.objects.filter(role="assistant")
print(json.dumps([answer.content for answer in answers]))
"""


# --- Several processes, and Redis ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster(simulator, tmp_path_factory):
    with start_cluster(simulator, tmp_path_factory.mktemp("mortal"), **QUICK) as running:
        yield running


def test_worker_that_was_only_asleep_writes_over_nothing(cluster):
    """As where a machine is suspended: the others take it for dead, and then it goes on."""
    asleep, other = cluster.workers
    guest = cluster.guest()
    with guest.asking(LONG) as stream:
        events = first(stream, 4)
        begun = opening(events)
        asleep.server.send_signal(signal.SIGSTOP)
        told = [event for _seq, event in guest.at(other).follow(begun.stream_id)]
        asleep.server.send_signal(signal.SIGCONT)
        events += rest(stream)
    assert interrupted(told[-1])
    saved = guest.at(other).saved(begun)
    assert (saved["status"], saved["content"]) == ("interrupted", fold(told).text)
    assert wait_until(lambda: other.idle)
    assert guest.saved(begun) == saved
    assert [event for _seq, event in guest.follow(begun.stream_id)] == told
    assert (fold(events).text, fold(events).outcome) == (saved["content"], Outcome.INTERRUPTED)


def test_nothing_that_was_shown_is_lost_when_a_worker_is_killed(cluster, whole):
    """The last one on this cluster: it takes a worker away."""
    doomed, other = cluster.workers
    guest = cluster.guest()
    with guest.asking(LONG) as stream:
        events = first(stream, 4)
        begun = opening(events)
        with guest.at(other).following(begun.stream_id, 0) as following:
            first(following, 4)
            doomed.kill()
            killed = time.monotonic()
            events += rest(stream)
            told = first_events(events, following)
        assert time.monotonic() - killed < 30
    assert interrupted(told[-1])
    assert fold(told).text.startswith(fold(events).text)
    there = guest.at(other)
    saved = there.saved(begun)
    assert (saved["status"], saved["content"]) == ("interrupted", fold(told).text)
    assert saved["usage"]["completionTokens"] > 0
    assert json.loads(other.shell(SHOW_LEFT)) == [0, 0, [["died", "stream_interrupted"]]]
    assert wait_until(lambda: other.idle)
    assert [event for _seq, event in there.follow(begun.stream_id)] == told
    assert fold(there.retry(begun)).text == whole


def first_events(events, following):
    """All events of a stream, of which `following` has read four."""
    return [*events[:4], *(event for _seq, event in following)]


def test_stop_and_the_next_question_do_not_wait_for_a_dead_worker(simulator, tmp_path):
    with start_cluster(simulator, tmp_path, CHECKPOINT_SECONDS="0.2") as cluster, ExitStack() as stack:
        doomed, other = cluster.workers
        guests = [cluster.guest() for _ in range(2)]
        streams = [stack.enter_context(guest.asking(LONG)) for guest in guests]
        told = [first(stream, 4) for stream in streams]
        doomed.kill()
        told = [events + rest(stream) for events, stream in zip(told, streams, strict=True)]
        stopped = guests[0].at(other).stop(opening(told[0]))
        assert stopped["status"] == "interrupted"
        assert stopped["content"].startswith(fold(told[0]).text)
        begun, there = opening(told[1]), guests[1].at(other)
        urgent = there.ask("baby won't wake to feed and lips look blue", conversationId=begun.conversation_id)
        assert fold(urgent).notices[0].severity == "emergency"
        assert there.saved(begun)["status"] == "interrupted"


def test_worker_under_uvicorns_workers_is_replaced_and_its_answer_finished(simulator, tmp_path):
    """One port for all: here who answers is not chosen, so it is found out whose children are left."""
    with start_cluster(simulator, tmp_path, "--workers", "2", workers=1, **QUICK) as cluster:
        (product,) = cluster.workers
        assert wait_until(lambda: len(workers_of(product)) == 2)
        guest = cluster.guest()
        with guest.asking(LONG) as stream:
            events = first(stream, 4)
            doomed = server_of(guest)
            os.kill(doomed.pid, signal.SIGKILL)
            events += rest(stream)
        begun = opening(events)
        told = [event for _seq, event in guest.at(product).follow(begun.stream_id)]
        assert interrupted(told[-1])
        assert fold(told).text.startswith(fold(events).text)
        assert wait_until(
            lambda: len(workers_of(product)) == 2 and doomed.pid not in [w.pid for w in workers_of(product)],
            20,
        )
        assert guest.at(product).http.get("/readyz").status_code == 200
