"""Where an answer that broke off is continued: asking for the rest, and joining it without gap or repeat.

A model asked to go on may repeat what it said, begin again, or write dots first; and it begins a message
without the blank that should stand before its first word. So it is asked to repeat its last five words: where
they end in what it sends, the new text begins. `docs/models.md` says the rules in words.
"""

import re
from collections.abc import Sequence

from streaming.providers.base import PromptMessage

CONTINUE = (
    "Your last message broke off because of a fault on the line. Finish it. Begin by repeating its last five "
    "words exactly as they stand there, then go on with the very next word, as if nothing had happened: the "
    "two parts will be joined where they overlap. Do not start again, and do not greet, apologise or comment."
)
"""The request for the rest of an answer. The person never sees it."""

REPEATED_WORDS = 5
SURE = 12
"""Code points that must agree to count as a repeat, where no word begins there or a blank comes before."""
RESTARTED = 16
"""Code points as at the answer's beginning that make a continuation a new start."""

_FILLER = re.compile(r"\s*(?:…|\.\.\.)[\s.…]*")
_PERHAPS_FILLER = re.compile(r"\s*\.{0,2}")
_SENTENCE_END = re.compile(r"[.!?:…][\"'”’)*_]*\Z")
_NO_BLANK_BEFORE = frozenset(".,;:!?…)]}”’%")


class Restarted(Exception):
    """The model began its answer again, in other words: the two parts cannot be joined."""


def continuation(messages: Sequence[PromptMessage], so_far: str) -> list[PromptMessage]:
    """What to ask so that an answer which got as far as `so_far` is finished."""
    return [
        *messages,
        {"role": "assistant", "content": so_far},
        {"role": "user", "content": CONTINUE},
    ]


def last_words(text: str, count: int = REPEATED_WORDS) -> str:
    """The words at the end of `text` that a continuation is asked to repeat; no blanks after them."""
    text = text.rstrip()
    words = text.rsplit(None, count)
    head = words[0] if len(words) > count else ""
    return text[len(head) :].lstrip()


class Seam:
    """Joins a continuation to `before`. What `feed` and `close` give belongs right behind it.

    The beginning of the continuation is held back until it is clear what of it is a repeat. Both raise
    `Restarted`. Once `settled`, everything passes.
    """

    def __init__(self, before: str) -> None:
        self.settled = False
        self._before = before.rstrip()
        self._blanks = before[len(self._before) :]
        self._asked = len(self._before) - len(last_words(before))
        self._held = ""
        self._had_filler = False
        self._starts: list[int] | None = None
        """Places in `before` with which all that is held agrees, as far as either goes."""
        self._cut = False
        """The repeat is off; what is held may still begin with blanks that stand in `before`."""

    def feed(self, text: str) -> str:
        if self.settled:
            return text
        self._held += text
        return self._release(at_end=False)

    def close(self) -> str:
        """The continuation is over: what is still held is what it is."""
        return "" if self.settled else self._release(at_end=True)

    def _release(self, *, at_end: bool) -> str:
        if not self._cut and not self._cut_repeat(at_end):
            return ""
        if self._cut and self._blanks and not self._held.strip() and not at_end:
            return ""
        self.settled = True
        if self._cut:
            return self._behind_repeat()
        return self._blank_at_seam() + self._held

    # --- what is repeated -----------------------------------------------------------------------------------

    def _cut_repeat(self, at_end: bool) -> bool:
        """Whether it is decided what of the held text is a repeat; if some is, it is cut off."""
        if not self._filler_is_off(at_end):
            return False
        body = self._held.lstrip()
        if not body:
            return at_end
        repeated = self._repeated(body, after_blank=body != self._held, at_end=at_end)
        if repeated:
            self._held, self._cut = body[repeated:], True
        return repeated is not None

    def _filler_is_off(self, at_end: bool) -> bool:
        if self._had_filler and self._starts is None:
            self._held = self._held.lstrip(" \n\t.…")
        if self._starts is not None or self._had_filler:
            return True
        if filler := _FILLER.match(self._held):
            self._held, self._had_filler = self._held[filler.end() :], True
            return True
        return at_end or not _PERHAPS_FILLER.fullmatch(self._held)

    def _repeated(self, body: str, *, after_blank: bool, at_end: bool) -> int | None:
        """How much of `body` repeats the end of `before`; None while more of it must be seen."""
        starts = self._follow(body, after_blank)
        size = len(self._before)
        whole = [start for start in starts if size - start <= len(body)]
        if self._asked in whole:
            return size - self._asked
        if len(whole) < len(starts) and not at_end:
            return None
        if whole:
            return size - min(whole)
        if len(body) >= RESTARTED and self._before.startswith(body[:RESTARTED]):
            raise Restarted
        return 0

    def _follow(self, body: str, after_blank: bool) -> list[int]:
        before = self._before
        if self._starts is None:
            self._starts = [
                start
                for start, letter in enumerate(before)
                if letter == body[0] and self._may_begin(start, after_blank)
            ]
        self._starts = [start for start in self._starts if _agrees(before, start, body)]
        return self._starts

    def _may_begin(self, start: int, after_blank: bool) -> bool:
        """A few letters agree by chance: a repeat is long, or begins where a word does."""
        return len(self._before) - start >= SURE or (not after_blank and _word_begins(self._before, start))

    # --- how it is joined -----------------------------------------------------------------------------------

    def _behind_repeat(self) -> str:
        """Blanks that `before` ends with were said already; a repeat brings them again, or fewer."""
        if not self._blanks:
            return self._held
        if self._held.startswith(self._blanks):
            return self._held[len(self._blanks) :]
        return self._held.lstrip()

    def _blank_at_seam(self) -> str:
        """The blank that is missing between two words where nothing was repeated, as far as one can tell."""
        if self._blanks or not self._held or self._held[0].isspace() or not self._before:
            return ""
        first = self._held[0]
        if self._had_filler:
            return "" if first in _NO_BLANK_BEFORE else " "
        return " " if first.isupper() and _SENTENCE_END.search(self._before) else ""


def _agrees(before: str, start: int, body: str) -> bool:
    return before.startswith(body[: len(before) - start], start)


def _word_begins(text: str, at: int) -> bool:
    """Whether `at`, which is no blank, is behind one, or a letter behind something else."""
    return at == 0 or text[at - 1].isspace() or (text[at].isalnum() and not text[at - 1].isalnum())
