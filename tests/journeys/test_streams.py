"""Streams over real sockets: readers that leave, return, stop; deadlines; many at once; the process's end."""

import json
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from streaming.events import Done, Error, Outcome, Token, fold
from tests.journeys.product import (
    ROOT,
    environment_of,
    first,
    opening,
    serve,
    server_command,
    start_product,
    wait_until,
)

SLEEP = "Tell me about baby sleep patterns"
LONG = f"{SLEEP} [[simulate long tokens=400 delay=20]]"
SHORT = f"{SLEEP} [[simulate long tokens=60 delay=20]]"


pytestmark = [pytest.mark.database, pytest.mark.once]


@pytest.fixture(scope="module")
def product(swift):
    return swift


@pytest.fixture(scope="module")
def simulator(swift):
    return swift.simulator


# --- A reader who leaves, and comes back --------------------------------------------------------------------


def test_answer_goes_on_when_its_reader_is_gone(product):
    guest = product.guest()
    aborted = product.simulator.stats()["aborted"]
    with guest.asking(SHORT) as stream:
        begun = opening(first(stream, 2))
    assert wait_until(lambda: guest.saved(begun)["status"] != "streaming")
    saved = guest.saved(begun)
    assert (saved["status"], saved["usage"]["completionTokens"]) == ("complete", 60)
    assert fold(event for _seq, event in guest.follow(begun.stream_id)).text == saved["content"]
    assert (product.idle, product.simulator.stats()["aborted"]) == (True, aborted)


def test_every_place_in_a_running_answer_can_be_resumed_from(product):
    guest = product.guest()
    with guest.asking(SHORT) as stream:
        begun = opening(first(stream, 3))
        with ExitStack() as stack:
            places = {
                after: stack.enter_context(guest.following(begun.stream_id, after)) for after in range(4)
            }
            assert guest.saved(begun)["status"] == "streaming"
            resumed = {after: list(following) for after, following in places.items()}
        rest = list(stream)
    whole = guest.follow(begun.stream_id)
    assert [seq for seq, _event in whole] == list(range(1, len(whole) + 1))
    assert resumed == {after: whole[after:] for after in resumed}
    assert whole[3:] == rest
    last = len(whole)
    assert {after: guest.follow(begun.stream_id, after) for after in (5, last - 1, last)} == {
        5: whole[5:],
        last - 1: whole[-1:],
        last: [],
    }


def test_message_sent_twice_is_answered_once(product):
    guest = product.guest()
    body = {"message": SHORT, "clientMessageId": "sent-by-a-phone"}
    with guest.asking(**body) as stream:
        begun = opening(first(stream, 2))
    started = product.simulator.stats()["started"]
    again = guest.http.post("/api/v1/ai/chat/stream", json=body, headers={"Last-Event-ID": "2"})
    assert product.simulator.stats()["started"] == started
    whole = guest.follow(begun.stream_id)
    ids = [line for line in again.text.splitlines() if line.startswith("id: ")]
    assert ids == [f"id: {seq}" for seq, _event in whole[2:]]
    messages = guest.http.get(f"/api/v1/conversations/{begun.conversation_id}/messages").json()["items"]
    assert [message["role"] for message in messages] == ["user", "assistant"]
    other = guest.http.post("/api/v1/ai/chat/stream", json=body | {"message": "another text"})
    assert (other.status_code, other.json()["code"]) == (409, "conflict")


def test_original_transcript_holds_with_curl(product):
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl here")
    command = [curl, "-sN", "--max-time", "20", "-X", "POST", f"{product.url}/api/v1/ai/chat/stream"]
    command += ["-H", "Content-Type: application/json", "-d", json.dumps({"message": SLEEP})]
    lines = subprocess.run(command, capture_output=True, text=True, timeout=25, check=True).stdout.split("\n")
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    told = [event for event in events if event["type"] in ("token", "done", "error")]
    assert told[-1] == {"type": "done"}
    assert {tuple(event) for event in told[:-1]} == {("type", "content")}
    assert "".join(event["content"] for event in told[:-1]).startswith("**Baby sleep patterns")
    assert 'data: {"type":"done"}' in lines


def test_strangers_get_nothing_of_a_running_answer(product):
    alice, bob, nobody = product.guest(), product.guest(), product.guest()
    theirs = opening(bob.ask(f"{SLEEP} [[simulate none tokens=20 delay=0]]"))
    with alice.asking(LONG) as stream:
        begun = opening(first(stream, 2))
        for other in (bob, nobody):
            refusals = [
                other.http.get(f"/api/v1/ai/streams/{begun.stream_id}"),
                other.http.get(f"/api/v1/ai/streams/{begun.stream_id}", headers={"Last-Event-ID": "1"}),
                other.http.post(f"/api/v1/ai/streams/{begun.stream_id}/stop", json={}),
                other.http.get(f"/api/v1/conversations/{begun.conversation_id}"),
                other.http.get(f"/api/v1/conversations/{begun.conversation_id}/messages"),
                other.http.post(
                    "/api/v1/ai/chat/stream", json={"message": "hi", "conversationId": begun.conversation_id}
                ),
                other.http.put(f"/api/v1/messages/{begun.message_id}/feedback", json={"rating": "up"}),
            ]
            assert [(reply.status_code, reply.json()["code"]) for reply in refusals] == [
                (404, "not_found")
            ] * len(refusals)
        listed = bob.http.get("/api/v1/conversations").json()["items"]
        assert [item["id"] for item in listed] == [theirs.conversation_id]
        assert isinstance(next(stream)[1], Token), "a stranger's stop must not end the answer"
    assert alice.stop(begun)["status"] == "stopped"


# --- Stop, and deadlines ------------------------------------------------------------------------------------


def test_stop_ends_the_answer_upstream_at_once(product):
    guest = product.guest()
    with guest.asking(LONG) as stream:
        begun = opening(first(stream, 3))
        aborted = product.simulator.stats()["aborted"]
        asked = time.monotonic()
        stopped = guest.stop(begun)
        assert wait_until(lambda: product.simulator.stats()["aborted"] == aborted + 1, 2)
        assert product.simulator.stats()["last_abort"] - asked < 1.0
        rest = [event for _seq, event in stream]
    assert (type(rest[-1]), rest[-2].finish_reason) == (Done, "stopped")
    saved = guest.saved(begun)
    assert (stopped["status"], saved["status"]) == ("stopped", "stopped")
    assert stopped["content"] == saved["content"] != ""
    assert stopped == guest.stop(begun), "a second stop tells the same"
    assert product.idle


def test_twenty_stopped_answers_leave_nothing(product):
    guest = product.guest()
    guest.ask(f"{SLEEP} [[simulate none tokens=5 delay=0]]")
    before = product.threads
    with ExitStack() as stack:
        streams = [stack.enter_context(guest.asking(LONG)) for _ in range(20)]
        begun = [opening(first(stream, 2)) for stream in streams]
        stopped = [guest.stop(one)["status"] for one in begun]
        ends = [[event for _seq, event in stream][-1] for stream in streams]
    assert (stopped, ends) == (["stopped"] * 20, [Done()] * 20)
    assert wait_until(lambda: product.idle)
    assert product.threads <= before + 2
    ready = guest.http.get("/readyz").json()
    assert ready["checks"]["log"]["running"] == 0


def test_answer_that_takes_too_long_is_ended_and_kept(simulator, tmp_path):
    with start_product(simulator, tmp_path, PROVIDER_TOTAL_TIMEOUT="1.2") as product:
        guest = product.guest()
        began = time.monotonic()
        events = guest.ask(LONG)
        assert 1.1 < time.monotonic() - began < 4
        assert isinstance(events[-1], Error)
        assert (events[-1].code, events[-1].retryable) == ("provider_timeout", True)
        saved = guest.saved(opening(events))
        assert (saved["status"], saved["content"]) == ("failed", fold(events).text)
        assert saved["content"].startswith("Nights with a small baby")
        assert wait_until(lambda: product.idle)


def test_forty_open_streams_hold_few_threads_and_connections(product):
    guest = product.guest()
    with ExitStack() as stack:
        streams = [
            stack.enter_context(guest.asking(f"{SLEEP} [[simulate long tokens=800 delay=20]]"))
            for _ in range(40)
        ]
        begun = [opening(first(stream, 2)) for stream in streams]
        assert product.simulator.stats()["active"] == 40
        assert product.threads <= 20
        assert database_connections(product) <= 10
        assert [guest.stop(one)["status"] for one in begun] == ["stopped"] * 40
        ends = [[event for _seq, event in stream][-1] for stream in streams]
    assert ends == [Done()] * 40
    assert wait_until(lambda: product.idle)


def database_connections(product):
    if "DATABASE_URL" not in product.environment:
        database = Path(product.environment["STATE_DIR"]) / "nightlight.sqlite3"
        files = psutil.Process(product.server.pid).open_files()
        return len([file for file in files if Path(file.path) == database])
    import psycopg

    with psycopg.connect(product.environment["DATABASE_URL"]) as connection:
        counting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"
        row = connection.execute(counting, [connection.info.backend_pid]).fetchone()
        return row[0]


# --- The end of the process, and the next one ---------------------------------------------------------------


def test_next_process_tells_of_an_answer_that_a_crash_cut_off(simulator, tmp_path, page):
    environment = environment_of(simulator, tmp_path)
    with serve(simulator, environment) as product:
        guest = product.guest()
        with guest.asking(LONG) as stream:
            begun = opening(first(stream, 2))
            product.server.kill()
            product.server.wait(timeout=5)
        cookie = guest.http.cookies["sessionid"]
    with serve(simulator, environment) as product:
        after = product.guest()
        after.http.cookies.set("sessionid", cookie)
        saved = after.saved(begun)
        assert (saved["status"], saved["error"]["code"]) == ("interrupted", "stream_interrupted")
        events = [event for _seq, event in after.follow(begun.stream_id)]
        assert (events[0].reset, fold(events).outcome) == (True, Outcome.INTERRUPTED)
        page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": product.url}])
        page.goto(f"{product.url}/c/{begun.conversation_id}/")
        assert page.locator(".answer").get_attribute("data-status") == "interrupted"
        assert page.get_by_role("button", name="Try again").is_visible()


def test_second_process_on_the_same_state_refuses_to_start(product):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        started = subprocess.run(
            server_command(listener),
            cwd=ROOT,
            env=product.environment,
            pass_fds=[listener.fileno()],
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert started.returncode != 0
    assert f"Another Nightlight process (pid {product.server.pid}) is running here." in started.stderr
    assert "Traceback" not in started.stderr
    assert product.guest().http.get("/healthz").json() == {"status": "ok"}
