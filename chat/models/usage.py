"""What answers used: hourly statistics that outlive them; and answers that are kept to be given again."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

HOUR = timedelta(hours=1)
ASIDES = "(titles and summaries)"
"""Stands in the place of a deployment for what the model was asked beside the answers."""


class AnswerStatisticsQuerySet(models.QuerySet["AnswerStatistics"]):
    def of_answers(self) -> "AnswerStatisticsQuerySet":
        return self.exclude(deployment=ASIDES)


class AnswerStatistics(models.Model):
    """An hour's answers of one model on one deployment, by when they ended; and what an hour's titles and
    summaries used, with `ASIDES` for a deployment and no answers. `chat.statistics` writes them.

    Times are of answers that a model gave, so not of replayed ones. Without a link to any answer: it stays
    when conversations are deleted.
    """

    hour = models.DateTimeField(help_text=_("When it began."))
    model = models.CharField(max_length=100)
    deployment = models.CharField(max_length=100, blank=True)
    rolled_at = models.DateTimeField("counted at", help_text=_("What had ended by then is in it."))

    answers = models.PositiveIntegerField(default=0)
    complete = models.PositiveIntegerField(default=0)
    stopped = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    interrupted = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    cached = models.PositiveIntegerField("replayed", default=0)
    retries = models.PositiveIntegerField(default=0)
    failovers = models.PositiveIntegerField("fail-overs", default=0)
    lost_readers = models.PositiveIntegerField(default=0)
    prompt_tokens = models.PositiveBigIntegerField("tokens in", default=0)
    completion_tokens = models.PositiveBigIntegerField("tokens out", default=0)
    cost = models.DecimalField(max_digits=14, decimal_places=6, default=0)
    ttft_p50_ms = models.PositiveIntegerField("first text, median", null=True, blank=True)
    ttft_p95_ms = models.PositiveIntegerField("first text, 95th percentile", null=True, blank=True)
    gap_p50_ms = models.PositiveIntegerField(
        "gaps, median", null=True, blank=True, help_text=_("The median of the answers' own medians.")
    )
    gap_p95_ms = models.PositiveIntegerField(
        "gaps, 95th percentile",
        null=True,
        blank=True,
        help_text=_("The 95th percentile of the answers' own 95th percentiles."),
    )
    tokens_per_second = models.FloatField("tokens per second, median", null=True, blank=True)
    duration_p50_ms = models.PositiveIntegerField("duration, median", null=True, blank=True)
    duration_p95_ms = models.PositiveIntegerField("duration, 95th percentile", null=True, blank=True)

    objects = AnswerStatisticsQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "answer statistics"
        constraints = [
            # An hour's row is found to be counted again; its index also gives the latest hour.
            models.UniqueConstraint(fields=["hour", "model", "deployment"], name="statistics_one_per_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.hour:%Y-%m-%d %H:00}"


class CachedAnswerQuerySet(models.QuerySet["CachedAnswer"]):
    def fresh(self, now: datetime | None = None) -> "CachedAnswerQuerySet":
        return self.filter(kept_at__gt=_oldest(now))

    def expired(self, now: datetime | None = None) -> "CachedAnswerQuerySet":
        return self.filter(kept_at__lte=_oldest(now))


def _oldest(now: datetime | None) -> datetime:
    return (now or timezone.now()) - timedelta(seconds=settings.ANSWER_CACHE_SECONDS)


class CachedAnswer(models.Model):
    """An answer to a common question, which is given again to whoever asks the same.

    It keeps no text of its own: when the answer that it points to is deleted, it goes as well.
    """

    key = models.CharField(max_length=64, unique=True, editable=False)
    generation = models.OneToOneField(
        "chat.Generation", on_delete=models.CASCADE, related_name="cached_answer"
    )
    kept_at = models.DateTimeField()
    hits = models.PositiveIntegerField(default=0)
    last_hit_at = models.DateTimeField(null=True, blank=True)

    objects = CachedAnswerQuerySet.as_manager()

    class Meta:
        indexes = [
            # The expired ones, to be removed.
            models.Index(fields=["kept_at"], name="cached_answer_age"),
        ]

    def __str__(self) -> str:
        return f"{self.key[:8]} of {self.kept_at:%Y-%m-%d %H:%M}"

    @property
    def text(self) -> str:
        """What it says. Reads `generation` and its `message`."""
        return self.generation.message.content

    @property
    def expires_at(self) -> datetime:
        return self.kept_at + timedelta(seconds=settings.ANSWER_CACHE_SECONDS)
