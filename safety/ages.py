"""Ages and weeks of pregnancy as parents write them: "6wk old", "my 2 month old", "36+4", "newborn"."""

import regex

_NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12,
}  # fmt: skip
_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}
_COUNT = rf"(?P<count>\d{{1,3}}|{'|'.join(_NUMBERS)})"
_UNIT = r"(?P<unit>days?|weeks?|wks?|months?|mths?|mos?|years?|yrs?|[dwmy])"
_OLD = r"(?:[ -]?(?:olds?|of age|and a half)\b|/o\b)"
_AGE = regex.compile(
    rf"\b(?:my|our|the|a|her|his|this|at|only|just|is|aged?) {_COUNT}[ -]?{_UNIT}\b"
    rf"(?! (?:ago|pregnant|now|straight|late))"
    rf"|\b{_COUNT}[ -]?{_UNIT}{_OLD}"
)
_BORN_AGO = regex.compile(
    rf"\b(?:born|gave birth|delivered|had (?:him|her|the baby|my baby)) {_COUNT} {_UNIT} ago"
)
_NEWBORN = regex.compile(
    r"\bnew ?-?born|\bnb\b|\b\d{1,2} ?(?:hours?|hrs?)[ -]old\b"
    r"|\bborn (?:yesterday|today|last night|this (?:morning|week))"
)
_WEEK = regex.compile(
    r"\b(\d{1,2})(?:\+\d| and \d days?)? ?-?(?:weeks?|wks?|w)(?: \w+)? (?:pregnant|preg|along|gestation)\b"
    r"|\bpregnant[ ,(]+(?:at |with |and |about )?(\d{1,2})(?:\+\d)? ?(?:weeks?|wks?|w)\b"
    r"|\b(?:i'?m|im|at|only|am) (\d{1,2})\+?\d? ?(?:weeks|wks|w)\b(?! ?-?(?:old|ago|post))|\b(\d\d)\+[0-6]\b"
)
NEWBORN_DAYS = 14


def ages_in_days(folded: str) -> tuple[int, ...]:
    """Every child's age the text gives, in days. A duration ("for 3 days") is not an age."""
    ages = [_days(m) for pattern in (_AGE, _BORN_AGO) for m in pattern.finditer(folded)]
    return tuple(ages + [NEWBORN_DAYS] * (_NEWBORN.search(folded) is not None))


def _days(match: regex.Match[str]) -> int:
    count, unit = match.group("count"), match.group("unit")
    return (int(count) if count.isdigit() else _NUMBERS[count]) * _DAYS[unit[0]]


def pregnancy_week(folded: str) -> int | None:
    """The week of pregnancy the text gives, if it is a possible one."""
    match = _WEEK.search(folded)
    week = int(next(g for g in match.groups() if g)) if match else 0
    return week if 3 <= week <= 43 else None
