"""Markdown to safe HTML: whole, or while it is still being written. Text in, text out.

The dialect is CommonMark with tables and strikethrough, but without raw HTML, images (their alternative text
is shown) and link reference definitions: with those the last line of a text can change its first, so nothing
could be called finished before the end.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.balance_pairs import link_pairs
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from safety.rules.links import is_trusted

_BLOCK_TAGS = {"p", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "hr"}
_TABLE_TAGS = {"table", "thead", "tbody", "tr", "th", "td"}
TAGS = frozenset(_BLOCK_TAGS | _TABLE_TAGS | {"code", "em", "strong", "s", "a", "br"})
ATTRIBUTES: dict[str, set[str]] = {"*": set(), "a": {"href"}, "ol": {"start"}}  # "*": else lang and title
SCHEMES = frozenset({"http", "https"})

# A page has one h1 and an h2 over each answer. Answers use one or two levels, from any of the first three on.
_HEADINGS = {"h1": "h3", "h2": "h3"}

# Blocks up to this long are shown to the last character; longer ones in steps of 1/64 of their length, so
# that an answer of one long list costs at most 64 times its length to draw, not its square.
_EXACT = 2048
_STEPS = 64


def render(text: str) -> str:
    """The HTML of a finished text."""
    return _clean(_parser().render(text))


@dataclass(frozen=True, slots=True)
class Patch:
    """What a page must do: append `finished` (often empty), and put `live` in place of the last live part."""

    finished: str
    live: str


class LiveMarkdown:
    """Renders a text that arrives in pieces; what it shows depends on the text, not on how it was cut."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._open = ""  # from the start of the last block on; line ends are "\n"
        self._lines = 0  # how much of _open is complete lines
        self._look_at = 0  # look for a new block once _lines is this long
        self._shown = self._shown_html = ""  # what was drawn last, and from what
        self._after_return = False  # the last piece ended in "\r", perhaps half of "\r\n"

    def feed(self, text: str) -> Patch:
        """Takes the next piece."""
        before = len(self._done)
        for line in self._normal(text).splitlines(keepends=True):
            self._open += line
            if line.endswith("\n"):
                self._lines = len(self._open)
                self._finish_blocks()
        return Patch("".join(self._done[before:]), self._live())

    def close(self) -> str:
        """The HTML of all of it: equal to `render` of the whole text."""
        return "".join(self._done) + render(self._open)

    def _live(self) -> str:
        text = _steady(self._open)
        if text != self._shown:
            self._shown, self._shown_html = text, _render_open(text)
        return self._shown_html

    def _normal(self, text: str) -> str:
        if not text:
            return ""
        joined = text.removeprefix("\n") if self._after_return else text
        self._after_return = text.endswith("\r")
        return joined.replace("\r\n", "\n").replace("\r", "\n")

    def _finish_blocks(self) -> None:
        """A block is finished when the complete lines hold the start of another after it."""
        if self._lines < self._look_at:
            return
        self._look_at = self._lines + (self._lines // _STEPS if self._lines > _EXACT else 0)
        starts = _block_starts(self._open)
        if len(starts) > 1:
            cut = _offset_of_line(self._open, starts[-1])
            self._done.append(render(self._open[:cut]))
            self._open = self._open[cut:]
            self._lines = len(self._open)
            self._look_at = 0


# --- The dialect ------------------------------------------------------------------------------------------


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.disable(["reference", "html_block", "html_inline"])
    # Every link is parsed as one; _house_rules then shows those to hosts that we do not trust as their text.
    parser.validateLink = lambda url: url is not None  # type: ignore[method-assign]
    parser.core.ruler.after("inline", "house_rules", _house_rules)
    parser.add_render_rule("image", _image_text)
    return parser


@cache
def _live_parser() -> MarkdownIt:
    parser = _parser.__wrapped__()
    parser.core.ruler.before("inline", "mend", _mend_last)
    return parser


@cache
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=set(TAGS),
        attributes=ATTRIBUTES,
        url_schemes=set(SCHEMES),
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def _clean(html: str) -> str:
    return _cleaner().clean(html)


def _house_rules(state: StateCore) -> None:
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = _HEADINGS.get(token.tag, token.tag)
        elif token.children:
            token.children = _without_bad_links(token.children)


def _without_bad_links(tokens: Sequence[Token]) -> list[Token]:
    kept: list[Token] = []
    dropping = False  # links do not nest
    for token in tokens:
        if token.type == "link_open":
            dropping = not is_trusted(str(token.attrs.get("href", "")))
        if not (dropping and token.type in ("link_open", "link_close")):
            kept.append(token)
    return kept


def _image_text(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    return escape(renderer.renderInlineAsText(tokens[index].children, options, env))


# --- Blocks -----------------------------------------------------------------------------------------------


def _blocks(text: str) -> list[Token]:
    tokens: list[Token] = []
    _parser().block.parse(text, _parser(), {}, tokens)
    return tokens


def _block_starts(text: str) -> list[int]:
    """The lines at which top-level blocks start."""
    return [token.map[0] for token in _blocks(text) if token.level == 0 and token.map and token.nesting >= 0]


def _offset_of_line(text: str, line: int) -> int:
    offset = 0
    for _ in range(line):
        offset = text.index("\n", offset) + 1
    return offset


# --- The open block ---------------------------------------------------------------------------------------

# A last line that is only marks so far: they may yet become a list item, a rule, an underline, a fence.
_BARE_MARKS = re.compile(r"[ \t>]*(?:[-+*=_#~`|:\s]*|\d{1,9}[.)]?[ \t]*)")


def _render_open(text: str) -> str:
    last_line = text.rfind("\n") + 1
    if _BARE_MARKS.fullmatch(text, last_line):
        text = text[:last_line]
    if not text.strip():
        return ""
    return _clean(_live_parser().render(_with_table_rule(text)))


def _steady(text: str) -> str:
    if len(text) <= _EXACT:
        return text
    step = 1 << (len(text).bit_length() - _STEPS.bit_length())
    return text[: len(text) // step * step]


def _with_table_rule(text: str) -> str:
    """Shows the head of a table as one before the line under it has come."""
    lines = text.removesuffix("\n").rsplit("\n", 1)
    row = lines[-1].strip()
    if not row.startswith("|"):
        return text
    tokens = _blocks(text)
    inner = [index for index, token in enumerate(tokens) if token.type == "inline"]
    if not inner or tokens[inner[-1] - 1].type != "paragraph_open":
        return text
    indent = lines[-1][: len(lines[-1]) - len(lines[-1].lstrip())]
    columns = len(_CELL_END.findall(row[1:].removesuffix("|"))) + 1
    return f"{text.removesuffix('\n')}\n{indent}|{'---|' * columns}"


_CELL_END = re.compile(r"(?<!\\)\|")


def _mend_last(state: StateCore) -> None:
    for token in reversed(state.tokens):
        if token.type == "inline" and token.content:
            token.content = _mend(token.content)
            return


# --- Marks that wait for their partner --------------------------------------------------------------------


def _mend(text: str) -> str:
    """Closes what is open at the end of an inline text, and hides a mark that has nothing after it yet."""
    return _close_emphasis(_close_spans(text))


_SPAN_MARK = re.compile(r"[\\`<\[\]]")
_AUTOLINK = re.compile(r"<[a-z][a-z0-9+.-]{1,31}:[^\s<>]*(>)?", re.IGNORECASE)
_DESTINATION = r"(?:<[^<>\n]*>|[^\s<()]*(?:\([^\s()]*\)[^\s()]*)*)"
_LINK_END = re.compile(rf"""\(\s*{_DESTINATION}(?:\s+(?:"[^"]*"|'[^']*'|\([^()]*\)))?\s*\)""")
_HALF_LINK_END = re.compile(
    rf"""(?:\(\s*(?:<[^<>\n]*|[^\s<]\S*|{_DESTINATION}\s+(?:"[^"]*"?|'[^']*'?|\([^()]*\)?)?\s*)?)?"""
)
_LONGEST_LINK_TEXT = 300


def _close_spans(text: str) -> str:
    """Code, links and <addresses>: closes code, and takes the marks of half a link away."""
    brackets: list[int] = []
    position = 0
    while mark := _SPAN_MARK.search(text, position):
        start, position = mark.start(), mark.end()
        match mark.group():
            case "\\":
                position += 1
            case "`":
                position = _code_end(text, start)
                if position < 0:
                    return _drop_brackets(_close_code(text, start), brackets)
            case "<":
                if address := _AUTOLINK.match(text, start):
                    if not address.group(1) and address.end() == len(text):
                        text = text[:start] + text[start + 1 :]
                        break
                    position = address.end()
            case "[":
                brackets.append(start)
            case "]" if brackets:
                if whole := _LINK_END.match(text, position):
                    brackets.pop()
                    position = whole.end()
                elif _HALF_LINK_END.fullmatch(text, position):
                    return _drop_brackets(text[:start], brackets)
                else:
                    brackets.pop()
    if position > len(text):  # a backslash, with what it escapes still to come
        text = text[:-1]
    return _drop_brackets(text, brackets)


def _drop_brackets(text: str, brackets: list[int]) -> str:
    for start in reversed(brackets):
        if len(text) - start < _LONGEST_LINK_TEXT:
            text = text[:start].removesuffix("!") + text[start + 1 :]
    return text


def _code_end(text: str, start: int) -> int:
    """The end of the code span that starts here, or -1."""
    ticks = _ticks_at(text, start)
    position = start + len(ticks)
    while (position := text.find("`", position)) >= 0:
        run = _ticks_at(text, position)
        position += len(run)
        if run == ticks:
            return position
    return -1


def _close_code(text: str, start: int) -> str:
    ticks = _ticks_at(text, start)
    code = text[start + len(ticks) :].rstrip("`")
    return text[:start] + ticks + code + ticks if code.strip() else text[:start]


def _ticks_at(text: str, start: int) -> str:
    end = start
    while text.startswith("`", end):
        end += 1
    return text[start:end]


_LAST_MARKS = re.compile(r"(?<![\\*_~])[*_~]+$")


def _close_emphasis(text: str) -> str:
    """Adds what closes the open emphasis; marks at the very end may be half of what opens or closes it."""
    text = _LAST_MARKS.sub("", text.rstrip()).rstrip()
    state = StateInline(text, _parser(), {}, [])
    _parser().inline.tokenize(state)
    link_pairs(state)
    closers = []
    for delimiter in reversed(state.delimiters):
        lone_in_word = delimiter.close and delimiter.length == 1  # 2*3
        if delimiter.open and delimiter.end < 0 and not lone_in_word:
            mark = chr(delimiter.marker)
            closers.append("~~" if mark == "~" else mark)
    return text + "".join(closers)
