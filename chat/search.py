"""Search in titles and messages of one's own: by the words of an index, else by any part of a text.

The index (migration 0011) knows words between spaces, of scripts that have capital letters. Chinese has no
spaces, Arabic and Hindi write into one word what is searched as two: there any part of a text counts, as it
does for one or two letters, and where the index finds nothing.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import regex
from django.db import connection
from django.db.models import BooleanField, F, Func, Max, OuterRef, Q, Subquery, Value
from django.db.models.expressions import RawSQL

from chat.models import Conversation, Message
from chat.models.conversation import ConversationQuerySet

QUERY_CHARS = 200
SHORT = 2
"""Letters. So few begin too many words."""
BEFORE, AFTER = 50, 110
"""Letters of a message beside the first word that was found."""

_OTHER_SCRIPT = regex.compile(r"[[\p{L}\p{M}]--[\p{Latin}\p{Greek}\p{Cyrillic}\p{Inherited}]]", regex.V1)
_SPOKEN = regex.compile(r"[\p{L}\p{N}]")
_MARKUP = regex.compile(r"\[([^\]]*)\]\([^)]*\)|[*`]+|^\s*(?:[-+]|#+|>)\s", regex.MULTILINE)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a text; `is_hit` where it is what was searched for."""

    text: str
    is_hit: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """A conversation that was found. `message` is the latest one with the words, None where only the title
    has them. `is_shown` says whether it stands on the branch that the person has chosen.
    """

    conversation: Conversation
    title: Sequence[Part]
    message: UUID | None
    snippet: Sequence[Part]
    is_shown: bool


def words_of(query: str) -> list[str]:
    """What is looked for: all of them in one title or one message."""
    return unicodedata.normalize("NFC", query.replace("\0", " "))[:QUERY_CHARS].split()


def matching(conversations: ConversationQuerySet, query: str) -> ConversationQuerySet:
    """Those with the words in the title or in one message, each with `hit`, that message's primary key."""
    words = words_of(query)
    if _is_indexed(words):
        found = _having(conversations, _by_index(Conversation, words), _by_index(Message, words))
        if found.exists():
            return found
    return _having(conversations, _by_part(Conversation, words), _by_part(Message, words))


def hits(conversations: Sequence[Any], query: str) -> list[Hit]:
    """What to show of conversations that `matching` gave. One query."""
    words = words_of(query)
    found = Message.objects.in_bulk([row.hit for row in conversations if row.hit])
    return [_hit(row, found.get(row.hit), words) for row in conversations]


def _hit(conversation: Conversation, message: Message | None, words: Sequence[str]) -> Hit:
    return Hit(
        conversation,
        list(marked(conversation.title, words)),
        message.uuid if message else None,
        list(marked(snippet(message.content, words), words)) if message else [],
        bool(message and message.is_shown),
    )


# --- Asking the database ------------------------------------------------------------------------------------


class _Says(Func):
    """PostgreSQL: a text has the words. Written as the index has it, or it would not be used."""

    template = "(to_tsvector('simple', %(expressions)s))"
    arg_joiner = ") @@ to_tsquery('simple', "
    output_field = BooleanField()


def _having(conversations: ConversationQuerySet, titles: Q, messages: Q) -> ConversationQuerySet:
    said = Message.objects.filter(messages, conversation__in=conversations.order_by())
    latest = said.order_by().values("conversation").annotate(latest=Max("pk"))
    of_this = latest.filter(conversation=OuterRef("pk")).values("latest")
    either = Q(titles) | Q(pk__in=said.values("conversation"))
    return conversations.filter(either).annotate(hit=Subquery(of_this))


def _is_indexed(words: Sequence[str]) -> bool:
    """Whether the index knows words like these."""
    query = "".join(words)
    return len(query) > SHORT and not _OTHER_SCRIPT.search(query) and bool(_SPOKEN.search(query))


def _by_index(model: type[Conversation | Message], words: Sequence[str]) -> Q:
    spoken = [word for word in words if _SPOKEN.search(word)]
    column = _column(model)
    if connection.vendor == "postgresql":
        return Q(_Says(F(column), Value(postgresql_query(spoken))))
    table = f"{model._meta.db_table}_words"
    matches = f"SELECT rowid FROM {table} WHERE {table} MATCH %s"  # noqa: S608  no part of it comes from outside
    return Q(pk__in=RawSQL(matches, [sqlite_query(spoken)]))  # noqa: S611


def _by_part(model: type[Conversation | Message], words: Sequence[str]) -> Q:
    found = Q()
    for word in words:
        found &= Q(**{f"{_column(model)}__icontains": word})
    return found


def _column(model: type[Conversation | Message]) -> str:
    return "title" if model is Conversation else "content"


def postgresql_query(words: Sequence[str]) -> str:
    """All words, the last one as far as it is typed; quoted, so that nothing in them is an operator."""
    quoted = ["'" + word.replace("\\", " ").replace("'", " ") + "'" for word in words]
    return " & ".join(quoted) + ":*"


def sqlite_query(words: Sequence[str]) -> str:
    """The same for SQLite's FTS5."""
    quoted = ['"' + word.replace('"', " ") + '"' for word in words]
    return " AND ".join(quoted) + " *"


# --- Showing what was found ---------------------------------------------------------------------------------


def snippet(text: str, words: Sequence[str]) -> str:
    """A stretch of a message around the first word, without its markup."""
    plain = " ".join(_MARKUP.sub(r"\1", text).split())
    first = next((start for start, _end in _places(plain, words)), 0)
    begin = _word_start(plain, first - BEFORE)
    end = _word_end(plain, first + AFTER)
    return ("… " if begin else "") + plain[begin:end].strip() + (" …" if end < len(plain) else "")


def marked(text: str, words: Sequence[str]) -> Iterator[Part]:
    """The text in pieces, those that were searched for marked."""
    at = 0
    for start, end in _places(text, words):
        if start > at:
            yield Part(text[at:start], False)
        yield Part(text[start:end], True)
        at = end
    if at < len(text):
        yield Part(text[at:], False)


def _places(text: str, words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where the words stand, without regard to capitals and accents; the longest first, none in another."""
    folded, origin = _folded(text)
    wanted = sorted({_folded(word)[0] for word in words if _SPOKEN.search(word)}, key=len, reverse=True)
    if not wanted:
        return
    pattern = "|".join(regex.escape(word) for word in wanted)
    at_start = r"(?<![\p{L}\p{N}])" if _is_indexed(words) else ""
    found = list(regex.finditer(f"{at_start}(?:{pattern})", folded)) or regex.finditer(pattern, folded)
    for place in found:
        yield origin[place.start()], origin[place.end() - 1] + 1


def _folded(text: str) -> tuple[str, list[int]]:
    """Without capitals and accents; and where in `text` each letter of that stood."""
    letters = [
        (letter, at)
        for at, original in enumerate(text)
        for letter in unicodedata.normalize("NFD", original).casefold()
        if not unicodedata.combining(letter)
    ]
    return "".join(letter for letter, _at in letters), [at for _letter, at in letters]


def _word_start(text: str, at: int) -> int:
    """Not in the middle of a word; where there are no spaces near, as in Chinese, just there."""
    if at <= 0:
        return 0
    space = text.find(" ", at, at + 20)
    return at if space < 0 else space + 1


def _word_end(text: str, at: int) -> int:
    if at >= len(text):
        return len(text)
    space = text.rfind(" ", at - 20, at)
    return at if space < 0 else space
