"""List and search, read, rename, pin, share, delete and bring back."""

from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from ninja import Query, Router, Status

from chat import access, conversations, doors, search
from chat.api.cursors import ById, ByUse, decode_cursor, encode_cursor
from chat.api.schemas import (
    NO_NUL,
    ConversationIn,
    ConversationOut,
    ConversationsOut,
    MessagesOut,
    SharedOut,
)
from chat.errors import Invalid
from chat.models import Conversation, Person, Share
from chat.wire import conversation_to_wire, message_to_wire

router = Router()

Limit = Annotated[int, Query(ge=1, le=100)]
Words = Annotated[str, Query(max_length=200, pattern=NO_NUL)]


@router.get("", response=ConversationsOut, summary="Conversations, the most recently used first")
async def list_conversations(
    request: HttpRequest, cursor: str = "", limit: Limit = 20, q: Words = ""
) -> dict[str, Any]:
    def page(person: Person | None) -> dict[str, Any]:
        rows = access.conversations(person)
        if q.strip():
            rows = search.matching(rows, q)
        if cursor:
            rows = conversations.before(rows, conversations.Place(*decode_cursor(cursor, ByUse)))
        rows = rows.counted().select_related("share")
        found = list(rows[: limit + 1])
        last = found[limit - 1] if len(found) > limit else None
        return {
            "items": [_listed(request, row) for row in found[:limit]],
            "nextCursor": last and encode_cursor(ByUse(last.updated_at, last.pk)),
        }

    return await doors.with_visitor(request, page)


@router.get("/{uuid:conversation_id}", response=ConversationOut, summary="One conversation")
async def get_conversation(request: HttpRequest, conversation_id: UUID) -> dict[str, Any]:
    return await doors.with_visitor(
        request, lambda person: _counted(request, access.conversation(person, conversation_id))
    )


@router.patch("/{uuid:conversation_id}", response=ConversationOut, summary="Rename or pin a conversation")
async def change_conversation(
    request: HttpRequest, conversation_id: UUID, body: ConversationIn
) -> dict[str, Any]:
    given = body.model_fields_set
    if not given:
        found = [{"loc": ["body"], "msg": "title, pinned or both are needed"}]
        raise Invalid("Nothing is to be changed; see `errors`.", errors=found)

    def change(person: Person | None) -> dict[str, Any]:
        conversation = access.conversation(person, conversation_id)
        if "title" in given:
            conversations.rename(conversation, body.title)
        if "pinned" in given:
            conversations.pin(conversation, is_pinned=body.pinned)
        return _counted(request, conversation)

    return await doors.with_visitor(request, change)


@router.delete(
    "/{uuid:conversation_id}", response={204: None}, summary="Delete a conversation with all in it"
)
async def remove_conversation(request: HttpRequest, conversation_id: UUID) -> Status[None]:
    await doors.delete_conversation(request, conversation_id)
    return Status(204, None)


@router.post(
    "/{uuid:conversation_id}/restore", response=ConversationOut, summary="Bring a deleted conversation back"
)
async def restore_conversation(request: HttpRequest, conversation_id: UUID) -> dict[str, Any]:
    return await doors.with_visitor(
        request, lambda person: _counted(request, conversations.restore(person, conversation_id))
    )


@router.put("/{uuid:conversation_id}/share", response=SharedOut, summary="Share a conversation as it stands")
async def share_conversation(request: HttpRequest, conversation_id: UUID) -> dict[str, Any]:
    def share(person: Person | None) -> dict[str, Any]:
        made = conversations.share(access.conversation(person, conversation_id))
        return {"sharedUrl": _address(request, made), "upto": made.leaf.uuid, "createdAt": made.created_at}

    return await doors.with_visitor(request, share)


@router.delete("/{uuid:conversation_id}/share", response={204: None}, summary="Stop sharing a conversation")
async def unshare_conversation(request: HttpRequest, conversation_id: UUID) -> Status[None]:
    await doors.with_visitor(
        request, lambda person: conversations.unshare(access.conversation(person, conversation_id))
    )
    return Status(204, None)


@router.get(
    "/{uuid:conversation_id}/messages",
    response=MessagesOut,
    exclude_unset=True,
    summary="The messages of a conversation, oldest first",
)
async def list_messages(
    request: HttpRequest, conversation_id: UUID, cursor: str = "", limit: Limit = 20, shown: bool = False
) -> dict[str, Any]:
    """With `shown`, only the branch that the person has chosen; else all versions."""

    def page(person: Person | None) -> dict[str, Any]:
        rows = access.conversation(person, conversation_id).messages.order_by("pk")
        if shown:
            rows = rows.filter(is_shown=True)
        if cursor:
            rows = rows.filter(pk__gt=decode_cursor(cursor, ById).pk)
        found = list(
            rows.select_related("generation", "question", "follows").prefetch_related("feedback")[: limit + 1]
        )
        last = found[limit - 1] if len(found) > limit else None
        return {
            "items": [message_to_wire(row, person) for row in found[:limit]],
            "nextCursor": last and encode_cursor(ById(last.pk)),
        }

    return await doors.with_visitor(request, page)


def _listed(request: HttpRequest, conversation: Any) -> dict[str, Any]:
    """Reads `share`: fetch it before."""
    return conversation_to_wire(
        conversation, conversation.message_count, _address(request, getattr(conversation, "share", None))
    )


def _counted(request: HttpRequest, conversation: Conversation) -> dict[str, Any]:
    link = _address(request, conversations.share_of(conversation))
    return conversation_to_wire(conversation, conversation.messages.count(), link)


def _address(request: HttpRequest, link: Share | None) -> str | None:
    return request.build_absolute_uri(reverse("chat:shared", args=[link.key])) if link else None
