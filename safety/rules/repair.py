"""A view in which mistyped or run-together words read as the core words of the rules.

Core words are those the rules' own examples use. A word is repaired only when no rule knows it: one
letter missing, added, wrong or swapped (delete index, words of five letters and more), neighbours swapped
(three and four letters), or several known words without spaces between them.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache

import regex

from safety.views import View

_WORD = regex.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_SHORTEST_EDIT = 5
_SHORTEST_SWAP = 3
_SHORTEST_RUN = 9
_LONGEST_WORD = 24
_LONGEST_RUN = 120


class Repairer:
    """`words` are core words, `known` are further real words that are never touched."""

    def __init__(self, words: Iterable[str], known: Iterable[str]) -> None:
        self._core = frozenset(words)
        self._known = self._core | frozenset(known)
        self._by_deletion: dict[str, str] = {}
        for word in sorted(w for w in self._core if len(w) >= _SHORTEST_EDIT):
            for form in (word, *_deletions(word)):
                self._by_deletion.setdefault(form, word)
        self._by_swap = {form: w for w in sorted(self._core) if len(w) in (3, 4) for form in _swaps(w)}
        self._word = lru_cache(maxsize=8192)(self._repaired_word)

    def view(self, view: View) -> View | None:
        """The repaired view, or None where nothing needed repair."""
        pieces: list[str] = []
        places: list[int] = []
        done = 0
        for match in _WORD.finditer(view.text):
            repaired = self._word(match.group())
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

    def _repaired_word(self, word: str) -> str | None:
        if word in self._known or len(word) < _SHORTEST_SWAP:
            return None
        if len(word) < _SHORTEST_EDIT:
            return self._by_swap.get(word)
        return self._one_edit_away(word) or self._run_of_words(word)

    def _one_edit_away(self, word: str) -> str | None:
        if len(word) > _LONGEST_WORD:
            return None
        for form in (word, *_deletions(word)):
            core = self._by_deletion.get(form)
            if core is not None and core[0] == word[0] and _is_one_edit(word, core):
                return core
        return None

    def _run_of_words(self, run: str) -> str | None:
        """ "mybabyischoking" as words, all of them known; the fewest words win."""
        if not _SHORTEST_RUN <= len(run) <= _LONGEST_RUN:
            return None
        best: list[tuple[int, int] | None] = [(0, 0)] + [None] * len(run)
        for end in range(1, len(run) + 1):
            for start in range(max(0, end - _LONGEST_WORD), end):
                before = best[start]
                if before is not None and run[start:end] in self._core:
                    candidate = (before[0] + (1 if end - start > 1 else 3), start)
                    best[end] = min(best[end] or candidate, candidate)
        if best[-1] is None or best[-1][1] == 0:
            return None
        return " ".join(_traced(run, best))


def _traced(run: str, best: list[tuple[int, int] | None]) -> list[str]:
    words, end = [], len(run)
    while end:
        step = best[end]
        assert step is not None  # every end on the best path was reached from a start
        words.append(run[step[1] : end])
        end = step[1]
    return words[::-1]


def _deletions(word: str) -> Iterator[str]:
    return (word[:at] + word[at + 1 :] for at in range(len(word)))


def _swaps(word: str) -> Iterator[str]:
    for at in range(len(word) - 1):
        yield word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _is_one_edit(word: str, core: str) -> bool:
    """Whether one letter missing, added, wrong, or two neighbours swapped turn one into the other."""
    if len(word) == len(core):
        differing = [at for at in range(len(word)) if word[at] != core[at]]
        if len(differing) == 1:
            return True
        return len(differing) == 2 and differing[1] == differing[0] + 1 and sorted(word) == sorted(core)
    longer, shorter = (word, core) if len(word) > len(core) else (core, word)
    return len(longer) == len(shorter) + 1 and shorter in _deletions(longer)


def _stretched(start: int, end: int, length: int) -> list[int]:
    """Places in `start:end` for a text of another length: the first and the last letters stay at the ends."""
    last = max(1, length - 1)
    return [start + at * (end - start - 1) // last for at in range(length)]
