"""Builds a card from its data: one warm sentence with one instruction, steps, whom to reach, source and date.

`content` is restricted markdown (paragraphs, a numbered list, *emphasis*), readable as it stands.
"""

from dataclasses import dataclass
from datetime import date
from functools import cache

import regex

from safety.cards.data import CardData, Country, Number, Words, card_data, countries
from safety.verdict import Category, Severity

_ROLE = regex.compile(r"\{([a-z_]+)\}")


class UnknownCard(KeyError):
    """No card has this id."""


@dataclass(frozen=True, slots=True)
class CardAction:
    """One button: the label spells the number out; `href` is `tel:` or `sms:`."""

    label: str
    href: str


@dataclass(frozen=True, slots=True)
class Card:
    """`discreet` cards are shown small and plain, with a way to leave the page, and in no notification."""

    id: str
    category: Category
    severity: Severity
    content: str
    actions: tuple[CardAction, ...]
    source_url: str
    reviewed_on: date
    discreet: bool = False


@cache
def card(card_id: str, *, language: str | None = None, country: str | None = None) -> Card:
    """The card for a reader. Raises UnknownCard.

    `language` is a tag such as "en" or "es-MX"; one without cards reads English. `country` is ISO 3166
    alpha-2 ("UK" is understood); without one the card names every country it knows, labelled.
    """
    cards, words = card_data(language)
    if card_id not in cards:
        raise UnknownCard(card_id)
    data = cards[card_id]
    place = countries().get(_code(country))
    return Card(
        id=data.id,
        category=data.category,
        severity=data.severity,
        content=_content(data, words, place, country),
        actions=_actions(data, words, place, country),
        source_url=data.source_url,
        reviewed_on=data.reviewed_on,
        discreet=data.discreet,
    )


def all_card_ids() -> tuple[str, ...]:
    """Every card there is, in the order of the file."""
    return tuple(card_data(None)[0])


def names_a_country(label: str) -> bool:
    """Whether a label is one of several for a reader of unknown country, of equal weight."""
    words = card_data(None)[1]
    beginnings = (words.in_label.format(country=place.name, label="") for place in countries().values())
    return label.startswith(tuple(beginnings))


def _code(country: str | None) -> str:
    code = (country or "").upper()
    return "GB" if code == "UK" else code


def _content(data: CardData, words: Words, place: Country | None, country: str | None) -> str:
    named = bool(place is None and _ROLE.search(" ".join([data.lead, *data.steps, data.otherwise])))
    parts = [
        _spoken(data.lead, words, place),
        "\n".join(f"{n}. {_spoken(step, words, place)}" for n, step in enumerate(data.steps, 1)),
        _spoken(data.otherwise, words, place),
        _numbers_by_country(data, words) if named and not _code(country) else "",
        f"*{_source(data, words)}*",
    ]
    return "\n\n".join(part for part in parts if part)


def _spoken(text: str, words: Words, place: Country | None) -> str:
    return _ROLE.sub(lambda match: _spoken_number(match.group(1), words, place), text)


def _spoken_number(role: str, words: Words, place: Country | None) -> str:
    number = place.first(role) if place else None
    return _with_name(number) if number else words.role(role)


def _with_name(number: Number) -> str:
    return number.spoken if number.role == "emergency" else f"{number.name} on {number.spoken}"


def _numbers_by_country(data: CardData, words: Words) -> str:
    """For a reader of unknown country: "911 in the United States, 999 in …, elsewhere: …"."""
    role = data.numbers[0] if data.numbers else "emergency"
    known = [
        words.in_country.format(spoken=_with_name(number), country=place.name)
        for place in countries().values()
        if (number := place.first(role))
    ]
    elsewhere = words.elsewhere if role in ("emergency", "advice") else words.elsewhere_help
    return f"{', '.join(known)}, {elsewhere}."


def _actions(
    data: CardData, words: Words, place: Country | None, country: str | None
) -> tuple[CardAction, ...]:
    if place is not None:
        numbers = [number for role in data.numbers for number in place.all_of(role)]
        return tuple(CardAction(number.label, number.href) for number in numbers)
    if _code(country):  # a country without numbers of ours: blank beats another country's
        return ()
    return tuple(
        CardAction(words.in_label.format(country=known.name, label=number.label), number.href)
        for role in data.numbers[:1]
        for known in countries().values()
        if (number := known.first(role))
    )


def _source(data: CardData, words: Words) -> str:
    day = data.reviewed_on
    return words.source.format(source=data.source, date=f"{day.day} {words.months[day.month - 1]} {day.year}")
