"""What the page shows: rows and events as view objects for templates, and events as HTML frames for htmx."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from chat.engine import engine
from chat.markdown import LiveMarkdown, render
from chat.models import Feedback, Generation, Message, Person, Role, Status
from chat.safeguards import is_reminder, retold
from safety.cards import names_a_country
from safety.cards.places import PageWords, country_names, direction, gives_numbers, page_words
from safety.verdict import Category
from streaming import sse
from streaming.events import Event, Metadata, Notice, Token, Transcript, notice_from_wire
from streaming.log.base import BATCH, Entry

PING = sse.frame(b"", event="ping")
DONE = sse.frame(b"", event="done")


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
    was read before a pause; `is_paused` says that the text ends there.
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


def notice_view(notice: Notice, country: str = "") -> NoticeView:
    """`country` is the one that the reader has chosen, if any: the card gives its numbers."""
    notice = retold(notice, country)
    return NoticeView(
        category=notice.category,
        severity=notice.severity,
        html=_safe(render(notice.content)),
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


def message_view(message: Message, person: Person | None) -> MessageView:
    """Reads `generation` and `feedback` of an answer: fetch them before."""
    if message.role == Role.USER:
        return MessageView(message.uuid, message.role, message.content, message.status, message.created_at)
    generation = message.generation
    country = person.country if person else ""
    return MessageView(
        uuid=message.uuid,
        role=message.role,
        content=message.content,
        status=message.status,
        created_at=message.created_at,
        html=_safe(render(message.content)),
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
    )


def _error_view(generation: Generation) -> ErrorView:
    ended, seconds = generation.ended_at, generation.retry_after
    goes_on = ended + timedelta(seconds=seconds) if ended and seconds is not None else None
    return ErrorView(generation.error_code, generation.error_message, goes_on)


def _label_of(model: str) -> str:
    models = engine().models
    if len(models) < 2:
        return ""
    return models[model].label if model in models else model


def with_text_so_far(view: MessageView, said: Transcript) -> MessageView:
    """A running answer as it stands, for a page that cannot wait for the rest of it."""
    notices = [notice_view(notice, view.reader_country) for notice in said.notices]
    return replace(view, html=_safe(render(said.text)), notices=notices)


def paused(view: MessageView, read: Transcript) -> MessageView:
    """An answer as far as it was read, whether or not it has come to its end meanwhile."""
    return replace(with_text_so_far(view, read), status=Status.STREAMING.value, is_paused=True)


def _safe(html: str) -> SafeString:
    """`chat.markdown` gives only HTML that its allow-list let through."""
    return mark_safe(html)  # noqa: S308


# --- Frames for htmx ----------------------------------------------------------------------------------------


async def html_frames(
    batches: AsyncGenerator[Sequence[Entry]], answer: UUID, request: HttpRequest, country: str
) -> AsyncGenerator[bytes]:
    """The answer as HTML that patches the page: first all there is so far, then only what changes.

    Starting with all of it makes every connection complete in itself, whatever an earlier one had shown. The
    end is left to `finished_patch`, which shows the saved message.
    """
    page = _LiveAnswer(answer, request, country)
    waiting: list[Entry] = []
    yield PING  # the page learns at once that this network lets a stream through
    async with aclosing(batches):
        async for batch in batches:
            waiting += batch
            if len(batch) >= BATCH:  # there is more at once: the page must not shrink to a part of it
                continue
            if not waiting:
                yield PING
            elif html := page.patch([event for _seq, event in waiting]):
                yield sse.frame_lines(html, waiting[-1][0])
            waiting.clear()


def patch_so_far(entries: Iterable[Entry], answer: UUID, request: HttpRequest, country: str) -> str:
    """The answer as it stands, as one patch: for a page that asks from time to time."""
    return _LiveAnswer(answer, request, country).patch(event for _seq, event in entries)


class _LiveAnswer:
    """The part of the page that one answer fills, while it grows."""

    def __init__(self, answer: UUID, request: HttpRequest, country: str) -> None:
        self._id, self._request, self._country = answer, request, country
        self._transcript = Transcript()
        self._markdown = LiveMarkdown()
        self._has_body = False

    def patch(self, events: Iterable[Event]) -> str:
        """HTML that brings the page up to date with these events; empty where nothing changed."""
        new_text: list[str] = []
        notices_changed = text_withdrawn = False
        for event in events:
            self._transcript.apply(event)
            match event:
                case Token(content):
                    new_text.append(content)
                case Notice(replace_from=start):
                    notices_changed = True
                    text_withdrawn = text_withdrawn or start is not None
                case Metadata(reset=True):
                    notices_changed = text_withdrawn = True
        cards = self._cards() if notices_changed else ""
        if text_withdrawn or (new_text and not self._has_body):
            return cards + self._whole_body()
        return cards + (self._more("".join(new_text)) if new_text else "")

    def _cards(self) -> str:
        """Morphed, so that a card which stands there already is not announced again."""
        shown = [notice_view(notice, self._country) for notice in self._transcript.notices]
        context = {"notices": shown, "message": {"uuid": self._id}, "announce": True}
        cards = render_to_string("chat/_cards.html", context, request=self._request)
        return _partial(f"notices-{self._id}", "innerMorph", cards)

    def _whole_body(self) -> str:
        """Also takes the place of the thinking state, which stays until there is a first word."""
        self._has_body = True
        self._markdown = LiveMarkdown()
        text = self._markdown.feed(self._transcript.text)
        body = format_html(
            '<div id="blocks-{0}">{1}</div><div id="live-{0}" class="live">{2}</div>',
            self._id,
            _safe(text.finished),
            _safe(text.live),
        )
        return _partial(f"body-{self._id}", "innerMorph", body)

    def _more(self, text: str) -> str:
        patch = self._markdown.feed(text)
        finished = _partial(f"blocks-{self._id}", "beforeend", patch.finished) if patch.finished else ""
        return finished + _partial(f"live-{self._id}", "innerMorph", patch.live)


def _partial(target: str, swap: str, html: str) -> str:
    return format_html('<hx-partial hx-target="#{}" hx-swap="{}">{}</hx-partial>', target, swap, _safe(html))


def finished_patch(message: MessageView, request: HttpRequest) -> str:
    """Replaces the live answer by the saved one."""
    html = render_to_string("chat/_answer.html", {"message": message}, request=request)
    return _partial(f"m-{message.uuid}", "outerHTML", html)
