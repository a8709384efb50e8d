"""`manage.py safety_check`: JSON lines in, JSON lines out, for measuring and for other programs.

In: {"id", "text", "direction"?, "language"?, "country"?, "profile"?}
Out: {"id", "action", "severity", "categories", "rules", "card"?, "released"?}; a bad line: {"error", "line"}.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import batched
from multiprocessing import get_all_start_methods, get_context
from typing import Any, Literal

import msgspec
from django.core.management.base import BaseCommand

from safety.check import perform_comprehensive_safety_check
from safety.output import guarded
from safety.sanitize import SanitizedText, TextTooLong, sanitize_input
from safety.verdict import Action, Profile, Verdict

BATCH = 250


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
            self.stdout.write(answer.decode())


def judged_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """One answer per line that is not blank, in order; never raises for a bad line.

    Many lines are judged on all processors, which share what was read at the start.
    """
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    batches = batched(numbered, BATCH)
    first = next(batches, ())
    yield from _judged_batch(first)  # also reads the rules, once
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if len(first) < BATCH or processors < 2 or "fork" not in get_all_start_methods():
        for batch in batches:
            yield from _judged_batch(batch)
        return
    with ProcessPoolExecutor(processors, mp_context=get_context("fork")) as pool:
        for answers in pool.map(_judged_batch, batches):
            yield from answers


def _judged_batch(batch: Sequence[tuple[int, bytes]]) -> list[bytes]:
    return [msgspec.json.encode(_judged_line(number, line)) for number, line in batch]


def _judged_line(number: int, line: bytes) -> Judged | BadLine:
    try:
        return _judged(msgspec.json.decode(line, type=Line))
    except (msgspec.MsgspecError, TextTooLong, UnicodeDecodeError) as error:
        return BadLine(error=str(error), line=number)


def _judged(line: Line) -> Judged:
    text = sanitize_input(line.text)
    verdict = perform_comprehensive_safety_check(
        text,
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
        released=_released(line, text, verdict) if line.direction == "output" else None,
    )


def _released(line: Line, text: SanitizedText, verdict: Verdict) -> str:
    if verdict.action is Action.ALLOW and text.display == line.text:
        return line.text  # the guard has just read it, and let it through
    released, _ = guarded(line.text, language=line.language, country=line.country)
    return released
