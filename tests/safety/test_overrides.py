"""What a clinic changes with files of its own: rules, cards and numbers, and how wrong ones are told."""

from functools import cache

import pytest
from django.core import checks

from safety import kept, overrides
from safety.apps import check_files
from safety.cards import all_card_ids, card
from safety.cards.data import also_own, countries
from safety.cards.quoted import is_our_own, our_lines
from safety.check import perform_comprehensive_safety_check
from safety.output import guarded
from safety.rules import hotlines, loader
from safety.rules.loader import load_rules

RULE = """
[[rule]]
id = "en.clinic.purple_spoon"
category = "infant_emergency"
severity = "emergency"
action = "escalate_card"
score = 0.9
card = "infant_choking"
source = "https://clinic.example/spoons"
reviewed_on = 2026-11-23
sign = ["purple spoon swallowed"]
examples = ["purple spoon swallowed", "my purple spoon swallowed", "a purple spoon swallowed"]
near_misses = ["purple spoon", "a spoon swallowed", "purple"]
"""
OUTPUT_RULE = """
[[output_rule]]
id = "en.out.clinic_spoons"
category = "unsafe_advice"
severity = "urgent"
card = "correct_solids"
source = "https://clinic.example/spoons"
reviewed_on = 2026-11-23
start = ["offer"]
pattern = ["offer {o_gap}marbles"]
examples = ["Offer marbles.", "Offer her marbles.", "Offer him marbles."]
near_misses = ["Never offer marbles.", "Offer milk.", "Marbles."]
"""
CARD = """
[[card]]
id = "infant_choking"
category = "infant_emergency"
severity = "emergency"
lead = "Our clinic says: call {emergency} now."
numbers = ["emergency"]
source = "Our clinic"
source_url = "https://clinic.example/choking"
reviewed_on = 2026-11-23
"""
NUMBERS = """
[IE]
languages = ["en"]
[[IE.number]]
role = "emergency"
spoken = "998877"
href = "tel:998877"
source_url = "https://clinic.example/numbers"
reviewed_on = 2026-11-23
"""
DISABLED = '[[rule]]\nid = "en.off_topic"\ndisabled = true\n'


@pytest.fixture(scope="module", autouse=True)
def ours_again(tmp_path_factory):
    """What the run has kept stays as it is; our own files are read once, and English stands for them."""
    before = kept._folder
    kept.use(tmp_path_factory.mktemp("kept"))
    read = loader._read
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "read_lexicon", cache(loader.read_lexicon))
        patch.setattr(
            loader, "_read", cache(lambda *of: [rule for rule in read(*of) if rule.language == "en"])
        )
        overrides.use(None)
        yield
    overrides.use(None)
    kept.use(before)


@pytest.fixture
def clinic(tmp_path):
    """Writes files and has them used."""

    def use(**files):
        for name, content in files.items():
            path = tmp_path / (name.replace("__", "/") + ".toml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        overrides.use(tmp_path)
        return overrides.faults()

    yield use
    overrides.use(None)


def test_clinic_s_files_take_effect_together(clinic):
    """The ruleset is built once for all of it: that takes seconds."""
    ours = load_rules()
    off_topic = next(rule for rule in ours.rules if rule.id.startswith("en.off_topic"))
    disabled = DISABLED.replace("en.off_topic", off_topic.id)
    changed = RULE.replace("en.clinic.purple_spoon", "en.infant.choking")
    assert (
        clinic(
            rules__en__ours=RULE + OUTPUT_RULE + disabled + changed, cards__en=CARD, cards__numbers=NUMBERS
        )
        == []
    )
    theirs = load_rules()
    assert len(theirs.rules) == len(ours.rules)  # one more, one less, one in another's place
    assert {rule.id for rule in theirs.rules} ^ {rule.id for rule in ours.rules} == {
        "en.clinic.purple_spoon", off_topic.id,
    }  # fmt: skip
    assert theirs.version != ours.version
    verdict = perform_comprehensive_safety_check("help, purple spoon swallowed")
    assert {finding.rule_id for finding in verdict.findings} == {
        "en.clinic.purple_spoon",
        "en.infant.choking",
    }
    assert verdict.ruleset_version == theirs.version
    assert perform_comprehensive_safety_check(off_topic.examples[0]).categories == ()
    assert guarded("Hello. Offer her marbles.")[1].rule_id == "en.out.clinic_spoons"
    shown = card("infant_choking", country="IE")
    assert shown.content.splitlines()[0] == "Our clinic says: call 998877 now."
    assert [action.href for action in shown.actions] == ["tel:998877"]
    assert [number.spoken for number in countries()["IE"].number] == ["998877"]
    overrides.use(None)
    assert load_rules().version == ours.version
    assert card("infant_choking", country="IE").actions[0].href == "tel:112"


def test_card_in_one_language_leaves_the_others(clinic):
    before = card("infant_choking", language="es", country="ES")
    assert clinic(cards__en=CARD) == []
    assert card("infant_choking", language="es", country="ES") == before
    assert card("infant_choking", country="US").actions[0].href == "tel:911"


def test_version_changes_with_any_file(clinic):
    versions = {load_rules().version}
    clinic(rules__en__ours=RULE)
    versions.add(load_rules().version)
    clinic(rules__en__ours=RULE + "# reviewed again\n")
    versions.add(load_rules().version)
    assert len(versions) == 3


def rules(wrong, right, of=RULE, language="en"):
    return {f"rules__{language}__ours": of.replace(right, wrong, 1)}


def cards(wrong, right):
    return {"cards__en": CARD.replace(right, wrong, 1)}


def numbers(wrong, right):
    return {"cards__numbers": NUMBERS.replace(right, wrong, 1)}


SPOON, FILE, PLACES = "en.clinic.purple_spoon", "en/ours.toml", "numbers.toml"
WRONG = {
    "score": (rules("score = 9", "score = 0.9"), [FILE, SPOON, "score"]),
    "unknown_key": (rules("[[rule]]\ncolour = 1", "[[rule]]"), [FILE, SPOON, "colour"]),
    "unknown_card": (rules("no_such", "infant_choking"), ["no_such"]),
    "category": (rules("nonsense", "infant_emergency"), [FILE, SPOON, "nonsense"]),
    "rules_syntax": (rules("[[rule", "[[rule]]"), [FILE]),
    "unknown_language": (rules("", "", language="xx"), ["xx", "en"]),
    "disable_nothing": (rules("en.no_rule", "en.off_topic", of=DISABLED), [FILE, "en.no_rule"]),
    "unknown_slot": (rules('spoon {no_slot}"', 'spoon swallowed"'), [SPOON, "no_slot"]),
    "bad_pattern": (rules('(spoon"', 'spoon swallowed"'), [SPOON]),
    "output_slot": (rules("{no_slot}", "{o_gap}", of=OUTPUT_RULE), ["en.out.clinic_spoons", "no_slot"]),
    "card_placeholder": (cards("{emergncy}", "{emergency}"), ["infant_choking", "emergncy"]),
    "card_category": (cards("nonsense", "infant_emergency"), ["en.toml", "infant_choking", "nonsense"]),
    "card_key": (cards("led", "lead"), ["en.toml", "infant_choking", "lead"]),
    "cards_syntax": (cards("[[card", "[[card]]"), ["en.toml"]),
    "number_href": (numbers("call:998877", "tel:998877"), [PLACES, "IE"]),
    "number_role": (numbers("emergncy", "emergency"), [PLACES, "IE", "emergncy"]),
    "number_key": (numbers("spokn", "spoken"), [PLACES, "IE", "spok"]),
    "card_language": ({"cards__xx": CARD}, ["xx"]),
}


@pytest.mark.parametrize(("files", "told"), WRONG.values(), ids=WRONG)
def test_wrong_file_is_told_with_file_and_entry(clinic, files, told):
    messages = " ".join(clinic(**files))
    assert [word for word in told if word not in messages] == []


def test_every_kind_of_wrong_file_is_told_at_once(clinic):
    clinic(rules__en__ours="[[rule\n", cards__en=CARD.replace("lead =", "led ="))
    errors = check_files()
    assert [(error.id, error.level, error.msg.partition(":")[0]) for error in errors] == [
        ("safety.E001", checks.ERROR, "rules"),
        ("safety.E001", checks.ERROR, "cards"),
    ]


def test_every_wrong_entry_is_told_at_once(clinic):
    other = CARD.replace("infant_choking", "infant_seizure")
    wrong = (
        RULE.replace('spoon swallowed"', '(spoon"', 1)
        + RULE.replace("purple_spoon", "blue_spoon").replace("score = 0.9", "score = 9")
        + OUTPUT_RULE.replace("{o_gap}", "{no_slot}", 1)
    )
    messages = clinic(
        rules__en__ours=wrong,
        cards__en=CARD.replace("{emergency}", "{emergncy}") + other.replace("infant_e", "x"),
        cards__numbers=NUMBERS.replace("tel:", "call:") + NUMBERS.replace("IE", "NZ").replace('"eme', '"me'),
        cards__xx=CARD,
    )
    told = [
        [SPOON, "purple (spoon"], ["en.clinic.blue_spoon", "score"], ["en.out.clinic_spoons", "no_slot"],
        ["en.toml", "infant_choking", "{emergncy}"], ["en.toml", "infant_seizure", "category"],
        [PLACES, "IE", "call:998877"], [PLACES, "NZ", "mergency"], ["xx.toml"],
    ]  # fmt: skip
    assert len(messages) == len(told)
    assert [words for words in told if not any(all(w in m for w in words) for m in messages)] == []


def test_file_at_the_wrong_place_is_told(clinic):
    assert ["ours.toml" in message for message in clinic(rules__ours=RULE, cards__en__ours=CARD)] == [
        True,
        True,
    ]


def test_country_keeps_our_numbers_that_no_card_shows(clinic):
    german = NUMBERS.replace("IE", "DE").replace('"en"', '"de"')
    assert clinic(cards__numbers=german) == []
    assert [number.spoken for number in countries()["DE"].number] == ["998877"]
    assert "110" in {number.spoken for number in also_own("DE")}


def test_country_without_a_name_is_told(clinic):
    assert "SE" in " ".join(clinic(cards__numbers=NUMBERS.replace("IE", "SE")))


def test_all_that_is_kept_is_forgotten(clinic):
    def kept():
        return hotlines._named_country("999").pattern, card("infant_choking", country="IE"), our_lines()

    before = kept()
    clinic(cards__en=CARD, cards__numbers=NUMBERS)
    assert is_our_own("Our clinic says: call 998877 now.")
    assert hotlines._named_country("998877") is not None
    overrides.use(None)
    assert not is_our_own("Our clinic says: call 998877 now.")
    assert kept() == before


@pytest.mark.parametrize("language", ["en", "de", "zh-hant", "ar", "hi"])
@pytest.mark.parametrize("country", ["DE", "EG", None, "ZZ"])
def test_line_of_a_card_is_our_own_in_every_language(language, country):
    shown = (card(card_id, language=language, country=country) for card_id in all_card_ids())
    lines = [line for one in shown for line in one.content.splitlines() if line.strip()]
    assert [line for line in lines if not is_our_own(line)] == []
    assert [line for line in lines if is_our_own(line + " My baby is blue")] == []


def test_folder_that_is_none_is_told(tmp_path):
    overrides.use(tmp_path / "nothing")
    try:
        assert [error.id for error in check_files()] == ["safety.E001"]
        assert str(tmp_path / "nothing") in check_files()[0].msg
    finally:
        overrides.use(None)


def test_shipped_files_have_no_fault():
    assert overrides.faults() == []
    assert check_files() == []
