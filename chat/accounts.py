"""Who a session belongs to. Every request of an account asks, so it asks as cheaply as it can."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth.backends import ModelBackend

from chat.models import Person, User
from chat.statements import find


class _ByStatement:
    """Gets the account, and with it the person behind it, whom every request needs, too."""

    def get_user(self, user_id: Any) -> User | None:
        user = find(User, {"pk": user_id})
        if user is None or not user.is_active:
            return None
        if person := find(Person, {"user": user_id}):
            person.user = user
        return user


class ByName(_ByStatement, ModelBackend):
    """Logs in by user name: staff, in the admin."""


class ByAddress(_ByStatement, AuthenticationBackend):  # type: ignore[misc]
    """Logs in by e-mail address: parents."""
