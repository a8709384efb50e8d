"""The data files behind the cards: `<language>.toml` for words, `numbers.toml` for whom to call."""

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import msgspec

from safety.verdict import Category, Severity

FOLDER = Path(__file__).parent
DEFAULT_LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class CardData:
    """One card as written; `numbers` are roles in the order of the buttons."""

    id: str
    category: Category
    severity: Severity
    lead: str
    source: str
    source_url: str
    reviewed_on: date
    steps: tuple[str, ...] = ()
    otherwise: str = ""
    numbers: tuple[str, ...] = ()
    discreet: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """The phrases around a card in one language."""

    elsewhere: str
    elsewhere_help: str
    in_country: str
    in_label: str
    source: str
    months: tuple[str, ...]
    role_emergency: str
    role_crisis: str
    role_poison: str
    role_abuse: str
    role_child_protection: str
    role_advice: str

    def role(self, role: str) -> str:
        """How a role is called when no number is known."""
        return str(getattr(self, f"role_{role}"))


@dataclass(frozen=True, slots=True)
class Number:
    role: str
    name: str
    spoken: str
    label: str
    href: str
    hours: str
    source_url: str
    reviewed_on: date


@dataclass(frozen=True, slots=True)
class Country:
    """`name` is how a sentence calls it; roles may be missing."""

    name: str
    number: tuple[Number, ...]

    def all_of(self, role: str) -> tuple[Number, ...]:
        return tuple(number for number in self.number if number.role == role)

    def first(self, role: str) -> Number | None:
        return next(iter(self.all_of(role)), None)


@cache
def card_data(language: str | None) -> tuple[dict[str, CardData], Words]:
    """Cards by id and the words around them. A card not written in this language yet is English."""
    default, default_words = _read(DEFAULT_LANGUAGE)
    code = (language or DEFAULT_LANGUAGE).split("-")[0].lower()
    if code == DEFAULT_LANGUAGE or not (FOLDER / f"{code}.toml").is_file():
        return default, default_words
    own, words = _read(code)
    return {**default, **own}, words


@cache
def countries() -> dict[str, Country]:
    """By ISO 3166 alpha-2 code."""
    raw = tomllib.loads((FOLDER / "numbers.toml").read_text("utf-8"))
    return {code: msgspec.convert(country, Country) for code, country in raw.items()}


@cache
def _read(language: str) -> tuple[dict[str, CardData], Words]:
    raw = tomllib.loads((FOLDER / f"{language}.toml").read_text("utf-8"))
    cards = msgspec.convert(raw["card"], list[CardData])
    return {card.id: card for card in cards}, msgspec.convert(raw["words"], Words)
