from datetime import date, timedelta

import pytest

from safety.cards import CardAction, UnknownCard, all_card_ids, card
from safety.cards.data import card_data, countries
from safety.rules.loader import load_rules

FRESH = timedelta(days=365)
PLACES = ["US", "GB", None, "FR"]


def test_sources_of_cards_are_fresh():
    cards, _ = card_data("en")
    assert [c.id for c in cards.values() if date.today() - c.reviewed_on > FRESH] == []


def test_sources_of_numbers_are_fresh():
    numbers = [n for place in countries().values() for n in place.number]
    assert [n.label for n in numbers if date.today() - n.reviewed_on > FRESH] == []


def test_sources_of_rules_are_fresh():
    data = load_rules()
    dates = [(r.id, r.reviewed_on) for r in data.rules] + [(r.id, r.reviewed_on) for r in data.output_rules]
    assert [rule_id for rule_id, day in dates if date.today() - day > FRESH] == []


@pytest.mark.parametrize("country", PLACES)
@pytest.mark.parametrize("card_id", all_card_ids())
def test_card_keeps_its_form(card_id, country):
    shown = card(card_id, country=country)
    paragraphs = shown.content.split("\n\n")
    steps = [line for line in shown.content.splitlines() if line[:2] in ("1.", "2.", "3.", "4.")]
    assert paragraphs[-1].startswith("*Source: ") and paragraphs[-1].endswith("*")
    assert len(steps) <= 3
    assert [mark for mark in "!{}<>[]" if mark in shown.content] == []


def test_first_button_calls_the_emergency_number():
    assert card("infant_choking", country="US").actions == (CardAction("Call 911", "tel:911"),)
    assert card("infant_choking", country="UK").actions == (CardAction("Call 999", "tel:999"),)


def test_unknown_country_names_every_known_number_and_guesses_none():
    shown = card("infant_choking")
    assert shown.actions == (
        CardAction("United States: Call 911", "tel:911"),
        CardAction("United Kingdom: Call 999", "tel:999"),
    )
    assert shown.content.split("\n\n")[-2] == (
        "911 in the United States, 999 in the United Kingdom, elsewhere: your local emergency number."
    )


def test_country_without_numbers_gets_no_foreign_button():
    shown = card("infant_choking", country="FR")
    assert shown.actions == ()
    assert shown.content.splitlines()[0] == (
        "You can help right now: call your local emergency number "
        "and put the phone on speaker while you start."
    )


def test_crisis_card_puts_the_crisis_line_first():
    labels = [a.label for a in card("self_harm_crisis", country="US").actions]
    assert labels[:3] == ["Call 988", "Text 988", "Call 911"]


def test_abuse_card_is_discreet():
    assert [i for i in all_card_ids() if card(i).discreet] == ["domestic_abuse"]


def test_language_without_cards_reads_english():
    assert card("injection_refusal", language="fr") == card("injection_refusal", language="en-GB")


def test_unknown_card_is_an_error():
    with pytest.raises(UnknownCard):
        card("no_such_card")
