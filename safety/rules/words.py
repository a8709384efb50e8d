"""The words that the rules are written in: which a slip may mean, which are real, and whose they are."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import regex

from safety.rules.index import LONGEST, needs_by_pattern
from safety.rules.loader import RuleData
from safety.rules.rule import OutputRule, Rule
from safety.views import fold_pattern

Needed = Sequence[Sequence[frozenset[str]]]
_SYNTAX = regex.compile(r"[\[\](){}?*+\\|]")
_SLOT = regex.compile(r"\{[a-z_]+\}")
_MAY_END = regex.compile(r"([^\W\d_]+)([^\W\d_])\?(?![:\w])")
_ENDINGS = regex.compile(r"(?<=[^\W\d_])\(\?:[^()]*\)")  # "wheez(?:es|ing)"
_PREFIXES = regex.compile(r"\(\?:[^()]*\)\??(?=[^\W\d_]{2})")  # "(?:un)?conscious"
_UNFINISHED = regex.compile(
    r"[^\W\d_']*[^\W\d_](?=[?*+{\\\[(])|\\.|(?<=[\])])[^\W\d_]+|\[[^\]]*\]|\(\?[^)]{0,2}:"
)
_TOKEN = regex.compile(r"[^\W\d_\p{Han}]+(?:'[^\W\d_]+)?")


def _words(text: str) -> list[str]:
    return _TOKEN.findall(fold_pattern(text.lower()))


# Of a sign of so many words: how many words of the text only other languages must have.
_MANY = 1_000_000
_ENOUGH_TO_SHARE = {1: 2, 2: 4}
_OWN = 0.85  # of the texts that have a word
_SCRIPTS = {
    "ar": regex.compile(r"\p{Arabic}"),
    "hi": regex.compile(r"\p{Devanagari}"),
    "zh": regex.compile(r"\p{Han}"),
}


class Vocabulary(msgspec.Struct):
    """`core`: words that a mistyped one may have been meant as, with their weight. `known`: further real
    words. `own`: words that only one language has.
    """

    core: dict[str, int]
    known: set[str]
    own: dict[str, str]

    def languages_in(self, folded: str) -> "Spoken":
        found = Counter(self.own.get(word) for word in _TOKEN.findall(folded) if len(word) > 2)
        found.update(language for language, letters in _SCRIPTS.items() if letters.search(folded))
        return Spoken({language: count for language, count in found.items() if language})


@dataclass(frozen=True, slots=True)
class Spoken:
    """How many words of its own each language has in a text."""

    words: dict[str, int]

    def excludes(self, language: str, sign: str) -> bool:
        """Whether nothing tells of this language, and enough of others: then a word or two that both share,
        such as "overdose", are the other's. A greeting is not enough, and a whole phrase is no accident.
        """
        if language in self.words:
            return False
        return sum(self.words.values()) >= _ENOUGH_TO_SHARE.get(len(_TOKEN.findall(sign)), _MANY)


def vocabulary(data: RuleData, needs: Needed | None = None) -> Vocabulary:
    """`needs` is what `needs_by_pattern` found for all signs, where that is known already."""
    if needs is None:
        needs = needs_by_pattern(
            [(data.lexicons[rule.language], sign) for rule in data.rules for sign in rule.sign]
        )
    return Vocabulary(dict(_core_words(data, needs)), _known_words(data), _own_words(data))


def _own_words(data: RuleData) -> dict[str, str]:
    """Words that nearly all who use them use in one language: Hindi takes over "baby", and stays Hindi."""
    used: dict[str, Counter[str]] = {}
    rules: list[Rule | OutputRule] = [*data.rules, *data.output_rules]
    for rule in rules:
        for text in (*rule.examples, *rule.near_misses):
            for word in {*_words(text), *_TOKEN.findall(text.lower())}:
                used.setdefault(word, Counter())[rule.language] += 1
    for lexicon in data.lexicons.values():
        entries = [*lexicon.slots.values(), *lexicon.markers.values()]
        for word in {word for words in entries for entry in words for word in _whole_words(entry)}:
            used.setdefault(word, Counter())[lexicon.language] += 1
    usual = {word: languages.most_common(1)[0] for word, languages in used.items()}
    return {word: top for word, (top, count) in usual.items() if count >= _OWN * used[word].total()}


def _core_words(data: RuleData, needs: Needed) -> Counter[str]:
    """What a mistyped word may have been meant as, and how much it matters: words of signs, of what takes
    them back, and of examples; and the beginnings of words that signs cannot do without.
    """
    core = Counter(word for rule in data.rules for text in rule.examples for word in _words(text))
    for rule in data.rules:
        core.update(word for pattern in (*rule.sign, *rule.unless) for word in _whole_words(pattern))
    for lexicon in data.lexicons.values():
        slots = (words for name, words in lexicon.slots.items() if not name.startswith("o_"))
        units = lexicon.ages.get("units", {}).values()
        entries = (entry for words in [*slots, *units, *lexicon.markers.values()] for entry in words)
        core.update(word for entry in entries for word in _whole_words(entry))
    for groups in needs:
        core.update({word.strip() for group in groups for word in group if _is_uncut(word.strip())})
    return core


def _is_uncut(beginning: str) -> bool:
    return len(beginning) < LONGEST and _TOKEN.fullmatch(beginning) is not None


def _whole_words(pattern: str) -> list[str]:
    """Words that stand in a pattern as they are: no slots, nothing that may be missing or go on."""
    if not _SYNTAX.search(pattern):
        return [word for word in _words(pattern) if len(word) > 1]
    plain = _PREFIXES.sub(" ", _ENDINGS.sub("*", _SLOT.sub(" ", pattern)))
    plain = _MAY_END.sub(r" \1 \1\2 ", plain)
    return [word for word in _words(_UNFINISHED.sub(" ", plain)) if len(word) > 1]


def _known_words(data: RuleData) -> set[str]:
    known = {word for rule in data.rules for text in rule.near_misses for word in _words(text)}
    for lexicon in data.lexicons.values():
        known |= {word for text in lexicon.lookalike_words for word in _words(text)}
        words = [*lexicon.slots.values(), *lexicon.markers.values()]
        known |= {token for group in words for word in group for token in _words(word)}
    return known
