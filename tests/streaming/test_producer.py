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

    def __init__(self, deadline=5.0, **settings):
        self.log = MemoryLog(ttl=600)
        self.producer = Producer(self.log, deadline=deadline, **settings)
        self.closed = []
        self.source_closed = asyncio.Event()
        self.go_on = asyncio.Event()

    async def close(self, transcript, end):
        error = end.error
        self.closed.append((transcript.text, end.ending, error.code if error else None))
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

    async def close(transcript, end):
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

    async def close(transcript, end):
        tries.append(end)
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


# --- Every few seconds --------------------------------------------------------------------------------------


async def test_running_answers_are_saved_together_again_and_again():
    saved = asyncio.Queue()

    async def save(snapshots):
        saved.put_nowait({snapshot.key: snapshot.transcript.text for snapshot in snapshots})

    desk = Desk(save=save, every=0.001)
    await desk.producer.start("s", desk.source("a", forever=True), desk.close, key=1)
    await desk.producer.start("t", desk.source("b", forever=True), desk.close, key=2)
    async with asyncio.timeout(5):
        while await saved.get() != {1: "a", 2: "b"}:
            pass
        assert await saved.get() == {1: "a", 2: "b"}
    await desk.producer.drain(0)


async def test_nothing_is_saved_where_nothing_runs():
    desk = Desk(every=0.001)
    await desk.producer.start("s", desk.source("a"), desk.close)
    await asyncio.wait_for(desk.events(), 5)
    await desk.producer.drain(0)
    await asyncio.sleep(0)
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "checkpoints"] == []


async def test_checkpoint_that_fails_is_followed_by_the_next(caplog):
    tries = []
    again = asyncio.Event()

    async def save(snapshots):
        tries.append(len(snapshots))
        if len(tries) == 1:
            raise OSError("the database is away")
        again.set()

    desk = Desk(save=save, every=0.001)
    await desk.producer.start("s", desk.source("a", forever=True), desk.close)
    await asyncio.wait_for(again.wait(), 5)
    await desk.producer.drain(0)
    assert "A checkpoint failed" in caplog.text


async def test_answer_that_nobody_reads_is_ended():
    desk = Desk(every=0.001, unread=0.02)
    await desk.producer.start("s", desk.source("a", forever=True), desk.close)
    await asyncio.wait_for(desk.source_closed.wait(), 5)
    await desk.producer.drain(5)
    assert desk.closed == [("a", Ending.UNREAD, None)]


async def test_answer_with_a_reader_goes_on():
    asked = asyncio.Event()

    async def wanted(keys):
        asked.set()
        return set()

    desk = Desk(every=0.001, unread=0.02, wanted=wanted)
    await desk.producer.start("read", desk.source("a", forever=True), desk.close, key="read")
    reader = asyncio.create_task(anext(aiter(tail(desk.log, "read", 2, keepalive=60)), None))
    await asyncio.sleep(0)
    await desk.producer.start("unread", desk.source("b", forever=True), desk.close, key="unread")
    await asyncio.wait_for(asked.wait(), 5)
    await until_gone(desk.producer, "unread")
    assert desk.producer.writes("read") is True
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    await desk.producer.drain(0)


async def until_gone(producer, stream_id):
    async with asyncio.timeout(5):
        while producer.writes(stream_id):
            await asyncio.sleep(0.001)


async def test_wanted_answer_goes_on_unread():
    asked = []
    enough = asyncio.Event()

    async def wanted(keys):
        asked.append(list(keys))
        if len(asked) == 3:
            enough.set()
        return set(keys)

    desk = Desk(every=0.001, unread=0.01, wanted=wanted)
    await desk.producer.start("s", desk.source("a", forever=True), desk.close, key="paused")
    await asyncio.wait_for(enough.wait(), 5)
    assert (asked[0], desk.producer.writes("s")) == (["paused"], True)
    await desk.producer.drain(0)


# --- Other processes ----------------------------------------------------------------------------------------


async def test_another_process_may_ask_to_stop():
    desk = Desk()
    await desk.producer.start("s", desk.source("a", forever=True), desk.close)
    await desk.has(2)
    desk.log.on_stop("unknown", "person")
    desk.log.on_stop("s", "person")
    await desk.producer.drain(5)
    assert desk.closed == [("a", Ending.STOPPED, None)]


async def test_reason_of_a_stop_reaches_who_saves():
    desk, reasons = Desk(), []

    async def close(transcript, end):
        reasons.append(end.reason)
        return [Done()]

    await desk.producer.start("s", desk.source("a", forever=True), close)
    assert await desk.producer.stop("s", "superseded") is True
    assert await desk.producer.stop("s", "superseded") is False
    assert reasons == ["superseded"]


async def test_writer_of_a_lost_stream_stops_and_saves_nothing():
    desk = Desk()

    async def goes_on():
        yield Token("a")
        await desk.go_on.wait()
        yield Token("never seen")

    await desk.producer.start("s", goes_on(), desk.close)
    await desk.has(1)
    lost = Error(ErrorCode.STREAM_INTERRUPTED, "words", retryable=True)
    assert await desk.log.conclude("s", 1, [lost]) is True
    desk.go_on.set()
    await desk.producer.drain(5)
    assert (desk.closed, await desk.events()) == ([], [Token("a"), lost])
