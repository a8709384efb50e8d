"""The words that rules are written in: which a slip may mean, which are real, and whose they are."""

from dataclasses import replace
from datetime import date

import pytest

from safety.check import perform_comprehensive_safety_check
from safety.evaluation.suite import sentences
from safety.rules.lexicon import Lexicon
from safety.rules.loader import RuleData, load_rules
from safety.rules.rule import Rule
from safety.rules.ruleset import ruleset
from safety.rules.words import Spoken, vocabulary
from safety.sanitize import sanitize_input
from safety.verdict import Action, Category, Severity

EN = Lexicon(
    "en",
    {"baby": ("baby", "bab(?:e|y) girl", "kids?")},
    {"negator": ("never",)},
    lookalike_words=frozenset({"chicken"}),
)
PT = Lexicon("pt", {"baby": ("bebê", "baby")}, {})


def rule(language, sign, examples, near_misses, unless=()):
    return Rule(
        id=f"{language}.test", language=language, category=Category.SPAM, severity=Severity.NOTICE,
        action=Action.ALLOW, score=0.5, sign=sign, reviewed_on=date(2026, 11, 23), examples=examples,
        near_misses=near_misses, unless=unless,
    )  # fmt: skip


DATA = RuleData(
    rules=(
        rule("en", ("{baby} wheezes badly",), ("my baby wheezes",), ("the kettle whistles",), ("snoring",)),
        rule("pt", ("{baby} não respira",), ("meu bebê não respira",), ("tudo bem",)),
    ),
    output_rules=(),
    lexicons={"en": EN, "pt": PT},
    version="test",
)
WORDS = vocabulary(DATA)


def test_core_words_are_those_of_signs_exceptions_slots_markers_and_examples():
    assert set(WORDS.core) == {
        "my", "baby", "wheezes", "badly", "girl", "kid", "kids", "snoring", "never",
        "meu", "bebe", "nao", "respira",
    }  # fmt: skip


def core_of(sign):
    """What a sign adds."""
    words = vocabulary(replace(DATA, rules=(rule("en", (sign,), ("my baby",), ()),), lexicons={"en": EN}))
    return set(words.core) - set(WORDS.core)


@pytest.mark.parametrize(
    ("sign", "whole"),
    [
        ("wheez(?:es|ing)", {"wheezes", "wheezing"}),
        ("colou?r", {"color", "colour"}),
        ("o[nm]igiri", {"onigiri", "omigiri"}),
        ("(?:un)?conscious", {"conscious", "unconscious"}),
    ],
)
def test_fragments_of_words_are_no_core_words(sign, whole):
    assert core_of(sign) <= whole


@pytest.mark.parametrize(
    ("sign", "beginnings"),
    [("chok\\w+", {"chok"}), ("wheez\\w*", {"wheez"}), ("(?:gasp|chok)\\w+ badly", {"gasp", "chok"})],
)
def test_beginnings_that_a_sign_cannot_do_without_are_core_words(sign, beginnings):
    assert core_of(sign) == beginnings


def test_beginning_that_is_cut_off_is_no_core_word():
    """Of longer words only so many letters are looked up: they are no word that anybody means."""
    assert core_of("incomprehensib\\w+") == set()


def test_words_of_near_misses_are_known_and_no_core_words():
    assert {"kettle", "whistles", "tudo", "bem", "chicken", "never"} - WORDS.known == set()
    assert {"kettle", "whistles", "chicken"} & set(WORDS.core) == set()


@pytest.mark.parametrize(
    ("word", "language"),
    [
        ("kettle", "en"),
        ("never", "en"),
        ("bebe", "pt"),
        ("bebê", "pt"),
        ("não", "pt"),
        ("baby", None),
        ("x", None),
    ],
)
def test_own_words_are_of_one_language(word, language):
    assert WORDS.own.get(word) == language


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("my baby", {}),
        ("the kettle never whistles", {"en": 4}),
        ("o bebe nao respira, the kettle", {"pt": 3, "en": 2}),
        ("宝宝", {"zh": 1}),
        ("طفلي", {"ar": 1}),
        ("बच्चा kettle", {"hi": 1, "en": 1}),
    ],
)
def test_languages_are_told_by_their_own_words(text, words):
    assert WORDS.languages_in(text) == Spoken(words)


@pytest.mark.parametrize(("used", "owner"), [({"en": 18, "pt": 2}, "en"), ({"en": 16, "pt": 4}, None)])
def test_own_is_a_word_that_nearly_all_who_use_it_use_in_one_language(used, owner):
    rules = tuple(
        rule(language, ("test",), ("overdose",), ()) for language, times in used.items() for _ in range(times)
    )
    assert vocabulary(replace(DATA, rules=rules)).own.get("overdose") == owner


@pytest.mark.parametrize(
    ("spoken", "sign", "is_excluded"),
    [
        ({}, "overdose", False),
        ({"pt": 1}, "overdose", False),
        ({"pt": 2}, "overdose", True),
        ({"pt": 1, "de": 1}, "overdose", True),
        ({"pt": 9, "en": 1}, "overdose", False),
        ({"pt": 3}, "overdose pills", False),
        ({"pt": 4}, "overdose pills", True),
        ({"pt": 4}, "pills, overdose", True),
        ({"pt": 4, "en": 1}, "overdose pills", False),
        ({"pt": 99}, "took an overdose", False),
        ({"pt": 99}, "39.5", False),
        ({"pt": 99}, "窒息", False),
    ],
)
def test_language_is_excluded_by_more_words_of_others_the_longer_its_sign(spoken, sign, is_excluded):
    assert Spoken(spoken).excludes("en", sign) is is_excluded


def test_vocabulary_of_a_language_does_not_change_another_s_core():
    alone = vocabulary(replace(DATA, rules=DATA.rules[:1], lexicons={"en": EN}))
    assert {word for word in alone.core if word in WORDS.core} == set(alone.core)


@pytest.mark.parametrize("language", sorted({*load_rules().lexicons} - {"zh"}))  # its letters tell Chinese
def test_every_language_has_words_of_its_own(language):
    own = ruleset().words.own
    assert sum(of == language for of in own.values()) > 200


GREETINGS = [
    "hello", "hi", "hey", "hola", "bonjour", "hallo", "olá", "salam", "namaste", "ok", "please", "help",
    "sos", "oh god", "omg", "bonsoir", "salut", "merci", "danke", "gracias", "obrigada",
    "buenos días a todos", "guten Morgen zusammen", "bonjour à tous", "salam alaikum", "olá bom dia",
    "नमस्ते", "السلام عليكم", "你好", "hola doctora, por favor, ayuda",
]  # fmt: skip


@pytest.mark.parametrize("greeting", GREETINGS)
def test_greeting_in_another_language_takes_no_emergency_back(greeting):
    """People greet in the language of the app, and ask for help in their own."""
    verdict = perform_comprehensive_safety_check(f"{greeting} my baby is not breathing")
    assert verdict.cards[:1] == ("infant_not_breathing",)


@pytest.mark.parametrize(
    ("greeting", "text"),
    [
        ("hello", "mi bebé no respira"),
        ("hello", "mon bébé ne respire plus"),
        ("hello", "mein Baby atmet nicht"),
        ("hello", "meu bebê não respira"),
        ("hello", "mera bachcha saans nahi le raha"),
        ("hello", "我的宝宝不呼吸了"),
        ("hello", "طفلي لا يتنفس"),
        ("baby", "宝宝不呼吸了"),
        ("sorry my english is bad", "mi bebé no respira"),
    ],
)
def test_emergency_is_found_behind_words_of_another_language(greeting, text):
    assert perform_comprehensive_safety_check(f"{greeting}, {text}").severity is Severity.EMERGENCY


def excludes_own(words, row):
    """Whether a sign of one word, which the least excludes, would be left out."""
    folded = sanitize_input(row.text).views[0].text
    return words.languages_in(folded).excludes(row.language, "overdose")


def test_evidence_for_a_language_never_excludes_the_one_that_is_spoken():
    """Sentences of the suite: their own language is not left out."""
    words = ruleset().words
    wrong = [row.id for row in sentences("dev") if row.expect == "escalate" and excludes_own(words, row)]
    assert len(wrong) <= 0.01 * len(sentences("dev")), wrong
