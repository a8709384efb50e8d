"""A refusal as a page: what happened in one line, and one thing to do."""

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from chat.api.problems import problem
from chat.errors import NotAuthenticated, NotFound, Refusal


def kindly[**P](
    view: Callable[Concatenate[HttpRequest, P], Awaitable[HttpResponseBase]],
) -> Callable[Concatenate[HttpRequest, P], Coroutine[Any, Any, HttpResponseBase]]:
    """Shows what a view refuses; a guest who was logged out is led to the log-in page."""

    @wraps(view)
    async def shown(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return await view(request, *args, **kwargs)
        except NotAuthenticated:
            return to_login(request)
        except NotFound:
            return render(request, "404.html", status=404)
        except Refusal as refusal:
            return render(request, "refused.html", {"refusal": refusal}, status=refusal.status)

    return shown


def to_login(request: HttpRequest) -> HttpResponse:
    """By redirect; htmx, which would follow it into the page, is told to leave the page."""
    if request.headers.get("HX-Request") == "true":
        response = HttpResponse(status=401)
        response["HX-Redirect"] = reverse(settings.LOGIN_URL)
        return response
    return HttpResponseRedirect(reverse(settings.LOGIN_URL))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    if request.path.startswith("/api/"):
        return problem(NotFound(_("There is nothing at this address. See /api/v1/docs.")))
    return render(request, "404.html", status=404)
