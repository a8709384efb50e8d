"""What was said, as the page shows it: a stretch of the chosen branch, earlier ones, other versions."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET, require_POST

from chat import access, doors
from chat.models import Conversation, Person, Status
from chat.rendering import MessageView, paused, views_of, with_text_so_far
from chat.streams import so_far
from chat.turns import show_branch
from chat.web.errors import kindly
from chat.web.forms import by_htmx, conversation_url, uuid_or_none
from chat.web.listing import listed

STRETCH = 40
"""Messages on a page: even, so that it begins with a question."""


@dataclass(slots=True)
class Stretch:
    """`earlier` is the first message, where there are more before it; `is_latest`: none comes after."""

    messages: list[MessageView] = field(default_factory=list)
    earlier: uuid.UUID | None = None
    is_latest: bool = True


def stretch(
    shown: Conversation,
    person: Person | None,
    *,
    before: uuid.UUID | None = None,
    around: uuid.UUID | None = None,
) -> Stretch:
    """The latest messages; or those `before` a message, or `around` one. Sync. Raises `NotFound`.

    As many queries for a conversation of two thousand messages as for one of two.
    """
    rows, end = shown.messages.shown(), None
    if before is not None:
        end = access.message(person, before).pk
    elif around is not None:
        after = rows.filter(pk__gte=access.message(person, around).pk)
        end = next(iter(after.values_list("pk", flat=True)[STRETCH // 2 : STRETCH // 2 + 1]), None)
    upto = rows if end is None else rows.filter(pk__lt=end)
    latest = upto.reverse().select_related("generation").prefetch_related("feedback")
    found = list(latest[: STRETCH + 1])
    page = found[:STRETCH][::-1]
    earlier = page[0].uuid if len(found) > STRETCH else None
    return Stretch(views_of(shown, page, person), earlier, is_latest=end is None)


async def as_they_stand(messages: list[MessageView]) -> list[MessageView]:
    """Only the last answer can wait for someone to come back to it."""
    last = len(messages) - 1
    return [await as_it_stands(m, may_wait=index == last) for index, m in enumerate(messages)]


async def as_it_stands(message: MessageView, *, may_wait: bool = False) -> MessageView:
    """A running answer with what it says now; a paused one with what was read of it."""
    after, running = message.paused_after, message.status == Status.STREAMING
    is_paused = may_wait and after is not None and (running or message.status == Status.COMPLETE)
    if message.stream_uuid is None or not (running or is_paused):
        return message
    now = await so_far(message.stream_uuid)
    if is_paused and now:
        read = await so_far(message.stream_uuid, after)
        # A pause keeps words back, never a card; and nothing where all had been read.
        if read and len(read.notices) == len(now.notices) and (running or read.text != now.text):
            return paused(message, read)
    return with_text_so_far(message, now) if running and now else message


async def log_again(
    request: HttpRequest, conversation_uuid: uuid.UUID, focus: uuid.UUID | None = None
) -> HttpResponse:
    """The latest messages in place of what the page shows, after another version was chosen or asked for."""

    def load(person: Person | None) -> dict[str, Any]:
        shown = access.conversation(person, conversation_uuid)
        return {
            "conversation": shown,
            "stretch": stretch(shown, person),
            "follow": True,
            "client_message_id": str(uuid.uuid4()),
            "focus": focus,
            **listed(person),
        }

    context = await doors.with_visitor(request, load)
    context["messages"] = await as_they_stand(context["stretch"].messages)
    response = HttpResponse(render_to_string("chat/_log_again.html", context, request=request))
    response["HX-Retarget"], response["HX-Reswap"] = "#log", "innerMorph"
    return response


@require_GET
@kindly
async def earlier(request: HttpRequest, conversation_uuid: uuid.UUID) -> HttpResponse:
    """What was said before a message, to stand in place of the link that asked for it."""
    before = uuid_or_none(request.GET.get("before", ""))

    def load(person: Person | None) -> dict[str, Any]:
        shown = access.conversation(person, conversation_uuid)
        return {"conversation": shown, "stretch": stretch(shown, person, before=before)}

    context = await doors.with_visitor(request, load)
    context |= {"messages": context["stretch"].messages, "client_message_id": str(uuid.uuid4())}
    return render(request, "chat/_log.html", context)


@require_POST
@kindly
async def show(request: HttpRequest) -> HttpResponse:
    """Another version of a question or of an answer, with what followed it."""
    chosen = uuid_or_none(request.POST.get("message", "")) or uuid.uuid4()
    conversation_uuid = await doors.with_visitor(
        request, lambda person: show_branch(person, chosen).conversation.uuid
    )
    if by_htmx(request):
        return await log_again(request, conversation_uuid, focus=chosen)
    return HttpResponseRedirect(f"{conversation_url(conversation_uuid)}?at={chosen}#m-{chosen}")
