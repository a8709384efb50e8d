"""Output rules, compiled for the guard: by the word a match may begin with."""

import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import regex

from safety.cards.data import Number, countries
from safety.rules.lexicon import Lexicon
from safety.rules.loader import FOLDER, load_rules
from safety.rules.rule import OutputRule
from safety.verdict import Category, Severity

_SLOT_AND_SPACE = regex.compile(r"(\{([a-z_]+)\}) ")
_SPACE, _MAYBE_SPACE = r"[\s*_~,]+", r"[\s*_~]*"
_URL = regex.compile(r"(?:https?://|www\.)[^\s<>)\]\"'`]*", regex.IGNORECASE)
_HOST = regex.compile(r"(?:https?://)?(?:[^/?#@]*@)?([^/?#:]*)", regex.IGNORECASE)
_SHORT = 4  # digits; a shorter number is a hotline only after a word like "call"
_CALL_WORDS = ("call", "calling", "dial", "dialling", "dialing", "ring", "phone", "text", "contact")
_LABELLED = (
    r"(?:in|for|from|outside) (?:the )?(?:uk|u\.k\.|united kingdom|britain|england|scotland|wales"
    r"|us|u\.s\.|usa|united states|america)\b"
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing to look for from a given word on. `is_fine` may clear a match by its own text (a link)."""

    rule_id: str
    category: Category
    severity: Severity
    card: str
    pattern: regex.Pattern[str]
    unless: regex.Pattern[str] | None
    negatable: bool
    ends_at_match: bool = False
    is_fine: Callable[[str], bool] | None = None


@dataclass(frozen=True, slots=True)
class OutputMarkers:
    """What forbids advice, before or after it."""

    before: regex.Pattern[str]
    contrast: regex.Pattern[str]
    after: regex.Pattern[str]
    not_a_denial: regex.Pattern[str]


@dataclass(frozen=True, slots=True)
class OutputRuleset:
    """`words` finds the words of a text, of which `by_start` knows those a match may begin with; `prefixes`
    are all their beginnings, for a word not yet finished.
    """

    words: regex.Pattern[str]
    by_start: dict[str, tuple[Candidate, ...]]
    prefixes: frozenset[str]
    markers: OutputMarkers
    version: str


@cache
def output_ruleset(country: str | None) -> OutputRuleset:
    """The rules as shipped for a reader's country; None knows no foreign hotline."""
    data = load_rules()
    by_start: dict[str, list[Candidate]] = {}
    for rule in data.output_rules:
        for word, candidate in _advice(rule, data.lexicons[rule.language]):
            by_start.setdefault(word, []).append(candidate)
    for word, candidate in [*_links(), *_foreign_hotlines(country)]:
        by_start.setdefault(word, []).append(candidate)
    prefixes = frozenset(word[:size] for word in by_start for size in range(1, len(word) + 1))
    return OutputRuleset(
        _words(by_start), {w: tuple(c) for w, c in by_start.items()}, prefixes, _markers(), data.version
    )


def _words(starts: Iterable[str]) -> regex.Pattern[str]:
    """Whole words. Looking each of them up costs a tenth of a search for all starts; only a start with an
    apostrophe ("don't") must be named, since "can't" is to be found by its "can".
    """
    joined = [regex.escape(word) for word in sorted(starts) if not word.isalnum()]
    named = rf"(?:{'|'.join(joined)})(?![^\W_])|" if joined else ""
    return regex.compile(rf"(?<![^\W_])(?:{named}[^\W_]+)", regex.IGNORECASE)


def folded(word: str) -> str:
    """As `IGNORECASE` sees it: also a long s, a Kelvin sign and the Turkish forms of i."""
    if word.isascii():
        return word.lower()
    return word.casefold().replace("\u0131", "i").replace("\u0307", "")


def _advice(rule: OutputRule, lexicon: Lexicon) -> Iterator[tuple[str, Candidate]]:
    """One candidate per first word, with only those patterns that can begin with it."""
    patterns = [_compiled(_expanded(pattern, lexicon)) for pattern in rule.pattern]
    unless = "|".join(_expanded(pattern, lexicon) for pattern in rule.unless)
    for word in rule.start:
        possible = [p.pattern for p in patterns if p.match(word, partial=True)]
        if not possible:
            continue
        yield (
            word,
            Candidate(
                rule_id=rule.id,
                category=rule.category,
                severity=rule.severity,
                card=rule.card,
                pattern=_compiled("|".join(possible)),
                unless=regex.compile(rf"\b(?:{unless})\b", regex.IGNORECASE) if unless else None,
                negatable=rule.negatable,
            ),
        )


@cache
def _compiled(source: str) -> regex.Pattern[str]:
    return regex.compile(rf"(?:{source})\b", regex.IGNORECASE)


def _expanded(pattern: str, lexicon: Lexicon) -> str:
    # A slot that may be empty brings its own trailing space; the pattern must not ask for it twice.
    once = _SLOT_AND_SPACE.sub(lambda m: m[1] if _may_be_empty(m[2], lexicon) else m[0], pattern)
    return lexicon.expand(once, space=_SPACE, maybe_space=_MAYBE_SPACE).replace("'?", "['’]?")


def _may_be_empty(slot: str, lexicon: Lexicon) -> bool:
    return regex.fullmatch(lexicon.expand(f"{{{slot}}}"), "") is not None


def _markers() -> OutputMarkers:
    lexicons = load_rules().lexicons.values()

    def compiled(name: str) -> regex.Pattern[str]:
        source = "|".join(lexicon.any_of(lexicon.markers.get(name, ())) for lexicon in lexicons)
        return regex.compile(source.replace("'?", "['’]?"), regex.IGNORECASE)

    return OutputMarkers(
        compiled("output_before"),
        compiled("output_contrast"),
        compiled("output_after"),
        compiled("not_a_denial"),
    )


def _links() -> list[tuple[str, Candidate]]:
    link = Candidate(
        rule_id="untrusted_link",
        category=Category.UNTRUSTED_LINK,
        severity=Severity.NOTICE,
        card="correct_link",
        pattern=_URL,
        unless=None,
        negatable=False,
        ends_at_match=True,
        is_fine=_is_trusted,
    )
    return [(word, link) for word in ("http", "https", "www")]


def _is_trusted(url: str) -> bool:
    match = _HOST.match(url.removeprefix("www."))
    host = match.group(1).lower().rstrip(".,;:!") if match else ""
    return any(host == known or host.endswith("." + known) for known in _trusted_hosts())


@cache
def _trusted_hosts() -> frozenset[str]:
    return frozenset(tomllib.loads((FOLDER / "trusted_hosts.toml").read_text("utf-8"))["hosts"])


def _foreign_hotlines(country: str | None) -> list[tuple[str, Candidate]]:
    code = {"UK": "GB"}.get((country or "").upper(), (country or "").upper())
    if not code:
        return []
    own = {_digits(number) for number in (countries()[code].number if code in countries() else ())}
    foreign = {n for other, place in countries().items() if other != code for n in map(_digits, place.number)}
    return [entry for digits in sorted(foreign - own) for entry in _hotline(digits)]


def _digits(number: Number) -> str:
    return "".join(c for c in number.href.partition("?")[0] if c.isdigit())


def _hotline(digits: str) -> list[tuple[str, Candidate]]:
    spaced = r"[\s().-]{0,2}".join(digits)
    if len(digits) < _SHORT:
        words = "|".join(_CALL_WORDS)
        pattern, starts = rf"(?:{words}){_SPACE}(?:[\w'’]+{_SPACE}){{0,4}}{spaced}\b", list(_CALL_WORDS)
    else:
        pattern, starts = rf"{spaced}\b", [digits[:size] for size in range(1, len(digits) + 1)]
    hotline = Candidate(
        rule_id=f"foreign_hotline.{digits}",
        category=Category.UNSAFE_ADVICE,
        severity=Severity.NOTICE,
        card="correct_hotline",
        pattern=regex.compile(pattern, regex.IGNORECASE),
        unless=regex.compile(_LABELLED, regex.IGNORECASE),
        negatable=False,
    )
    return [(start, hotline) for start in starts]
