"""The telling word of each unsafe passage: "honey" in "give {gap} honey".

A passage is held back from its telling word on, not from "give" on, which many harmless sentences have, too.
The word is found in the pattern's structure: of the words that it cannot do without the rarest. The same
structure tells with which of its rule's first words a pattern may begin, so that no other is compiled for it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec
import regex

from safety.kept import kept
from safety.rules.index import beginnings_in, needs_by_pattern, openings_by_pattern
from safety.rules.loader import RuleData
from safety.views import fold_pattern

_SHORTEST = 3  # letters; shorter beginnings are in every sentence
_PARTS, _ARABIC = regex.compile("[^'’-]+"), regex.compile(r"\p{Arabic}")
_FIRST = regex.compile(r"\p{Han}|[^\W_\p{Han}]+")


class Hints(msgspec.Struct):
    """Of one rule's patterns. `keys`: of each beginnings of folded words, one of which stands in every match;
    none where nothing can be said. `by_start`: for each of the rule's first words the patterns, by number,
    that may begin with it.
    """

    keys: list[list[str]]
    by_start: list[list[int]]


class _Kept(msgspec.Struct):
    by_rule: dict[str, Hints]


class TellingWords:
    """All of them together, to be looked up once for each word of an answer."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = frozenset(keys)
        self._arabic = frozenset(key for key in self._keys if _ARABIC.search(key))
        self._going_on: dict[str, list[str]] = {}
        for key in self._keys:
            for size in range(1, len(key) + 1):
                self._going_on.setdefault(key[:size], []).append(key)
        self.in_word = lru_cache(maxsize=8192)(self._in_word)
        self.may_be = lru_cache(maxsize=8192)(self._may_be)

    def _in_word(self, word: str) -> tuple[tuple[int, frozenset[str]], ...]:
        """Where in a word one begins, and what is told there. The parts of "l'aspirine" are words, too."""
        parts = ((part.start(), self._begun_by(part.group())) for part in _PARTS.finditer(word))
        return tuple((start, keys) for start, keys in parts if keys)

    def _begun_by(self, word: str) -> frozenset[str]:
        plain = _plain(word)
        # Arabic puts "and the" before a word, without a blank.
        starts = range(len(plain)) if _ARABIC.match(plain) else (0,)
        parts = (plain[start:end] for start in starts for end in range(start + 1, len(plain) + 1))
        return self._keys.intersection(parts)

    def _may_be(self, unfinished: str) -> frozenset[str]:
        """What a word may tell that is not finished."""
        if _ARABIC.match(unfinished):
            return self._arabic
        return self._begun_by(unfinished).union(self._going_on.get(_plain(unfinished), ()))


def _plain(word: str) -> str:
    return fold_pattern(word.lower())


def hints_by_rule(data: RuleData, code: str) -> dict[str, Hints]:
    """`code` names the version of what works them out."""
    return kept("output", f"{data.version} {code}", _Kept, lambda: _Kept(_worked_out(data))).by_rule


def _worked_out(data: RuleData) -> dict[str, Hints]:
    found: dict[str, Hints] = {}
    for language, lexicon in data.lexicons.items():
        rules = [rule for rule in data.output_rules if rule.language == language]
        texts = [text for rule in rules for text in (*rule.examples, *rule.near_misses)]
        usual = Counter(word for text in texts for word in beginnings_in(fold_pattern(text.lower())))
        patterns = [(lexicon, pattern) for rule in rules for pattern in rule.pattern]
        needs = iter(needs_by_pattern(patterns))
        begins = iter(openings_by_pattern(patterns))
        for rule in rules:
            keys = [sorted(_rarest(next(needs), usual) or ()) for _ in rule.pattern]
            opened = [next(begins) for _ in rule.pattern]
            found[rule.id] = Hints(keys, [_beginning_with(word, opened) for word in rule.start])
    return found


def _beginning_with(word: str, openings: Sequence[frozenset[str] | None]) -> list[int]:
    folded = fold_pattern(word.lower())
    return [number for number, strings in enumerate(openings) if strings is None or _fits(folded, strings)]


def _fits(word: str, openings: frozenset[str]) -> bool:
    """Whether one is a beginning of the word, or goes on after it."""
    return any(word[:size] in openings for size in range(1, len(word) + 1)) or any(
        opening.startswith(word) for opening in openings
    )


def _rarest(groups: list[frozenset[str]], usual: Counter[str]) -> set[str] | None:
    telling = [words for group in groups if (words := _telling(group))]
    return min(telling, key=lambda words: sum(usual[word] for word in words), default=None)


def _telling(group: frozenset[str]) -> set[str] | None:
    """The first word of each; None where one is too short to tell anything."""
    words = {match.group().lower() for string in group if (match := _FIRST.search(string))}
    if not words or any(word.isascii() and word.isalpha() and len(word) < _SHORTEST for word in words):
        return None
    return words
