"""Judging an answer that is already whole: the same guard, the same rules, fed once."""

from safety.guard import OutputGuard, Withheld
from safety.verdict import Action, Finding, Severity


def judge_output(display: str, *, language: str | None, country: str | None) -> list[Finding]:
    """At most one finding: the first passage the guard would withhold."""
    _, hit = guarded(display, language=language, country=country)
    return [_finding(hit, len(display))] if hit else []


def guarded(
    text: str, *, language: str | None = None, country: str | None = None
) -> tuple[str, Withheld | None]:
    """What the guard lets through of a whole text, and what stopped it."""
    guard = OutputGuard(language=language, country=country)
    first, last = guard.feed(text), guard.close()
    return first.text + last.text, last.hit


def _finding(hit: Withheld, length: int) -> Finding:
    return Finding(
        category=hit.category,
        severity=hit.severity,
        action=Action.BLOCK if hit.severity.rank > Severity.NOTICE.rank else Action.ALLOW_WITH_NOTICE,
        rule_id=hit.rule_id,
        score=0.9,
        span=(hit.offset, min(length, hit.offset + len(hit.text))),
        clause=hit.text.strip(),
        card=hit.card,
    )
