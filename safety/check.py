"""The judgement of one text: what it is about, how grave, what to do, which card comes first.

Pure and synchronous. Emergencies and crises outrank everything else in the same text.
"""

from collections import Counter
from typing import Literal

from safety.cards.quoted import not_our_own
from safety.latch import carried_over
from safety.output import judge_output
from safety.personal_data import masked, personal_data
from safety.repetition import repetition
from safety.rules.ruleset import ruleset
from safety.sanitize import SanitizedText, sanitize_input
from safety.verdict import Action, Category, Finding, OpenEmergency, Profile, Severity, Verdict

BLOCK_INJECTION_FROM = 0.9
CORROBORATION = 0.1  # added to the gravest score for each further independent rule of its category
_YIELDING = frozenset({Category.INJECTION, Category.SPAM, Category.ABUSE})

Direction = Literal["input", "output"]


def perform_comprehensive_safety_check(
    text: str | SanitizedText,
    *,
    direction: Direction = "input",
    language: str | None = None,
    country: str | None = None,
    profile: Profile | None = None,
    open_emergency: OpenEmergency | None = None,
) -> Verdict:
    """Judge a whole text. Raises TextTooLong for a `str` over the sanitiser's limits; pure otherwise.

    `language` never narrows the rules (people switch language in fear); `country` matters to output only,
    where another country's hotline is a finding. `open_emergency` is what an earlier turn left open.
    """
    sanitized = sanitize_input(text) if isinstance(text, str) else text
    private = personal_data(sanitized.display)
    if direction == "output":
        found = judge_output(sanitized.display, language=language, country=country)
    else:
        found = _judge_input(sanitized, profile, open_emergency)
    counted = _yielded([f for f in [*found, *private] if f.suppressed_by is None])
    return _verdict(counted, [f for f in found if f.suppressed_by], masked(sanitized.display, private))


def _judge_input(
    sanitized: SanitizedText, profile: Profile | None, opened: OpenEmergency | None
) -> list[Finding]:
    folded = sanitized.views[0].text
    return [
        *not_our_own(ruleset().findings(sanitized.views, profile), sanitized.display),
        *repetition(sanitized.display),
        *carried_over(folded, opened),
    ]


def _yielded(findings: list[Finding]) -> list[Finding]:
    """Blocks that give way: to an emergency in the same text, and injection below the score that blocks."""
    is_crisis = any(f.severity is Severity.EMERGENCY or f.category is Category.SELF_HARM for f in findings)
    return [_lowered(f) if _must_yield(f, is_crisis) else f for f in findings]


def _must_yield(finding: Finding, is_crisis: bool) -> bool:
    if finding.action is not Action.BLOCK or finding.category not in _YIELDING:
        return False
    return is_crisis or (finding.category is Category.INJECTION and finding.score < BLOCK_INJECTION_FROM)


def _lowered(finding: Finding) -> Finding:
    return Finding(
        category=finding.category,
        severity=min(finding.severity, Severity.NOTICE, key=lambda s: s.rank),
        action=Action.ALLOW_WITH_NOTICE,
        rule_id=finding.rule_id,
        score=finding.score,
        span=finding.span,
        clause=finding.clause,
        card=None,
    )


def _verdict(findings: list[Finding], suppressed: list[Finding], masked_text: str) -> Verdict:
    gravest_first = sorted(findings, key=lambda f: (-f.severity.rank, -f.action.rank, -f.score))
    return Verdict(
        action=max((f.action for f in findings), key=lambda a: a.rank, default=Action.ALLOW),
        severity=max((f.severity for f in findings), key=lambda s: s.rank, default=Severity.INFO),
        score=_score(gravest_first),
        findings=tuple(gravest_first),
        cards=tuple(dict.fromkeys(f.card for f in gravest_first if f.card)),
        masked_text=masked_text,
        ruleset_version=ruleset().version,
        suppressed=tuple(suppressed),
    )


def _score(findings: list[Finding]) -> float:
    if not findings:
        return 0.0
    best = max(findings, key=lambda f: f.score)
    rules = Counter(f.category for f in {f.rule_id: f for f in findings}.values())
    return round(min(1.0, best.score + CORROBORATION * (rules[best.category] - 1)), 4)
