"""Which characters may stay in a text. Removing one must never change what a person meant.

Contexts that keep an otherwise removed character come first in the pattern, so `regex` takes them whole.
"""

import unicodedata
from dataclasses import dataclass

import regex

MAX_MARKS = 8  # legitimate stacks (Hindi, Vietnamese, Thai, pointed Hebrew, Arabic) need at most five

_JOINED = r"\p{Script=Arabic}\p{Script=Syriac}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Gurmukhi}" + (
    r"\p{Script=Gujarati}\p{Script=Oriya}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Kannada}"
    r"\p{Script=Malayalam}\p{Script=Sinhala}\p{Script=Mongolian}"
)
_PICTURE = r"\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F"

_KEPT = (
    r"\U0001F3F4[\U000E0030-\U000E0039\U000E0061-\U000E007A]{2,6}\U000E007F"  # the flag of Scotland
    rf"|(?<=[{_PICTURE}])\u200D(?=[\p{{Extended_Pictographic}}])"
    rf"|(?<=[{_JOINED}])\u200C(?=[{_JOINED}])"
    rf"|(?<=[{_JOINED}])\u200D(?!\u200D)"
    r"|(?<=[\p{Emoji}\p{S}\p{Script=Han}\p{Script=Myanmar}])[\uFE00-\uFE0F\U000E0100-\U000E01EF]"
    r"|(?<=\p{Script=Mongolian})[\u180B-\u180D]"
)
_LINE_ENDS = r"\r\n?|[\x0B\x0C\x85\u2028\u2029]"
_CONTROL = r"[\x00-\x08\x0E-\x1F\x7F-\x9F\uFFF9-\uFFFB]"
_BIDI = r"[\u202A-\u202E\u2066-\u2069\u206A-\u206F]"
_DIRECTION = r"[\u200E\u200F\u061C]"
_INVISIBLE = (
    r"[\u00AD\u034F\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200D\u2060-\u2065\u3164\uFEFF\uFFA0"
    r"\uFE00-\uFE0F\U000E0100-\U000E01EF\U0001D173-\U0001D17A]"
)
_TAG = r"[\U000E0000-\U000E00FF]"
_PRIVATE = r"[\uE000-\uF8FF\U000F0000-\U0010FFFF\uFDD0-\uFDEF\uFFFE\uFFFF]"
_SURROGATE = r"[\uD800-\uDFFF]"

_SUSPECT = regex.compile(
    rf"(?P<kept>{_KEPT})|(?P<line_ending>{_LINE_ENDS})|(?P<control>{_CONTROL})|(?P<bidi>{_BIDI})"
    rf"|(?P<direction>{_DIRECTION})|(?P<invisible>{_INVISIBLE})|(?P<tag>{_TAG})|(?P<private_use>{_PRIVATE})"
    rf"|(?P<surrogate>{_SURROGATE})"
)
_STACKED = regex.compile(rf"([\p{{Mn}}\p{{Me}}]{{{MAX_MARKS}}})[\p{{Mn}}\p{{Me}}]+")
_RIGHT_TO_LEFT = regex.compile(r"[\p{Bidi_Class=R}\p{Bidi_Class=AL}]")
_PLAIN = regex.compile(r"[\t\n\x20-\x7E]*+")


@dataclass(frozen=True, slots=True)
class Removed:
    """What cleaning took out: `kind` is one of the group names above or `combining_marks`."""

    kind: str
    count: int


def clean(text: str) -> tuple[str, tuple[Removed, ...]]:
    """Text in NFC without characters that only hide or disturb, and what was taken out. Linear time."""
    if _PLAIN.fullmatch(text):
        return text, ()
    counts: dict[str, int] = {}
    text = _without_suspects(text, counts)
    text = _without_stacks(text, counts)
    # Marks are capped before NFC: canonical ordering of a very long run of marks is quadratic.
    return unicodedata.normalize("NFC", text), tuple(Removed(k, n) for k, n in sorted(counts.items()))


def _without_suspects(text: str, counts: dict[str, int]) -> str:
    keep_direction = _RIGHT_TO_LEFT.search(text) is not None

    def replacement(match: regex.Match[str]) -> str:
        kind = str(match.lastgroup)
        if kind == "kept" or (kind == "direction" and keep_direction):
            return match.group()
        if kind == "line_ending":
            return "\n"
        counts[kind] = counts.get(kind, 0) + 1
        return ""

    return _SUSPECT.sub(replacement, text)


def _without_stacks(text: str, counts: dict[str, int]) -> str:
    capped = _STACKED.sub(r"\1", text)
    if len(capped) < len(text):
        counts["combining_marks"] = len(text) - len(capped)
    return capped
