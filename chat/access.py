"""Who is calling, and the only way to get a conversation, a message or a stream.

What belongs to another does not exist here: every look-up starts from a person.
"""

import uuid

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from chat.errors import NotAuthenticated, not_found
from chat.models import Child, Consent, Conversation, Generation, Message, Person, Suggestion, User
from chat.models.conversation import ConversationQuerySet

GUEST_KEY = "guest"
PROFILE = ("language", "country", "due_date", "about", "tone", "reading")
"""The fields of a `Person` that they fill in themselves."""


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
    _merge_profile(guest, account)
    agreed = account.consents.values("version")
    Consent.objects.filter(person=guest).exclude(version__in=agreed).update(person=account)
    guest.delete()


def _merge_profile(guest: Person, account: Person) -> None:
    """What the account lacks is filled with what the guest told; children of one name are the same child."""
    for name in ("language", "due_date", "about", "tone", "reading"):
        setattr(account, name, getattr(account, name) or getattr(guest, name))
    account.country = guest.country or account.country  # chosen a moment ago, perhaps on a journey
    told = [at for at in (account.told_ai_at, guest.told_ai_at) if at]
    account.told_ai_at = max(told, default=None)
    account.save(update_fields=[*PROFILE, "told_ai_at"])
    by_name = {child.name.casefold(): child for child in account.children.all() if child.name}
    for child in guest.children.all():
        if (same := by_name.get(child.name.casefold())) is None:
            child.person = account
            child.save(update_fields=["person"])
        else:
            _merge_child(child, same)


def _merge_child(told: Child, known: Child) -> None:
    for name in ("birth_date", "feeding", "notes"):
        setattr(known, name, getattr(known, name) or getattr(told, name))
    known.save(update_fields=["birth_date", "feeding", "notes"])


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


def is_last(owner: Person | None, message_uuid: uuid.UUID) -> bool:
    """Whether nothing that is shown comes after this message. Raises `NotFound`."""
    found = message(owner, message_uuid)
    return not found.conversation.messages.filter(is_shown=True, pk__gt=found.pk).exists()


def suggestion(owner: Person | None, suggestion_uuid: uuid.UUID) -> Suggestion:
    """What a message of this person told, and may be remembered. Raises `NotFound`."""
    found = Suggestion.objects.filter(uuid=suggestion_uuid, message__conversation__in=conversations(owner))
    first = found.select_related("message__conversation").first()
    if first is None:
        raise not_found()
    return first


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
