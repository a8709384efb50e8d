"""Events as HTML frames that patch the page, for htmx."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from uuid import UUID

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html

from chat.markdown import LiveMarkdown
from chat.rendering import MessageView, notice_view, safe
from streaming import sse
from streaming.events import Event, Metadata, Notice, Token, Transcript
from streaming.log.base import BATCH, Entry

PING = sse.frame(b"", event="ping")
DONE = sse.frame(b"", event="done")


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
            safe(text.finished),
            safe(text.live),
        )
        return _partial(f"body-{self._id}", "innerMorph", body)

    def _more(self, text: str) -> str:
        patch = self._markdown.feed(text)
        finished = _partial(f"blocks-{self._id}", "beforeend", patch.finished) if patch.finished else ""
        return finished + _partial(f"live-{self._id}", "innerMorph", patch.live)


def _partial(target: str, swap: str, html: str) -> str:
    return format_html('<hx-partial hx-target="#{}" hx-swap="{}">{}</hx-partial>', target, swap, safe(html))


def finished_patch(message: MessageView, request: HttpRequest) -> str:
    """Replaces the live answer by the saved one."""
    html = render_to_string("chat/_answer.html", {"message": message}, request=request)
    return _partial(f"m-{message.uuid}", "outerHTML", html)
