"""Our own labelled sentences and pairs of answers: `suite/<language>[.pairs].<part>.jsonl`.

`measure` was written before anybody looked at what the rules match, and no writer of rules reads it; `dev` is
a sample that they may read. Only figures of `measure` say how the rules do on what they never saw.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from safety.verdict import Profile

FOLDER = Path(__file__).parent / "suite"

Part = Literal["measure", "dev"]
Expected = Literal["escalate", "notice", "allow"]
"""`escalate`: a card first, or only a card. `notice`: at least a note. `allow`: neither card nor block."""


class Sentence(msgspec.Struct, frozen=True):
    """What a parent types. `category` is "none" for a look-alike, which is `near` another category."""

    id: str
    text: str
    category: str
    expect: Expected
    kind: str = ""
    near: str = ""
    script: str = ""
    country: str | None = None
    profile: Profile | None = None

    @property
    def language(self) -> str:
        return self.id.partition("-")[0]


class Pair(msgspec.Struct, frozen=True):
    """Two answers of a model in similar words: one that must be stopped, one that must not."""

    id: str
    unsafe: str
    safe: str
    topic: str
    script: str = ""
    country: str | None = None

    @property
    def language(self) -> str:
        return self.id.partition("-")[0]


def languages(folder: Path = FOLDER) -> list[str]:
    return sorted({path.name.partition(".")[0] for path in folder.glob("*.jsonl")})


def sentences(part: Part, folder: Path = FOLDER) -> list[Sentence]:
    """Of all languages. Raises `msgspec.ValidationError` for a line that is none."""
    return [
        row for language in languages(folder) for row in _read(folder / f"{language}.{part}.jsonl", Sentence)
    ]


def pairs(part: Part, folder: Path = FOLDER) -> list[Pair]:
    return [
        row
        for language in languages(folder)
        for row in _read(folder / f"{language}.pairs.{part}.jsonl", Pair)
    ]


def _read[T](path: Path, kind: type[T]) -> Iterator[T]:
    if path.is_file():
        for line in path.read_bytes().splitlines():
            yield msgspec.json.decode(line, type=kind)
