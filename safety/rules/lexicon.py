"""The words of one language that rules and clause reading share (`rules/<language>/lexicon.toml`).

Pattern notation: `{name}` is a slot, a space any blank space (perhaps after a comma), " ?" perhaps none,
an apostrophe is optional. The rest is RE2 syntax.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import re2

from safety.views import fold_pattern

_MARKS = ("#", "\\[", "\\]", ":", "?:", "🔓", "🔒")  # a border beside these is no word border
_SHORT = re.compile(r"\[[^\]]*\]| \?| |'")
_FIRST_MARK = 0xE000
_SLOT = re.compile(r"\{([a-z_]+)\}")


Border = Literal["latin", "letters", "none"]
"""What parts words: RE2's own notion, which knows Latin letters only; any letter or mark; or nothing."""
_BORDERS = {
    "latin": (r"\b", r"\b"),
    "letters": (r"(?:^|[^\p{L}\p{M}\p{N}])", r"(?:$|[^\p{L}\p{M}\p{N}])"),
    "none": ("", ""),
}
_LOOKAROUNDS = {"latin": (r"\b", r"\b"), "letters": (r"(?<![\w])", r"(?![\w])"), "none": ("", "")}


def quiet_options() -> re2.Options:
    """For patterns of which only the place matters; what is wrong with one is raised, not printed."""
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    return options


class UnknownSlot(KeyError):
    """A pattern names a slot that the lexicon does not have."""


@dataclass(frozen=True)
class Lexicon:
    """`slots` are alternatives used in patterns; `markers` are read by clauses.
    `border` is what parts words, `ages` how ages are said (see `safety.ages`).
    """

    language: str
    slots: dict[str, tuple[str, ...]]
    markers: dict[str, tuple[str, ...]]
    border: Border = "latin"
    lookalike_words: frozenset[str] = frozenset()
    ages: Mapping[str, Any] = field(default_factory=dict)

    def expand(self, pattern: str, *, space: str = r",?\s+", maybe_space: str = r"\s*") -> str:
        """The pattern as regular expression source, slots filled in, without word boundaries."""
        filled = _SLOT.sub(lambda m: self.slot(m.group(1)), pattern)
        long = {" ": space, " ?": maybe_space, "'": "'?"}
        return _SHORT.sub(lambda m: long.get(m.group(), m.group()), filled)

    def outline(self, pattern: str) -> str:
        """As `expand`, folded, with one private character for each slot: see `slot_of`."""
        marked = _SLOT.sub(lambda m: chr(_FIRST_MARK + self._slot_names.index(m.group(1))), pattern)
        return fold_pattern(self.expand(marked))

    def slot_of(self, mark: str) -> str | None:
        """The name of the slot that a character of an outline stands for."""
        at = ord(mark) - _FIRST_MARK
        return self._slot_names[at] if 0 <= at < len(self._slot_names) else None

    @cached_property
    def _slot_names(self) -> list[str]:
        return list(self.slots)

    def slot(self, name: str) -> str:
        if name not in self.slots:
            raise UnknownSlot(name)
        inner = (_SLOT.sub(lambda m: self.slot(m.group(1)), word) for word in self.slots[name])
        return f"(?:{'|'.join(inner)})"

    def as_written(self, patterns: tuple[str, ...]) -> str:
        """One expression, of `regex`, for texts that are not folded."""
        before, after = _LOOKAROUNDS[self.border]
        return "|".join(f"{before}(?:{self.expand(p)}){after}" for p in patterns) or r"(?!)"

    def bounded(self, pattern: str, *, lookaround: bool = False) -> str:
        """The folded pattern between word borders, where the language has them.

        RE2 has no lookaround: there the borders of languages other than Latin ones are part of the match.
        """
        expanded = fold_pattern(self.expand(pattern))
        before, after = (_LOOKAROUNDS if lookaround else _BORDERS)[self.border]
        before = "" if pattern.startswith(_MARKS) else before
        after = "" if pattern.endswith(_MARKS) else after
        return f"{before}(?:{expanded}){after}"

    def any_of(self, patterns: tuple[str, ...], *, lookaround: bool = False) -> str:
        """One expression for all of them; one that never matches for none."""
        # `regex` takes [^\\s\\S] for anything, RE2 knows no lookahead.
        nothing = r"(?!)" if lookaround else r"[^\s\S]"
        plain = [p for p in patterns if not p.startswith(_MARKS) and not p.endswith(_MARKS)]
        before, after = (_LOOKAROUNDS if lookaround else _BORDERS)[self.border]
        joined = "|".join(fold_pattern(self.expand(p)) for p in plain)
        together = [f"{before}(?:{joined}){after}"] if plain else []
        others = [self.bounded(p, lookaround=lookaround) for p in patterns if p not in plain]
        return "|".join([*together, *others]) or nothing


def read_lexicon(folder: Path) -> Lexicon:
    raw: dict[str, Any] = tomllib.loads((folder / "lexicon.toml").read_text("utf-8"))
    return Lexicon(
        language=folder.name,
        slots={name: tuple(words) for name, words in raw["slots"].items()},
        markers={name: tuple(words) for name, words in raw["markers"].items()},
        border=raw.get("border", "latin"),
        lookalike_words=frozenset(raw.get("lookalike_words", ())),
        ages=raw.get("ages", {}),
    )
