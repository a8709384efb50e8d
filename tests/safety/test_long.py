"""Texts longer than any message: what is read of them, and what is done to all of them."""

import pytest

from safety.check import perform_comprehensive_safety_check as check
from safety.sanitize import MAX_CHARS, sanitize_input
from safety.verdict import Severity
from safety.views import MOST_READ, match_views

HEAD, TAIL = 8_000, 4_000
CRY = " My baby is not breathing. "
PLAIN = "".join(f"On day {n} we walked to the park and the weather was fine. " for n in range(2_000))[
    :MAX_CHARS
]
ACCENTS = ("Les œufs étaient très bons à Nîmes… 我们 " * 4_000)[:MAX_CHARS]


def with_it(text, at, words=CRY):
    return text[:at] + words + text[at + len(words) :]


@pytest.mark.parametrize("filling", [PLAIN, ACCENTS], ids=["plain", "accents"])
@pytest.mark.parametrize("at", [0, HEAD - 100, MAX_CHARS - TAIL, MAX_CHARS - 2_000, MAX_CHARS - len(CRY)])
def test_emergency_at_the_beginning_or_the_end_is_found_in_its_place(filling, at):
    text = with_it(filling, at)
    verdict = check(text)
    assert verdict.severity is Severity.EMERGENCY
    assert verdict.cards[0] == "infant_not_breathing"
    display = sanitize_input(text).display
    low, high = verdict.findings[0].span
    assert at <= low < high <= at + len(CRY)
    assert display[low:high] == "not breathing"


@pytest.mark.parametrize("at", [HEAD + 1, MAX_CHARS // 2, MAX_CHARS - TAIL - len(CRY)])
def test_rules_do_not_read_the_middle(at):
    assert check(with_it(PLAIN, at)).severity.rank < Severity.URGENT.rank


@pytest.mark.parametrize("at", [0, HEAD - 10, HEAD, MOST_READ // 2, MOST_READ - len(CRY)])
def test_text_that_is_not_too_long_is_read_whole(at):
    assert check(with_it(PLAIN[:MOST_READ], at)).severity is Severity.EMERGENCY


@pytest.mark.parametrize("filling", [PLAIN, ACCENTS], ids=["plain", "accents"])
@pytest.mark.parametrize("length", [MOST_READ, MOST_READ + 1, 20_000, MAX_CHARS])
def test_views_are_bounded_and_point_where_they_read(filling, length):
    display = filling[:length]
    for view in match_views(display):
        assert len(view.text) <= 1.2 * MOST_READ  # "œ" reads "oe"
        spans = [view.display_span(at, at + 1) for at in range(len(view.text))]
        assert spans == sorted(spans)
        assert [span for span in spans if not 0 <= span[0] < span[1] <= length] == []
        assert [span for span in spans if length > MOST_READ and HEAD < span[0] < length - TAIL] == []


@pytest.mark.parametrize(
    ("before", "after"),
    [(" my baby is not", "breathing in the park all day. "), (" i want to kill", "myself and so on. ")],
)
def test_nothing_is_read_across_the_gap(before, after):
    """Where the beginning ends and the end begins, words that never stood together make no sign."""
    end = MAX_CHARS - TAIL
    text = with_it(with_it(PLAIN, HEAD - len(before), before), end, after)
    verdict = check(text)
    across = [f.span for f in (*verdict.findings, *verdict.suppressed) if f.span[0] < HEAD < f.span[1]]
    assert across == []


@pytest.mark.parametrize(
    "at", [100, HEAD - 5, HEAD + 5, MAX_CHARS // 2, MAX_CHARS - TAIL - 5, MAX_CHARS - 100]
)
def test_personal_data_is_masked_everywhere(at):
    mail = " ann@example.org "
    verdict = check(with_it(PLAIN, at, mail))
    assert [(f.rule_id, f.span) for f in verdict.findings if f.rule_id.startswith("personal_data")] == [
        ("personal_data.email", (at + 1, at + len(mail) - 1))
    ]
    assert "ann@" not in verdict.masked_text
    assert len(verdict.masked_text) == MAX_CHARS - len(mail.strip()) + len("[email]")
