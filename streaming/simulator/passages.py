"""The passages the simulator quotes: reading the TOML files, and refusing what is not well formed."""

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "passages"

type Span = tuple[int, int]
"""From, and up to but not including."""


class BadPassage(ValueError):
    """A passage that is not well formed; the message names file, passage and field."""


@dataclass(frozen=True, slots=True)
class Source:
    organisation: str
    title: str
    url: str
    reviewed: date


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of public guidance. `topic` is the name of its file."""

    id: str
    topic: str
    title: str
    text: str
    keywords: tuple[str, ...]
    source: Source
    ages_months: Span | None = None
    weeks: Span | None = None


def load_passages(folder: Path = FOLDER) -> list[Passage]:
    """All passages of a folder, by file and place. Raises `BadPassage`."""
    return [passage for path in sorted(folder.glob("*.toml")) for passage in _read(path)]


def _read(path: Path) -> Iterator[Passage]:
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8")).get("passage", [])
    except tomllib.TOMLDecodeError as error:
        raise BadPassage(f"{path.name}: {error}") from None
    for row in rows:
        try:
            yield _passage(path.stem, row)
        except (KeyError, TypeError, ValueError) as error:
            raise BadPassage(f"{path.name}: {row.get('id', 'a passage without id')}: {error}") from None


def _passage(topic: str, row: Mapping[str, Any]) -> Passage:
    source = row["source"]
    return Passage(
        id=_text(row, "id"),
        topic=topic,
        title=_text(row, "title"),
        text=_text(row, "text"),
        keywords=tuple(str(keyword) for keyword in row["keywords"]),
        source=Source(_text(source, "organisation"), _text(source, "title"), _address(source), _day(source)),
        ages_months=_span(row.get("ages_months")),
        weeks=_span(row.get("weeks")),
    )


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} is not a text")
    return value.strip()


def _address(source: Mapping[str, Any]) -> str:
    url = _text(source, "url")
    if not url.startswith("https://"):
        raise ValueError("url does not start with https://")
    return url


def _day(source: Mapping[str, Any]) -> date:
    value = source["reviewed"]
    if not isinstance(value, date):
        raise ValueError("reviewed is not a date")
    return value


def _span(value: Sequence[int] | None) -> Span | None:
    if value is None:
        return None
    start, end = value
    if not 0 <= start < end:
        raise ValueError(f"{value} is not a span")
    return start, end


def twins(passages: Sequence[Passage]) -> list[str]:
    """Ids and titles that more than one passage has. The server can live with them, the suite does not."""
    counted = Counter(
        f"{name} {getattr(passage, name)!r}" for passage in passages for name in ("id", "title")
    )
    return sorted(said for said, times in counted.items() if times > 1)
