"""The same sentence as somebody writes who hides it from a filter, or whose thumb slips. All from a seed."""

import random
from collections.abc import Callable

import regex

_WORD = regex.compile(r"[^\W\d_\p{Han}]+")
_LOOKALIKES = str.maketrans("aeopcxyi", "аеорсхуі")
_LEET = str.maketrans("aeiost", "43105+")
_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_ZERO_WIDTH, _BIDI, _TAG = "\u200b", "\u2066", "\U000e0041"
_MARK = "\u0336"


def _between(sign: str) -> Callable[[str, random.Random], str]:
    return lambda text, _: _WORD.sub(
        lambda m: sign.join(m.group()) if m.group().isascii() else m.group(), text
    )


def _some(sign: str) -> Callable[[str, random.Random], str]:
    """The sign behind about every third letter of words in Latin letters."""
    return lambda text, chance: "".join(
        char + (sign if char.isascii() and char.isalpha() and chance.random() < 0.35 else "") for char in text
    )


def _long(text: str, chance: random.Random) -> str:
    """One vowel of each word held down."""

    def held(match: regex.Match[str]) -> str:
        word = match.group()
        places = [at for at, char in enumerate(word) if char in "aeiou"]
        if not places:
            return word
        at = chance.choice(places)
        return word[:at] + word[at] * 6 + word[at + 1 :]

    return _WORD.sub(held, text)


DISGUISES: dict[str, Callable[[str, random.Random], str]] = {
    "capitals": lambda text, _: text.upper(),
    "zero_width": _some(_ZERO_WIDTH),
    "bidi": _some(_BIDI),
    "tags": _some(_TAG),
    "marks": _some(_MARK),
    "lookalikes": lambda text, _: text.translate(_LOOKALIKES),
    "full_width": lambda text, _: text.translate(_FULL_WIDTH),
    "leet": lambda text, _: text.translate(_LEET),
    "spaced": lambda text, _: "   ".join(" ".join(word) if word.isascii() else word for word in text.split()),
    "dotted": _between("."),
    "held_down": _long,
}
"""Each keeps what a person reads. Those of Latin letters leave other scripts as they are."""


def mistyped(text: str, chance: random.Random) -> str:
    """One slip in every word of four letters and more: a swap, a letter missing, doubled, or wrong."""
    return _WORD.sub(lambda m: _slip(m.group(), chance) if len(m.group()) >= 4 else m.group(), text)


def _slip(word: str, chance: random.Random) -> str:
    at = chance.randrange(1, len(word) - 1)
    match chance.randrange(4):
        case 0:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        case 1:
            return word[:at] + word[at + 1 :]
        case 2:
            return word[:at] + word[at] + word[at:]
        case _:
            return word[:at] + word[chance.randrange(len(word))] + word[at + 1 :]
