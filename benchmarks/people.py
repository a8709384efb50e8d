"""Accounts that are signed in already. Runs inside the product, by `manage.py shell`."""

import json
from importlib import import_module

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.base_user import AbstractBaseUser


def sign_in(count: int) -> None:
    """Make `count` parents, each with a session, and print the keys as one line of JSON."""
    print(json.dumps([_session(_parent(number)) for number in range(count)]))


def _parent(number: int) -> AbstractBaseUser:
    model = get_user_model()
    address = f"parent-{number}@benchmark.invalid"
    parent = model(**{model.USERNAME_FIELD: address, "email": address})
    parent.set_unusable_password()
    parent.save()
    return parent


def _session(parent: AbstractBaseUser) -> str:
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(parent.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = parent.get_session_auth_hash()
    session.save()
    return str(session.session_key)
