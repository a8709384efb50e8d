"""Text as a person typed it, made safe to keep and ready to be read by rules.

`display` is stored and shown; `views` are only for matching. Nothing is removed for HTML: escape on output.
"""

from dataclasses import dataclass

from safety.characters import Removed, clean
from safety.views import View, match_views

MAX_CHARS = 100_000
MAX_BYTES_PER_CHAR = 4


class TextTooLong(ValueError):
    """The text has `length` code points (or UTF-8 bytes) where `limit` are allowed."""

    def __init__(self, limit: int, length: int) -> None:
        super().__init__(f"text of length {length} exceeds the limit of {limit}")
        self.limit = limit
        self.length = length


@dataclass(frozen=True, slots=True)
class SanitizedText:
    """`findings` says what was removed from the text to make `display`."""

    display: str
    views: tuple[View, ...]
    findings: tuple[Removed, ...]


def sanitize_input(text: str, *, max_chars: int = MAX_CHARS, max_bytes: int | None = None) -> SanitizedText:
    """Clean a text without changing its meaning. Raises TextTooLong rather than cut. Linear time.

    Limits are on what arrives: `max_chars` in code points, `max_bytes` in UTF-8 (default four per each).
    """
    _check_length(text, max_chars, max_bytes or max_chars * MAX_BYTES_PER_CHAR)
    display, removed = clean(text)
    return SanitizedText(display, match_views(display), removed)


def _check_length(text: str, max_chars: int, max_bytes: int) -> None:
    if len(text) > max_chars:
        raise TextTooLong(max_chars, len(text))
    # A lone surrogate counts as three bytes here; it is removed afterwards.
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if size > max_bytes:
        raise TextTooLong(max_bytes, size)
