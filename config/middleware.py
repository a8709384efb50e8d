"""Stock middleware without a thread hop for every hook.

Django runs each hook of its middleware in a thread when it serves async, about twenty hops per request. These
hooks only compute: they read headers and set headers, and session and user are loaded where they are used.
"""

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csp import ContentSecurityPolicyMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.locale import LocaleMiddleware
from django.middleware.security import SecurityMiddleware


class OnTheLoop:
    """Mixin: the hooks of a stock middleware called directly when it serves async."""

    async def __acall__(self: Any, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase | None = None
        if hasattr(self, "process_request"):
            response = self.process_request(request)
        response = response or await self.get_response(request)
        if hasattr(self, "process_response"):
            response = self.process_response(request, response)
        return response


class Security(OnTheLoop, SecurityMiddleware): ...


class ContentSecurityPolicy(OnTheLoop, ContentSecurityPolicyMiddleware): ...


class Common(OnTheLoop, CommonMiddleware): ...


class Authentication(OnTheLoop, AuthenticationMiddleware): ...


class Messages(OnTheLoop, MessageMiddleware): ...


class Locale(OnTheLoop, LocaleMiddleware):
    """Cookie, then Accept-Language. A stream is written when this is over: see `chat.web.language`."""


class XFrameOptions(OnTheLoop, XFrameOptionsMiddleware): ...


class Csrf(OnTheLoop, CsrfViewMiddleware):
    """Its view hook reads the token from the form, which is in memory by then."""

    async def process_view(self, *arguments: Any) -> Any:  # type: ignore[override]
        return super().process_view(*arguments)


class Session(SessionMiddleware):
    """Only a session that was changed has to be saved, and that takes a thread.

    Django keeps no session of a request that failed with a 5xx. Here an answer that failed is a reply like
    any other (a problem document): without their cookie a guest would lose what was saved of it.
    """

    async def __acall__(self, request: Any) -> HttpResponseBase:
        self.process_request(request)
        response = await self.get_response(request)  # type: ignore[misc]
        if not request.session.modified:
            return self.process_response(request, response)
        status = response.status_code
        if response.headers.get("Content-Type") == "application/problem+json":
            response.status_code = 200
        kept: HttpResponseBase = await sync_to_async(self.process_response)(request, response)
        kept.status_code = status
        return kept


IN_PLACE_OF = {
    f"{stock.__module__}.{stock.__qualname__}": f"{__name__}.{ours.__qualname__}"
    for ours in (
        Security,
        ContentSecurityPolicy,
        Session,
        Locale,
        Common,
        Csrf,
        Authentication,
        Messages,
        XFrameOptions,
    )
    for stock in (ours.__bases__[-1],)
} | {"servestatic.middleware.ServeStaticMiddleware": "config.static.PackedStaticMiddleware"}
"""Ours by the path of the stock one, which is what settings name and Django's checks look for."""
