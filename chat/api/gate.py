"""What every call of the API must satisfy before anything is read from it.

Instead of a CSRF token: only JSON bodies, which no foreign form can send, and, where a cookie says who is
calling, no call from a foreign page.
"""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _

from chat.errors import MessageTooLarge, NotAllowed, UnsupportedMediaType


def gate(request: HttpRequest) -> bool:
    """Raises a `Refusal`, or lets the call pass."""
    if request.method in ("POST", "PUT", "PATCH"):
        _check_body(request)
    if request.method not in ("GET", "HEAD") and request.COOKIES and is_foreign(request):
        raise NotAllowed(_("This call comes from another site."))
    return True


def _check_body(request: HttpRequest) -> None:
    length = int(request.META.get("CONTENT_LENGTH") or 0)
    if length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        raise MessageTooLarge(_("The request is too large."))
    if request.body and request.content_type != "application/json":
        raise UnsupportedMediaType(_("Send JSON, with Content-Type: application/json."))


def is_foreign(request: HttpRequest) -> bool:
    """By the origin that the browser names, and where it names none, by its own word on it."""
    origin = request.headers.get("Origin")
    if origin is not None:
        return not _is_ours(request, origin)
    return request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none")


def _is_ours(request: HttpRequest, origin: str) -> bool:
    here = f"{request.scheme}://{request.get_host()}"
    return origin == here or (urlsplit(origin).scheme != "" and origin in settings.CSRF_TRUSTED_ORIGINS)
