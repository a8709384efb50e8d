"""The versions of a conversation: questions edited, answers given again, and the branch that is shown."""

import uuid
from collections.abc import Iterable

from django.db import transaction

from chat import access
from chat.models import Conversation, Message, Person


def show_branch(person: Person | None, message_uuid: uuid.UUID) -> Message:
    """Show the branch through this message, and below it the latest of each. Sync. Raises `NotFound`."""
    message = access.message(person, message_uuid)
    if not message.is_shown:
        _show(message)
    return message


def hide_from(first: Message) -> None:
    """Make room for another version of `first`, which is shown: it and all after it are kept, unseen."""
    later = Message.objects.filter(conversation=first.conversation_id, is_shown=True, pk__gte=first.pk)
    later.update(is_shown=False)


def last_shown(conversation: Conversation) -> Message | None:
    """The answer that the next question follows."""
    return conversation.messages.filter(is_shown=True, question__isnull=False).order_by("-pk").first()


def branch_of(conversation: int, leaf: int) -> list[int]:
    """The messages from the first one to `leaf`, by primary key."""
    return _up(_parents(conversation), leaf)


@transaction.atomic
def _show(message: Message) -> None:
    parents = _parents(message.conversation_id)
    branch = {*_up(parents, message.pk), *_down(parents, message.pk)}
    rows = Message.objects.filter(conversation=message.conversation_id)
    shown = set(rows.filter(is_shown=True).values_list("pk", flat=True))
    rows.filter(pk__in=shown - branch).update(is_shown=False)
    rows.filter(pk__in=branch - shown).update(is_shown=True)


def _parents(conversation: int) -> dict[int, int | None]:
    rows = Message.objects.filter(conversation=conversation).order_by("pk")
    return {
        pk: question or follows for pk, question, follows in rows.values_list("pk", "question", "follows")
    }


def _up(parents: dict[int, int | None], leaf: int) -> list[int]:
    branch, at = [], leaf
    while at is not None:
        branch.append(at)
        at = parents[at]  # type: ignore[assignment]
    return branch[::-1]


def _down(parents: dict[int, int | None], root: int) -> Iterable[int]:
    latest = {parent: pk for pk, parent in parents.items()}  # the last of each, since they come in order
    at = root
    while (at := latest.get(at, 0)) != 0:
        yield at
