import pytest

from streaming.simulator.specimens import LONG, MARKDOWN, UNSAFE
from streaming.simulator.tokens import pieces, sized


def test_pieces_are_as_long_as_tokens():
    assert pieces("Breastfeeding, at night.") == ["Breastf", "eeding", ",", " at", " night", "."]


@pytest.mark.parametrize(
    "text", ["", " ", "\n\n- a\n\n", "naïve café — 👶🏽 نوم 寝る", "a_b*c*", MARKDOWN, LONG, *UNSAFE.values()]
)
def test_pieces_join_to_the_text(text):
    assert "".join(pieces(text)) == text


def test_sized_cuts_and_repeats():
    assert sized(["a", "b", "c"], 2) == ["a", "b"]
    assert sized(["a", "b", "c"], 7) == ["a", "b", "c", "a", "b", "c", "a"]
    assert sized([], 3) == []
