"""An emergency that an earlier turn opened stays open: "the hospital is far" is still about it."""

from functools import cache

import re2

from safety.rules.loader import load_rules
from safety.verdict import Action, Finding, OpenEmergency, Severity

OPEN_MINUTES = 30.0
FOLLOW_UP, HAND_OFF, RESOLVED = (
    "open_emergency.follow_up",
    "open_emergency.hand_off",
    "open_emergency.resolved",
)


def carried_over(folded: str, opened: OpenEmergency | None) -> tuple[Finding, ...]:
    """What an open emergency adds to this turn: at most one finding, none when it has expired.

    A RESOLVED finding tells the caller to close the emergency; the others carry the same card on.
    """
    if opened is None or opened.minutes >= OPEN_MINUTES:
        return ()
    if _says("resolved", folded) and not _says("not_resolved", folded):
        return (_finding(RESOLVED, folded, opened, Severity.INFO, Action.ALLOW, 0.0, None),)
    rule = HAND_OFF if _says("hand_off", folded) else FOLLOW_UP
    return (_finding(rule, folded, opened, Severity.URGENT, Action.ALLOW_WITH_NOTICE, 0.5, opened.card),)


@cache
def _pattern(marker: str) -> "re2._Regexp":
    """The marker in every language that has it: people switch language in fear."""
    lexicons = load_rules().lexicons.values()
    return re2.compile("|".join(lexicon.any_of(lexicon.markers.get(marker, ())) for lexicon in lexicons))


def _says(marker: str, folded: str) -> bool:
    return _pattern(marker).search(folded) is not None


def _finding(
    rule_id: str,
    folded: str,
    opened: OpenEmergency,
    severity: Severity,
    action: Action,
    score: float,
    card: str | None,
) -> Finding:
    return Finding(
        category=opened.category,
        severity=severity,
        action=action,
        rule_id=rule_id,
        score=score,
        span=(0, 0),
        clause=folded[:120],
        card=card,
    )
