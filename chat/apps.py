from typing import TYPE_CHECKING, Any

from django.apps import AppConfig
from django.http import HttpRequest

if TYPE_CHECKING:
    from chat.models import User


class ChatConfig(AppConfig):
    name = "chat"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from chat import checks  # noqa: F401  registers them
        from chat.access import adopt_guest

        def keep_what_was_said(request: HttpRequest, user: "User", **_: Any) -> None:
            adopt_guest(request, user)

        user_logged_in.connect(keep_what_was_said, weak=False, dispatch_uid="adopt_guest")
