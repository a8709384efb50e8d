"""What second opinions do to a verdict: they make it graver, never milder. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from safety.verdict import Action, Category, Finding, Severity, Verdict

SOMEONE_ELSE = "self_harm_someone"
"""The card for "my sister wants to die": who it is about is what only the local rules know."""


def raised(local: Verdict, found: Iterable[Finding]) -> Verdict:
    """The local verdict with what engines found. Each of its findings and cards stays.

    A block yields to a card with help that the local rules already show: it would take the answer away from
    somebody who needs it. Self-harm yields to the card for somebody else's.
    """
    heard = [_yielded(finding, local) for finding in found]
    if not heard:
        return local
    findings = sorted(
        [*local.findings, *heard], key=lambda f: (-f.severity.rank, -f.action.rank, -f.score)
    )  # of equals the local one first
    return replace(
        local,
        action=max(local.action, *(f.action for f in heard), key=lambda a: a.rank),
        severity=max(local.severity, *(f.severity for f in heard), key=lambda s: s.rank),
        score=max(local.score, *(f.score for f in heard)),
        findings=tuple(findings),
        cards=tuple(dict.fromkeys([*(f.card for f in findings if f.card), *local.cards])),
    )


def _yielded(finding: Finding, local: Verdict) -> Finding:
    blocks_help = finding.action is Action.BLOCK and local.action is Action.ESCALATE_CARD
    is_of_another = finding.category is Category.SELF_HARM and SOMEONE_ELSE in local.cards
    if blocks_help or is_of_another:
        return replace(finding, severity=Severity.NOTICE, action=Action.ALLOW_WITH_NOTICE, card=None)
    return finding
