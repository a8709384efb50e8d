"""What a dead process leaves: its answers are finished from the log, or from their last checkpoints."""

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from chat import quota
from chat.context import estimate_tokens
from chat.engine import engine
from chat.errors import as_event
from chat.models import Checkpoint, Generation, Message, Person, Status, StopReason
from chat.turns.closing import ending_fields, save_answer
from chat.work import unit_of_work
from streaming.events import (
    Error,
    ErrorCode,
    Event,
    Notice,
    Token,
    Transcript,
    fold,
    notice_from_wire,
)
from streaming.log.base import LogUnavailable, StreamNotFound
from streaming.providers.base import ProviderError

logger = logging.getLogger(__name__)

CONCLUDE_TRIES = 5
DIED = "its writer died"


@dataclass(frozen=True, slots=True)
class _Orphan:
    """An answer that its writer left unfinished, as its last checkpoint has it."""

    stream: uuid.UUID
    generation_pk: int
    answer_pk: int
    reserved: int
    prompt_tokens: int
    started_at: datetime
    checkpoint: list[Event]


async def sweep(*, stale: float, stream: uuid.UUID | None = None) -> int:
    """Finish the answers whose writer has not been heard of for `stale` seconds, as interrupted; gives
    their number.

    What they say comes from the log where that outlived the writer, else from the checkpoint. Any process
    may do it, several at once too. With `stream`, only that one.
    """
    orphans = await unit_of_work(_orphans, timezone.now() - timedelta(seconds=stale), stream)
    swept = [await _finish(o) for o in orphans if not engine().producer.writes(str(o.stream))]
    # Not when an answer ends: that would cost each one a statement.
    running = Generation.objects.filter(pk=OuterRef("pk"), ended_at=None)
    await unit_of_work(Checkpoint.objects.filter(~Exists(running)).delete)
    return sum(swept)


def _orphans(heard_before: datetime, stream: uuid.UUID | None) -> list[_Orphan]:
    running = Generation.objects.filter(ended_at=None, started_at__lt=heard_before)
    if stream is not None:
        running = running.filter(stream_uuid=stream)
    silent = running.filter(Q(checkpoint=None) | Q(checkpoint__beat_at__lt=heard_before))
    return [_orphan(generation) for generation in silent.select_related("checkpoint")]


def _orphan(generation: Generation) -> _Orphan:
    kept = getattr(generation, "checkpoint", None)
    events: list[Event] = []
    if kept:
        notices = [notice_from_wire(fields) for fields in kept.notices]
        events = [*_standing(notices), Token(kept.content), *_correcting(notices)]
    return _Orphan(
        stream=generation.stream_uuid,
        generation_pk=generation.pk,
        answer_pk=generation.message_id,
        reserved=generation.reserved_tokens,
        prompt_tokens=generation.prompt_tokens or 0,
        started_at=generation.started_at,
        checkpoint=events,
    )


def _standing(notices: list[Notice]) -> list[Notice]:
    return [notice for notice in notices if notice.replace_from is None]


def _correcting(notices: list[Notice]) -> list[Notice]:
    return [notice for notice in notices if notice.replace_from is not None]


async def _finish(orphan: _Orphan) -> bool:
    """False where another process was first, or the log cannot be reached: then a later sweep does it."""
    is_ours = False
    for _try in range(CONCLUDE_TRIES):
        try:
            entries = await engine().log.read(str(orphan.stream))
        except StreamNotFound:
            return await unit_of_work(_save, orphan, _interrupted(fold(orphan.checkpoint)), is_ours)
        except LogUnavailable:
            return is_ours
        transcript = fold(event for _seq, event in entries)
        had_ended = transcript.end is not None  # but its writer could not save it
        if not await unit_of_work(_save, orphan, _interrupted(transcript), is_ours):
            return False
        is_ours = True
        last = entries[-1][0] if entries else 0
        if had_ended or await engine().log.conclude(str(orphan.stream), last, [_cut_off()]):
            return True
        # Its writer was only slow, and has added to the log: what it showed is saved, too.
    return is_ours


def _cut_off() -> Error:
    return as_event(ProviderError(ErrorCode.STREAM_INTERRUPTED, DIED))


def _interrupted(transcript: Transcript) -> Transcript:
    if transcript.end is None:
        transcript.apply(_cut_off())
    return transcript


def _save(orphan: _Orphan, transcript: Transcript, is_ours: bool) -> bool:
    """`is_ours`: this process has closed the answer before, and now knows more of it."""
    if is_ours:
        Message.objects.filter(pk=orphan.answer_pk).update(status=Status.STREAMING)
    if not save_answer(orphan.answer_pk, transcript):
        return False
    said = estimate_tokens(transcript.text) if transcript.text else 0
    Generation.objects.filter(pk=orphan.generation_pk).update(
        **ending_fields(transcript, ProviderError(ErrorCode.STREAM_INTERRUPTED, DIED)),
        stop_reason=StopReason.DIED,
        completion_tokens=said,
        usage_estimated=True,
    )
    if not is_ours:
        _settle(orphan, said)
    return True


def _settle(orphan: _Orphan, said: int) -> None:
    """Give back what the answer had reserved of its person's day and did not use."""
    if not orphan.reserved:
        return
    owner = Person.objects.get(conversations__messages=orphan.answer_pk)
    day = quota.day_at(owner, orphan.started_at)
    quota.settle(owner.pk, orphan.reserved, orphan.prompt_tokens + said, day)
