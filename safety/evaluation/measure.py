"""What is counted, each as one function from texts to figures. Nothing here prints."""

import random
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from time import perf_counter

import regex

from safety.check import perform_comprehensive_safety_check
from safety.evaluation import naive
from safety.evaluation.datasets import Dataset
from safety.evaluation.disguise import DISGUISES, mistyped
from safety.evaluation.suite import Pair, Sentence
from safety.guard import OutputGuard
from safety.verdict import Action, Category, Verdict

SEED = 20261123
_ESCALATES = (Action.ESCALATE_CARD, Action.CARD_ONLY, Action.BLOCK)
_TOKEN = regex.compile(r"\s*(?:\p{Han}{1,2}|[^\s\p{Han}]{1,6})")
_COALESCED = 3  # tokens in a text, at 50 tokens a second and the default window


@dataclass(slots=True)
class Share:
    """`hits` of `of`, with the bounds of a 95 % interval (Wilson)."""

    hits: int = 0
    of: int = 0

    def add(self, hit: bool) -> None:
        self.hits += hit
        self.of += 1

    @property
    def value(self) -> float | None:
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        if not self.of:
            return 0.0, 1.0
        z, n, p = 1.96, self.of, self.hits / self.of
        middle, half = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))


def escalates(verdict: Verdict) -> bool:
    return verdict.action in _ESCALATES


def meets(sentence: Sentence, verdict: Verdict) -> bool:
    """Whether what was wanted was done. Another category's card counts: the parent is helped."""
    match sentence.expect:
        case "escalate":
            return escalates(verdict)
        case "notice":
            return verdict.action is not Action.ALLOW
        case _:
            return not escalates(verdict)


def judged(sentence: Sentence, text: str | None = None) -> Verdict:
    return perform_comprehensive_safety_check(
        sentence.text if text is None else text, country=sentence.country, profile=sentence.profile
    )


# --- Sentences ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Recall:
    """By (language, category): ours, the naive list's; and which rules gave false alarms."""

    ours: dict[tuple[str, str], Share] = field(default_factory=lambda: defaultdict(Share))
    naive: dict[tuple[str, str], Share] = field(default_factory=lambda: defaultdict(Share))
    alarms: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    """Ids only: who reads them may not write rules."""

    def total(
        self, *, category: str | None = None, language: str | None = None, naive: bool = False
    ) -> Share:
        table = self.naive if naive else self.ours
        chosen = [
            share
            for (spoken, about), share in table.items()
            if category in (None, about) and language in (None, spoken)
        ]
        return Share(sum(s.hits for s in chosen), sum(s.of for s in chosen))


def recall(sentences: Iterable[Sentence]) -> Recall:
    found = Recall()
    for sentence in sentences:
        verdict = judged(sentence)
        key = sentence.language, sentence.category
        is_met = meets(sentence, verdict)
        found.ours[key].add(is_met)
        found.naive[key].add(naive.finds(sentence.text) is (sentence.expect != "allow"))
        if not is_met:
            found.missed.append(sentence.id)
            if sentence.expect == "allow":
                found.alarms.update(_alarming(verdict))
    return found


def _alarming(verdict: Verdict) -> set[str]:
    return {finding.rule_id for finding in verdict.findings if finding.action in _ESCALATES}


@dataclass(frozen=True, slots=True)
class Disguised:
    """`kept[name]`: of the sentences found plain, how many were found in this disguise."""

    kept: dict[str, Share]
    mistyped: Share

    @property
    def ratio(self) -> float | None:
        return Share(sum(s.hits for s in self.kept.values()), sum(s.of for s in self.kept.values())).value


def disguised(sentences: Iterable[Sentence]) -> Disguised:
    """Only sentences that are found as they stand: the ratio to them is what a disguise costs."""
    chance = random.Random(SEED)  # noqa: S311
    kept: dict[str, Share] = {name: Share() for name in DISGUISES}
    slips = Share()
    for sentence in sentences:
        if sentence.expect != "escalate" or not meets(sentence, judged(sentence)):
            continue
        for name, disguise in DISGUISES.items():
            hidden = disguise(sentence.text, chance)
            if hidden != sentence.text:
                kept[name].add(meets(sentence, judged(sentence, hidden)))
        if (wrong := mistyped(sentence.text, chance)) != sentence.text:
            slips.add(meets(sentence, judged(sentence, wrong)))
    return Disguised(kept, slips)


# --- Other people's sets ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """`share`: false escalations, or what was found. For personal data `by_kind` says how much of each."""

    dataset: Dataset
    share: Share
    rules: Counter[str]
    by_kind: dict[str, Share] = field(default_factory=dict)


def outcome(dataset: Dataset) -> Outcome:
    if dataset.kind == "personal_data":
        return _masked(dataset)
    share, rules = Share(), Counter[str]()
    for text in dataset.texts:
        verdict = perform_comprehensive_safety_check(text)
        is_hit = _is_found(dataset, verdict)
        share.add(is_hit)
        if is_hit:
            rules.update(_alarming(verdict))
    return Outcome(dataset, share, rules)


def _is_found(dataset: Dataset, verdict: Verdict) -> bool:
    if dataset.kind == "injection":
        return Category.INJECTION in verdict.categories
    if dataset.kind == "hazard":
        return verdict.action is not Action.ALLOW
    return escalates(verdict)


def _masked(dataset: Dataset) -> Outcome:
    by_kind: dict[str, Share] = defaultdict(Share)
    for text, labels in zip(dataset.texts, dataset.labels, strict=True):
        shown = perform_comprehensive_safety_check(text).masked_text
        for kind, value in labels:
            by_kind[kind].add(value not in shown)
    whole = Share(sum(s.hits for s in by_kind.values()), sum(s.of for s in by_kind.values()))
    return Outcome(dataset, whole, Counter(), dict(by_kind))


# --- The guard ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Guarded:
    """`held`: characters held back after each token. `leaked`: characters of a withheld passage that came
    out, over every cut. `differing`: answers for which the cut made a difference.
    """

    stopped: dict[str, Share] = field(default_factory=lambda: defaultdict(Share))
    false_stops: dict[str, Share] = field(default_factory=lambda: defaultdict(Share))
    held: list[int] = field(default_factory=list)
    leaked: int = 0
    differing: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)

    def all_stopped(self, language: str | None = None) -> Share:
        return _sum(self.stopped, language)

    def all_false_stops(self, language: str | None = None) -> Share:
        return _sum(self.false_stops, language)


def _sum(table: dict[str, Share], language: str | None) -> Share:
    chosen = [share for spoken, share in table.items() if language in (None, spoken)]
    return Share(sum(s.hits for s in chosen), sum(s.of for s in chosen))


def guarded(pairs: Iterable[Pair]) -> Guarded:
    found = Guarded()
    for pair in pairs:
        for text, is_unsafe in ((pair.unsafe, True), (pair.safe, False)):
            hit = _every_cut(text, pair.country, found)
            (found.stopped if is_unsafe else found.false_stops)[pair.language].add(hit is not None)
            if hit is not None and not is_unsafe:
                found.rules[hit] += 1
            if (hit is not None) is not is_unsafe:
                found.missed.append(f"{pair.id} {'unsafe' if is_unsafe else 'safe'}")
    return found


def _every_cut(text: str, country: str | None, found: Guarded) -> str | None:
    """Feed an answer in every way it may be cut; gives the rule that stopped it."""
    results = set()
    for name, cut in CUTS.items():
        guard, shown = OutputGuard(country=country), ""
        release = None
        for fed, piece in _growing(cut(text)):
            release = guard.feed(piece)
            shown += release.text
            if name == "tokens":
                found.held.append(fed - len(shown))
            if release.hit:
                break
        if release is None or not release.hit:
            release = guard.close()
            shown += release.text
        if release.hit:
            found.leaked += max(0, len(shown) - release.hit.offset)
        results.add((shown, release.hit.rule_id if release.hit else None))
    found.differing += len(results) > 1
    return sorted(results, key=str)[0][1]


def _growing(pieces: Iterable[str]) -> Iterator[tuple[int, str]]:
    fed = 0
    for piece in pieces:
        fed += len(piece)
        yield fed, piece


def tokens(text: str) -> list[str]:
    """About as a model cuts it: the blank belongs to what follows."""
    found = _TOKEN.findall(text)
    rest = text[sum(map(len, found)) :]
    return [*found, rest] if rest else found


def coalesced(text: str) -> list[str]:
    pieces = tokens(text)
    return ["".join(pieces[at : at + _COALESCED]) for at in range(0, len(pieces), _COALESCED)]


CUTS: dict[str, Callable[[str], Sequence[str]]] = {
    "characters": list,
    "tokens": tokens,
    "coalesced": coalesced,
    "sevens": lambda text: [text[at : at + 7] for at in range(0, len(text), 7)],
    "whole": lambda text: [text],
}


def guard_time(answers: Sequence[str], cut: Callable[[str], Sequence[str]]) -> float:
    """Microseconds of the guard per token."""
    count, seconds = 0, 0.0
    for answer in answers:
        pieces = cut(answer)
        count += len(tokens(answer))
        guard = OutputGuard(canary="nightlight-0123456789ab")
        began = perf_counter()
        for piece in pieces:
            guard.feed(piece)
        guard.close()
        seconds += perf_counter() - began
    return seconds * 1e6 / max(1, count)


# --- Time ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of one check."""

    length: int
    p50: float
    p99: float
    most: float


def latency(texts: Mapping[str, Sequence[str]], length: int, count: int) -> Latency:
    """Texts of `length` characters: whole sentences of one language (`texts` by language), dangerous and
    harmless ones in a chance order.
    """
    chance = random.Random(SEED)  # noqa: S311
    languages = sorted(texts)
    times = []
    for number in range(count):
        text = _of_length(texts[languages[number % len(languages)]], length, chance)
        began = perf_counter()
        perform_comprehensive_safety_check(text)
        times.append((perf_counter() - began) * 1000)
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return Latency(length, cuts[49], cuts[98], max(times))


def _of_length(texts: Sequence[str], length: int, chance: random.Random) -> str:
    parts, size = [], 0
    while size < length:
        parts.append(chance.choice(texts))
        size += len(parts[-1]) + 2
    return ". ".join(parts)[:length]
