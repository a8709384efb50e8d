"""Cuts text into pieces about as long as a model's tokens."""

import re

_PIECE = re.compile(r"\s?\w{1,7}|\s?[^\w\s]{1,3}|\s+")


def pieces(text: str) -> list[str]:
    """Joined again they are the text."""
    return _PIECE.findall(text)


def sized(tokens: list[str], count: int) -> list[str]:
    """Exactly `count` tokens: cut, or said again from the start until it is long enough."""
    if not tokens:
        return []
    whole, rest = divmod(count, len(tokens))
    return tokens * whole + tokens[:rest]
