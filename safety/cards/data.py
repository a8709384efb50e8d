"""The data files behind the cards: `<language>.toml` for words, `numbers.toml` for whom to call."""

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from safety import overrides
from safety.verdict import Category, Severity

FOLDER = Path(__file__).parent
DEFAULT_LANGUAGE = "en"
OTHER_FILES = frozenset({"numbers", "timezones", "page"})
ROLES = frozenset(
    {
        "emergency", "crisis", "crisis_text", "maternal_support", "poison", "abuse", "abuse_text",
        "child_protection", "advice",
    }
)  # fmt: skip
"""What a number may be for: the buttons of cards ask for them."""


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
    call: str
    call_plain: str
    text: str
    guess: str
    find: str
    free: str
    hours_all: str
    source: str
    months: tuple[str, ...]
    role_emergency: str
    role_crisis: str
    role_poison: str
    role_abuse: str
    role_child_protection: str
    role_advice: str
    countries: dict[str, str]

    def role(self, role: str) -> str:
        """How a role is called when no number is known."""
        return str(getattr(self, f"role_{role}"))


@dataclass(frozen=True, slots=True)
class Number:
    """`name` is what the service calls itself, empty for the emergency number; `hours` empty for any hour."""

    role: str
    spoken: str
    href: str
    source_url: str
    reviewed_on: date
    name: str = ""
    hours: str = ""
    free: bool = False


@dataclass(frozen=True, slots=True)
class OwnNumber:
    """A number that helps in this country though no card shows it: answers may name it."""

    spoken: str
    source_url: str
    reviewed_on: date


@dataclass(frozen=True, slots=True)
class Country:
    """`languages`: in which its people may ask, without saying where they are. Roles may be missing."""

    code: str
    languages: tuple[str, ...]
    number: tuple[Number, ...]
    also: tuple[OwnNumber, ...] = ()

    def all_of(self, role: str) -> tuple[Number, ...]:
        return tuple(number for number in self.number if number.role == role)

    def first(self, role: str) -> Number | None:
        return next(iter(self.all_of(role)), None)


@cache
def card_data(language: str | None) -> tuple[dict[str, CardData], Words]:
    """Cards by id and the words around them. A card not written in this language yet is English."""
    default, default_words = _read(DEFAULT_LANGUAGE)
    name = spoken(language)
    if name == DEFAULT_LANGUAGE:
        return default, default_words
    own, words = _read(name)
    return {**default, **own}, words


def languages() -> list[str]:
    """Those that have cards."""
    return sorted(path.stem for path in FOLDER.glob("*.toml") if path.stem not in OTHER_FILES)


def spoken(language: str | None) -> str:
    """The language of the cards for a tag such as "es-MX" or "zh-TW"; English where there is none."""
    tag = (language or DEFAULT_LANGUAGE).lower().replace("_", "-")
    parts = tag.split("-")
    if parts[0] == "zh" and {"hant", "tw", "hk", "mo"} & set(parts[1:]):
        return "zh-hant"
    return parts[0] if parts[0] in languages() else DEFAULT_LANGUAGE


@cache
def countries() -> dict[str, Country]:
    """By ISO 3166 alpha-2 code: those that cards can call in."""
    raw = _toml("numbers")
    return {
        code: msgspec.convert({"code": code} | country, Country)
        for code, country in raw.items()
        if country.keys() - {"also"}
    }


@cache
def also_own(code: str) -> tuple[OwnNumber, ...]:
    """The numbers of any country that no card shows, also of one that has no others here."""
    return msgspec.convert(_toml("numbers").get(code, {}).get("also", ()), tuple[OwnNumber, ...])


def countries_of(language: str) -> list[Country]:
    """Where this language is spoken, the likeliest first."""
    return [place for place in countries().values() if language in place.languages]


@cache
def _read(language: str) -> tuple[dict[str, CardData], Words]:
    raw = _toml(language)
    cards = msgspec.convert(raw["card"], list[CardData])
    words = raw["words"] | {"countries": raw["countries"]}
    return {card.id: card for card in cards}, msgspec.convert(words, Words)


def _toml(name: str) -> dict[str, Any]:
    """Our file, with what a clinic's own changes: cards by id, the words around them, countries whole."""
    ours = as_shipped(name)
    folder = overrides.cards()
    path = folder / f"{name}.toml" if folder else None
    if path is None or not path.is_file():
        return ours
    theirs = tomllib.loads(path.read_text("utf-8"))
    if name == "numbers":
        kept = {code: {"also": ours[code]["also"]} for code in theirs if "also" in ours.get(code, {})}
        return ours | {code: kept.get(code, {}) | country for code, country in theirs.items()}
    cards = [*ours.get("card", ()), *theirs.get("card", ())]
    words = {table: ours.get(table, {}) | theirs.get(table, {}) for table in ("words", "countries")}
    return ours | theirs | words | {"card": list({card["id"]: card for card in cards}.values())}


def as_shipped(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))
