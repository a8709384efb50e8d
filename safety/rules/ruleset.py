"""All rules, ready to judge: every rule of every language over every view of a text."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import re2
import regex

from safety.ages import ages_in_days, pregnancy_week
from safety.clauses import Clauses, Markers, markers_of
from safety.rules.lexicon import Lexicon
from safety.rules.loader import RuleData, load_rules
from safety.rules.matcher import Matcher
from safety.rules.repair import Repairer
from safety.rules.rule import Rule
from safety.verdict import Finding, Profile
from safety.views import View

WINDOW = 400  # how far from a sign its needs are looked for, in characters
_CERTAINTY = {"folded": 1.0, "latin": 1.0, "despaced": 0.97, "leet": 0.97, "repaired": 0.93}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the text says about ages and pregnancy, with the profile where the text is silent."""

    child_days: tuple[int, ...]
    week: int | None
    profile: Profile

    @classmethod
    def of(cls, folded: str, profile: Profile | None) -> "Facts":
        known = profile or Profile()
        return cls(
            ages_in_days(folded) or known.child_ages_days,
            pregnancy_week(folded) or known.pregnancy_week,
            known,
        )

    def supplies(self, slot: str) -> bool:
        """Whether the profile alone fills a slot."""
        expecting = bool(self.profile.pregnant) or self.profile.pregnancy_week is not None
        after_birth = self.profile.postpartum_days is not None and self.profile.postpartum_days <= 365
        return {
            "pregnant": expecting,
            "maternal": expecting or after_birth,
            "maternal_self": expecting or after_birth,
            "movement_context": expecting,
            "any_child": bool(self.profile.child_ages_days),
        }.get(slot, False)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """What must be looked at once a sign of this rule has been found."""

    rule: Rule
    needs: tuple[tuple[str, "re2._Regexp"], ...]
    unless: "re2._Regexp | None"
    markers: Markers
    lexicon: Lexicon


@dataclass(frozen=True, slots=True)
class _Sign:
    """One pattern of a rule. `has_own_negator`: "don't want to live" holds a negator that is no denial."""

    of: _Compiled
    pattern: str
    has_own_negator: bool


@dataclass(slots=True)
class Reading:
    """One view with what is found out about it on the way."""

    view: View
    facts: Facts
    _clauses: dict[int, Clauses] = field(default_factory=dict)

    def clauses(self, markers: Markers) -> Clauses:
        found = self._clauses.get(id(markers))
        if found is None:
            found = self._clauses[id(markers)] = Clauses(self.view.text, markers)
        return found


class Ruleset:
    """Rules compiled; safe to share between threads once built."""

    def __init__(self, data: RuleData) -> None:
        self.version = data.version
        self.rules = data.rules
        compiled = {rule.id: _compile(rule, data.lexicons[rule.language]) for rule in data.rules}
        self._signs = [_sign(compiled[rule.id], sign) for rule in data.rules for sign in rule.sign]
        self._matcher = Matcher([sign.pattern for sign in self._signs])
        self._repairer = Repairer(_core_words(data), _known_words(data))

    def findings(self, views: tuple[View, ...], profile: Profile | None) -> list[Finding]:
        """Every sign found in any view, those taken back included; at most one per rule and clause."""
        facts = Facts.of(views[0].text, profile)
        found: dict[tuple[str, str, str | None], Finding] = {}
        for view in self._with_repair(views):
            for finding in self._in_view(Reading(view, facts)):
                found.setdefault((finding.rule_id, finding.clause, finding.suppressed_by), finding)
        return _settled(list(found.values()))

    def _with_repair(self, views: tuple[View, ...]) -> Iterator[View]:
        yield from views
        for view in views:
            repaired = self._repairer.view(view)
            if repaired is not None:
                yield repaired

    def _in_view(self, reading: Reading) -> Iterator[Finding]:
        for number in self._matcher.present(reading.view.text):
            for start, end in self._matcher.spans(number, reading.view.text):
                finding = _judged(self._signs[number], reading, start, end)
                if finding is not None:
                    yield finding


def _compile(rule: Rule, lexicon: Lexicon) -> _Compiled:
    needs = tuple((slot, re2.compile(lexicon.bounded(f"{{{slot}}}"))) for slot in rule.needs)
    unless = re2.compile(lexicon.any_of(rule.unless)) if rule.unless else None
    return _Compiled(rule, needs, unless, _markers(lexicon.language), lexicon)


def _sign(compiled: _Compiled, sign: str) -> _Sign:
    own = compiled.markers.negator.search(sign) is not None or any(s in sign for s in ("{not}", "{cannot}"))
    return _Sign(compiled, compiled.lexicon.bounded(sign), own)


@cache
def _markers(language: str) -> Markers:
    return markers_of(load_rules().lexicons[language])


def _judged(sign: _Sign, reading: Reading, start: int, end: int) -> Finding | None:
    compiled = sign.of
    rule, text = compiled.rule, reading.view.text
    if not _ages_fit(rule, reading.facts) or not _needs_met(compiled, reading, start, end):
        return None
    clauses = reading.clauses(compiled.markers)
    suppressed_by = _excepted(compiled, text, clauses, start, end) or clauses.suppression(
        start,
        end,
        negatable=rule.negatable,
        has_own_negator=sign.has_own_negator,
        past_counts=rule.past_counts,
        hypothetical_counts=rule.hypothetical_counts,
        others_count=rule.others_count,
    )
    low, high = clauses.clause(start, end)
    return Finding(
        category=rule.category,
        severity=rule.severity,
        action=rule.action,
        rule_id=rule.id,
        score=round(rule.score * _CERTAINTY[reading.view.name], 4),
        span=reading.view.display_span(start, end),
        clause=text[low:high].strip(),
        card=rule.card,
        suppressed_by=suppressed_by,
    )


def _ages_fit(rule: Rule, facts: Facts) -> bool:
    """An age nobody gave counts as "not under": a rule for the youngest needs to know."""
    if rule.under_days is not None:
        return any(days < rule.under_days for days in facts.child_days)
    limit = rule.not_under_days
    return limit is None or all(days >= limit for days in facts.child_days)


def _needs_met(compiled: _Compiled, reading: Reading, start: int, end: int) -> bool:
    near = reading.view.text[max(0, start - WINDOW) : end + WINDOW]
    return all(reading.facts.supplies(slot) or pattern.search(near) for slot, pattern in compiled.needs)


def _excepted(compiled: _Compiled, text: str, clauses: Clauses, start: int, end: int) -> str | None:
    if compiled.unless is None:
        return None
    low, high = clauses.sentence(start, end)
    return "unless" if compiled.unless.search(text[low:high]) else None


def _settled(findings: list[Finding]) -> list[Finding]:
    """A sign that stands in one view is not taken back by another view of the same words, nor the reverse."""
    taken_back = {(f.rule_id, f.span) for f in findings if f.suppressed_by}
    return [f for f in findings if f.suppressed_by or not _is_shadowed(f, taken_back)]


def _is_shadowed(finding: Finding, taken_back: set[tuple[str, tuple[int, int]]]) -> bool:
    return (finding.rule_id, finding.span) in taken_back


_TOKEN = regex.compile(r"[a-z]+(?:'[a-z]+)?")


def _core_words(data: RuleData) -> set[str]:
    examples = (text for rule in data.rules for text in rule.examples)
    return {word for text in examples for word in _TOKEN.findall(text.lower())}


def _known_words(data: RuleData) -> set[str]:
    misses = (text for rule in data.rules for text in rule.near_misses)
    known = {word for text in misses for word in _TOKEN.findall(text.lower())}
    for lexicon in data.lexicons.values():
        known |= lexicon.lookalike_words
        words = [*lexicon.slots.values(), *lexicon.markers.values()]
        known |= {token for group in words for word in group for token in _TOKEN.findall(word)}
    return known


@cache
def ruleset() -> Ruleset:
    """The rules as shipped; built on first use (about a second), then shared."""
    return Ruleset(load_rules())
