"""Whom to call in each country, and whose clocks tell where a reader is."""

import re
import tomllib
from datetime import date, timedelta
from zoneinfo import available_timezones

import pytest

from safety.cards.data import FOLDER, Country, Number, card_data, countries, languages

FRESH = timedelta(days=365)
PLACES = [
    "US", "GB", "IE", "CA", "AU", "NZ", "ES", "MX", "AR", "CO", "CL",
    "FR", "DE", "AT", "CH", "PT", "BR", "CN", "IN", "SA", "AE", "EG",
]  # fmt: skip
ROLES = {
    "emergency",
    "crisis",
    "crisis_text",
    "maternal_support",
    "poison",
    "abuse",
    "abuse_text",
    "child_protection",
    "advice",
}
CODES = {
    "US": "1", "CA": "1", "GB": "44", "IE": "353", "AU": "61", "NZ": "64", "ES": "34", "MX": "52",
    "CL": "56", "FR": "33", "DE": "49", "AT": "43", "PT": "351", "SA": "966",
}  # fmt: skip
HREF = re.compile(r"tel:(\+?\d+|\*4141)|sms:\+?\d+(\?body=[A-Z]+)?")  # Chile's star is part of the number
NUMBERS = [
    pytest.param(place, number, id=f"{place.code}-{number.role}-{number.spoken}")
    for place in countries().values()
    for number in place.number
]


@pytest.mark.parametrize("code", PLACES)
def test_country_has_an_emergency_number(code):
    emergency = countries()[code].all_of("emergency")
    assert 1 <= len(emergency) <= 2
    assert all(number.name == "" for number in emergency)


def test_every_country_is_listed():
    assert sorted(countries()) == sorted(PLACES)


@pytest.mark.parametrize("code", PLACES)
def test_country_has_a_crisis_line_that_never_closes(code):
    crisis = countries()[code].first("crisis")
    assert crisis is not None and crisis.hours == ""


@pytest.mark.parametrize(("place", "number"), NUMBERS)
def test_number_has_a_fresh_source(place: Country, number: Number):
    assert re.fullmatch(r"https?://\S+", number.source_url)
    assert timedelta(0) <= date.today() - number.reviewed_on < FRESH


@pytest.mark.parametrize(("place", "number"), NUMBERS)
def test_number_can_be_called(place: Country, number: Number):
    assert HREF.fullmatch(number.href)
    assert number.href.startswith("sms:") == number.role.endswith("_text")


@pytest.mark.parametrize(("place", "number"), NUMBERS)
def test_spoken_is_what_is_called(place: Country, number: Number):
    called = number.href.partition(":")[2].partition("?")[0]
    spoken = _digits(number.spoken)
    if called.startswith("+"):
        code = CODES[place.code]
        assert called in {f"+{code}{spoken}", f"+{code}{spoken.removeprefix('0')}", f"+{spoken}"}
        assert called.startswith(f"+{code}")
    else:
        assert _digits(called) == spoken


@pytest.mark.parametrize(("place", "number"), NUMBERS)
def test_name_is_only_a_name(place: Country, number: Number):
    assert number.role in ROLES
    assert bool(number.name) == (number.role != "emergency")
    assert not re.search(r": |[{}]", number.name)
    assert number.spoken not in number.name


@pytest.mark.parametrize("code", PLACES)
def test_no_number_stands_twice(code):
    pairs = [(number.role, number.href) for number in countries()[code].number]
    assert len(pairs) == len(set(pairs))


@pytest.mark.parametrize("language", languages())
def test_countries_have_names(language):
    assert set(countries()) <= set(card_data(language)[1].countries)


@pytest.mark.parametrize("language", languages())
def test_language_is_spoken_somewhere(language):
    assert any(language.partition("-")[0] in place.languages for place in countries().values())


def test_zones_are_known_and_stand_once():
    zones = _zones()
    names = [name for of_country in zones.values() for name in of_country]
    assert set(names) <= available_timezones()
    assert len(names) == len(set(names))
    assert sorted(zones) == sorted(PLACES)


@pytest.mark.parametrize(
    ("zone", "code"),
    [("America/New_York", "US"), ("Europe/London", "GB"), ("Asia/Calcutta", "IN"), ("Asia/Dubai", "AE")],
)
def test_zone_tells_the_country(zone, code):
    assert zone in _zones()[code]


def _zones() -> dict[str, list[str]]:
    return tomllib.loads((FOLDER / "timezones.toml").read_text("utf-8"))


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)
