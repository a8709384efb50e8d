"""The writer of an answer, which outlives its readers.

A producer runs one task per answer. It appends what the source yields to the log, and ends every stream with
exactly one terminal event, whatever happens: the end of the source, a stop, a deadline, a failure, or the end
of this process. What it says at the end is decided by a callback, which saves the answer first.
"""

import asyncio
import contextvars
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import StrEnum

from streaming.events import Error, ErrorCode, Event, Transcript
from streaming.log.base import Log
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
    DRAINED = "drained"
    FAILED = "failed"


Close = Callable[[Transcript, Ending, ProviderError | None], Awaitable[Sequence[Event]]]
"""Saves what was shown and gives the last events: usually a closing Metadata, and one Done or Error."""


@dataclass(slots=True)
class _Answer:
    """A running answer. The task that reads its source can be cancelled; the one that ends it cannot."""

    stream_id: str
    close: Close
    pump: asyncio.Task[None]
    transcript: Transcript
    ending: Ending = Ending.FINISHED
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Producer:
    def __init__(self, log: Log, *, deadline: float) -> None:
        self._log = log
        self._deadline = deadline
        self._running: dict[str, _Answer] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> int:
        return len(self._running)

    async def start(self, stream_id: str, source: AsyncGenerator[Event], close: Close) -> None:
        """Begin to write `source` to the log; returns when readers may come.

        The tasks get an empty context: one inherited from a request would tie them to its thread.
        """
        await self._log.open(stream_id)
        transcript = Transcript()
        pump = asyncio.create_task(
            self._pump(stream_id, source, transcript), context=contextvars.Context(), name=f"pump {stream_id}"
        )
        answer = self._running[stream_id] = _Answer(stream_id, close, pump, transcript)
        task = asyncio.create_task(
            self._see_to_its_end(answer), context=contextvars.Context(), name=f"answer {stream_id}"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self, stream_id: str) -> bool:
        """End an answer now and wait until it is saved. False where it is not running here."""
        answer = self._running.get(stream_id)
        if answer is None:
            return False
        self._cut(answer, Ending.STOPPED)
        await answer.ended.wait()
        return True

    async def drain(self, seconds: float) -> None:
        """Let answers go on for `seconds`, end the rest as interrupted, and return when all are saved."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for answer in list(self._running.values()):
            self._cut(answer, Ending.DRAINED)
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _cut(self, answer: _Answer, ending: Ending) -> None:
        if not answer.pump.done():
            answer.ending = ending
            answer.pump.cancel()

    async def _pump(self, stream_id: str, source: AsyncGenerator[Event], transcript: Transcript) -> None:
        async with aclosing(source):
            async for event in source:
                transcript.apply(event)
                await self._log.append(stream_id, event)

    async def _see_to_its_end(self, answer: _Answer) -> None:
        try:
            await asyncio.wait({answer.pump}, timeout=self._deadline)
            self._cut(answer, Ending.DEADLINE)
            await asyncio.wait({answer.pump})
            for event in await self._closing_events(answer):
                await self._log.append(answer.stream_id, event)
        finally:
            del self._running[answer.stream_id]
            answer.ended.set()

    async def _closing_events(self, answer: _Answer) -> Sequence[Event]:
        error = _failure(answer)
        for attempt in range(1, SAVE_ATTEMPTS + 1):
            try:
                return await answer.close(answer.transcript, answer.ending, error)
            except Exception:
                logger.exception("Saving the answer of stream %s failed (try %d)", answer.stream_id, attempt)
                if attempt < SAVE_ATTEMPTS:
                    await asyncio.sleep(SAVE_PAUSE * attempt)
        return [Error(ErrorCode.INTERNAL, NOT_SAVED, retryable=True)]


def _failure(answer: _Answer) -> ProviderError | None:
    """The one place where any exception becomes an error that people can be told about."""
    if answer.pump.cancelled():
        return None
    error = answer.pump.exception()
    if error is None:
        return None
    answer.ending = Ending.FAILED
    if isinstance(error, ProviderError):
        logger.warning("Stream %s: %s", answer.stream_id, error)
        return error
    logger.error("Stream %s failed", answer.stream_id, exc_info=error)
    return ProviderError(ErrorCode.INTERNAL, repr(error))
