"""Phone numbers in an answer: another country's help nobody here."""

from datetime import date, timedelta

import pytest

from safety.cards.data import also_own, card_data, countries
from safety.output import guarded
from safety.rules.hotlines import foreign_hotlines
from safety.rules.loader import load_rules


def stopped(text, country):
    hit = guarded(text, country=country)[1]
    return hit and hit.rule_id


def digits_of(number):
    return "".join(char for char in number.spoken if char.isdecimal())


def foreign(country):
    return {candidate.rule_id.partition(".")[2] for _, candidate in foreign_hotlines(country)}


FOREIGN = [
    pytest.param(place.code, number, "NZ" if place.code == "AU" else "AU", id=f"{place.code}-{number.spoken}")
    for place in countries().values()
    for number in place.number
    if number.role in ("emergency", "crisis", "poison")
]


@pytest.mark.parametrize(("code", "number", "reader"), FOREIGN)
def test_number_of_another_country_is_withheld(code, number, reader):
    own = {digits_of(of) for of in (*countries()[reader].number, *also_own(reader))}
    expected = None if digits_of(number) in own else f"foreign_hotline.{digits_of(number)}"
    assert stopped(f"Please call {number.spoken} now.", reader) == expected
    assert stopped(f"Please call **{number.spoken}**.", reader) == expected


@pytest.mark.parametrize("code", ["AU", "US", "GB", "FR"])  # each country's rules are put together anew
def test_own_numbers_pass(code):
    text = " ".join(f"Call {number.name} {number.spoken}." for number in countries()[code].number)
    assert guarded(text, country=code) == (text, None)


@pytest.mark.parametrize("code", sorted(countries()))
def test_own_numbers_are_never_foreign(code):
    assert foreign(code) & {digits_of(number) for number in countries()[code].number} == set()
    assert len(foreign(code)) > 50


@pytest.mark.parametrize("country", [None, ""])
def test_reader_of_unknown_country_has_no_foreign_numbers(country):
    assert foreign_hotlines(country) == []


def test_country_is_known_by_both_its_codes():
    assert foreign("UK") == foreign("gb") == foreign("GB")


def test_country_without_numbers_has_all_of_them_abroad():
    assert foreign("SE") >= {"911", "999", "112"}


@pytest.mark.parametrize("written", ["116123", "116 123", "116-123", "(116) 123", "116.123"])
def test_number_is_found_however_it_is_spaced(written):
    assert stopped(f"Samaritans: {written}", "US") == "foreign_hotline.116123"


@pytest.mark.parametrize(
    "text",
    [
        "Feed every 999 minutes.", "It has 111 kcal.", "Room 911 is warm.", "About 112 babies were born.",
        "Call back in 15 minutes.", "Call the nurse when she has had 15 ml.", "Text me 3 days later.",
        "Order 1161234.", "It costs 911116123.",
    ],
)  # fmt: skip
def test_number_that_is_no_hotline_passes(text):
    assert guarded(text, country="AU") == (text, None)


@pytest.mark.parametrize("language", sorted(load_rules().lexicons))
def test_short_number_is_found_behind_call_in_every_language(language):
    words = load_rules().lexicons[language].markers["call"]
    missed = [
        word
        for word in words
        if stopped(f"{word} 999", "US") is None and stopped(f"999 {word}", "US") is None
    ]
    assert missed == []


@pytest.mark.parametrize("language", sorted(load_rules().lexicons))
def test_number_whose_country_is_named_is_information(language):
    name = card_data(language)[1].countries["GB"]
    text = f"999 ({name})"
    assert stopped(f"call {text}", "US") is None
    assert stopped("call 999", "US") == "foreign_hotline.999"


def test_name_of_a_third_country_does_not_excuse():
    assert stopped("In France, call 911.", "AU") == "foreign_hotline.911"


ALSO_OWN = [
    ("DE", "Wählen Sie 110 für die Polizei."), ("DE", "Rufen Sie 116 117 an."),
    ("DE", "Rufen Sie 116 111 an."),
    ("AT", "Rufen Sie die Polizei unter 133 an."), ("CH", "Rufen Sie 117 an."), ("FR", "Appelez le 17."),
    ("ES", "Llama al 091."), ("GB", "Call 112 or 999."), ("IE", "Call 999 or 112."), ("CN", "请拨打119。"),
    ("TW", "請撥打110。"), ("TW", "請撥打113保護專線。"), ("TW", "請撥打119。"),
    ("IN", "Call 100."), ("BR", "Ligue 181."),
]  # fmt: skip


@pytest.mark.parametrize(("country", "text"), ALSO_OWN)
def test_own_number_that_no_card_shows_passes(country, text):
    digits = {"".join(c for c in number.spoken if c.isdecimal()) for number in also_own(country)}
    assert digits
    assert foreign(country) & digits == set()
    if country in ("DE", "TW"):  # each country's rules are put together anew
        assert guarded(text, country=country) == (text, None)


def test_police_of_germany_help_nobody_elsewhere():
    assert stopped("Wählen Sie 110.", "AT") == "foreign_hotline.110"


@pytest.mark.parametrize("code", [*countries(), "TW"])
def test_number_that_no_card_shows_has_a_fresh_source(code):
    for number in also_own(code):
        assert number.source_url.startswith("https://")
        assert timedelta(0) <= date.today() - number.reviewed_on < timedelta(days=365)


def test_country_that_only_has_such_numbers_is_none_that_cards_know():
    assert "TW" not in countries()
    assert also_own("XX") == ()
