"""An hour's answers in a row, counted from the generations that ended in it; and in another what its titles
and summaries used, added up as they are made, since nothing of theirs stays to be counted later.

Any worker may count, as often as it likes: an hour is counted again while something may still come to it,
always from the answers themselves, and written as a whole. They are found by the index of `ended_at`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from math import ceil
from typing import NamedTuple

from django.db import models
from django.db.models import F
from django.utils import timezone

from chat.models import AnswerStatistics, Generation, Status
from chat.models.usage import ASIDES
from streaming.events import Usage

HOUR = timedelta(hours=1)
LATE = timedelta(minutes=5)
"""How long after its end an answer may become visible here: a slow commit, or another host's clock."""


class Ended(NamedTuple):
    """What is read of an answer."""

    ended_at: datetime
    model: str
    deployment: str
    status: str
    cached: bool
    retries: int
    failovers: int
    lost_readers: int
    prompt_tokens: int | None
    completion_tokens: int | None
    cost: Decimal | None
    ttft_ms: int | None
    gap_p50_ms: int | None
    gap_p95_ms: int | None
    tokens_per_second: float | None
    duration_ms: int | None


type Place = tuple[datetime, str, str]
"""What a row is about: hour, model, deployment."""


def roll_up(now: datetime, *, at_most_every: timedelta = timedelta()) -> int:
    """Count what has ended since the last count; gives the number of rows written. Sync.

    Two statements where nothing has ended, four otherwise; one where the last count is younger than
    `at_most_every`. A count that is larger than the new one stays: answers were deleted in between.
    """
    last = AnswerStatistics.objects.of_answers().order_by("-hour", "-rolled_at").only("rolled_at").first()
    if last and now - last.rolled_at < at_most_every:
        return 0
    rows = list(_rows(_read(_hour(last.rolled_at - LATE) if last else None, now), now))
    if rows:
        known = _known(rows[0].hour)
        _write([_larger(row, known.get(_place(row))) for row in rows])
    return len(rows)


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _read(since: datetime | None, now: datetime) -> Iterable[Ended]:
    """What ended from `since` on, in the order of the index."""
    ended = Generation.objects.filter(ended_at__lte=now + LATE)
    if since:
        ended = ended.filter(ended_at__gte=since)
    fields = ["message__status" if name == "status" else name for name in Ended._fields]
    return (Ended(*row) for row in ended.order_by("ended_at").values_list(*fields).iterator(2000))


def _rows(answers: Iterable[Ended], now: datetime) -> Iterator[AnswerStatistics]:
    """The rows of each hour in turn: of answers in their order, no more than an hour's are held."""
    for hour, in_hour in groupby(answers, lambda answer: _hour(answer.ended_at)):
        places: dict[Place, list[Ended]] = defaultdict(list)
        for answer in in_hour:
            places[hour, answer.model, answer.deployment].append(answer)
        yield from (_row(place, ended, now) for place, ended in places.items())


def _known(since: datetime) -> dict[Place, AnswerStatistics]:
    return {_place(row): row for row in AnswerStatistics.objects.of_answers().filter(hour__gte=since)}


def _place(row: AnswerStatistics) -> Place:
    return row.hour, row.model, row.deployment


def _row(place: Place, ended: Sequence[Ended], now: datetime) -> AnswerStatistics:
    hour, model, deployment = place
    given = [answer for answer in ended if not answer.cached]
    return AnswerStatistics(
        hour=hour,
        model=model,
        deployment=deployment,
        rolled_at=now,
        answers=len(ended),
        complete=_count(ended, Status.COMPLETE),
        stopped=_count(ended, Status.STOPPED),
        refused=_count(ended, Status.REFUSED),
        interrupted=_count(ended, Status.INTERRUPTED),
        failed=_count(ended, Status.FAILED),
        cached=len(ended) - len(given),
        retries=sum(answer.retries for answer in ended),
        failovers=sum(answer.failovers for answer in ended),
        lost_readers=sum(answer.lost_readers for answer in ended),
        prompt_tokens=sum(answer.prompt_tokens or 0 for answer in ended),
        completion_tokens=sum(answer.completion_tokens or 0 for answer in ended),
        cost=sum((answer.cost or Decimal() for answer in ended), Decimal()),
        ttft_p50_ms=percentile([answer.ttft_ms for answer in given], 50),
        ttft_p95_ms=percentile([answer.ttft_ms for answer in given], 95),
        gap_p50_ms=percentile([answer.gap_p50_ms for answer in given], 50),
        gap_p95_ms=percentile([answer.gap_p95_ms for answer in given], 95),
        tokens_per_second=percentile([answer.tokens_per_second for answer in given], 50),
        duration_p50_ms=percentile([answer.duration_ms for answer in given], 50),
        duration_p95_ms=percentile([answer.duration_ms for answer in given], 95),
    )


def _count(ended: Sequence[Ended], status: Status) -> int:
    return sum(answer.status == status for answer in ended)


def percentile[N: (int, float)](values: Iterable[N | None], percent: int) -> N | None:
    """The smallest value that at least `percent` of the known ones do not exceed; None without any."""
    known = sorted(value for value in values if value is not None)
    return known[max(0, ceil(len(known) * percent / 100) - 1)] if known else None


def _larger(new: AnswerStatistics, old: AnswerStatistics | None) -> AnswerStatistics:
    if old is None or old.answers <= new.answers:
        return new
    old.pk, old.rolled_at = None, new.rolled_at
    return old


def _write(rows: Sequence[AnswerStatistics]) -> None:
    place = ["hour", "model", "deployment"]
    facts = [field.name for field in _fields() if field.name not in ("id", *place)]
    AnswerStatistics.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=place, update_fields=facts
    )


def _fields() -> "Sequence[models.Field[object, object]]":
    return AnswerStatistics._meta.concrete_fields


# --- Beside the answers -------------------------------------------------------------------------------------


def count_aside(model: str, usage: Usage, cost: Decimal | None) -> None:
    """Add what a title or a summary used to the row of its hour. Sync; two statements, or three."""
    now = timezone.now()
    row, _is_new = AnswerStatistics.objects.get_or_create(
        hour=_hour(now), model=model, deployment=ASIDES, defaults={"rolled_at": now}
    )
    AnswerStatistics.objects.filter(pk=row.pk).update(
        rolled_at=now,
        prompt_tokens=F("prompt_tokens") + usage.prompt_tokens,
        completion_tokens=F("completion_tokens") + usage.completion_tokens,
        cost=F("cost") + (cost or Decimal()),
    )
