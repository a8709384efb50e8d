import json
import sys
import unicodedata
from collections import Counter

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from safety.characters import MAX_MARKS, Removed
from safety.check import perform_comprehensive_safety_check
from safety.sanitize import TextTooLong, sanitize_input
from tests.safety import data


@pytest.mark.parametrize(
    "text",
    [
        "Is this ok?\n\tShe's 3 weeks – 38.5 °C…",
        "👨‍👩‍👧‍👦 👍🏽 ❤️ 1️⃣ 🏴󠁧󠁢󠁳󠁣󠁴󠁿 🏳️‍🌈",
        "می‌خواهم بخوابم",
        "मेरे बच्चे को बुखार है क्‍या",
        "طفلي لا يتنفس",
        "السَّلامُ عَلَيْكُمْ",
        "我的宝宝不呼吸",
        "Tiếng Việt có dấu",
        "soooooo tired!!!!!!",
        "<script>alert(1)</script>",
    ],
)
def test_good_text_is_kept_as_it_is(text):
    assert sanitize_input(text).display == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("text", "display", "kind"),
    [
        ("a\x00\x1bb\x7f\x9fc", "abc", "control"),
        ("not\u200b bre\ufeffathing", "not breathing", "invisible"),
        ("abc\u202edef\u2066g\u2069", "abcdefg", "bidi"),
        ("hi\U000e0041\U000e0042", "hi", "tag"),
        ("x\ue000y\U00100000", "xy", "private_use"),
        ("x\ud800y", "xy", "surrogate"),
        ("left\u200e", "left", "direction"),
    ],
)
def test_hidden_characters_are_removed_and_reported(text, display, kind):
    sanitized = sanitize_input(text)
    assert sanitized.display == display
    assert [removed.kind for removed in sanitized.findings] == [kind]


def test_line_endings_become_newlines():
    assert sanitize_input("a\r\nb\rc\u2028d\x85e").display == "a\nb\nc\nd\ne"


def test_stacked_marks_are_capped():
    sanitized = sanitize_input("x" + "\u0301" * 50)
    assert sum(unicodedata.combining(c) > 0 for c in sanitized.display) == MAX_MARKS
    assert sanitized.findings == (Removed("combining_marks", 50 - MAX_MARKS),)


def test_direction_marks_stay_in_right_to_left_text():
    assert sanitize_input("طفلي\u200f!").display == "طفلي\u200f!"


def test_long_text_is_refused_with_both_lengths():
    with pytest.raises(TextTooLong) as caught:
        sanitize_input("a" * 11, max_chars=10)
    assert (caught.value.limit, caught.value.length) == (10, 11)


def test_bytes_are_limited_too():
    with pytest.raises(TextTooLong) as caught:
        sanitize_input("é" * 10, max_chars=10, max_bytes=15)
    assert (caught.value.limit, caught.value.length) == (15, 20)


def test_views_of_plain_text_are_one():
    assert [(v.name, v.text) for v in sanitize_input("My baby").views] == [("folded", "my baby")]


@given(st.text(max_size=80))
def test_sanitising_twice_changes_nothing(text):
    once = sanitize_input(text).display
    assert sanitize_input(once).display == once


@given(st.text(max_size=80))
def test_every_view_maps_back_into_the_display(text):
    sanitized = sanitize_input(text)
    for view in sanitized.views:
        spans = [view.display_span(at, at + 1) for at in range(len(view.text))]
        assert [s for s in spans if not 0 <= s[0] < s[1] <= len(sanitized.display)] == []


def test_naughty_strings_break_nothing():
    verdicts = [perform_comprehensive_safety_check(text) for text in data.naughty_strings()]
    assert len(verdicts) == len(json.loads(data.path_of("blns/blns.json").read_text("utf-8")))


HEAVY = [
    "a",
    "a b ",
    "e\u0301\u0316",
    "\u0301",
    "\u200b",
    "a1 ",
    "not ",
    "my baby is not breathing. ",
    "@",
    "1 ",
    "क्‍ ",
    "h.t",
    "+1 ",
]


@pytest.fixture
def work(monkeypatch):
    """Counts what a check does, not how long it takes: our lines that run, characters that RE2 is given."""
    counted = Counter()
    plain = re2._Regexp._match

    def counting(regexp, anchor, text, pos=None, endpos=None):
        counted["work"] += len(text)
        return plain(regexp, anchor, text, pos, endpos)

    def of(text):
        counted.clear()
        sys.monitoring.use_tool_id(TOOL, "tests")
        try:
            sys.monitoring.register_callback(TOOL, sys.monitoring.events.LINE, count_line)
            sys.monitoring.set_events(TOOL, sys.monitoring.events.LINE)
            perform_comprehensive_safety_check(text)
        finally:
            sys.monitoring.set_events(TOOL, sys.monitoring.events.NO_EVENTS)
            sys.monitoring.free_tool_id(TOOL)
        return counted["work"]

    def count_line(code, _line):
        if SAFETY not in code.co_filename:
            return sys.monitoring.DISABLE
        counted["work"] += 1
        return None

    monkeypatch.setattr(re2._Regexp, "_match", counting)
    return of


TOOL, SAFETY = 4, "/safety/"


@pytest.mark.parametrize("piece", HEAVY)
def test_work_grows_with_length_and_no_faster(piece, work):
    few, many = (piece * 10_000)[:4_000], (piece * 10_000)[:16_000]
    work(few), work(many)  # what is looked up once is looked up now
    # Four times the text: quadratic work would be sixteen times.
    assert work(many) < 6 * work(few)
