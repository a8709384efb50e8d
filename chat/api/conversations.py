"""List, read, rename, delete."""

from typing import Annotated, Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest
from ninja import Query, Router, Status

from chat import access, doors
from chat.api.cursors import ById, ByUse, decode_cursor, encode_cursor
from chat.api.schemas import NO_NUL, ConversationIn, ConversationOut, ConversationsOut, MessagesOut
from chat.models import Conversation, Person
from chat.wire import conversation_to_wire, message_to_wire

router = Router()

Limit = Annotated[int, Query(ge=1, le=100)]
Words = Annotated[str, Query(max_length=200, pattern=NO_NUL)]


@router.get("", response=ConversationsOut, summary="Conversations, the most recently used first")
async def list_conversations(
    request: HttpRequest, cursor: str = "", limit: Limit = 20, q: Words = ""
) -> dict[str, Any]:
    def page(person: Person | None) -> dict[str, Any]:
        rows = access.conversations(person).counted()
        if q.strip():
            rows = rows.matching(q.strip())
        if cursor:
            last_seen = decode_cursor(cursor, ByUse)
            rows = rows.filter(
                Q(updated_at__lt=last_seen.used) | Q(updated_at=last_seen.used, pk__lt=last_seen.pk)
            )
        found = list(rows[: limit + 1])
        last = found[limit - 1] if len(found) > limit else None
        return {
            "items": [_listed(row) for row in found[:limit]],
            "nextCursor": last and encode_cursor(ByUse(last.updated_at, last.pk)),
        }

    return await doors.with_visitor(request, page)


@router.get("/{uuid:conversation_id}", response=ConversationOut, summary="One conversation")
async def get_conversation(request: HttpRequest, conversation_id: UUID) -> dict[str, Any]:
    return await doors.with_visitor(
        request, lambda person: _counted(access.conversation(person, conversation_id))
    )


@router.patch("/{uuid:conversation_id}", response=ConversationOut, summary="Rename a conversation")
async def rename_conversation(
    request: HttpRequest, conversation_id: UUID, body: ConversationIn
) -> dict[str, Any]:
    def rename(person: Person | None) -> dict[str, Any]:
        conversation = access.conversation(person, conversation_id)
        conversation.title = body.title
        conversation.save(update_fields=["title"])
        return _counted(conversation)

    return await doors.with_visitor(request, rename)


@router.delete(
    "/{uuid:conversation_id}", response={204: None}, summary="Delete a conversation with all in it"
)
async def remove_conversation(request: HttpRequest, conversation_id: UUID) -> Status[None]:
    await doors.delete_conversation(request, conversation_id)
    return Status(204, None)


@router.get(
    "/{uuid:conversation_id}/messages",
    response=MessagesOut,
    exclude_unset=True,
    summary="The messages of a conversation, oldest first",
)
async def list_messages(
    request: HttpRequest, conversation_id: UUID, cursor: str = "", limit: Limit = 20
) -> dict[str, Any]:
    def page(person: Person | None) -> dict[str, Any]:
        rows = access.conversation(person, conversation_id).messages.order_by("pk")
        if cursor:
            rows = rows.filter(pk__gt=decode_cursor(cursor, ById).pk)
        found = list(rows.select_related("generation").prefetch_related("feedback")[: limit + 1])
        last = found[limit - 1] if len(found) > limit else None
        return {
            "items": [message_to_wire(row, person) for row in found[:limit]],
            "nextCursor": last and encode_cursor(ById(last.pk)),
        }

    return await doors.with_visitor(request, page)


def _listed(conversation: Any) -> dict[str, Any]:
    return conversation_to_wire(conversation, conversation.message_count)


def _counted(conversation: Conversation) -> dict[str, Any]:
    return conversation_to_wire(conversation, conversation.messages.count())
