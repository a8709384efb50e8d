"""What the word index promises: no pattern that matches is ever left out."""

import random

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.rules.index import WordIndex, needs_by_pattern, needs_of
from safety.rules.lexicon import Lexicon
from safety.rules.loader import load_rules
from safety.rules.matcher import Matcher
from safety.rules.ruleset import ruleset
from safety.sanitize import sanitize_input
from safety.views import fold_pattern
from tests.safety.written import text_of

DATA = load_rules()
LANGUAGES = sorted(DATA.lexicons)
SIGNS = [(rule, sign.removeprefix("!")) for rule in DATA.rules for sign in rule.sign]
NUMBERS = {rule.id: [n for n, (of, _) in enumerate(SIGNS) if of is rule] for rule in DATA.rules}
EXAMPLES = [(rule, text) for rule in DATA.rules for text in rule.examples]


def index():
    return ruleset()._matcher._index


def matches(number, text):
    return ruleset()._matcher._pattern(number).search(text) is not None


def left_out(numbers, text):
    """The signs that match a view of the text and would not have been tried on it."""
    missing = []
    for view in sanitize_input(text).views:
        likely = set(index().likely(view.text))
        missing += [SIGNS[n][1] for n in numbers if n not in likely and matches(n, view.text)]
    return missing


@pytest.mark.parametrize("language", LANGUAGES)
def test_index_keeps_every_sign_that_matches_an_example(language):
    examples = [(rule, text) for rule, text in EXAMPLES if rule.language == language]
    wrong = {text: found for rule, text in examples if (found := left_out(NUMBERS[rule.id], text))}
    assert wrong == {}


@st.composite
def varied(draw):
    """An example as somebody else would type it: with more or less between its words, in other letters."""
    rule, text = draw(st.sampled_from(EXAMPLES))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        put = draw(
            st.sampled_from(["", " ", ", ", "  ", "-", "'", "’", "!", "\n", "a", "s", "x ", " so ", "7"])
        )
        text = text[:at] + put + text[at + draw(st.integers(0, 2)) :]
    return rule, draw(st.sampled_from([str, str.upper, str.title]))(text)


@given(varied())
@settings(max_examples=300, deadline=None)
def test_index_keeps_every_sign_that_matches_a_variation(example):
    rule, text = example
    assert left_out(NUMBERS[rule.id], text) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_index_keeps_a_sign_for_whatever_it_matches(language):
    chance = random.Random(language)
    numbers = [n for n, (rule, _) in enumerate(SIGNS) if rule.language == language]
    lexicon = DATA.lexicons[language]
    wrong, tried = {}, 0
    for n in chance.sample(numbers, min(250, len(numbers))):
        text = text_of(fold_pattern(lexicon.expand(SIGNS[n][1])), chance)
        if matches(n, text):
            tried += 1
            if n not in index().likely(text):
                wrong[SIGNS[n][1]] = text
    assert wrong == {}
    assert tried > 200


@pytest.mark.parametrize(
    "text",
    ["when do babies start to smile?", "wann schlafen babys durch?", "宝宝什么时候会笑", "متى ينام الطفل"],
)
def test_index_leaves_most_patterns_out(text):
    assert len(index().likely(text)) < len(SIGNS) / 20


LEXICON = Lexicon(
    "xx", {"baby": ("baby", "bab(?:e|y) girl"), "gap": ("(?:[a-z]+ ){0,2}",), "no": ("not",)}, {}
)
CHINESE = Lexicon("xx", {"breath": ("呼吸", "喘气")}, {}, border="none")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("{baby} {gap}{no} breathing", "my baby is not breathing"),
        ("{baby} {gap}{no} breathing", "the babe girl not, breathing"),
        ("(?:very )?hot", "hot"),
        ("hot|cold", "so cold"),
        ("chok\\w+", "choking"),
        ("s'etouffe", "elle setouffe"),
        ("s'etouffe", "elle s'etouffe"),
        ("etouffe", "elle s'etouffe"),
        ("\\d+ weeks", "39 weeks"),
        ("[34]9(?:\\.\\d)? ?{gap}fever", "39.5 fever"),
        ("[34]9(?:\\.\\d)? ?{gap}fever", "39fever"),
        ("[^ ]+ ?fever", "highfever"),
        ("words? ?{gap}out", "wordsout"),
        ("(?:my )?{baby}?", "anything"),
        ("不(?:能)?呼吸", "宝宝不呼吸了"),
        ("没有? ?{breath}", "他没 呼吸"),
    ],
)
def test_needs_never_exclude_a_match(pattern, text):
    lexicon = LEXICON if pattern.isascii() else CHINESE
    assert re2.compile(lexicon.bounded(pattern)).search(text) is not None
    assert WordIndex(needs_of([(lexicon, pattern)], [])).likely(text) == [0]


@pytest.mark.parametrize(
    ("pattern", "needs"),
    [
        ("{baby} {gap}{no} breathing", [{"baby", "babe", "girl"}, {"not"}, {"breathing"}]),
        ("(?:very )?hot", [{"hot"}]),
        ("(?:hot|cold) {gap}feet", [{"hot", "cold"}, {"feet"}]),
        ("(?:hot)?", []),
        ("(?i)hot(", []),
    ],
)
def test_needs_name_the_words_that_a_pattern_cannot_do_without(pattern, needs):
    found = [{word.strip() for word in group} for group in needs_by_pattern([(LEXICON, pattern)])[0]]
    assert all(any(group & set(words) for group in found) for words in needs)
    assert len(found) <= len(needs)


@pytest.mark.parametrize("text", ["my dog is not breathing", "baby", "breathing not", ""])
def test_index_leaves_out_a_pattern_that_lacks_a_word(text):
    assert WordIndex(needs_of([(LEXICON, "{baby} {gap}{no} breathing")], [])).likely(text) == []


PATTERNS = [(LEXICON, "baby"), (LEXICON, "{no} breathing"), (LEXICON, "blue")]


def found(text):
    return sorted(Matcher(PATTERNS, needs_of(PATTERNS, [])).found(text))


def test_matcher_agrees_with_each_pattern_alone():
    assert found("my baby is not breathing") == [(0, 3, 7), (1, 11, 24)]
    assert found("babyish not, breathing") == [(1, 8, 22)]
    assert found("") == []


@given(st.integers(0, 2_000), st.integers(0, 2_000), st.sampled_from("a w .,m"))
@settings(max_examples=150, deadline=None)
def test_matcher_finds_a_sign_wherever_a_window_ends(before, after, filling):
    """Once, and at its place."""
    text = f"{(filling * before)[:before]} not breathing {(filling * after)[:after]}"
    assert found(text) == [(1, before + 1, before + 14)]
