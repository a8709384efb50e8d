"""What a text tells in passing of a pregnancy or a child, in eight languages. Pure.

What is looked for stands in `memory_patterns/<language>.toml`. A text is read clause by clause, and a pattern
must fit a whole clause: rather nothing is heard than something that nobody said.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import re2

from chat.models import Feeding, Suggestion
from chat.profile import NAME_CHARS, PREGNANCY_DAYS, one_line, wrong_birth_date, wrong_due_date
from safety.views import View, fold_pattern, match_views

MOST_READ = 2000
"""Characters of a text: it is read while others wait to write."""
MOST_WORDS, MOST_LETTERS = 6, 60
ABOUT = "~"
"""Before a date that was worked out from an age or a week."""
FactKind = Suggestion.Fact
_FOLDER = Path(__file__).parent / "memory_patterns"


@dataclass(frozen=True, slots=True)
class Fact:
    """`value`: a date as ISO 8601, with "~" before it where it is about; a `Feeding`; or words of the person.
    `child_name` is empty where the person said only "my baby", and for what is about themselves.
    """

    fact: str
    value: str
    child_name: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """`certain_name`: a name of a child that the text leaves no doubt about. `whose`: as in "my son", where
    that was said without a name. `pronoun`: where neither was said, as in "he is".
    """

    fact: Fact
    certain_name: str = ""
    whose: str = ""
    pronoun: "Pronoun | None" = None

    @property
    def is_doubtful(self) -> bool:
        """What looks like a name may be another word."""
        return bool(self.fact.child_name) and not self.certain_name


@dataclass(frozen=True, slots=True)
class Pronoun:
    """Where in the text its sentence begins, and its clause: whom it stands for was named before that."""

    sentence: int
    clause: int

    def stands_for(self, text: str, names: Iterable[str]) -> str:
        """The one of `names` that its sentence has said so far, else the text; empty where it is not one."""
        for said in (text[self.sentence : self.clause], text[: self.clause]):
            found = {name for name in names if _is_said(name, said)}
            if found:
                return found.pop() if len(found) == 1 else ""
        return ""


def _is_said(name: str, text: str) -> bool:
    if _CHINESE.search(name):  # written without borders between words
        return name in text
    return re.search(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", text, re.IGNORECASE) is not None


def told_in(text: str, today: date) -> list[Heard]:
    """Everything, in the order of the text. Of long texts the beginning is read."""
    text = text[:MOST_READ]
    view = match_views(text)[0]
    return [heard for language in _languages() for heard in language.heard(view, text, today)]


@dataclass(frozen=True)
class _Pattern:
    """`follows`: how it goes on after a clause about a child, as in "and allergic to milk". `names`: what
    fits it is a name, though the script has no capitals to show it.
    """

    kind: str
    expression: Any
    follows: Any
    value: str
    is_anywhere: bool
    names: bool


@dataclass(frozen=True, slots=True)
class _Clause:
    """`sentence`: where its sentence starts. `is_asked`: whether a question mark ends it."""

    start: int
    end: int
    sentence: int
    is_asked: bool


@dataclass(frozen=True, slots=True)
class _Before:
    """What was told of a child last, and in which clause."""

    heard: Heard
    clause: _Clause


class _Language:
    """One file of patterns, compiled when it is first read."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw
        self._months = {fold_pattern(name): number for name, number in raw["months"].items()}
        self._numbers = {fold_pattern(name): number for name, number in raw.get("numbers", {}).items()}
        self._units = {fold_pattern(name): unit for name, unit in raw["units"].items()}
        self._no_names = {fold_pattern(word) for word in raw.get("not_names", ())}

    def heard(self, view: View, text: str, today: date) -> Iterator[Heard]:
        if not self._signs.search(view.text) or self._unreal.search(view.text):
            return
        of_others = self._others.search(view.text) is not None
        before: _Before | None = None
        for clause in self._clauses(view.text):
            found = self._heard_in(clause, before, _Reading(self, view, text, today, of_others=of_others))
            if found is not None:
                yield found
                before = _Before(found, clause)

    def _heard_in(self, clause: _Clause, before: _Before | None, reading: "_Reading") -> Heard | None:
        """What the first pattern that fits makes of it; one that leaves no doubt about the name is better."""
        found = None
        for pattern in self._patterns:
            if clause.is_asked and not pattern.is_anywhere:
                continue
            heard = self._heard_by(pattern, clause, before, reading)
            if heard is not None and not heard.is_doubtful:
                return heard
            found = found or heard
        return found

    def _heard_by(
        self, pattern: _Pattern, clause: _Clause, before: _Before | None, reading: "_Reading"
    ) -> Heard | None:
        match = self._match(pattern, reading.view.text, clause)
        if match and (heard := _Said(reading, pattern, match, clause, before).heard()) is not None:
            return heard
        if before is None or not self._goes_on(before, clause):
            return None
        match = self._match(pattern, reading.view.text, clause, goes_on=True)
        return match and _Said(reading, pattern, match, clause, before).heard_of_the_same()

    def _goes_on(self, before: _Before, clause: _Clause) -> bool:
        """Right after it, and in its sentence; in the next one where sentences need no subject."""
        if clause.start - before.clause.end > 1 or not _is_of_a_child(before.heard):
            return False
        return self._drops_subjects or clause.sentence == before.clause.sentence

    def _match(self, pattern: _Pattern, folded: str, clause: _Clause, *, goes_on: bool = False) -> Any:
        expression = pattern.follows if goes_on else pattern.expression
        if expression is None:
            return None
        find = expression.search if pattern.is_anywhere else expression.fullmatch
        found = find(folded[clause.start : clause.end])
        return found and _Match(found, clause.start)

    def _clauses(self, folded: str) -> Iterator[_Clause]:
        start = sentence = 0
        for stop in _STOPS.finditer(folded):
            yield from self._broken(folded, _Clause(start, stop.start(), sentence, stop.group() == "?"))
            start = stop.end()
            sentence = start if stop.group() in _ENDS else sentence
        yield from self._broken(folded, _Clause(start, len(folded), sentence, is_asked=False))

    def _broken(self, folded: str, whole: _Clause) -> Iterator[_Clause]:
        """Parted before words that begin something new: only its last part was asked."""
        found = self._breaks.finditer(folded[whole.start : whole.end])
        edges = [whole.start, *(whole.start + m.start() for m in found if m.start()), whole.end]
        for first, last in pairwise(edges):
            yield _Clause(first, last, whole.sentence, whole.is_asked and last == whole.end)

    @cached_property
    def _patterns(self) -> list[_Pattern]:
        return [self._compiled(entry) for entry in self._raw["fact"]]

    def _compiled(self, entry: Mapping[str, Any]) -> _Pattern:
        is_anywhere, follows = entry.get("anywhere", False), entry.get("follows")
        if is_anywhere:
            source = self._filled(entry["pattern"])
            expression = re2.compile(_numbered(f"(?:^|{self._gap}){source}(?:$|{self._gap})"))
        else:
            expression = self._clause_of(entry["pattern"])
        return _Pattern(
            entry["kind"],
            expression,
            self._clause_of(follows) if follows else None,
            entry.get("value", ""),
            is_anywhere,
            entry.get("names", False),
        )

    def _clause_of(self, pattern: str) -> Any:
        """A whole clause of it."""
        lead, tail, rest = (self._filled(self._raw[name]) for name in ("lead", "tail", "rest"))
        rest = "" if "{what}" in pattern else f"(?:{rest})?"
        source = self._filled(pattern)
        return re2.compile(_numbered(rf"\s*(?:{lead})?(?:{source})(?:{tail})?{rest}\s*"))

    @property
    def has_no_borders(self) -> bool:
        """Between words."""
        return bool(self._raw.get("borders") == "none")

    @property
    def _gap(self) -> str:
        return "" if self.has_no_borders else r"[^\p{L}\p{M}\p{N}]"

    def _filled(self, pattern: str) -> str:
        slots = _SLOTS | {
            "n": _named("n", [r"\d{1,3}", *self._numbers]),
            "unit": _named("unit", list(self._units)),
            "month": _named("month", list(self._months)),
            **self._raw["slots"],
        }
        while (found := _SLOT.search(pattern)) is not None:
            pattern = pattern[: found.start()] + slots[found[1]] + pattern[found.end() :]
        return fold_pattern(pattern.replace(" ?", r"\s*").replace(" ", r"\s+"))

    def _any_of(self, name: str) -> Any:
        words = "|".join(self._filled(word) for word in self._raw.get(name, ())) or r"[^\s\S]"
        gap = self._gap
        return re2.compile(f"(?:^|{gap})(?:{words})(?:$|{gap})")

    @cached_property
    def _signs(self) -> Any:
        return re2.compile("|".join(fold_pattern(word) for word in self._raw["signs"]))

    @cached_property
    def _unreal(self) -> Any:
        return self._any_of("unreal")

    @cached_property
    def _others(self) -> Any:
        return self._any_of("others")

    @cached_property
    def _breaks(self) -> Any:
        return self._any_of("breaks")

    @cached_property
    def _doubts(self) -> Any:
        return self._any_of("doubts")

    @cached_property
    def _adults(self) -> Any:
        return self._any_of("adults")

    @property
    def _drops_subjects(self) -> bool:
        return bool(self._raw.get("drops_subjects", False))

    def is_doubted(self, folded: str) -> bool:
        return self._doubts.search(folded) is not None

    def is_of_an_adult(self, folded: str) -> bool:
        return self._adults.search(folded) is not None

    def number(self, said: str) -> int:
        return int(said) if said.isdecimal() else self._numbers[said]

    def month(self, said: str) -> int:
        return int(said) if said.isdecimal() else int(self._months[said])

    def unit(self, said: str) -> str:
        return str(self._units[said])

    def is_no_name(self, folded: str) -> bool:
        return folded in self._no_names


_STOPS = re.compile(r"[!?;:,\n()\[\]\"]|\.(?<!\d\.)|\.(?!\d|\s*[^\W\d_])")
_ENDS = frozenset("!?.\n")
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_SLOT = re.compile(r"\{([a-z_]+)\}")
_GROUP = re.compile(r"\(\?P<([a-z]+)>")
_SLOTS = {
    "name": r"(?P<name>[^\s\d,.;:!?()]+)",
    "what": r"(?P<what>[^,.;:!?()]+?)",
    "day": r"(?P<day>[0-3]?\d)",
    "mm": r"(?P<month>[01]?\d)",
    "year": r"(?P<year>20\d\d)",
    "extra": r"(?P<extra>[0-6])",
}


_OF_THEMSELVES = ("pregnant", "due", "about")


def _named(name: str, words: list[str]) -> str:
    return f"(?P<{name}>{'|'.join(sorted(words, key=len, reverse=True))})"


def _numbered(source: str) -> str:
    """RE2 takes the name of a group once: each gets a number of its own."""
    count = iter(range(10_000))
    return _GROUP.sub(lambda m: f"(?P<{m[1]}_{next(count)}>", source)


class _Match:
    """The groups that took part, by name, with where they stand in the folded text."""

    def __init__(self, match: Any, offset: int) -> None:
        self._spans = {
            name.partition("_")[0]: (offset + match.start(group), offset + match.end(group))
            for name, group in match.re.groupindex.items()
            if match.group(group)
        }

    def span(self, name: str) -> tuple[int, int] | None:
        return self._spans.get(name)


@dataclass(frozen=True)
class _Reading:
    """A text, as one language reads it."""

    language: _Language
    view: View
    text: str
    today: date
    of_others: bool


@dataclass(frozen=True)
class _Said:
    """One match, on the way to a fact."""

    reading: _Reading
    pattern: _Pattern
    match: _Match
    clause: _Clause
    before: _Before | None

    def heard(self) -> Heard | None:
        """None where it is nobody's, or cannot be so. A pronoun may be somebody else's child."""
        kind, name, mine = self.pattern.kind, self._name(), self._folded("mine")
        if name is None or (self.reading.of_others and not (mine or kind in _OF_THEMSELVES)):
            return None
        fact = self._fact(kind)
        if fact is None:
            return None
        is_pronoun = not (name or mine or self.pattern.is_anywhere or kind in _OF_THEMSELVES)
        if is_pronoun and kind == "note" and self._may_be_an_adults():
            return None
        whose = "" if name or self.pattern.is_anywhere else mine
        return Heard(
            replace(fact, child_name=name),
            name if self._is_certain(name) else "",
            whose,
            self._pronoun() if is_pronoun else None,
        )

    def _is_certain(self, name: str) -> bool:
        """A small word after "my son" may be no name: it counts where another place leaves no doubt."""
        if _has_capitals(name):
            return self.pattern.kind == "name" or name[:1].isupper()
        is_by_place = bool(self._folded("mine")) and not self.language.has_no_borders
        return self.pattern.kind == "name" or self.pattern.names or is_by_place

    def heard_of_the_same(self) -> Heard | None:
        """Of the child that the clause before spoke of."""
        fact = self._fact(self.pattern.kind)
        if fact is None or self.before is None:
            return None
        same = self.before.heard
        return replace(same, fact=replace(fact, child_name=same.fact.child_name))

    def _pronoun(self) -> Pronoun:
        place = self.reading.view.display_span
        sentence, clause = self.clause.sentence, self.clause.start
        return Pronoun(place(sentence, sentence)[0], place(clause, clause)[0])

    def _may_be_an_adults(self) -> bool:
        """Somebody grown up was spoken of since the child was."""
        since = self.before.clause.start if self.before else 0
        return self.language.is_of_an_adult(self.reading.view.text[since : self.clause.start])

    @property
    def language(self) -> _Language:
        return self.reading.language

    @property
    def today(self) -> date:
        return self.reading.today

    def _fact(self, kind: str) -> Fact | None:
        match kind:
            case "name":
                return Fact(FactKind.NAME, self._shown("name"))
            case "feeding":
                return Fact(FactKind.FEEDING, Feeding(self.pattern.value))
            case "note" | "about":
                return self._note(FactKind.NOTE if kind == "note" else FactKind.ABOUT)
            case "pregnant":
                return self._pregnant()
            case "due":
                day = self._date(ahead=True)
                return _due(day, self.today) if day else None
            case "born":
                day = self._date(ahead=False)
                return _born(day, self.today) if day else None
            case "age":
                return _born(self._birth_of_age(), self.today, is_about=True)
        return None

    def _note(self, kind: str) -> Fact | None:
        """The value of the pattern, with the person's own words in it. None where they are not sure of it."""
        if self.language.is_doubted(self.reading.view.text[self.clause.start : self.clause.end]):
            return None
        what = one_line(self._shown("what"), MOST_LETTERS + 1)
        if len(what) > MOST_LETTERS or len(what.split()) > MOST_WORDS:
            return None
        return Fact(kind, self.pattern.value.replace("{what}", what).replace("{n}", self._folded("n")))

    def _pregnant(self) -> Fact | None:
        weeks, days = self.language.number(self._folded("n")), int(self._folded("extra") or 0)
        if not 3 <= weeks <= 42:
            return None
        due = self.today + timedelta(days=PREGNANCY_DAYS - 7 * weeks - days)
        return Fact(FactKind.DUE_DATE, f"{ABOUT}{due}")

    def _birth_of_age(self) -> date:
        count, unit = self.language.number(self._folded("n")), self.language.unit(self._folded("unit"))
        if unit in "dw":
            return self.today - timedelta(days=count * (7 if unit == "w" else 1))
        return _months_before(self.today, count * (12 if unit == "y" else 1))

    def _date(self, *, ahead: bool) -> date | None:
        """A day without a year is the next one, or the last one."""
        day, month = int(self._folded("day")), self.language.month(self._folded("month"))
        years = [int(said)] if (said := self._folded("year")) else [self.today.year + n for n in (-1, 0, 1)]
        found = [made for year in years if (made := _made(year, month, day))]
        if self._folded("year"):
            return found[0] if found else None
        ahead_of = [made for made in found if (made >= self.today if ahead else made <= self.today)]
        return (min if ahead else max)(ahead_of, default=None)

    def _name(self) -> str | None:
        """Empty where none was said; None where the word is no name."""
        if self.match.span("name") is None:
            return ""
        return None if self.language.is_no_name(self._folded("name")) else self._shown("name")[:NAME_CHARS]

    def _folded(self, name: str) -> str:
        span = self.match.span(name)
        return self.reading.view.text[span[0] : span[1]] if span else ""

    def _shown(self, name: str) -> str:
        """As it was written."""
        span = self.match.span(name)
        if span is None:
            return ""
        start, end = self.reading.view.display_span(*span)
        return self.reading.text[start:end].strip()


def _is_of_a_child(heard: Heard) -> bool:
    return heard.fact.fact not in (FactKind.DUE_DATE, FactKind.ABOUT)


def _has_capitals(name: str) -> bool:
    """Whether its script has them."""
    return name.upper() != name.lower()


def _due(day: date, today: date) -> Fact | None:
    return None if wrong_due_date(day, today) else Fact(FactKind.DUE_DATE, str(day))


def _born(day: date, today: date, *, is_about: bool = False) -> Fact | None:
    if wrong_birth_date(day, today):
        return None
    return Fact(FactKind.BIRTH_DATE, f"{ABOUT if is_about else ''}{day}")


def _months_before(today: date, months: int) -> date:
    year, month = divmod(today.year * 12 + today.month - 1 - months, 12)
    return date(max(year, 1), month + 1, min(today.day, 28))


def _made(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


@cache
def _languages() -> tuple[_Language, ...]:
    return tuple(_Language(tomllib.loads(path.read_text("utf-8"))) for path in sorted(_FOLDER.glob("*.toml")))
