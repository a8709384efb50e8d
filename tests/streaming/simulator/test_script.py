import json

import pytest

from streaming.simulator.faults import parse_fault
from streaming.simulator.script import (
    Act,
    Answer,
    Pace,
    altered,
    odd_parts,
    paced,
    shortened,
    streamed,
    whole,
    whole_body,
)
from streaming.simulator.wire import Frames

PACE = Pace(0.4, 0.1)
FRAMES = Frames("chatcmpl-1", "gpt-4o", 1_800_000_000, with_usage=True)
ANSWER = Answer(("Né", " b", " c", " d"), prompt_tokens=5, start=100)


def run(said, answer=ANSWER):
    fault = parse_fault(said)
    return list(streamed(altered(answer, fault), FRAMES, paced(PACE, fault), fault))


def brief(steps):
    """Each step in a word: a frame by what it says, the others as they are."""
    return [_word(step) if isinstance(step, bytes) else step for step in steps]


def _word(data):
    if data == b"data: [DONE]\n\n":
        return "DONE"
    try:
        frame = json.loads(data.removeprefix(b"data: "))
    except ValueError:
        return "unreadable"
    if "error" in frame:
        return "error"
    if not frame["choices"]:
        return "usage" if frame.get("usage") else "prompt"
    choice = frame["choices"][0]
    if "content_filter_offsets" in choice:
        return "annotation"
    return (
        choice["finish_reason"] or choice["delta"].get("content") or choice["delta"].get("refusal") or "role"
    )


def written(steps):
    return [step for step in steps if isinstance(step, bytes)]


START = [0.4, "prompt", "role"]
FIRST = [*START, "Né", 0.1, " b"]
REST = [0.1, " c", 0.1, " d"]
END = ["stop", "usage", "DONE"]


@pytest.mark.parametrize(
    ("said", "steps"),
    [
        ("", [*FIRST, *REST, *END]),
        ("filter", [*FIRST, "content_filter", "usage", "DONE"]),
        ("length at=1", [*START, "Né", "length", "usage", "DONE"]),
        ("async_filter", [*FIRST, "annotation", *REST, "stop", "annotation", "usage", "DONE"]),
        ("filter_outage", [*FIRST, *REST, *END]),
        ("stall", [*FIRST, Act.STALL]),
        ("stall at=0", [*START, Act.STALL]),
        ("cut", [*FIRST, "unreadable", Act.CUT]),
        ("cut at=99", [*FIRST, *REST, "unreadable", Act.CUT]),
        ("eof", FIRST),
        ("error_event", [*FIRST, "error"]),
        ("garbage", [*FIRST, "unreadable", *REST, *END]),
        ("no_done", [*FIRST, *REST, "stop", "usage"]),
        ("slow_start ms=2500", [2.5, *FIRST[1:], *REST, *END]),
        ("delay=500 tokens=2", [*START, "Né", 0.5, " b", *END]),
        ("tokens=0", [*START, *END]),
    ],
)
def test_script_of_a_fault(said, steps):
    assert brief(run(said)) == steps


def test_late_annotation_says_what_was_found_after_stop():
    steps = run("async_filter category=violence")
    choice = json.loads(steps[-3].removeprefix(b"data: "))["choices"][0]
    assert choice["finish_reason"] == "content_filter"
    assert choice["content_filter_results"]["violence"] == {"filtered": True, "severity": "medium"}
    assert choice["content_filter_offsets"] == {"check_offset": 108, "end_offset": 108, "start_offset": 104}


def test_outage_begins_where_it_strikes():
    frames = [json.loads(step[6:]) for step in written(run("filter_outage at=2"))[2:6]]
    singular = ["content_filter_result" in frame["choices"][0] for frame in frames]
    plural = ["content_filter_results" in frame["choices"][0] for frame in frames]
    assert (singular, plural) == ([False, False, True, True], [True, True, False, False])


def test_split_changes_the_writes_and_not_the_bytes():
    writes = written(run("split"))
    assert b"".join(writes) == b"".join(written(run("")))
    assert b"" not in writes
    assert any(_ends_inside_a_character(write) for write in writes)
    assert not any(write.endswith(b"\n\n") for write in writes)


def _ends_inside_a_character(data):
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.end == len(data)
    return False


def test_odd_parts_join_to_the_data():
    data = "data: {“né” 👶🏽}\n\n".encode()
    assert b"".join(odd_parts(data)) == data
    assert max(map(len, odd_parts("👶".encode()))) <= 2


def test_crlf_ends_every_line():
    data = b"".join(written(run("crlf")))
    assert data.count(b"\r\n") == data.count(b"\n") == 2 * (2 + 4 + 3)


def test_max_tokens_shortens_and_says_so():
    assert shortened(ANSWER, 2) == Answer(("Né", " b"), "length", prompt_tokens=5, start=100)
    assert shortened(ANSWER, 4) == ANSWER
    assert shortened(ANSWER, None) == ANSWER


def test_whole_answer_takes_as_long_as_a_stream():
    assert list(whole(b"{}", ANSWER, PACE, parse_fault(""))) == [pytest.approx(0.8), b"{}"]


@pytest.mark.parametrize(
    ("said", "steps"), [("stall", [Act.STALL]), ("cut", [b"{", Act.CUT]), ("eof", [b"{", Act.CUT])]
)
def test_whole_answer_with_a_fault(said, steps):
    assert list(whole(b"{}", ANSWER, PACE, parse_fault(said)))[1:] == steps


def test_whole_refusal_has_no_content():
    said = Answer(("I'm", " sorry"), refused=True)
    message = whole_body(said, FRAMES, parse_fault("refusal"))["choices"][0]["message"]
    assert message == {"annotations": [], "content": None, "refusal": "I'm sorry", "role": "assistant"}
