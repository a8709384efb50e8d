"""Watches an answer while it is written. Only what could be the beginning of something unsafe is held back.

The decision depends on the text alone, never on how it was cut: sentences are judged whole, and a match is
judged on at most HOLD characters from its start. Until then everything from that start on is held. So no
character of a withheld passage is ever released, and the same answer fed in any pieces gives the same result.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import NamedTuple

import regex

from safety.rules.output import Candidate, OutputRuleset, folded, output_ruleset
from safety.verdict import Category, Severity

HOLD = 240
_CONTEXT = 160  # how far before a match a denial may stand
_UNIT = 2_000  # a sentence without an end is cut here
_LOOP = 512  # a sentence this long is looked at for a model stuck in a loop
_REPEATS = 6
_ENDS = regex.compile(r"[.!?…\n]")
_BOUNDARY = regex.compile(r"(?<=[.!?…][\"'”’)\]*_]{0,3})\s|\n")
_LAST_WORD = regex.compile(r"(?r)(?:[^\W_]|['’])*\Z")  # backwards: it never walks through the whole text
_LIST_ITEM = regex.compile(r"\s*(?:[-*•–]|\d+[.)])\s|\s*\Z")
_NO_WITHDRAWAL = ""


@dataclass(frozen=True, slots=True)
class Withheld:
    """A passage that must not be shown; stop the model. `offset`: code points released before it.

    `sentence` is where its sentence begins: half a sentence is better withdrawn than left standing.
    """

    rule_id: str
    category: Category
    severity: Severity
    card: str
    offset: int
    text: str
    sentence: int


class Release(NamedTuple):
    """What may be shown now. With a `hit` nothing further will ever be released."""

    text: str
    hit: Withheld | None = None


@dataclass(frozen=True, slots=True)
class _Live:
    start: int
    candidate: Candidate


@dataclass(slots=True)
class OutputGuard:
    """One per answer: `feed` each piece, `close` at the end. An error inside withholds the rest.

    `country` (ISO 3166 alpha-2) makes another country's hotline a hit; `canary` is a secret in the prompt
    that must never come out, without blank space. `language` is for later; today all rules run.
    """

    language: str | None = None
    country: str | None = None
    canary: str | None = None
    _rules: OutputRuleset = field(init=False)
    _text: str = field(init=False, default="")  # what is still needed, from absolute position _base on
    _base: int = field(init=False, default=0)
    _released: int = field(init=False, default=0)
    _scanned: int = field(init=False, default=0)
    _unit_start: int = field(init=False, default=0)
    _in_forbidden_list: bool = field(init=False, default=False)
    _live: list[_Live] = field(init=False, default_factory=list)
    _recent: deque[str] = field(init=False, default_factory=lambda: deque(maxlen=12))
    _hit: Withheld | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._rules = output_ruleset(self.country)

    def feed(self, text: str) -> Release:
        """Add a piece of the answer; gives what may be shown now."""
        return self._guarded(text, is_last=False)

    def close(self) -> Release:
        """The answer is over; gives the rest, or the last hit."""
        return self._guarded("", is_last=True)

    def _guarded(self, text: str, *, is_last: bool) -> Release:
        if self._hit is not None:
            return Release("", self._hit)
        try:
            return self._advance(text, is_last=is_last)
        except Exception:  # whatever went wrong, unchecked text must not get out
            self._hit = Withheld(
                rule_id="guard_error",
                category=Category.UNSAFE_ADVICE,
                severity=Severity.NOTICE,
                card="correct_answer",
                offset=self._released,
                text="",
                sentence=self._released,
            )
            return Release("", self._hit)

    # Positions are absolute (code points of the whole answer); only _slice and the regexes see the buffer.

    @property
    def _end(self) -> int:
        return self._base + len(self._text)

    def _slice(self, start: int, end: int) -> str:
        return self._text[max(0, start - self._base) : max(0, end - self._base)]

    def _advance(self, text: str, *, is_last: bool) -> Release:
        self._text += text
        while (boundary := self._next_boundary(is_last=is_last)) is not None:
            self._scan(boundary, boundary)
            hit = self._end_unit(boundary)
            if hit is not None:
                return self._withhold(hit)
        word = self._unfinished_word()
        end = self._base + len(self._text)
        if self._live:
            self._live = [live for live in self._live if self._is_alive(live.candidate, live.start, end)]
        self._scan(end - len(word), end)
        if self._live:
            hit = self._overdue()
            if hit is not None:
                return self._withhold(hit)
        return Release(self._taken(end if is_last else self._safe_end(word)))

    def _next_boundary(self, *, is_last: bool) -> int | None:
        at, end = self._scanned - self._base, self._base + len(self._text)
        ends = []
        if _ENDS.search(self._text, max(0, at - 4)):  # the cheap question first
            match = _BOUNDARY.search(self._text, at)
            ends = [self._base + match.end()] if match else []
        if is_last and self._unit_start < end:
            ends.append(end)
        if end - self._unit_start >= _LOOP:
            ends += self._forced_boundaries()
        return min(ends, default=None)

    def _forced_boundaries(self) -> list[int]:
        """Where a sentence without an end is cut: at a loop, or at its longest."""
        length = self._end - self._unit_start
        first = (self._scanned - self._unit_start) // _LOOP + 1
        looped = (self._unit_start + n * _LOOP for n in range(first, length // _LOOP + 1))
        cut = [at for at in looped if _is_loop(self._slice(at - _LOOP, at))][:1]
        return cut + ([self._unit_start + _UNIT] if length >= _UNIT else [])

    def _unfinished_word(self) -> str:
        text, start = self._text, max(self._scanned - self._base, len(self._text) - 64)
        if (last := text[text.rfind(" ", start) + 1 or start :]).isalnum():  # nearly always
            return last
        match = _LAST_WORD.search(text, start)
        return match.group() if match else ""

    def _scan(self, limit: int, end: int) -> None:
        """Note each place up to `limit` where something unsafe begins, or could, as far as the text up to
        `end` tells.
        """
        if self._scanned < limit:
            rules, base = self._rules, self._base
            for match in rules.words.finditer(self._text, self._scanned - base, limit - base):
                if (word := folded(match[0])) in rules.by_start:
                    self._begin(base + match.start(), word, end)
            self._find_canary(limit)
            self._scanned = limit

    def _begin(self, start: int, word: str, end: int) -> None:
        found = [c for c in self._rules.by_start[word] if self._is_alive(c, start, end)]
        if found and (self._in_forbidden_list or self._is_denied_before(start)):
            found = [c for c in found if not c.negatable]
        self._live += [_Live(start, c) for c in found]

    def _is_denied_before(self, start: int) -> bool:
        before = self._slice(max(self._unit_start, start - _CONTEXT), start)
        return self._denies(before)

    def _denies(self, before: str) -> bool:
        markers = self._rules.markers
        contrast = max((m.end() for m in markers.contrast.finditer(before)), default=0)
        reach = markers.not_a_denial.sub(" ", before[contrast:])
        return markers.before.search(reach) is not None

    def _find_canary(self, limit: int) -> None:
        if self.canary:
            at = self._text.find(
                self.canary, max(0, self._scanned - self._base - len(self.canary)), limit - self._base
            )
            if at >= 0:
                self._live.append(_Live(self._base + at, _canary_candidate(self.canary)))

    def _is_alive(self, candidate: Candidate, at: int, end: int) -> bool:
        """Whether what begins at `at` is a match, or may become one, by the text up to `end`."""
        start, stop = at - self._base, min(at + HOLD, end) - self._base
        match = candidate.pattern.match(self._text, start, stop, partial=True)
        if match is None:
            return False
        if not candidate.ends_at_match or match.partial or match.end() >= stop:
            return True
        return candidate.is_fine is None or not candidate.is_fine(match.group())

    def _overdue(self) -> Withheld | None:
        """The first match held to the bound is judged on what is there."""
        due = [live for live in self._live if live.start + HOLD <= self._end]
        self._live = [live for live in self._live if live.start + HOLD > self._end]
        return self._judged(due, self._end)

    def _end_unit(self, boundary: int) -> Withheld | None:
        hit = self._judged(self._live, boundary) or self._repeated(boundary)
        unit = self._slice(self._unit_start, boundary)
        self._in_forbidden_list = self._opens_forbidden_list(unit)
        self._unit_start = boundary
        self._live = []
        return hit

    def _opens_forbidden_list(self, unit: str) -> bool:
        """ "Never give:" forbids the items under it, until a line that is no item."""
        if unit.rstrip(" *_\n").endswith(":"):
            return self._denies(unit)
        return self._in_forbidden_list and _LIST_ITEM.match(unit) is not None

    def _judged(self, live: list[_Live], unit_end: int) -> Withheld | None:
        if not live:
            return None
        return next((hit for item in sorted(live, key=_order) if (hit := self._judge(item, unit_end))), None)

    def _judge(self, live: _Live, unit_end: int) -> Withheld | None:
        end = min(unit_end, live.start + HOLD)
        rule, start, stop = live.candidate, live.start - self._base, end - self._base
        # At the bound a match that is not complete counts as one: held no longer, and not let go either.
        match = rule.pattern.match(self._text, start, stop, partial=end < unit_end)
        if match is None or self._is_excused(rule, match, max(self._unit_start, live.start - _CONTEXT), end):
            return None
        return Withheld(
            rule_id=rule.rule_id,
            category=rule.category,
            severity=rule.severity,
            card=rule.card,
            offset=live.start,
            text=self._slice(live.start, end),
            sentence=min(self._unit_start, live.start),
        )

    def _is_excused(self, rule: Candidate, match: regex.Match[str], context_start: int, end: int) -> bool:
        if rule.is_fine is not None and rule.is_fine(match.group()):
            return True
        context = self._slice(context_start, end)
        if rule.unless is not None and rule.unless.search(context):
            return True
        after = self._text[match.end() : end - self._base]
        _, _, later_words = match.group().partition(
            " "
        )  # "stop taking …": the first word is the advice itself
        inside = self._rules.markers.not_a_denial.sub(" ", later_words)
        return rule.negatable and (
            self._rules.markers.before.search(inside) is not None
            or self._rules.markers.after.search(inside + after) is not None
        )

    def _repeated(self, boundary: int) -> Withheld | None:
        unit = " ".join(self._slice(self._unit_start, boundary).casefold().split())
        if len(unit) >= 12:
            self._recent.append(unit)
        is_loop = self._recent.count(unit) >= _REPEATS or _is_loop(self._slice(boundary - _LOOP, boundary))
        if not (unit and is_loop):
            return None
        return Withheld(
            rule_id="repetition_loop",
            category=Category.SPAM,
            severity=Severity.NOTICE,
            card="correct_answer",
            offset=boundary,
            text=_NO_WITHDRAWAL,
            sentence=boundary,
        )

    def _withhold(self, hit: Withheld) -> Release:
        self._hit = hit
        return Release(self._taken(hit.offset), hit)

    def _taken(self, end: int) -> str:
        """Release up to `end`, and forget what no later decision needs."""
        text = self._slice(self._released, end)
        self._released = max(self._released, end)
        needed = min(self._released, self._unit_start, self._scanned)
        if self._live:
            needed = min(needed, *[live.start for live in self._live])
        if needed > self._base:
            self._text = self._text[needed - self._base :]
            self._base = needed
        return text

    def _safe_end(self, unfinished: str) -> int:
        size = len(self._text)
        held = max(self._canary_beginning(), self._unfinished_grapheme())
        word = unfinished.lstrip("'’")
        if word and folded(word) in self._rules.prefixes:
            held = max(held, len(word))
        end = self._base + size - held
        if self._live:
            end = min(end, *[live.start for live in self._live])
        return max(self._released, end)

    def _canary_beginning(self) -> int:
        """How many characters at the end could be the beginning of the canary, which has no blank in it."""
        canary = self.canary
        if not canary:
            return 0
        text, size = self._text, len(self._text)
        at = text.find(canary[0], max(0, size - len(canary), text.rfind(" ") + 1))
        while at >= 0:
            if canary.startswith(text[at:]):
                return size - at
            at = text.find(canary[0], at + 1)
        return 0

    def _unfinished_grapheme(self) -> int:
        """Length of the last grapheme: a combining mark may still follow."""
        if not self._text or self._text[-1] in " \n":
            return 0
        if self._text[-1].isascii():
            return 1
        pending = self._slice(max(self._released, self._end - 64), self._end)
        clusters = regex.findall(r"\X", pending)
        return len(clusters[-1]) if clusters else 0


def _order(live: _Live) -> tuple[int, str]:
    return live.start, live.candidate.rule_id


def _is_loop(text: str) -> bool:
    """The same few words, or the same few characters, and nothing else."""
    if len(text) < _LOOP or not any(c.isalnum() for c in text):
        return False
    words = Counter(text.casefold().split())
    return len(set(text)) <= 3 or (words.total() >= 40 and len(words) <= 4)


def _canary_candidate(canary: str) -> Candidate:
    return Candidate(
        rule_id="prompt_leak.canary",
        category=Category.PROMPT_LEAK,
        severity=Severity.NOTICE,
        card="correct_answer",
        pattern=regex.compile(regex.escape(canary)),
        unless=None,
        negatable=False,
    )
