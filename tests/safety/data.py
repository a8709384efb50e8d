"""Evaluation sets beside the repository, never part of it; a test without them skips and says so."""

import csv
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "shared" / "data"


def path_of(name: str) -> Path:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"the evaluation set {name} is not here ({FOLDER})")
    return path


def medquad(name: str) -> list[str]:
    lines = path_of(f"medquad/{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def xstest_safe() -> list[str]:
    with path_of("xstest/xstest_prompts.csv").open(encoding="utf-8") as file:
        return [row["prompt"] for row in csv.DictReader(file) if row["label"] == "safe"]


def notinject() -> list[str]:
    parts = (path_of(f"notinject/NotInject_{part}.json") for part in ("one", "two", "three"))
    return [row["prompt"] for part in parts for row in json.loads(part.read_text("utf-8"))]


def naughty_strings() -> list[str]:
    return list(json.loads(path_of("blns/blns.json").read_text("utf-8")))
