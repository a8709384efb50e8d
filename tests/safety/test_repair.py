import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.check import perform_comprehensive_safety_check
from safety.rules.loader import load_rules
from safety.rules.repair import Repairer
from safety.rules.ruleset import ruleset
from safety.sanitize import sanitize_input
from safety.verdict import Severity
from safety.views import View

REPAIRER = Repairer(
    dict.fromkeys({"my", "baby", "is", "not", "kill", "choking", "bleeding", "breathing"}, 1),
    {"breeding", "chucking"},
)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("chokign", "choking"), ("choing", "choking"), ("chokking", "choking"), ("chokung", "choking"),
        ("bbay", "baby"), ("nto", "not"), ("kll", "kill"), ("klil", "kill"),
        ("mybabyischoking", "my baby is choking"),
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


SPOKEN = Repairer(
    dict.fromkeys(["my", "baby", "is", "help", "choking", "bebe", "respira", "ayuda"], 1),
    {"respire", "chocking", "mon", "ne"},
    {"my": "en", "is": "en", "help": "en", "choking": "en", "respira": "es", "ayuda": "es",
     "respire": "fr", "chocking": "de", "mon": "fr", "ne": "fr"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("ayuda bebe respire", None),  # of as many words of French as of Spanish
        ("ayuda, ayuda, ayuda, bebe respire", "ayuda, ayuda, ayuda, bebe respira"),
        ("mon bebe ne respire", None),
        ("help help help baby chocking", "help help help baby choking"),
        ("my baby is mon", None),
        ("baby bebe", None),
    ],
)
def test_word_of_another_language_is_read_as_a_slip_of_this_one(typed, read):
    view = SPOKEN.view(View("folded", typed))
    assert (view and view.text) == read


# --- With all the words of the rules ------------------------------------------------------------------------


def ours():
    return ruleset()._repairer


CORE = sorted(word for word in ruleset().words.core if 5 <= len(word) <= 12)
KNOWN = sorted({*ruleset().words.core, *ruleset().words.known})


def slips(word):
    """One of each kind that a thumb makes, somewhere behind the first letter."""
    at = len(word) // 2
    return [
        word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :],
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
    ]


@given(st.sampled_from(CORE))
@settings(max_examples=200, deadline=None)
def test_slip_in_a_core_word_is_read_as_a_real_word(word):
    for typed in slips(word):
        view = ours().view(View("folded", typed))
        assert (typed if view is None else view.text) in set(KNOWN), typed


@pytest.mark.parametrize(
    ("typed", "read"),
    [("i want to kll myself", "i want to kill myself"), ("my baby is chokng", "my baby is choking")],
)
def test_slip_in_a_sentence_is_put_right(typed, read):
    view = ours().view(View("folded", typed))
    assert view is not None
    assert view.text == read


def real_words(language):
    own, word = ruleset().words.own, regex.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
    return [known for known in KNOWN if own.get(known) in (None, language) and word.fullmatch(known)]


REAL = [real_words(language) for language in sorted(load_rules().lexicons)]


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_real_words_are_never_touched(data):
    """Of the language that a text is written in: a word of another may be a slip."""
    words = data.draw(st.lists(st.sampled_from(data.draw(st.sampled_from(REAL))), min_size=1, max_size=6))
    assert ours().view(View("folded", " ".join(words))) is None


@given(st.lists(st.sampled_from(CORE) | st.text("abcdeo '.!1", max_size=9), max_size=8).map(" ".join))
@settings(max_examples=150, deadline=None)
def test_every_place_of_a_repaired_view_is_in_the_typed_text(text):
    view = ours().view(View("folded", text))
    if view is not None:
        spans = [view.display_span(at, at + 1) for at in range(len(view.text))]
        assert spans == sorted(spans)
        assert [span for span in spans if not 0 <= span[0] < span[1] <= len(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "my baby loves the new playmat", "we walked to the library", "grandma visits on wednesday",
        "what is a good stroller", "unser Nachbar baut einen Schuppen", "nous avons acheté une poussette",
    ],
)  # fmt: skip
def test_ordinary_sentence_is_not_repaired_into_an_emergency(text):
    view = ours().view(sanitize_input(text).views[0])
    assert perform_comprehensive_safety_check(text).severity.rank < Severity.URGENT.rank, view
