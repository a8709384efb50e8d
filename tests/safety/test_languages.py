"""In which language a card is shown to somebody who did not say theirs."""

import pytest

from safety.cards.data import countries, languages
from safety.cards.places import (
    card_language,
    country_names,
    country_of_timezone,
    direction,
    gives_numbers,
    is_elsewhere,
    page_words,
)
from safety.languages import is_traditional, language_of, language_of_rule
from safety.verdict import Action, Category, Finding, Severity


def finding(rule_id, severity=Severity.NOTICE, action=Action.ALLOW_WITH_NOTICE, span=(0, 1)):
    return Finding(Category.SELF_HARM, severity, action, rule_id, 1.0, span, "")


def test_gravest_rule_names_the_language():
    found = [finding("en.injection.override"), finding("es.self_harm.intent", Severity.EMERGENCY)]
    assert language_of(found, "quiero morir") == "es"


def test_of_two_alike_the_one_that_understood_more_names_it():
    found = [finding("de.self_harm.intent", span=(7, 17)), finding("es.self_harm.intent", span=(0, 17))]
    assert language_of(found, "quiero suicidarme") == "es"


@pytest.mark.parametrize("rule_id", ["repetition", "open_emergency.follow_up", "guard_error", "pii.email"])
def test_what_all_languages_share_names_none(rule_id):
    assert language_of_rule(rule_id) is None
    found = [finding(rule_id, Severity.EMERGENCY), finding("de.infant.fever")]
    assert language_of(found, "Fieber") == "de"
    assert language_of([finding(rule_id)], "hello") is None


@pytest.mark.parametrize(("text", "language"), [("宝宝不呼吸了", "zh"), ("寶寶不呼吸了", "zh-Hant")])
def test_traditional_characters_are_answered_in_traditional(text, language):
    assert language_of([finding("zh.infant.not_breathing")], text) == language
    assert is_traditional(text) is (language == "zh-Hant")


@pytest.mark.parametrize(
    ("tag", "language"), [("es-MX", "es"), ("zh-TW", "zh-Hant"), ("zh", "zh"), ("fi", "en"), (None, "en")]
)
def test_card_names_the_language_that_it_is_written_in(tag, language):
    assert card_language(tag) == language


def test_arabic_runs_from_right_to_left():
    assert [direction(language) for language in ("ar", "hi", "zh-Hant")] == ["rtl", "ltr", "ltr"]


@pytest.mark.parametrize("language", languages())
def test_every_language_names_every_country_and_has_the_page_s_words(language):
    assert sorted(code for code, _name in country_names(language)) == sorted(countries())
    assert page_words(language).leave


def test_countries_stand_in_the_order_of_their_names():
    names = [name for _code, name in country_names("de")]
    assert names.index("Österreich") < names.index("Portugal")
    assert "USA" in names
    assert dict(country_names("en"))["US"] == "United States"


def test_cards_that_call_somebody_are_known():
    assert gives_numbers("infant_choking")
    assert not gives_numbers("injection_refusal")
    assert not gives_numbers("no such card")


def test_clock_names_a_country_or_says_that_it_is_elsewhere():
    assert country_of_timezone("Europe/Vienna") == "AT"
    assert country_of_timezone("Asia/Calcutta") == country_of_timezone("Asia/Kolkata") == "IN"
    assert (country_of_timezone("UTC"), country_of_timezone("")) == ("", "")
    assert [is_elsewhere(zone) for zone in ("Asia/Tokyo", "Etc/GMT+5", "UTC", "", "Europe/Vienna")] == [
        True,
        False,
        False,
        False,
        False,
    ]
