"""Which prompts are in force: the clinic's own where it has made one active, else the shipped ones.

Each process keeps what it read for `FRESH` seconds, so that answers under load cost no query, and a change
in the admin reaches all processes soon. Where the database cannot be read, an answer fails for other reasons
first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

from django.db import transaction

from chat.models import Prompt, User
from chat.prompts.words import words

FRESH = 5.0
SHIPPED = "shipped"
MOST_CHARS = 8000


@dataclass(frozen=True, slots=True)
class _Kept:
    """By language: the text, and the version's number."""

    active: Mapping[str, tuple[str, str]]
    until: float


_kept: _Kept | None = None


def in_force(language: str) -> tuple[str, str]:
    """The text that answers in this language begin with, and its name: "shipped", or its number."""
    return _active().get(language) or (words(language).system, SHIPPED)


def _active() -> Mapping[str, tuple[str, str]]:
    global _kept
    kept = _kept
    if kept is None or monotonic() >= kept.until:
        rows = Prompt.objects.filter(is_active=True).values_list("language", "text", "number")
        kept = _kept = _Kept(
            {language: (text, str(number)) for language, text, number in rows}, monotonic() + FRESH
        )
    return kept.active


def forget() -> None:
    """Read again what is in force, at the next answer."""
    global _kept
    _kept = None


# --- Changing them ------------------------------------------------------------------------------------------


def add_version(language: str, text: str, *, note: str, by: User) -> Prompt:
    """A new version, which is in force from now on. Sync; the old ones stay as they are."""
    with transaction.atomic():
        rows = Prompt.objects.select_for_update().filter(language=language)
        last = max((row.number for row in rows), default=0)
        rows.filter(is_active=True).update(is_active=False)
        made = Prompt.objects.create(
            language=language, number=last + 1, text=text, note=note, is_active=True, created_by=by
        )
    forget()
    return made


def use_version(language: str, number: int | None) -> bool:
    """Put an earlier version in force, or with None the shipped one. False where there is no such version."""
    with transaction.atomic():
        rows = Prompt.objects.select_for_update().filter(language=language)
        if number is not None and not rows.filter(number=number).exists():
            return False
        rows.filter(is_active=True).update(is_active=False)
        if number is not None:
            rows.filter(number=number).update(is_active=True)
    forget()
    return True
