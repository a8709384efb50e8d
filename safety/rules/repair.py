"""A view in which mistyped or run-together words read as the core words of the rules.

A word is repaired only when no rule of the languages that the text is written in knows it. It is then read as
a core word (see `safety.rules.words`) that is one edit away by Damerau and Levenshtein, which a symmetric
delete index finds; or as several core words without spaces between them. The first letter is always right,
and a wrong or additional one is one that a thumb may hit. Of several core words the likeliest is taken: one
of the text's languages, if there is any, by how usual the slip is and how often rules use the word.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import regex

from safety.views import View

_WORD = regex.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_SHORTEST = 3
_SHORTEST_CORE = 4  # of shorter core words only swapped letters are put right
_SHORTEST_ADDED = 5  # of shorter core words an additional letter is a doubled one
_SHORTEST_RUN = 9
_LONGEST_WORD = 24
_LONGEST_RUN = 120
_USUAL_PART = 3.2  # letters; shorter ones would make words of any letters: "life gu ar ds"

_USUAL_SLIP, _WRONG_LETTER, _ADDED_LETTER = 1.0, 0.2, 0.12
"""Likelihoods. Usual are two letters swapped, one missing, one doubled."""
_SPOKEN = 0.5  # a language is one of the text's with so many votes, of those that its main language has
_VOTE_OF_SLIP = 0.5  # for the language of what it may mean; a real word has 1

_KEYBOARDS = (
    ("qwertyuiop", "asdfghjkl", "zxcvbnm"),
    ("qwertzuiop", "asdfghjkl", "yxcvbnm"),
    ("azertyuiop", "qsdfghjklm", "wxcvbn"),
    ("ضصثقفغعهخحجد", "شسيبلاتنمكط", "ئءؤرىةوزظ"),
)
_VOWELS = "aeiou"


class Repairer:
    """`words` are core words with their weight, `known` are further real words; `own` says of words that
    only one language has which: in texts of other languages they may be slips.
    """

    def __init__(
        self, words: Mapping[str, int], known: Iterable[str], own: Mapping[str, str] | None = None
    ) -> None:
        self._weight = dict(words)
        self._known = frozenset([*words, *known])
        self._own = own or {}
        self._by_form = _ByForm(word for word in sorted(words) if _SHORTEST <= len(word) <= _LONGEST_WORD)
        self._near = lru_cache(maxsize=8192)(self._within_one_edit)
        self._parted = lru_cache(maxsize=8192)(self._run_of_words)

    def view(self, view: View) -> View | None:
        """The repaired view, or None where nothing needed repair."""
        words = [match for match in _WORD.finditer(view.text) if len(match.group()) >= _SHORTEST]
        spoken = self._spoken([match.group() for match in words])
        if spoken is None:
            return None
        pieces: list[str] = []
        places: list[int] = []
        done = 0
        for match in words:
            repaired = self._repaired(match.group(), spoken)
            if repaired is None:
                continue
            pieces += [view.text[done : match.start()], repaired]
            places += range(done, match.start())
            places += _stretched(match.start(), match.end(), len(repaired))
            done = match.end()
        if not done:
            return None
        text = "".join([*pieces, view.text[done:]])
        places += range(done, len(view.text))
        offsets = places if view.offsets is None else [view.offsets[at] for at in places]
        return View("repaired", text, offsets)

    def _spoken(self, words: Sequence[str]) -> frozenset[str] | None:
        """The languages that most of the words tell of; None where nothing needs repair."""
        votes: dict[str, float] = {}
        for word in words:
            if (language := self._own.get(word)) is not None:
                votes[language] = votes.get(language, 0) + 1
        unknown = [word for word in words if word not in self._known]
        if not unknown and len(votes) < 2:
            return None
        for word in unknown:
            meant = {self._own[core] for core in self._near(word) if core in self._own}
            for language in meant:
                votes[language] = votes.get(language, 0) + _VOTE_OF_SLIP / len(meant)
        most = max(votes.values(), default=0)
        return frozenset(language for language, count in votes.items() if count >= _SPOKEN * most)

    def _repaired(self, word: str, spoken: frozenset[str]) -> str | None:
        is_known = word in self._known
        if is_known and self._own.get(word) in (None, *spoken):
            return None
        near = self._near(word)
        fitting = {core: slip for core, slip in near.items() if self._own.get(core) in (None, *spoken)}
        likely = fitting or ({} if is_known else near)
        if likely:
            return max(likely, key=lambda core: (likely[core] * self._weight[core], core))
        return None if is_known else self._parted(word)

    def _within_one_edit(self, word: str) -> dict[str, float]:
        """Core words with the likelihood of the slip that made `word` of them."""
        if len(word) > _LONGEST_WORD:
            return {}
        near = {core for form in _forms(word) for core in self._by_form.words(form)}
        slips = {core: _slip(word, core) for core in near if core[0] == word[0] and core != word}
        return {core: slip for core, slip in slips.items() if slip}

    def _run_of_words(self, run: str) -> str | None:
        """ "mybabyischoking" as words, all of them known; the fewest words win."""
        if not _SHORTEST_RUN <= len(run) <= _LONGEST_RUN:
            return None
        best: list[tuple[int, int] | None] = [(0, 0)] + [None] * len(run)
        for end in range(1, len(run) + 1):
            for start in range(max(0, end - _LONGEST_WORD), end):
                before = best[start]
                if before is not None and run[start:end] in self._weight:
                    candidate = (before[0] + (1 if end - start > 1 else 3), start)
                    best[end] = min(best[end] or candidate, candidate)
        if best[-1] is None or best[-1][1] == 0:
            return None
        words = _traced(run, best)
        return " ".join(words) if len(run) >= _USUAL_PART * len(words) else None


def _traced(run: str, best: list[tuple[int, int] | None]) -> list[str]:
    words, end = [], len(run)
    while end:
        step = best[end]
        assert step is not None  # every end on the best path was reached from a start
        words.append(run[step[1] : end])
        end = step[1]
    return words[::-1]


class _ByForm:
    """Words by their forms, of which there are ten times as many: as sorted numbers, which take a twentieth
    of a dictionary's memory. A number is a form's hash with the word's place behind it, so it may name a word
    that has no such form.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words = list(words)
        self._numbers = array(
            "Q", sorted({_hashed(form) | at for at, word in enumerate(self._words) for form in _forms(word)})
        )

    def words(self, form: str) -> Iterator[str]:
        first = _hashed(form)
        at = bisect_left(self._numbers, first)
        while at < len(self._numbers) and (place := self._numbers[at] - first) <= _MOST_WORDS:
            yield self._words[place]
            at += 1


_MOST_WORDS = (1 << 20) - 1


def _hashed(form: str) -> int:
    return hash(form) % (1 << 64) & ~_MOST_WORDS


def _forms(word: str) -> set[str]:
    """The word, and what is left of it without one of its letters, save the first, which is always right."""
    return {word, *(word[:at] + word[at + 1 :] for at in range(1, len(word)))}


def _slip(word: str, core: str) -> float:
    """How likely a thumb makes `word` of `core`; 0 where that takes more than one edit."""
    at = next((at for at, (typed, meant) in enumerate(zip(word, core, strict=False)) if typed != meant), None)
    if at is None:
        at = min(len(word), len(core))
    if len(word) == len(core):
        if word[at + 2 :] == core[at + 2 :] and word[at : at + 2] == core[at + 1 : at - 1 : -1]:
            return _USUAL_SLIP
        is_one = len(core) >= _SHORTEST_CORE and word[at + 1 :] == core[at + 1 :]
        return _WRONG_LETTER if is_one and _may_be_hit(word[at], core[at], core) else 0
    if len(core) < _SHORTEST_CORE:
        return 0
    if len(word) < len(core):
        return _USUAL_SLIP if word[at:] == core[at + 1 :] else 0
    if word[at + 1 :] != core[at:]:
        return 0
    if word[at] == word[at - 1]:
        return _USUAL_SLIP
    is_near = any(_may_be_hit(word[at], meant, core) for meant in core[at - 1 : at + 1])
    return _ADDED_LETTER if len(core) >= _SHORTEST_ADDED and is_near else 0


def _may_be_hit(typed: str, meant: str, core: str) -> bool:
    """Whether a letter is typed for another: the key beside it, a letter of the word once more, or a vowel
    that sounds alike.
    """
    return typed in _BESIDE.get(meant, "") or typed in core or (typed in _VOWELS and meant in _VOWELS)


def _keys_beside() -> dict[str, str]:
    """Of each key those left and right of it, and in the rows above and below, which stand half a key off."""
    beside: dict[str, str] = {}
    for rows in _KEYBOARDS:
        for above, row, below in zip(("", *rows), rows, (*rows[1:], ""), strict=False):
            for at, key in enumerate(row):
                left = max(0, at - 1)
                near = above[at : at + 2] + row[left : at + 2] + below[left : at + 1]
                beside[key] = beside.get(key, "") + near
    return beside


_BESIDE = _keys_beside()


def _stretched(start: int, end: int, length: int) -> list[int]:
    """Places in `start:end` for a text of another length: the first and the last letters stay at the ends."""
    last = max(1, length - 1)
    return [start + at * (end - start - 1) // last for at in range(length)]
