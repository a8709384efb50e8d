"""What people thought of answers, and what the safety rules saw: the rows that reviewers work on."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from safety.verdict import Action, Category, Severity


class Rating(models.TextChoices):
    UP = "up", "helpful"
    DOWN = "down", "not helpful"


class ReviewStatus(models.TextChoices):
    NEW = "new", "new"
    REVIEWED = "reviewed", "reviewed"
    FOLLOW_UP = "follow_up", "needs follow-up"


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
    reply = models.TextField(blank=True, help_text="What the clinic answers: the parent sees it on the page.")
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


class SafetyEvent(Reviewed):
    """The safety rules saw something, in a question (`input`) or in an answer (`output`). Never edited."""

    class Direction(models.TextChoices):
        INPUT = "input", "in a question"
        OUTPUT = "output", "in an answer"

    class Label(models.TextChoices):
        RIGHT = "right", "rightly found"
        WRONG = "wrong", "false alarm"

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
    text = models.TextField(blank=True, help_text="What matched. For an answer: the text that was withheld.")
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
