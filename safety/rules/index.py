"""Which patterns are worth trying on a text: those whose words are all there.

Every pattern says, by its own structure, which words it cannot do without: "{baby} {gap} not breathing"
needs one of the words for a baby, "not", and "breathing". A text's words are looked up in one dictionary, and
only the patterns that have a word for each need are tried. So thousands of patterns in eight languages take a
fraction of a millisecond, where an automaton of them all would be built anew for every text.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import msgspec
import regex

from safety.rules.lexicon import Lexicon

MOST_STRINGS = 600
LONGEST = 12
"""Letters of a word that are looked up; more tell no more."""
MOST_NEEDS = 4
"""Needs of a pattern that are looked at; the rarest come first."""
BLOCK = 2048
_FIRST_SLOT = 0xE000  # see Lexicon.outline
_LONGEST_HAN = 6
_MOST_TAILS = 30
_COST = {1: 40, 2: 10, 3: 2}
"""How many longer strings a string of so few letters is as bad as: it begins that many more words."""
_ARABIC, _ANYWHERE = regex.compile(r"\p{Arabic}"), regex.compile(r"[\p{Arabic}\p{Han}]")
_PIECE = regex.compile(r"\p{Han}|[^\W_\p{Han}]+(?:'[^\W_\p{Han}]+)*")
_WORD_LETTER = regex.compile(r"[\w']")
_CLASS = regex.compile(r"\\[pP]\{\w+\}")
_HAN = regex.compile(r"\p{Han}")


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a part of a pattern: all that it can be (`exact`), or what it needs (`groups`).

    `inner`: those of its needs that hold even where it goes on with a word that began before it.
    `shuts`: whether what comes after it begins a word: yes, no, or as what stands before it (None).
    `opens`: whether it begins with a blank, so that a word before it is whole. `first`: what it begins with.
    `tail`: all that its end can be, as "l'" before a French word; then `shuts` is about what comes before.
    """

    exact: frozenset[str] | None
    groups: tuple[frozenset[str], ...] = ()
    inner: tuple[frozenset[str], ...] = ()
    shuts: bool | None = False
    opens: bool = False
    first: frozenset[str] | None = None
    tail: frozenset[str] = frozenset({""})


_BORDER = _Known(None, shuts=True, opens=True)
_MAYBE_BLANK = _Known(frozenset({"", " "}))


class Needs(msgspec.Struct):
    """What patterns need, worked out: groups of beginnings of words, and for each pattern by number the
    groups of which it needs a word each, the rarest first. None: always tried.
    """

    groups: list[list[str]]
    patterns: list[list[int]]


def needs_of(patterns: Sequence[tuple[Lexicon, str]], corpus: Iterable[str]) -> Needs:
    """Each pattern as a lexicon and its notation. `corpus` are some texts that tell which words are rare."""
    return numbered(needs_by_pattern(patterns), corpus)


def numbered(wanted: Sequence[Sequence[frozenset[str]]], corpus: Iterable[str]) -> Needs:
    """What `needs_by_pattern` found, in the order in which it is asked for."""
    groups = list(dict.fromkeys(group for needs in wanted for group in needs))
    number = {group: at for at, group in enumerate(groups)}
    words = _Words(groups)
    usual: Counter[int] = Counter()
    for text in corpus:
        usual.update({group for word in set(_pieces(text)) for group in words.groups_of(word)})
    return Needs(
        [sorted(group) for group in groups],
        [sorted((number[group] for group in needs), key=lambda n: usual[n]) for needs in wanted],
    )


def needs_by_pattern(patterns: Sequence[tuple[Lexicon, str]]) -> list[list[frozenset[str]]]:
    outlines = {id(lexicon): _Outlines(lexicon) for lexicon, _ in patterns}
    return [list(dict.fromkeys(outlines[id(lexicon)].needs(pattern))) for lexicon, pattern in patterns]


def openings_by_pattern(patterns: Sequence[tuple[Lexicon, str]]) -> list[frozenset[str] | None]:
    """What each may begin with, as far as its first plain letters; None where that may be anything."""
    outlines = {id(lexicon): _Openings(lexicon) for lexicon, _ in patterns}
    return [outlines[id(lexicon)].of(pattern) for lexicon, pattern in patterns]


class _Words:
    """The groups that a word belongs to."""

    def __init__(self, groups: Iterable[Iterable[str]]) -> None:
        by_word: dict[str, list[int]] = {}
        for at, group in enumerate(groups):
            for word in group:
                by_word.setdefault(word, []).append(at)
        same: dict[tuple[int, ...], tuple[int, ...]] = {}  # most words share their groups with others
        self._by_word = {word: same.setdefault(found := tuple(at), found) for word, at in by_word.items()}
        self._beginnings = frozenset(
            word[:size] for word in self._by_word for size in range(1, len(word) + 1)
        )

    def groups_of(self, word: str) -> set[int]:
        """Those that have a beginning of it; or, as Arabic puts "and the" before, a beginning anywhere."""
        found: set[int] = set()
        for start in range(len(word) if _ARABIC.match(word) else 1):
            whole = f"{word[start:]} "
            for size in range(1, min(len(whole), LONGEST) + 1):
                if (beginning := whole[:size]) not in self._beginnings:
                    break
                found.update(self._by_word.get(beginning, ()))
        return found


class WordIndex:
    """Patterns by number. A pattern's needs are bits of whole numbers, one number for each need and each
    BLOCK of patterns: so a text's words are put together for thousands of patterns at once.
    """

    def __init__(self, needs: Needs) -> None:
        self._words = _Words(needs.groups)
        blocks = len(needs.patterns) // BLOCK + 1
        self._open = [0] * (blocks * MOST_NEEDS)
        masks: list[dict[int, int]] = [{} for _ in needs.groups]
        for number, groups in enumerate(needs.patterns):
            first, bit = number // BLOCK * MOST_NEEDS, 1 << number % BLOCK
            for place in range(MOST_NEEDS):
                if place >= len(groups):
                    self._open[first + place] |= bit
                else:
                    group = masks[groups[place]]
                    group[first + place] = group.get(first + place, 0) | bit
        self._masks = masks
        self._of_word = lru_cache(maxsize=8192)(self._met_by)

    def likely(self, text: str) -> list[int]:
        """The patterns that may occur in a folded text, ascending."""
        met = self._open.copy()
        for word in set(_pieces(text)):
            for place, mask in self._of_word(word):
                met[place] |= mask
        found = []
        for block in range(0, len(met), MOST_NEEDS):
            left = met[block]
            for place in range(block + 1, block + MOST_NEEDS):
                left &= met[place]
            while left:
                lowest = left & -left
                found.append(block // MOST_NEEDS * BLOCK + lowest.bit_length() - 1)
                left ^= lowest
        return found

    def _met_by(self, word: str) -> tuple[tuple[int, int], ...]:
        """What one word meets: for each place a number whose bits are patterns."""
        met: dict[int, int] = {}
        for group in self._words.groups_of(word):
            for place, mask in self._masks[group].items():
                met[place] = met.get(place, 0) | mask
        return tuple(met.items())


def beginnings_in(text: str) -> set[str]:
    """Every beginning of every word."""
    return {
        match.group()[:size]
        for match in _PIECE.finditer(text)
        for size in range(1, min(len(match.group()), LONGEST) + 1)
    }


def _pieces(text: str) -> Iterator[str]:
    """The words; in Chinese, which parts none, the next few characters from each on. "s'etouffe" is two."""
    for match in _PIECE.finditer(text):
        word = match.group()
        if _HAN.match(word):
            yield text[match.start() : match.start() + _LONGEST_HAN]
        else:
            yield word
            if "'" in word:
                yield from word.split("'")


# --- What a pattern needs -----------------------------------------------------------------------------------


class _Outlines:
    """Reads patterns of one lexicon, each slot only once."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._slots: dict[tuple[str, bool], _Known] = {}
        self._nodes: dict[tuple[int, bool], _Known] = {}  # of the pattern that is being read
        self._last_words: dict[str, _Known] = {}  # plain ones, before a border

    def needs(self, pattern: str) -> Iterator[frozenset[str]]:
        """Groups of beginnings of words, of each of which one must occur. None where nothing can be said."""
        known = _finished(self._read(pattern, is_whole=self._lexicon.border != "none"))
        groups = known.groups if known.exact is None else (known.exact,)
        for group in groups:
            if (words := _beginnings(group)) is not None:
                yield words

    def _read(self, pattern: str, *, is_whole: bool = False) -> _Known:
        """`is_whole`: a border of words follows."""
        try:
            tree = parser.parse(_CLASS.sub(r"\\w", self._lexicon.outline(pattern)))
        except Exception:  # syntax that only RE2 knows: then the pattern is always tried
            return _Known(None)
        outer, self._nodes = self._nodes, {}
        known = self._sequence(list(tree), _BORDER if is_whole else None)
        self._nodes = outer
        return known

    def _slot(self, name: str, *, is_whole: bool) -> _Known:
        if (known := self._slots.get((name, is_whole))) is None:
            read = [self._read(word, is_whole=is_whole) for word in self._lexicon.slots[name]]
            known = self._slots[name, is_whole] = _branch(read)
        return known

    def _sequence(self, nodes: list[Any], last: _Known | None = None) -> _Known:
        parts = _with_runs(nodes)
        if len(parts) != 1:
            return self._together(parts, last)
        only = parts[0]
        if last is None:
            return _literal(only) if isinstance(only, str) else self._node(only)
        if not isinstance(only, str):
            return self._together(parts, last)
        if (known := self._last_words.get(only)) is None:
            known = self._last_words[only] = self._together(parts, last)
        return known

    def _together(self, parts: list[Any], last: _Known | None) -> _Known:
        found = _Together()
        for known in self._parts(parts, last):
            found.add(known)
        return found.known()

    def _parts(self, nodes: Sequence[Any], last: _Known | None) -> list[_Known]:
        """What is known of each; of alternatives before a blank, that their last words are whole."""
        parts = [last] if last else []
        opens = last is not None and last.opens
        for node in reversed(nodes):
            if isinstance(node, str):
                parts.append(_literal(node))
                opens = opens and not _WORD_LETTER.search(node)
                continue
            known = self._node(node)
            if opens and known.exact is None:
                known = self._node(node, is_whole=True)
            may_be_skipped = known.exact is not None and not any(_WORD_LETTER.match(s) for s in known.exact)
            opens = known.opens or (opens and may_be_skipped)
            parts.append(known)
        return parts[::-1]

    def _node(self, node: Any, *, is_whole: bool = False) -> _Known:
        kind, value = node
        key = id(node), is_whole
        if (known := self._nodes.get(key)) is None:
            known = self._nodes[key] = self._read_node(kind, value, is_whole=is_whole)
        return known

    def _read_node(self, kind: Any, value: Any, *, is_whole: bool) -> _Known:
        last = _BORDER if is_whole else None
        if kind is op.LITERAL:
            name = self._lexicon.slot_of(chr(value))
            return self._slot(name, is_whole=is_whole) if name else _literal(chr(value))
        if kind is op.IN:
            return _class(value)
        if kind is op.AT:
            return _Known(None, shuts=True) if value is op.AT_BEGINNING else _Known(frozenset({""}))
        if kind is op.SUBPATTERN:
            return self._sequence(list(value[3]), last)
        if kind is op.BRANCH:
            return _branch([self._sequence(list(one), last) for one in value[1]])
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            return self._repeat(*value)
        return _Known(None)

    def _repeat(self, least: int, most: Any, inner: Any) -> _Known:
        if least == most == 1:
            return self._sequence(list(inner))
        known = _finished(self._sequence(list(inner)))
        shuts = _ends_words(known.exact) if known.exact is not None else known.shuts
        if least == 0:
            if known == _BORDER:
                return _MAYBE_BLANK
            if most == 1 and known.exact is not None:
                return _Known(known.exact | {""})
            return _Known(None, shuts=None if shuts else False)
        if known.exact is not None:
            first = _filled(known.exact)
            groups = (first,) if first else ()
            return _Known(None, groups, _anywhere(groups), shuts=shuts, first=first)
        return replace(known, shuts=shuts)


class _Openings:
    """With which letters patterns of one lexicon may begin."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._slots: dict[str, tuple[frozenset[str], bool]] = {}

    def of(self, pattern: str) -> frozenset[str] | None:
        try:
            strings, may_be_empty = self._read(pattern)
        except _AnythingError:
            return None
        return None if may_be_empty else frozenset(string.lower() for string in strings)

    def _read(self, pattern: str) -> tuple[frozenset[str], bool]:
        try:
            tree = parser.parse(_CLASS.sub(r"\\w", self._lexicon.outline(pattern)))
        except Exception as error:  # syntax of `regex` alone
            raise _AnythingError from error
        return self._sequence(list(tree))

    def _sequence(self, nodes: list[Any]) -> tuple[frozenset[str], bool]:
        """The strings, and whether all of it may be empty."""
        found: frozenset[str] = frozenset()
        for node in _with_runs(nodes):
            strings, may_be_empty = self._node(node)
            found |= strings
            if not may_be_empty:
                return found, False
        return found, True

    def _node(self, node: Any) -> tuple[frozenset[str], bool]:
        if isinstance(node, str):
            return frozenset({node}), False
        kind, value = node
        if kind is op.LITERAL:
            return self._slot(self._lexicon.slot_of(chr(value)), chr(value))
        if kind in (op.AT, op.ASSERT, op.ASSERT_NOT):
            return frozenset(), True
        if kind is op.SUBPATTERN:
            return self._sequence(list(value[3]))
        if kind is op.BRANCH:
            return _either(self._sequence(list(one)) for one in value[1])
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            strings, may_be_empty = self._sequence(list(value[2]))
            return strings, may_be_empty or value[0] == 0
        if kind is op.IN:
            letters = _class(value)
            if letters.exact is not None:
                return letters.exact, False
            if letters == _BORDER:
                return frozenset({" "}), False
        raise _AnythingError

    def _slot(self, name: str | None, char: str) -> tuple[frozenset[str], bool]:
        if name is None:
            return frozenset({char}), False
        if (known := self._slots.get(name)) is None:
            known = self._slots[name] = _either(self._read(word) for word in self._lexicon.slots[name])
        return known


class _AnythingError(Exception):
    """A pattern may begin with anything."""


def _either(alternatives: Iterable[tuple[frozenset[str], bool]]) -> tuple[frozenset[str], bool]:
    found = list(alternatives)
    strings = frozenset(string for one, _ in found for string in one)
    return strings, any(may_be_empty for _, may_be_empty in found)


class _Together:
    """Parts put one after the other."""

    def __init__(self) -> None:
        self._groups: list[frozenset[str]] = []
        self._inner: list[frozenset[str]] = []
        self._first: frozenset[str] | None = None
        self._now = frozenset({""})  # what the parts that were not yet put away can be
        self._is_start = True  # nothing was put away
        self._begins_word = True
        self._opens = False
        self._shuts: bool | None = None

    def add(self, known: _Known) -> None:
        if self._is_start and self._now == {""}:
            self._opens = known.opens
        if known.exact is not None:
            if len(self._now) * len(known.exact) > MOST_STRINGS:
                self._put_away()
            self._now = frozenset(a + b for a in self._now for b in known.exact)
            return
        if known.opens:
            self._now = frozenset(f"{string} " if string else "" for string in self._now)
        if self._now == {""}:
            self._go_on(known)
        elif known.first and len(self._now) * len(known.first) <= MOST_STRINGS:
            self._now = frozenset(a + b for a in self._now for b in known.first)
            self._put_away()
            self._needs(known.inner)
        else:
            self._put_away()
            self._needs(known.groups if self._begins_word else known.inner)
        self._is_start = False
        if known.shuts is not None:
            self._begins_word, self._shuts = known.shuts, known.shuts
        self._now = known.tail

    def _go_on(self, known: _Known) -> None:
        """With a part before which nothing waits to be put away."""
        if self._is_start:
            self._first = known.first
            self._groups += known.groups
            self._inner += known.inner
        else:
            self._needs(known.groups if self._begins_word else known.inner)

    def _needs(self, groups: Iterable[frozenset[str]]) -> None:
        """Whatever word the first part goes on with."""
        groups = list(groups)
        self._groups += groups
        self._inner += groups

    def _put_away(self) -> None:
        now, self._now = self._now, frozenset({""})
        is_anywhere = _is_found_anywhere(now)
        if "" not in now:
            if self._is_start:
                self._first = now
            if self._begins_word or is_anywhere:
                self._groups.append(now)
            if is_anywhere or (self._begins_word and not self._is_start):
                self._inner.append(now)
        self._is_start = False
        if now != {""}:
            self._begins_word = self._shuts = _ends_words(now)

    def known(self) -> _Known:
        if self._is_start:
            return _Known(self._now)
        known = _Known(None, tuple(self._groups), tuple(self._inner), self._shuts, self._opens, self._first)
        known = replace(known, tail=self._now)
        return known if len(self._now) <= _MOST_TAILS else _finished(known)


def _finished(known: _Known) -> _Known:
    """With its tail among its needs."""
    if known.tail == {""}:
        return known
    needs = () if "" in known.tail else (known.tail,)
    always = needs if known.shuts else _anywhere(needs)
    return replace(
        known,
        groups=(*known.groups, *(needs if known.shuts is not False else always)),
        inner=(*known.inner, *always),
        shuts=_ends_words(known.tail),
        tail=frozenset({""}),
    )


def _with_runs(nodes: list[Any]) -> list[Any]:
    """The nodes, letters that follow each other as one string."""
    found: list[Any] = []
    run = ""
    for node in nodes:
        if node[0] is op.LITERAL and node[1] < _FIRST_SLOT:
            run += chr(node[1])
            continue
        if run:
            found.append(run)
            run = ""
        found.append(node)
    return [*found, run] if run else found


@cache
def _literal(text: str) -> _Known:
    return _Known(frozenset({text}))


@lru_cache(maxsize=4096)
def _beginnings(group: frozenset[str]) -> frozenset[str] | None:
    """The longest word of each string, as far as it is looked up, with a blank where it is whole; None where
    one string has none.
    """
    found: set[str] = set()
    for string in group:
        pieces = list(_PIECE.finditer(string))
        if not pieces:
            return None
        if _HAN.search(string):
            run = max(regex.findall(r"\p{Han}+", string) or [pieces[0].group()], key=len)
            found.add(run[:_LONGEST_HAN])
        else:
            longest = max(pieces, key=lambda piece: len(piece.group()))
            is_whole = string[longest.end() : longest.end() + 1] not in ("", "'")
            found.add((longest.group() + (" " if is_whole else ""))[:LONGEST])
    return frozenset(found)


def _is_found_anywhere(strings: frozenset[str]) -> bool:
    """Whether they are looked up within words, too."""
    return all(_ANYWHERE.match(string) for string in strings)


def _ends_words(strings: frozenset[str]) -> bool:
    return all(string and not string[-1].isalnum() and string[-1] != "'" for string in strings)


def _class(items: list[Any]) -> _Known:
    if all(kind is op.LITERAL for kind, _ in items) and len(items) <= 12:
        return _Known(frozenset(chr(value) for _, value in items))
    if items == [(op.CATEGORY, op.CATEGORY_DIGIT)] or items == [(op.RANGE, (ord("0"), ord("9")))]:
        return _Known(frozenset("0123456789"))
    is_blank = all(kind is op.CATEGORY and value is op.CATEGORY_SPACE for kind, value in items)
    return _BORDER if is_blank else _Known(None)


def _branch(alternatives: list[_Known]) -> _Known:
    if len(alternatives) == 1:
        return alternatives[0]
    known = [_finished(one) for one in alternatives]
    exact = [one.exact for one in known]
    if all(strings is not None for strings in exact):
        together = frozenset(string for strings in exact for string in strings or ())
        if len(together) <= MOST_STRINGS:
            return _Known(together)
    shut = {_shuts(one) for one in known}
    shuts = False if False in shut else (None if None in shut else True)
    return _Known(
        None,
        _all_of([_best(one.groups, one.exact) for one in known]),
        _all_of([_best(one.inner, _anywhere_or_none(one.exact)) for one in known]),
        shuts=shuts,
        first=next(iter(_all_of([_first_of(one) for one in known])), None),
    )


def _first_of(known: _Known) -> frozenset[str] | None:
    return known.first if known.exact is None else _filled(known.exact)


def _anywhere(groups: tuple[frozenset[str], ...]) -> tuple[frozenset[str], ...]:
    return tuple(group for group in groups if _is_found_anywhere(group))


def _anywhere_or_none(exact: frozenset[str] | None) -> frozenset[str] | None:
    return exact if exact is not None and _is_found_anywhere(exact) else None


def _all_of(groups: list[frozenset[str] | None]) -> tuple[frozenset[str], ...]:
    """One group in which each alternative has its own; none where one has none."""
    if any(group is None for group in groups):
        return ()
    return (frozenset(string for group in groups for string in group or ()),)


def _shuts(known: _Known) -> bool | None:
    if known.exact is None:
        return known.shuts
    return None if known.exact == {""} else _ends_words(known.exact)


def _best(groups: Iterable[frozenset[str]], exact: frozenset[str] | None) -> frozenset[str] | None:
    """The one need of an alternative that stands for it."""
    if exact is not None:
        return _filled(exact)
    return min(groups, key=lambda group: sum(_COST.get(len(word), 1) for word in group), default=None)


def _filled(strings: frozenset[str]) -> frozenset[str] | None:
    return strings if "" not in strings else None
