"""Which versions of a message there are, for a page that can switch between them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from chat.models import Conversation, Message, Role


@dataclass(frozen=True, slots=True)
class Versions:
    """`position` counts from 1; the neighbours are None at the ends."""

    position: int
    count: int
    older: UUID | None
    newer: UUID | None


def versions_of(conversation: Conversation, messages: Sequence[Message]) -> dict[int, Versions]:
    """By primary key, of those messages that have other versions. One query, however many messages.

    An answer that failed before its first word is no version worth a look, unless it is the one shown.
    """
    questions = [m for m in messages if m.role == Role.USER]
    same_answer = Q(question__in=[m.question_id for m in messages if m.question_id])
    same_place = Q(role=Role.USER, follows__in=[m.follows_id for m in questions if m.follows_id])
    if any(m.follows_id is None for m in questions):
        same_place |= Q(role=Role.USER, follows=None)
    rows = Message.objects.filter(same_answer | same_place, conversation=conversation).order_by("pk")
    places: dict[tuple[int | None, int | None], list[tuple[int, UUID]]] = defaultdict(list)
    columns = ("pk", "uuid", "role", "question", "follows", "is_shown", "content", "notices")
    for pk, uuid, role, question, follows, is_shown, content, notices in rows.values_list(*columns):
        if is_shown or role == Role.USER or content or notices:
            places[question, follows].append((pk, uuid))
    found = {m.pk: _place(places[m.question_id, m.follows_id], m.pk) for m in messages}
    return {pk: versions for pk, versions in found.items() if versions.count > 1}


def _place(siblings: list[tuple[int, UUID]], pk: int) -> Versions:
    uuids = [uuid for _pk, uuid in siblings]
    index = [sibling for sibling, _uuid in siblings].index(pk)
    older = uuids[index - 1] if index else None
    newer = uuids[index + 1] if index + 1 < len(uuids) else None
    return Versions(index + 1, len(uuids), older, newer)
