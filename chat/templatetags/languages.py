"""The picker of languages, for any page."""

from typing import Any

from django import template
from django.conf import settings
from django.utils.translation import get_language

register = template.Library()


@register.inclusion_tag("chat/_language.html", takes_context=True)
def language_picker(context: dict[str, Any]) -> dict[str, Any]:
    """Each language by its own name; the way back is this page, or the first one where this cannot be got."""
    request = context["request"]
    return {
        "request": request,
        "csrf_token": context.get("csrf_token"),
        "languages": settings.LANGUAGES,
        "current": get_language(),
        "next": request.get_full_path() if request.method == "GET" else "/",
    }
