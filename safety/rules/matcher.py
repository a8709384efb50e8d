"""Finds which patterns occur in a view: one `re2.Set` reads it once for all; only those found are located."""

from collections.abc import Iterator, Sequence

import re2

# The default of 8 MB falls back to a slow path with hundreds of patterns; the automaton is built lazily.
_MEMORY = 512 << 20


class TooComplex(RuntimeError):
    """The set of patterns does not fit the automaton's memory: a rule is too greedy."""


def _options() -> re2.Options:
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    options.never_capture = True
    return options


class Matcher:
    """Patterns of one language, by number. Linear in the length of the text."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._compiled = [re2.compile(pattern, _options()) for pattern in patterns]
        self._set = re2.Set.SearchSet(_options())
        for pattern in patterns:
            self._set.Add(pattern)
        self._set.Compile()

    def present(self, text: str) -> list[int]:
        """Numbers of the patterns that occur in the text, ascending."""
        return sorted(self._set.Match(text) or ())

    def spans(self, number: int, text: str) -> Iterator[tuple[int, int]]:
        """Each occurrence of one pattern, in code points, left to right, not overlapping."""
        return (match.span() for match in self._compiled[number].finditer(text))
