"""What people thought of answers, and what the safety rules saw: the rows that reviewers work on."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from safety.verdict import Action, Category, Severity


class Rating(models.TextChoices):
    UP = "up", _("helpful")
    DOWN = "down", _("not helpful")


class Reason(models.TextChoices):
    """Why an answer did not help."""

    WRONG = "wrong", _("It is wrong")
    UNSAFE = "unsafe", _("It could be dangerous")
    NOT_FOR_AGE = "not_for_age", _("Not right for my child's age")
    NOT_FOR_WEEK = "not_for_week", _("Not right for my week of pregnancy")
    NOT_ANSWERED = "not_answered", _("It does not answer my question")
    MISUNDERSTOOD = "misunderstood", _("It did not understand me")
    TOO_LONG = "too_long", _("Too long")
    TOO_SHORT = "too_short", _("Too short")
    TOO_HARD = "too_hard", _("Hard to understand")
    WRONG_LANGUAGE = "wrong_language", _("Wrong language")
    NO_SOURCE = "no_source", _("No source")
    OUT_OF_DATE = "out_of_date", _("Out of date")
    NOT_HERE = "not_here", _("Does not fit where I live")
    COLD = "cold", _("Cold or judging")
    NEEDLESS_ALARM = "needless_alarm", _("It alarmed me for nothing")
    REFUSED = "refused", _("It refused to answer")
    OTHER = "other", _("Something else")


class ReviewStatus(models.TextChoices):
    NEW = "new", _("new")
    REVIEWED = "reviewed", _("reviewed")
    FOLLOW_UP = "follow_up", _("needs follow-up")


class Reviewed(models.Model):
    """The fields that a reviewer may change."""

    review_status = models.CharField(max_length=9, choices=ReviewStatus, default=ReviewStatus.NEW)
    review_note = models.TextField(blank=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class Feedback(Reviewed):
    """What one person thinks of one answer. They may change it; reviewers may not."""

    message = models.ForeignKey("chat.Message", on_delete=models.CASCADE, related_name="feedback")
    person = models.ForeignKey("chat.Person", on_delete=models.CASCADE, related_name="feedback")
    rating = models.CharField(max_length=4, choices=Rating)
    reasons = models.JSONField(default=list, blank=True)
    comment = models.TextField(blank=True)
    reply = models.TextField(
        blank=True, help_text=_("What the clinic answers: the parent sees it on the page.")
    )
    replied_at = models.DateTimeField(null=True, blank=True, editable=False)
    reply_seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "feedback"
        constraints = [
            models.UniqueConstraint(fields=["message", "person"], name="feedback_one_per_person"),
            models.CheckConstraint(condition=Q(rating__in=Rating.values), name="feedback_rating_known"),
        ]
        indexes = [
            # The review queue: new ones first, newest first.
            models.Index(fields=["review_status", "-created_at"], name="feedback_queue"),
        ]

    def __str__(self) -> str:
        return f"{self.get_rating_display()}: {self.comment[:60]}"

    @property
    def reason_choices(self) -> list[tuple[str, str]]:
        return [(code, str(words)) for code, words in Reason.choices]


class SafetyEvent(Reviewed):
    """The safety rules saw something, in a question (`input`) or in an answer (`output`). Never edited."""

    class Direction(models.TextChoices):
        INPUT = "input", _("in a question")
        OUTPUT = "output", _("in an answer")

    class Label(models.TextChoices):
        RIGHT = "right", _("rightly found")
        WRONG = "wrong", _("false alarm")

    message = models.ForeignKey("chat.Message", on_delete=models.CASCADE, related_name="safety_events")
    direction = models.CharField(max_length=6, choices=Direction)
    category = models.CharField(
        max_length=24, choices=[(c.value, c.value.replace("_", " ")) for c in Category]
    )
    severity = models.CharField(max_length=10, choices=[(s.value, s.value) for s in Severity])
    action = models.CharField(max_length=20, choices=[(a.value, a.value.replace("_", " ")) for a in Action])
    rule_ids = models.JSONField(default=list)
    card = models.CharField(max_length=60, blank=True)
    score = models.FloatField(default=0)
    text = models.TextField(
        blank=True, help_text=_("What matched. For an answer: the text that was withheld.")
    )
    ruleset_version = models.CharField(max_length=80)
    created_at = models.DateTimeField(auto_now_add=True)
    review_label = models.CharField(max_length=5, choices=Label, blank=True)

    class Meta:
        indexes = [
            # The review queue: new ones first, newest first.
            models.Index(fields=["review_status", "-created_at"], name="safety_event_queue"),
        ]

    def __str__(self) -> str:
        return f"{self.get_category_display()} ({self.severity})"
