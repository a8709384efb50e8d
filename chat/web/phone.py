"""What makes the page an app on a phone: manifest, worker between page and network, offline page."""

import json
from functools import cache
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import get_language, get_language_bidi
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from chat.places import place_of
from safety.cards.data import countries
from safety.cards.places import country_names

NIGHT = "#17110d"
"""`--ground` of the night, as early.js has it: a phone shows it while the page opens."""
ICONS = (
    ("img/icon-192.png", "192x192", "any"),
    ("img/icon-512.png", "512x512", "any"),
    ("img/icon-maskable-512.png", "512x512", "maskable"),
)
SHELL = (
    "css/tokens.css",
    "css/base.css",
    "css/forms.css",
    "css/offline.css",
    "js/early.js",
    "js/phone.js",
    "js/offline.js",
    "img/lamp.svg",
    "img/icons.svg",
    "fonts/atkinson-hyperlegible-next-latin-wght-normal.woff2",
)
"""What the offline page is made of; the worker keeps other files when a page first asks for them."""


@require_GET
def manifest(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """A web app manifest in the reader's language."""
    fields = {
        "id": "/",
        "name": _("Nightlight"),
        "short_name": _("Nightlight"),
        "description": _("Answers for expecting and new parents, at any hour"),
        "lang": get_language(),
        "dir": "rtl" if get_language_bidi() else "ltr",
        "start_url": reverse("chat:home"),
        "scope": "/",
        "display": "standalone",
        "background_color": NIGHT,
        "theme_color": NIGHT,
        "categories": ["health", "parenting"],
        "icons": [
            {"src": static(name), "sizes": sizes, "type": "image/png", "purpose": purpose}
            for name, sizes, purpose in ICONS
        ],
    }
    return _by_language(JsonResponse(fields, content_type="application/manifest+json"))


@require_GET
def worker(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """The service worker, at the root so that it sees every page; another release is another worker."""
    shell = json.dumps([static(name) for name in SHELL])
    head = f'const VERSION = "{_release()}";\nconst SHELL = {shell};\n'
    response = HttpResponse(head + _worker_source(), content_type="text/javascript; charset=utf-8")
    response["Cache-Control"] = "no-cache"
    response["Service-Worker-Allowed"] = "/"
    return response


@require_GET
def offline(request: HttpRequest) -> HttpResponse:
    """What the worker shows where there is no network. Nothing on it is about one person.

    Query: `timezone`, of the device, for the emergency number that comes first.
    """
    timezone, accepted = request.GET.get("timezone", "")[:64], request.headers.get("Accept-Language", "")
    place = place_of(None, country=None, timezone=timezone, accept_language=accepted)
    numbers = _emergency_numbers(get_language() or "en")
    here = next((number for number in numbers if number["code"] == place.country), None)
    return _by_language(render(request, "offline.html", {"here": here, "numbers": numbers}))


def _emergency_numbers(language: str) -> list[dict[str, str]]:
    """`code`, `name`, `spoken` and `href` of each country whose emergency number we have, by name."""
    firsts = {code: country.first("emergency") for code, country in countries().items()}
    return [
        {"code": code, "name": name, "spoken": number.spoken, "href": number.href}
        for code, name in country_names(language)
        if (number := firsts[code])
    ]


def _by_language(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-cache"
    response.headers.setdefault("Content-Language", get_language() or "en")
    patch_vary_headers(response, ("Accept-Language", "Cookie"))
    return response


@cache
def _release() -> str:
    """Changes with any file of ours that a browser keeps."""
    files = sorted(path for path in (Path(settings.BASE_DIR) / "static").rglob("*") if path.is_file())
    return sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


@cache
def _worker_source() -> str:
    return Path(finders.find("js/worker.js") or "").read_text("utf-8")
