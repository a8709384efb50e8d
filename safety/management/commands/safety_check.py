"""`manage.py safety_check`: JSON lines in, JSON lines out, for measuring and for other programs.

In: {"id", "text", "direction"?, "language"?, "country"?, "profile"?}
Out: {"id", "action", "severity", "categories", "rules", "card"?, "released"?}; a bad line: {"error", "line"}.
"""

import sys
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec
from django.core.management.base import BaseCommand

from safety.check import perform_comprehensive_safety_check
from safety.output import guarded
from safety.sanitize import TextTooLong
from safety.verdict import Profile


class Line(msgspec.Struct):
    """`id` is given back as it came."""

    id: str | int
    text: str
    direction: Literal["input", "output"] = "input"
    language: str | None = None
    country: str | None = None
    profile: Profile | None = None


class Judged(msgspec.Struct, omit_defaults=True):
    """`released` is what the guard let through, for direction "output" only."""

    id: str | int
    action: str
    severity: str
    categories: list[str]
    rules: list[str]
    card: str | None = None
    released: str | None = None


class BadLine(msgspec.Struct):
    """A line that could not be judged; `line` counts from 1."""

    error: str
    line: int


class Command(BaseCommand):
    help = "Judge texts: one JSON object per line on standard input, one per line on standard output."

    def handle(self, *_args: Any, **_options: Any) -> None:
        for answer in judged_lines(sys.stdin.buffer):
            self.stdout.write(msgspec.json.encode(answer).decode())


def judged_lines(lines: Iterable[bytes]) -> Iterator[Judged | BadLine]:
    """One answer per line that is not blank, in order; never raises for a bad line."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield _judged(msgspec.json.decode(line, type=Line))
        except (msgspec.MsgspecError, TextTooLong, UnicodeDecodeError) as error:
            yield BadLine(error=str(error), line=number)


def _judged(line: Line) -> Judged:
    verdict = perform_comprehensive_safety_check(
        line.text,
        direction=line.direction,
        language=line.language,
        country=line.country,
        profile=line.profile,
    )
    return Judged(
        id=line.id,
        action=verdict.action,
        severity=verdict.severity,
        categories=[str(category) for category in verdict.categories],
        rules=[finding.rule_id for finding in verdict.findings],
        card=next(iter(verdict.cards), None),
        released=_released(line) if line.direction == "output" else None,
    )


def _released(line: Line) -> str:
    released, _ = guarded(line.text, language=line.language, country=line.country)
    return released
