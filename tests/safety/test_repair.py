import pytest

from safety.rules.repair import Repairer
from safety.views import View

REPAIRER = Repairer({"my", "baby", "is", "not", "choking", "bleeding", "breathing"}, {"breeding", "chucking"})


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("chokign", "choking"), ("choing", "choking"), ("chokking", "choking"), ("chokung", "choking"),
        ("bbay", "baby"), ("nto", "not"), ("mybabyischoking", "my baby is choking"),
    ],
)  # fmt: skip
def test_repair_reads_one_slip(typed, read):
    view = REPAIRER.view(View("folded", f"oh {typed}!"))
    assert view is not None
    assert view.text == f"oh {read}!"


@pytest.mark.parametrize("word", ["breeding", "chucking", "choking", "smoking", "chkoign", "xy"])
def test_repair_leaves_real_and_far_words_alone(word):
    assert REPAIRER.view(View("folded", word)) is None


def test_repaired_place_maps_to_the_typed_word():
    view = REPAIRER.view(View("folded", "oh chokking!"))
    assert view is not None
    start = view.text.index("choking")
    assert view.display_span(start, start + len("choking")) == (3, 11)
