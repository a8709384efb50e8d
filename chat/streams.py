"""Reading an answer: from the log while it is there, from the saved message afterwards."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing

from django.conf import settings
from django.utils import timezone

from chat.engine import engine
from chat.models import Generation, Status
from chat.turns import sweep, turn_of
from chat.work import unit_of_work
from streaming.events import (
    Done,
    Error,
    Event,
    Metadata,
    Timing,
    Token,
    Transcript,
    Usage,
    fold,
    notice_from_wire,
)
from streaming.log.base import Entry, LogUnavailable, StreamNotFound, tail

LOG_OPENS_WITHIN = 2.0
"""Seconds. An answer's row is there a moment before its log, which a phone that sent twice may see."""
LOOK_AGAIN = 0.02
LOOK_AGAIN_SHARED = 0.5


async def follow(stream: uuid.UUID, after: int = 0) -> AsyncGenerator[Sequence[Entry]]:
    """Batches of (id, event) after `after`, up to the terminal event; an empty batch per keep-alive interval.

    Where the log has expired, the answer is rebuilt from the saved message, from its start, with `reset`.
    Who may read the stream was decided before: see `doors.find_stream`.
    """
    has_ended = False
    while True:
        try:
            async with aclosing(
                tail(engine().log, str(stream), after, keepalive=settings.STREAM_KEEPALIVE)
            ) as batches:
                async for batch in batches:
                    after = batch[-1][0] if batch else after
                    yield batch
            return
        except (StreamNotFound, LogUnavailable) as missing:
            saved = await _saved(stream, is_away=isinstance(missing, LogUnavailable))
        if saved is not None and not has_ended and not after and await so_far(stream) is not None:
            has_ended = True  # between the two looks, and its log was opened before: once more, and no more
            continue
        if saved is not None:
            yield list(enumerate(saved, start=1))
            return
        if engine().is_shared:
            yield []
        await asyncio.sleep(LOOK_AGAIN_SHARED if engine().is_shared else LOOK_AGAIN)


async def _saved(stream: uuid.UUID, *, is_away: bool) -> list[Event] | None:
    """The saved answer as events; None while it is still being written, where a second look may find more."""
    saved = await unit_of_work(_load_saved_events, stream)
    if isinstance(saved, list):
        return saved
    if engine().is_shared:
        # Its writer may live, while Redis is away or has lost the stream: silence decides, as in the sweep.
        if not is_away and saved > settings.STALE_SECONDS:
            await sweep(stale=settings.STALE_SECONDS, stream=stream)
    elif saved > LOG_OPENS_WITHIN:
        await sweep(stale=0, stream=stream)
    return None


async def so_far(stream: uuid.UUID, upto: int | None = None) -> Transcript | None:
    """What an answer says now, or said when event `upto` was its last; None where the log has it no more."""
    try:
        entries = await engine().log.read(str(stream))
    except (StreamNotFound, LogUnavailable):
        return None
    return fold(event for seq, event in entries if upto is None or seq <= upto)


async def whole(stream: uuid.UUID) -> tuple[Transcript, int]:
    """What the answer says once it has ended, and the id of its last event."""
    transcript, last = Transcript(), 0
    async with aclosing(follow(stream)) as batches:
        async for batch in batches:
            for _seq, event in batch:
                transcript.apply(event)
            last = batch[-1][0] if batch else last
    return transcript, last


def _load_saved_events(stream: uuid.UUID) -> list[Event] | float:
    """Or, while it is being written, for how many seconds."""
    reading = Generation.objects.select_related("message__conversation", "message__question")
    generation = reading.get(stream_uuid=stream)
    if generation.message.status == Status.STREAMING:
        return (timezone.now() - generation.started_at).total_seconds()
    return list(saved_events(generation))


def saved_events(generation: Generation) -> Iterator[Event]:
    """The saved answer as a stream of its own: it folds to what the log folded to."""
    answer = generation.message
    yield turn_of(generation).opening(reset=True)
    # A notice that withdrew text stands after what is left of the text, which ends where it withdrew from.
    notices = [notice_from_wire(fields) for fields in answer.notices]
    yield from (notice for notice in notices if notice.replace_from is None)
    if answer.content:
        yield Token(answer.content)
    yield from (notice for notice in notices if notice.replace_from is not None)
    if generation.error_code:
        yield saved_error(generation)
        return
    yield Metadata(
        usage=saved_usage(generation),
        timing=saved_timing(generation),
        finish_reason=generation.finish_reason or None,
    )
    yield Done()


def saved_error(generation: Generation) -> Error:
    return Error(
        generation.error_code, generation.error_message, generation.retryable, generation.retry_after
    )


def saved_usage(generation: Generation) -> Usage | None:
    if generation.prompt_tokens is None or generation.completion_tokens is None:
        return None
    return Usage(generation.prompt_tokens, generation.completion_tokens)


def saved_timing(generation: Generation) -> Timing | None:
    if generation.duration_ms is None:
        return None
    return Timing(generation.ttft_ms, generation.duration_ms, generation.tokens_per_second)
