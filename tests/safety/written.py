"""Texts that a pattern matches, made from its structure: what no writer of examples thought of."""

import re
from random import Random
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]

_SCRIPT = re.compile(r"\\[pP]\{\w+\}")
_ANY = "ab éz7我 -,.'\u0645"
_OF_CLASS = {
    op.CATEGORY_DIGIT: str.isdecimal,
    op.CATEGORY_NOT_DIGIT: lambda char: not char.isdecimal(),
    op.CATEGORY_SPACE: str.isspace,
    op.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    op.CATEGORY_WORD: lambda char: char.isascii() and char.isalnum(),
    op.CATEGORY_NOT_WORD: lambda char: not char.isalnum(),
}


def text_of(source: str, chance: Random) -> str:
    """A text that the expression most likely matches; ask it, for what `re` and others understand apart."""
    text: str = _sequence(parser.parse(_SCRIPT.sub(r"\\w", source)), chance)
    return text


def _sequence(nodes, chance):
    return "".join(_one(kind, value, chance) for kind, value in nodes)


def _one(kind, value, chance):
    if kind is op.LITERAL:
        return chr(value)
    if kind is op.IN:
        return _char(value, chance)
    if kind is op.BRANCH:
        return _sequence(chance.choice(value[1]), chance)
    if kind is op.SUBPATTERN:
        return _sequence(value[3], chance)
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
        least, most, inner = value
        times = chance.randint(least, min(int(most), least + 2))
        return "".join(_sequence(inner, chance) for _ in range(times))
    if kind in (op.ANY, op.NOT_LITERAL):
        return chance.choice("ab ")
    return ""  # a border, or a look around


def _char(items, chance):
    if items[0][0] is op.NEGATE:
        return chance.choice([char for char in _ANY if not any(_holds(item, char) for item in items[1:])])
    kind, value = item = chance.choice(items)
    if kind is op.LITERAL:
        return chr(value)
    if kind is op.RANGE:
        return chr(chance.randint(*value))
    return chance.choice([char for char in _ANY if _holds(item, char)])


def _holds(item, char):
    kind, value = item
    if kind is op.LITERAL:
        return char == chr(value)
    if kind is op.RANGE:
        return value[0] <= ord(char) <= value[1]
    return _OF_CLASS[value](char)
