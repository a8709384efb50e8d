"""How each answer was generated. The longest table of all: every list here is read along an index."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as now_
from django.utils.translation import gettext_lazy as _

from chat.admin.base import ReadOnlyAdmin, ShortPaginator, short
from chat.admin.conversations import transcript_link
from chat.engine import engine
from chat.models import AnswerStatistics, Generation, Message
from chat.tokens import message_cost
from streaming.events import ErrorCode, FinishReason

type Choice = tuple[str, Any]


class AnswerFilter(admin.SimpleListFilter):
    """A filter whose choices are known without reading the answers."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Generation]) -> QuerySet[Generation]:  # noqa: ARG002
        value = self.value()
        return queryset if value is None else queryset.filter(self.condition(value))

    def condition(self, value: str) -> Q:
        return Q(**{self.parameter_name or "": value})


class ModelFilter(AnswerFilter):
    title = _("model")
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[Choice]:  # noqa: ARG002
        """Those there are now, and those there were."""
        were = AnswerStatistics.objects.order_by().values_list("model", flat=True).distinct()
        return [(name, name) for name in sorted({*engine().models, *were})]


class EndedFilter(AnswerFilter):
    """In place of a date hierarchy, which would read every date; the statistics link to each hour."""

    title = _("end")
    parameter_name = "ended"
    spans = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[Choice]:  # noqa: ARG002
        return [
            ("hour", _("in the past hour")),
            ("day", _("in the past 24 hours")),
            ("week", _("in the past 7 days")),
            ("not", _("not yet")),
        ]

    def condition(self, value: str) -> Q:
        if value == "not":
            return Q(ended_at=None)
        span = self.spans.get(value)
        return Q(ended_at__gte=timezone.now() - span) if span else Q()


class TroubleFilter(AnswerFilter):
    title = _("trouble")
    parameter_name = "trouble"
    conditions = {
        "retried": Q(retries__gt=0),
        "failed_over": Q(failovers__gt=0),
        "lost": Q(lost_readers__gt=0),
        "estimated": Q(usage_estimated=True),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[Choice]:  # noqa: ARG002
        return [
            ("retried", _("asked again")),
            ("failed_over", _("failed over")),
            ("lost", _("lost a reader")),
            ("estimated", _("tokens estimated")),
        ]

    def condition(self, value: str) -> Q:
        return self.conditions.get(value, Q())


class FinishFilter(AnswerFilter):
    title = _("finish reason")
    parameter_name = "finish_reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[Choice]:  # noqa: ARG002
        return [(reason.value, reason.value) for reason in FinishReason]


class ErrorFilter(AnswerFilter):
    title = _("error")
    parameter_name = "error_code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[Choice]:  # noqa: ARG002
        return [(code.value, code.value.replace("_", " ")) for code in ErrorCode]


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message of a prompt; `is_gone` where the one in the conversation was deleted."""

    role: str
    text: str
    tokens: int
    is_gone: bool = False


def sent_messages(generation: Generation) -> list[SentMessage]:
    """One query for all that it names by number."""
    numbers = [part["message"] for part in generation.sent if "message" in part]
    texts = dict(Message.objects.filter(pk__in=numbers).values_list("pk", "content")) if numbers else {}
    return [
        _sent(part["role"], part.get("content", texts.get(part.get("message")))) for part in generation.sent
    ]


def _sent(role: str, text: str | None) -> SentMessage:
    return SentMessage(role, text or "", message_cost(text) if text else 0, is_gone=text is None)


def _seconds(milliseconds: int | None) -> str:
    return "–" if milliseconds is None else f"{milliseconds / 1000:.2f}"


@admin.register(Generation)
class GenerationAdmin(ReadOnlyAdmin):
    """Model, timing, tries and cost of every answer."""

    # What else is known of an answer can be filtered by, and stands on its page.
    list_display = [
        "started", "model", "outcome", "time", "tries", "cost", "answer",
    ]  # fmt: skip
    list_display_links = ["started"]
    list_filter = [
        EndedFilter, "message__status", "stop_reason", TroubleFilter, "cached", ModelFilter, FinishFilter,
        ErrorFilter,
    ]  # fmt: skip
    list_select_related = ["message"]
    search_fields = ["message__content", "error_detail"]
    search_help_text = _("Words in the answer or in an error's detail")
    ordering = ["-pk"]
    paginator = ShortPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    fieldsets = [
        (None, {"fields": ["answer", "outcome", ("model", "deployment"), ("started_at", "ended_at")]}),
        (_("Tries"), {"fields": ["attempts_table", ("retries", "failovers")]}),
        (
            _("Time"),
            {
                "fields": [
                    ("ttft_ms", "duration_ms", "tokens_per_second"),
                    ("gap_p50_ms", "gap_p95_ms"),
                    ("lost_readers", "paused_after"),
                ]
            },
        ),
        (
            _("Tokens"),
            {
                "fields": [
                    ("tokens", "cost", "reserved_tokens"),
                ]
            },
        ),
        (
            _("End"),
            {
                "fields": [
                    ("finish_reason", "stop_reason"),
                    ("error_code", "retry_after"),
                    "error_message",
                    "error_detail",
                ]
            },
        ),
        (_("What was sent"), {"fields": ["sent_messages"]}),
        (
            _("Made with"),
            {
                "fields": [
                    ("prompt_version", "ruleset_version"),
                    ("language", "country"),
                    "stream_uuid",
                ]
            },
        ),
    ]
    readonly_fields = ["answer", "outcome", "attempts_table", "tokens", "sent_messages", "stream_uuid"]

    class Media:
        css = {"all": ["css/admin-facts.css", "css/admin-prompts.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Generation]:
        """Without those in conversations that their person has deleted, and may bring back."""
        rows: QuerySet[Generation] = super().get_queryset(request)
        return rows.filter(message__conversation__deleted_at=None)

    @admin.display(description=_("started"), ordering="pk")
    def started(self, generation: Generation) -> str:
        return short(generation.started_at)

    @admin.display(description=_("first text / whole, s"), ordering="ttft_ms")
    def time(self, generation: Generation) -> str:
        return f"{_seconds(generation.ttft_ms)} / {_seconds(generation.duration_ms)}"

    @admin.display(description=_("tokens in / out"))
    def tokens(self, generation: Generation) -> str:
        if generation.prompt_tokens is None:
            return "–"
        told = f"{generation.prompt_tokens:,} / {generation.completion_tokens or 0:,}"
        return now_("%(tokens)s, our estimate") % {"tokens": told} if generation.usage_estimated else told

    @admin.display(description=_("status"), ordering="message__status")
    def outcome(self, generation: Generation) -> str:
        parts = [generation.message.get_status_display()]
        if generation.cached:
            parts.append(now_("replayed"))
        if generation.stop_reason:
            parts.append(generation.get_stop_reason_display())
        return ", ".join(parts)

    @admin.display(description=_("tries"))
    def tries(self, generation: Generation) -> str:
        """How often a deployment was asked, and how many they were."""
        number = sum(attempt.get("kind") != "opinion" for attempt in generation.attempts)
        if not number:
            return "–"
        if not generation.failovers:
            return str(number)
        return now_("%(number)d, %(failovers)d to another") % {
            "number": number,
            "failovers": generation.failovers,
        }

    @admin.display(description=_("answer"))
    def answer(self, generation: Generation) -> SafeString:
        return transcript_link(generation.message)

    @admin.display(description=_("tries"))
    def attempts_table(self, generation: Generation) -> SafeString:
        return render_to_string("admin/chat/attempts.html", {"attempts": generation.attempts})

    @admin.display(description=_("what was sent"))
    def sent_messages(self, generation: Generation) -> SafeString:
        """The prompt, put together again from what the conversation keeps."""
        shown = sent_messages(generation)
        context = {"messages": shown, "tokens": sum(message.tokens for message in shown)}
        return render_to_string("admin/chat/sent.html", context)
