"""The WebSocket door: who may come in, what it takes and says, several answers at once, and how it ends."""

import asyncio
import json
import threading
from typing import get_args

import pytest
from asgiref.testing import ApplicationCommunicator
from django.contrib.sessions.models import Session
from django.db import connection

from chat.api.schemas import Frame
from chat.consumers import say_goodbye
from chat.consumers.frames import Rate
from chat.consumers.socket import NOT_ALLOWED, ONLY_TEXT, RESTARTING, TOO_LARGE
from chat.models import Conversation, Generation, Message, Person
from chat.work import in_thread
from config.asgi import application
from streaming.events import ErrorCode, fold, from_wire
from streaming.log.memory import MemoryLog
from streaming.providers.base import ProviderError
from tests.chat.scripted import (
    CRISIS,
    FEVER,
    HONEY,
    LULLABY_TEXT,
    PATIENCE,
    STOP,
    answer,
    ask,
    begin,
    count,
    generation_of,
    logged,
    until,
)
from tests.house.test_docs import EVENTS, first_cells, rows, section_after

pytestmark = pytest.mark.django_db(transaction=True)

UNKNOWN = "00000000-0000-4000-8000-000000000000"


class Socket(ApplicationCommunicator):
    """A client's end of a socket, to `/ws/chat/` unless told."""

    def __init__(self, client=None, *, path="/ws/chat/", scheme="ws", address="127.0.0.1", **headers):
        if client is not None:
            headers["cookie"] = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
        given = {"host": "testserver"} | {name.replace("_", "-"): value for name, value in headers.items()}
        scope = {
            "type": "websocket",
            "scheme": scheme,
            "path": path,
            "query_string": b"",
            "headers": [
                (name.encode(), value.encode()) for name, value in given.items() if value is not None
            ],
            "client": [address, 50000],
            "server": ["testserver", 80],
        }
        super().__init__(application, scope)
        self.cookies = []

    async def open(self):
        await self.send_input({"type": "websocket.connect"})
        accepted = await self.receive_output(PATIENCE)
        assert accepted["type"] == "websocket.accept", accepted
        self.cookies = [
            value.decode() for name, value in accepted.get("headers", ()) if name == b"set-cookie"
        ]
        return self

    async def refused(self):
        """The HTTP reply to a handshake, as (status, headers, body)."""
        self.scope["extensions"] = {"websocket.http.response": {}}
        await self.send_input({"type": "websocket.connect"})
        start, body = await self.receive_output(PATIENCE), await self.receive_output(PATIENCE)
        assert (start["type"], body["type"]) == (
            "websocket.http.response.start",
            "websocket.http.response.body",
        )
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        await self.leave()
        return start["status"], headers, json.loads(body["body"])

    async def put(self, **frame):
        await self.send_input({"type": "websocket.receive"} | frame)

    async def say(self, kind, **fields):
        await self.put(text=json.dumps({"type": kind} | fields))

    async def hear_text(self):
        message = await self.receive_output(PATIENCE)
        assert message["type"] == "websocket.send", message
        return message["text"]

    async def hear(self):
        return json.loads(await self.hear_text())

    async def reply(self, kind, **fields):
        """Say something, and hear the reply to it, passing over events."""
        await self.say(kind, **fields)
        while (heard := await self.hear())["type"] not in ("reply", "problem"):
            pass
        return heard

    async def ask(self, message="Hello?", **fields):
        """The stream's id."""
        reply = await self.reply("send", message=message, **fields)
        assert (reply["type"], reply["to"]) == ("reply", "send"), reply
        return reply["streamId"]

    async def events(self, stream, upto=("done", "error")):
        """The events of a stream up to one of these types, passing over other streams."""
        found = []
        while True:
            heard = await self.hear()
            if heard.get("streamId") == stream and "id" in heard:
                found.append(heard)
                if heard["type"] in upto:
                    return found

    async def closed(self):
        """The code it is closed with, passing over what comes before."""
        while (message := await self.receive_output(PATIENCE))["type"] != "websocket.close":
            pass
        await self.leave(message["code"])
        return message["code"]

    async def leave(self, code=1001):
        await self.send_input({"type": "websocket.disconnect", "code": code})
        await self.wait(PATIENCE)


def plain(events):
    """Events as the other doors tell them, without the stream's id and their own."""
    return [
        {name: value for name, value in event.items() if name != "id" and (name != "streamId" or n == 0)}
        for n, event in enumerate(events)
    ]


def text_of(events):
    return fold(from_wire(event) for event in events).text


@pytest.fixture
async def socket(alice_client, says):
    opened = await Socket(alice_client).open()
    yield opened
    await opened.leave()


# --- Who may come in ----------------------------------------------------------------------------------------


async def test_account_is_known_by_its_cookie(says, alice, socket):
    stream = await socket.ask("Mine?")
    await socket.events(stream)
    assert await count(Conversation, owner=alice, title="Mine?") == 1


async def test_guest_gets_a_cookie_with_the_handshake(says):
    first = await Socket().open()
    (cookie,) = first.cookies
    assert cookie.startswith("sessionid=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    await first.events(await first.ask("As a guest?"))
    await first.leave()
    second = await Socket(cookie=cookie.split(";")[0]).open()
    assert second.cookies == []
    await second.events(await second.ask("Again?"))
    await second.leave()
    assert (await count(Person), await count(Conversation)) == (1, 2)


async def test_guest_of_another_door_is_the_same_guest(says, guest_client):
    told = await ask(guest_client, "By SSE?")
    socket = await Socket(guest_client).open()
    await socket.events(await socket.ask("By socket?", conversationId=told.opening["conversationId"]))
    await socket.leave()
    assert await count(Conversation) == 1


async def test_handshake_alone_leaves_no_row(says):
    socket = await Socket().open()
    await socket.leave()
    assert (await count(Person), await in_thread(Session.objects.count)) == (0, 1)


async def test_guest_is_refused_where_guests_are_off(says, settings, guest_client):
    settings.GUEST_ACCESS = False
    status, headers, body = await Socket(guest_client).refused()
    assert (status, headers["content-type"]) == (401, "application/problem+json")
    assert (body["code"], body["detail"]) == ("not_authenticated", "Please log in first.")


async def test_server_that_cannot_say_why_closes(says, settings):
    settings.GUEST_ACCESS = False
    socket = Socket()
    await socket.send_input({"type": "websocket.connect"})
    assert (await socket.receive_output(PATIENCE))["type"] == "websocket.close"
    await socket.leave()


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://testserver:81", "https://testserver"]
)
async def test_foreign_page_is_refused_with_and_without_a_cookie(origin, says, alice_client):
    for client in (alice_client, None):
        status, _headers, body = await Socket(client, origin=origin).refused()
        assert (status, body["code"]) == (403, "not_allowed")


@pytest.mark.parametrize(
    "origin, scheme",
    [
        ("http://testserver", "ws"),
        ("https://testserver", "wss"),
        ("https://app.example", "wss"),
        (None, "ws"),
    ],
)
async def test_own_and_trusted_pages_and_programs_come_in(origin, scheme, says, alice_client, settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example"]
    socket = await Socket(alice_client, origin=origin, scheme=scheme).open()
    await socket.leave()


async def test_unknown_host_is_refused(says, alice_client):
    status, _headers, body = await Socket(alice_client, host="evil.example").refused()
    assert (status, body["code"]) == (403, "not_allowed")


async def test_unencrypted_socket_is_refused_where_https_is_on(says, alice_client, settings):
    settings.SECURE_SSL_REDIRECT = True
    status, _headers, body = await Socket(alice_client).refused()
    assert (status, body["detail"]) == (403, "Please connect with wss://.")
    await (await Socket(alice_client, scheme="wss").open()).leave()


async def test_server_that_restarts_says_when_to_come_again(says, alice_client, engine):
    engine.draining = True
    status, headers, body = await Socket(alice_client).refused()
    assert (status, headers["retry-after"], body["code"]) == (503, "5", "overloaded")


async def test_handshake_beyond_the_queue_is_503(says, alice_client, settings):
    settings.REQUEST_QUEUE = 1
    first = Socket(alice_client)
    await first.send_input({"type": "websocket.connect"})
    await asyncio.sleep(0)  # it waits for its unit of work
    status, headers, body = await Socket(alice_client).refused()
    assert (status, headers["retry-after"], body["code"]) == (503, "2", "overloaded")
    assert (await first.receive_output(PATIENCE))["type"] == "websocket.accept"
    await (await Socket(alice_client).open()).leave()
    await first.leave()


async def test_other_addresses_are_404(alice_client):
    status, _headers, body = await Socket(alice_client, path="/ws/nothing/").refused()
    assert (status, body["code"]) == (404, "not_found")


async def test_who_logs_out_is_nobody_on_the_socket_too(says, alice, alice_client):
    says("One. ", asyncio.Event())
    socket = await Socket(alice_client).open()
    await socket.events(await socket.ask(), upto=["token"])
    await alice_client.post("/accounts/logout/")
    problem = await socket.reply("send", message="Still me?", requestId="r1")
    assert (problem["code"], problem["status"], problem["requestId"]) == ("not_authenticated", 401, "r1")
    assert await socket.closed() == 1008
    assert (await count(Message, content="Still me?"), await count(Person)) == (0, 1)


async def test_guest_who_logs_in_is_somebody_else_on_the_socket_too(says, alice, guest_client):
    await ask(guest_client)
    socket = await Socket(guest_client).open()
    await guest_client.post("/accounts/login/", {"login": "alice@example.org", "password": "a-long-password"})
    problem = await socket.reply("send", message="Still a guest?")
    assert problem["code"] == "not_authenticated"
    assert await socket.closed() == 1008
    assert await count(Message, content="Still a guest?") == 0


# --- Asking -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "question, script",
    [
        ("Hello?", ("One. ", "Two 👶. ", STOP)),
        (FEVER, ("Call now. ", STOP)),
        (CRISIS, ()),
        ("Honey?", HONEY),
        ("Hello?", ("Good evening ", ProviderError(ErrorCode.RATE_LIMITED, "secret", retry_after=7))),
    ],
)
async def test_events_are_those_of_the_other_doors(question, script, says, socket, alice_client):
    says(*script)
    stream = await socket.ask(question, country="GB")
    events = await socket.events(stream)
    followed = await alice_client.get(f"/api/v1/ai/streams/{stream}", {"wait": 1})
    told = json.loads(b"".join([chunk async for chunk in followed.streaming_content]))["events"]
    assert plain(events) == plain([event | {"streamId": stream} for event in told])
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert {event["streamId"] for event in events} == {stream}


async def test_reply_carries_the_request_id_and_comes_before_the_events(says, socket):
    await socket.say("send", message="Hello?", requestId="r1")
    reply, first = await socket.hear(), await socket.hear()
    assert reply == {"type": "reply", "to": "send", "requestId": "r1", "streamId": first["streamId"]}
    assert (first["type"], first["id"]) == ("metadata", 1)


async def test_two_answers_at_once_on_one_socket(says, socket):
    gates = [asyncio.Event(), asyncio.Event()]
    says(answers=[("One. ", gates[0], "One more. ", STOP), ("Two. ", gates[1], "Two more. ", STOP)])
    first = await socket.ask("One?")
    await socket.events(first, upto=["token"])
    second = await socket.ask("Two?")
    await socket.events(second, upto=["token"])
    gates[1].set()
    assert text_of(await socket.events(second)) == "Two more. "
    gates[0].set()
    assert text_of(await socket.events(first)) == "One more. "


async def test_same_message_twice_is_asked_and_told_once(says, socket):
    go_on = asyncio.Event()
    says("One. ", go_on, STOP)
    first = await socket.ask("Hello?", clientMessageId="m1")
    again = await socket.ask("Hello?", clientMessageId="m1")
    go_on.set()
    events = await socket.events(first)
    assert (first, await count(Message)) == (again, 2)
    assert events[-1]["type"] == "done"
    assert await socket.receive_nothing(0.05)


async def test_emergency_does_not_wait_for_the_answer_before_it(says, socket):
    says("Long story. ", asyncio.Event())
    first = await socket.ask("Tell me a story")
    opening = (await socket.events(first, upto=["token"]))[0]
    await socket.say("send", message=CRISIS, conversationId=opening["conversationId"], country="GB")
    heard = []
    while not [e for e in heard if e["type"] == "notice"]:
        heard.append(await socket.hear())
    assert heard[-1]["actions"][0]["href"] == "tel:116123"
    assert (await generation_of(first)).stop_reason == "superseded"


@pytest.mark.parametrize("step", [0, 256, 100])
async def test_every_message_is_padded(step, says, alice_client, settings):
    settings.STREAM_PAD_BYTES = step
    socket = await Socket(alice_client).open()
    await socket.say("send", message="Hello?")
    sizes = []
    while not sizes or '"done"' not in heard:  # noqa: F821
        heard = await socket.hear_text()
        sizes.append(len(heard.encode()))
    assert [size % (step or 1) for size in sizes] == [0] * 7
    assert step == 0 or set(sizes) <= {step, step * 2, step * 3, step * 4}
    await socket.leave()


async def test_silence_is_filled_with_pings(says, alice_client, settings):
    settings.STREAM_KEEPALIVE = 0.02
    go_on = asyncio.Event()
    says("One. ", go_on, STOP)
    socket = await Socket(alice_client).open()
    stream = await socket.ask()
    await socket.events(stream, upto=["token"])
    assert await socket.hear() == {"type": "ping", "streamId": stream}
    go_on.set()
    await socket.events(stream)
    await socket.leave()


# --- Stop, pause, resume ------------------------------------------------------------------------------------


async def test_stop_tells_what_was_shown_and_is_idempotent(says, socket):
    provider = says("Shown. ", asyncio.Event(), "Never. ")
    stream = await socket.ask()
    await socket.events(stream, upto=["token"])
    first = await socket.reply("stop", streamId=stream, requestId="r1")
    second = await socket.reply("stop", streamId=stream)
    assert first == {
        "type": "reply",
        "to": "stop",
        "requestId": "r1",
        "streamId": stream,
        "status": "stopped",
        "content": "Shown. ",
        "lastEventId": 4,
    }
    assert second == {name: value for name, value in first.items() if name != "requestId"}
    assert provider.closed == 1


async def test_stop_from_another_socket_ends_both(says, alice_client, socket):
    says("Shown. ", asyncio.Event())
    stream = await socket.ask()
    await socket.events(stream, upto=["token"])
    other = await Socket(alice_client).open()
    assert (await other.reply("stop", streamId=stream))["status"] == "stopped"
    assert (await socket.events(stream))[-1]["type"] == "done"
    await other.leave()


async def test_pause_stops_the_reading_and_resume_goes_on_there(says, alice_client, socket):
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    stream = await socket.ask()
    before = await socket.events(stream, upto=["token"])
    paused = await socket.reply("pause", streamId=stream, requestId="r1")
    assert paused == {"type": "reply", "to": "pause", "requestId": "r1", "streamId": stream, "pausedAfter": 2}
    assert (await generation_of(stream)).paused_after == 2
    go_on.set()
    await logged(stream, 5)
    assert await socket.receive_nothing(0.05)
    other_device = await Socket(alice_client).open()
    resumed = await other_device.reply("resume", streamId=stream)
    assert resumed == {"type": "reply", "to": "resume", "streamId": stream, "after": 2}
    after = await other_device.events(stream)
    assert [event["id"] for event in before + after] == [1, 2, 3, 4, 5]
    assert (text_of(before + after), (await generation_of(stream)).paused_after) == ("One. Two. ", None)
    await other_device.leave()


async def test_pause_may_say_how_far_the_person_has_read(says, socket):
    says("One. ", "Two. ", asyncio.Event())
    stream = await socket.ask()
    await logged(stream, 3)
    assert (await socket.reply("pause", streamId=stream, after=1))["pausedAfter"] == 1


async def test_pause_of_what_this_socket_has_not_followed_must_say_where(says, alice, socket):
    turn = await answer(alice)
    problem = await socket.reply("pause", streamId=turn.stream_id)
    assert (problem["status"], problem["errors"][0]["loc"]) == (422, ["body", "after"])
    assert (await socket.reply("pause", streamId=turn.stream_id, after=3))["pausedAfter"] == 3


async def test_pause_just_after_the_end_is_no_error(says, socket):
    stream = await socket.ask()
    last = (await socket.events(stream))[-1]["id"]
    assert (await socket.reply("pause", streamId=stream))["pausedAfter"] == last


async def test_resume_after_every_event_gives_the_rest(says, alice, socket):
    turn = await answer(alice)
    await socket.reply("resume", streamId=turn.stream_id, after=0)
    whole = await socket.events(turn.stream_id)
    for seen in range(len(whole)):
        reply = await socket.reply("resume", streamId=turn.stream_id, after=seen)
        assert reply["after"] == seen
        assert await socket.events(turn.stream_id) == whole[seen:]


async def test_resume_takes_the_place_of_the_reading_before(says, socket):
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    stream = await socket.ask()
    await socket.events(stream, upto=["token"])
    await socket.reply("resume", streamId=stream, after=0)
    await socket.events(stream, upto=["token"])
    go_on.set()
    assert [event["id"] for event in await socket.events(stream)] == [3, 4, 5]


async def test_resume_of_an_expired_stream_says_reset(says, alice, socket, engine):
    turn = await answer(alice)
    engine.log = MemoryLog(ttl=600)
    await socket.say("resume", streamId=turn.stream_id, after=4)
    events = await socket.events(turn.stream_id)
    assert (events[0]["reset"], events[0]["id"], text_of(events)) == (True, 1, LULLABY_TEXT)


@pytest.mark.parametrize(
    "kind, more", [("stop", {}), ("pause", {"after": 1}), ("resume", {}), ("resume", {"after": 0})]
)
async def test_stream_of_another_is_404(kind, more, says, alice, bob_client):
    go_on = asyncio.Event()
    says("Alice's secret. ", go_on, "More. ", STOP)
    turn = await begin(alice)
    await logged(turn.stream, 2)
    for client in (bob_client, None):
        socket = await Socket(client).open()
        problems = [await socket.reply(kind, streamId=it, **more) for it in (turn.stream_id, UNKNOWN)]
        assert problems[0] == problems[1]
        assert (problems[0]["type"], problems[0]["status"], problems[0]["code"]) == (
            "problem",
            404,
            "not_found",
        )
        assert await socket.receive_nothing(0.02)
        await socket.leave()
    go_on.set()
    await logged(turn.stream, 5)
    found = await generation_of(turn.stream)
    assert (found.paused_after, found.stop_reason) == (None, "")


# --- What it does not take ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, loc",
    [
        ("{", ["body"]),
        ("[]", ["body"]),
        ("null", ["body"]),
        ("{}", ["body", "type"]),
        ('{"type": "sing"}', ["body", "type"]),
        ('{"type": "send"}', ["body", "message"]),
        ('{"type": "send", "message": ""}', ["body", "message"]),
        ('{"type": "send", "message": 7}', ["body", "message"]),
        ('{"type": "send", "message": "x", "mesage": "x"}', ["body", "mesage"]),
        ('{"type": "send", "message": "x", "country": "USA"}', ["body", "country"]),
        ('{"type": "send", "message": "x", "model": "gpt-7"}', ["body", "model"]),
        ('{"type": "stop"}', ["body", "streamId"]),
        ('{"type": "stop", "streamId": "x"}', ["body", "streamId"]),
        (f'{{"type": "pause", "streamId": "{UNKNOWN}", "after": -1}}', ["body", "after"]),
        (f'{{"type": "resume", "streamId": "{UNKNOWN}", "after": "x"}}', ["body", "after"]),
        (f'{{"type": "stop", "streamId": "{UNKNOWN}", "requestId": 7}}', ["body", "requestId"]),
    ],
)
async def test_wrong_message_is_a_problem_and_named(text, loc, says, socket):
    await socket.put(text=text)
    problem = await socket.hear()
    assert {name: problem[name] for name in ("type", "status", "code", "title")} == {
        "type": "problem",
        "status": 422,
        "code": "invalid",
        "title": "Invalid request",
    }
    assert loc in [error["loc"] for error in problem["errors"]]
    assert await count(Message) == 0


async def test_wrong_message_tells_its_request_id(says, socket):
    await socket.say("sing", requestId="r1")
    assert (await socket.hear())["requestId"] == "r1"


async def test_long_message_is_a_problem(says, socket, settings):
    settings.MESSAGE_MAX_CHARS = 100
    problem = await socket.reply("send", message="x" * 101)
    assert (problem["status"], problem["code"]) == (413, "message_too_large")
    await socket.events(await socket.ask("👶" * 100))


@pytest.mark.parametrize("frame, code", [({"text": "x" * 6000}, 1009), ({"bytes": b"{}"}, 1003)])
async def test_what_no_message_can_be_closes_the_socket(frame, code, says, alice_client, settings):
    settings.MESSAGE_MAX_CHARS = 100
    socket = await Socket(alice_client).open()
    await socket.put(**frame)
    assert await socket.closed() == code


async def test_anothers_conversation_is_404(says, alice, bob_client):
    theirs = (await answer(alice, "Secret of Alice?")).conversation
    socket = await Socket(bob_client).open()
    problem = await socket.reply("send", message="Hello?", conversationId=str(theirs))
    assert (problem["status"], await count(Message)) == (404, 2)
    await socket.leave()


# --- How much it takes --------------------------------------------------------------------------------------


def test_rate_counts_in_any_period():
    now = [0.0]
    rate = Rate("2/5s", clock=lambda: now[0])
    waits = []
    for now[0] in (0.0, 1.0, 2.0, 4.5, 5.0, 5.5, 6.0):
        waits.append(rate.wait())
    assert waits == [0, 0, 3, 1, 0, 1, 0]


@pytest.mark.parametrize(
    "rate, seconds", [("1/s", 1), ("1/m", 60), ("1/h", 3600), ("1/d", 86400), ("1/5m", 300)]
)
def test_rate_takes_every_unit(rate, seconds):
    counted = Rate(rate, clock=lambda: 0.0)
    assert (counted.wait(), counted.wait()) == (0, seconds)


def test_no_rate_is_no_limit():
    assert {Rate(None, clock=lambda: 0.0).wait() for _ in range(1000)} == {0}


async def test_messages_beyond_the_rate_are_refused_and_then_the_socket_closed(says, alice_client, settings):
    settings.WEBSOCKET_MESSAGES = "2/d"
    socket = await Socket(alice_client).open()
    for _ in range(2):
        assert (await socket.reply("stop", streamId=UNKNOWN))["code"] == "not_found"
    problem = await socket.reply("send", message="Hello?", requestId="r1")
    assert (problem["code"], problem["status"], problem["notices"]) == ("rate_limited", 429, [])
    assert (problem["requestId"], 0 < problem["retryAfter"] <= 86400) == ("r1", True)
    for _ in range(18):
        await socket.reply("stop", streamId=UNKNOWN)
    await socket.say("stop", streamId=UNKNOWN)
    assert (await socket.closed(), await count(Message)) == (1008, 0)


async def test_emergency_beyond_the_rate_still_gets_its_card(says, alice_client, settings):
    settings.WEBSOCKET_MESSAGES = "1/d"
    socket = await Socket(alice_client).open()
    await socket.reply("stop", streamId=UNKNOWN)
    (card,) = (await socket.reply("send", message=CRISIS, country="GB"))["notices"]
    assert card["actions"][0]["href"] == "tel:116123"
    await socket.leave()


async def test_messages_count_as_by_any_other_door(says, alice_client, settings):
    settings.RATE_LIMIT_MESSAGES = "2/d"
    await ask(alice_client, "One?")
    socket = await Socket(alice_client).open()
    await socket.events(await socket.ask("Two?"))
    problem = await socket.reply("send", message="Three?")
    assert (problem["code"], problem["status"], problem["retryAfter"] > 0) == ("rate_limited", 429, True)
    await socket.leave()


async def test_guests_are_counted_by_address_too(says, settings):
    settings.RATE_LIMIT_GUEST_MESSAGES = "1/d"
    codes = []
    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        socket = await Socket(address=address).open()
        codes.append((await socket.reply("send", message="Hello?")).get("code"))
        await socket.leave()
    assert codes == [None, "rate_limited", None]


async def test_ninth_answer_at_once_is_refused_unasked(says, alice, socket):
    says("One. ", asyncio.Event())
    running = [await socket.ask() for _ in range(8)]
    problem = await socket.reply("send", message="Ninth?")
    assert (problem["code"], await count(Message, content="Ninth?")) == ("rate_limited", 0)
    other = await begin(alice)
    assert (await socket.reply("resume", streamId=other.stream_id))["code"] == "rate_limited"
    assert (await socket.reply("resume", streamId=running[0], after=1))["after"] == 1
    await socket.reply("stop", streamId=running[0])
    assert (await socket.reply("resume", streamId=other.stream_id))["type"] == "reply"


# --- How it ends --------------------------------------------------------------------------------------------


async def test_answer_goes_on_when_its_socket_closes(says, alice_client, engine):
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    socket = await Socket(alice_client).open()
    stream = await socket.ask()
    await socket.events(stream, upto=["token"])
    await socket.leave()
    assert await engine.log.unread_seconds(stream) > 0
    go_on.set()

    async def is_saved():
        return await count(Message, content="One. Two. ", status="complete") == 1

    await until(is_saved)


async def test_shutdown_tells_every_socket_and_closes_it_with_1012(says, alice_client, bob_client):
    says("One. ", asyncio.Event())
    sockets = [await Socket(client).open() for client in (alice_client, bob_client)]
    for socket in sockets:
        await socket.events(await socket.ask(), upto=["token"])
    await say_goodbye()
    for socket in sockets:
        problem = await socket.hear()
        assert (problem["code"], problem["status"], problem["retryAfter"]) == ("overloaded", 503, 5)
        assert await socket.closed() == 1012
    await say_goodbye()


async def test_deleted_conversation_ends_its_stream_on_the_socket(says, alice, alice_client, socket):
    says("One. ", asyncio.Event())
    stream = await socket.ask()
    opening = (await socket.events(stream, upto=["token"]))[0]
    await alice_client.delete(f"/api/v1/conversations/{opening['conversationId']}")
    assert (await socket.events(stream))[-1]["type"] == "done"
    assert (await socket.reply("resume", streamId=stream, after=0))["code"] == "not_found"


async def test_reader_that_fails_is_told(says, alice, socket, engine, monkeypatch):
    async def broken(*_):
        raise RuntimeError("the log is broken")

    turn = await answer(alice)
    monkeypatch.setattr(engine.log, "read", broken)
    await socket.reply("resume", streamId=turn.stream_id, after=0)
    problem = await socket.hear()
    assert (problem["type"], problem["code"], problem["streamId"]) == (
        "problem",
        "overloaded",
        turn.stream_id,
    )


async def test_slow_socket_is_sent_no_more_than_it_takes(says, alice, alice_client):
    """Each message is handed to the server before the next one is taken from the log."""
    says(*(f"Word {n}. " for n in range(50)), STOP)
    turn = await answer(alice)
    room, handed = asyncio.Semaphore(3), []
    socket = Socket(alice_client)
    put = socket.output_queue.put

    async def slow(message):
        await room.acquire()
        handed.append(message)
        await put(message)

    socket.output_queue.put = slow
    await socket.open()
    await socket.say("resume", streamId=turn.stream_id, after=0)
    await socket.hear()
    await asyncio.sleep(0.05)
    assert len(handed) == 3
    for _ in range(60):
        room.release()
    assert text_of(await socket.events(turn.stream_id)) == "".join(f"Word {n}. " for n in range(50))
    await socket.leave()


def connections_taken():
    """Of PostgreSQL's pool, the test's own among them; SQLite's stay with the threads."""
    if connection.vendor != "postgresql":
        return 0
    stats = connection.pool.get_stats()
    return stats["pool_size"] - stats["pool_available"]


async def test_open_sockets_hold_no_thread_and_no_connection(says, alice_client):
    warm = await Socket(alice_client).open()
    before, taken = threading.active_count(), connections_taken()
    sockets = [await Socket(alice_client).open() for _ in range(20)]
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    streams = [await socket.ask() for socket in sockets]
    for socket, stream in zip(sockets, streams, strict=True):
        await socket.events(stream, upto=["token"])
    assert threading.active_count() - before <= 4  # `DATABASE_THREADS`
    assert connections_taken() == taken
    go_on.set()
    for socket, stream in zip(sockets, streams, strict=True):
        assert text_of(await socket.events(stream)) == "Two. "
        await socket.leave()
    await warm.leave()
    assert {task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("socket ")} == set()
    assert await in_thread(Generation.objects.count) == 20


# --- What the documentation says ----------------------------------------------------------------------------


def test_every_type_of_message_and_every_close_code_is_documented():
    told = first_cells(section_after(EVENTS, "### WebSocket"))
    taken = {get_args(frame.model_fields["type"].annotation)[0] for frame in get_args(Frame)}
    assert told == [*sorted(taken, key=told.index), "reply", "ping", "problem"]
    codes = {int(row[0]) for row in rows(section_after(EVENTS, "### WebSocket")) if row[0].isdecimal()}
    assert codes == {ONLY_TEXT, NOT_ALLOWED, TOO_LARGE, RESTARTING}
