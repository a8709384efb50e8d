import re
from pathlib import Path

import pytest

from streaming.simulator.faults import (
    NAMES,
    NUMBERS,
    WORDS,
    Fault,
    FirstFailures,
    UnknownFault,
    parse_fault,
    refusal_of,
    split_directives,
    together,
)

DOCUMENT = Path(__file__).parents[3] / "docs" / "simulator.md"


def test_directive_is_taken_out_of_the_text():
    assert split_directives("When does [[simulate cut at=3]] sleep change?") == (
        "When does sleep change?",
        ("cut at=3",),
    )


def test_every_directive_is_taken_out():
    assert split_directives("[[simulate 500]] x [[simulate stall]]") == ("x", ("500", "stall"))


def test_text_without_directive_is_left_alone():
    assert split_directives("Is [this] fine?") == ("Is [this] fine?", ())


def test_of_several_faults_the_last_name_and_the_last_of_each_option_count():
    faults = map(parse_fault, ["500 key=a at=1", "tokens=9", "cut at=3"])
    assert together(faults) == Fault("cut", {"at": 3, "tokens": 9}, {"key": "a"})
    assert together([]) == Fault()


@pytest.mark.parametrize(
    ("said", "streamed", "whole"),
    [
        ("cut", True, True),
        ("cut deployment=east", True, True),
        ("cut deployment=west", False, False),
        ("cut only=stream", True, False),
        ("cut only=whole", False, True),
        ("cut only=whole deployment=west", False, False),
        ("no_stream", True, False),
    ],
)
def test_fault_concerns_a_deployment_streamed_or_whole(said, streamed, whole):
    fault = parse_fault(said)
    assert fault.concerns("east", stream=True) == streamed
    assert fault.concerns("east", stream=False) == whole


def test_fault_is_read_with_its_options():
    assert parse_fault("429 retry_after=2 key=a") == Fault("429", {"retry_after": 2}, {"key": "a"})


def test_options_alone_are_no_fault():
    assert parse_fault("tokens=12 delay=0") == Fault("none", {"tokens": 12, "delay": 0})
    assert parse_fault("") == Fault()


@pytest.mark.parametrize(
    "said", ["lightning", "cut at=-1", "cut at=two", "cut where=3", "filter category=x", "cut only=half"]
)
def test_unknown_fault_or_option_is_refused(said):
    with pytest.raises(UnknownFault):
        parse_fault(said)


@pytest.mark.parametrize(
    ("said", "status", "headers"),
    [
        ("401", 401, {}),
        ("404", 404, {}),
        ("429", 429, {"retry-after": "1"}),
        ("429 retry_after=7", 429, {"retry-after": "7"}),
        ("429 retry_after_ms=30", 429, {"retry-after-ms": "30"}),
        ("429 retry_after=7 retry_after_ms=30", 429, {"retry-after": "7", "retry-after-ms": "30"}),
        ("500", 500, {}),
        ("503", 503, {}),
        ("no_stream", 400, {}),
        ("prompt_filter", 400, {}),
    ],
)
def test_refusals_have_status_and_headers(said, status, headers):
    refusal = refusal_of(parse_fault(said))
    assert refusal is not None
    assert (refusal.status, refusal.headers) == (status, headers)


def test_other_faults_are_no_refusals():
    refused = {name for name in NAMES if refusal_of(Fault(name))}
    assert refused == {"401", "404", "429", "500", "503", "prompt_filter", "no_stream"}


def test_documentation_names_every_fault_and_option():
    documented = set(re.findall(r"`([a-z0-9_]+)=?[^`]*`", DOCUMENT.read_text(encoding="utf-8")))
    assert (NAMES | NUMBERS | WORDS) - documented == set()


def test_first_failures_count_by_key():
    failures = FirstFailures()
    one, other = parse_fault("500 fail_first=2 key=one"), parse_fault("500 fail_first=1 key=other")
    assert [failures.still_failing(one) for _ in range(4)] == [True, True, False, False]
    assert [failures.still_failing(other) for _ in range(2)] == [True, False]
    assert [failures.still_failing(Fault("500")) for _ in range(3)] == [True] * 3


def test_fault_strikes_a_title_only_where_it_is_named():
    """It holds the question with its directives, too."""
    plain, named = parse_fault("503 tokens=9"), parse_fault("503 only=title")
    assert plain.for_request("x", stream=True, task="title") == Fault()
    assert named.for_request("x", stream=True, task="title") == named
    assert [named.for_request("x", stream=True, task=task) for task in ("", "summary")] == [Fault(), Fault()]
    assert plain.for_request("x", stream=True) == plain
