"""Taking back: a profile, or everything that is kept of a person; and what nobody has used for long."""

import uuid
from datetime import datetime, timedelta
from importlib import import_module

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from chat.access import PROFILE
from chat.errors import Invalid, NotAllowed
from chat.models import Conversation, Generation, Person, StopReason, Suggestion, User
from chat.turns import stop_turn
from chat.work import in_thread, unit_of_work

TRIES = 5
"""How often the answers of a person who is leaving are stopped: another tab may begin a new one."""
AT_ONCE = 200
"""Conversations that one round of the purge removes at most, so that nobody waits for it."""


# --- The profile --------------------------------------------------------------------------------------------


def erase_profile(person: Person) -> None:
    """Forget what a person told of themselves and their children, also where an answer has used it. Sync.

    The conversations stay, with what was said in them.
    """
    person.children.all().delete()
    for name in PROFILE:
        setattr(person, name, None if name == "due_date" else "")
    person.save(update_fields=list(PROFILE))
    Suggestion.objects.filter(message__conversation__owner=person).delete()
    told = Generation.objects.filter(message__conversation__owner=person)
    told.exclude(used=[]).update(used=[], sent=[])
    told.exclude(profile={}).update(profile={})


# --- Everything ---------------------------------------------------------------------------------------------


def check_word(person: Person | None, *, email: str, password: str, is_sure: bool) -> None:
    """Whether it is the person who wants to be gone: accounts say their address, and their password if they
    have one; guests, whom nobody could ask for more, that they are sure. Raises `NotAllowed` and `Invalid`.
    """
    user = person.user if person else None
    if user is None:
        if not is_sure:
            raise Invalid(_("Please tick the box first. Nothing was deleted."))
        return
    if user.is_staff or user.is_superuser:
        raise NotAllowed(_("This is a staff account. Please ask an operator to delete it."))
    if email.strip().casefold() != user.email.casefold():
        raise Invalid(_("This is not the e-mail address of this account. Nothing was deleted."))
    if user.has_usable_password() and not user.check_password(password):
        raise Invalid(_("This is not the password of this account. Nothing was deleted."))


async def erase_person(person: Person) -> None:
    """Remove a person with everything: conversations, feedback, profile, consents, sessions, and the account.

    Answers that are still running are stopped first.
    """
    for attempt in range(TRIES):
        for stream in await unit_of_work(_running_streams, person):
            await stop_turn(stream, StopReason.DELETED)
        if await unit_of_work(_remove, person, even_running=attempt == TRIES - 1):
            break
    if person.user_id is not None:
        await in_thread(_end_sessions, person.user_id)


def _running_streams(person: Person) -> list[uuid.UUID]:
    running = Generation.objects.filter(message__conversation__owner=person, ended_at=None)
    return list(running.values_list("stream_uuid", flat=True))


def _remove(person: Person, *, even_running: bool) -> bool:
    if not even_running and _running_streams(person):
        return False
    Person.objects.filter(pk=person.pk).delete()
    if person.user_id is not None:
        User.objects.filter(pk=person.user_id).delete()
    return True


def _end_sessions(user_pk: int) -> None:
    """On all devices. What a session says can only be known by reading it."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    open_ones = Session.objects.filter(expire_date__gt=timezone.now()).iterator(chunk_size=500)
    theirs = [s.session_key for s in open_ones if s.get_decoded().get(SESSION_KEY) == str(user_pk)]
    for key in theirs:
        store(key).delete()


# --- What was not used for long -----------------------------------------------------------------------------


def purge(now: datetime) -> int:
    """Remove conversations that were last used more than `KEEP_DAYS` ago, and guests who have nothing left;
    gives the number of conversations. Sync; a part at a time, so call it again.
    """
    if not settings.KEEP_DAYS:
        return 0
    before = now - timedelta(days=settings.KEEP_DAYS)
    running = Generation.objects.filter(message__conversation=OuterRef("pk"), ended_at=None)
    unused = Conversation.objects.filter(~Exists(running), updated_at__lt=before).order_by("updated_at")
    found = list(unused.values_list("pk", flat=True)[:AT_ONCE])
    Conversation.objects.filter(pk__in=found).delete()
    if len(found) < AT_ONCE:
        _forget_guests(before)
    return len(found)


def _forget_guests(before: datetime) -> None:
    used = Conversation.objects.filter(owner=OuterRef("pk"))
    gone = Person.objects.filter(~Exists(used), user=None, created_at__lt=before)
    Person.objects.filter(pk__in=list(gone.values_list("pk", flat=True)[:AT_ONCE])).delete()
