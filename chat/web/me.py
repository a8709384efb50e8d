"""The person, on their own pages: what they told, what is kept, what they agreed to, and its end."""

import json
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat import access, consent, doors, erasure, memory
from chat.errors import Refusal
from chat.export import json_list
from chat.models import Person
from chat.myself import everything_of
from chat.profile import Known, known_of
from chat.quota import today_of
from chat.web.errors import kindly
from chat.web.forms import by_htmx, conversation_url
from chat.web.language import remember as remember_language
from chat.web.language import speak_to
from chat.web.profile_forms import ProfileForms
from chat.work import unit_of_work

# --- You and your children ----------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
@kindly
async def profile(request: HttpRequest) -> HttpResponse:
    """What a person told of themselves, as one form; what is wrong in it stands beside it, and nothing typed
    is lost.
    """
    await _visitor(request)
    if request.method == "GET":
        context = await doors.with_visitor(request, lambda person: _profile_context(_forms(request, person)))
        return _profile_page(request, context | {"done": request.GET.get("done", "")})
    forms = await unit_of_work(lambda: _saved(request))
    if not forms.is_valid:
        context = await unit_of_work(lambda: _profile_context(forms))
        return _profile_page(request, context, status=422)
    response = HttpResponseRedirect(reverse("chat:me") + "?done=saved")
    if "language" in forms.of_person.changed_data:
        _speak(response, forms.person.language)
    return response


async def _visitor(request: HttpRequest) -> Person | None:
    """Who is calling; from here on the page speaks their language."""
    person = await doors.with_visitor(request, lambda person: person)
    speak_to(person)
    return person


def _speak(response: HttpResponse, language: str) -> None:
    if language:
        remember_language(response, language)
    else:
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME)


def _forms(request: HttpRequest, person: Person | None) -> ProfileForms:
    data = request.POST if request.method == "POST" else None
    return ProfileForms(person or Person(), today_of(person), data)


def _saved(request: HttpRequest) -> ProfileForms:
    forms = _forms(request, access.person(request))
    if forms.is_valid:
        forms.save()
    return forms


def _profile_context(forms: ProfileForms) -> dict[str, Any]:
    shown = forms.draft() if forms.is_bound else known_of(forms.person, forms.today)
    return {"forms": forms, "lines": shown.lines, "here": "profile"}


def _profile_page(request: HttpRequest, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    get_token(request)
    return render(request, "me/profile.html", context, status=status)


@require_POST
@kindly
async def lines(request: HttpRequest) -> HttpResponse:
    """What answers would know, as the form stands now; nothing is saved."""
    shown: Known = await doors.with_visitor(request, lambda person: _forms(request, person).draft())
    return render(request, "me/_lines.html", {"lines": shown.lines})


@require_POST
@kindly
async def erase(request: HttpRequest) -> HttpResponse:
    """Forget the profile. The conversations stay."""
    await doors.with_visitor(request, lambda person: erasure.erase_profile(person) if person else None)
    return HttpResponseRedirect(reverse("chat:me") + "?done=erased")


# --- What a conversation may know, and what is remembered ---------------------------------------------------


@require_POST
@kindly
async def use_profile(request: HttpRequest, conversation_uuid: uuid.UUID) -> HttpResponse:
    """Whether the answers of one conversation may know the profile: `use` is "on", or missing."""
    uses = request.POST.get("use") == "on"

    def keep(person: Person | None) -> Any:
        found = access.conversation(person, conversation_uuid)
        found.uses_profile = uses
        found.save(update_fields=["uses_profile"])
        return found

    found = await doors.with_visitor(request, keep)
    if by_htmx(request):
        return render(request, "me/_uses_profile.html", {"conversation": found, "focus": True})
    return HttpResponseRedirect(conversation_url(conversation_uuid))


@require_POST
@kindly
async def remember(request: HttpRequest, suggestion_uuid: uuid.UUID) -> HttpResponse:
    """Keep what a message told in the profile, or not: `decision` is "keep" or "dismiss"."""
    is_kept = request.POST.get("decision") == "keep"

    def decide(person: Person | None) -> tuple[memory.Line, str]:
        found = access.suggestion(person, suggestion_uuid)
        assert person is not None  # whose suggestion was found
        memory.decide(found, person, is_kept=is_kept)
        address = conversation_url(found.message.conversation.uuid) + f"#m-{found.message.uuid}"
        return memory.line_of(found, today_of(person)), address

    line, address = await doors.with_visitor(request, decide)
    if by_htmx(request):
        return render(request, "me/_suggestion.html", {"suggestion": line, "focus": True})
    return HttpResponseRedirect(address)


# --- Consent ------------------------------------------------------------------------------------------------


@require_POST
@kindly
async def agree(request: HttpRequest) -> HttpResponse:
    """Before the first message; then the page is ready for it."""
    await doors.agree(request)
    return HttpResponseRedirect(reverse("chat:home"), status=303)


# --- Your data ----------------------------------------------------------------------------------------------


@require_GET
@kindly
async def data(request: HttpRequest) -> HttpResponse:
    """What is stored, for how long, and who reads it; and the ways to take it along or to be gone."""
    return await _data_page(request)


async def _data_page(request: HttpRequest, **more: Any) -> HttpResponse:
    def load(person: Person | None) -> dict[str, Any]:
        agreed = person.consents.order_by("-pk").first() if person else None
        user = person.user if person else None
        return {
            "points": consent.points()[2:],
            "agreed": agreed,
            "account": user,
            "has_password": bool(user and user.has_usable_password()),
            "conversations": access.conversations(person).count(),
        }

    status = more.pop("status", 200)
    await _visitor(request)
    context = await doors.with_visitor(request, load) | more | {"here": "data"}
    get_token(request)
    return render(request, "me/data.html", context, status=status)


@require_GET
@kindly
async def export(request: HttpRequest) -> HttpResponseBase:
    """All that is kept of a person, as one JSON file."""
    person = await doors.with_visitor(request, lambda person: person)
    response = StreamingHttpResponse(_everything(person), content_type="application/json")
    response["Content-Disposition"] = 'attachment; filename="nightlight-my-data.json"'
    response["Cache-Control"] = "no-store"
    return response


async def _everything(person: Person | None) -> AsyncGenerator[str]:
    told = await unit_of_work(everything_of, person)
    yield json.dumps(told, cls=DjangoJSONEncoder, ensure_ascii=False)[:-1] + ', "conversations": '
    async with aclosing(json_list(person)) as pieces:
        async for piece in pieces:
            yield piece
    yield "}\n"


@require_POST
@kindly
async def delete(request: HttpRequest) -> HttpResponse:
    """Everything goes at once, or nothing."""
    form = request.POST

    def checked(person: Person | None) -> Person | None:
        word = {"email": form.get("email", ""), "password": form.get("password", "")}
        erasure.check_word(person, **word, is_sure=form.get("sure") == "on")
        return person

    try:
        person = await doors.with_visitor(request, checked)
    except Refusal as refusal:
        return await _data_page(request, refusal=refusal, email=form.get("email", ""), status=refusal.status)
    if person is not None:
        await erasure.erase_person(person)
    await unit_of_work(logout, request)
    return HttpResponseRedirect(reverse("chat:me_deleted"))


@require_GET
async def deleted(request: HttpRequest) -> HttpResponse:
    return render(request, "me/deleted.html")
