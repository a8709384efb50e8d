"""Personal data in a text: found by pattern, checked where a check digit exists, masked for logs and remotes.

Never a reason to block. Names and addresses are out of scope; phone numbers are found by simple patterns.
"""

import ipaddress
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import regex

from safety.verdict import Action, Category, Finding, Severity


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    pattern: regex.Pattern[str]
    is_valid: Callable[[str], bool]


def _digits(text: str) -> list[int]:
    return [int(c) for c in text if c.isdigit()]


def _passes_luhn(text: str) -> bool:
    digits = _digits(text)
    doubled = (sum(divmod(2 * d, 10)) if at % 2 else d for at, d in enumerate(reversed(digits)))
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and sum(doubled) % 10 == 0


def _is_iban(text: str) -> bool:
    compact = regex.sub(r"[ -]", "", text).upper()
    moved = compact[4:] + compact[:4]
    return 15 <= len(compact) <= 34 and int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def _is_ssn(text: str) -> bool:
    area, group, serial = regex.split(r"[- ]", text)
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_phone(text: str) -> bool:
    return 8 <= len(_digits(text)) <= 15


_EMAIL = regex.compile(r"(?<![\w.+-])[\w.+-]{1,64}+@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
_IBAN = regex.compile(r"(?<!\w)[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]{4}){2,7}(?:[ -]?[A-Za-z0-9]{1,4})?(?!\w)")
_CARD = regex.compile(r"(?<![\w.])\d(?:[ -]?\d){12,18}(?![\w])")
_SSN = regex.compile(r"(?<![\w-])\d{3}([- ])\d{2}\1\d{4}(?![\w-])")
_IP = regex.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w:])"
)
_PHONE = regex.compile(
    r"(?<![\w.+])(?:\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,5}\d"
    r"|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}|0\d{2,4}[ .-]?\d{3,4}[ .-]?\d{3,4})(?:x\d{1,5})?(?![\w])"
)

_KINDS = (
    _Kind("email", _EMAIL, bool),
    _Kind("iban", _IBAN, _is_iban),
    _Kind("card", _CARD, _passes_luhn),
    _Kind("ssn", _SSN, _is_ssn),
    _Kind("ip", _IP, _is_address),
    _Kind("phone", _PHONE, _is_phone),
)


def personal_data(display: str) -> tuple[Finding, ...]:
    """One finding per place, the surer kind first where two overlap."""
    found: list[Finding] = []
    for kind in _KINDS:
        taken = [finding.span for finding in found]
        places = [place for place in _places(kind, display) if _is_free(place, taken)]
        found = sorted([*found, *(_finding(kind.name, *place) for place in places)], key=lambda f: f.span)
    return tuple(found)


def _is_free(place: tuple[int, int], taken: list[tuple[int, int]]) -> bool:
    """Whether a place overlaps none of those `taken`, which are sorted and do not overlap each other."""
    start, end = place
    after = bisect_left(taken, place)
    return (after == len(taken) or taken[after][0] >= end) and (after == 0 or taken[after - 1][1] <= start)


def masked(display: str, findings: tuple[Finding, ...]) -> str:
    """The text with each place replaced by its kind, as in "[email]"."""
    parts, done = [], 0
    for finding in findings:
        start, end = finding.span
        parts += [display[done:start], f"[{finding.rule_id.rpartition('.')[2]}]"]
        done = end
    return "".join([*parts, display[done:]])


def _places(kind: _Kind, display: str) -> Iterator[tuple[int, int]]:
    return (m.span() for m in kind.pattern.finditer(display) if kind.is_valid(m.group()))


def _finding(kind: str, start: int, end: int) -> Finding:
    # The clause stays empty: a finding is stored, personal data in it must not be.
    return Finding(
        category=Category.PERSONAL_DATA,
        severity=Severity.INFO,
        action=Action.ALLOW,
        rule_id=f"personal_data.{kind}",
        score=0.2,
        span=(start, end),
        clause="",
    )
