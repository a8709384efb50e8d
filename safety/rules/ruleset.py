"""All rules, ready to judge: every rule of every language over every view of a text."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path

import msgspec
import re2

from safety import views
from safety.ages import ages_in_days, pregnancy_week
from safety.clauses import AROUND, Clauses, Markers, markers_of
from safety.kept import kept
from safety.rules import index, keys, words
from safety.rules.index import Needs, needs_by_pattern, numbered
from safety.rules.lexicon import Lexicon
from safety.rules.loader import RuleData, load_rules
from safety.rules.matcher import Matcher, Passage, passages
from safety.rules.repair import Repairer
from safety.rules.rule import Rule
from safety.rules.words import Vocabulary, vocabulary
from safety.verdict import Category, Finding, Profile, Severity
from safety.views import View, fold_pattern

WINDOW = 400  # how far from a sign its needs are looked for, in characters
LONG, ENOUGH = 2_000, 12  # after so many characters no more than so many emergencies are looked for
UNLESS_WITHIN = 60  # characters of the same sentence in which an exception counts
_STEP = 100
_CERTAINTY = {"folded": 1.0, "latin": 1.0, "held": 1.0, "despaced": 0.97, "leet": 0.97, "repaired": 0.93}


@dataclass(frozen=True)
class Facts:
    """What the text says about ages and pregnancy, with the profile where the text is silent. Worked out when
    a rule asks, from the first view that tells: the others read what stands there hidden.
    """

    views: Sequence[View]
    profile: Profile

    @cached_property
    def child_days(self) -> tuple[int, ...]:
        said = (ages_in_days(view.text) for view in self.views)
        return next((found for found in said if found), self.profile.child_ages_days)

    @cached_property
    def week(self) -> int | None:
        weeks = (pregnancy_week(view.text) for view in self.views)
        return next((week for week in weeks if week), self.profile.pregnancy_week)

    def supplies(self, slot: str) -> bool:
        """Whether the profile, or the week of pregnancy that the text gives, fills a slot."""
        expecting = bool(self.profile.pregnant) or self.week is not None
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
    lexicon: Lexicon

    @property
    def markers(self) -> Markers:
        return _markers(self.rule.language)

    @property
    def needs(self) -> "Iterator[tuple[str, re2._Regexp]]":
        return ((slot, _need(self.rule.language, slot)) for slot in self.rule.needs)

    @property
    def unless(self) -> "re2._Regexp | None":
        return _any_of(self.rule.language, self.rule.unless) if self.rule.unless else None


@dataclass(frozen=True, slots=True)
class _Sign:
    """One pattern of a rule. `has_own_negator`: "don't want to live" holds a negator that is no denial."""

    of: _Compiled
    pattern: str
    has_own_negator: bool
    negatable: bool


@dataclass(slots=True)
class _Reading:
    """One view with what is found out about it on the way."""

    view: View
    facts: Facts
    _met: dict[tuple[int, int, int], bool] = field(default_factory=dict)

    def is_near(self, need: "re2._Regexp", start: int, end: int) -> bool:
        """Whether a need is met near `start:end`; signs that stand together are answered together."""
        low, high = max(0, start - WINDOW) // _STEP * _STEP, (end + WINDOW) // _STEP * _STEP + _STEP
        key = (id(need), low, high)
        if (met := self._met.get(key)) is None:
            met = self._met[key] = need.search(self.view.text[low:high]) is not None
        return met


@dataclass(slots=True)
class _Sentence:
    """A passage of a view and what clauses it has, by language. Places are those in `text`."""

    reading: _Reading
    passage: Passage
    start: int = field(init=False)
    text: str = field(init=False)
    _clauses: dict[int, Clauses] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.start = max(0, self.passage.low - AROUND)
        self.text = self.reading.view.text[self.start : self.passage.high + AROUND]

    def clauses(self, markers: Markers) -> Clauses:
        found = self._clauses.get(id(markers))
        if found is None:
            found = self._clauses[id(markers)] = Clauses(self.text, markers)
        return found


_BY_CONTEXT = frozenset({"idiom", "negation", "past", "hypothetical", "reported", "someone_else"})


@dataclass(frozen=True, slots=True)
class _Found:
    """A finding, with the rule's language, the name of the view and the words found in it.

    `is_spoken`: whether further words tell that the text is in that language.
    """

    finding: Finding
    language: str
    view: str
    sign: str
    is_spoken: bool = False

    @property
    def key(self) -> tuple[str, str, str | None]:
        return self.finding.rule_id, self.finding.clause, self.finding.suppressed_by

    def taken_back(self, reason: str) -> "_Found":
        taken = replace(self.finding, suppressed_by=self.finding.suppressed_by or reason)
        return replace(self, finding=taken)


class Ruleset:
    """Rules compiled; safe to share between threads once built."""

    def __init__(self, data: RuleData) -> None:
        self.version = data.version
        self.rules = data.rules
        compiled = {rule.id: _Compiled(rule, data.lexicons[rule.language]) for rule in data.rules}
        self._signs = [_sign(compiled[rule.id], sign) for rule in data.rules for sign in rule.sign]
        patterns = [(sign.of.lexicon, sign.pattern) for sign in self._signs]
        learnt = kept("rules", f"{data.version} {code_version()}", _Learnt, lambda: _learn(data, patterns))
        self._matcher = Matcher(patterns, learnt.needs)
        self.words = learnt.words
        self._repairer = Repairer(learnt.words.core, learnt.words.known, learnt.words.own)

    def to_compile(self) -> Iterator[Callable[[], object]]:
        """What compiles each sign, so that no question waits for it: some seconds in all."""
        return self._matcher.to_compile()

    def findings(self, views: tuple[View, ...], profile: Profile | None) -> list[Finding]:
        """Every sign found in any view, those taken back included; at most one per rule and clause."""
        views = *views, *self._repaired(views)
        facts = Facts(views, profile or Profile())
        found: dict[tuple[str, str, str | None], _Found] = {}
        matches: dict[str, list[tuple[int, int, int]]] = {}
        for view in views:
            spoken = self.words.languages_in(view.text)
            for one in self._in_view(_Reading(view, facts), matches):
                one = replace(one, is_spoken=one.language in spoken.words)
                if spoken.excludes(one.language, one.sign):
                    one = one.taken_back("other_language")
                found.setdefault(one.key, one)
        return _settled(list(found.values()))

    def _repaired(self, views: tuple[View, ...]) -> Iterator[View]:
        repaired = (self._repairer.view(view) for view in views)
        return (view for view in repaired if view is not None)

    def _in_view(self, reading: _Reading, known: dict[str, list[tuple[int, int, int]]]) -> Iterator[_Found]:
        """`known`: what the matcher found in passages, many of which stand in several views."""
        text, name, emergencies = reading.view.text, reading.view.name, 0
        for passage in passages(text):
            if passage.start > LONG and emergencies >= ENOUGH:
                return
            if (matches := known.get(passage.text)) is None:
                matches = known[passage.text] = self._matcher.found(passage.text)
            if not matches:
                continue
            sentence = _Sentence(reading, passage)
            for number, low, high in matches:
                sign, start, end = self._signs[number], passage.start + low, passage.start + high
                if (finding := _judged(sign, sentence, start, end)) is not None:
                    emergencies += finding.severity is Severity.EMERGENCY and not finding.suppressed_by
                    yield _Found(finding, sign.of.rule.language, name, text[start:end])


@cache
def _need(language: str, slot: str) -> "re2._Regexp":
    return re2.compile(load_rules().lexicons[language].bounded(f"{{{slot}}}"))


@cache
def _any_of(language: str, patterns: tuple[str, ...]) -> "re2._Regexp":
    return re2.compile(load_rules().lexicons[language].any_of(patterns))


def _sign(compiled: _Compiled, sign: str) -> _Sign:
    """A sign after "!" cannot be denied, though its rule can: a negator in or before it is part of it."""
    pattern = sign.removeprefix("!")
    own = any(slot in pattern for slot in ("{not}", "{cannot}"))
    own = own or compiled.markers.negator.is_in(pattern, 0, len(pattern))
    return _Sign(compiled, pattern, own, compiled.rule.negatable and pattern == sign)


@cache
def _markers(language: str) -> Markers:
    return markers_of(load_rules().lexicons[language])


def _judged(sign: _Sign, sentence: _Sentence, start: int, end: int) -> Finding | None:
    """`start:end` is the sign's place in the view."""
    compiled, reading = sign.of, sentence.reading
    rule = compiled.rule
    if not _ages_fit(rule, reading.facts) or not _needs_met(compiled, reading, start, end):
        return None
    clauses = sentence.clauses(compiled.markers)
    here = start - sentence.start, end - sentence.start
    suppressed_by = _excepted(compiled, clauses, *here) or clauses.suppression(
        *here,
        negatable=sign.negatable,
        has_own_negator=sign.has_own_negator,
        past_counts=rule.past_counts,
        hypothetical_counts=rule.hypothetical_counts,
        others_count=rule.others_count,
    )
    low, high = clauses.clause(*here)
    return Finding(
        category=rule.category,
        severity=rule.severity,
        action=rule.action,
        rule_id=rule.id,
        score=round(rule.score * _CERTAINTY[reading.view.name], 4),
        span=reading.view.display_span(start, end),
        clause=sentence.text[low:high].strip(),
        card=rule.card,
        suppressed_by=suppressed_by,
    )


def _ages_fit(rule: Rule, facts: Facts) -> bool:
    """An age nobody gave counts as "not under": a rule for the youngest needs to know."""
    if rule.under_days is not None:
        return any(days < rule.under_days for days in facts.child_days)
    limit = rule.not_under_days
    return limit is None or all(days >= limit for days in facts.child_days)


def _needs_met(compiled: _Compiled, reading: _Reading, start: int, end: int) -> bool:
    facts = reading.facts
    return all(reading.is_near(need, start, end) or facts.supplies(slot) for slot, need in compiled.needs)


def _excepted(compiled: _Compiled, clauses: Clauses, start: int, end: int) -> str | None:
    if compiled.unless is None:
        return None
    low, high = clauses.sentence(start, end)
    near = clauses.text[max(low, start - UNLESS_WITHIN) : min(high, end + UNLESS_WITHIN)]
    return "unless" if compiled.unless.search(near) else None


def _settled(found: list[_Found]) -> list[Finding]:
    """A sign that was taken back in one view does not stand in another view of the same words; nor does
    another language's sign for the same thing: the text's own language knows its denials better.
    """
    taken_back: dict[Category, list[_Found]] = {}
    for one in found:
        if one.finding.suppressed_by in _BY_CONTEXT:
            taken_back.setdefault(one.finding.category, []).append(one)
    return [
        one.finding
        for one in found
        if one.finding.suppressed_by
        or not any(_is_shadowed(one, other) for other in taken_back.get(one.finding.category, ()))
    ]


def _is_shadowed(one: _Found, other: _Found) -> bool:
    (start, end), (low, high) = one.finding.span, other.finding.span
    if one.finding.rule_id == other.finding.rule_id:
        return one.view != other.view and (start, end) == (low, high)
    overlaps = start < high and low < end
    return overlaps and other.is_spoken and not one.is_spoken


class _Learnt(msgspec.Struct):
    """What is worked out from the rules, which takes seconds."""

    needs: Needs
    words: Vocabulary


def _learn(data: RuleData, patterns: list[tuple[Lexicon, str]]) -> _Learnt:
    texts = (text for rule in data.rules for text in (*rule.examples, *rule.near_misses))
    needs = needs_by_pattern(patterns)
    return _Learnt(numbered(needs, [fold_pattern(text.lower()) for text in texts]), vocabulary(data, needs))


@cache
def code_version() -> str:
    """Of what works out what is kept (see `safety.kept`)."""
    sources = [Path(__file__), *(Path(str(module.__file__)) for module in (index, keys, words, views))]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


@cache
def ruleset() -> Ruleset:
    """The rules as shipped; built on first use, then shared. A second, or some ten where nothing is kept."""
    return Ruleset(load_rules())
