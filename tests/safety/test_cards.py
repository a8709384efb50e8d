import re
from datetime import date, timedelta

import pytest

from safety.cards import CardAction, UnknownCard, all_card_ids, card
from safety.cards.data import _read, card_data, countries, languages, spoken
from safety.rules.loader import load_rules

FRESH = timedelta(days=365)
PLACES = ["US", "GB", None, "FR"]


def test_sources_of_cards_are_fresh():
    cards, _ = card_data("en")
    assert [c.id for c in cards.values() if date.today() - c.reviewed_on > FRESH] == []


def test_sources_of_numbers_are_fresh():
    numbers = [n for place in countries().values() for n in place.number]
    assert [(n.name, n.spoken) for n in numbers if date.today() - n.reviewed_on > FRESH] == []


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


def test_unknown_country_names_the_numbers_of_countries_that_speak_the_language():
    shown = card("infant_choking", language="pt")
    labels = [action.label for action in shown.actions]
    assert [action.href for action in shown.actions] == ["tel:192", "tel:112"]
    assert [label.partition(":")[0] for label in labels] == ["Brasil", "Portugal"]
    assert {"192", "112"} <= set(shown.content.split("\n\n")[-2].replace(",", " ").split())


def test_countries_with_one_number_share_a_button():
    labels = [action.label for action in card("infant_choking").actions if action.href == "tel:911"]
    assert len(labels) == 1
    assert "United States" in labels[0] and "Canada" in labels[0]


def test_guessed_country_is_said_to_be_a_guess():
    known, guessed = card("infant_choking", country="US"), card("infant_choking", country="US", guessed=True)
    assert guessed.actions == known.actions
    assert "guess" in guessed.content and "guess" not in known.content


def test_country_without_numbers_gets_no_foreign_button():
    shown = card("infant_choking", country="SE")
    assert shown.actions == ()
    assert shown.content.splitlines()[0] == (
        "You can help right now: call your local emergency number "
        "and put the phone on speaker while you start."
    )


def test_crisis_card_puts_the_crisis_line_first():
    hrefs = [action.href for action in card("self_harm_crisis", country="US").actions]
    assert hrefs[:3] == ["tel:988", "sms:988", "tel:911"]


def test_abuse_card_is_discreet():
    assert [i for i in all_card_ids() if card(i).discreet] == ["domestic_abuse"]


def test_language_without_cards_reads_english():
    assert card("injection_refusal", language="sv") == card("injection_refusal", language="en-GB")


TAGS = {
    "es-MX": "es", "zh-CN": "zh", "zh-TW": "zh-hant", "zh_Hant_HK": "zh-hant", "PT": "pt", "xx": "en"
}  # fmt: skip


@pytest.mark.parametrize(("tag", "language"), TAGS.items())
def test_tag_names_the_language_of_the_cards(tag, language):
    assert spoken(tag) == language


@pytest.mark.parametrize("language", languages())
def test_every_language_has_every_card_and_country(language):
    cards, words = card_data(language)
    english, english_words = card_data("en")
    assert {c.id for c in _read(language)[0].values()} == set(english)
    assert [(c.category, c.severity, c.numbers, c.discreet) for c in cards.values()] == [
        (c.category, c.severity, c.numbers, c.discreet) for c in (english[i] for i in cards)
    ]
    assert set(words.countries) == set(english_words.countries) == set(countries())


def test_unknown_card_is_an_error():
    with pytest.raises(UnknownCard):
        card("no_such_card")


ROLE = re.compile(r"\{([a-z_]+)\}")
NUMBERED = {"emergency", "crisis", "poison", "abuse", "child_protection", "advice"}


def roles(data):
    return sorted({role for text in (data.lead, *data.steps, data.otherwise) for role in ROLE.findall(text)})


@pytest.mark.parametrize("language", languages())
def test_every_card_is_written_whole(language):
    """As many steps as in English, the same numbers in the text, the same source."""
    own, english = _read(language)[0], _read("en")[0]
    differing = [
        card_id
        for card_id, data in own.items()
        if (len(data.steps), roles(data), bool(data.otherwise), data.source_url)
        != (
            len(english[card_id].steps),
            roles(english[card_id]),
            bool(english[card_id].otherwise),
            english[card_id].source_url,
        )
    ]
    assert differing == []
    assert {role for data in own.values() for role in roles(data)} - NUMBERED == set()
    assert [card_id for card_id, data in own.items() if not data.lead.strip() or "" in data.steps] == []


@pytest.mark.parametrize("language", sorted({*languages()} - {"en"}))
def test_no_card_was_left_in_english(language):
    own, english = _read(language)[0], _read("en")[0]
    assert [card_id for card_id, data in own.items() if data.lead == english[card_id].lead] == []


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("country", ["IN", None, "SE"])
def test_card_of_every_language_keeps_its_form(language, country):
    for card_id in all_card_ids():
        content = card(card_id, language=language, country=country).content
        assert (card_id, [mark for mark in "{}<>[]" if mark in content]) == (card_id, [])
        assert content.split("\n\n")[-1][0] == content[-1] == "*"


@pytest.mark.parametrize("language", languages())
def test_sources_of_every_language_are_fresh(language):
    cards, _ = card_data(language)
    assert [c.id for c in cards.values() if not timedelta(0) <= date.today() - c.reviewed_on < FRESH] == []
    assert [c.id for c in cards.values() if not c.source_url.startswith("https://")] == []
