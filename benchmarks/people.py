"""Accounts that are signed in already. Runs inside the product, by `manage.py shell`."""

import json
from importlib import import_module

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.utils import timezone

from chat.models import Conversation, Generation, Message, Person, Role, Status, User

SAID = "Most babies wake several times a night at that age, and most parents are tired. " * 6


def sign_in(count: int, exchanges: int = 0) -> None:
    """Make `count` parents, each with a session, and print the keys, and the conversations where they have
    some, as one line of JSON.
    """
    parents = [_parent(number) for number in range(count)]
    conversations = [_conversation(parent, exchanges) for parent in parents] if exchanges else []
    print(json.dumps([[_session(parent) for parent in parents], conversations]))


def _parent(number: int) -> User:
    address = f"parent-{number}@benchmark.invalid"
    parent = User(**{User.USERNAME_FIELD: address, "email": address})
    parent.set_unusable_password()
    parent.save()
    return parent


def _session(parent: User) -> str:
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(parent.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = parent.get_session_auth_hash()
    session.save()
    return str(session.session_key)


def _conversation(parent: User, exchanges: int) -> str:
    """So many questions, each with its answer."""
    person = Person.objects.of_user(parent)
    conversation = Conversation.objects.create(owner=person, title="Nights", updated_at=timezone.now())
    said = {"conversation": conversation, "content": SAID}
    questions = Message.objects.bulk_create(
        Message(role=Role.USER, author=person, **said) for _ in range(exchanges)
    )
    answers = Message.objects.bulk_create(
        Message(role=Role.ASSISTANT, question=question, status=Status.COMPLETE, **said)
        for question in questions
    )
    Generation.objects.bulk_create(Generation(message=answer, model="gpt-4o-mini") for answer in answers)
    return str(conversation.uuid)
