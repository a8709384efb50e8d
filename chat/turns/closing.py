"""Closing a turn: what was shown is saved, with how it went, before anybody is told that it has ended."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import override

from chat import answer_cache, quota
from chat.engine import engine
from chat.errors import as_event
from chat.models import Generation, Message, SafetyEvent, Status, StopReason
from chat.safeguards import answer_event
from chat.second_opinion import opinion_events
from chat.statements import update
from chat.turns.brief import Brief
from streaming.events import (
    Done,
    Error,
    ErrorCode,
    Event,
    FinishReason,
    Metadata,
    Transcript,
    Usage,
    notice_to_wire,
)
from streaming.producer import End, Ending
from streaming.providers.base import ProviderError

RETRY_ELSEWHERE = 5
"""Seconds: by then another process, or this one restarted, takes new questions."""

_STOP_REASONS = {
    Ending.UNREAD: StopReason.UNREAD,
    Ending.DRAINED: StopReason.SHUTDOWN,
}


def closing_events(brief: Brief, transcript: Transcript, end: End) -> list[Event]:
    """What readers are told at the end of what they have seen, in the language of their page."""
    with override(brief.interface or settings.LANGUAGE_CODE):
        return _closing_events(brief, transcript, end)


def _closing_events(brief: Brief, transcript: Transcript, end: End) -> list[Event]:
    progress = brief.progress
    match end.ending:
        case Ending.FAILED if end.error:
            return [_failure(brief, end.error)]
        case Ending.DEADLINE:
            return [as_event(ProviderError(ErrorCode.PROVIDER_TIMEOUT, "total deadline"))]
        case Ending.UNREAD:
            return [as_event(ProviderError(ErrorCode.STREAM_INTERRUPTED, "nobody read it"))]
        case Ending.DRAINED:
            return [
                as_event(
                    ProviderError(ErrorCode.STREAM_INTERRUPTED, "shut down", retry_after=RETRY_ELSEWHERE)
                )
            ]
    reason = FinishReason.STOPPED if end.ending is Ending.STOPPED else progress.finish_reason
    usage, _is_estimate = _usage(brief, transcript)
    return [Metadata(usage=usage, timing=progress.timing(), finish_reason=reason), Done()]


def _failure(brief: Brief, error: ProviderError) -> Error:
    if error.code == ErrorCode.QUOTA_EXCEEDED and brief.allowance:
        words = quota.words(brief.allowance.resets_at)
        return Error(error.code, words, error.retryable, error.retry_after)
    return as_event(error)


def close_turn(brief: Brief, transcript: Transcript, end: End) -> bool:
    """Save what was shown and how it ended. Sync.

    Nothing is saved where the conversation was deleted meanwhile. False where another process took this one
    for dead and has closed the turn.
    """
    if not save_answer(brief.answer_pk, transcript):
        return _is_saved_or_gone(brief.answer_pk, transcript)
    progress = brief.progress
    usage, is_estimate = _usage(brief, transcript)
    ended = {
        **ending_fields(transcript, end.error),
        **_measured(brief, transcript),
        **_charged(brief, usage, is_estimate),
        "stop_reason": _stop_reason(end),
        "lost_readers": end.lost_readers,
    }
    update(Generation, {"pk": brief.generation_pk}, ended)
    if brief.allowance and brief.allowance.tokens is not None:
        used = usage.total_tokens if usage else 0
        quota.settle(brief.person_pk, brief.allowance.tokens, used, brief.allowance.day)
    if withheld := progress.withheld:
        answer_event(brief.answer_pk, withheld, brief.verdict.ruleset_version).save()
    if events := opinion_events(brief.question_pk, brief.verdict, brief.heard):
        SafetyEvent.objects.bulk_create(events)
    if brief.cache_key:
        answer_cache.keep(brief.generation_pk, brief.cache_key, transcript)
    return True


def _is_saved_or_gone(answer_pk: int, transcript: Transcript) -> bool:
    """A commit whose confirmation was lost has saved it all the same."""
    stands = Message.objects.filter(pk=answer_pk).values_list("status", "content").first()
    return stands in (None, (transcript.outcome.value, transcript.text))


def save_answer(answer_pk: int, transcript: Transcript) -> bool:
    """False where the answer has been closed already, or is gone."""
    answer = {
        "content": transcript.text,
        "notices": [notice_to_wire(notice) for notice in transcript.notices],
        "status": transcript.outcome.value,
    }
    return bool(update(Message, {"pk": answer_pk, "status": Status.STREAMING.value}, answer))


def ending_fields(transcript: Transcript, error: ProviderError | None) -> dict[str, Any]:
    """The columns that say when and how an answer ended."""
    fields: dict[str, Any] = {"ended_at": timezone.now(), "finish_reason": transcript.finish_reason or ""}
    if isinstance(end := transcript.end, Error):
        fields |= {
            "error_code": end.code,
            "error_message": end.message,
            "error_detail": error.detail if error else "",
            "retryable": end.retryable,
            "retry_after": end.retry_after,
        }
    return fields


def _measured(brief: Brief, transcript: Transcript) -> dict[str, Any]:
    progress = brief.progress
    told = transcript.closing.timing if transcript.closing else None
    timing, gaps, trace = told or progress.timing(), progress.gaps(), progress.trace
    return {
        "ttft_ms": timing.ttft_ms,
        "duration_ms": timing.duration_ms,
        "tokens_per_second": timing.tokens_per_second,
        "gap_p50_ms": gaps and gaps.p50,
        "gap_p95_ms": gaps and gaps.p95,
        "deployment": trace.deployment,
        "attempts": [*(asdict(attempt) for attempt in trace.attempts), *(h.attempt for h in brief.heard)],
        "retries": trace.retries,
        "failovers": trace.failovers,
    }


def _charged(brief: Brief, usage: Usage | None, is_estimate: bool) -> dict[str, Any]:
    return {
        "prompt_tokens": usage and usage.prompt_tokens,
        "completion_tokens": usage and usage.completion_tokens,
        "usage_estimated": is_estimate,
        "cost": usage and quota.cost(engine().models[brief.model], usage),
    }


def _usage(brief: Brief, transcript: Transcript) -> tuple[Usage | None, bool]:
    """What was charged, and whether any of it is our estimate."""
    progress = brief.progress
    return quota.charged(progress.usage, progress.trace, brief.prompt, transcript.text)


def _stop_reason(end: End) -> str:
    if end.ending is Ending.STOPPED:
        return end.reason or StopReason.PERSON
    return _STOP_REASONS.get(end.ending, "")
