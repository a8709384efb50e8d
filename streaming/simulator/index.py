"""Full-text search over the passages: SQLite's FTS5, in memory."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import log

from streaming.simulator.passages import Passage, Span
from streaming.simulator.question import Moment, Question, Term

TOPIC, TITLE, KEYWORDS, TEXT = 3.0, 6.0, 5.0, 1.0
OTHER_WORD = 0.7
"""What a word that stands for the parent's own counts beside it."""
PHRASE = 0.8
"""What two words that also follow one another in the passage count on top."""
FITS, MISSES = 1.2, 0.55
FITS_CLOSELY = 1.6
"""For a passage about little else than the time asked about: half a year, or ten weeks of pregnancy."""
CLOSE_MONTHS, CLOSE_WEEKS = 6, 10
LEAST_COVERED = 0.45
"""How much of the question, rare words counting more, a passage must hold to be an answer."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage, its rank, and how it fits the time of life asked about.

    `meant`: the question names only a time, and this passage is about the earlier question at that time.
    """

    passage: Passage
    score: float
    fit: float
    meant: bool = False

    @property
    def fits(self) -> bool:
        return self.fit >= 1


class Index:
    """Answers from one thread only, as SQLite connections do."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = passages
        self._database = sqlite3.connect(":memory:")
        self._database.execute(
            "CREATE VIRTUAL TABLE passage "
            "USING fts5(topic, title, keywords, text, tokenize='porter unicode61')"
        )
        rows = [
            (number, p.topic.replace("_", " "), p.title, ", ".join(p.keywords), p.text)
            for number, p in enumerate(passages)
        ]
        self._database.executemany(
            "INSERT INTO passage(rowid, topic, title, keywords, text) VALUES (?, ?, ?, ?, ?)", rows
        )

    def close(self) -> None:
        self._database.close()

    def search(self, question: Question, most: int = 5) -> list[Hit]:
        """The best passages that cover the question, best first."""
        found = [self._ranks_of(term) for term in question.terms]
        named = self._named(question.terms) if question.only_when else frozenset()
        ranked = [*found, *self._phrases(question.terms)]
        covered = self._coverage(question.terms, found)
        hits = []
        for number, share in covered.items():
            hit = self._hit(number, sum(ranks.get(number, 0.0) for ranks in ranked), question.moment)
            hit = replace(hit, meant=number in named and hit.fit == FITS_CLOSELY)
            if hit.meant or share >= LEAST_COVERED:
                hits.append(hit)
        return sorted(hits, key=lambda hit: (hit.meant, hit.score), reverse=True)[:most]

    def _coverage(self, terms: Sequence[Term], found: Sequence[Mapping[int, float]]) -> dict[int, float]:
        """By passage number, how much of the question it holds: a share, in which rare words count more."""
        rarities = [term.weight * self._rarity(len(ranks)) for term, ranks in zip(terms, found, strict=True)]
        held: dict[int, float] = {}
        for rarity, ranks in zip(rarities, found, strict=True):
            for number in ranks:
                held[number] = held.get(number, 0.0) + rarity / sum(rarities)
        return held

    def knows(self, word: Term) -> bool:
        return bool(self._ranks_of(word))

    def _hit(self, number: int, score: float, moment: Moment) -> Hit:
        passage = self.passages[number]
        fit = fitness(passage, moment)
        return Hit(passage, score * fit, fit)

    def _named(self, terms: Sequence[Term]) -> frozenset[int]:
        """The passages whose title or topic holds one of the terms."""
        found: frozenset[int] = frozenset()
        for word in (word for term in terms for word in (term.word, *term.others)):
            found |= self._match(word, 1.0, "{topic title} : ").keys()
        return found

    def _rarity(self, passages: int) -> float:
        return log(1 + (len(self.passages) + 0.5) / (passages + 0.5))

    def _ranks_of(self, term: Term) -> dict[int, float]:
        ranks = self._match(term.word, term.weight)
        for other in term.others:
            for number, rank in self._match(other, term.weight * OTHER_WORD).items():
                ranks[number] = max(rank, ranks.get(number, 0.0))
        return ranks

    def _phrases(self, terms: Sequence[Term]) -> list[dict[int, float]]:
        return [self._match(f"{one.word} {two.word}", PHRASE * two.weight) for one, two in pairwise(terms)]

    def _match(self, phrase: str, weight: float, where: str = "") -> dict[int, float]:
        """Rank by passage number, above zero. `phrase` holds letters, digits and blanks only."""
        rows = self._database.execute(
            "SELECT rowid, -bm25(passage, ?, ?, ?, ?) FROM passage WHERE passage MATCH ?",
            (TOPIC, TITLE, KEYWORDS, TEXT, f'{where}"{phrase}"'),
        )
        return {number: rank * weight for number, rank in rows}


def fitness(passage: Passage, moment: Moment) -> float:
    """More than 1 where a passage is for the moment asked about, less where it is for another."""
    if moment.week is not None and passage.weeks:
        return _fit(moment.week, passage.weeks, CLOSE_WEEKS)
    if moment.age_months is not None and passage.ages_months:
        return _fit(moment.age_months, passage.ages_months, CLOSE_MONTHS)
    if moment and (passage.weeks or passage.ages_months):
        return MISSES  # it is for the other side of birth
    return 1.0


def _fit(value: float, span: Span, close: int) -> float:
    start, end = span
    if not start <= value < end:
        return MISSES
    return FITS_CLOSELY if end - start <= close else FITS
