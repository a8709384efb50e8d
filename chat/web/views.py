"""The page and its forms: each works with htmx, and without JavaScript by redirects."""

import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from chat import access, doors, feedback
from chat.errors import Invalid, NotAuthenticated, NotFound, Refusal
from chat.models import Conversation, Message, Person, Rating, Status
from chat.rendering import (
    DONE,
    MessageView,
    bubbles_frame,
    finished_frame,
    html_frames,
    message_view,
    notice_view,
    with_text_so_far,
)
from chat.streams import follow, so_far
from chat.turns import Ask, Turn, stop_turn
from chat.web.errors import kindly, to_login
from streaming.events import notice_from_wire
from streaming.responses import StreamResponse

LISTED = 50
COMMENT_CHARS = 2000
CLIENT_ID_CHARS = 64


def suggestions() -> list[str]:
    """First questions for an empty page."""
    return [
        _("How often should a newborn feed at night?"),
        _("Tell me about baby sleep patterns"),
        _("What helps with colic?"),
        _("When does morning sickness stop?"),
    ]


# --- Reading ------------------------------------------------------------------------------------------------


@require_GET
async def home(request: HttpRequest) -> HttpResponse:
    """A new conversation; or, where guests are off and nobody is logged in, the welcome page."""
    try:
        return await _page(request)
    except NotAuthenticated:
        return render(request, "chat/welcome.html")


@require_GET
@kindly
async def conversation(request: HttpRequest, conversation_uuid: uuid.UUID) -> HttpResponse:
    return await _page(request, conversation_uuid)


async def _page(
    request: HttpRequest, conversation_uuid: uuid.UUID | None = None, **more: Any
) -> HttpResponse:
    """The page, with `more` context; `status` in it is the HTTP status."""

    def load(person: Person | None) -> dict[str, Any]:
        shown = access.conversation(person, conversation_uuid) if conversation_uuid else None
        messages = _messages(shown, person) if shown else []
        return {
            "person": person or Person(),
            "user": request.user,
            "conversation": shown,
            "conversations": list(access.conversations(person)[:LISTED]),
            "messages": messages,
            "refresh": _refresh_address(request, messages),
            "follow": True,
            "suggestions": suggestions(),
            "client_message_id": str(uuid.uuid4()),
            "draft": "",
            "problem": None,
        }

    status = more.pop("status", 200)
    context = await doors.with_visitor(request, load) | more
    context["messages"] = [await _as_it_stands(message) for message in context["messages"]]
    get_token(request)
    return render(request, "chat/page.html", context, status=status)


async def _as_it_stands(message: MessageView) -> MessageView:
    if message.status != Status.STREAMING or message.stream_uuid is None:
        return message
    return with_text_so_far(message, await so_far(message.stream_uuid))


def _refresh_address(request: HttpRequest, messages: list[MessageView]) -> str | None:
    """Where a page without JavaScript looks again while an answer is written: at that answer, at another
    address each time, since a browser does not load the same address with a fragment twice.
    """
    running = [message.uuid for message in messages if message.status == Status.STREAMING]
    again = request.GET.get("again", "0")
    count = int(again) + 1 if again.isdecimal() and len(again) < 6 else 1
    return f"{request.path}?again={count}#m-{running[-1]}" if running else None


def _messages(shown: Conversation, person: Person | None) -> list[MessageView]:
    rows = shown.messages.current().select_related("generation").prefetch_related("feedback")
    return [message_view(row, person) for row in rows]


@require_GET
@kindly
async def stream(request: HttpRequest, stream_uuid: uuid.UUID) -> HttpResponseBase:
    """Follow an answer that is being written: after a reload, or on a second tab."""
    generation = await doors.find_stream(request, stream_uuid)
    return StreamResponse(_frames(request, generation.stream_uuid, generation.message.uuid))


async def _frames(
    request: HttpRequest, stream_uuid: uuid.UUID, answer: uuid.UUID, bubbles: str = ""
) -> AsyncGenerator[bytes]:
    if bubbles:
        yield bubbles_frame(bubbles)
    async with aclosing(html_frames(follow(stream_uuid), answer)) as frames:
        async for frame in frames:
            yield frame
    try:
        saved = await doors.with_visitor(request, lambda person: _answer_view(person, answer))
        yield finished_frame(saved, request)
    except NotFound:
        pass  # deleted meanwhile, in another tab
    yield DONE


def _answer_view(person: Person | None, answer: uuid.UUID) -> MessageView:
    return message_view(access.answer(person, answer), person)


# --- Asking -------------------------------------------------------------------------------------------------


@require_POST
async def send(request: HttpRequest) -> HttpResponseBase:
    """Take a message; stream the answer into the page, or redirect to the page that shows it."""
    form = request.POST
    conversation_uuid = _uuid_or_none(form.get("conversation", ""))
    message = Ask(
        message=form.get("message", ""),
        conversation=conversation_uuid,
        client_message_id=form.get("client_message_id", "").replace("\0", "")[:CLIENT_ID_CHARS] or None,
    )
    try:
        turn = await doors.ask(request, message)
    except Refusal as refusal:
        return await _refused(request, refusal, conversation_uuid, draft=message.message)
    return await _answering(request, turn)


@require_POST
async def retry(request: HttpRequest, message_uuid: uuid.UUID) -> HttpResponseBase:
    """Have a failed, stopped or cut-off answer tried again."""
    try:
        turn = await doors.ask_again(request, message_uuid)
    except Refusal as refusal:
        return await _refused(request, refusal, None, draft="")
    return await _answering(request, turn, retried=message_uuid)


async def _answering(request: HttpRequest, turn: Turn, retried: uuid.UUID | None = None) -> HttpResponseBase:
    if not _by_htmx(request):
        return HttpResponseRedirect(_conversation_url(turn.conversation) + f"#m-{turn.answer}")
    # A phone that lost the stream sends the same form again; the bubbles are on its page already.
    first = "" if request.headers.get("Last-Event-ID") else await _bubbles(request, turn, retried)
    response = StreamResponse(_frames(request, turn.stream, turn.answer, first))
    response["HX-Push-Url"] = _conversation_url(turn.conversation)
    return response


async def _bubbles(request: HttpRequest, turn: Turn, retried: uuid.UUID | None) -> str:
    """Question and empty answer for the end of the log, and the list and form that know the conversation."""

    def load(person: Person | None) -> dict[str, Any]:
        answer = access.answer(person, turn.answer)
        assert answer.question is not None  # the database says so: message_question_or_answer
        return {
            "question": None if retried else message_view(answer.question, person),
            "answer": message_view(answer, person),
            "retried": retried,
            "conversation": answer.conversation,
            "conversations": list(access.conversations(person)[:LISTED]),
        }

    context = await doors.with_visitor(request, load)
    return render_to_string("chat/_turn.html", context, request=request)


async def _refused(
    request: HttpRequest, refusal: Refusal, conversation_uuid: uuid.UUID | None, *, draft: str
) -> HttpResponse:
    """The reason, kindly, beside the message that was not taken."""
    if isinstance(refusal, NotAuthenticated):
        return to_login(request)
    problem = {
        "title": refusal.title,
        "detail": refusal.detail,
        "code": refusal.code,
        "retry_after": refusal.retry_after,
        "notices": [notice_view(notice_from_wire(fields)) for fields in refusal.extra.get("notices", ())],
    }
    if _by_htmx(request):
        response = render(request, "chat/_problem.html", {"problem": problem}, status=refusal.status)
        response["HX-Retarget"], response["HX-Reswap"] = "#problem", "innerHTML"
    else:
        shown = None if isinstance(refusal, NotFound) else conversation_uuid
        response = await _page(request, shown, problem=problem, draft=draft, status=refusal.status)
    if refusal.retry_after is not None:
        response["Retry-After"] = str(refusal.retry_after)
    return response


# --- Other forms --------------------------------------------------------------------------------------------


@require_POST
@kindly
async def stop(request: HttpRequest, stream_uuid: uuid.UUID) -> HttpResponse:
    """End a running answer; the page learns it from the stream."""
    generation = await doors.find_stream(request, stream_uuid)
    await stop_turn(stream_uuid)
    if _by_htmx(request):
        return HttpResponse(status=204)
    return HttpResponseRedirect(_conversation_url(generation.message.conversation.uuid))


@require_POST
@kindly
async def rate(request: HttpRequest, message_uuid: uuid.UUID) -> HttpResponse:
    """Keep, change or clear what a person thinks of an answer."""
    rating = request.POST.get("rating", "")
    comment = request.POST.get("comment", "").replace("\0", "").strip()
    if rating not in (*Rating.values, "clear") or len(comment) > COMMENT_CHARS:
        return await _refused(request, Invalid(_("This rating is not known.")), None, draft="")

    def keep(person: Person | None) -> tuple[MessageView, Message]:
        if rating == "clear":
            feedback.take_back(person, message_uuid)
        else:
            feedback.give(person, message_uuid, feedback.Opinion(rating, comment=comment))
        answer = access.answer(person, message_uuid)
        return message_view(answer, person), answer

    shown, answer = await doors.with_visitor(request, keep)
    if _by_htmx(request):
        return render(request, "chat/_feedback.html", {"message": shown})
    return HttpResponseRedirect(_conversation_url(answer.conversation.uuid) + f"#m-{message_uuid}")


@require_POST
@kindly
async def delete(request: HttpRequest, conversation_uuid: uuid.UUID) -> HttpResponse:
    await doors.delete_conversation(request, conversation_uuid)
    response = HttpResponseRedirect(reverse("chat:home"))
    if _by_htmx(request):
        response = HttpResponse(status=204)  # type: ignore[assignment]
        response["HX-Redirect"] = reverse("chat:home")
    return response


def _by_htmx(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def _conversation_url(conversation_uuid: uuid.UUID) -> str:
    return reverse("chat:conversation", args=[conversation_uuid])


def _uuid_or_none(raw: str) -> uuid.UUID | None:
    """None for an empty field. What is no UUID is looked up as one that nobody has, and so not found."""
    if not raw:
        return None
    try:
        return uuid.UUID(raw)
    except ValueError:
        return uuid.uuid4()
