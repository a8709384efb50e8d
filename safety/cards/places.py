"""Countries as cards know them: their names, their clocks, and which cards name their numbers."""

import tomllib
import unicodedata
from functools import cache, lru_cache

import msgspec

from safety.cards.data import DEFAULT_LANGUAGE, FOLDER, CardData, card_data, countries, spoken

_NOWHERE = ("", "UTC", "GMT", "Etc/", "UCT", "Universal", "Zulu")


def has_numbers(country: str) -> bool:
    return country in countries()


def gives_numbers(card_id: str) -> bool:
    """Whether a card calls somebody: then it reads otherwise in each country."""
    data = card_data(DEFAULT_LANGUAGE)[0].get(card_id)
    return data is not None and bool(data.numbers or "{" in _said(data))


def _said(data: CardData) -> str:
    return " ".join([data.lead, *data.steps, data.otherwise])


@cache
def country_names(language: str | None) -> tuple[tuple[str, str], ...]:
    """(code, name) of every country whose numbers we have, in the order of the names."""
    named = card_data(language)[1].countries | _page_words()[spoken(language)].names
    pairs = [(code, named[code]) for code in countries()]
    return tuple(sorted(pairs, key=lambda pair: _sort_key(pair[1])))


def _sort_key(name: str) -> str:
    """Accents count for nothing: Österreich stands by O."""
    return "".join(c for c in unicodedata.normalize("NFD", name.casefold()) if not unicodedata.combining(c))


@lru_cache(maxsize=256)
def card_language(language: str | None) -> str:
    """The language that a card for this tag is written in, as HTML's `lang` has it."""
    name = spoken(language)
    return "zh-Hant" if name == "zh-hant" else name


def direction(language: str) -> str:
    return "rtl" if language == "ar" else "ltr"


class PageWords(msgspec.Struct, frozen=True):
    """What the page says around a card; `names` of countries where they are not what stands after "in"."""

    country: str
    choose: str
    show: str
    leave: str
    withdrawn: str
    names: dict[str, str] = {}


def page_words(language: str | None) -> PageWords:
    return _page_words()[spoken(language)]


@cache
def _page_words() -> dict[str, PageWords]:
    raw = tomllib.loads((FOLDER / "page.toml").read_text("utf-8"))
    return msgspec.convert(raw, dict[str, PageWords])


# --- Clocks -------------------------------------------------------------------------------------------------


def country_of_timezone(name: str) -> str:
    """Empty where no country of ours has this clock."""
    return _countries_by_timezone().get(name, "")


def is_elsewhere(timezone: str) -> bool:
    """Whether a clock says that its owner is in none of our countries; UTC says nothing."""
    says_nothing = timezone in _NOWHERE or timezone.startswith("Etc/")
    return not says_nothing and not country_of_timezone(timezone)


@cache
def _countries_by_timezone() -> dict[str, str]:
    zones = tomllib.loads((FOLDER / "timezones.toml").read_text("utf-8"))
    return {name: country for country, names in zones.items() for name in names}
