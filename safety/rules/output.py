"""Output rules, compiled for the guard: by the word a match may begin with."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import chain

import regex

from safety.rules.candidate import Candidate
from safety.rules.hotlines import foreign_hotlines
from safety.rules.keys import Hints, TellingWords, hints_by_rule
from safety.rules.lexicon import Border, Lexicon
from safety.rules.links import links
from safety.rules.loader import load_rules
from safety.rules.rule import OutputRule
from safety.rules.ruleset import code_version, ruleset

_SLOT_AND_SPACE = regex.compile(r"(\{([a-z_]+)\}) ")
_SPACE, _MAYBE_SPACE = r"[\s*_~,]+", r"[\s*_~]*"
_LETTER = r"[^\W_\p{Han}]"  # Chinese has no borders between words: each character is looked up
_APOSTROPHE = regex.compile("['’-]")
_HAN = regex.compile(r"\p{Han}")
type Compiled = Callable[[], regex.Pattern[str]]


@dataclass(frozen=True, slots=True)
class OutputRuleset:
    """`words` finds the words of a text, of which `by_start` knows those a match may begin with; `prefixes`
    are the beginnings of those that are held back themselves, for a word not yet finished. `telling` are the
    others' telling words. `own`: words that only one language has.
    """

    words: regex.Pattern[str]
    by_start: dict[str, tuple[Candidate, ...]]
    prefixes: frozenset[str]
    telling: TellingWords
    own: dict[str, str]
    version: str

    def language_of(self, word: str) -> str | None:
        """The only language that has a folded word."""
        return "zh" if _HAN.match(word) else self.own.get(word)

    def to_compile(self) -> Iterator[Callable[[], object]]:
        """What compiles each candidate, so that no answer waits for it: some seconds in all."""
        whole = {id(c): c for candidates in self.by_start.values() for c in candidates}
        for candidate in whole.values():
            yield from (*candidate.patterns, candidate.unless)


def compile_rules() -> Iterator[Callable[[], object]]:
    """What compiles each sign and each passage of all languages: some twenty seconds in all."""
    return chain(ruleset().to_compile(), output_ruleset(None).to_compile())


@cache
def output_ruleset(country: str | None) -> OutputRuleset:
    """The rules as shipped for a reader's country; None knows no foreign hotline."""
    by_start: dict[str, list[Candidate]] = {}
    for word, candidate in [*_all_advice(), *foreign_hotlines(country)]:
        by_start.setdefault(folded(word), []).append(candidate)
    starts = {word: tuple(candidates) for word, candidates in by_start.items()}
    telling = _telling()
    holding = [word for word, candidates in starts.items() if _holds(word, candidates, telling)]
    prefixes = frozenset(word[:size] for word in holding for size in range(1, len(word) + 1))
    return OutputRuleset(_words(by_start), starts, prefixes, telling, _own_words(), load_rules().version)


def _holds(start: str, candidates: Iterable[Candidate], telling: TellingWords) -> bool:
    """Whether an answer is held from this word on: where nothing else tells, or the word itself does."""
    told = frozenset[str]().union(*(keys for _, keys in telling.in_word(start)))
    return any(not c.keys or not told.isdisjoint(c.keys) for c in candidates)


@cache
def _all_advice() -> tuple[tuple[str, Candidate], ...]:
    """What is the same for readers of all countries, with what is compiled of it."""
    data = load_rules()
    hints = hints_by_rule(data, code_version())
    rules = ((rule, data.lexicons[rule.language]) for rule in data.output_rules)
    return (*(found for rule, lexicon in rules for found in _advice(rule, lexicon, hints[rule.id])), *links())


@cache
def _telling() -> TellingWords:
    return TellingWords(key for _, candidate in _all_advice() for key in candidate.keys)


@cache
def _own_words() -> dict[str, str]:
    """Words that tell a language; those of two letters tell little."""
    return {word: language for word, language in ruleset().words.own.items() if len(word) > 2}


def _words(starts: Iterable[str]) -> regex.Pattern[str]:
    """Whole words. Looking each of them up costs a tenth of a search for all starts; only a start with an
    apostrophe ("don't") must be named, since "can't" is to be found by its "can".
    """
    joined = [regex.escape(word) for word in sorted(starts) if _APOSTROPHE.search(word)]
    named = rf"(?:{'|'.join(joined)})(?!{_LETTER})|" if joined else ""
    return regex.compile(rf"\p{{Han}}|(?<!{_LETTER})(?:{named}{_LETTER}+)", regex.IGNORECASE)


def folded(word: str) -> str:
    """As `IGNORECASE` sees it: also a long s, a Kelvin sign and the Turkish forms of i."""
    if word.isascii():
        return word.lower()
    return word.casefold().replace("\u0131", "i").replace("\u0307", "")


def _advice(rule: OutputRule, lexicon: Lexicon, hints: Hints) -> Iterator[tuple[str, Candidate]]:
    """For each first word one candidate for the patterns with a telling word, and one for those without."""
    compiled = [partial(_compiled, _expanded(pattern, lexicon), lexicon.border) for pattern in rule.pattern]
    made: dict[tuple[int, ...], list[Candidate]] = {}
    for word, numbers in zip(rule.start, hints.by_start, strict=True):
        possible = tuple(numbers)
        if possible not in made:
            made[possible] = list(_candidates(rule, [(hints.keys[n], compiled[n]) for n in possible]))
        yield from ((word, candidate) for candidate in made[possible])


def _candidates(rule: OutputRule, patterns: Sequence[tuple[Sequence[str], Compiled]]) -> Iterator[Candidate]:
    by_keys: dict[frozenset[str], list[Compiled]] = {}
    for keys, compiled in patterns:
        by_keys.setdefault(frozenset(keys), []).append(compiled)
    if untold := by_keys.pop(frozenset(), []):
        yield _candidate(rule, untold)
    if by_keys:
        parts = tuple(replace(_candidate(rule, told), keys=keys) for keys, told in by_keys.items())
        telling = frozenset().union(*by_keys)
        told = [compiled for patterns in by_keys.values() for compiled in patterns]
        yield replace(_candidate(rule, told), keys=telling, parts=parts)


def _candidate(rule: OutputRule, patterns: Iterable[Compiled]) -> Candidate:
    return Candidate(
        rule_id=rule.id,
        category=rule.category,
        severity=rule.severity,
        card=rule.card,
        patterns=tuple(patterns),
        unless=partial(_exceptions, rule.unless, rule.language),
        language=rule.language,
        negatable=rule.negatable,
    )


@cache
def _exceptions(patterns: tuple[str, ...], language: str) -> regex.Pattern[str] | None:
    lexicon = load_rules().lexicons[language]
    source = "|".join(_expanded(pattern, lexicon) for pattern in patterns)
    border = "" if lexicon.border == "none" else r"\b"
    return regex.compile(f"{border}(?:{source}){border}", regex.IGNORECASE) if source else None


@cache
def _compiled(source: str, border: Border) -> regex.Pattern[str]:
    return regex.compile(f"(?:{source})" + ("" if border == "none" else r"\b"), regex.IGNORECASE)


def _expanded(pattern: str, lexicon: Lexicon) -> str:
    # A slot that may be empty brings its own trailing space; the pattern must not ask for it twice.
    once = _SLOT_AND_SPACE.sub(lambda m: m[1] if _may_be_empty(m[2], lexicon) else m[0], pattern)
    return lexicon.expand(once, space=_SPACE, maybe_space=_MAYBE_SPACE).replace("'?", "['’]?")


def _may_be_empty(slot: str, lexicon: Lexicon) -> bool:
    return regex.fullmatch(lexicon.expand(f"{{{slot}}}"), "") is not None
