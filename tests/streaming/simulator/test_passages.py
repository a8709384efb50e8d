import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from streaming.simulator.passages import BadPassage, load_passages, twins

TOPICS = {
    "birth_recovery",
    "development",
    "feeding",
    "fever_and_illness",
    "mental_health",
    "newborn_care",
    "pregnancy",
    "sleep",
}
GOOD = """
[[passage]]
id = "honey-first-year"
title = "Honey in the first year"
text = "No honey before the first birthday."
keywords = ["honey"]
ages_months = [0, 12]
[passage.source]
organisation = "NHS"
title = "Foods to avoid"
url = "https://www.nhs.uk/"
reviewed = 2026-11-23
"""


def ids(passages):
    return [passage.id for passage in passages]


def test_every_topic_has_its_passages(guidance):
    counted = Counter(passage.topic for passage in guidance.passages)
    assert set(counted) == TOPICS
    assert {topic: count for topic, count in counted.items() if count < 8} == {}
    assert counted.total() >= 80


def test_no_passage_has_a_twin(guidance):
    assert twins(guidance.passages) == []


def test_ids_are_kebab_case(guidance):
    assert [name for name in ids(guidance.passages) if not name.replace("-", "").isalnum()] == []


def test_passages_are_neither_short_nor_long(guidance):
    words = {passage.id: len(passage.text.split()) for passage in guidance.passages}
    assert {name: count for name, count in words.items() if not 40 <= count <= 170} == {}


def test_passages_have_keywords(guidance):
    assert ids(p for p in guidance.passages if not p.keywords) == []


def test_sources_were_reviewed_within_a_year(guidance):
    today = datetime.now(UTC).date()
    assert ids(p for p in guidance.passages if today - p.source.reviewed >= timedelta(days=365)) == []


def test_sources_are_not_reviewed_in_the_future(guidance):
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    assert ids(p for p in guidance.passages if p.source.reviewed > tomorrow) == []


@pytest.mark.parametrize("dose", [r"\d\s*mg\b", r"mg/kg", r"\d\s*milligrams?(?! of caffeine)\b"])
def test_passages_hold_no_doses(guidance, dose):
    assert ids(p for p in guidance.passages if re.search(dose, p.text, re.IGNORECASE)) == []


def test_good_passage_is_read_whole(tmp_path):
    (tmp_path / "feeding.toml").write_text(GOOD)
    [passage] = load_passages(tmp_path)
    assert (passage.topic, passage.id, passage.keywords) == ("feeding", "honey-first-year", ("honey",))
    assert (passage.ages_months, passage.weeks, str(passage.source.reviewed)) == ((0, 12), None, "2026-11-23")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('title = "Honey in the first year"', ""),
        ('text = "No honey before the first birthday."', 'text = " "'),
        ("https://", "http://"),
        ("reviewed = 2026-11-23", 'reviewed = "2026-11-23"'),
        ("[0, 12]", "[12, 0]"),
        ("[0, 12]", "[0]"),
        ('organisation = "NHS"', "organisation = 3"),
        ("[passage.source]", "[source]"),
        ("[[passage]]", "[[passage"),
    ],
)
def test_bad_passage_names_its_file(tmp_path, right, wrong):
    (tmp_path / "feeding.toml").write_text(GOOD.replace(right, wrong, 1))
    with pytest.raises(BadPassage, match=r"^feeding\.toml: "):
        load_passages(tmp_path)


def test_twins_are_found(tmp_path):
    (tmp_path / "feeding.toml").write_text(GOOD)
    (tmp_path / "sleep.toml").write_text(GOOD.replace("honey-first-year", "other"))
    assert twins(load_passages(tmp_path)) == ["title 'Honey in the first year'"]
