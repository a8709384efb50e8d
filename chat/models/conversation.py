"""What was said: conversations, their messages, and how each answer was generated."""

import uuid
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import models
from django.db.models import Count, Q
from django.utils.translation import gettext_lazy as _

from streaming.events import Outcome

if TYPE_CHECKING:
    from chat.models.people import Person

TITLE_CHARS = 80


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def of(self, person: "Person") -> "ConversationQuerySet":
        """This person's, the most recently used first; without those that were deleted a moment ago."""
        return self.filter(owner=person, deleted_at=None).order_by("-updated_at", "-pk")

    def counted(self) -> "ConversationQuerySet":
        """Each with `message_count`."""
        return self.annotate(message_count=Count("messages"))


class Conversation(models.Model):
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey("chat.Person", on_delete=models.CASCADE, related_name="conversations")
    title = models.CharField(max_length=TITLE_CHARS)
    is_named = models.BooleanField(
        default=False,
        help_text="The person chose the title, or none may show: it is not made from the content.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField()
    pinned_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(
        null=True, blank=True, help_text="Gone for its person, who may still undo it; then removed."
    )
    uses_profile = models.BooleanField(
        default=True, help_text="The answers may know the person's profile, as far as there is one."
    )

    objects = ConversationQuerySet.as_manager()

    class Meta:
        indexes = [
            # The list beside the chat, and its cursor: one person's, newest first.
            models.Index(fields=["owner", "-updated_at", "-id"], name="conversation_list"),
            # The ones whose time for an undo is over, to be removed.
            models.Index(
                fields=["deleted_at"], condition=Q(deleted_at__isnull=False), name="conversation_deleted"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def running_streams(self) -> "list[UUID]":
        """The streams of the answers that are being written in it: usually none, at most one for long."""
        unfinished = Generation.objects.filter(message__conversation=self, ended_at=None)
        return list(unfinished.values_list("stream_uuid", flat=True))


class Share(models.Model):
    """A conversation that anybody who has the link may read, as it stood when it was shared: the branch that
    ends with `leaf`. Revoked by being deleted.
    """

    conversation = models.OneToOneField(Conversation, on_delete=models.CASCADE, related_name="share")
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    leaf = models.ForeignKey("chat.Message", on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.conversation_id} until {self.leaf_id}"


class Summary(models.Model):
    """What was said in a conversation up to `until`, in the model's words: made once, and kept."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="summaries")
    until = models.OneToOneField("chat.Message", on_delete=models.CASCADE, related_name="summary")
    text = models.TextField()
    model = models.CharField(max_length=100)
    prompt_tokens = models.PositiveIntegerField(null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "summaries"

    def __str__(self) -> str:
        return self.text[:60]


class Role(models.TextChoices):
    USER = "user", _("parent")
    ASSISTANT = "assistant", _("assistant")


class Status(models.TextChoices):
    """How a message stands; the words are `streaming.events.Outcome`'s."""

    COMPLETE = Outcome.COMPLETE.value
    STREAMING = Outcome.STREAMING.value
    STOPPED = Outcome.STOPPED.value
    INTERRUPTED = Outcome.INTERRUPTED.value
    REFUSED = Outcome.REFUSED.value
    FAILED = Outcome.FAILED.value


RETRYABLE = (Status.FAILED, Status.INTERRUPTED, Status.STOPPED, Status.REFUSED)


class MessageQuerySet(models.QuerySet["Message"]):
    def shown(self) -> "MessageQuerySet":
        """The branch that the person has chosen, without the other versions of it; oldest first."""
        return self.filter(is_shown=True).order_by("pk")

    def said_before(self, question: "Message") -> "MessageQuerySet":
        """Answers before this question that said something, latest first, each with its own question."""
        return self.said(question.conversation_id, before=question.pk)

    def said(self, conversation: int, *, before: int) -> "MessageQuerySet":
        """The same, before any message of a conversation."""
        said = self.filter(
            conversation=conversation,
            role=Role.ASSISTANT,
            is_shown=True,
            pk__lt=before,
            status__in=(Status.COMPLETE, Status.STOPPED, Status.INTERRUPTED),
        )
        return said.exclude(content="").order_by("-pk").select_related("question")


class Message(models.Model):
    """One message. Questions have an author; answers have the question that they answer, and a Generation.

    Together they are a tree: a question follows an answer (the first one none), an answer its question. Those
    that follow the same are versions of each other; one branch from the root to a leaf is shown.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    role = models.CharField(max_length=9, choices=Role)
    author = models.ForeignKey(
        "chat.Person", on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    question = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="answers"
    )
    follows = models.ForeignKey(
        "self",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="followers",
        help_text="For a question: the answer that it came after.",
    )
    is_shown = models.BooleanField(default=True, help_text="On the branch that the person has chosen.")
    tells_ai = models.BooleanField(
        default=False,
        help_text="The page said before it that this is a machine: at the start, and every few hours.",
    )
    client_message_id = models.CharField(max_length=64, null=True, blank=True, editable=False)  # noqa: DJ001
    content = models.TextField(blank=True)
    notices = models.JSONField(default=list, blank=True)
    status = models.CharField(max_length=11, choices=Status, default=Status.COMPLETE)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        indexes = [
            # A conversation's page, a part of the branch that is shown, and its cursor.
            models.Index(fields=["conversation", "is_shown", "id"], name="message_transcript"),
        ]
        constraints = [
            # The same message sent twice by an unsure phone is one message (null where none was given).
            models.UniqueConstraint(fields=["author", "client_message_id"], name="message_sent_once"),
            models.CheckConstraint(
                condition=Q(role=Role.USER, question__isnull=True)
                | Q(role=Role.ASSISTANT, question__isnull=False, author__isnull=True, follows__isnull=True),
                name="message_question_or_answer",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()}: {self.content[:60]}"

    @property
    def can_retry(self) -> bool:
        return self.role == Role.ASSISTANT and self.status in RETRYABLE


class StopReason(models.TextChoices):
    """Why an answer was ended before its own end, where that was no failure of the provider."""

    PERSON = "person", _("stopped by the parent")
    SUPERSEDED = "superseded", _("the parent sent another message")
    DELETED = "deleted", _("the conversation was deleted")
    UNREAD = "unread", _("nobody read it")
    SHUTDOWN = "shutdown", _("the server was shut down")
    DIED = "died", _("the server died")


class Generation(models.Model):
    """How one answer came to be: the stream it travelled on, the model, what it cost, how it ended."""

    stream_uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="generation")
    model = models.CharField(max_length=100)
    prompt_version = models.CharField(max_length=40)
    ruleset_version = models.CharField(max_length=80)
    language = models.CharField(max_length=20, blank=True)
    country = models.CharField(max_length=2, blank=True)
    country_guessed = models.BooleanField(
        default=False, help_text="From the reader's clock or language; the cards say that it is a guess."
    )
    profile = models.JSONField(
        default=dict, blank=True, help_text="What was known of the person: read by the safety check."
    )
    used = models.JSONField(
        default=list, blank=True, help_text="The lines of the person's profile that the model was told."
    )
    sent = models.JSONField(
        default=list,
        blank=True,
        help_text="The messages that the model was sent; an earlier message stands there by its number.",
    )
    started_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    finish_reason = models.CharField(max_length=20, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)
    error_detail = models.TextField(blank=True, help_text=_("For operators; never shown to the parent."))
    retryable = models.BooleanField(default=False)
    retry_after = models.PositiveIntegerField(null=True, blank=True, help_text=_("Seconds."))
    prompt_tokens = models.PositiveIntegerField(null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(null=True, blank=True)
    ttft_ms = models.PositiveIntegerField(
        "time to first text", null=True, blank=True, help_text=_("Milliseconds.")
    )
    duration_ms = models.PositiveIntegerField("duration", null=True, blank=True, help_text=_("Milliseconds."))
    tokens_per_second = models.FloatField(null=True, blank=True)
    gap_p50_ms = models.PositiveIntegerField(
        "median gap", null=True, blank=True, help_text=_("Milliseconds between two released texts.")
    )
    gap_p95_ms = models.PositiveIntegerField("95th percentile of gaps", null=True, blank=True)
    usage_estimated = models.BooleanField(
        default=False, help_text="The provider did not say what it charged; the tokens are our estimate."
    )
    cost = models.DecimalField(
        max_digits=12, decimal_places=6, null=True, blank=True, help_text=_("In the price list's currency.")
    )
    deployment = models.CharField(max_length=100, blank=True, help_text=_("That gave the last of the text."))
    attempts = models.JSONField(
        default=list, blank=True, help_text="Each try at a deployment, and where in the text it began."
    )
    retries = models.PositiveSmallIntegerField(default=0)
    failovers = models.PositiveSmallIntegerField(default=0)
    stop_reason = models.CharField(max_length=10, choices=StopReason, blank=True)
    lost_readers = models.PositiveSmallIntegerField(
        default=0, help_text=_("Readers whose connection ended before the answer did.")
    )
    cached = models.BooleanField(default=False, help_text="Replayed from an earlier answer.")
    paused_after = models.PositiveIntegerField(
        null=True, blank=True, help_text=_("The id of the last event that the parent had read when pausing.")
    )
    reserved_tokens = models.PositiveIntegerField(
        default=0, help_text=_("Taken from the day's quota until the answer's real usage is known.")
    )

    class Meta:
        indexes = [
            # Answers that never ended, for the sweep.
            models.Index(fields=["started_at"], condition=Q(ended_at=None), name="generation_running"),
            # An hour's answers, for the statistics.
            models.Index(fields=["ended_at"], name="generation_ended"),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.started_at:%Y-%m-%d %H:%M}"


class Checkpoint(models.Model):
    """What a running answer said at the last heartbeat of its writer; removed by the sweep after its end.

    A table of its own: one statement writes it for all running answers, and no index of theirs is touched.
    """

    # No constraint: it may be written while its conversation is being deleted; the sweep removes it then.
    generation = models.OneToOneField(
        Generation,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="checkpoint",
        db_constraint=False,
    )
    content = models.TextField(blank=True)
    notices = models.JSONField(default=list, blank=True)
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.generation_id} at {self.beat_at:%H:%M:%S}"
