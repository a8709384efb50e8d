"""Which versions of a message there are, for a page that can switch between them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from chat.models import Conversation, Message, Role
from chat.models.conversation import MessageQuerySet


@dataclass(frozen=True, slots=True)
class Versions:
    """`position` counts from 1; the neighbours are None at the ends."""

    position: int
    count: int
    older: UUID | None
    newer: UUID | None


def versions_of(conversation: Conversation, messages: Sequence[Message]) -> dict[int, Versions]:
    """By primary key, of those messages that have other versions. Three queries at most, each by an index,
    however long the conversation is.

    An answer that failed before its first word is no version worth a look, unless it is the one shown.
    """
    places: dict[tuple[int | None, int | None], list[tuple[int, UUID]]] = defaultdict(list)
    for rows in _siblings(conversation, messages):
        columns = ("pk", "uuid", "role", "question", "follows", "is_shown", "content", "notices")
        for pk, uuid, role, question, follows, is_shown, content, notices in rows.values_list(*columns):
            if is_shown or role == Role.USER or content or notices:
                places[question, follows].append((pk, uuid))
    found = {m.pk: _place(places[m.question_id, m.follows_id], m.pk) for m in messages}
    return {pk: versions for pk, versions in found.items() if versions.count > 1}


def _siblings(conversation: Conversation, messages: Sequence[Message]) -> Iterator[MessageQuerySet]:
    """What hangs on the same messages as these, in the order in which it was made."""
    rows = Message.objects.order_by("pk")
    if answered := [m.question_id for m in messages if m.question_id]:
        yield rows.filter(question__in=answered)
    questions = [m.follows_id for m in messages if m.role == Role.USER]
    if followed := [pk for pk in questions if pk]:
        yield rows.filter(follows__in=followed)
    if None in questions:
        yield rows.filter(conversation=conversation, role=Role.USER, follows=None)


def _place(siblings: list[tuple[int, UUID]], pk: int) -> Versions:
    uuids = [uuid for _pk, uuid in siblings]
    index = [sibling for sibling, _uuid in siblings].index(pk)
    older = uuids[index - 1] if index else None
    newer = uuids[index + 1] if index + 1 < len(uuids) else None
    return Versions(index + 1, len(uuids), older, newer)
