"""Watches an answer while it is written. Only what could be the beginning of something unsafe is held back.

The decision depends on the text alone, never on how it was cut: sentences are judged whole, and a match is
judged on at most HOLD characters from its start. Until then everything from that start on is held. So no
character of a withheld passage is ever released, and the same answer fed in any pieces gives the same result.
"""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import regex

from safety.rules.candidate import Candidate, OutputMarkers, output_languages, output_markers
from safety.rules.output import OutputRuleset, folded, output_ruleset
from safety.verdict import Category, Severity

HOLD = 240
_CONTEXT = 160  # how far before a match a denial may stand
_UNIT = 2_000  # a sentence without an end is cut here
_DENIAL_SEEN = 16  # characters that must follow a denial before it counts in mid-sentence
_LOOP = 512  # a sentence this long is looked at for a model stuck in a loop
_REPEATS = 6
_ENOUGH_WORDS = 3  # of languages, before those that have none are left out
_ENDS = regex.compile(r"[.!?…\n。！？؟।]")
_BOUNDARY = regex.compile(r"(?<=[.!?…؟।][\"'”’)\]*_]{0,3})\s|\n|[。！？]")
# Backwards: it never walks through the whole text. A Chinese character is a word of its own, and finished.
_LAST_WORD = regex.compile(r"(?r)(?:[^\W_\p{Han}]|['’-])*\Z")
_HAN = regex.compile(r"\p{Han}")
_PART = regex.compile("[^'’-]+")
_LIST_ITEM = regex.compile(r"\s*(?:[-*•–]|\d+[.)])\s|\s*\Z")
_NO_WITHDRAWAL = ""
_GOES_ON = "\N{LATIN LETTER AIN}"  # a letter that no word has: what a half word may go on with


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


class _Live(NamedTuple):
    """What began at `start`, and is held back from `held` on, where its telling word stands."""

    start: int
    candidate: Candidate
    held: int


class _Waiting(NamedTuple):
    """What may have begun at `start`: nothing is known of it until its telling word comes."""

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
    _forbidding: frozenset[str] = field(init=False, default=frozenset())  # languages in whose list we are
    _spoken: dict[str, int] = field(init=False, default_factory=dict)  # words that only one language has
    _spoken_before: dict[str, int] = field(init=False, default_factory=dict)  # in finished sentences
    _live: list[_Live] = field(init=False, default_factory=list)  # held back
    _waiting: list[_Waiting] = field(init=False, default_factory=list)  # for their telling word
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
        last = text[text.rfind(" ", start) + 1 or start :]
        if last.isascii() and last.isalnum():  # nearly always
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
                word, at = folded(match[0]), base + match.start()
                if self._live:
                    self._let_go(at)
                if word in rules.by_start:
                    self._begin(at, word, end)
                if not word.isalpha():
                    self._begin_within(word, at, end)
                if self._waiting:
                    self._tell(word, at, end)
                if language := rules.language_of(word):
                    self._spoken[language] = self._spoken.get(language, 0) + 1
            self._find_canary(limit)
            self._scanned = limit

    def _begin(self, start: int, word: str, end: int) -> None:
        candidates = self._rules.by_start[word]
        if sum(self._spoken.values()) >= _ENOUGH_WORDS:
            candidates = tuple(c for c in candidates if c.language in self._spoken or not c.language)
        for candidate in candidates:
            if candidate.keys:
                self._waiting.append(_Waiting(start, candidate))
            else:
                self._hold(start, candidate, start, end)

    def _begin_within(self, word: str, at: int, end: int) -> None:
        """ "week-old" begins in "five-week-old", too."""
        for part in _PART.finditer(word):
            for begun in {part.group(), word[part.start() :]} - {word}:
                if begun in self._rules.by_start:
                    self._begin(at + part.start(), begun, end)

    def _tell(self, word: str, at: int, end: int) -> None:
        """A whole word: what has waited for it as its telling word is held back from here on."""
        for start, keys in self._rules.telling.in_word(word):
            self._told(keys, at + start, end)

    def _told(self, keys: frozenset[str], at: int, end: int) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if one.start + HOLD <= at:
                continue
            if one.candidate.keys.isdisjoint(keys):
                self._waiting.append(one)
                continue
            for part in one.candidate.parts or (one.candidate,):
                if part.keys.isdisjoint(keys):
                    self._waiting.append(_Waiting(one.start, part))
                else:
                    self._hold(one.start, part, at, end)

    def _hold(self, start: int, candidate: Candidate, at: int, end: int) -> None:
        """From `at` on, unless it is none by what is there already, or forbidden from the first."""
        if self._is_alive(candidate, start, end) and not (
            candidate.negatable and self._is_denied(start, candidate)
        ):
            self._live.append(_Live(start, candidate, at))

    def _is_denied(self, start: int, candidate: Candidate) -> bool:
        before = self._slice(max(self._unit_start, start - _CONTEXT), start)
        return candidate.language in self._forbidding or self._denies(before, candidate.language)

    def _let_go(self, at: int) -> None:
        """What a denial has taken back by now is held no longer: "honey is not safe …".

        Looked for word by word, so that it depends on the text alone; with some words more after it, since
        "not only" is none.
        """
        for live in [live for live in self._live if live.candidate.negatable]:
            if _DENIAL_SEEN < at - live.start < HOLD and self._is_denied_by(live, at):
                self._live.remove(live)

    def _is_denied_by(self, live: _Live, at: int) -> bool:
        markers = live.candidate.markers
        text = self._text[live.start - self._base : at - self._base]
        match = markers.after.search(markers.not_a_denial.sub(_blanked, text))
        return match is not None and match.end() <= len(text) - _DENIAL_SEEN

    def _denies(self, before: str, language: str) -> bool:
        markers = output_markers(language)
        contrast = max((m.end() for m in markers.contrast.finditer(before)), default=0)
        reach = markers.not_a_denial.sub(" ", before[contrast:])
        return markers.before.search(reach) is not None

    def _find_canary(self, limit: int) -> None:
        if self.canary:
            at = self._text.find(
                self.canary, max(0, self._scanned - self._base - len(self.canary)), limit - self._base
            )
            if at >= 0:
                self._live.append(_Live(start := self._base + at, _canary_candidate(self.canary), start))

    def _is_alive(self, candidate: Candidate, at: int, end: int) -> bool:
        """Whether what begins at `at` is a match, or may become one, by the text up to `end`."""
        start, stop = at - self._base, min(at + HOLD, end) - self._base
        for compiled in candidate.patterns:
            match = self._begun(compiled(), start, stop)
            if match is None:
                continue
            if not candidate.ends_at_match or match.partial or match.end() >= stop:
                return True
            if candidate.is_fine is None or not candidate.is_fine(match.group()):
                return True
        return False

    def _begun(self, pattern: regex.Pattern[str], start: int, stop: int) -> regex.Match[str] | None:
        match = pattern.match(self._text, start, stop, partial=True)
        if match is None and stop == len(self._text) and _asks_for_word_ends(pattern):
            # Where only half a word has come, "(?!si\b)" takes "six" for "si".
            match = pattern.match(self._text[start:stop] + _GOES_ON, partial=True)
        return match

    def _overdue(self) -> Withheld | None:
        """The first match held to the bound is judged on what is there, once all words up to it were read."""
        due = [live for live in self._live if live.start + HOLD <= self._scanned]
        if not due:
            return None
        self._live = [live for live in self._live if live.start + HOLD > self._scanned]
        return self._judged(due, self._end)

    def _end_unit(self, boundary: int) -> Withheld | None:
        hit = self._judged(self._live, boundary) or self._repeated(boundary)
        unit = self._slice(self._unit_start, boundary)
        self._forbidding = self._opened_lists(unit)
        self._spoken_before = self._spoken.copy()
        self._unit_start = boundary
        self._live, self._waiting = [], []
        return hit

    def _opened_lists(self, unit: str) -> frozenset[str]:
        """ "Never give:" forbids the items under it, until a line that is no item; in these languages."""
        if unit.rstrip(" *_\n").endswith((":", "\uff1a")):
            return frozenset(spoken for spoken in output_languages() if self._denies(unit, spoken))
        return self._forbidding if _LIST_ITEM.match(unit) else frozenset()

    def _judged(self, live: list[_Live], unit_end: int) -> Withheld | None:
        if not live:
            return None
        return next((hit for item in sorted(live, key=_order) if (hit := self._judge(item, unit_end))), None)

    def _judge(self, live: _Live, unit_end: int) -> Withheld | None:
        end = min(unit_end, live.start + HOLD)
        rule, start, stop = live.candidate, live.start - self._base, end - self._base
        spoken = self._spoken_until(end)
        if rule.language and _is_foreign(rule.language, spoken):
            return None
        # At the bound a match that is not complete counts as one: held no longer, and not let go either.
        found = (p().match(self._text, start, stop, partial=end < unit_end) for p in rule.patterns)
        main = max(spoken, key=spoken.__getitem__, default="")
        if all(match is None or self._is_excused(live, match, end, main) for match in found):
            return None
        return Withheld(
            rule_id=rule.rule_id,
            category=rule.category,
            severity=rule.severity,
            card=rule.card,
            offset=live.held,
            text=self._slice(live.start, end),
            sentence=min(self._unit_start, live.start),
        )

    def _spoken_until(self, end: int) -> dict[str, int]:
        """Words that only one language has: of the sentences before, and of this one as far as `end`."""
        spoken = self._spoken_before.copy()
        start, stop = self._unit_start - self._base, end - self._base
        for match in self._rules.words.finditer(self._text, max(0, start), stop):
            if language := self._rules.language_of(folded(match[0])):
                spoken[language] = spoken.get(language, 0) + 1
        return spoken

    def _is_excused(self, live: _Live, match: regex.Match[str], end: int, spoken: str) -> bool:
        """`spoken` is the language of the answer, whose denials count for another language's rule, too."""
        rule = live.candidate
        if rule.is_fine is not None and rule.is_fine(match.group()):
            return True
        context_start = max(self._unit_start, live.start - _CONTEXT)
        unless = rule.unless()
        if unless is not None and unless.search(self._slice(context_start, end)):
            return True
        if not rule.negatable:
            return False
        _, _, later_words = match.group().partition(" ")  # "stop taking …": the first word is the advice
        if not later_words and _HAN.match(match.group()):
            later_words = match.group()[1:]
        before, after = self._slice(context_start, live.start), self._text[match.end() : end - self._base]
        if _is_denied_within(rule.markers, later_words, after):
            return True
        if not spoken or spoken == rule.language:
            return False
        return self._denies(before, spoken) or _is_denied_within(output_markers(spoken), later_words, after)

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
        for part, rest in _beginnings(unfinished):
            if any(folded(word) in self._rules.prefixes or self._may_tell(word) for word in {part, rest}):
                held = max(held, len(rest))
                break
        end = self._base + size - held
        if self._live:
            end = min(end, *[live.held for live in self._live])
        return max(self._released, end)

    def _may_tell(self, unfinished: str) -> bool:
        """Whether a word not yet finished may become the telling word of what waits for one."""
        keys = self._rules.telling.may_be(folded(unfinished)) if self._waiting else frozenset()
        return bool(keys) and any(not keys.isdisjoint(one.candidate.keys) for one in self._waiting)

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


def _beginnings(unfinished: str) -> Iterator[tuple[str, str]]:
    """Of what has no blank in it, all words that it may hold, each with what may become longer: "l'aspi"
    and "l", "aspi"; "week-o" and "week", "o".
    """
    for match in _PART.finditer(unfinished):
        yield match.group(), unfinished[match.start() :]


def _blanked(match: regex.Match[str]) -> str:
    return " " * len(match.group())


def _is_denied_within(markers: OutputMarkers, words: str, after: str) -> bool:
    inside = markers.not_a_denial.sub(" ", words)
    whole = inside + markers.not_a_denial.sub(" ", after)
    return bool(markers.before.search(inside) or markers.after.search(whole))


def _is_foreign(language: str, spoken: dict[str, int]) -> bool:
    """Whether enough words tell of other languages, and none of this one."""
    return language not in spoken and sum(spoken.values()) >= _ENOUGH_WORDS


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
        patterns=(lambda: regex.compile(regex.escape(canary)),),
    )


@lru_cache(maxsize=8192)
def _asks_for_word_ends(pattern: regex.Pattern[str]) -> bool:
    return "(?!" in pattern.pattern
