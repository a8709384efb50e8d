"""The review queues: feedback and safety events. Reviewers change their own fields and nothing else."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from chat.admin.conversations import transcript_link
from chat.admin.rules import rules_url
from chat.models import Feedback, Reason, ReviewStatus, SafetyEvent

REVIEW_FIELDS = ["review_status", "review_note"]


class ReviewAdmin(admin.ModelAdmin):
    """What happened is shown; what a reviewer thinks of it can be changed, and says by whom and when."""

    review_fields = REVIEW_FIELDS
    actions = ["mark_reviewed"]

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:  # noqa: ARG002
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Without those in conversations that their person has deleted, and may bring back."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.filter(message__conversation__deleted_at=None)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:  # noqa: ARG002
        model: type[Model] = self.model
        facts = [field.name for field in model._meta.fields if field.name not in self.review_fields]
        return [*facts, "answer"]

    def save_model(self, request: HttpRequest, obj: Feedback | SafetyEvent, form: Any, change: bool) -> None:
        obj.reviewed_by, obj.reviewed_at = request.user, timezone.now()  # type: ignore[assignment]
        super().save_model(request, obj, form, change)

    @admin.display(description=_("message"))
    def answer(self, row: Feedback | SafetyEvent) -> SafeString:
        return transcript_link(row.message)

    @admin.action(description=_("Mark as reviewed"), permissions=["change"])
    def mark_reviewed(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        rows.update(review_status=ReviewStatus.REVIEWED, reviewed_by=request.user, reviewed_at=timezone.now())


class ReasonFilter(admin.SimpleListFilter):
    title = _("reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        return list(Reason.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Feedback]) -> QuerySet[Feedback]:  # noqa: ARG002
        if self.value() not in Reason.values:
            return queryset
        # SQLite cannot look into a JSON list; a code in quotes stands in no other.
        told = Cast("reasons", TextField())
        return queryset.annotate(reasons_text=told).filter(reasons_text__contains=f'"{self.value()}"')


class AnsweredFilter(admin.SimpleListFilter):
    title = _("answer to the parent")
    parameter_name = "answered"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        return [("no", _("not answered")), ("unread", _("answered, not read yet")), ("read", _("read"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Feedback]) -> QuerySet[Feedback]:  # noqa: ARG002
        match self.value():
            case "no":
                return queryset.filter(reply="")
            case "unread":
                return queryset.exclude(reply="").filter(reply_seen_at=None)
            case "read":
                return queryset.exclude(reply="").exclude(reply_seen_at=None)
        return queryset


@admin.register(Feedback)
class FeedbackAdmin(ReviewAdmin):
    review_fields = ["reply", *REVIEW_FIELDS]
    list_display = ["created_at", "rating", "why", "comment", "answer", "person", "review_status"]
    list_filter = [
        "review_status",
        "rating",
        ReasonFilter,
        AnsweredFilter,
        "message__generation__model",
        "created_at",
    ]
    list_select_related = ["message", "person__user"]
    search_fields = ["comment", "message__content"]
    date_hierarchy = "created_at"
    ordering = ["-created_at"]
    fieldsets = [
        (None, {"fields": ["answer", "person", "rating", "why", "comment", "created_at", "updated_at"]}),
        (_("Answer to the parent"), {"fields": ["reply", "replied_at", "reply_seen_at"]}),
        (_("Review"), {"fields": [*REVIEW_FIELDS, "reviewed_by", "reviewed_at"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), "why"]

    def save_model(self, request: HttpRequest, obj: Feedback, form: Any, change: bool) -> None:  # type: ignore[override]
        """A changed answer is news for the parent, once more."""
        if "reply" in form.changed_data:
            obj.replied_at, obj.reply_seen_at = timezone.now() if obj.reply else None, None
        super().save_model(request, obj, form, change)

    @admin.display(description=_("reasons"))
    def why(self, row: Feedback) -> str:
        labels = dict(Reason.choices)
        return ", ".join(str(labels.get(reason, reason)) for reason in row.reasons)


@admin.register(SafetyEvent)
class SafetyEventAdmin(ReviewAdmin):
    review_fields = ["review_label", *REVIEW_FIELDS]
    list_display = ["created_at", "severity", "category", "answer", "direction", "action", "review_status"]
    list_filter = ["review_status", "severity", "category", "direction", "action", "review_label"]
    list_select_related = ["message"]
    search_fields = ["text", "rule_ids", "message__content"]
    date_hierarchy = "created_at"
    ordering = ["-created_at"]
    fieldsets = [
        (None, {"fields": ["answer", "direction", "text", "category", "severity", "action", "score"]}),
        (_("Rules"), {"fields": ["rule_ids", "card", "ruleset_version", "created_at"]}),
        (_("Review"), {"fields": ["review_label", *REVIEW_FIELDS, "reviewed_by", "reviewed_at"]}),
    ]

    def get_urls(self) -> list[URLPattern]:
        return [rules_url(self), *super().get_urls()]
