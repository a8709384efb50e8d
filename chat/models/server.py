"""The processes that serve, and how the deployments they talk to are doing."""

import uuid

from django.db import models


class Worker(models.Model):
    """A server process, by its own account; one whose `beat_at` is old has died."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()
    is_draining = models.BooleanField(default=False)
    running = models.PositiveIntegerField("running answers", default=0)
    deployments = models.JSONField(
        default=list, blank=True, help_text="The state of each circuit breaker, as this process sees it."
    )

    class Meta:
        indexes = [
            # The dead ones, for the sweep to remove.
            models.Index(fields=["beat_at"], name="worker_beat"),
        ]

    def __str__(self) -> str:
        return f"{self.host} {self.pid}"
