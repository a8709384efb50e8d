"""What was used, hour by hour and day by day; and the answers that are given again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Max, Q, Sum
from django.db.models.functions import TruncDay
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as now_
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from chat.admin.base import FactAdmin, ReadOnlyAdmin, short
from chat.admin.conversations import transcript_link
from chat.models import AnswerStatistics, CachedAnswer
from chat.models.usage import ASIDES, CachedAnswerQuerySet

DAYS = 14
SUMS = (
    "answers", "complete", "stopped", "refused", "interrupted", "failed", "cached", "failovers",
    "prompt_tokens", "completion_tokens", "cost",
)  # fmt: skip
SUMS_OF_ASIDES = ("prompt_tokens", "completion_tokens", "cost")


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a day's bar, in percent of the busiest day."""

    kind: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Day:
    """A day's answers of all models. `slowest_ms` is the worst hour's 95th percentile to the first text;
    `asides` is what titles and summaries used, and not in `totals`.
    """

    day: date
    totals: dict[str, Any]
    asides: dict[str, Any]
    slowest_ms: int | None
    bars: Sequence[Bar]

    @property
    def unwell(self) -> int:
        return int(self.totals["interrupted"] + self.totals["failed"])


def days(now: datetime) -> list[Day]:
    """The past two weeks, the latest first; only days on which anything was used. One query."""
    is_aside = Q(deployment=ASIDES)
    of_answers = {f"sum_{name}": Sum(name, filter=~is_aside, default=0) for name in SUMS}
    of_asides = {f"aside_{name}": Sum(name, filter=is_aside, default=0) for name in SUMS_OF_ASIDES}
    rows: Any = (
        AnswerStatistics.objects.filter(hour__gte=now - timedelta(days=DAYS))
        .annotate(day=TruncDay("hour"))
        .values("day")
        .annotate(slowest=Max("ttft_p95_ms"), **of_answers, **of_asides)
        .order_by("-day")
    )
    most = max((row["sum_answers"] for row in rows), default=0) or 1
    return [_day(row, most) for row in rows]


def _day(row: dict[str, Any], most: int) -> Day:
    totals = {name: row[f"sum_{name}"] for name in SUMS}
    asides = {name: row[f"aside_{name}"] for name in SUMS_OF_ASIDES}
    return Day(row["day"].date(), totals, asides, row["slowest"], _bars(totals, most))


def _bars(totals: dict[str, Any], most: int) -> list[Bar]:
    """Whole answers, those that people or rules ended, and those that went wrong, side by side."""
    parts = [
        ("whole", totals["complete"]),
        ("ended", totals["stopped"] + totals["refused"]),
        ("wrong", totals["interrupted"] + totals["failed"]),
    ]
    bars, x = [], 0.0
    for kind, number in parts:
        width = round(100 * number / most, 2)
        bars.append(Bar(kind, round(x, 2), width))
        x += width
    return bars


def currency() -> str:
    """Of the price list, where all of it has the same."""
    known = {model.currency for model in settings.MODELS if model.currency}
    return known.pop() if len(known) == 1 else ""


def _between(low: float | None, high: float | None) -> str:
    return "–" if low is None else f"{low} / {high}"


@admin.register(AnswerStatistics)
class AnswerStatisticsAdmin(FactAdmin):
    """An hour of a model in a row, under the days of the past two weeks."""

    list_display = [
        "when", "asked", "answers", "not_whole", "cached", "first_text", "gaps", "speed", "tokens", "cost",
    ]  # fmt: skip
    list_per_page = 48
    search_fields = ["model", "deployment"]
    search_help_text = _("A model or a deployment")
    date_hierarchy = "hour"
    ordering = ["-hour", "model", "deployment"]
    show_full_result_count = False

    class Media:
        css = {"all": ["css/admin-facts.css"]}

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {"days": days(timezone.now()), "currency": currency()}
        return super().changelist_view(request, (extra_context or {}) | context)

    @admin.display(description=_("hour"), ordering="hour")
    def when(self, row: AnswerStatistics) -> str:
        return short(row.hour)

    @admin.display(description=_("model"), ordering="model")
    def asked(self, row: AnswerStatistics) -> SafeString:
        where = now_("titles and summaries") if row.deployment == ASIDES else row.deployment
        return format_html('{} <span class="quiet">{}</span>', row.model, where)

    @admin.display(description=_("tokens/s"), ordering="tokens_per_second")
    def speed(self, row: AnswerStatistics) -> str:
        return "–" if row.tokens_per_second is None else f"{row.tokens_per_second:.0f}"

    @admin.display(description=_("not whole"))
    def not_whole(self, row: AnswerStatistics) -> SafeString | str:
        """With the way to them."""
        counted = [
            (row.stopped, now_("stopped")),
            (row.refused, now_("refused")),
            (row.interrupted, now_("interrupted")),
            (row.failed, now_("failed")),
        ]
        parts = [f"{count} {words}" for count, words in counted if count]
        if not parts:
            return "–"
        return format_html('<a href="{}">{}</a>', answers_of(row), ", ".join(parts))

    @admin.display(description=_("first text, ms"), ordering="ttft_p50_ms")
    def first_text(self, row: AnswerStatistics) -> str:
        return _between(row.ttft_p50_ms, row.ttft_p95_ms)

    @admin.display(description=_("gaps, ms"), ordering="gap_p50_ms")
    def gaps(self, row: AnswerStatistics) -> str:
        return _between(row.gap_p50_ms, row.gap_p95_ms)

    @admin.display(description=_("tokens in / out"), ordering="completion_tokens")
    def tokens(self, row: AnswerStatistics) -> str:
        return f"{row.prompt_tokens:,} / {row.completion_tokens:,}"


def answers_of(row: AnswerStatistics) -> str:
    """The list of the answers that a row counts."""
    query = {
        "ended_at__gte": row.hour.isoformat(),
        "ended_at__lt": (row.hour + timedelta(hours=1)).isoformat(),
        "model": row.model,
    }
    return f"{reverse('admin:chat_generation_changelist')}?{urlencode(query)}"


def _chosen(which: str) -> CachedAnswerQuerySet:
    match which:
        case "expired":
            return CachedAnswer.objects.expired()
        case "all":
            return CachedAnswer.objects.all()
    raise Http404


@admin.register(CachedAnswer)
class CachedAnswerAdmin(ReadOnlyAdmin):
    """What is given again, how often, and from which answer; it can be taken out at any time."""

    list_display = ["question", "hits", "age", "last_hit", "made_with", "answer"]
    list_display_links = ["question"]
    list_select_related = ["generation__message__question"]
    search_fields = [
        "generation__message__question__content",
        "generation__message__content",
        "generation__model",
        "generation__prompt_version",
    ]
    search_help_text = _("Words in the question or the answer, a model or a prompt version")
    ordering = ["-hits", "-kept_at"]
    fields = [
        "question",
        "answer",
        ("by_model", "prompt_version"),
        ("kept_at", "age"),
        ("hits", "last_hit_at"),
    ]
    readonly_fields = ["question", "answer", "by_model", "prompt_version", "age"]

    class Media:
        css = {"all": ["css/admin-facts.css"]}

    @admin.display(description=_("question"))
    def question(self, row: CachedAnswer) -> str:
        question = row.generation.message.question
        return question.content[:80] if question else "–"

    @admin.display(description=_("answer"))
    def answer(self, row: CachedAnswer) -> SafeString:
        return transcript_link(row.generation.message)

    @admin.display(description=_("model"), ordering="generation__model")
    def by_model(self, row: CachedAnswer) -> str:
        return row.generation.model

    @admin.display(description=_("prompt version"), ordering="generation__prompt_version")
    def prompt_version(self, row: CachedAnswer) -> str:
        return row.generation.prompt_version

    @admin.display(description=_("made with"), ordering="generation__prompt_version")
    def made_with(self, row: CachedAnswer) -> SafeString:
        return format_html(
            '{} <span class="quiet">{}</span>', row.generation.model, row.generation.prompt_version
        )

    @admin.display(description=_("last hit"), ordering="last_hit_at")
    def last_hit(self, row: CachedAnswer) -> str:
        return short(row.last_hit_at)

    @admin.display(description=_("age"), ordering="-kept_at")
    def age(self, row: CachedAnswer) -> str:
        age = timesince(row.kept_at)
        return now_("%(age)s, expired") % {"age": age} if row.expires_at <= timezone.now() else age

    def get_urls(self) -> list[URLPattern]:
        ours = path(
            "purge/<str:which>/", self.admin_site.admin_view(self.purge), name="chat_cachedanswer_purge"
        )
        return [ours, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"may_purge": self.has_delete_permission(request), "is_on": settings.ANSWER_CACHE}
        return super().changelist_view(request, (extra_context or {}) | context)

    def purge(self, request: HttpRequest, which: str) -> HttpResponse:
        """Remove the expired ones, or all. The answers that they came from stay."""
        if not self.has_delete_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        removed = _chosen(which).delete()[0]
        told = ngettext(
            "%(number)d answer is given again no more.",
            "%(number)d answers are given again no more.",
            removed,
        )
        messages.success(request, told % {"number": removed})
        return redirect("admin:chat_cachedanswer_changelist")
