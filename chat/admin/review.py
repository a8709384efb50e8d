"""The review queues: feedback and safety events. Reviewers change their own fields and nothing else."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from chat.admin.conversations import transcript_link
from chat.admin.rules import rules_url
from chat.models import Feedback, ReviewStatus, SafetyEvent

REVIEW_FIELDS = ["review_status", "review_note"]


class ReviewAdmin(admin.ModelAdmin):
    """What happened is shown; what a reviewer thinks of it can be changed, and says by whom and when."""

    review_fields = REVIEW_FIELDS
    actions = ["mark_reviewed"]

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:  # noqa: ARG002
        return False

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


@admin.register(Feedback)
class FeedbackAdmin(ReviewAdmin):
    list_display = ["created_at", "rating", "comment", "answer", "person", "review_status"]
    list_filter = ["review_status", "rating", "message__generation__model", "created_at"]
    list_select_related = ["message", "person__user"]
    search_fields = ["comment", "message__content"]
    date_hierarchy = "created_at"
    ordering = ["-created_at"]
    fieldsets = [
        (None, {"fields": ["answer", "person", "rating", "reasons", "comment", "created_at", "updated_at"]}),
        (_("Review"), {"fields": [*REVIEW_FIELDS, "reviewed_by", "reviewed_at"]}),
    ]


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
