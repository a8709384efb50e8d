"""What a serving process does every few seconds: say that it lives, finish what dead ones left, count."""

import asyncio
import logging
import os
import socket
import uuid
from dataclasses import asdict
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from chat import answer_cache, conversations, erasure, statistics
from chat.engine import engine
from chat.models import Worker
from chat.turns import sweep
from chat.work import unit_of_work

logger = logging.getLogger(__name__)

COUNTED_EVERY = timedelta(minutes=1)
PURGED_EVERY = timedelta(hours=1)
FORGOTTEN_AFTER = timedelta(minutes=10)
"""How long a dead process stays in the admin's list."""


class Upkeep:
    """The rounds of this process, as one row of `Worker`."""

    def __init__(self) -> None:
        self._me = uuid.uuid4()
        self._started_at = timezone.now()
        self._purged_at: datetime | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.round()
        self._task = asyncio.create_task(self._rounds(), name="upkeep")

    async def stop(self) -> None:
        """Also takes this process off the list."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await unit_of_work(Worker.objects.filter(uuid=self._me).delete)

    async def _rounds(self) -> None:
        while True:
            await asyncio.sleep(settings.SWEEP_SECONDS)
            try:
                await self.round()
            except Exception:
                logger.exception("Upkeep failed; the next round follows in %s s", settings.SWEEP_SECONDS)

    async def round(self) -> None:
        await unit_of_work(self._beat)
        if swept := await sweep(stale=settings.STALE_SECONDS):
            logger.warning("%d answers of a dead process were saved as interrupted", swept)
        await unit_of_work(_count)
        await unit_of_work(conversations.purge)
        await unit_of_work(self._purge)

    def _purge(self) -> None:
        """A part in each round until nothing is left to remove, then not for an hour."""
        now = timezone.now()
        if self._purged_at and now - self._purged_at < PURGED_EVERY:
            return
        if erasure.purge(now) == 0:
            self._purged_at = now

    def _beat(self) -> None:
        now = timezone.now()
        deployments = [
            {"model": model} | asdict(health)
            for model, deployments in engine().health().items()
            for health in deployments
        ]
        Worker.objects.update_or_create(
            uuid=self._me,
            defaults={
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "started_at": self._started_at,
                "beat_at": now,
                "is_draining": engine().draining,
                "running": engine().producer.running,
                "deployments": deployments,
            },
        )
        Worker.objects.filter(beat_at__lt=now - FORGOTTEN_AFTER).delete()


def _count() -> None:
    statistics.roll_up(timezone.now(), at_most_every=COUNTED_EVERY)
    answer_cache.forget_expired()
