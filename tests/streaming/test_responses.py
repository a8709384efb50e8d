"""What is written of a stream, in each form: padded, numbered, closed when the reader leaves."""

import asyncio
import json

import msgspec
import pytest
from django.http import HttpRequest
from hypothesis import given
from hypothesis import strategies as st

from streaming.events import Done, Event, Metadata, Notice, Token, fold, from_wire
from streaming.log.base import tail
from streaming.log.memory import MemoryLog
from streaming.responses import (
    NDJSON,
    SSE,
    StreamResponse,
    events_response,
    json_frames,
    json_lines,
    numbered,
    pad_json,
    pad_line,
    poll_response,
)
from streaming.sse import DataSplitter, pad
from tests.chat.scripted import PATIENCE

EVENTS: list[Event] = [
    Metadata(stream_id="s"),
    Token("Hush 👶 "),
    Token('"now"\n'),
    Notice("c", "urgent", "Call."),
    Done(),
]
ENTRIES = list(enumerate(EVENTS, start=1))
TEXT = fold(EVENTS).text

BATCHES = st.lists(
    st.lists(st.text().map(Token), max_size=4).map(lambda events: list(enumerate(events, start=1))),
    max_size=6,
)


async def given_batches(batches):
    for batch in batches:
        yield batch


async def collected(chunks):
    return [chunk async for chunk in chunks]


def run(frames, batches):
    return asyncio.run(collected(frames(given_batches(batches))))


def accepting(accept):
    request = HttpRequest()
    if accept is not None:
        request.META["HTTP_ACCEPT"] = accept
    return request


# --- Padding ------------------------------------------------------------------------------------------------


@given(BATCHES, st.integers(1, 600))
def test_padded_frames_are_multiples_and_say_the_same(batches, step):
    chunks = [pad(chunk, step) for chunk in run(json_frames, batches)]
    assert [len(chunk) % step for chunk in chunks] == [0] * len(batches)
    told = [from_wire(json.loads(data)) for data in DataSplitter().feed(b"".join(chunks))]
    assert told == [event for batch in batches for _seq, event in batch]


@given(BATCHES, st.integers(1, 600))
def test_padded_lines_are_multiples_and_say_the_same(batches, step):
    chunks = [pad_line(chunk, step) for chunk in run(json_lines, batches)]
    assert [len(chunk) % step for chunk in chunks] == [0] * len(batches)
    lines = [line for line in b"".join(chunks).split(b"\n") if line.strip()]
    assert [json.loads(line) for line in lines] == [numbered(entry) for batch in batches for entry in batch]


@given(st.text().map(Token), st.integers(0, 600))
def test_padded_json_is_a_multiple_and_says_the_same(event, step):
    document = msgspec.json.encode(numbered((1, event)))
    padded = pad_json(document, step)
    assert len(padded) == len(document) if step == 0 else len(padded) % step == 0
    assert json.loads(padded) == json.loads(document)


@pytest.mark.parametrize("step", [0, 1, 2, 3, 256])
async def test_response_pads_by_the_setting(step, settings):
    settings.STREAM_PAD_BYTES = step
    response = StreamResponse(json_frames(given_batches([ENTRIES[:1], [], ENTRIES[1:]])))
    chunks = await collected(response.streaming_content)
    assert [len(chunk) % (step or 1) for chunk in chunks] == [0, 0, 0]
    assert [json.loads(data)["type"] for data in DataSplitter().feed(b"".join(chunks))] == [
        "metadata",
        "token",
        "token",
        "notice",
        "done",
    ]


# --- The form -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "accept, form",
    [
        (None, SSE),
        ("*/*", SSE),
        ("text/event-stream", SSE),
        ("application/json", SSE),
        ("application/x-ndjson", NDJSON),
        ("application/x-ndjson, */*;q=0.1", NDJSON),
        ("text/event-stream, application/x-ndjson;q=0.5", SSE),
        ("application/x-ndjson;q=0.5, text/event-stream", SSE),
    ],
)
async def test_reader_gets_the_form_it_prefers(accept, form):
    response = events_response(accepting(accept), given_batches([ENTRIES]))
    headers = {
        name: response[name] for name in ("Content-Type", "Cache-Control", "X-Accel-Buffering", "Vary")
    }
    assert headers == {
        "Content-Type": form,
        "Cache-Control": "no-cache, no-transform",
        "X-Accel-Buffering": "no",
        "Vary": "Accept",
    }
    await collected(response.streaming_content)


async def test_lines_are_these_bytes():
    chunks = await collected(json_lines(given_batches([ENTRIES[:2], [], ENTRIES[4:]])))
    assert chunks == [
        '{"type":"metadata","streamId":"s","id":1}\n{"type":"token","content":"Hush 👶 ","id":2}\n'.encode(),
        b"\n",
        b'{"type":"done","id":5}\n',
    ]


@pytest.mark.parametrize("frames", [json_frames, json_lines])
async def test_source_is_closed_when_the_reader_leaves(frames):
    closed = []

    async def source():
        try:
            yield ENTRIES[:1]
            await asyncio.sleep(PATIENCE * 2)
        finally:
            closed.append(asyncio.current_task())

    reading = asyncio.create_task(collected(StreamResponse(frames(source())).streaming_content))
    await asyncio.sleep(0.01)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert closed == [reading]


# --- Polling ------------------------------------------------------------------------------------------------


@pytest.fixture
async def log():
    made = MemoryLog(ttl=600)
    await made.open("s")
    yield made
    await made.close()


async def nothing_saved():
    raise AssertionError("the log has it")
    yield ()


async def poll(log, after, seconds=PATIENCE, saved=None):
    response = poll_response(log, "s", after, seconds=seconds, saved=saved or nothing_saved())
    async with asyncio.timeout(PATIENCE + 1):
        (chunk,) = await collected(response.streaming_content)
    assert response["Content-Type"] == "application/json"
    return json.loads(chunk)


def told(entries, *, ended, last):
    return {"events": [numbered(entry) for entry in entries], "ended": ended, "lastEventId": last}


async def fill(log, events):
    for event in events:
        await log.append("s", event)


async def test_poll_after_every_event_gives_the_rest(log):
    await fill(log, EVENTS)
    for after in range(len(EVENTS)):
        assert await poll(log, after) == told(ENTRIES[after:], ended=True, last=5)
    assert await poll(log, 5) == told([], ended=True, last=5)
    assert await poll(log, 999) == told([], ended=True, last=999)


async def test_poll_of_a_running_stream_tells_what_is_there_at_once(log):
    await fill(log, EVENTS[:2])
    assert await poll(log, 0) == told(ENTRIES[:2], ended=False, last=2)


async def test_poll_waits_for_the_next_event_only(log):
    await fill(log, EVENTS[:2])
    waiting = asyncio.create_task(poll(log, 2))
    await asyncio.sleep(0.01)
    assert waiting.done() is False
    await fill(log, EVENTS[2:3])
    assert await waiting == told(ENTRIES[2:3], ended=False, last=3)


async def test_poll_from_beyond_goes_on_from_the_last(log):
    await fill(log, EVENTS[:2])
    waiting = asyncio.create_task(poll(log, 999))
    await asyncio.sleep(0.01)
    await fill(log, EVENTS[2:3])
    assert await waiting == told(ENTRIES[2:3], ended=False, last=3)


@pytest.mark.parametrize("seconds", [0, 0.01])
async def test_poll_without_news_says_so(seconds, log):
    await fill(log, EVENTS[:2])
    assert await poll(log, 2, seconds) == told([], ended=False, last=2)


async def test_poll_counts_as_reading_and_not_as_a_reader_who_was_lost(log):
    await fill(log, EVENTS[:2])
    waiting = asyncio.create_task(poll(log, 2))
    await asyncio.sleep(0.01)
    assert await log.unread_seconds("s") == 0
    await fill(log, EVENTS[2:])
    await waiting
    assert log.lost_readers("s") == 0


async def test_poll_of_what_the_log_has_lost_gives_what_was_saved():
    empty = MemoryLog(ttl=600)
    assert await poll(empty, 3, 0, given_batches([ENTRIES])) == told(ENTRIES, ended=True, last=5)
    assert await poll(empty, 3, 1, given_batches([[], [], ENTRIES])) == told(ENTRIES, ended=True, last=5)


@pytest.mark.parametrize("seconds", [0, 0.01])
async def test_poll_of_what_is_not_saved_yet_waits_no_longer_than_told(seconds):
    async def silent():
        yield []
        await asyncio.sleep(PATIENCE * 2)

    assert await poll(MemoryLog(ttl=600), 3, seconds, silent()) == told([], ended=False, last=3)


async def test_every_form_of_a_stream_folds_to_the_same(log):
    await fill(log, EVENTS)
    frames = await collected(json_frames(tail(log, "s", keepalive=1)))
    lines = await collected(json_lines(tail(log, "s", keepalive=1)))
    by_frames = [json.loads(data) for data in DataSplitter().feed(b"".join(frames))]
    by_lines = [json.loads(line) for line in b"".join(lines).splitlines()]
    assert fold(map(from_wire, by_frames)) == fold(map(from_wire, by_lines)) == fold(EVENTS)
    assert by_lines == (await poll(log, 0))["events"]
