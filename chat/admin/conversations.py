"""Conversations as readable transcripts."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from chat.admin.base import ReadOnlyAdmin
from chat.models import Conversation, Feedback, Message, Rating, SafetyEvent
from chat.rendering import message_view


class SafetyFilter(admin.SimpleListFilter):
    title = _("safety events")
    parameter_name = "safety"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        return [("yes", _("with safety events"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> QuerySet[Conversation]:  # noqa: ARG002
        if self.value() != "yes":
            return queryset
        return queryset.filter(Exists(SafetyEvent.objects.filter(message__conversation=OuterRef("pk"))))


class FeedbackFilter(admin.SimpleListFilter):
    title = _("feedback")
    parameter_name = "rated"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        return list(Rating.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> QuerySet[Conversation]:  # noqa: ARG002
        if self.value() not in Rating.values:
            return queryset
        rated = Feedback.objects.filter(message__conversation=OuterRef("pk"), rating=self.value())
        return queryset.filter(Exists(rated))


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin):
    list_display = ["title", "owner", "messages", "updated_at"]
    list_filter = [SafetyFilter, FeedbackFilter, "updated_at"]
    list_select_related = ["owner__user"]
    search_fields = ["title", "messages__content"]
    search_help_text = _("Words in the title or in any message")
    date_hierarchy = "updated_at"
    ordering = ["-updated_at"]
    fields = [("title", "owner"), ("created_at", "updated_at"), "transcript"]
    readonly_fields = ["transcript"]

    class Media:
        css = {"all": ["css/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        """Without those that their person has deleted, and may bring back."""
        rows: QuerySet[Conversation] = super().get_queryset(request).filter(deleted_at=None)
        return rows.annotate(message_count=Count("messages", distinct=True))  # a search joins them again

    @admin.display(description=_("messages"), ordering="message_count")
    def messages(self, conversation: Conversation) -> int:
        return conversation.message_count  # type: ignore[attr-defined, no-any-return]

    @admin.display(description=_("transcript"))
    def transcript(self, conversation: Conversation) -> SafeString:
        """The whole conversation, also the answers that a new try replaced, with what reviewers look for."""
        messages = conversation.messages.order_by("pk")
        rows = messages.select_related("generation").prefetch_related("feedback", "safety_events")
        entries = [{"message": message_view(row, None), "row": row} for row in rows]
        return render_to_string("admin/chat/transcript.html", {"entries": entries})


def transcript_link(message: Message) -> SafeString:
    """From a row about a message to its place in the transcript."""
    address = reverse("admin:chat_conversation_change", args=[message.conversation_id])
    return format_html('<a href="{}#m-{}">{}</a>', address, message.uuid, message.content[:80] or "—")
