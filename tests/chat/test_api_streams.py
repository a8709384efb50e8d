"""Following a stream and stopping it: any number of readers, from anywhere, by those who may."""

import asyncio

import pytest
from django.test import AsyncClient

from chat import streams
from chat.models import Generation
from chat.work import in_thread
from streaming.events import ErrorCode, fold, from_wire
from streaming.log.base import StreamNotFound, tail
from streaming.log.memory import MemoryLog
from streaming.providers.base import ProviderError
from tests.chat.scripted import (
    CRISIS,
    FEVER,
    HONEY,
    LULLABY_TEXT,
    PATIENCE,
    STOP,
    Received,
    answer,
    ask,
    begin,
    generation_of,
    logged,
    received,
    send,
)
from tests.conftest import async_client_of

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "Alice's own secret. "


@pytest.fixture(autouse=True)
def unpadded(settings):
    """Bytes as they are meant; `test_api_transports.py` pads them."""
    settings.STREAM_PAD_BYTES = 0


def path_of(stream, more=""):
    return f"/api/v1/ai/streams/{stream}{more}"


async def follow(client, stream, after=None, header=None):
    query = {} if after is None else {"after": after}
    headers = {} if header is None else {"Last-Event-ID": header}
    async with asyncio.timeout(PATIENCE):
        return await received(await client.get(path_of(stream), query, headers=headers))


# --- Resume: events[:k] + what comes after k == all ---------------------------------------------------------


@pytest.mark.parametrize(
    "question, script", [("Hello?", ("One. ", "Two. ", STOP)), (FEVER, HONEY), (CRISIS, ())]
)
async def test_resume_after_every_event_gives_the_rest(question, script, says, alice_client):
    says(*script)
    whole = await ask(alice_client, question)
    stream = whole.opening["streamId"]
    for seen in range(len(whole.events) + 1):
        for rest in (
            await follow(alice_client, stream, after=seen),
            await follow(alice_client, stream, header=str(seen)),
        ):
            assert whole.events[:seen] + rest.events == whole.events
            assert rest.ids == whole.ids[seen:]


async def test_resume_while_it_is_written_gives_the_rest(says, alice_client):
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    first = await send(alice_client)
    reading = first.streaming_content
    chunks = [await asyncio.wait_for(anext(reading), PATIENCE)]
    stream = str((await in_thread(Generation.objects.get)).stream_uuid)
    await logged(stream, 2)
    seen = 2
    late = asyncio.create_task(follow(alice_client, stream, header=str(seen)))
    await asyncio.sleep(0.02)
    go_on.set()
    chunks += [chunk async for chunk in reading]
    rest = await late
    assert rest.ids == list(range(seen + 1, 6))
    whole = await follow(alice_client, stream)
    assert whole.events[seen:] == rest.events
    assert Received(b"".join(chunks)).told == whole.told


async def test_header_counts_before_the_query(says, alice_client):
    stream = (await ask(alice_client)).opening["streamId"]
    response = await alice_client.get(path_of(stream), {"after": 1}, headers={"Last-Event-ID": "4"})
    assert (await received(response)).ids[0] == 5


@pytest.mark.parametrize("header", ["", "-1", "abc", "9" * 30, "²"])
async def test_senseless_last_event_id_is_the_beginning(header, says, alice_client):
    whole = await ask(alice_client)
    again = await follow(alice_client, whole.opening["streamId"], header=header)
    assert again.told == whole.told


async def test_senseless_after_is_422(says, alice_client):
    stream = (await ask(alice_client)).opening["streamId"]
    response = await alice_client.get(path_of(stream), {"after": "abc"})
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["query", "after"])


async def test_id_beyond_the_end_of_an_ended_stream_gives_nothing(says, alice_client):
    stream = (await ask(alice_client)).opening["streamId"]
    assert (await follow(alice_client, stream, after=999)).raw == b""


async def test_id_beyond_the_end_of_a_running_stream_ends_with_it(says, alice, alice_client, settings):
    settings.STREAM_KEEPALIVE = 5
    go_on = asyncio.Event()
    says("One. ", go_on, STOP)
    turn = await begin(alice)
    await logged(turn.stream, 2)
    response = await alice_client.get(path_of(turn.stream), {"after": 999})
    reading, chunks = response.streaming_content, []
    go_on.set()
    async with asyncio.timeout(PATIENCE):
        async for chunk in reading:
            chunks.append(chunk)
            if len(chunks) > 50:
                await reading.aclose()
                pytest.fail("the reader is fed keep-alives without end")
            await asyncio.sleep(0)


async def test_many_readers_get_the_same_events(says, alice, alice_client):
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    turn = await begin(alice)
    readers = [asyncio.create_task(follow(alice_client, turn.stream)) for _ in range(5)]
    await asyncio.sleep(0.05)
    go_on.set()
    first, *others = [reader.told for reader in await asyncio.gather(*readers)]
    assert [other == first for other in others] == [True] * 4


# --- After the log has expired ------------------------------------------------------------------------------

FAILING = ("Good evening ", ProviderError(ErrorCode.RATE_LIMITED, "", retry_after=7))
REBUILT = {
    "complete": ("Hello?", ("One. ", "Two. ", STOP)),
    "card and text": (FEVER, ("Call now. ", STOP)),
    "refused": (CRISIS, ()),
    "withheld": ("Honey?", HONEY),
    "failed": ("Hello?", FAILING),
}


@pytest.mark.parametrize("name", REBUILT)
async def test_rebuilt_stream_says_reset_and_folds_to_the_same(name, says, alice_client, engine):
    question, script = REBUILT[name]
    says(*script)
    told = await ask(alice_client, question)
    engine.log = MemoryLog(ttl=600)
    stream = told.opening["streamId"]
    for seen in (0, 2, len(told.events)):
        rebuilt = await follow(alice_client, stream, header=str(seen))
        assert rebuilt.opening == told.opening | {"reset": True}
        assert rebuilt.ids == list(range(1, len(rebuilt.events) + 1))
        again, before = rebuilt.transcript, told.transcript
        assert (again.text, again.notices, again.outcome, again.end, again.closing) == (
            before.text,
            before.notices,
            before.outcome,
            before.end,
            before.closing,
        )


@pytest.mark.parametrize("waits", [0, 2])
async def test_log_that_opens_and_ends_between_two_looks_is_read(
    waits, says, alice, alice_client, monkeypatch
):
    turn = await answer(alice)
    told = await follow(alice_client, turn.stream)
    looks = []

    def too_early(*args, **options):
        looks.append(args)
        if len(looks) <= waits + 1:
            raise StreamNotFound(str(turn.stream))
        return tail(*args, **options)

    def still_written(stream):
        return 0.0 if len(looks) <= waits else loaded(stream)

    loaded = streams._load_saved_events
    monkeypatch.setattr(streams, "_load_saved_events", still_written)
    monkeypatch.setattr(streams, "tail", too_early)
    assert (await follow(alice_client, turn.stream)).told == told.told
    assert len(looks) == waits + 2


async def test_reader_who_saw_a_part_before_forgets_it_at_the_reset(says, alice_client, engine):
    told = await ask(alice_client)
    engine.log = MemoryLog(ttl=600)
    rest = await follow(alice_client, told.opening["streamId"], header="3")
    seen = [from_wire(event) for event in told.events[:3] + rest.events]
    assert fold(seen).text == LULLABY_TEXT


async def test_ended_log_expires_and_a_live_one_does_not(says, alice, alice_client, engine):
    now = [0.0]
    engine.log = MemoryLog(ttl=10, clock=lambda: now[0])
    ended = await answer(alice)
    go_on = asyncio.Event()
    says("Live. ", go_on, STOP)
    live = await begin(alice)
    now[0] = 11.0
    go_on.set()
    await answer(alice)
    assert (await follow(alice_client, ended.stream)).opening["reset"] is True
    assert "reset" not in (await follow(alice_client, live.stream)).opening


# --- Stop ---------------------------------------------------------------------------------------------------


async def stop(client, stream):
    async with asyncio.timeout(PATIENCE):
        return await client.post(path_of(stream, "/stop"), content_type="application/json")


async def test_stop_tells_what_was_shown_and_is_idempotent(says, alice, alice_client):
    provider = says("Shown. ", asyncio.Event(), "Never. ")
    turn = await begin(alice)
    await logged(turn.stream, 2)
    first, second = await stop(alice_client, turn.stream), await stop(alice_client, turn.stream)
    assert first.json() == {
        "streamId": turn.stream_id,
        "status": "stopped",
        "content": "Shown. ",
        "lastEventId": 4,
    }
    assert (first.status_code, second.json()) == (200, first.json())
    assert provider.closed == 1


async def test_stop_from_another_device_ends_the_reader(says, alice, alice_client):
    says("Shown. ", asyncio.Event())
    response = await send(alice_client)
    reading = asyncio.create_task(received(response))
    stream = (await in_thread(Generation.objects.get)).stream_uuid
    await logged(stream, 2)
    other_device = await in_thread(lambda: async_client_of(alice))
    assert (await stop(other_device, stream)).json()["status"] == "stopped"
    told = await asyncio.wait_for(reading, PATIENCE)
    assert (told.transcript.text, told.transcript.outcome, told.types[-1]) == ("Shown. ", "stopped", "done")


@pytest.mark.parametrize(
    "question, script, status",
    [
        ("Hello?", ("One. ", STOP), "complete"),
        (CRISIS, (), "refused"),
        ("Hello?", FAILING, "failed"),
        ("Hello?", (ProviderError(ErrorCode.STREAM_INTERRUPTED, ""),), "interrupted"),
    ],
)
async def test_stop_of_an_ended_stream_tells_how_it_ended(
    question, script, status, says, alice_client, engine
):
    says(*script)
    told = await ask(alice_client, question)
    stream = told.opening["streamId"]
    reply = (await stop(alice_client, stream)).json()
    assert reply == {
        "streamId": stream,
        "status": status,
        "content": told.transcript.text,
        "lastEventId": told.ids[-1],
    }
    engine.log = MemoryLog(ttl=600)
    later = (await stop(alice_client, stream)).json()
    assert (later["status"], later["content"]) == (status, told.transcript.text)


async def test_stop_before_the_first_word(says, alice, alice_client):
    says(asyncio.Event())
    turn = await begin(alice)
    reply = (await stop(alice_client, turn.stream)).json()
    assert (reply["status"], reply["content"]) == ("stopped", "")


async def test_whole_answer_that_is_stopped_says_so(says, alice_client):
    says("Shown. ", asyncio.Event())
    waiting = asyncio.create_task(send(alice_client, path="/api/v1/ai/chat"))
    async with asyncio.timeout(PATIENCE):
        while not (found := await in_thread(lambda: list(Generation.objects.all()))):
            await asyncio.sleep(0.005)
    await logged(found[0].stream_uuid, 2)
    await stop(alice_client, found[0].stream_uuid)
    body = (await waiting).json()
    assert (body["status"], body["content"], body["finishReason"]) == ("stopped", "Shown. ", "stopped")


# --- Pause and resume ---------------------------------------------------------------------------------------


async def pause(client, stream, after):
    async with asyncio.timeout(PATIENCE):
        body = {"after": after}
        return await client.post(path_of(stream, "/pause"), body, content_type="application/json")


async def resume(client, stream):
    async with asyncio.timeout(PATIENCE):
        return await client.post(path_of(stream, "/resume"), content_type="application/json")


async def test_pause_is_kept_for_another_device_and_the_answer_goes_on(says, alice, alice_client):
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    turn = await begin(alice)
    await logged(turn.stream, 2)
    paused = await pause(alice_client, turn.stream, 2)
    assert (paused.status_code, paused.json()) == (200, {"streamId": turn.stream_id, "pausedAfter": 2})
    assert (await generation_of(turn.stream)).paused_after == 2
    go_on.set()
    await _ended(turn)
    other_device = await in_thread(lambda: async_client_of(alice))
    resumed = await resume(other_device, turn.stream)
    assert (resumed.status_code, resumed.json()) == (200, {"streamId": turn.stream_id, "after": 2})
    assert (await generation_of(turn.stream)).paused_after is None
    whole = await follow(other_device, turn.stream)
    rest = await follow(other_device, turn.stream, after=2)
    assert (rest.events, whole.transcript.text) == (whole.events[2:], "One. Two. ")


async def test_resume_of_what_was_not_paused_is_its_beginning(says, alice, alice_client):
    turn = await answer(alice)
    assert (await resume(alice_client, turn.stream)).json() == {"streamId": turn.stream_id, "after": 0}


@pytest.mark.parametrize("body", [{}, {"after": -1}, {"after": "x"}, {"after": None}, {"after": 2**31}])
async def test_senseless_pause_is_422(body, says, alice, alice_client):
    turn = await answer(alice)
    response = await alice_client.post(path_of(turn.stream, "/pause"), body, content_type="application/json")
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["body", "after"])
    assert (await generation_of(turn.stream)).paused_after is None


# --- Whose it is --------------------------------------------------------------------------------------------


async def test_stream_of_another_is_404_for_everyone_else(says, alice, bob_client, guest_client):
    says(SECRET, STOP)
    turn = await answer(alice)
    for client in (bob_client, guest_client):
        for response in (
            await client.get(path_of(turn.stream)),
            await client.get(path_of(turn.stream), {"wait": 5}),
            await client.get(path_of(turn.stream), headers={"Accept": "application/x-ndjson"}),
            await stop(client, turn.stream),
            await pause(client, turn.stream, 1),
            await resume(client, turn.stream),
        ):
            assert (response.status_code, response.json()["code"]) == (404, "not_found")
            assert SECRET.strip() not in response.content.decode()


async def test_nobody_else_can_stop_it(says, alice, bob_client, guest_client):
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    turn = await begin(alice)
    for client in (bob_client, guest_client):
        await stop(client, turn.stream)
    go_on.set()
    transcript = fold(e for _seq, e in await _ended(turn))
    assert (transcript.text, transcript.outcome) == ("One. Two. ", "complete")


async def _ended(turn):
    from chat.engine import engine
    from chat.streams import whole

    await asyncio.wait_for(whole(turn.stream), PATIENCE)
    return await engine().log.read(turn.stream_id)


async def test_unknown_stream_is_404(says, alice_client):
    response = await alice_client.get(path_of("00000000-0000-4000-8000-000000000000"))
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_guest_stream_is_401_where_guests_are_off(says, alice, settings):
    turn = await answer(alice)
    settings.GUEST_ACCESS = False
    response = await AsyncClient().get(path_of(turn.stream))
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")


# --- Silence ------------------------------------------------------------------------------------------------


async def test_silence_is_filled_with_comments_that_no_reader_sees(says, alice_client, settings):
    settings.STREAM_KEEPALIVE = 0.02
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    response = await send(alice_client)
    reading, chunks = response.streaming_content, []
    async with asyncio.timeout(PATIENCE):
        async for chunk in reading:
            chunks.append(chunk)
            if chunks.count(b": keep-alive\n\n") == 3:
                go_on.set()
    noisy = Received(b"".join(chunks))
    settings.STREAM_KEEPALIVE = 15
    stream = (await in_thread(Generation.objects.get)).stream_uuid
    silent = await follow(alice_client, stream)
    assert noisy.told == silent.told
