"""System checks: what would let Nightlight start, and then fail people."""

import os
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register("nightlight")
def check_workers(**_: Any) -> Sequence[CheckMessage]:
    """Several processes need a log that they share. uvicorn takes their number from WEB_CONCURRENCY, too."""
    workers = os.environ.get("WEB_CONCURRENCY", "1")
    if settings.REDIS_URL or not workers.isdecimal() or int(workers) <= 1:
        return []
    return [
        Error(
            f"WEB_CONCURRENCY asks for {workers} processes, and there is no REDIS_URL for them to share.",
            hint="Set REDIS_URL to a Redis or Valkey server, or unset WEB_CONCURRENCY to run one process.",
            id="nightlight.E001",
        )
    ]
