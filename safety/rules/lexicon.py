"""The words of one language that rules and clause reading share (`rules/<language>/lexicon.toml`).

Pattern notation: `{name}` is a slot, a space any blank space (perhaps after a comma), " ?" perhaps none,
an apostrophe is optional. The rest is RE2 syntax.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MARKS = ("#", "\\[", "\\]", ":", "?:", "🔓", "🔒")  # a border beside these is no word border
_BLANK = re.compile(r"\[[^\]]*\]| \?| ")
_SLOT = re.compile(r"\{([a-z_]+)\}")


class UnknownSlot(KeyError):
    """A pattern names a slot that the lexicon does not have."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """`slots` are alternatives used in patterns; `markers` are read by clauses; `idioms` take a sign back."""

    language: str
    slots: dict[str, tuple[str, ...]]
    markers: dict[str, tuple[str, ...]]
    word_boundaries: bool = True
    lookalike_words: frozenset[str] = frozenset()

    def expand(self, pattern: str, *, space: str = r",?\s+", maybe_space: str = r"\s*") -> str:
        """The pattern as regular expression source, slots filled in, without word boundaries."""
        filled = _SLOT.sub(lambda m: self.slot(m.group(1)), pattern)
        blanks = {" ": space, " ?": maybe_space}
        return _BLANK.sub(lambda m: blanks.get(m.group(), m.group()), filled).replace("'", "'?")

    def slot(self, name: str) -> str:
        if name not in self.slots:
            raise UnknownSlot(name)
        inner = (_SLOT.sub(lambda m: self.slot(m.group(1)), word) for word in self.slots[name])
        return f"(?:{'|'.join(inner)})"

    def bounded(self, pattern: str) -> str:
        """The pattern between word boundaries, where the language has them."""
        expanded = self.expand(pattern)
        if not self.word_boundaries:
            return f"(?:{expanded})"
        before = "" if pattern.startswith(_MARKS) else r"\b"
        after = "" if pattern.endswith(_MARKS) else r"\b"
        return f"{before}(?:{expanded}){after}"

    def any_of(self, patterns: tuple[str, ...]) -> str:
        """One expression for all of them; one that never matches for none."""
        return "|".join(self.bounded(p) for p in patterns) or r"[^\s\S]"


def read_lexicon(folder: Path) -> Lexicon:
    raw: dict[str, Any] = tomllib.loads((folder / "lexicon.toml").read_text("utf-8"))
    return Lexicon(
        language=folder.name,
        slots={name: tuple(words) for name, words in raw["slots"].items()},
        markers={name: tuple(words) for name, words in raw["markers"].items()},
        word_boundaries=raw.get("word_boundaries", True),
        lookalike_words=frozenset(raw.get("lookalike_words", ())),
    )
