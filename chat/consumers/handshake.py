"""Who is calling on a socket: the handshake, as a request like any other."""

from io import BytesIO
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from chat import access
from chat.api.gate import is_foreign
from chat.engine import engine
from chat.errors import NotAllowed, Overloaded

_session = SessionMiddleware(lambda _request: HttpResponse())
_user = AuthenticationMiddleware(lambda _request: HttpResponse())


def request_of(scope: dict[str, Any], session_key: str | None = None) -> HttpRequest:
    """The handshake as a request, so that doors, access and limits serve a socket as they serve a call.

    Session and user are loaded when they are asked for, within a unit of work. `session_key` is for a guest
    whose cookie was set by the handshake.
    """
    scheme = "https" if scope.get("scheme") == "wss" else "http"
    request = ASGIRequest(scope | {"type": "http", "method": "GET", "scheme": scheme}, BytesIO())
    if session_key:
        request.COOKIES[settings.SESSION_COOKIE_NAME] = session_key
    _session.process_request(request)
    _user.process_request(request)
    return request


def check(request: HttpRequest, *, arriving: int) -> None:
    """What a handshake must satisfy, beside so many others that wait. Raises a `Refusal`.

    Stricter than for a call: scripts of any page may read a socket, and may not read the reply to a call.
    """
    if engine().draining:
        raise Overloaded(_("Nightlight is restarting. Please connect again in a moment."), retry_after=5)
    if arriving >= settings.REQUEST_QUEUE:
        raise Overloaded(_("Too many people at once. Please try again."), retry_after=2)
    try:
        request.get_host()
    except DisallowedHost:
        raise NotAllowed(_("This host name is not served here.")) from None
    if settings.SECURE_SSL_REDIRECT and not request.is_secure():
        raise NotAllowed(_("Please connect with wss://."))
    if is_foreign(request):
        raise NotAllowed(_("This call comes from another site."))


def welcome(request: HttpRequest) -> tuple[str, list[tuple[bytes, bytes]]]:
    """Who is calling, and the cookie of a guest who had none, as headers. Raises `NotAuthenticated`. Sync."""
    access.visitor(request)
    cookies = _session.process_response(request, HttpResponse()).cookies.values()
    return caller_of(request), [(b"set-cookie", cookie.OutputString().encode()) for cookie in cookies]


def caller_of(request: HttpRequest) -> str:
    if request.user.is_authenticated:
        return f"account {request.user.pk}"
    return f"guest {request.session.get(access.GUEST_KEY)}"
