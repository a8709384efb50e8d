"""What the page shows: rows and events as view objects for templates."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from html import unescape
from types import MappingProxyType
from uuid import UUID

from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from chat.engine import engine
from chat.errors import words_for
from chat.markdown import render
from chat.memory import Line, lines_of
from chat.models import Conversation, Feedback, Generation, Message, Person, Role, Status, Suggestion
from chat.quota import today_of
from chat.safeguards import is_reminder, retold
from chat.versions import Versions, versions_of
from safety.cards import names_a_country
from safety.cards.places import PageWords, country_names, direction, gives_numbers, page_words
from safety.rules.links import is_trusted
from safety.verdict import Category
from streaming.events import ErrorCode, Notice, Transcript, notice_from_wire

_LINK = re.compile(r'<a href="([^"]+)"[^>]*>(.*?)</a>', re.DOTALL)
_ADDRESS = re.compile(r"https://[^\s<>()\[\]\"'|]+")
_TAG = re.compile(r"<[^>]+>")


@dataclass(frozen=True, slots=True)
class ActionView:
    """Something to do; `main` is the large button."""

    label: str
    href: str
    main: bool


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A card. `html` is safe. `words` are what the page says around it, in its language."""

    category: str
    severity: str
    html: SafeString
    actions: Sequence[ActionView]
    replaced: bool
    words: PageWords
    card: str = ""
    language: str = ""
    direction: str = ""
    discreet: bool = False
    reminder: bool = False
    country: "CountryView | None" = None


@dataclass(frozen=True, slots=True)
class CountryView:
    """Whose numbers a card gives, and the others there are; `code` and `name` are empty if that is open."""

    code: str
    name: str
    is_sure: bool
    choices: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class SourceView:
    """An address that an answer names, and the words it stands under."""

    label: str
    href: str


@dataclass(frozen=True, slots=True)
class ErrorView:
    """Why an answer failed, in words for people; `goes_on` is when asking again may help, if known."""

    code: str
    message: str
    goes_on: datetime | None

    @property
    def is_waiting(self) -> bool:
        return self.goes_on is not None and self.goes_on > timezone.now()


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message as `chat/_question.html` and `chat/_answer.html` take it.

    `model_label` is empty where there is no choice of models. `paused_after` is the id of the last event that
    was read before a pause; `is_paused` says that the text ends there. `used` are the lines of the person's
    profile that the model was told; `sources` what the text links to.
    """

    uuid: UUID
    role: str
    content: str
    status: str
    created_at: datetime
    html: str = ""
    notices: Sequence[NoticeView] = ()
    error: ErrorView | None = None
    feedback: Feedback | None = None
    stream_uuid: UUID | None = None
    model: str = ""
    model_label: str = ""
    cached: bool = False
    stop_reason: str = ""
    can_retry: bool = False
    paused_after: int | None = None
    is_paused: bool = False
    reader_country: str = ""
    versions: Versions | None = None
    used: Sequence[str] = ()
    sources: Sequence[SourceView] = ()
    suggestions: Sequence[Line] = ()
    tells_ai: bool = False


def notice_view(notice: Notice, country: str = "") -> NoticeView:
    """`country` is the one that the reader has chosen, if any: the card gives its numbers."""
    notice = retold(notice, country)
    return NoticeView(
        category=notice.category,
        severity=notice.severity,
        html=safe(render(notice.content)),
        actions=[
            ActionView(link.label, link.href, main=position == 0 or names_a_country(link.label))
            for position, link in enumerate(notice.actions)
        ],
        replaced=notice.replace_from is not None,
        words=page_words(notice.language),
        card=notice.card,
        language=notice.language,
        direction=direction(notice.language) if notice.language else "",
        discreet=notice.discreet or notice.category == Category.DOMESTIC_ABUSE,
        reminder=is_reminder(notice),
        country=_country_view(notice) if gives_numbers(notice.card) else None,
    )


def _country_view(notice: Notice) -> CountryView:
    choices = country_names(notice.language)
    name = dict(choices).get(notice.country, notice.country)
    return CountryView(notice.country, name, bool(name) and not notice.guessed, choices)


def message_view(
    message: Message, person: Person | None, versions: Mapping[int, Versions] = MappingProxyType({})
) -> MessageView:
    """Reads `generation` and `feedback` of an answer: fetch them before. `versions` are those of the page."""
    if message.role == Role.USER:
        return MessageView(
            uuid=message.uuid,
            role=message.role,
            content=message.content,
            status=message.status,
            created_at=message.created_at,
            versions=versions.get(message.pk),
            tells_ai=message.tells_ai,
        )
    generation = message.generation
    country = person.country if person else ""
    html = safe(render(message.content))
    return MessageView(
        uuid=message.uuid,
        role=message.role,
        content=message.content,
        status=message.status,
        created_at=message.created_at,
        html=html,
        notices=[notice_view(notice_from_wire(fields), country) for fields in message.notices],
        error=_error_view(generation) if generation.error_code else None,
        feedback=next((f for f in message.feedback.all() if person and f.person_id == person.pk), None),
        stream_uuid=generation.stream_uuid,
        model=generation.model,
        model_label=_label_of(generation.model),
        cached=generation.cached,
        stop_reason=generation.stop_reason,
        can_retry=message.can_retry,
        paused_after=generation.paused_after,
        reader_country=country,
        versions=versions.get(message.pk),
        used=generation.used,
        sources=sources_of(message.content, html),
    )


def views_of(
    conversation: Conversation, messages: Sequence[Message], person: Person | None
) -> list[MessageView]:
    """Messages of one conversation with their versions; the last answer with what it suggests to remember.

    Reads `generation` and `feedback` of the answers: fetch them before. Four queries at most.
    """
    versions = versions_of(conversation, messages)
    views = [message_view(message, person, versions) for message in messages]
    if messages and messages[-1].question_id:
        to_remember = _to_remember(messages[-1].question_id, person)
        views[-1] = replace(views[-1], suggestions=to_remember)
    return views


def _to_remember(question: int, person: Person | None) -> list[Line]:
    rows = list(Suggestion.objects.filter(message=question, is_kept=None))
    return lines_of(rows, today_of(person)) if rows and person else []


def sources_of(text: str, html: str) -> list[SourceView]:
    """What an answer links to, or names as a bare address that we trust; each address once."""
    found: dict[str, str] = {}
    for href, label in _LINK.findall(html):
        found.setdefault(unescape(href), unescape(_TAG.sub("", label)))
    for address in _ADDRESS.findall(text):
        bare = address.rstrip(".,;:!?*_")
        if bare not in found and is_trusted(bare):
            found[bare] = bare.partition("://")[2].removeprefix("www.").rstrip("/")
    return [SourceView(label, href) for href, label in found.items()]


def _error_view(generation: Generation) -> ErrorView:
    ended, seconds = generation.ended_at, generation.retry_after
    goes_on = ended + timedelta(seconds=seconds) if ended and seconds is not None else None
    is_dated = generation.error_code == ErrorCode.QUOTA_EXCEEDED  # says until when
    message = generation.error_message if is_dated else words_for(generation.error_code)
    return ErrorView(generation.error_code, message, goes_on)


def _label_of(model: str) -> str:
    models = engine().models
    if len(models) < 2:
        return ""
    return models[model].label if model in models else model


def with_text_so_far(view: MessageView, said: Transcript) -> MessageView:
    """A running answer as it stands, for a page that cannot wait for the rest of it."""
    notices = [notice_view(notice, view.reader_country) for notice in said.notices]
    return replace(view, html=safe(render(said.text)), notices=notices)


def paused(view: MessageView, read: Transcript) -> MessageView:
    """An answer as far as it was read, whether or not it has come to its end meanwhile."""
    return replace(with_text_so_far(view, read), status=Status.STREAMING.value, is_paused=True)


def safe(html: str) -> SafeString:
    """`chat.markdown` gives only HTML that its allow-list let through."""
    return mark_safe(html)  # noqa: S308
