"""`fold` is the only definition of what an answer says; the wire form loses nothing."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.events import (
    Done,
    Error,
    ErrorCode,
    FinishReason,
    Link,
    Metadata,
    Notice,
    Outcome,
    Timing,
    Token,
    Usage,
    fold,
    from_wire,
    to_wire,
)

CARD = Notice("infant_emergency", "emergency", "Call now.", (Link("Call 999", "tel:999"),))
OPENING = Metadata("c", "m", "u", "s", "gpt")

events = st.one_of(
    st.builds(Token, st.text()),
    st.builds(
        Notice,
        st.text(),
        st.sampled_from(["info", "emergency"]),
        st.text(),
        st.lists(st.builds(Link, st.text(), st.text())).map(tuple),
        st.none() | st.integers(0, 100),
        card=st.text(),
        language=st.text(),
        country=st.text(),
        guessed=st.booleans(),
        discreet=st.booleans(),
    ),
    st.builds(
        Metadata,
        usage=st.none() | st.builds(Usage, st.integers(0), st.integers(0)),
        timing=st.none() | st.builds(Timing, st.none() | st.integers(0), st.integers(0), st.none()),
        finish_reason=st.none() | st.sampled_from(["stop", "stopped"]),
        reset=st.booleans(),
    ),
    st.just(Done()),
    st.builds(
        Error, st.sampled_from(ErrorCode).map(str), st.text(), st.booleans(), st.none() | st.integers(1)
    ),
)


@given(events)
def test_wire_round_trip_loses_nothing(event):
    assert from_wire(json.loads(json.dumps(to_wire(event)))) == event


@given(st.lists(events))
def test_fold_is_the_same_event_by_event_and_at_once(many):
    whole = fold(many)
    step = fold(many[: len(many) // 2])
    for event in many[len(many) // 2 :]:
        step.apply(event)
    assert (step.text, step.notices, step.outcome) == (whole.text, whole.notices, whole.outcome)


def test_token_event_is_the_original_product_s():
    assert to_wire(Token("Baby")) == {"type": "token", "content": "Baby"}
    assert to_wire(Done()) == {"type": "done"}


def test_metadata_leaves_out_what_is_not_known():
    assert to_wire(Metadata(usage=Usage(10, 5), finish_reason="stop")) == {
        "type": "metadata",
        "usage": {"promptTokens": 10, "completionTokens": 5, "totalTokens": 15},
        "finishReason": "stop",
    }


def test_notice_leaves_out_what_is_empty():
    shown = {
        "type": "notice",
        "category": "infant_emergency",
        "severity": "emergency",
        "content": "Call now.",
        "actions": [{"label": "Call 999", "href": "tel:999"}],
    }
    assert to_wire(CARD) == shown
    told = replace(CARD, card="infant_choking", language="en", country="GB", guessed=True)
    assert to_wire(told) == shown | {
        "card": "infant_choking",
        "language": "en",
        "country": "GB",
        "guessed": True,
    }


def test_unknown_event_type_is_refused():
    with pytest.raises(ValueError, match="unknown event type 'song'"):
        from_wire({"type": "song"})


def test_fold_withdraws_text_from_the_offset_in_code_points():
    withheld = Notice("unsafe_advice", "urgent", "No honey.", replace_from=6)
    said = fold([OPENING, Token("Hello 👶"), Token(" honey"), withheld])
    assert (said.text, said.notices) == ("Hello ", [withheld])


def test_fold_forgets_what_came_before_a_reset():
    said = fold([OPENING, CARD, Token("old"), Metadata(reset=True), Token("new")])
    assert (said.text, said.notices) == ("new", [])


@pytest.mark.parametrize(
    "ending, outcome",
    [
        ([], Outcome.STREAMING),
        ([Metadata(finish_reason="stop"), Done()], Outcome.COMPLETE),
        ([Metadata(finish_reason="length"), Done()], Outcome.COMPLETE),
        ([Metadata(finish_reason=FinishReason.STOPPED), Done()], Outcome.STOPPED),
        ([Metadata(finish_reason=FinishReason.REFUSED), Done()], Outcome.REFUSED),
        ([Metadata(finish_reason=FinishReason.WITHHELD), Done()], Outcome.REFUSED),
        ([Error(ErrorCode.STREAM_INTERRUPTED, "", True)], Outcome.INTERRUPTED),
        ([Error(ErrorCode.PROVIDER_TIMEOUT, "", True)], Outcome.FAILED),
    ],
)
def test_outcome_follows_from_the_ending(ending, outcome):
    assert fold([OPENING, Token("x"), *ending]).outcome == outcome
