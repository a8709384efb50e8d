"""Our own cards, quoted back to us, are no alarm: they are advice, not a cry for help."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import regex

from safety.cards.cards import ROLE, card, with_name
from safety.cards.data import Words, card_data, countries, languages
from safety.verdict import Finding

_LONGEST = 1_200
"""Characters of a line that is compared; none of ours is that long."""
_OPENING = 12
_WHOM = "\N{TELEPHONE RECEIVER}"
_NUMBERED = regex.compile(r"^\d+\. ")
_ROLES = [name for name in Words.__slots__ if name.startswith("role_")]


def not_our_own(findings: list[Finding], display: str) -> list[Finding]:
    """The findings, those inside a line that one of our cards has word for word taken back."""
    lines = [_line_around(display, finding.span[0]) for finding in findings]
    ours = {line for line in set(lines) if is_our_own(line)}
    return [_marked(f) if line in ours else f for f, line in zip(findings, lines, strict=True)]


def is_our_own(line: str) -> bool:
    """Whether a card has this line, in any language and for any country."""
    line = line.strip()
    return 0 < len(line) <= _LONGEST and _begins_as_ours(line) and _without_numbers(line) in our_lines()


def _begins_as_ours(line: str) -> bool:
    """Told at once of nearly every other line."""
    plain = _NUMBERED.sub("", line.strip("*"))
    return plain.startswith(_openings()) or _whom().match(plain) is not None


@cache
def _openings() -> tuple[str, ...]:
    """How our lines begin, where a number is not the first thing in them."""
    return tuple({line.partition(_WHOM)[0][:_OPENING] for line in our_lines()} - {""})


def _marked(finding: Finding) -> Finding:
    return replace(finding, suppressed_by=finding.suppressed_by or "our_own_words")


def _line_around(display: str, at: int) -> str:
    start = display.rfind("\n", 0, at) + 1
    end = display.find("\n", at)
    return display[start : end if end >= 0 else len(display)]


@cache
def our_lines() -> frozenset[str]:
    """Every line of every card, with one sign for whom to call: each country has its own numbers there."""
    return frozenset(_without_numbers(line) for language in languages() for line in _lines_in(language))


def _lines_in(language: str) -> Iterator[str]:
    cards, words = card_data(language)
    yield from (words.find, *(words.guess.format(country=name) for name in words.countries.values()))
    for data in cards.values():
        yield from (ROLE.sub(_WHOM, line) for line in (data.lead, *data.steps, data.otherwise))
        # For a reader of unknown country: it is kept nowhere else, so neither here.
        yield from card.__wrapped__(data.id, language=language).content.splitlines()


def _without_numbers(line: str) -> str:
    """As it is compared: quoted from a page it has lost its list number and its emphasis."""
    plain = _NUMBERED.sub("", line.strip().strip("*"))
    return _whom().sub(_WHOM, plain)


@cache
def _whom() -> regex.Pattern[str]:
    """All that stands for whom to call: numbers with their names, or what to ask for where there is none."""
    said = {with_name(number) for place in countries().values() for number in place.number}
    said |= {getattr(card_data(language)[1], role) for language in languages() for role in _ROLES}
    return regex.compile("|".join(map(regex.escape, sorted(said, key=len, reverse=True))))
