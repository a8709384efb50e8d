"""Builds a card from its data: one warm sentence with one instruction, steps, whom to reach, source and date.

`content` is restricted markdown (paragraphs, a numbered list, *emphasis*), readable as it stands.
"""

from dataclasses import dataclass
from datetime import date
from functools import cache

import regex

from safety.cards.data import (
    CardData,
    Country,
    Number,
    Words,
    card_data,
    countries,
    countries_of,
    spoken,
)
from safety.cards.places import country_names
from safety.verdict import Category, Severity

ROLE = regex.compile(r"\{([a-z_]+)\}")


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
def card(
    card_id: str, *, language: str | None = None, country: str | None = None, guessed: bool = False
) -> Card:
    """The card for a reader. Raises UnknownCard.

    `language` is a tag such as "en" or "es-MX"; one without cards reads English. `country` is ISO 3166
    alpha-2 ("UK" is understood); one that was `guessed` is said to be. Without any the card names the
    countries where the language is spoken, labelled.
    """
    cards, words = card_data(language)
    if card_id not in cards:
        raise UnknownCard(card_id)
    data = cards[card_id]
    reader = _Reader(words, _code(country), countries().get(_code(country)), spoken(language), guessed)
    return Card(
        id=data.id,
        category=data.category,
        severity=data.severity,
        content=_content(data, reader),
        actions=_actions(data, reader),
        source_url=data.source_url,
        reviewed_on=data.reviewed_on,
        discreet=data.discreet,
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """`place` is None where the country is not known, or has no numbers of ours."""

    words: Words
    code: str
    place: Country | None
    language: str
    guessed: bool

    def likely(self, role: str) -> dict[str, list[Country]]:
        """By what to call: the countries of this language that call it, for a reader of unknown country."""
        found: dict[str, list[Country]] = {}
        for place in countries_of(self.language.partition("-")[0]):
            if number := place.first(role):
                found.setdefault(number.spoken, []).append(place)
        return found

    def names(self, places: list[Country]) -> str:
        """As they stand after "in"."""
        return ", ".join(self.words.countries[place.code] for place in places)

    def plain_names(self, places: list[Country]) -> str:
        named = dict(country_names(self.language))
        return ", ".join(named[place.code] for place in places)


def all_card_ids() -> tuple[str, ...]:
    """Every card there is, in the order of the file."""
    return tuple(card_data(None)[0])


def names_a_country(label: str) -> bool:
    """Whether a label is one of several for a reader of unknown country, of equal weight."""
    return ": " in label


def _code(country: str | None) -> str:
    code = (country or "").upper()
    return "GB" if code == "UK" else code


def _content(data: CardData, reader: _Reader) -> str:
    words, place = reader.words, reader.place
    said = " ".join([data.lead, *data.steps, data.otherwise])
    parts = [
        _spoken(data.lead, words, place),
        "\n".join(f"{n}. {_spoken(step, words, place)}" for n, step in enumerate(data.steps, 1)),
        _spoken(data.otherwise, words, place),
        _where(data, reader) if ROLE.search(said) else "",
        f"*{_source(data, words)}*",
    ]
    return "\n\n".join(part for part in parts if part)


def _where(data: CardData, reader: _Reader) -> str:
    """Whose numbers these are, where that is not sure; or how to find one."""
    if reader.place is None:
        return reader.words.find if reader.code else _numbers_by_country(data, reader)
    if reader.guessed:
        return reader.words.guess.format(country=reader.words.countries[reader.place.code])
    return ""


def _spoken(text: str, words: Words, place: Country | None) -> str:
    return ROLE.sub(lambda match: _spoken_number(match.group(1), words, place), text)


def _spoken_number(role: str, words: Words, place: Country | None) -> str:
    number = place.first(role) if place else None
    return with_name(number) if number else words.role(role)


def with_name(number: Number) -> str:
    return f"{number.name}, {number.spoken}" if number.name else number.spoken


def _numbers_by_country(data: CardData, reader: _Reader) -> str:
    """For a reader of unknown country: "911 in the United States, 999 in …, elsewhere: …"."""
    role, words = data.numbers[0] if data.numbers else "emergency", reader.words
    known = [
        words.in_country.format(spoken=with_name(number), country=reader.names(places))
        for places in reader.likely(role).values()
        if (number := places[0].first(role))
    ]
    elsewhere = words.elsewhere if role in ("emergency", "advice") else words.elsewhere_help
    return f"{', '.join([*known, elsewhere])}."


def _actions(data: CardData, reader: _Reader) -> tuple[CardAction, ...]:
    words, place = reader.words, reader.place
    if place is not None:
        numbers = [number for role in data.numbers for number in place.all_of(role)]
        return tuple(CardAction(_label(number, words), number.href) for number in numbers)
    if reader.code:  # a country without numbers of ours: blank beats another country's
        return ()
    return tuple(
        CardAction(
            words.in_label.format(country=reader.plain_names(places), label=_label(number, words)),
            number.href,
        )
        for role in data.numbers[:1]
        for places in reader.likely(role).values()
        if (number := places[0].first(role))
    )


def _label(number: Number, words: Words) -> str:
    """What the button says: the number spelt out, and whether it is free and at any hour."""
    if number.href.startswith("sms:"):
        return words.text.format(name=number.name, spoken=number.spoken)
    call = words.call if number.name else words.call_plain
    return call.format(name=number.name, spoken=number.spoken)


def _source(data: CardData, words: Words) -> str:
    day = data.reviewed_on
    return words.source.format(source=data.source, date=f"{day.day} {words.months[day.month - 1]} {day.year}")
