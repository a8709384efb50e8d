"""Ways to read a text for matching. A view remembers where in the display each of its characters stands."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import regex

FOLDER = Path(__file__).parent
Piece = tuple[str, int]  # text of the view, and where it starts in what it was made from

_QUOTES = {"’": "'", "‘": "'", "ʼ": "'", "´": "'", "`": "'", "′": "'", "“": '"', "”": '"', "«": '"', "»": '"'}
_DASHES = dict.fromkeys("‐‑‒–—―−", "-")
_STOPS = {"。": ".", "।": ".", "॥": ".", "、": ",", "،": ",", "؛": ";", "؟": "?", "¿": "", "¡": ""}
# Letters of one sound that are typed for each other.
_ARABIC = {"ى": "ي", "ی": "ي", "ة": "ه", "ک": "ك", "ٱ": "ا", "گ": "ك"}
_DEVANAGARI = {"ँ": "ं"}
_PLAIN_FOLD = {
    **_QUOTES,
    **_DASHES,
    **_STOPS,
    **_ARABIC,
    **_DEVANAGARI,
    "\u0640": "",
    "ı": "i",
    "ł": "l",
    "ø": "o",
    "đ": "d",
    "æ": "ae",
    "œ": "oe",
}
# Accents and vowel points that people leave out when they type fast; Indic vowel signs are letters and stay.
_DROPPED_MARKS = (
    (0x0300, 0x036F), (0x0591, 0x05C7), (0x0610, 0x061A), (0x064B, 0x065F), (0x0670, 0x0670),
    (0x06D6, 0x06ED), (0x093C, 0x093C), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x200C, 0x200F),
    (0x061C, 0x061C), (0x20D0, 0x20FF), (0xFE00, 0xFE0F), (0xFE20, 0xFE2F),
)  # fmt: skip

_LOOKALIKES = dict(
    zip(
        "аеорсухіјѕһвкмнтԁԛԝɡգոսցհӏ" + "αεορτυχικνηωβγ" + "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ" + "ɑɩⅼ∂ℓ",
        "aeopcyxijshbkmhtdqwggnsghl" + "aeoptuxiknnwby" + "abcdefghijklmnoprstuvwyz" + "ail" + "dl",
        strict=True,
    )
)
_LEET = {
    "0": "o",
    "1": "i",
    "3": "e",
    "4": "a",
    "5": "s",
    "7": "t",
    "8": "b",
    "@": "a",
    "$": "s",
    "!": "i",
    "+": "t",
}
_LEET_TOKEN = regex.compile(r"[a-z0-9@$!+|]++(?:'[a-z0-9@$!+|]++)?")
_LETTER, _STAND_IN = regex.compile(r"[a-z]"), regex.compile(r"[0-9@$!+|]")
_UNIT_TOKEN = regex.compile(r"[$+]?\d+[a-z]{0,4}[!+]?|[a-z]+[!+]+")
_SPACED = regex.compile(r"(?<![^\W_])[^\W\d_](?:([ .\-_*·•/|]{1,2})[^\W\d_](?![^\W_])){3,}")
_LONE = regex.compile(r"(?<![^\W_])[^\W\d_](?![^\W_])")
_ALL_SPACED = {" ": regex.compile(r"(?<!\S)\S(?: \S(?!\S))+")} | {
    gap: regex.compile(rf"(?<![^\W_]|')[^\W_](?:{regex.escape(gap)}[^\W_](?![^\W_]))+") for gap in ".-_*·•/|"
}
_SEPARATORS = regex.compile(r"[ .\-_*·•/|]+")
_RUN = regex.compile(r"(\S)\1{3,}|[ \t]{2,}|\n{2,}")
_HELD = regex.compile(r"([^\W\d_])\1{2,}")
MOST_READ = 12_000
"""Characters of a text that rules read: half as many again as the longest message allowed by default."""
_HEAD, _SEAM = 8_000, " ; "  # nothing is read across it
_MOSTLY = 0.4  # of the words: then the whole text is read as it is hidden
_WORDS = regex.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class View:
    """`offsets[i]` is the display position of `text[i]`; None means the two are the same."""

    name: str
    text: str
    offsets: Sequence[int] | None = None

    def display_span(self, start: int, end: int) -> tuple[int, int]:
        """Where `text[start:end]` stands in the display text, in code points."""
        if self.offsets is None:
            return start, end
        if start >= end:
            return (self.offsets[start], self.offsets[start]) if start < len(self.offsets) else (0, 0)
        return self.offsets[start], self.offsets[end - 1] + 1


def match_views(display: str) -> tuple[View, ...]:
    """The folded view first, then each further view that reads differently. Linear time; of more than
    MOST_READ characters the beginning and the end.
    """
    whole = _folded(display) if len(display) <= MOST_READ else _abridged(display)
    spaced = _despaced(whole if whole.text.isascii() else _mapped("latin", whole, _LOOKALIKES))
    folded = _collapsed(whole)
    latin = folded if folded.text.isascii() else _mapped("latin", folded, _LOOKALIKES)
    views = [folded, latin, *_leet_views(latin)]
    if (held := _let_go(whole)) is not None:
        views.append(_collapsed(held))
    if spaced is not None:
        views.append(_collapsed(spaced))
    first_of = {view.text: view for view in reversed(views)}
    return tuple(first_of[text] for text in dict.fromkeys(view.text for view in views))


def _abridged(display: str) -> View:
    """A text longer than any message: its beginning and its end, where what matters stands."""
    head, tail = _folded(display[:_HEAD]), _folded(display[_HEAD - MOST_READ :])
    first = len(display) - (MOST_READ - _HEAD)
    offsets = [*_offsets(head), *[_HEAD] * len(_SEAM), *(first + at for at in _offsets(tail))]
    return View("folded", f"{head.text}{_SEAM}{tail.text}", offsets)


def _offsets(view: View) -> Sequence[int]:
    return range(len(view.text)) if view.offsets is None else view.offsets


def _folded(display: str) -> View:
    if display.isascii():
        return View("folded", display.lower().replace("`", "'"))
    return _assembled("folded", None, ((_fold(char), at) for at, char in enumerate(display)))


@lru_cache(maxsize=8192)
def _fold(char: str) -> str:
    plain = _PLAIN_FOLD.get(char) or _simplified().get(char)
    if plain is not None or char in _PLAIN_FOLD:
        return plain or ""
    if (digit := unicodedata.decimal(char, None)) is not None:
        return str(digit)
    decomposed = unicodedata.normalize("NFKD", char).casefold()
    kept = "".join(c for c in decomposed if not _is_dropped(c))
    return unicodedata.normalize("NFC", "".join(_PLAIN_FOLD.get(c, c) for c in kept))


def fold_pattern(source: str) -> str:
    """Regular expression source as texts are folded: rules are written with their accents."""
    if source.isascii():
        return source
    return "".join(char if char.isascii() else _fold(char) for char in source)


@cache
def _simplified() -> dict[str, str]:
    """Traditional Chinese characters and the simplified ones that the rules are written in."""
    pairs = (FOLDER / "variants.txt").read_text("utf-8").split()
    return {pair[0]: pair[1] for pair in pairs}


def _is_dropped(char: str) -> bool:
    code = ord(char)
    return code >= 0x0300 and any(low <= code <= high for low, high in _DROPPED_MARKS)


def _collapsed(view: View) -> View:
    """Runs of one character shrink to two ("noooo" and "!!!!!!"), blank space to one."""
    pieces = _replaced(
        view.text, _RUN.finditer(view.text), lambda m: m.group()[:2] if m.group(1) else m.group()[:1]
    )
    return view if pieces is None else _assembled(view.name, view.offsets, pieces)


def _let_go(view: View) -> View | None:
    """ "heeeelp" as "help": a key held down is one letter, though "sleeeep" is then for the typo reader."""
    pieces = _replaced(view.text, _HELD.finditer(view.text), lambda m: m.group(1))
    return None if pieces is None else _assembled("held", view.offsets, pieces)


def _mapped(name: str, view: View, table: dict[str, str]) -> View:
    return View(name, view.text.translate({ord(char): plain for char, plain in table.items()}), view.offsets)


def _leet_views(view: View) -> list[View]:
    """Digits and signs inside words read as letters; "1" may stand for i or l, so it is read both ways."""
    if not _STAND_IN.search(view.text):
        return []
    words = list(_LEET_TOKEN.finditer(view.text))
    tokens = [m for m in words if _is_leet(m.group())]
    if not tokens:
        return []
    tables = [_LEET, {**_LEET, "1": "l", "!": "l", "|": "l"}]
    views = [View("leet", _translated(view.text, tokens, table), view.offsets) for table in tables]
    if len(tokens) >= _MOSTLY * len(words):  # then "15" may be a word, too
        everything = [m for m in words if _STAND_IN.search(m.group())]
        views.append(View("leet", _translated(view.text, everything, _LEET), view.offsets))
    return views


def _is_leet(token: str) -> bool:
    """Letters with stand-ins among them; "3mo", "38c" and "help!!" are not."""
    is_mixed = bool(_LETTER.search(token) and _STAND_IN.search(token))
    return is_mixed and not _UNIT_TOKEN.fullmatch(token)


def _translated(text: str, tokens: list[regex.Match[str]], table: dict[str, str]) -> str:
    letters = str.maketrans(table)
    parts, done = [], 0
    for token in tokens:
        parts += [text[done : token.start()], token.group().translate(letters)]
        done = token.end()
    return "".join([*parts, text[done:]])


def _despaced(view: View) -> View | None:
    """ "c h o k i n g" and "c.h.o.k.i.n.g" joined; a wider or other gap inside the run still parts words.

    Where most of a text is written so, short words are joined as well.
    """
    runs = list(_SPACED.finditer(view.text))
    if not runs:
        return None
    pieces = None
    if len(_LONE.findall(view.text)) >= _MOSTLY * len(_WORDS.findall(view.text)):
        gap = Counter(run.group(1)[0] for run in runs).most_common(1)[0][0]
        pieces = _replaced(
            view.text, _ALL_SPACED[gap].finditer(view.text), lambda m: m.group().replace(gap, "")
        )
    pieces = pieces or _replaced(view.text, runs, _joined_letters)
    return None if pieces is None else _assembled("despaced", view.offsets, pieces)


def _joined_letters(match: regex.Match[str]) -> str:
    separators = _SEPARATORS.findall(match.group())
    usual = min(separators, key=len)
    return _SEPARATORS.sub(lambda m: "" if m.group() == usual else " ", match.group())


def _replaced(
    text: str, matches: Iterable[regex.Match[str]], replacement: Callable[[regex.Match[str]], str]
) -> list[Piece] | None:
    """The text as pieces with each match replaced; None where nothing matched."""
    pieces: list[Piece] = []
    done = 0
    for match in matches:
        pieces += [(text[at], at) for at in range(done, match.start())]
        pieces += _spread(match, replacement(match))
        done = match.end()
    if not pieces and not done:
        return None
    return pieces + [(text[at], at) for at in range(done, len(text))]


def _spread(match: regex.Match[str], replacement: str) -> list[Piece]:
    """Each character of a replacement at the place in the match where it first occurs, in order."""
    pieces, at = [], 0
    source = match.group()
    for char in replacement:
        found = source.find(char, at)
        at = found + 1 if found >= 0 else at
        pieces.append((char, match.start() + max(at - 1, 0)))
    return pieces


def _assembled(name: str, offsets: Sequence[int] | None, pieces: Iterable[Piece]) -> View:
    text: list[str] = []
    places: list[int] = []
    for piece, at in pieces:
        text.append(piece)
        places += [at if offsets is None else offsets[at]] * len(piece)
    return View(name, "".join(text), places)
