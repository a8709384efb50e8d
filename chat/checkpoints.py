"""Every few seconds all running answers of a process are saved, with the sign that it lives."""

from collections.abc import Hashable, Sequence
from typing import cast

from django.utils import timezone

from chat.models import Checkpoint, Generation
from chat.work import unit_of_work
from streaming.events import notice_to_wire
from streaming.producer import Snapshot


async def save_checkpoint(snapshots: Sequence[Snapshot]) -> None:
    """Save all running answers of this process, and that it lives, in one statement."""
    now = timezone.now()
    rows = [
        Checkpoint(
            generation_id=cast(int, snapshot.key),
            content=snapshot.transcript.text,
            notices=[notice_to_wire(notice) for notice in snapshot.transcript.notices],
            beat_at=now,
        )
        for snapshot in snapshots
    ]
    await unit_of_work(_upsert, rows)


def _upsert(rows: list[Checkpoint]) -> None:
    Checkpoint.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["generation"],
        update_fields=["content", "notices", "beat_at"],
    )


async def paused_among(keys: Sequence[Hashable]) -> set[Hashable]:
    """Of these generations, those that a reader has paused: somebody will come back for them."""

    def load() -> set[Hashable]:
        paused = Generation.objects.filter(pk__in=cast(Sequence[int], keys), paused_after__isnull=False)
        return set(paused.values_list("pk", flat=True))

    return await unit_of_work(load)
