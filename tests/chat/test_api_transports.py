"""One stream, many transports: they say the same, and where one is cut another goes on."""

import asyncio
import json
import time

import pytest

from chat.markdown import render
from chat.models import Message
from chat.work import in_thread
from streaming.events import fold, from_wire
from streaming.log.memory import MemoryLog
from streaming.sse import DataSplitter
from tests.chat.scripted import LULLABY_TEXT, PATIENCE, STOP, answer, begin, logged, received, send
from tests.chat.test_doors import ANSWERS, OF_EACH, Page
from tests.chat.test_websocket import Socket

pytestmark = pytest.mark.django_db(transaction=True)

NDJSON = {"Accept": "application/x-ndjson"}


def path_of(stream):
    return f"/api/v1/ai/streams/{stream}"


async def chunks_of(response):
    assert response.streaming, (response.status_code, response.content)
    async with asyncio.timeout(PATIENCE):
        return [chunk async for chunk in response.streaming_content]


# --- The transports, each as a reader of (id, event) after `after` ------------------------------------------


async def by_sse(client, stream, after):
    told = await received(await client.get(path_of(stream), {"after": after}))
    return list(zip(told.ids, told.events, strict=True))


async def by_header(client, stream, after):
    told = await received(await client.get(path_of(stream), headers={"Last-Event-ID": str(after)}))
    return list(zip(told.ids, told.events, strict=True))


async def by_ndjson(client, stream, after):
    response = await client.get(path_of(stream), {"after": after}, headers=NDJSON)
    lines = b"".join(await chunks_of(response)).splitlines()
    return [numbered(json.loads(line)) for line in lines if line.strip()]


async def poll(client, stream, after, wait=5):
    (chunk,) = await chunks_of(await client.get(path_of(stream), {"after": after, "wait": wait}))
    return json.loads(chunk)


async def by_polls(client, stream, after):
    found = []
    while True:
        news = await poll(client, stream, after)
        found += map(numbered, news["events"])
        after = news["lastEventId"]
        if news["ended"]:
            return found


async def by_socket(client, stream, after):
    socket = await Socket(client).open()
    try:
        await socket.reply("resume", streamId=str(stream), after=after)
        return [numbered(without_stream(event)) for event in await socket.events(str(stream))]
    finally:
        await socket.leave()


def without_stream(event):
    """A socket tells the stream's id with each event; the first has it anyway."""
    return event if "conversationId" in event else {n: v for n, v in event.items() if n != "streamId"}


def numbered(fields):
    return fields["id"], {name: value for name, value in fields.items() if name != "id"}


TRANSPORTS = [by_sse, by_header, by_ndjson, by_polls, by_socket]


def folded(entries):
    return fold(from_wire(event) for _seq, event in entries)


# --- The law ------------------------------------------------------------------------------------------------


@OF_EACH
async def test_every_transport_tells_the_saved_message(name, says, alice, alice_client):
    question, script = ANSWERS[name]
    says(*script)
    turn = await answer(alice, question)
    row = await in_thread(lambda: Message.objects.get(role="assistant"))
    first, *others = [await read(alice_client, turn.stream, 0) for read in TRANSPORTS]
    assert others == [first] * len(others)
    assert [seq for seq, _event in first] == list(range(1, len(first) + 1))
    assert (folded(first).text, folded(first).outcome) == (row.content, row.status)
    page = Page(turn.answer)
    for data in DataSplitter().feed((await received(await alice_client.get(f"/streams/{turn.stream}"))).raw):
        page.patch(data.decode())
    assert page.body() == render(row.content)


@OF_EACH
async def test_one_transport_goes_on_where_another_was_cut(name, says, alice, alice_client):
    question, script = ANSWERS[name]
    says(*script)
    turn = await answer(alice, question)
    whole = await by_sse(alice_client, turn.stream, 0)
    for seen in range(len(whole)):
        rests = [await read(alice_client, turn.stream, seen) for read in TRANSPORTS]
        assert [whole[:seen] + rest for rest in rests] == [whole] * len(TRANSPORTS)


@pytest.mark.parametrize("seen", range(5))
async def test_all_transports_follow_a_running_answer(seen, says, alice, alice_client):
    gates = [asyncio.Event(), asyncio.Event()]
    says("One. ", "Two. ", gates[0], "Three 👶. ", gates[1], "Four. ", STOP)
    turn = await begin(alice)
    await logged(turn.stream, 3)
    reading = [asyncio.create_task(read(alice_client, turn.stream, seen)) for read in TRANSPORTS]
    for count, gate in enumerate(gates, start=3):
        await logged(turn.stream, count)
        await asyncio.sleep(0.01)
        gate.set()
    async with asyncio.timeout(PATIENCE):
        found = await asyncio.gather(*reading)
    whole = await by_sse(alice_client, turn.stream, 0)
    beyond = [read for read, rest in zip(TRANSPORTS, found, strict=True) if rest != whole[seen:]]
    assert (beyond, folded(whole).text) == ([], "One. Two. Three 👶. Four. ")


@pytest.mark.parametrize("seen", [0, 2, 99])
async def test_expired_stream_is_rebuilt_on_every_transport(seen, says, alice, alice_client, engine):
    turn = await answer(alice)
    engine.log = MemoryLog(ttl=600)
    for read in TRANSPORTS:
        rebuilt = await read(alice_client, turn.stream, seen)
        assert (rebuilt[0][0], rebuilt[0][1]["reset"], folded(rebuilt).text) == (1, True, LULLABY_TEXT)


# --- Padding ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["sse", "ndjson", "poll", "page"])
async def test_every_chunk_is_padded(path, says, alice, alice_client, settings):
    settings.STREAM_PAD_BYTES = 256
    settings.STREAM_KEEPALIVE = 0.02
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    turn = await begin(alice)
    await logged(turn.stream, 2)
    response = await {
        "sse": lambda: alice_client.get(path_of(turn.stream)),
        "ndjson": lambda: alice_client.get(path_of(turn.stream), headers=NDJSON),
        "poll": lambda: alice_client.get(path_of(turn.stream), {"wait": 5}),
        "page": lambda: alice_client.get(f"/streams/{turn.stream}"),
    }[path]()
    reading = asyncio.create_task(chunks_of(response))
    await asyncio.sleep(0.1)  # some keep-alives are among them
    go_on.set()
    chunks = await reading
    assert len(chunks) >= (1 if path == "poll" else 4)
    assert {len(chunk) % 256 for chunk in chunks} == {0}


async def test_words_of_any_length_look_alike(says, alice, alice_client, settings):
    settings.STREAM_PAD_BYTES = 256
    sizes = set()
    for word in ("a", "antidisestablishmentarianism"):
        gates = [asyncio.Event(), asyncio.Event()]
        says("Once. ", gates[0], f"{word} ", gates[1], STOP)
        turn = await begin(alice)
        await logged(turn.stream, 2)
        reading = aiter((await alice_client.get(path_of(turn.stream), {"after": 2})).streaming_content)
        await anext(reading)  # nothing new yet
        gates[0].set()
        sizes.add(len(await anext(reading)))
        gates[1].set()
        async for _chunk in reading:
            pass
    assert sizes == {256}


# --- NDJSON -------------------------------------------------------------------------------------------------


async def test_question_is_answered_in_lines_where_they_are_preferred(says, alice_client):
    response = await send(alice_client, headers=NDJSON)
    lines = b"".join(await chunks_of(response)).splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["type"] for event in events] == ["metadata", *["token"] * 3, "metadata", "done"]
    assert [event["id"] for event in events] == [1, 2, 3, 4, 5, 6]
    assert {name: response[name] for name in ("Content-Type", "Cache-Control", "X-Accel-Buffering")} == {
        "Content-Type": "application/x-ndjson",
        "Cache-Control": "no-cache, no-transform",
        "X-Accel-Buffering": "no",
    }


async def test_silence_is_filled_with_blank_lines(says, alice, alice_client, settings):
    settings.STREAM_KEEPALIVE = 0.02
    go_on = asyncio.Event()
    says("One. ", go_on, STOP)
    turn = await begin(alice)
    response = await alice_client.get(path_of(turn.stream), headers=NDJSON)
    blank, objects = 0, []
    async with asyncio.timeout(PATIENCE):
        async for chunk in response.streaming_content:
            for line in chunk.splitlines():
                if line.strip():
                    objects.append(json.loads(line))
                else:
                    blank += 1
            if blank == 3:
                go_on.set()
    assert (blank >= 3, objects[-1]["type"]) == (True, "done")


# --- Long polls ---------------------------------------------------------------------------------------------


async def test_poll_answers_as_soon_as_there_is_something(says, alice, alice_client):
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    turn = await begin(alice)
    await logged(turn.stream, 2)
    news = await poll(alice_client, turn.stream, 1, wait=PATIENCE)
    assert news == {
        "events": [{"type": "token", "content": "One. ", "id": 2}],
        "ended": False,
        "lastEventId": 2,
    }
    waiting = asyncio.create_task(poll(alice_client, turn.stream, 2, wait=PATIENCE))
    await asyncio.sleep(0.02)
    assert waiting.done() is False
    go_on.set()
    assert (await waiting)["events"][0] == {"type": "token", "content": "Two. ", "id": 3}


@pytest.mark.parametrize("wait", [0, 0.05])
async def test_poll_without_news_is_empty(wait, says, alice, alice_client):
    says("One. ", asyncio.Event())
    turn = await begin(alice)
    await logged(turn.stream, 2)
    assert await poll(alice_client, turn.stream, 2, wait) == {"events": [], "ended": False, "lastEventId": 2}


async def test_poll_waits_no_longer_than_the_longest_wait(says, alice, alice_client, monkeypatch):
    monkeypatch.setattr("chat.api.ai.LONGEST_WAIT", 0.05)
    says("One. ", asyncio.Event())
    turn = await begin(alice)
    await logged(turn.stream, 2)
    began = time.monotonic()
    assert (await poll(alice_client, turn.stream, 2, wait=1000))["events"] == []
    assert time.monotonic() - began < PATIENCE


async def test_last_event_id_counts_for_polls_too(says, alice, alice_client):
    turn = await answer(alice)
    headers = {"Last-Event-ID": "5"}
    response = await alice_client.get(path_of(turn.stream), {"wait": 1, "after": 1}, headers=headers)
    news = json.loads((await chunks_of(response))[0])
    assert (news["events"], news["lastEventId"]) == ([{"type": "done", "id": 6}], 6)


async def test_poll_is_json_that_no_cache_keeps(says, alice, alice_client):
    turn = await answer(alice)
    response = await alice_client.get(path_of(turn.stream), {"wait": 0})
    await chunks_of(response)
    assert (response["Content-Type"], response["Cache-Control"]) == (
        "application/json",
        "no-cache, no-transform",
    )


@pytest.mark.parametrize("wait", ["-1", "abc", "nan", "inf", ""])
async def test_senseless_wait_is_422(wait, says, alice, alice_client):
    turn = await answer(alice)
    response = await alice_client.get(path_of(turn.stream), {"wait": wait})
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["query", "wait"])


# --- What OpenAPI says --------------------------------------------------------------------------------------


async def test_openapi_names_every_form(alice_client):
    schema = (await alice_client.get("/api/v1/openapi.json")).json()
    asked = schema["paths"]["/api/v1/ai/chat/stream"]["post"]["responses"]["200"]["content"]
    followed = schema["paths"]["/api/v1/ai/streams/{stream_id}"]["get"]
    assert sorted(asked) == ["application/x-ndjson", "text/event-stream"]
    content = followed["responses"]["200"]["content"]
    assert sorted(content) == ["application/json", "application/x-ndjson", "text/event-stream"]
    assert content["application/json"]["schema"]["$ref"].rpartition("/")[2] in schema["components"]["schemas"]
    parameters = {parameter["name"]: parameter for parameter in followed["parameters"]}
    assert sorted(parameters) == ["after", "stream_id", "wait"]
    assert parameters["wait"]["required"] is False
    paused = schema["paths"]["/api/v1/ai/streams/{stream_id}/pause"]["post"]
    assert paused["requestBody"]["required"] is True
