"""Text that says nothing: one thing over and over, or keys held down. No model call, a kind card."""

from collections import Counter

import regex

from safety.verdict import Action, Category, Finding, Severity

LEAST_WORDS = 30
LEAST_CHARS = 60
_ONE_CHARACTER = regex.compile(r"(\S)\1{59,}+")


def repetition(display: str) -> tuple[Finding, ...]:
    """At most one finding, over the whole text; a short text or a real story gives none."""
    words = display.casefold().split()
    is_spam = _few_words_many_times(words) or _few_lines_many_times(display) or _is_one_character(display)
    return (_spam(len(display)),) if is_spam else ()


def _few_words_many_times(words: list[str]) -> bool:
    return len(words) >= LEAST_WORDS and len(set(words)) <= max(4, len(words) // 20)


def _few_lines_many_times(display: str) -> bool:
    lines = [line.strip() for line in display.splitlines() if line.strip()]
    most = Counter(lines).most_common(1)
    return len(lines) >= 10 and most[0][1] >= 0.8 * len(lines)


def _is_one_character(display: str) -> bool:
    longest = max((len(m.group()) for m in _ONE_CHARACTER.finditer(display)), default=0)
    return longest > 0.8 * len(display)


def _spam(length: int) -> Finding:
    return Finding(
        category=Category.SPAM,
        severity=Severity.NOTICE,
        action=Action.BLOCK,
        rule_id="spam.repetition",
        score=0.9,
        span=(0, length),
        clause="",
        card="spam_refusal",
    )
