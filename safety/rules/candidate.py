"""What the guard looks for from a given word on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import regex

from safety.rules.loader import load_rules
from safety.verdict import Category, Severity


@dataclass(frozen=True, slots=True)
class OutputMarkers:
    """What forbids advice, before or after it, in one language."""

    before: regex.Pattern[str]
    contrast: regex.Pattern[str]
    after: regex.Pattern[str]
    not_a_denial: regex.Pattern[str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing to look for from a given word on. `is_fine` may clear a match by its own text (a link).

    With `keys`, a match holds a word that begins so: it is held back from there on, else from its start. Once
    such a word has come, its `parts` say which of several things it may be: each with keys of its own.
    Each of `patterns` is compiled when the word first occurs: thousands of them would hold a start up.
    """

    rule_id: str
    category: Category
    severity: Severity
    card: str
    patterns: tuple[Callable[[], regex.Pattern[str]], ...]
    unless: Callable[[], regex.Pattern[str] | None] = lambda: None
    language: str = ""
    keys: frozenset[str] = frozenset()
    parts: "tuple[Candidate, ...]" = ()
    negatable: bool = False
    ends_at_match: bool = False
    is_fine: Callable[[str], bool] | None = None

    @property
    def markers(self) -> OutputMarkers:
        return output_markers(self.language)


def output_languages() -> list[str]:
    return list(load_rules().lexicons)


@cache
def output_markers(language: str) -> OutputMarkers:
    """Of one language: a word that denies in another may be none here ("no" is "in the" in Portuguese)."""
    lexicon = load_rules().lexicons.get(language)

    def compiled(name: str) -> regex.Pattern[str]:
        written = lexicon.as_written(lexicon.markers.get(name, ())) if lexicon else r"(?!)"
        return regex.compile(written.replace("'?", "['’]?"), regex.IGNORECASE)

    return OutputMarkers(
        compiled("output_before"),
        compiled("output_contrast"),
        compiled("output_after"),
        compiled("not_a_denial"),
    )
