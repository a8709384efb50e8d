"""What one rule says. Rules are data (`rules/<language>/*.toml`); `docs/safety.md` has the recipe."""

from dataclasses import dataclass
from datetime import date

from safety.verdict import Action, Category, Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """A sign in words, with what must stand near it and what takes it back.

    `negatable` is False where the negation is the sign itself ("not breathing"); of a single sign "!" before
    it says so.
    `source` is the evidence; only rules that make no clinical claim may go without.
    `needs` are slots that the text or the profile must supply; ages are in whole days.
    """

    id: str
    language: str
    category: Category
    severity: Severity
    action: Action
    score: float
    sign: tuple[str, ...]
    reviewed_on: date
    examples: tuple[str, ...]
    near_misses: tuple[str, ...]
    source: str | None = None
    card: str | None = None
    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    negatable: bool = True
    past_counts: bool = False
    hypothetical_counts: bool = False
    others_count: bool = True
    under_days: int | None = None
    not_under_days: int | None = None


@dataclass(frozen=True, slots=True)
class OutputRule:
    """Advice that must not reach a parent. `start`: words a match may begin with, the guard's prefilter."""

    id: str
    language: str
    category: Category
    severity: Severity
    card: str
    start: tuple[str, ...]
    pattern: tuple[str, ...]
    reviewed_on: date
    examples: tuple[str, ...]
    near_misses: tuple[str, ...]
    source: str | None = None
    negatable: bool = True
    unless: tuple[str, ...] = ()
