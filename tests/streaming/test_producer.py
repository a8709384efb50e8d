"""The writer outlives its readers, and every stream ends exactly once."""

import asyncio

import pytest

from streaming.events import TERMINAL, Done, Error, ErrorCode, Metadata, Token, fold
from streaming.log.base import tail
from streaming.log.memory import MemoryLog
from streaming.producer import Ending, Producer
from streaming.providers.base import ProviderError


class Desk:
    """A producer with its log, and a close callback that notes how it was called."""

    def __init__(self, deadline=5.0):
        self.log = MemoryLog(ttl=600)
        self.producer = Producer(self.log, deadline=deadline)
        self.closed = []
        self.source_closed = asyncio.Event()
        self.go_on = asyncio.Event()

    async def close(self, transcript, ending, error):
        self.closed.append((transcript.text, ending, error.code if error else None))
        return [Done()] if error is None else [Error(error.code, "words", error.retryable)]

    async def source(self, *texts, fail=None, forever=False):
        try:
            yield Metadata(stream_id="s")
            for text in texts:
                yield Token(text)
                await asyncio.sleep(0)
            if forever:
                await self.go_on.wait()
            if fail:
                raise fail
        finally:
            self.source_closed.set()

    async def events(self):
        return [event async for batch in tail(self.log, "s", 0, keepalive=5) for _seq, event in batch]

    async def has(self, count):
        while len(await self.log.read("s")) < count:
            await asyncio.sleep(0)


def answer_tasks():
    return [task for task in asyncio.all_tasks() if task.get_name().startswith(("answer", "pump"))]


async def test_answer_is_written_without_any_reader():
    desk = Desk()
    await desk.producer.start("s", desk.source("a", "b"), desk.close)
    await asyncio.wait_for(desk.has(4), 5)
    assert await desk.events() == [Metadata(stream_id="s"), Token("a"), Token("b"), Done()]
    assert desk.closed == [("ab", Ending.FINISHED, None)]


async def test_reader_that_leaves_does_not_end_the_answer():
    desk = Desk()
    await desk.producer.start("s", desk.source("a", forever=True), desk.close)
    reader = asyncio.create_task(desk.events())
    await asyncio.sleep(0.01)
    reader.cancel()
    desk.go_on.set()
    assert fold(await desk.events()).text == "a"
    assert desk.closed == [("a", Ending.FINISHED, None)]


async def test_saved_before_the_terminal_event_can_be_read():
    desk = Desk()
    seen_when_saving = []

    async def close(transcript, ending, error):
        seen_when_saving.extend(event for _seq, event in await desk.log.read("s"))
        return [Done()]

    await desk.producer.start("s", desk.source("a"), close)
    await desk.events()
    assert [event for event in seen_when_saving if isinstance(event, TERMINAL)] == []


async def test_stop_closes_the_source_saves_and_leaves_no_task():
    desk = Desk()
    await desk.producer.start("s", desk.source("shown", forever=True), desk.close)
    await desk.has(2)
    assert await desk.producer.stop("s") is True
    assert desk.source_closed.is_set()
    assert desk.closed == [("shown", Ending.STOPPED, None)]
    await asyncio.sleep(0)
    assert answer_tasks() == []


async def test_stop_of_an_ended_or_unknown_stream_says_so():
    desk = Desk()
    await desk.producer.start("s", desk.source("a"), desk.close)
    await desk.events()
    await asyncio.sleep(0)
    assert (await desk.producer.stop("s"), await desk.producer.stop("other")) == (False, False)


async def test_two_stops_at_once_save_once():
    desk = Desk()
    await desk.producer.start("s", desk.source("a", forever=True), desk.close)
    await desk.has(2)
    assert await asyncio.gather(desk.producer.stop("s"), desk.producer.stop("s")) == [True, True]
    assert len(desk.closed) == 1


async def test_deadline_ends_the_answer_and_leaves_no_task():
    desk = Desk(deadline=0.02)
    await desk.producer.start("s", desk.source("a", forever=True), desk.close)
    await desk.events()
    await asyncio.sleep(0)
    assert desk.closed == [("a", Ending.DEADLINE, None)]
    assert (desk.source_closed.is_set(), answer_tasks(), desk.producer.running) == (True, [], 0)


@pytest.mark.parametrize(
    "failure, code",
    [
        (ProviderError(ErrorCode.RATE_LIMITED, "429"), ErrorCode.RATE_LIMITED),
        (RuntimeError("a bug"), ErrorCode.INTERNAL),
    ],
)
async def test_failure_becomes_exactly_one_error_event(failure, code):
    desk = Desk()
    await desk.producer.start("s", desk.source("a", fail=failure), desk.close)
    events = await desk.events()
    assert [event for event in events if isinstance(event, TERMINAL)] == [Error(code, "words", True)]
    assert desk.closed == [("a", Ending.FAILED, code)]


async def test_saving_is_tried_again_and_then_told(monkeypatch):
    monkeypatch.setattr("streaming.producer.SAVE_PAUSE", 0.001)
    desk = Desk()
    tries = []

    async def close(transcript, ending, error):
        tries.append(ending)
        raise OSError("the database is away")

    await desk.producer.start("s", desk.source("a"), close)
    last = (await desk.events())[-1]
    assert (len(tries), last.code, last.retryable) == (3, ErrorCode.INTERNAL, True)


async def test_drain_lets_quick_answers_finish_and_ends_the_rest():
    desk = Desk()
    await desk.producer.start("s", desk.source("quick"), desk.close)
    await desk.producer.start("slow", desk.source("slow", forever=True), desk.close)
    await desk.producer.drain(0.05)
    assert sorted(desk.closed) == [("quick", Ending.FINISHED, None), ("slow", Ending.DRAINED, None)]
    assert desk.producer.running == 0


async def test_tasks_do_not_inherit_the_request_s_context():
    import contextvars

    variable = contextvars.ContextVar("request", default=None)
    variable.set("a request")
    seen = []

    async def source():
        seen.append(variable.get())
        yield Metadata()

    desk = Desk()
    await desk.producer.start("s", source(), desk.close)
    await desk.events()
    assert seen == [None]
