import pytest

from safety.cards import all_card_ids
from safety.check import perform_comprehensive_safety_check
from safety.output import guarded
from safety.rules.lexicon import Lexicon, UnknownSlot
from safety.rules.loader import BadRule, load_rules
from safety.rules.matcher import Matcher
from safety.rules.ruleset import ruleset

RULES = load_rules().rules
OUTPUT_RULES = load_rules().output_rules


def fired(text):
    return {finding.rule_id for finding in perform_comprehensive_safety_check(text).findings}


@pytest.mark.parametrize(("rule_id", "text"), [(r.id, t) for r in RULES for t in r.examples])
def test_rule_fires_on_its_example(rule_id, text):
    assert {rule_id} & fired(text) == {rule_id}


@pytest.mark.parametrize(("rule_id", "text"), [(r.id, t) for r in RULES for t in r.near_misses])
def test_rule_is_silent_on_its_near_miss(rule_id, text):
    assert {rule_id} & fired(text) == set()


@pytest.mark.parametrize(("rule_id", "text"), [(r.id, t) for r in OUTPUT_RULES for t in r.examples])
def test_output_rule_withholds_its_example(rule_id, text):
    _, hit = guarded(text)
    assert hit is not None
    assert hit.rule_id == rule_id


@pytest.mark.parametrize("text", [t for r in OUTPUT_RULES for t in r.near_misses])
def test_output_rule_releases_its_near_miss(text):
    assert guarded(text) == (text, None)


def test_rules_name_cards_that_exist():
    named = {rule.card for rule in RULES if rule.card} | {rule.card for rule in OUTPUT_RULES}
    assert named - set(all_card_ids()) == set()


def test_emergency_rules_cover_both_people():
    emergencies = [r.id for r in RULES if r.category in ("infant_emergency", "maternal_emergency")]
    assert len(emergencies) >= 16


def test_version_is_a_date_and_a_hash():
    day, _, digest = ruleset().version.partition("+")
    assert (day, len(digest)) == ("2026-11-23", 12)


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


def test_matcher_agrees_with_each_pattern_alone():
    patterns = [r"\bbaby\b", r"\bnot breathing\b", r"\bblue\b"]
    matcher = Matcher(patterns)
    assert matcher.present("my baby is not breathing") == [0, 1]
    assert list(matcher.spans(0, "bébé baby")) == [(5, 9)]
