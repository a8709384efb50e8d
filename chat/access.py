"""Who is calling, and the only way to get a conversation, a message or a stream.

What belongs to another does not exist here: every look-up starts from a person.
"""

import uuid

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from chat.errors import NotAuthenticated, not_found
from chat.models import Conversation, Generation, Message, Person, User
from chat.models.conversation import ConversationQuerySet

GUEST_KEY = "guest"


def visitor(request: HttpRequest) -> Person | None:
    """Who is calling; None for a guest of whom nothing is kept yet. Raises `NotAuthenticated`.

    A guest's session begins here, so that every reply sets its cookie; its row waits for `person`.
    """
    if request.user.is_authenticated:
        return Person.objects.of_user(request.user)
    return Person.objects.filter(guest_key=_guest_key(request)).first()


def person(request: HttpRequest) -> Person:
    """Who is calling, kept from now on. Raises `NotAuthenticated`."""
    if request.user.is_authenticated:
        return Person.objects.of_user(request.user)
    return Person.objects.of_guest(_guest_key(request))


def _guest_key(request: HttpRequest) -> uuid.UUID:
    if not settings.GUEST_ACCESS:
        raise NotAuthenticated(_("Please log in first."))
    if GUEST_KEY not in request.session:
        request.session[GUEST_KEY] = uuid.uuid4().hex
    return uuid.UUID(request.session[GUEST_KEY])


def adopt_guest(request: HttpRequest, user: User) -> None:
    """At log-in and sign-up: what was said as a guest belongs to the account from now on."""
    guest_key = request.session.pop(GUEST_KEY, None)
    guest = guest_key and Person.objects.filter(guest_key=uuid.UUID(guest_key)).first()
    if guest:
        _merge(guest, Person.objects.of_user(user))


@transaction.atomic
def _merge(guest: Person, account: Person) -> None:
    sent = Message.objects.filter(author=account, client_message_id__isnull=False).values("client_message_id")
    Message.objects.filter(author=guest, client_message_id__in=sent).update(client_message_id=None)
    Message.objects.filter(author=guest).update(author=account)
    guest.conversations.update(owner=account)
    guest.feedback.update(person=account)
    if guest.country:  # chosen a moment ago, perhaps on a journey
        account.country = guest.country
        account.save(update_fields=["country"])
    guest.delete()


# --- Things by their owner --------------------------------------------------------------------------------


def conversations(owner: Person | None) -> ConversationQuerySet:
    return Conversation.objects.of(owner) if owner else Conversation.objects.none()


def conversation(owner: Person | None, conversation_uuid: uuid.UUID) -> Conversation:
    """Raises `NotFound`, for another's too."""
    found = conversations(owner).filter(uuid=conversation_uuid).first()
    if found is None:
        raise not_found()
    return found


def message(owner: Person | None, message_uuid: uuid.UUID) -> Message:
    """A message in one of this person's conversations. Raises `NotFound`."""
    found = (
        Message.objects.filter(uuid=message_uuid, conversation__in=conversations(owner)) if owner else None
    )
    first = found.select_related("conversation").first() if found is not None else None
    if first is None:
        raise not_found()
    return first


def answer(owner: Person | None, message_uuid: uuid.UUID) -> Message:
    """An answer in one of this person's conversations. Raises `NotFound`."""
    found = (
        Message.objects.filter(
            uuid=message_uuid,
            conversation__owner=owner,
            conversation__deleted_at=None,
            generation__isnull=False,
        )
        .select_related("conversation", "question", "generation")
        .first()
        if owner
        else None
    )
    if found is None:
        raise not_found()
    return found


def generation(owner: Person | None, stream_uuid: uuid.UUID) -> Generation:
    """The generation behind a stream, with its message and conversation. Raises `NotFound`."""
    found = (
        Generation.objects.filter(
            stream_uuid=stream_uuid,
            message__conversation__owner=owner,
            message__conversation__deleted_at=None,
        )
        .select_related("message__conversation", "message__question")
        .first()
        if owner
        else None
    )
    if found is None:
        raise not_found()
    return found
