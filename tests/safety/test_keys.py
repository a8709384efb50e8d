"""The telling word of a passage: every match holds one, so no passage comes out before it is recognised."""

import random
from dataclasses import replace
from functools import cache

import pytest
import regex

from safety.guard import OutputGuard, _Waiting
from safety.rules.candidate import Candidate
from safety.rules.keys import TellingWords, hints_by_rule
from safety.rules.loader import load_rules
from safety.rules.output import _compiled, _expanded, folded, output_ruleset
from safety.rules.ruleset import code_version
from safety.verdict import Category, Severity
from safety.views import fold_pattern
from tests.safety.written import text_of

DATA = load_rules()
LANGUAGES = sorted(DATA.lexicons)


@cache
def hints():
    return hints_by_rule(DATA, code_version())


def keys():
    return {rule_id: found.keys for rule_id, found in hints().items()}


def compiled(rule, pattern):
    lexicon = DATA.lexicons[rule.language]
    return _compiled(_expanded(pattern, lexicon), lexicon.border)


def candidate(*keys, pattern="", parts=()):
    return Candidate(
        rule_id=f"test.{pattern}", category=Category.UNSAFE_ADVICE, severity=Severity.NOTICE, card="",
        patterns=(lambda: regex.compile(pattern),), keys=frozenset(keys), parts=parts,
    )  # fmt: skip


def read_by_guard(text, waiting):
    """What the guard holds, and from where, once it has read the words of a text that `waiting` began."""
    guard = OutputGuard()
    guard._rules = replace(guard._rules, telling=TellingWords(waiting.keys))
    guard._text, guard._waiting = text, [_Waiting(0, waiting)]
    for match in guard._rules.words.finditer(text):
        guard._tell(folded(match[0]), match.start(), len(text))
    still = [(one.candidate.rule_id, None) for one in guard._waiting]
    return [(live.candidate.rule_id, live.held) for live in guard._live] + still


def has_telling_word(text, telling):
    """As the guard sees it: also within an Arabic word, or as a part of a hyphenated one."""
    [(_, held)] = read_by_guard(text, candidate(*telling))
    return held is not None


@pytest.mark.parametrize(
    ("text", "key", "held"),
    [
        ("give him honey", "honey", 9),
        ("give him Honeycomb", "honey", 9),
        ("give him wildhoney", "honey", None),
        ("أعطه العسل", "عسل", 5),
        ("أعطه وبالعسل", "عسل", 5),
        ("use anti-histamines", "histamin", 9),
        ("donne l'aspirine", "aspirin", 8),
        ("donne l’aspirine", "aspirin", 8),
        ("recém-nascido", "nascido", 6),
        ("给宝宝蜂蜜", "蜂", 3),
    ],
)
def test_telling_word_may_stand_within_an_arabic_word_or_after_a_hyphen(text, key, held):
    assert read_by_guard(text, candidate(key)) == [("test.", held)]


HONEY, WATER, SUGAR = (
    candidate(word, pattern=f"give (?:him |some )*{word}\\b") for word in ("honey", "water", "sugar")
)
SWEET_MILK = "give (?:sweet|some) (?:honey|milk)"


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("give him", []),
        ("give him honey", [(HONEY.rule_id, 9)]),
        ("give some water", [(WATER.rule_id, 10)]),
        ("give honey", [(HONEY.rule_id, 5)]),
        ("give her honey", []),
    ],
)
def test_telling_word_says_which_part_of_a_rule_it_may_be(text, held):
    whole = candidate("honey", "water", "sugar", pattern="give", parts=(HONEY, WATER, SUGAR))
    assert [one for one in read_by_guard(text, whole) if one[1] is not None] == held


def test_part_that_needs_another_word_waits_for_it():
    whole = candidate(
        "honey", "sweet", "milk", pattern="give", parts=(candidate("milk", pattern=SWEET_MILK),)
    )
    assert read_by_guard("give sweet", whole) == [(f"test.{SWEET_MILK}", None)]
    assert read_by_guard("give sweet milk", whole) == [(f"test.{SWEET_MILK}", 11)]


def test_parts_of_a_rule_have_the_keys_of_the_whole():
    by_start = output_ruleset(None).by_start
    told = {id(c): c for candidates in by_start.values() for c in candidates if c.keys}
    assert len(told) > 100
    for whole in told.values():
        assert set(whole.keys) == {key for part in whole.parts for key in part.keys}
        assert {(part.rule_id, part.language, part.card) for part in whole.parts} == {
            (whole.rule_id, whole.language, whole.card)
        }
        assert [part for part in whole.parts if not part.keys or part.parts] == []


MIXED = regex.compile(r"[a-z0-9]\p{Arabic}")  # a word of two scripts, which only a machine writes


def patterns_of(language):
    for rule in DATA.output_rules:
        if rule.language == language:
            for pattern, telling in zip(rule.pattern, keys()[rule.id], strict=True):
                if telling:
                    yield rule, pattern, telling


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_match_in_an_example_holds_a_telling_word(language):
    wrong = [
        (rule.id, match[0], telling)
        for rule, pattern, telling in patterns_of(language)
        for text in rule.examples
        for match in compiled(rule, pattern).finditer(text)
        if not has_telling_word(match[0], telling)
    ]
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_whatever_a_pattern_matches_holds_a_telling_word(language):
    chance = random.Random(language)
    patterns = list(patterns_of(language))
    wrong, tried = [], 0
    for rule, pattern, telling in chance.sample(patterns, min(60, len(patterns))):
        text = text_of(_expanded(pattern, DATA.lexicons[rule.language]), chance)
        match = compiled(rule, pattern).match(text)
        if match and not MIXED.search(match[0]):
            tried += 1
            if not has_telling_word(match[0], telling):
                wrong.append((rule.id, pattern, match[0]))
    assert wrong == []
    assert tried > 20


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_pattern_is_left_out_from_a_word_that_it_may_begin_with(language):
    chance = random.Random(language)
    rules = [rule for rule in DATA.output_rules if rule.language == language]
    words = [(rule, at) for rule in chance.sample(rules, 10) for at in range(len(rule.start))]
    left_out = [
        (rule.id, rule.start[at], pattern)
        for rule, at in chance.sample(words, min(120, len(words)))
        for number, pattern in enumerate(rule.pattern)
        if number not in hints()[rule.id].by_start[at]
        and compiled(rule, pattern).match(rule.start[at], partial=True)
    ]
    assert left_out == []


def test_most_patterns_are_left_out_from_most_words():
    asked = [len(found) / len(hint.keys) for hint in hints().values() for found in hint.by_start]
    assert sum(asked) < 0.5 * len(asked)


@pytest.mark.parametrize("language", LANGUAGES)
def test_most_patterns_have_a_telling_word(language):
    told = [
        bool(telling)
        for rule in DATA.output_rules
        if rule.language == language
        for telling in keys()[rule.id]
    ]
    assert sum(told) > 0.8 * len(told)


def test_telling_words_are_folded_and_long_enough_to_tell():
    words = {word for by_rule in keys().values() for telling in by_rule for word in telling}
    assert [w for w in words if w != fold_pattern(w.lower()) or not regex.match(r"\w", w)] == []
    assert [w for w in words if w.isascii() and w.isalpha() and len(w) < 3] == []


@pytest.mark.parametrize(
    ("text", "released"),
    [
        ("You can give your baby honey at six months.", "You can give your baby "),
        ("You can give your baby HONEY at six months.", "You can give your baby "),
        ("Give your baby *honey* today.", "Give your baby *"),
        ("On peut donner du miel à un bébé de 6 mois.", "On peut donner du "),
        ("L'aspirine est sans danger pour les enfants.", "L'"),
        ("L’aspirine est sans danger pour les enfants.", "L’"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_passage_is_held_from_its_telling_word_on(text, released, size):
    guard = OutputGuard()
    releases = [guard.feed(text[at : at + size]) for at in range(0, len(text), size)] + [guard.close()]
    hit = releases[-1].hit
    assert "".join(release.text for release in releases) == released
    assert hit is not None
    assert (hit.offset, hit.sentence) == (len(released), 0)
