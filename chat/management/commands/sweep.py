"""Finish answers that no process writes any more."""

import asyncio
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from chat.engine import close_engine
from chat.turns import sweep


class Command(BaseCommand):
    help = (
        "Save as interrupted the answers whose process has died. Servers do this by themselves every "
        "SWEEP_SECONDS; this is for by hand, or for when none is running."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--stale",
            type=float,
            default=settings.STALE_SECONDS,
            metavar="SECONDS",
            help="how long its process must have been silent (default: %(default)g)",
        )

    def handle(self, *_args: Any, stale: float, **_options: Any) -> None:
        swept = asyncio.run(self._sweep(stale))
        self.stdout.write(
            f"{swept} unfinished answers were saved as interrupted."
            if swept
            else "No unfinished answers: nothing to do."
        )

    async def _sweep(self, stale: float) -> int:
        try:
            return await sweep(stale=stale)
        finally:
            await close_engine()
