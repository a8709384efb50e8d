"""The words of a safety judgement. Pure data: no database, no network, no clock, no Django."""

from dataclasses import dataclass, field
from enum import StrEnum


class Category(StrEnum):
    """What a text is about, where that matters. `docs/safety.md` describes each."""

    INFANT_EMERGENCY = "infant_emergency"
    MATERNAL_EMERGENCY = "maternal_emergency"
    SELF_HARM = "self_harm"
    CAREGIVER_HARM = "caregiver_harm"
    DOMESTIC_ABUSE = "domestic_abuse"
    CHILD_ABUSE = "child_abuse"
    MEDICATION = "medication"
    INJECTION = "injection"
    PERSONAL_DATA = "personal_data"
    SPAM = "spam"
    ABUSE = "abuse"
    OFF_TOPIC = "off_topic"
    UNSAFE_ADVICE = "unsafe_advice"
    PROMPT_LEAK = "prompt_leak"
    UNTRUSTED_LINK = "untrusted_link"


class _Ordered(StrEnum):
    @property
    def rank(self) -> int:
        """Position from mildest (0) upwards, for comparing and for `max(..., key=...)`."""
        return list(type(self)).index(self)


class Severity(_Ordered):
    INFO = "info"
    NOTICE = "notice"
    URGENT = "urgent"
    EMERGENCY = "emergency"


class Action(_Ordered):
    """What to do about it, mildest first."""

    ALLOW = "allow"
    ALLOW_WITH_NOTICE = "allow_with_notice"
    ESCALATE_CARD = "escalate_card"
    CARD_ONLY = "card_only"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that matched. `span` is (start, end) in code points of the display text."""

    category: Category
    severity: Severity
    action: Action
    rule_id: str
    score: float
    span: tuple[int, int]
    clause: str
    card: str | None = None
    suppressed_by: str | None = None


@dataclass(frozen=True, slots=True)
class OpenEmergency:
    """An emergency that an earlier turn opened: it stays open until resolved or expired."""

    category: Category
    card: str
    minutes: float
    turns: int


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of the person, all optional; ages in whole days, pregnancy in weeks."""

    pregnant: bool | None = None
    pregnancy_week: int | None = None
    postpartum_days: int | None = None
    child_ages_days: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one text. `findings` are those that count; `suppressed` explains what did not."""

    action: Action
    severity: Severity
    score: float
    findings: tuple[Finding, ...]
    cards: tuple[str, ...]
    masked_text: str
    ruleset_version: str
    suppressed: tuple[Finding, ...] = field(default=())

    @property
    def categories(self) -> tuple[Category, ...]:
        """Each category once, the gravest first."""
        ordered = sorted(self.findings, key=lambda f: (-f.severity.rank, -f.score))
        return tuple(dict.fromkeys(f.category for f in ordered))
