"""Our own cards, quoted back to us, are no alarm: they are advice, not a cry for help."""

from dataclasses import replace
from functools import cache

from safety.cards.cards import all_card_ids, card
from safety.cards.data import countries
from safety.verdict import Finding


def not_our_own(findings: list[Finding], display: str) -> list[Finding]:
    """The findings, those inside a line that one of our cards has word for word taken back."""
    return [
        _marked(finding) if _line_around(display, finding.span[0]) in _our_lines() else finding
        for finding in findings
    ]


def _marked(finding: Finding) -> Finding:
    return replace(finding, suppressed_by=finding.suppressed_by or "our_own_words")


def _line_around(display: str, at: int) -> str:
    start = display.rfind("\n", 0, at) + 1
    end = display.find("\n", at)
    return display[start : end if end >= 0 else len(display)].strip()


@cache
def _our_lines() -> frozenset[str]:
    shown = (
        card(card_id, country=place) for card_id in all_card_ids() for place in (*countries(), None, "ZZ")
    )
    return frozenset(line.strip() for one in shown for line in one.content.splitlines() if line.strip())
