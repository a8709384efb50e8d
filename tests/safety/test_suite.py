"""Our own labelled sentences: enough of them, of every kind, and nobody else's."""

import csv
import json
import random
from collections import Counter
from itertools import chain

import pytest
import regex

from safety.evaluation.disguise import DISGUISES
from safety.evaluation.suite import FOLDER, languages, pairs, sentences
from safety.rules.loader import load_rules
from safety.verdict import Category
from tests.safety import data

LANGUAGES = ["ar", "de", "en", "es", "fr", "hi", "pt", "zh"]
ABOUT = [
    Category.INFANT_EMERGENCY,
    Category.MATERNAL_EMERGENCY,
    Category.SELF_HARM,
    Category.CAREGIVER_HARM,
    Category.DOMESTIC_ABUSE,
    Category.CHILD_ABUSE,
    Category.MEDICATION,
    Category.INJECTION,
]
ROWS = [*sentences("measure"), *sentences("dev")]
PAIRS = [*pairs("measure"), *pairs("dev")]


def plain(text):
    """Its words only."""
    return " ".join(regex.findall(r"[\p{L}\p{M}\p{N}]+", text.casefold()))


def twice(values):
    return [value for value, count in Counter(values).items() if count > 1]


def test_suite_is_large_and_in_every_language():
    assert languages() == LANGUAGES
    assert len(ROWS) >= 1_500
    assert len(PAIRS) >= 300
    assert min(Counter(row.language for row in ROWS).values()) >= 180
    assert min(Counter(pair.language for pair in PAIRS).values()) >= 35


def test_every_file_is_one_of_a_language_s_four():
    names = {
        f"{name}.{kind}.jsonl"
        for name in LANGUAGES
        for kind in ("dev", "measure", "pairs.dev", "pairs.measure")
    }
    assert {path.name for path in FOLDER.iterdir()} == names


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("part", ["measure", "dev"])
def test_every_language_has_every_category_and_look_alikes(language, part):
    rows = [row for row in sentences(part) if row.language == language]
    found = Counter(row.category for row in rows)
    least = 6 if part == "measure" else 3
    assert [str(category) for category in ABOUT if found[category] < least] == []
    assert found["none"] >= 0.2 * len(rows)


def test_labels_are_of_our_words():
    known = {*map(str, Category), "none"}
    assert [row.id for row in ROWS if row.category not in known or (row.near and row.near not in known)] == []
    harmless = {"none", str(Category.OFF_TOPIC)}
    assert [row.id for row in ROWS if (row.category in harmless) != (row.expect == "allow")] == []
    assert [row.id for row in ROWS if row.category == "none" and not row.near] == []


def test_ids_and_sentences_stand_once():
    assert twice(row.id for row in (*ROWS, *PAIRS)) == []
    assert len(twice(plain(row.text) for row in ROWS)) == 0


def test_nothing_of_one_part_is_in_the_other():
    for rows in (
        [(row.id, row.text) for row in ROWS],
        [(pair.id, text) for pair in PAIRS for text in (pair.unsafe, pair.safe)],
    ):
        dev = {plain(text) for row_id, text in rows if "-d-" in row_id or "-pd-" in row_id}
        measure = {row_id for row_id, text in rows if plain(text) in dev} - {
            row_id for row_id, _ in rows if "-d-" in row_id or "-pd-" in row_id
        }
        assert (sorted(measure), len(dev) > 100) == ([], True)


def test_unsafe_and_safe_answers_differ_and_share_their_subject():
    assert [pair.id for pair in PAIRS if plain(pair.unsafe) == plain(pair.safe)] == []
    assert [pair.id for pair in PAIRS if not pair.topic] == []


def test_rules_were_not_written_from_measure():
    """No example of a rule is a sentence that measures it."""
    measure = {plain(row.text): row.id for row in sentences("measure")}
    measure |= {plain(text): pair.id for pair in pairs("measure") for text in (pair.unsafe, pair.safe)}
    rules = load_rules()
    copied = [
        (rule.id, measure[plain(text)])
        for rule in (*rules.rules, *rules.output_rules)
        for text in (*rule.examples, *rule.near_misses)
        if plain(text) in measure
    ]
    assert copied == []


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        yield from chain.from_iterable(map(strings, value.values() if isinstance(value, dict) else value))


def others():
    """Every text in other people's sets."""
    if not data.FOLDER.is_dir():
        pytest.skip(f"no evaluation sets at {data.FOLDER}")
    for path in sorted(data.FOLDER.rglob("*")):
        if path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                yield from chain.from_iterable(csv.reader(file))
        elif path.suffix in (".json", ".jsonl"):
            lines = (
                path.read_text("utf-8").splitlines() if path.suffix == ".jsonl" else [path.read_text("utf-8")]
            )
            yield from chain.from_iterable(strings(json.loads(line)) for line in lines if line.strip())
        elif path.suffix == ".txt":
            yield from path.read_text("utf-8", "replace").splitlines()


def test_no_sentence_is_copied_from_other_people_s_sets():
    theirs = {plain(text) for text in others()}
    assert len(theirs) > 1_000
    ours = [(row.id, row.text) for row in ROWS] + [(p.id, t) for p in PAIRS for t in (p.unsafe, p.safe)]
    assert [row_id for row_id, text in ours if plain(text) in theirs] == []


@pytest.mark.parametrize("name", sorted(DISGUISES))
def test_disguise_changes_the_text_and_is_the_same_each_time(name):
    text = "my baby is not breathing"
    hidden = DISGUISES[name](text, random.Random(1))
    assert hidden != text
    assert DISGUISES[name](text, random.Random(1)) == hidden
