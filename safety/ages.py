"""Ages and weeks of pregnancy as parents write them: "6wk old", "mi bebe de 2 meses", "36+4", "newborn".

How each language says it stands in its lexicon, under `[ages]`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import re2
import regex

from safety.rules.lexicon import Lexicon, quiet_options
from safety.rules.loader import load_rules
from safety.views import fold_pattern

_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}
NEWBORN_DAYS = 14
_BESIDE = 12  # characters


@dataclass(frozen=True, slots=True)
class Ages:
    """One language's ways. `age` has the groups `count` and one of `d`, `w`, `m`, `y`; `week` a count."""

    numbers: dict[str, int]
    age: "_Sayings"
    newborn: "_Sayings"
    week: "_Sayings"


class _Sayings:
    """RE2 says in one reading where a text may have one; only there it is read again, group by group."""

    def __init__(self, source: str, before: str, after: str) -> None:
        self._exact = regex.compile(f"{before}(?:{source}){after}")
        self._any = re2.compile(_loose(source), _QUIET)

    def finditer(self, folded: str) -> Iterator[regex.Match[str]]:
        done = 0
        for likely in self._any.finditer(folded):
            start, end = max(done, likely.start() - _BESIDE), likely.end() + _BESIDE
            for match in self._exact.finditer(folded, start, end):
                done = match.end()
                yield match


def _loose(source: str) -> str:
    """In RE2's words, which know borders and letters of Latin only; without what is looked at beside."""
    plain = _LOOK_AROUND.sub("", _GROUP.sub("(?:", source)).replace(r"\b", "")
    return _WORD_LETTER.sub(
        lambda m: m[0].replace(r"\w", _LETTERS if m[0][0] == "[" else f"[{_LETTERS}]"), plain
    )


_QUIET = quiet_options()
_GROUP = regex.compile(r"\(\?P<\w+>")
_WORD_LETTER, _LETTERS = regex.compile(r"\[(?:\\.|[^\]\\])*\]|\\w"), r"\pL\pM\pN_"
_LOOK_AROUND = regex.compile(r"\(\?<?[=!](?<inside>(?:\\.|\[(?:\\.|[^\]\\])*\]|[^()\[\\]|\((?&inside)\))*)\)")


@cache
def _languages() -> tuple[Ages, ...]:
    return tuple(_ages(lexicon) for lexicon in load_rules().lexicons.values() if lexicon.ages)


def _ages(lexicon: Lexicon) -> Ages:
    given = lexicon.ages
    numbers = {fold_pattern(word): count for word, count in given.get("numbers", {}).items()}
    count = rf"(?P<count>\d{{1,3}}|{'|'.join(sorted(numbers, key=len, reverse=True))})" if numbers else (
        r"(?P<count>\d{1,3})"
    )  # fmt: skip
    units = "|".join(f"(?P<{kind}>{'|'.join(words)})" for kind, words in given.get("units", {}).items())
    filled = {"{n}": count, "{unit}": f"(?:{units})"}
    return Ages(
        numbers,
        _one_of(given.get("age", ()), filled, lexicon),
        _one_of(given.get("newborn", ()), filled, lexicon),
        _one_of(given.get("week", ()), filled, lexicon),
    )


def _one_of(patterns: list[str], filled: dict[str, str], lexicon: Lexicon) -> _Sayings:
    """`regex` takes a group name more than once: the one that took part counts."""
    sources = []
    for pattern in patterns:
        for name, source in filled.items():
            pattern = pattern.replace(name, source)
        sources.append(fold_pattern(pattern))
    border = ("", "") if lexicon.border == "none" else (r"(?<!\w)", r"(?!\w)")
    joined = "|".join(sources) or r"[^\s\S]"
    return _Sayings(joined, *border)


def ages_in_days(folded: str) -> tuple[int, ...]:
    """Every child's age the text gives, in days. A duration ("for 3 days") is not an age."""
    ages: list[int] = []
    for ways in _languages():
        ages += [_days(ways, match) for match in ways.age.finditer(folded)]
        ages += [NEWBORN_DAYS for _ in ways.newborn.finditer(folded)][:1]
    return tuple(dict.fromkeys(ages))


def _days(ways: Ages, match: regex.Match[str]) -> int:
    groups = match.groupdict()
    unit = next(days for kind, days in _DAYS.items() if groups.get(kind))
    return _count(ways, groups["count"]) * unit


def _count(ways: Ages, words: str) -> int:
    return int(words) if words.isdigit() else ways.numbers[words]


def pregnancy_week(folded: str) -> int | None:
    """The week of pregnancy the text gives, if it is a possible one."""
    for ways in _languages():
        if match := next(ways.week.finditer(folded), None):
            week = _count(ways, match.group("count"))
            return week if 3 <= week <= 43 else None
    return None
