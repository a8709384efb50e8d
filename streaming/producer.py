"""The writer of answers, which outlives their readers.

A producer runs one task per answer. It appends what the source yields to the log, and ends every stream
with exactly one terminal event, whatever happens: the end of the source, a stop, a deadline, a failure,
nobody reading any more, or the end of this process. What it says at the end is decided by a callback, which
saves the answer first. Another callback saves all running answers every few seconds, in case this process
dies.
"""

import asyncio
import contextvars
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic

from streaming.events import Error, ErrorCode, Event, Transcript
from streaming.log.base import Log, StreamLost
from streaming.providers.base import ProviderError

logger = logging.getLogger(__name__)

SAVE_ATTEMPTS = 3
SAVE_PAUSE = 0.5
NOT_SAVED = "Something went wrong on our side, and this answer could not be kept. Please try again."


class Ending(StrEnum):
    """Why a source stopped yielding."""

    FINISHED = "finished"
    STOPPED = "stopped"
    DEADLINE = "deadline"
    UNREAD = "unread"
    DRAINED = "drained"
    FAILED = "failed"
    LOST = "lost"
    """Another process took this one for dead, and has ended the stream and saved the answer."""


@dataclass(frozen=True, slots=True)
class End:
    """How an answer ended: `error` where it failed; `reason` of a stop, in the words of who asked for it."""

    ending: Ending
    error: ProviderError | None = None
    reason: str = ""
    lost_readers: int = 0


Close = Callable[[Transcript, End], Awaitable[Sequence[Event]]]
"""Saves what was shown and gives the last events: usually a closing Metadata, and one Done or Error."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A running answer as it stands. `key` is what `start` was given."""

    key: Hashable
    transcript: Transcript


Save = Callable[[Sequence[Snapshot]], Awaitable[None]]
Wanted = Callable[[Sequence[Hashable]], Awaitable[set[Hashable]]]
"""Of answers that nobody reads, those that must go on all the same."""


async def _save_nothing(_snapshots: Sequence[Snapshot]) -> None: ...


async def _want_none(_keys: Sequence[Hashable]) -> set[Hashable]:
    return set()


@dataclass(slots=True)
class _Answer:
    """A running answer. The task that reads its source can be cancelled; the one that ends it cannot."""

    stream_id: str
    key: Hashable
    close: Close
    pump: asyncio.Task[None]
    transcript: Transcript
    began: float
    ending: Ending = Ending.FINISHED
    reason: str = ""
    task: asyncio.Task[None] | None = None


class Producer:
    """`deadline`, `every` (between two checkpoints) and `unread` (how long an answer goes on for nobody) are
    in seconds.
    """

    def __init__(
        self,
        log: Log,
        *,
        deadline: float,
        save: Save = _save_nothing,
        every: float = 2,
        unread: float = float("inf"),
        wanted: Wanted = _want_none,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._log = log
        self._deadline = deadline
        self._save, self._every = save, every
        self._unread, self._wanted = unread, wanted
        self._clock = clock
        self._running: dict[str, _Answer] = {}
        self._rounds: asyncio.Task[None] | None = None
        log.on_stop = self._asked_to_stop

    @property
    def running(self) -> int:
        return len(self._running)

    def writes(self, stream_id: str) -> bool:
        """Whether this process is writing that stream."""
        return stream_id in self._running

    async def start(
        self, stream_id: str, source: AsyncGenerator[Event], close: Close, *, key: Hashable = None
    ) -> None:
        """Begin to write `source` to the log; returns when readers may come.

        The tasks get an empty context: one inherited from a request would tie them to its thread.
        """
        await self._log.open(stream_id)
        transcript = Transcript()
        pump = _task(self._pump(stream_id, source, transcript), f"pump {stream_id}")
        answer = _Answer(stream_id, key, close, pump, transcript, self._clock())
        self._running[stream_id] = answer
        answer.task = _task(self._see_to_its_end(answer), f"answer {stream_id}")
        if self._rounds is None:
            self._rounds = _task(self._make_rounds(), "checkpoints")

    async def stop(self, stream_id: str, reason: str = "") -> bool:
        """End an answer now and wait until it is saved. False where it is not written here: then whoever
        writes it has been asked.
        """
        answer = self._running.get(stream_id)
        if answer is None:
            await self._log.ask_stop(stream_id, reason)
            return False
        self._cut(answer, Ending.STOPPED, reason)
        await _ended([answer])
        return True

    async def drain(self, seconds: float) -> None:
        """Let answers go on for `seconds`, end the rest as interrupted, and return when all are saved."""
        await _ended(self._running.values(), timeout=seconds)
        for answer in list(self._running.values()):
            self._cut(answer, Ending.DRAINED)
        await _ended(self._running.values())

    def _asked_to_stop(self, stream_id: str, reason: str) -> None:
        if answer := self._running.get(stream_id):
            self._cut(answer, Ending.STOPPED, reason)

    def _cut(self, answer: _Answer, ending: Ending, reason: str = "") -> None:
        if not answer.pump.done() and answer.ending is Ending.FINISHED:
            answer.ending, answer.reason = ending, reason
            answer.pump.cancel()

    async def _pump(self, stream_id: str, source: AsyncGenerator[Event], transcript: Transcript) -> None:
        async with aclosing(source):
            async for event in source:
                await self._log.append(stream_id, event)
                transcript.apply(event)

    async def _see_to_its_end(self, answer: _Answer) -> None:
        try:
            await asyncio.wait({answer.pump}, timeout=self._deadline)
            self._cut(answer, Ending.DEADLINE)
            await asyncio.wait({answer.pump})
            for event in await self._closing_events(answer):
                await self._log.append(answer.stream_id, event)
        except StreamLost:
            logger.warning("Stream %s was ended by another process", answer.stream_id)
        finally:
            del self._running[answer.stream_id]
            if not self._running and self._rounds:
                self._rounds.cancel()
                self._rounds = None

    async def _closing_events(self, answer: _Answer) -> Sequence[Event]:
        end = _end_of(answer, self._log.lost_readers(answer.stream_id))
        if end.ending is Ending.LOST:
            raise StreamLost(answer.stream_id)
        for attempt in range(1, SAVE_ATTEMPTS + 1):
            try:
                return await answer.close(answer.transcript, end)
            except StreamLost:
                raise
            except Exception:
                logger.exception("Saving the answer of stream %s failed (try %d)", answer.stream_id, attempt)
                if attempt < SAVE_ATTEMPTS:
                    await asyncio.sleep(SAVE_PAUSE * attempt)
        return [Error(ErrorCode.INTERNAL, NOT_SAVED, retryable=True)]

    # --- Every few seconds --------------------------------------------------------------------------------

    async def _make_rounds(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            try:
                await self._save([Snapshot(a.key, a.transcript) for a in self._running.values()])
                await self._end_unread()
            except Exception:
                logger.exception("A checkpoint failed; the next one follows in %s s", self._every)

    async def _end_unread(self) -> None:
        old = [a for a in self._running.values() if self._clock() - a.began >= self._unread]
        unread = [a for a in old if await self._log.unread_seconds(a.stream_id) >= self._unread]
        if not unread:
            return
        wanted = await self._wanted([answer.key for answer in unread])
        for answer in unread:
            if answer.key not in wanted:
                self._cut(answer, Ending.UNREAD)


def _task[T](work: Awaitable[T], name: str) -> asyncio.Task[T]:
    return asyncio.create_task(work, context=contextvars.Context(), name=name)  # type: ignore[arg-type]


async def _ended(answers: Iterable[_Answer], timeout: float | None = None) -> None:
    """Wait until these answers are saved, or for so many seconds."""
    if tasks := [answer.task for answer in answers if answer.task]:
        await asyncio.wait(tasks, timeout=timeout)


def _end_of(answer: _Answer, lost_readers: int) -> End:
    """The one place where any exception becomes an error that people can be told about."""
    error = None if answer.pump.cancelled() else answer.pump.exception()
    match error:
        case None:
            return End(answer.ending, None, answer.reason, lost_readers)
        case StreamLost():
            return End(Ending.LOST)
        case ProviderError():
            logger.warning("Stream %s: %s", answer.stream_id, error)
            return End(Ending.FAILED, error, "", lost_readers)
        case _:
            logger.error("Stream %s failed", answer.stream_id, exc_info=error)
            return End(Ending.FAILED, ProviderError(ErrorCode.INTERNAL, repr(error)), "", lost_readers)
