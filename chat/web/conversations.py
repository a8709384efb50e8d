"""What a person does with conversations: look for, rename, pin, share, export, delete and bring back."""

import uuid
from collections.abc import AsyncGenerator, Callable
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from chat import access, conversations, doors, export, search
from chat.api.cursors import ByUse, decode_cursor, encode_cursor
from chat.conversations import LISTED
from chat.errors import Conflict
from chat.models import Conversation, Person
from chat.models.conversation import TITLE_CHARS
from chat.web.errors import kindly
from chat.web.forms import by_htmx, conversation_url, uuid_or_none
from chat.web.listing import listed

# --- The list and the search --------------------------------------------------------------------------------


@require_GET
@kindly
async def index(request: HttpRequest) -> HttpResponse:
    """Conversations with the words of `q`; without any, the list. For htmx the part beside the chat."""
    query, cursor = request.GET.get("q", "").replace("\0", "").strip(), request.GET.get("cursor", "")

    def load(person: Person | None) -> dict[str, Any]:
        return _found(person, query, cursor) if query else listed(person, cursor)

    context = await doors.with_visitor(request, load) | {"query": query, "is_older": bool(cursor)}
    if by_htmx(request):
        template = "chat/_found.html" if query else "chat/_conversations.html"
        return render(request, template, context | {"conversation": await _open_one(request)})
    get_token(request)
    return render(request, "chat/conversations.html", context)


def _found(person: Person | None, query: str, cursor: str) -> dict[str, Any]:
    rows = search.matching(access.conversations(person), query)
    if cursor:
        rows = conversations.before(rows, conversations.Place(*decode_cursor(cursor, ByUse)))
    found = list(rows[: LISTED + 1])
    last = found[LISTED - 1] if len(found) > LISTED else None
    return {
        "hits": search.hits(found[:LISTED], query),
        "older": encode_cursor(ByUse(last.updated_at, last.pk)) if last else "",
    }


# --- One conversation: what can be done with it -------------------------------------------------------------


@require_GET
@kindly
async def options(request: HttpRequest, conversation_uuid: uuid.UUID) -> HttpResponse:
    """Everything that can be done with it: in a sheet over the page, or as a page of its own."""
    return await _sheet(request, conversation_uuid, part=request.GET.get("part", ""))


async def _sheet(request: HttpRequest, conversation_uuid: uuid.UUID, **more: Any) -> HttpResponse:
    def load(person: Person | None) -> dict[str, Any]:
        found = access.conversation(person, conversation_uuid)
        link = conversations.share_of(found)
        return {
            "item": found,
            "link": link and request.build_absolute_uri(reverse("chat:shared", args=[link.key])),
            "is_behind": bool(link and conversations.is_behind(link)),
        }

    context = await doors.with_visitor(request, load) | more
    get_token(request)
    in_sheet = by_htmx(request)
    name = "chat/_options.html" if in_sheet else "chat/options.html"
    return render(request, name, context | {"in_sheet": in_sheet})


@require_POST
@kindly
async def rename(request: HttpRequest, conversation_uuid: uuid.UUID) -> HttpResponse:
    title = request.POST.get("title", "").replace("\0", "").strip()
    if not 0 < len(title) <= TITLE_CHARS:
        words = _("A name needs 1 to %(limit)d characters.") % {"limit": TITLE_CHARS}
        return await _sheet(request, conversation_uuid, problem=words, title=title)
    return await _change(request, conversation_uuid, lambda found: conversations.rename(found, title))


@require_POST
@kindly
async def pin(request: HttpRequest, conversation_uuid: uuid.UUID) -> HttpResponse:
    is_pinned = request.POST.get("pinned") == "on"
    return await _change(
        request, conversation_uuid, lambda found: conversations.pin(found, is_pinned=is_pinned)
    )


async def _change(
    request: HttpRequest, conversation_uuid: uuid.UUID, change: Callable[[Conversation], None]
) -> HttpResponse:
    """Give htmx the list anew, and the title of the page; else go to the conversation."""
    await doors.with_visitor(request, lambda person: change(access.conversation(person, conversation_uuid)))
    if not by_htmx(request):
        return HttpResponseRedirect(conversation_url(conversation_uuid))
    return await _list_again(request)


async def _list_again(request: HttpRequest, deleted: Conversation | None = None) -> HttpResponse:
    context = await doors.with_visitor(request, listed)
    context |= {"conversation": await _open_one(request), "deleted": deleted}
    return render(request, "chat/_list_again.html", context)


async def _open_one(request: HttpRequest) -> Conversation | None:
    """The conversation of the page that htmx asks from, if it shows one."""
    parts = urlsplit(request.headers.get("HX-Current-URL", "")).path.strip("/").split("/")
    if len(parts) != 2 or parts[0] != "c":
        return None
    found = uuid_or_none(parts[1]) or uuid.uuid4()

    def load(person: Person | None) -> Conversation | None:
        return access.conversations(person).filter(uuid=found).first()

    return await doors.with_visitor(request, load)


# --- Delete -------------------------------------------------------------------------------------------------


@require_POST
@kindly
async def delete(request: HttpRequest, conversation_uuid: uuid.UUID) -> HttpResponse:
    """Gone, with a way back: beside the page where another one is open, else on a page for a new one."""
    is_open = await _open_one(request)
    gone = await doors.delete_conversation(request, conversation_uuid)
    if by_htmx(request) and (is_open is None or is_open.uuid != conversation_uuid):
        return await _list_again(request, gone)
    address = f"{reverse('chat:home')}?deleted={conversation_uuid}"
    if not by_htmx(request):
        return HttpResponseRedirect(address)
    response = HttpResponse(status=204)
    response["HX-Redirect"] = address
    return response


@require_POST
@kindly
async def restore(request: HttpRequest, conversation_uuid: uuid.UUID) -> HttpResponse:
    await doors.with_visitor(request, lambda person: conversations.restore(person, conversation_uuid))
    if by_htmx(request):
        return await _list_again(request)
    return HttpResponseRedirect(conversation_url(conversation_uuid))


# --- Share --------------------------------------------------------------------------------------------------


@require_POST
@kindly
async def share(request: HttpRequest, conversation_uuid: uuid.UUID) -> HttpResponse:
    """Make a link, or have it show what was said since."""
    try:
        await doors.with_visitor(
            request, lambda person: conversations.share(access.conversation(person, conversation_uuid))
        )
    except Conflict as refusal:
        return await _sheet(request, conversation_uuid, part="share", share_problem=refusal.detail)
    return await _sheet_again(request, conversation_uuid)


@require_POST
@kindly
async def unshare(request: HttpRequest, conversation_uuid: uuid.UUID) -> HttpResponse:
    await doors.with_visitor(
        request, lambda person: conversations.unshare(access.conversation(person, conversation_uuid))
    )
    return await _sheet_again(request, conversation_uuid)


async def _sheet_again(request: HttpRequest, conversation_uuid: uuid.UUID) -> HttpResponse:
    if not by_htmx(request):
        return HttpResponseRedirect(reverse("chat:options", args=[conversation_uuid]) + "?part=share")
    return await _sheet(request, conversation_uuid, part="share")


# --- Export -------------------------------------------------------------------------------------------------


@require_GET
@kindly
async def export_one(request: HttpRequest, conversation_uuid: uuid.UUID, ending: str) -> HttpResponseBase:
    def find(person: Person | None) -> tuple[Person | None, Conversation]:
        return person, access.conversation(person, conversation_uuid)

    person, found = await doors.with_visitor(request, find)
    return _download(person, found, ending)


@require_GET
@kindly
async def export_all(request: HttpRequest, ending: str) -> HttpResponseBase:
    person = await doors.with_visitor(request, lambda person: person)
    return _download(person, None, ending)


def _download(person: Person | None, only: Conversation | None, ending: str) -> HttpResponseBase:
    pieces: Callable[..., AsyncGenerator[str]] = export.as_json if ending == "json" else export.as_markdown
    kind = "application/json" if ending == "json" else "text/markdown; charset=utf-8"
    response = StreamingHttpResponse(pieces(person, only and only.uuid), content_type=kind)
    name = content_disposition_header(as_attachment=True, filename=export.filename(only, ending))
    response["Content-Disposition"] = name or "attachment"
    response["Cache-Control"] = "no-store"
    return response
