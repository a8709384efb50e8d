import random
from collections import Counter

import pytest
import re2

from safety.cards import all_card_ids
from safety.check import perform_comprehensive_safety_check
from safety.output import guarded
from safety.rules.lexicon import Lexicon, UnknownSlot
from safety.rules.loader import BadRule, load_rules
from safety.rules.ruleset import ruleset
from safety.sanitize import sanitize_input
from safety.verdict import Category
from safety.views import fold_pattern
from tests.safety.written import text_of

DATA = load_rules()
RULES, OUTPUT_RULES = DATA.rules, DATA.output_rules
LANGUAGES = ["ar", "de", "en", "es", "fr", "hi", "pt", "zh"]
EVERYWHERE = [
    Category.INFANT_EMERGENCY,
    Category.MATERNAL_EMERGENCY,
    Category.SELF_HARM,
    Category.CAREGIVER_HARM,
    Category.DOMESTIC_ABUSE,
    Category.CHILD_ABUSE,
    Category.MEDICATION,
    Category.INJECTION,
    Category.ABUSE,
    Category.OFF_TOPIC,
]


def by_id(rules):
    return [pytest.param(rule, id=rule.id) for rule in rules]


def fired(text):
    return {finding.rule_id for finding in perform_comprehensive_safety_check(text).findings}


def stopped_by(text):
    _, hit = guarded(text)
    return hit and hit.rule_id


@pytest.mark.parametrize("rule", by_id(RULES))
def test_rule_fires_on_its_examples(rule):
    assert [text for text in rule.examples if rule.id not in fired(text)] == []


@pytest.mark.parametrize("rule", by_id(RULES))
def test_rule_is_silent_on_its_near_misses(rule):
    assert [text for text in rule.near_misses if rule.id in fired(text)] == []


@pytest.mark.parametrize("rule", by_id(OUTPUT_RULES))
def test_output_rule_withholds_its_examples(rule):
    assert [(text, by) for text in rule.examples if (by := stopped_by(text)) != rule.id] == []


@pytest.mark.parametrize("rule", by_id(OUTPUT_RULES))
def test_output_rule_releases_its_near_misses(rule):
    assert [(text, by) for text in rule.near_misses if (by := stopped_by(text))] == []


@pytest.mark.parametrize("rule", by_id([*RULES, *OUTPUT_RULES]))
def test_rule_has_enough_examples_and_names_its_language(rule):
    assert min(len(set(rule.examples)), len(set(rule.near_misses))) >= 3
    assert set(rule.examples) & set(rule.near_misses) == set()
    assert rule.id.partition(".")[0] == rule.language


def test_rules_speak_eight_languages():
    assert sorted(DATA.lexicons) == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_rules_of_every_category(language):
    found = {rule.category for rule in RULES if rule.language == language}
    assert [str(category) for category in EVERYWHERE if category not in found] == []


def test_output_rules_are_many_and_in_every_language():
    counts = Counter(rule.language for rule in OUTPUT_RULES)
    assert counts.total() >= 60
    assert [language for language in LANGUAGES if counts[language] < 10] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sign_is_dead(language):
    """What it was written for is folded and shortened before it is looked for: "AAAA" reads "aa"."""
    lexicon, chance = DATA.lexicons[language], random.Random(language)
    signs = [sign.removeprefix("!") for rule in RULES if rule.language == language for sign in rule.sign]
    asked = chance.sample(signs, min(60, len(signs)))
    assert [sign for sign in asked if not is_alive(lexicon, sign, chance)] == []


def is_alive(lexicon, sign, chance):
    pattern, source = re2.compile(lexicon.bounded(sign)), fold_pattern(lexicon.expand(sign))
    made = (text_of(source, chance) for _ in range(20))
    texts = (text for plain in made for text in (plain, f"so {plain} now"))
    return any(pattern.search(view.text) for text in texts for view in sanitize_input(text).views)


def test_no_sign_asks_for_a_word_more():
    """A blank at the end would: the sign would not be found where the text ends."""
    patterns = [(rule.id, sign) for rule in RULES for sign in (*rule.sign, *rule.unless)]
    assert [(rule_id, sign) for rule_id, sign in patterns if sign != sign.strip(" ")] == []


def test_rules_name_cards_that_exist():
    named = {rule.card for rule in RULES if rule.card} | {rule.card for rule in OUTPUT_RULES}
    assert named - set(all_card_ids()) == set()


def test_emergency_rules_cover_both_people():
    emergencies = [r.id for r in RULES if r.category in ("infant_emergency", "maternal_emergency")]
    assert len(emergencies) >= 16


def test_version_is_the_newest_review_and_a_hash():
    day, _, digest = ruleset().version.partition("+")
    newest = max(rule.reviewed_on for rule in (*RULES, *OUTPUT_RULES))
    assert (day, len(digest)) == (newest.isoformat(), 12)


def write_rule(folder, **changes):
    lines = {
        "id": '"xx.test"', "category": '"spam"', "severity": '"notice"', "action": '"allow"', "score": "0.5",
        "source": '"https://example.org"', "reviewed_on": "2026-11-23", "sign": '["a"]',
        "examples": '["a", "b", "c"]', "near_misses": '["d", "e", "f"]', **changes,
    }  # fmt: skip
    language = folder / "xx"
    language.mkdir()
    (language / "lexicon.toml").write_text("[slots]\n[markers]\n")
    body = "\n".join(f"{key} = {value}" for key, value in lines.items())
    (language / "rules.toml").write_text(f"[[rule]]\n{body}\n")
    return folder


@pytest.mark.parametrize(
    "changes",
    [
        {"examples": '["a"]'},
        {"source": '"http://example.org"'},
        {"score": "1.5"},
        {"colour": '"red"'},
        {"category": '"x"'},
    ],
)
def test_loader_refuses_a_rule_without_evidence(tmp_path, changes):
    with pytest.raises(BadRule, match=r"xx/rules.toml: xx.test"):
        load_rules(write_rule(tmp_path, **changes))


def test_loader_wants_a_source_for_a_clinical_claim(tmp_path):
    folder = write_rule(tmp_path, category='"infant_emergency"')
    file = folder / "xx" / "rules.toml"
    file.write_text(file.read_text().replace('source = "https://example.org"\n', ""))
    with pytest.raises(BadRule, match=r"must name its source"):
        load_rules(folder)


def test_loader_takes_conduct_without_a_source(tmp_path):
    folder = write_rule(tmp_path)
    file = folder / "xx" / "rules.toml"
    file.write_text(file.read_text().replace('source = "https://example.org"\n', ""))
    assert [rule.source for rule in load_rules(folder).rules] == [None]


def test_loader_reads_a_good_rule(tmp_path):
    assert [rule.id for rule in load_rules(write_rule(tmp_path)).rules] == ["xx.test"]


def test_lexicon_refuses_an_unknown_slot():
    with pytest.raises(UnknownSlot):
        Lexicon("xx", {}, {}).bounded("{nothing}")
