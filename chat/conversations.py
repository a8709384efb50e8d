"""What a person does with their conversations: list, rename, pin, delete and bring back, share. Sync.

Every function takes what `chat.access` found for its person.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise, lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat import access
from chat.errors import Conflict, not_found
from chat.models import Conversation, Message, Person, Share, Status
from chat.models.conversation import TITLE_CHARS, ConversationQuerySet
from chat.quota import zone_of
from chat.turns import branch_of
from chat.turns.deletion import bring_back, set_aside

LISTED = 50
PURGED_AT_ONCE = 100

# --- The list -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """Conversations of one time; `label` is empty where they go on with the group before.

    Labels are lazy: the list is read in a thread that does not know the language of the page.
    """

    label: str | Promise
    rows: Sequence[Conversation]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part of the list ended: the next one begins after it."""

    used: datetime
    pk: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A part of the list; `last` is set where there are older ones."""

    groups: Sequence[Group]
    last: Place | None


def listing(person: Person | None, after: Place | None = None, now: datetime | None = None) -> Listing:
    """The pinned ones and the latest others, grouped by the person's own days; or those `after` a place."""
    rows = access.conversations(person)
    loose = rows.filter(pinned_at=None)
    found = list((before(loose, after) if after else loose)[: LISTED + 1])
    page = found[:LISTED]
    last = Place(page[-1].updated_at, page[-1].pk) if len(found) > LISTED else None
    today = _day(now or timezone.now(), person)
    groups = _grouped(page, person, today, _span(_day(after.used, person), today) if after else None)
    pinned = [] if after else list(rows.exclude(pinned_at=None).order_by("-pinned_at", "-pk"))
    return Listing([Group(gettext_lazy("Pinned"), pinned), *groups] if pinned else groups, last)


def before(rows: ConversationQuerySet, place: Place) -> ConversationQuerySet:
    """Those that come later in the list."""
    return rows.filter(Q(updated_at__lt=place.used) | Q(updated_at=place.used, pk__lt=place.pk))


def _grouped(
    rows: Sequence[Conversation], person: Person | None, today: date, before: "_Span | None"
) -> list[Group]:
    groups = []
    for span, found in groupby(rows, key=lambda row: _span(_day(row.updated_at, person), today)):
        groups.append(Group("" if span == before else _label(span, today), list(found)))
    return groups


def _day(moment: datetime, person: Person | None) -> date:
    return moment.astimezone(zone_of(person)).date()


type _Span = int | date
"""The oldest age in days of what stands under one heading, or the first day of a month."""

_LABELS = {
    0: gettext_lazy("Today"),
    1: gettext_lazy("Yesterday"),
    7: gettext_lazy("Previous 7 days"),
    30: gettext_lazy("Previous 30 days"),
}


def _span(day: date, today: date) -> _Span:
    age = (today - day).days
    return next((oldest for oldest in _LABELS if age <= oldest), day.replace(day=1))


def _label(span: _Span, today: date) -> str | Promise:
    if isinstance(span, int):
        return _LABELS[span]
    return lazy(date_format, str)(span, "F" if span.year == today.year else "F Y")


# --- Rename and pin -----------------------------------------------------------------------------------------


def rename(conversation: Conversation, title: str) -> None:
    """Give it a title of the person's own, which no automatic one takes the place of."""
    conversation.title, conversation.is_named = title.strip()[:TITLE_CHARS], True
    conversation.save(update_fields=["title", "is_named"])


def pin(conversation: Conversation, *, is_pinned: bool) -> None:
    """Keep it on top of the list, or let it go back to its place; pinned again it stays where it was."""
    if is_pinned == (conversation.pinned_at is not None):
        return
    conversation.pinned_at = timezone.now() if is_pinned else None
    conversation.save(update_fields=["pinned_at"])


# --- Delete -------------------------------------------------------------------------------------------------


def delete(conversation: Conversation) -> None:
    """It can be brought back for a while, and nobody finds it. Stop what is being written in it first."""
    set_aside(conversation, timezone.now())


def deleted(person: Person | None, conversation_uuid: uuid.UUID) -> Conversation:
    """One that may still be brought back. Raises `NotFound`."""
    rows = Conversation.objects.filter(owner=person, uuid=conversation_uuid, deleted_at__gt=_undone_until())
    found = rows.first() if person else None
    if found is None:
        raise not_found()
    return found


def restore(person: Person | None, conversation_uuid: uuid.UUID) -> Conversation:
    """Bring one back, with its link. Raises `NotFound`, where it is too late, too."""
    found = deleted(person, conversation_uuid)
    bring_back(found)
    return found


def purge() -> int:
    """Remove those whose time is over, for good, with all in them; gives how many rows that were."""
    over = Conversation.objects.filter(deleted_at__lte=_undone_until()).order_by("deleted_at")
    pks = list(over.values_list("pk", flat=True)[:PURGED_AT_ONCE])
    return Conversation.objects.filter(pk__in=pks).delete()[0] if pks else 0


def _undone_until() -> datetime:
    return timezone.now() - timedelta(seconds=settings.DELETE_UNDO_SECONDS)


# --- Share --------------------------------------------------------------------------------------------------


def share(conversation: Conversation) -> Share:
    """A link to it as it stands now; the link that there is shows what was said since then.

    Raises `Conflict` where nothing has been answered yet.
    """
    leaf = _leaf(conversation)
    if leaf is None:
        raise Conflict(_("There is nothing to share yet. Wait until the first answer is there."))
    return Share.objects.update_or_create(conversation=conversation, defaults={"leaf": leaf})[0]


def share_of(conversation: Conversation) -> Share | None:
    return Share.objects.filter(conversation=conversation).first()


def is_behind(share: Share) -> bool:
    """Whether more was said, or another version chosen, since the link was made."""
    leaf = _leaf(share.conversation)
    return leaf is not None and leaf.pk != share.leaf_id


def unshare(conversation: Conversation) -> None:
    Share.objects.filter(conversation=conversation).delete()


def _leaf(conversation: Conversation) -> Message | None:
    """The last answer that is shown and has ended."""
    answers = conversation.messages.filter(is_shown=True, question__isnull=False)
    return answers.exclude(status=Status.STREAMING).order_by("-pk").first()


def shared(key: uuid.UUID) -> list[Message]:
    """What a link shows, the first message first. Raises `NotFound` where the link was taken back."""
    found = Share.objects.filter(key=key, conversation__deleted_at=None).first()
    if found is None:
        raise not_found()
    branch = branch_of(found.conversation_id, found.leaf_id)
    return list(Message.objects.filter(pk__in=branch).order_by("pk").select_related("generation"))
