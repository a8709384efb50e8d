"""How a sign is read in its sentence: what may deny it, what excepts it, and where the sentence ends."""

from datetime import date

import pytest

from safety.check import perform_comprehensive_safety_check as check
from safety.rules.loader import RuleData, load_rules
from safety.rules.matcher import passages
from safety.rules.rule import Rule
from safety.rules.ruleset import UNLESS_WITHIN, Ruleset
from safety.sanitize import sanitize_input
from safety.verdict import Action, Category, Severity

RULE = Rule(
    id="en.test", language="en", category=Category.INFANT_EMERGENCY, severity=Severity.EMERGENCY,
    action=Action.CARD_ONLY, score=0.9, sign=("glows green", "!shines blue", "!will not twinkle"),
    reviewed_on=date(2026, 11, 23), examples=("my baby glows green",), near_misses=(),
    unless=("with paint",),
)  # fmt: skip


@pytest.fixture
def suppressed(monkeypatch):
    """What takes each sign of RULE in a text back; None where it stands."""
    monkeypatch.setattr("safety.kept._folder", None)  # the index of our rules stays
    rules = Ruleset(RuleData((RULE,), (), load_rules().lexicons, "test"))
    return lambda text: [found.suppressed_by for found in rules.findings(sanitize_input(text).views, None)]


@pytest.mark.parametrize(
    ("text", "by"),
    [
        ("my baby glows green", [None]),
        ("my baby never glows green", ["negation"]),
        ("my baby shines blue", [None]),
        ("my baby never shines blue", [None]),
        ("my baby will not twinkle", [None]),
        ("my baby will not glows green", ["negation"]),
        ("what if my baby shines blue", ["hypothetical"]),
        ("my baby is not hungry and never shines blue", [None]),
        ("!shines blue", [None]),
    ],
)
def test_sign_with_an_exclamation_mark_cannot_be_denied(suppressed, text, by):
    assert suppressed(text) == by


@pytest.mark.parametrize("order", ["after", "before"])
@pytest.mark.parametrize(
    ("between", "by"), [(0, "unless"), (UNLESS_WITHIN - 15, "unless"), (UNLESS_WITHIN, None)]
)
def test_exception_counts_within_so_many_characters_of_the_sign(suppressed, order, between, by):
    words = ("so " * 40)[:between].strip()
    parts = ["my baby glows green", words, "with paint"]
    text = " ".join(part for part in (parts if order == "after" else parts[::-1]) if part)
    assert suppressed(text.replace("my baby ", "")) == [by]


@pytest.mark.parametrize(
    "text", ["my baby glows green. with paint", "with paint! my baby glows green", "glows green; with paint"]
)
def test_exception_in_another_sentence_does_not_count(suppressed, text):
    assert suppressed(text) == [None]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("ich bin in der 30. ssw und blute stark", 1),
        ("seit dem 3. tag 39.5 fieber", 1),
        ("at 39.5 now", 1),
        ("she fell. now she sleeps", 2),
        ("she fell! now she sleeps", 2),
        ("is it bad? she sleeps; he too", 3),
    ],
)
def test_sentence_ends_at_no_full_stop_behind_a_number(text, count):
    found = list(passages(text))
    assert len(found) == count
    assert "".join(passage.text for passage in found) == text


@pytest.mark.parametrize(
    "text",
    [
        "Bin in der 30. SSW und habe starke Blutungen",
        "Ich habe in der 30. SSW starke Blutungen",
        "starke Blutungen in der 30. SSW",
        "Bin in der 30. SSW. Habe starke Blutungen",
    ],
)
def test_week_of_pregnancy_belongs_to_its_sentence(text):
    assert check(text).cards[:1] == ("maternal_emergency",)
