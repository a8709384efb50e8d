"""The WebSocket door over a real server, with a real client."""

import json
import signal
from contextlib import ExitStack, contextmanager

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from streaming.events import Done, Error, fold, from_wire
from tests.journeys.product import opening, start_product

pytestmark = [pytest.mark.database, pytest.mark.once]

SLEEP = "Tell me about baby sleep patterns"
LONG = f"{SLEEP} [[simulate long tokens=400 delay=20]]"
SHORT = f"{SLEEP} [[simulate long tokens=60 delay=10]]"
PATIENCE = 15


@pytest.fixture(scope="module")
def product(swift):
    return swift


def address(product):
    return product.url.replace("http://", "ws://") + "/ws/chat/"


@contextmanager
def socket_of(guest, **options):
    """A socket of this guest, who has a cookie from then on."""
    cookie = guest.http.cookies.get("sessionid")
    headers = {"Cookie": f"sessionid={cookie}"} if cookie else {}
    with connect(address(guest.product), additional_headers=headers, **options) as socket:
        if given := socket.response.headers.get("Set-Cookie"):
            guest.http.cookies.set("sessionid", given.split(";")[0].partition("=")[2])
        yield Talk(socket)


class Talk:
    def __init__(self, socket):
        self.socket = socket

    def say(self, kind, **fields):
        self.socket.send(json.dumps({"type": kind} | fields))

    def hear(self):
        text = self.socket.recv(timeout=PATIENCE)
        assert len(text.encode()) % 256 == 0
        return json.loads(text)

    def reply(self, kind, **fields):
        """The reply, and the events that came before it."""
        self.say(kind, **fields)
        before = []
        while (heard := self.hear())["type"] not in ("reply", "problem"):
            before.append(heard)
        return heard, before

    def events(self, stream, *, count=None):
        """(id, event) of a stream, to its end unless told how many."""
        found = []
        while len(found) != count:
            heard = self.hear()
            if heard.get("streamId") == stream and "id" in heard:
                if "conversationId" not in heard:
                    del heard["streamId"]  # the first event has it by every door
                found.append((heard["id"], from_wire(heard)))
                if isinstance(found[-1][1], Done | Error):
                    break
        return found


def unstreamed(entries):
    """The text of events, and their ids: what every transport tells alike."""
    return [seq for seq, _event in entries], fold(event for _seq, event in entries).text


def test_answer_over_a_socket_is_the_answer_of_the_other_doors(product):
    guest = product.guest()
    with socket_of(guest) as talk:
        reply, _before = talk.reply("send", message=SHORT, requestId="r1")
        assert (reply["to"], reply["requestId"]) == ("send", "r1")
        told = talk.events(reply["streamId"])
    assert unstreamed(told) == unstreamed(guest.follow(reply["streamId"]))
    saved = guest.saved(opening([event for _seq, event in told]))
    assert (saved["status"], saved["content"]) == ("complete", unstreamed(told)[1])


def test_answer_goes_on_without_its_socket_and_any_transport_picks_it_up(product):
    guest = product.guest()
    with socket_of(guest) as talk:
        reply, _before = talk.reply("send", message=SHORT)
        stream = reply["streamId"]
        first = talk.events(stream, count=4)
    rest = guest.follow(stream, after=4)
    with socket_of(guest) as talk:
        talk.say("resume", streamId=stream, after=2)
        again = talk.events(stream)
    assert again == first[2:] + rest
    assert [seq for seq, _event in first + rest] == list(range(1, len(first + rest) + 1))


def test_stop_pause_and_resume_over_a_socket(product):
    guest = product.guest()
    with socket_of(guest) as talk:
        stream = talk.reply("send", message=LONG)[0]["streamId"]
        seen = talk.events(stream, count=3)
        paused, more = talk.reply("pause", streamId=stream)
        assert paused["pausedAfter"] == len(seen) + len(more)
        with socket_of(guest) as other_device:
            resumed, _before = other_device.reply("resume", streamId=stream)
            assert resumed["after"] == paused["pausedAfter"]
            assert other_device.events(stream, count=1)[0][0] == paused["pausedAfter"] + 1
            stopped, _before = other_device.reply("stop", streamId=stream)
        assert stopped["status"] == "stopped"
    assert unstreamed(guest.follow(stream))[1] == stopped["content"]


def test_several_answers_on_one_socket(product):
    guest = product.guest()
    with socket_of(guest) as talk:
        for number in range(4):
            talk.say("send", message=SHORT, requestId=str(number))
        streams, events = {}, {}
        while len(streams) < 4 or not all(
            isinstance(from_wire(events.get(stream, [{"type": "token", "content": ""}])[-1]), Done)
            for stream in streams.values()
        ):
            heard = talk.hear()
            if heard["type"] == "reply":
                streams[heard["requestId"]] = heard["streamId"]
            else:
                events.setdefault(heard["streamId"], []).append(heard)
    for stream in streams.values():
        told = [(event["id"], from_wire(event)) for event in events[stream]]
        assert unstreamed(told) == unstreamed(guest.follow(stream))


def test_foreign_page_gets_no_socket_and_is_told_why(product):
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(address(product), origin="https://evil.example"),
    ):
        pass
    response = refused.value.response
    assert (response.status_code, json.loads(response.body)["code"]) == (403, "not_allowed")
    with connect(address(product), origin=product.url):
        pass


def test_socket_elsewhere_is_404(product):
    with pytest.raises(InvalidStatus) as refused, connect(address(product) + "nothing/"):
        pass
    assert refused.value.response.status_code == 404


def test_huge_message_closes_the_socket(product):
    with socket_of(product.guest()) as talk:
        talk.say("send", message="x" * 500_000)
        with pytest.raises(ConnectionClosed) as closed:
            talk.hear()
    assert closed.value.rcvd.code == 1009


def test_many_sockets_hold_no_thread(product):
    guest = product.guest()
    with ExitStack() as stack:
        talk = stack.enter_context(socket_of(guest))
        before = product.threads
        talks = [stack.enter_context(socket_of(guest)) for _ in range(40)]
        streams = [talk.reply("send", message=LONG)[0]["streamId"] for talk in talks]
        assert product.threads <= max(before, 12)
        assert [talk.reply("stop", streamId=stream)[0]["status"] for stream in streams] == ["stopped"] * 40


def test_shutdown_closes_sockets_with_1012(simulator, tmp_path):
    with start_product(simulator, tmp_path, DRAIN_SECONDS="1") as product:
        guest = product.guest()
        with socket_of(guest) as talk:
            stream = talk.reply("send", message=LONG)[0]["streamId"]
            talk.events(stream, count=2)
            product.server.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    talk.hear()
        assert closed.value.rcvd.code == 1012
        assert product.server.wait(timeout=8) in (0, -signal.SIGTERM)
