"""Small things that all forms of the page need: what a request says, and where to go back to."""

import uuid

from django.http import HttpRequest
from django.urls import reverse


def by_htmx(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def conversation_url(conversation_uuid: uuid.UUID) -> str:
    return reverse("chat:conversation", args=[conversation_uuid])


def number(raw: str | None) -> int:
    """An event id or a number of seconds; what is none counts as 0."""
    return int(raw) if raw and raw.isascii() and raw.isdecimal() and len(raw) < 10 else 0


def uuid_or_none(raw: str) -> uuid.UUID | None:
    """None for an empty field. What is no UUID is looked up as one that nobody has, and so not found."""
    if not raw:
        return None
    try:
        return uuid.UUID(raw)
    except ValueError:
        return uuid.uuid4()
