"""Running a turn: its answer is written to the log, by a task that no request owns; and stopping it."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from time import monotonic

from django.conf import settings

from chat import answer_cache, quota
from chat.engine import engine
from chat.models import StopReason
from chat.reply import Plan, refusal, reply
from chat.safeguards import CRISIS_CARD, question_notices
from chat.second_opinion import after_opinions
from chat.turns.asides import begin_asides
from chat.turns.brief import Brief, Turn
from chat.turns.closing import close_turn, closing_events
from chat.turns.recovery import sweep
from chat.work import unit_of_work
from safety.guard import OutputGuard
from safety.remote.language import language_of_text
from safety.verdict import Action
from streaming.coalesce import coalesce
from streaming.events import ErrorCode, Event, FinishReason, Transcript, Usage
from streaming.log.base import LogUnavailable, StreamLost, StreamNotFound, tail
from streaming.producer import End
from streaming.providers.base import Delta, Finish, ProviderError

STOPPED_ELSEWHERE_WITHIN = 2.0
"""Seconds. Another process needs a few milliseconds, unless it has died."""
SILENT_CHECKPOINTS = 3
"""After so many without a sign of life, a process that does not stop an answer counts as dead."""


async def run_turn(turn: Turn) -> None:
    """Have the answer written to the log; returns when readers may come."""
    brief = turn.brief
    if brief is None:
        return

    async def close(transcript: Transcript, end: End) -> Sequence[Event]:
        closing = closing_events(brief, transcript, end)
        for event in closing:
            transcript.apply(event)
        if not await unit_of_work(close_turn, brief, transcript, end):
            raise StreamLost(turn.stream_id)
        begin_asides(brief, transcript)
        return closing

    await engine().producer.start(turn.stream_id, _answer(turn, brief), close, key=brief.generation_pk)


def _answer(turn: Turn, brief: Brief) -> AsyncGenerator[Event]:
    cards = partial(question_notices, country=brief.country, guessed=brief.guessed)
    plan = Plan(turn.opening(), cards(brief.verdict, language=brief.language))
    if brief.verdict.action in (Action.CARD_ONLY, Action.BLOCK):
        return refusal(plan, brief.progress)
    words = coalesce(
        _source(brief),
        window=settings.COALESCE_SECONDS,
        most=settings.COALESCE_TOKENS,
        clock=monotonic,
        sleep=asyncio.sleep,
        # What the guard holds at the beginning must not wait for more than the guard does.
        hurried=lambda: not brief.progress.released,
    )
    events = reply(
        plan,
        words,
        guard=OutputGuard(language=brief.language, country=brief.country, canary=brief.canary),
        progress=brief.progress,
        correction=brief.correction,
        crisis=lambda: brief.notice(CRISIS_CARD, language=language_of_text(brief.verdict.masked_text)),
    )
    if engine().panel.is_empty or brief.replay is not None:
        return events
    return after_opinions(
        events,
        engine().panel,
        brief.verdict,
        shown=plan.notices,
        cards=partial(cards, language=brief.language or language_of_text(brief.verdict.masked_text)),
        progress=brief.progress,
        heard=brief.heard,
    )


def _source(brief: Brief) -> AsyncGenerator[Delta | Finish]:
    if brief.replay is not None:
        return _replayed(brief.replay)
    source = (
        engine()
        .route(brief.model)
        .stream(brief.prompt, max_tokens=brief.answer_tokens, trace=brief.progress.trace)
    )
    # With a whole allowance the model's own limit ends the answer, and nothing needs to be counted.
    return _within_allowance(source, brief) if brief.answer_tokens < settings.ANSWER_TOKENS else source


async def _within_allowance(
    source: AsyncGenerator[Delta | Finish], brief: Brief
) -> AsyncGenerator[Delta | Finish]:
    """Raises `ProviderError` with `quota_exceeded` where the day's tokens end before the answer does."""
    allowance = brief.allowance
    assert allowance is not None
    meter = quota.Meter(allowance, quota.prompt_tokens(brief.prompt))
    over = ProviderError(
        ErrorCode.QUOTA_EXCEEDED, "the day's tokens are used up", retry_after=allowance.retry_after()
    )
    async with aclosing(source):
        async for item in source:
            if isinstance(item, Finish):
                if item.reason == FinishReason.LENGTH:
                    raise over
            elif meter.count(item.pieces):
                yield item
                raise over
            yield item


async def _replayed(text: str) -> AsyncGenerator[Delta | Finish]:
    """An earlier answer, word by word; nobody charges for it."""
    for piece in answer_cache.pieces(text):
        yield Delta((piece,))
    yield Finish(FinishReason.STOP, Usage(0, 0))


async def stop_turn(stream_uuid: uuid.UUID, reason: StopReason = StopReason.PERSON) -> None:
    """End a running answer, in whichever process it runs; what was shown is saved when this returns.

    Nothing happens where it has ended already. The answer of a process that has died is finished here.
    """
    stream_id = str(stream_uuid)
    try:
        if await engine().producer.stop(stream_id, reason) or not engine().is_shared:
            return
        async with asyncio.timeout(STOPPED_ELSEWHERE_WITHIN):
            async for _batch in tail(engine().log, stream_id, keepalive=STOPPED_ELSEWHERE_WITHIN):
                pass
    except (TimeoutError, StreamNotFound, LogUnavailable):
        await sweep(stale=SILENT_CHECKPOINTS * settings.CHECKPOINT_SECONDS, stream=stream_uuid)
