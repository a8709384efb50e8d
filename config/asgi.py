"""The entry for any ASGI server: `config.asgi:application`."""

import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from config.handler import StreamingASGIHandler  # noqa: E402
from config.lifespan import lifespan  # noqa: E402

_http = StreamingASGIHandler()


async def application(scope: Any, receive: Any, send: Any) -> None:
    """HTTP through Django, and the process's own life, which Django's handler does not speak."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    else:
        await _http(scope, receive, send)
