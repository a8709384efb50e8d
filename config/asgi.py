"""The entry for any ASGI server: `config.asgi:application`."""

import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from channels.routing import URLRouter  # type: ignore[import-untyped]  # noqa: E402
from django.urls import path, re_path  # noqa: E402

from chat.consumers import ChatConsumer, NowhereConsumer  # noqa: E402
from config.handler import StreamingASGIHandler  # noqa: E402
from config.lifespan import lifespan  # noqa: E402

_http = StreamingASGIHandler()
_websocket = URLRouter([path("ws/chat/", ChatConsumer.as_asgi()), re_path("", NowhereConsumer.as_asgi())])


async def application(scope: Any, receive: Any, send: Any) -> None:
    """HTTP through Django, WebSockets through channels, and the process's own life, which neither speaks."""
    match scope["type"]:
        case "lifespan":
            await lifespan(receive, send)
        case "websocket":
            await _websocket(scope, receive, send)
        case _:
            await _http(scope, receive, send)
