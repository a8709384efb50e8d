"""The language of the page: chosen here or in the profile, else the browser's, and kept while a stream is
read.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import activate, get_language, override
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chat import doors
from chat.errors import Invalid, NotAuthenticated
from chat.models import Person
from chat.web.errors import kindly


@require_POST
@kindly
async def choose(request: HttpRequest) -> HttpResponse:
    """Speak this language from now on, and go back to where the picker was."""
    language = request.POST.get("language", "")
    if language not in dict(settings.LANGUAGES):
        raise Invalid(_("Please choose a language from the list."))

    def keep(person: Person | None) -> None:
        if person:
            person.language = language
            person.save(update_fields=["language"])

    with suppress(NotAuthenticated):  # nobody to keep it for: the cookie does
        await doors.with_visitor(request, keep)
    response = HttpResponseRedirect(_way_back(request))
    remember(response, language)
    return response


def _way_back(request: HttpRequest) -> str:
    """The page that holds the picker. Its address may have become a conversation's since it was written."""
    named, seen = request.POST.get("next", ""), urlsplit(request.headers.get("Referer", ""))
    if seen.netloc == request.get_host() and seen.path.startswith("/c/"):
        return seen.path
    is_ours = url_has_allowed_host_and_scheme(named, {request.get_host()}, request.is_secure())
    return named if is_ours else reverse("chat:home")


def remember(response: HttpResponse, language: str) -> None:
    """For the next requests, streams and calls among them, which know no person when they begin."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite="Lax",
    )


def speak_to(person: Person | None) -> str:
    """Go on in the language that the person has chosen, in this thread or task; gives it where that is
    another than the request asked for, else "".
    """
    chosen = person.language if person else ""
    if chosen not in dict(settings.LANGUAGES) or chosen == get_language():
        return ""
    activate(chosen)
    return chosen


def in_language_of_request(chunks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """What renders each chunk does so in the language that is active now: a stream is read when its request,
    and all that it had set, is gone.
    """
    return _in_language(chunks, get_language())


async def _in_language(chunks: AsyncGenerator[bytes], language: str | None) -> AsyncGenerator[bytes]:
    async with aclosing(chunks):
        while True:
            with override(language):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield chunk
