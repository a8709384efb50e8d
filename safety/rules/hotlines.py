"""Phone numbers in an answer that help somebody in another country, and nobody here."""

from collections.abc import Iterator
from functools import cache, partial

import regex

from safety.cards.data import Words, also_own, card_data, countries, languages
from safety.rules.candidate import Candidate
from safety.rules.loader import load_rules
from safety.verdict import Category, Severity

_SPACE = r"[\s*_~,]+"
_UNITS = (  # a number before one of these is no hotline
    "%|°|(?:m(?:in|g|l|m|s)|k?g|c[mc]|sec|h|d|w|ans)(?:[^\\w]|$)|minut|second|segund|sekund|hour|hora|heure"
    "|stund|day|d[ií]a|jour|tag|week|seman|semain|woch|month|m[eê]s|mois|monat|year|a[nñ]o|jahr|times|veces|fois"
    "|mal|degree|grad|percent"
    "|मिनट|घंट|दिन|हफ़|महीन|साल|दقي|دقي|ساع|يوم|أيام|أسبوع|شهر|سن|分|秒|小时|小時|天|周|週|个月|個月|岁|歲|度|毫|次"
)
_SHORT = 4  # digits; a shorter number is a hotline only after a word like "call"


def foreign_hotlines(country: str | None) -> list[tuple[str, Candidate]]:
    code = {"UK": "GB"}.get((country or "").upper(), (country or "").upper())
    if not code:
        return []
    own = set(_numbers_of(code)) if code in countries() else set()
    own |= {_digits(number.spoken) for number in also_own(code)}
    foreign = {digits for other in countries() if other != code for digits in _numbers_of(other)}
    return [entry for digits in sorted(foreign - own) for entry in _hotline(digits)]


def _numbers_of(code: str) -> Iterator[str]:
    """Digits of all numbers of a country, as they are called and as they are spoken."""
    for number in countries()[code].number:
        for written in (number.href.partition("?")[0], number.spoken):
            if digits := _digits(written):
                yield digits


def _digits(written: str) -> str:
    return "".join(char for char in written if char.isdecimal())


def _hotline(digits: str) -> list[tuple[str, Candidate]]:
    """A number that another country calls. A short one counts only beside a word like "call"."""
    spaced = r"[\s().-]{0,2}".join(digits) + rf"(?!\d|[\s.-]\d|\s*(?:{_UNITS}))"
    calls = "|".join(_call_words())
    if len(digits) < _SHORT:
        pattern = (
            rf"(?:{calls}){_SPACE}(?:[^\W\d][\w'’]*{_SPACE}){{0,4}}{spaced}"
            rf"|{spaced}{_SPACE}(?:[^\W\d][\w'’]*{_SPACE}){{0,2}}(?:{calls})\b"
            rf"|(?:{'|'.join(_call_signs())})[^,.;。，；0-9]{{0,6}}{spaced}"
        )
        starts = [*_call_words(), *_call_signs(), *_beginnings(digits)]
    else:
        pattern, starts = spaced, _beginnings(digits)
    hotline = Candidate(
        rule_id=f"foreign_hotline.{digits}",
        category=Category.UNSAFE_ADVICE,
        severity=Severity.NOTICE,
        card="correct_hotline",
        patterns=(cache(lambda: regex.compile(pattern, regex.IGNORECASE)),),
        unless=partial(_named_country, digits),
    )
    return [(start, hotline) for start in dict.fromkeys(starts)]


def _beginnings(digits: str) -> list[str]:
    return [digits[:size] for size in range(1, len(digits) + 1)]


@cache
def _call_words() -> tuple[str, ...]:
    """ "call", in every language with spaces between words."""
    lexicons = load_rules().lexicons.values()
    words = (
        word for lexicon in lexicons if lexicon.border != "none" for word in lexicon.markers.get("call", ())
    )
    return tuple(dict.fromkeys(words))


@cache
def _call_signs() -> tuple[str, ...]:
    """The same where words have no borders: single characters."""
    lexicons = load_rules().lexicons.values()
    return tuple(
        dict.fromkeys(
            w for lexicon in lexicons if lexicon.border == "none" for w in lexicon.markers.get("call", ())
        )
    ) or ("(?!)",)


@cache
def _named_country(digits: str) -> regex.Pattern[str] | None:
    """Where a number's country is named beside it, it is information: "116 123 in the UK"."""
    codes = [code for code in countries() if digits in _numbers_of(code)]
    names = {words.countries.get(code, "") for words in _all_words() for code in codes}
    names |= {short for code in codes for short in _SHORT_NAMES.get(code, ())}
    return regex.compile(
        rf"(?<!\w)(?:{'|'.join(map(regex.escape, sorted(filter(None, names))))})(?!\w)", regex.IGNORECASE
    )


_SHORT_NAMES = {
    "GB": ("UK", "U.K.", "Britain", "United Kingdom", "England", "Scotland", "Wales"),
    "US": ("US", "U.S.", "USA", "United States", "America"),
}


def _all_words() -> list[Words]:
    return [card_data(language)[1] for language in languages()]
