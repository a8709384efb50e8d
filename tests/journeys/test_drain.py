"""SIGTERM: nothing new is taken, what runs goes on for a while, and nobody is left without a word."""

import json
import signal
import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from streaming.events import Done, Error, Outcome, fold
from tests.journeys.cluster import server_of, start_cluster, workers_of
from tests.journeys.product import first, opening, rest, start_product, wait_until

pytestmark = [pytest.mark.database, pytest.mark.once]

SLEEP = "Tell me about baby sleep patterns"
LONG = f"{SLEEP} [[simulate long tokens=400 delay=20]]"
SHORT = f"{SLEEP} [[simulate long tokens=100 delay=20]]"
PATIENT = ("--timeout-graceful-shutdown", "20")
ENDED = (0, -signal.SIGTERM)


@pytest.fixture(scope="module")
def simulator(swift):
    return swift.simulator


class HeldRequest:
    """A request whose body has not come yet when the signal does, as on a connection that is in use."""

    def __init__(self, guest, method, path, fields):
        address = urlsplit(guest.product.url)
        self._body = json.dumps(fields).encode()
        self._socket = socket.create_connection((address.hostname, address.port), timeout=20)
        head = [
            f"{method} {path} HTTP/1.1",
            f"Host: {address.netloc}",
            f"Cookie: sessionid={guest.http.cookies['sessionid']}",
            "Content-Type: application/json",
            f"Content-Length: {len(self._body)}",
        ]
        self._socket.sendall("\r\n".join(head).encode() + b"\r\n\r\n")

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._socket.close()

    def finish(self):
        """(status, headers, JSON body), once the body has gone out."""
        self._socket.sendall(self._body)
        with self._socket.makefile("rb") as reply:
            status = int(reply.readline().split()[1])
            lines = iter(lambda: reply.readline().decode().strip(), "")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            return status, headers, json.loads(reply.read(int(headers["content-length"])))


def terminate(product):
    product.server.send_signal(signal.SIGTERM)


def test_drain_refuses_what_is_new_and_lets_answers_go_on(simulator, tmp_path):
    with (
        start_cluster(simulator, tmp_path, *PATIENT, DRAIN_SECONDS="15") as cluster,
        ExitStack() as held,
    ):
        leaving, staying = cluster.workers
        guest = cluster.guest()
        with guest.asking(SHORT) as stream:
            events = first(stream, 3)
            probes = [
                held.enter_context(HeldRequest(guest, "GET", "/readyz", {"held": n})) for n in range(20)
            ]
            question = held.enter_context(
                HeldRequest(guest, "POST", "/api/v1/ai/chat/stream", {"message": SLEEP})
            )
            terminate(leaving)
            assert wait_until(lambda: probes.pop().finish()[0] == 503)
            _status, _headers, readiness = probes.pop().finish()
            assert readiness["checks"]["accepting"]["ok"] is False
            status, headers, refusal = question.finish()
            assert (status, refusal["code"], headers["retry-after"]) == (503, "overloaded", "5")
            there = guest.at(staying)
            assert fold(there.ask(f"{SLEEP} [[simulate none tokens=5 delay=0]]")).outcome == Outcome.COMPLETE
            assert [event for _seq, event in there.follow(opening(events).stream_id)][:3] == events
            events += rest(stream)
        held.close()
        assert leaving.server.wait(timeout=15) in ENDED
        assert (fold(events).outcome, isinstance(events[-1], Done)) == (Outcome.COMPLETE, True)
        assert there.saved(opening(events))["content"] == fold(events).text
        assert there.http.get("/readyz").status_code == 200


def test_drain_ends_what_takes_too_long_so_that_it_is_retried_elsewhere(simulator, tmp_path):
    with start_cluster(simulator, tmp_path, *PATIENT, DRAIN_SECONDS="0.5") as cluster:
        leaving, staying = cluster.workers
        guest = cluster.guest()
        with guest.asking(LONG) as stream, ExitStack() as stack:
            events = first(stream, 3)
            begun = opening(events)
            there = guest.at(staying)
            following = stack.enter_context(there.following(begun.stream_id, 0))
            terminate(leaving)
            events += rest(stream)
            assert [event for _seq, event in following] == events
        assert leaving.server.wait(timeout=15) in ENDED
        error = events[-1]
        assert (type(error), error.code, error.retryable, error.retry_after) == (
            Error,
            "stream_interrupted",
            True,
            5,
        )
        saved = there.saved(begun)
        assert (saved["status"], saved["content"]) == ("interrupted", fold(events).text)
        assert json.loads(staying.shell(SHOW_STOP_REASONS)) == ["shutdown"]
        assert staying.idle


SHOW_STOP_REASONS = 'print(json.dumps(list(Generation.objects.values_list("stop_reason", flat=True))))'


def test_drain_under_uvicorns_workers(simulator, tmp_path):
    with start_cluster(
        simulator, tmp_path, *PATIENT, "--workers", "2", workers=1, DRAIN_SECONDS="1"
    ) as cluster:
        (product,) = cluster.workers
        assert wait_until(lambda: len(workers_of(product)) == 2)
        processes = workers_of(product)
        with ExitStack() as stack:
            guests = [product.guest() for _ in range(8)]
            streams = [stack.enter_context(guest.asking(LONG)) for guest in guests]
            events = [first(stream, 2) for stream in streams]
            asked = {server_of(guest).pid for guest in guests}
            terminate(product)
            for told, stream in zip(events, streams, strict=True):
                told += rest(stream)
        assert product.server.wait(timeout=15) in ENDED
        assert [(type(told[-1]), fold(told).outcome) for told in events] == [(Error, Outcome.INTERRUPTED)] * 8
        assert asked <= {process.pid for process in processes}
        assert [process.is_running() for process in processes] == [False, False]
        assert wait_until(lambda: product.idle)
        saved = json.loads(product.shell(SHOW_ANSWERS))
    assert saved == {
        opening(told).message_id: ["interrupted", fold(told).text, "stream_interrupted"] for told in events
    }


SHOW_ANSWERS = """
answers = Message.objects.filter(role="assistant").select_related("generation")
print(json.dumps({str(a.uuid): [a.status, a.content, a.generation.error_code] for a in answers}))
"""


def test_shutdown_ends_answers_in_order_and_the_process_by_itself(simulator, tmp_path):
    with start_product(simulator, tmp_path, DRAIN_SECONDS="1") as product:
        guest = product.guest()
        with guest.asking(LONG) as stream:
            events = first(stream, 2)
            terminate(product)
            events += rest(stream)
        assert product.server.wait(timeout=8) in ENDED
        error = events[-1]
        assert isinstance(error, Error)
        assert (error.code, error.retryable, error.retry_after) == ("stream_interrupted", True, 5)
        assert wait_until(lambda: product.idle)
        saved = json.loads(product.shell(SHOW_ANSWERS))
    assert list(saved.values()) == [["interrupted", fold(events).text, "stream_interrupted"]]
