"""What a clause does to a sign inside it: deny it, put it in the past, ask about it, tell it of someone else.

A denial or a past reaches no further than its own clause: "I used to get migraines, now chest pain" is now.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from functools import cache

import regex

from safety.rules.lexicon import Lexicon

REACH = 300  # a clause is never read further than this on either side, so long texts stay linear


@dataclass(frozen=True, slots=True)
class Markers:
    """The lexicon's markers, compiled."""

    hard: regex.Pattern[str]
    soft: regex.Pattern[str]
    negator: regex.Pattern[str]
    double_negator: regex.Pattern[str]
    list_word: regex.Pattern[str]
    past: regex.Pattern[str]
    past_opener: regex.Pattern[str]
    present: regex.Pattern[str]
    hypothetical: regex.Pattern[str]
    reported: regex.Pattern[str]
    someone_else: regex.Pattern[str]
    idiom: regex.Pattern[str]


@cache
def _compiled(source: str) -> regex.Pattern[str]:
    return regex.compile(source)


def markers_of(lexicon: Lexicon) -> Markers:
    """Compiled once per lexicon; a marker that the language lacks never matches."""
    found = {name: _compiled(lexicon.any_of(lexicon.markers.get(name, ()))) for name in Markers.__slots__}
    found["hard"] = _compiled(r"[!?;\n]+|\.(?!\d)|" + lexicon.any_of(lexicon.markers.get("hard", ())))
    found["soft"] = _compiled(r",(?!\d)|:| - |" + lexicon.any_of(lexicon.markers.get("soft", ())))
    return Markers(**found)


@dataclass(slots=True)
class Clauses:
    """Clause borders of one text, found once and looked up per sign."""

    text: str
    markers: Markers
    _hard: list[tuple[int, int]] = field(init=False)
    _soft: list[tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        self._hard = [m.span() for m in self.markers.hard.finditer(self.text)]
        soft = [m.span() for m in self.markers.soft.finditer(self.text)]
        self._soft = sorted([*self._hard, *soft])

    def sentence(self, start: int, end: int) -> tuple[int, int]:
        """The stretch around a sign that ends at full stops and at words like "but" and "now"."""
        return _around(self._hard, start, end, len(self.text))

    def clause(self, start: int, end: int) -> tuple[int, int]:
        """The same, ending at commas and "and" as well."""
        return _around(self._soft, start, end, len(self.text))

    def suppression(
        self,
        start: int,
        end: int,
        *,
        negatable: bool,
        has_own_negator: bool,
        past_counts: bool,
        hypothetical_counts: bool,
        others_count: bool,
    ) -> str | None:
        """The name of what takes the sign at `start:end` back, or None when it stands."""
        if self._overlaps_idiom(start, end):
            return "idiom"
        if self._is_denied(start, end, negatable=negatable):
            return "negation"
        if negatable and not has_own_negator and self._has(self.markers.negator, (start, end)):
            return "negation"
        if not past_counts and self._is_past(start, end):
            return "past"
        if not hypothetical_counts and self._is_hypothetical(start, end):
            return "hypothetical"
        if self._has(self.markers.reported, self.sentence(start, end)):
            return "reported"
        if not others_count and self._has(self.markers.someone_else, self.sentence(start, end)):
            return "someone_else"
        return None

    def _has(self, marker: regex.Pattern[str], span: tuple[int, int]) -> bool:
        return marker.search(self.text, *span) is not None

    def _overlaps_idiom(self, start: int, end: int) -> bool:
        around = max(0, start - 40), min(len(self.text), end + 40)
        return any(
            m.start() < end and m.end() > start for m in self.markers.idiom.finditer(self.text, *around)
        )

    def _is_denied(self, start: int, end: int, *, negatable: bool) -> bool:
        sentence_start, _ = self.sentence(start, end)
        negator = self.markers.negator if negatable else self.markers.double_negator
        nearest = max((m.end() for m in negator.finditer(self.text, sentence_start, start)), default=None)
        return nearest is not None and self._reaches(nearest, start, end)

    def _reaches(self, negator_end: int, start: int, end: int) -> bool:
        """Whether nothing parts negator and sign. A comma does, save in lists: "no fever, rash or fits"."""
        between = self.text[negator_end:start]
        words = len(between.split())
        if words > 6:
            return False
        clause_start, _ = self.clause(start, end)
        if negator_end >= clause_start or self.markers.list_word.search(between):
            return True
        is_item = words <= 3 and between.rstrip().endswith(",")
        return is_item and self.markers.list_word.search(self.text, end, end + 12) is not None

    def _is_past(self, start: int, end: int) -> bool:
        clause = self.clause(start, end)
        if self._has(self.markers.present, clause):
            return False
        return self._has(self.markers.past, clause) or self._has(
            self.markers.past_opener, self.sentence(start, end)
        )

    def _is_hypothetical(self, start: int, end: int) -> bool:
        sentence_start, _ = self.sentence(start, end)
        return self._has(self.markers.hypothetical, (sentence_start, min(len(self.text), end + 12)))


def _around(borders: list[tuple[int, int]], start: int, end: int, length: int) -> tuple[int, int]:
    before = bisect_right(borders, (start, start)) - 1
    after = bisect_left(borders, (end, -1))
    low = borders[before][1] if before >= 0 and borders[before][1] <= start else 0
    high = borders[after][0] if after < len(borders) else length
    return max(low, start - REACH), min(high, end + REACH)
