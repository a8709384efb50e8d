"""What a parent asks: the words worth looking for, and the age or week they speak of. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streaming.simulator.vocabulary import EXPANDED, FOREIGN, PHRASES, SAME, SCRIPTS, STOP

_NUMBER_WORDS = "zero one two three four five six seven eight nine ten eleven twelve"
NUMBERS = {word: number for number, word in enumerate(_NUMBER_WORDS.split())}
STAGES = {"newborn": 0.0, "newborns": 0.0, "toddler": 18.0, "toddlers": 18.0}
STAGE_WEIGHT = 0.3
"""Such a word mostly says when, which `Moment` holds already."""
MONTHS_IN = {"d": 12 / 365, "w": 12 / 52, "m": 1.0, "y": 12.0}
LAST_WEEK = 42

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_NUMBER = r"\b(\d{1,2}|" + "|".join(NUMBERS) + r"|an?)[\s-]*"
_AGE = re.compile(_NUMBER + r"(day|week|wk|month|mo|year|yr)s?\W+old\b")
# Without "old" it must not be how long or how often something lasts.
_TIME = re.compile(
    r"(?<!for )(?<!in )(?<!last )(?<!past )(?<!every )"
    + _NUMBER
    + r"(week|wk|month|mo|year|yr)s?\b(?!\s+ago)"
)
_WEEK_NUMBER = re.compile(r"\bweek\s+(\d{1,2})\b")
_PREGNANT = re.compile(r"\b(pregnan\w*|trimester|gestation|expecting|preggo|preggers)\b")
_LEADS_ON = re.compile(r"^(and|but|or|so|then|also|what about|how about|what if|why|tell me more|more)\b")
_POINTS_BACK = re.compile(r"\b(it|that|this|they|them|those|these|then|instead|more)\b")


@dataclass(frozen=True, slots=True)
class Moment:
    """Of which time of life the question speaks. Both are None when it does not say."""

    age_months: float | None = None
    week: int | None = None

    def __bool__(self) -> bool:
        return self.age_months is not None or self.week is not None


@dataclass(frozen=True, slots=True)
class Term:
    """A word to look for, the words that may stand for it, and how much it counts."""

    word: str
    others: tuple[str, ...] = ()
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Question:
    """`terms` in the order of the text. `asked`: the words of the last turn alone."""

    terms: tuple[Term, ...]
    moment: Moment
    asked: tuple[str, ...]

    @property
    def only_when(self) -> bool:
        """Whether the last turn names a time and nothing else: "and at six months?"."""
        return not self.asked and bool(self.moment) and bool(self.terms)


def read_question(turns: Sequence[str]) -> Question:
    """The question in the last of a person's turns, with what it leaves to the earlier ones."""
    *earlier, last = turns
    own = _words(last)
    terms = list(_terms(own, 1.0))
    moment = moment_of(last, _speaks_of_pregnancy(turns))
    if leads_on(last):
        for turn in reversed(earlier):
            known = {term.word for term in terms}
            terms += [term for term in _terms(_words(turn), 0.5) if term.word not in known]
            moment = moment or moment_of(turn, _speaks_of_pregnancy(turns))
            if not leads_on(turn):
                break
    return Question(tuple(terms), moment, tuple(own))


def leads_on(text: str) -> bool:
    """Whether a turn needs the ones before it to be understood."""
    lowered = text.strip().lower()
    words = _words(lowered)
    if not words:
        return True
    if _LEADS_ON.match(lowered):
        return len(words) <= 3
    return len(words) <= 2 and bool(_POINTS_BACK.search(lowered))


def _speaks_of_pregnancy(turns: Sequence[str]) -> bool:
    return any(_PREGNANT.search(turn.lower()) for turn in turns)


def _words(text: str) -> list[str]:
    lowered = text.lower().replace("’", "'")
    for phrase, word in PHRASES.items():
        lowered = re.sub(rf"\b{re.escape(phrase)}\b", word, lowered)
    return [word for word in map(_bare, _WORD.findall(lowered)) if _says_something(word)]


def _bare(word: str) -> str:
    """`baby's` is baby; `won't` is wont, which says nothing."""
    return word.removesuffix("'s").replace("'", "")


def _says_something(word: str) -> bool:
    return word not in STOP and not word[0].isdigit() and len(word) > 1


def _terms(words: Sequence[str], weight: float) -> Iterator[Term]:
    for word in dict.fromkeys(words):
        yield Term(word, _others(word), weight * (STAGE_WEIGHT if word in STAGES else 1))


def _others(word: str) -> tuple[str, ...]:
    same = [other for line in SAME if word in (group := line.split()) for other in group]
    return tuple(dict.fromkeys(other for other in (*EXPANDED.get(word, ()), *same) if other != word))


def moment_of(text: str, pregnant: bool = False) -> Moment:
    """The age or the week of pregnancy that a text names."""
    lowered = text.lower()
    if found := _WEEK_NUMBER.search(lowered):
        return Moment(week=int(found[1]))
    if found := _AGE.search(lowered):
        return Moment(age_months=_number(found[1]) * MONTHS_IN[found[2][0]])
    if (found := _TIME.search(lowered)) and found[1] not in ("a", "an"):
        return _bare_time(_number(found[1]), found[2][0], pregnant)
    return next((Moment(STAGES[word]) for word in _WORD.findall(lowered) if word in STAGES), Moment())


def _bare_time(amount: int, unit: str, pregnant: bool) -> Moment:
    """30 weeks are a pregnancy. 6 weeks, or months, are a baby's unless someone is pregnant."""
    if unit == "w" and amount <= LAST_WEEK and (pregnant or amount > 12):
        return Moment(week=amount)
    return Moment(age_months=amount * MONTHS_IN[unit])


def _number(text: str) -> int:
    return int(text) if text.isdigit() else NUMBERS.get(text, 1)


def foreign_notice(text: str) -> str | None:
    """What to say, in their language, to someone who does not write English; "" when we do not know it."""
    letters = [letter for letter in text if letter.isalpha()]
    foreign = [letter for letter in letters if letter > "\u024f"]
    if letters and len(foreign) * 2 > len(letters):
        return next((said for low, high, said in SCRIPTS if low <= foreign[0] <= high), "")
    words = set(map(str.lower, _WORD.findall(text)))
    known = {said: len(words & set(marks.split())) for said, marks in FOREIGN.items()}
    said = max(known, key=lambda name: known[name])
    return said if known[said] >= 2 and known[said] > len(words & STOP) else None
