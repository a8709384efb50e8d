"""Finds which patterns occur in a view, and where: sentence by sentence, so the time stays linear."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import re2
import regex

from safety.clauses import REACH
from safety.rules.index import Needs, WordIndex
from safety.rules.lexicon import Lexicon, quiet_options

WINDOW = 400
"""Characters read at once of a sentence without an end."""
OVERLAP = 160
"""The longest sign that is found wherever a window ends."""
_END = regex.compile(r"[!?;]+|(?<!\d)\.(?!\d)")  # no sign reaches over one; "in der 30. SSW" has none
_BORDER = frozenset(b" \t\n.,;:!?-'\"()")


def _options() -> re2.Options:
    options = quiet_options()
    options.max_mem = 64 << 20  # of one pattern; it is taken only as far as texts ask for it
    return options


class Passage(NamedTuple):
    """A sentence, or a window of a long one, at `start` of a text. What it means depends on nothing outside
    of `low:high`, the sentence.
    """

    start: int
    text: str
    low: int
    high: int


class Matcher:
    """Patterns by number: each as a lexicon and the pattern in its notation. Linear in the text's length.
    `needs` is what `needs_of` makes of the same patterns.
    """

    def __init__(self, patterns: Sequence[tuple[Lexicon, str]], needs: Needs) -> None:
        self._index = WordIndex(needs)
        self._patterns = patterns
        self._compiled: dict[int, re2._Regexp] = {}

    def found(self, passage: str) -> list[tuple[int, int, int]]:
        """Each occurrence as (number of the pattern, start, end), in code points; a sentence's by number."""
        found = []
        encoded = passage.encode()
        for number in self._index.likely(passage):
            for match in self._pattern(number).finditer(encoded):
                start, end = _trimmed(encoded, *match.span())
                if len(encoded) > len(passage):
                    start, end = len(encoded[:start].decode()), len(encoded[:end].decode())
                found.append((number, start, end))
        return found

    def _pattern(self, number: int) -> "re2._Regexp":
        """On bytes: RE2 need not read the text anew for each pattern to count its characters."""
        pattern = self._compiled.get(number)
        if pattern is None:  # most patterns are rarely tried: they are compiled when one is
            lexicon, source = self._patterns[number]
            pattern = self._compiled[number] = re2.compile(lexicon.bounded(source).encode(), _options())
        return pattern

    def to_compile(self) -> Iterator[Callable[[], object]]:
        """What compiles each pattern, so that no text waits for it."""
        return (partial(self._pattern, number) for number in range(len(self._patterns)))


def passages(text: str) -> Iterator[Passage]:
    """The sentences of a folded text, long ones as windows that overlap."""
    start = 0
    for match in _END.finditer(text):
        yield from _windows(text, start, match.end())
        start = match.end()
    yield from _windows(text, start, len(text))


def _windows(text: str, low: int, high: int) -> Iterator[Passage]:
    """Each begins and ends at a blank where there is one."""
    start = low
    while high - start > WINDOW + OVERLAP:
        end = start + WINDOW
        end = max(text.rfind(" ", end - OVERLAP // 2, end), end - OVERLAP // 2)
        yield Passage(start, text[start : end + 1], max(low, start - REACH), min(high, end + REACH))
        start = max(text.find(" ", end - OVERLAP, end - OVERLAP + 20), end - OVERLAP)
    if (rest := text[start:high]) and not rest.isspace():
        yield Passage(start, rest, max(low, start - REACH), high)


def _trimmed(text: bytes, start: int, end: int) -> tuple[int, int]:
    """Without the borders that a match may hold (see `safety.rules.lexicon.Border`)."""
    if start < end and text[start] in _BORDER:
        start += 1
    if start < end and text[end - 1] in _BORDER:
        end -= 1
    return start, end
