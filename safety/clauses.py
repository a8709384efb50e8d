"""What a clause does to a sign inside it: deny it, put it in the past, ask about it, tell it of someone else.

A denial or a past reaches no further than its own clause: "I used to get migraines, now chest pain" is now.
"""

import unicodedata
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

import re2
import regex

from safety.rules.lexicon import Lexicon, quiet_options

REACH = 300  # a clause is never read further than this on either side, so long texts stay linear
AROUND = 40  # characters beside a sentence that an idiom or a question mark may stand in


class Marker:
    """Words of one kind. RE2 reads a text once for all of them; those that look around are `regex`'s."""

    def __init__(self, lexicon: Lexicon, patterns: tuple[str, ...], *, punctuation: str = "") -> None:
        bound = tuple(pattern for pattern in patterns if _BOUND.search(pattern))
        looking = tuple(p for p in patterns if p not in bound and _LOOKS_AROUND.search(p))
        plain = tuple(p for p in patterns if p not in bound and p not in looking)
        self._plain = re2.compile(lexicon.any_of(plain), _QUIET) if plain else None
        sources = [punctuation] if punctuation else []
        sources += [lexicon.any_of(looking, lookaround=True)] if looking else []
        self._looking = regex.compile("|".join(sources)) if sources else None
        self._bound = regex.compile(lexicon.any_of(bound, lookaround=True)) if bound else None

    def is_in(self, text: str, start: int, end: int) -> bool:
        """Whether one stands in `text[start:end]`."""
        if self._plain is not None and self._plain.search(text[start:end]) is not None:
            return True
        others = (pattern for pattern in (self._looking, self._bound) if pattern is not None)
        return any(pattern.search(text, start, end) for pattern in others)

    def spans(self, text: str, start: int, end: int) -> list[tuple[int, int]]:
        """Where each stands, in no order."""
        found = [match.span() for match in self._looking.finditer(text, start, end)] if self._looking else []
        if self._plain is not None:
            found += [_within(text, start, match) for match in self._plain.finditer(text[start:end])]
        return found

    def bound_spans(self, text: str, start: int, end: int) -> list[tuple[int, int]]:
        """Where those stand that begin or end where the sign does: they say so by \\G or $."""
        return [match.span() for match in self._bound.finditer(text, start, end)] if self._bound else []


def _within(text: str, offset: int, match: "re2._Match") -> tuple[int, int]:
    """Without the borders that a match may hold (see `safety.rules.lexicon.Border`)."""
    start, end = offset + match.start(), offset + match.end()
    if start < end and not _is_letter(text[start]):
        start += 1
    if start < end and not _is_letter(text[end - 1]):
        end -= 1
    return start, end


def _is_letter(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char)[0] == "M"


_QUIET = quiet_options()
_LOOKS_AROUND, _BOUND = regex.compile(r"\(\?<?[=!]"), regex.compile(r"\\G|(?<!\\)\$")


@dataclass(frozen=True, slots=True)
class Markers:
    """The lexicon's markers, compiled."""

    hard: Marker
    soft: Marker
    negator: Marker
    negator_after: Marker
    double_negator: Marker
    list_word: Marker
    past: Marker
    past_opener: Marker
    present: Marker
    hypothetical: Marker
    reported: Marker
    someone_else: Marker
    idiom: Marker


_PUNCTUATION = {"hard": r"[!?;\n]+|\.(?!\d)", "soft": r",(?!\d)|:| - "}


def markers_of(lexicon: Lexicon) -> Markers:
    """Compiled once per lexicon; a marker that the language lacks never matches."""
    return Markers(
        **{
            name: Marker(lexicon, lexicon.markers.get(name, ()), punctuation=_PUNCTUATION.get(name, ""))
            for name in Markers.__slots__
        }
    )


@dataclass(slots=True)
class Clauses:
    """Clause borders of one sentence with what stands around it, found once and looked up per sign."""

    text: str
    markers: Markers
    _hard: list[tuple[int, int]] = field(init=False)
    _soft: list[tuple[int, int]] = field(init=False)
    _spans: dict[int, list[tuple[int, int]]] = field(init=False, default_factory=dict)
    _sentences: dict[tuple[int, int], tuple[int, int]] = field(init=False, default_factory=dict)
    _parts: dict[tuple[int, int], tuple[int, int]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        whole = self.text, 0, len(self.text)
        self._hard = sorted(self.markers.hard.spans(*whole))
        self._soft = sorted([*self._hard, *self.markers.soft.spans(*whole)])

    def sentence(self, start: int, end: int) -> tuple[int, int]:
        """The stretch around a sign that ends at full stops and at words like "but" and "now"."""
        place = start, end
        if (found := self._sentences.get(place)) is None:
            found = self._sentences[place] = _around(self._hard, start, end, len(self.text))
        return found

    def clause(self, start: int, end: int) -> tuple[int, int]:
        """The same, ending at commas and "and" as well."""
        place = start, end
        if (found := self._parts.get(place)) is None:
            found = self._parts[place] = _around(self._soft, start, end, len(self.text))
        return found

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

    def _all(self, marker: Marker) -> list[tuple[int, int]]:
        """Where it stands in the whole text: found once, while many signs ask."""
        if (spans := self._spans.get(id(marker))) is None:
            spans = self._spans[id(marker)] = marker.spans(self.text, 0, len(self.text))
        return spans

    def _has(self, marker: Marker, span: tuple[int, int]) -> bool:
        low, high = span
        near = [(start, end) for start, end in self._all(marker) if start < high and end > low]
        if any(low <= start and end <= high for start, end in near):
            return True
        if near:  # what reaches over a border may have a part inside
            return marker.is_in(self.text, low, high)
        return bool(marker.bound_spans(self.text, low, high))

    def _overlaps_idiom(self, start: int, end: int) -> bool:
        return any(low < end and high > start for low, high in self._all(self.markers.idiom))

    def _is_denied(self, start: int, end: int, *, negatable: bool) -> bool:
        sentence_start, _ = self.sentence(start, end)
        negator = self.markers.negator if negatable else self.markers.double_negator
        spans = [*self._all(negator), *negator.bound_spans(self.text, sentence_start, start)]
        nearest = max((high for low, high in spans if low >= sentence_start and high <= start), default=None)
        if nearest is not None and self._reaches(nearest, start, end):
            return True
        return negatable and self._is_denied_after(start, end)

    def _is_denied_after(self, start: int, end: int) -> bool:
        """Where the verb, and with it the denial, comes last: "Fieber hat er nicht", "bukhar nahi hai"."""
        _, clause_end = self.clause(start, end)
        marker, after = self.markers.negator_after, (self.text, end, clause_end)
        denial = min([*marker.spans(*after), *marker.bound_spans(*after)], default=None)
        return denial is not None and len(self.text[end : denial[0]].split()) <= 3

    def _reaches(self, negator_end: int, start: int, end: int) -> bool:
        """Whether nothing parts negator and sign. A comma does, save in lists: "no fever, rash or fits"."""
        between = self.text[negator_end:start]
        words = len(between.split())
        if words > 6:
            return False
        clause_start, _ = self.clause(start, end)
        if negator_end >= clause_start or self.markers.list_word.is_in(between, 0, len(between)):
            return True
        is_item = words <= 3 and between.rstrip().endswith(",")
        return is_item and self.markers.list_word.is_in(self.text, end, end + 12)

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
