"""A continuation is joined so that nobody can tell where: no gap, no repeat, wherever it was cut and read."""

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from streaming.providers.seam import CONTINUE, SURE, Restarted, Seam, continuation, last_words

ANSWER = (
    "**Safe sleep**\n\nPut your baby down on the back, on a firm mattress, for every nap and every night.\n\n"
    "- No pillow, no duvet, no soft toys.\n- A cot in your room for the first six months.\n\n"
    "Über 20 °C is too warm. 寝る時は仰向けに。 “Feet to foot” helps, e.g. with a blanket tucked in (p. 3.5)!"
)


def joined(before, sent, sizes=(3,)):
    """`before` and what the seam makes of the continuation, read in parts of these sizes."""
    seam, text, at, turn = Seam(before), before, 0, 0
    while at < len(sent):
        size = sizes[turn % len(sizes)]
        text += seam.feed(sent[at : at + size])
        at, turn = at + size, turn + 1
    return text + seam.close()


def test_request_ends_with_the_answer_so_far_and_our_words():
    asked = {"role": "user", "content": "Hello"}
    assert continuation([asked], "Good e") == [
        asked,
        {"role": "assistant", "content": "Good e"},
        {"role": "user", "content": CONTINUE},
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        ("one", "one"),
        ("  one two ", "one two"),
        ("a b c d e", "a b c d e"),
        ("a b  c\nd e f\n\n", "b  c\nd e f"),
    ],
)
def test_last_words_are_the_last_five_as_they_stand(text, words):
    assert last_words(text) == words


@pytest.mark.parametrize("cut", range(1, len(ANSWER)))
def test_repeating_the_last_words_as_asked_joins_exactly(cut):
    before = ANSWER[:cut]
    repeated = before[before.rstrip().rfind(last_words(before)) :]
    assert joined(before, repeated + ANSWER[cut:]) == ANSWER


def may_begin(text, at):
    begins = at == 0 or text[at - 1].isspace() or (text[at].isalnum() and not text[at - 1].isalnum())
    return not text[at].isspace() and (begins or len(text.rstrip()) - at >= SURE)


def is_ambiguous(before, rest):
    """Whether the rest could itself be taken for a repeat, a filler, a restart or a new sentence."""
    bare = before.rstrip()
    repeats = any(rest.lstrip().startswith(bare[at:]) for at in range(len(bare)))
    restarts = len(rest.strip()) >= 16 and bare.startswith(rest.strip()[:16])
    new_sentence = before == bare and re.search(r"[.!?:…]\W*\Z", bare) and rest[:1].isupper()
    return bool(repeats or restarts or new_sentence or re.match(r"\s*(…|\.)", rest))


words = st.sampled_from(
    [
        "sleep",
        "back",
        "night",
        "milk",
        "cot",
        "warm",
        "Tea",
        "Ära",
        "寝る",
        "👶",
        "U.K.",
        "3.5",
        "-",
        "**",
        "(p.",
    ]
)
gaps = st.sampled_from([" ", " ", " ", ", ", ". ", "\n", "\n\n", "\n- ", "  "])
answers = st.lists(st.tuples(words, gaps), min_size=2, max_size=40).map(
    lambda pairs: "".join(f"{word}{gap}" for word, gap in pairs)
)
sizes = st.lists(st.integers(1, 30), min_size=1, max_size=4)


@given(answer=st.one_of(st.just(ANSWER), answers), cut=st.integers(1, 300), sizes=sizes)
def test_exact_continuation_is_joined_exactly(answer, cut, sizes):
    before, rest = answer[:cut], answer[cut:]
    assume(before.strip() and not is_ambiguous(before, rest))
    assert joined(before, rest, sizes) == answer


@given(
    answer=st.one_of(st.just(ANSWER), answers),
    cut=st.integers(1, 300),
    start=st.integers(0, 300),
    sizes=sizes,
)
@example(answer=ANSWER, cut=200, start=0, sizes=[1])
def test_whatever_is_repeated_is_cut_off(answer, cut, start, sizes):
    """From any place where a word begins, or long enough before the cut, up to all that was said."""
    before = answer[:cut]
    assume(start < len(before.rstrip()) and may_begin(before, start))
    sent = answer[start:]
    longer = [at for at in range(start) if may_begin(before, at) and sent.startswith(before[at:].rstrip())]
    asked = last_words(before)
    assume(not longer and (before[start:].rstrip() == asked or not sent.startswith(asked)))
    assume(not re.match(r"\s*(…|\.)", sent))
    assert joined(before, sent, sizes) == answer


@given(
    answer=st.just(ANSWER),
    cuts=st.lists(st.integers(1, len(ANSWER) - 1), min_size=1, max_size=2),
    sizes=sizes,
)
def test_answer_cut_twice_is_whole(answer, cuts, sizes):
    text = answer[: min(cuts)]
    for end in [*sorted(cuts)[1:], len(answer)]:
        seam = Seam(text)
        sent = last_words(text) + answer[len(text.rstrip()) : end]
        shown = [seam.feed(sent[at : at + sizes[0]]) for at in range(0, len(sent), sizes[0])]
        if end == len(answer):
            shown.append(seam.close())
        # Where it is cut again, what is still held is lost with the attempt, and asked for once more.
        text += "".join(shown)
    assert text == answer


@pytest.mark.parametrize(
    ("before", "sent", "text"),
    [
        pytest.param("your baby on", "… the back", "your baby on the back", id="ellipsis"),
        pytest.param("your baby on", "...the back", "your baby on the back", id="dots and no blank"),
        pytest.param("your baby on", "... your baby on the back", "your baby on the back", id="dots, repeat"),
        pytest.param("your baby on", "..... the back", "your baby on the back", id="more dots"),
        pytest.param("a b c d e bye bye", "bye bye now", "a b c d e bye bye now", id="the longest repeat"),
        pytest.param("your baby on ", "...the back", "your baby on the back", id="blank already there"),
        pytest.param("your baby", "…, and you", "your baby, and you", id="dots before a comma"),
        pytest.param("On the back.", "Always.", "On the back. Always.", id="a sentence without its blank"),
        pytest.param("*On the back.*", "Always.", "*On the back.* Always.", id="behind emphasis"),
        pytest.param("nhs.", "uk", "nhs.uk", id="within an address"),
        pytest.param("it is 3.", "5 cm", "it is 3.5 cm", id="within a number"),
        pytest.param("your ba", "by sleeps", "your baby sleeps", id="half a word, the rest of it"),
        pytest.param("your ba", "baby sleeps", "your baby sleeps", id="half a word, said whole"),
        pytest.param(
            "your ba", "your baby sleeps", "your baby sleeps", id="half a word, with the one before"
        ),
        pytest.param("is very", " very tired", "is very very tired", id="a word that is said twice"),
        pytest.param(
            "your baby", "on the back", "your babyon the back", id="word on word, taken at its word"
        ),
        pytest.param("the end.\n\n", "the end.\nNext", "the end.\n\nNext", id="fewer blanks"),
        pytest.param("the end.\n", "the end.\n\nNext", "the end.\n\nNext", id="more blanks"),
        pytest.param("the end.", "", "the end.", id="nothing more to say"),
        pytest.param("the end", ".", "the end.", id="one dot"),
        pytest.param("the end", "the end", "the end", id="only a repeat"),
        pytest.param("the end \n", " ", "the end \n ", id="only a blank"),
    ],
)
def test_seam(before, sent, text):
    assert {joined(before, sent, [size]) for size in (1, 2, 5, 100)} == {text}


def test_asked_words_end_the_wait_even_where_more_could_be_a_repeat():
    """A text that goes round in circles: what was asked for is what was repeated."""
    text = "one two three four five six " * 3
    assert joined(text, last_words(text) + " " + text) == text * 2


def test_new_start_in_other_words_cannot_be_joined():
    with pytest.raises(Restarted):
        joined(ANSWER[:150], ANSWER[:40] + " differently")


def test_new_start_that_ends_before_the_place_cannot_be_joined():
    with pytest.raises(Restarted):
        joined(ANSWER[:150], ANSWER[:100])


def test_words_are_held_only_while_they_could_be_a_repeat():
    seam = Seam("Put your baby down on the back")
    given = [seam.feed(word) for word in ("on", " the", " back", ", and", " then")]
    assert given == ["", "", "", ", and", " then"]
    seam = Seam("Put your baby down on the back")
    assert [seam.feed(word) for word in ("on", " a", " firm")] == ["", "on a", " firm"]
    assert seam.settled
