"""What judges and what is said instead, with sources: rules, cards and numbers, for a clinic to review."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as now_

from safety.cards.cards import all_card_ids
from safety.cards.data import card_data, countries
from safety.rules.loader import load_rules
from safety.rules.rule import OutputRule, Rule


def rules_url(model_admin: admin.ModelAdmin) -> URLPattern:
    """The page's place among the pages of safety events, for those who may see these."""

    def page(request: HttpRequest) -> TemplateResponse:
        if not model_admin.has_view_permission(request):
            raise PermissionDenied
        site = model_admin.admin_site
        context = {**site.each_context(request), **_shown(request), "title": now_("Rules, cards and numbers")}
        return TemplateResponse(request, "admin/chat/rules.html", context)

    return path("rules/", model_admin.admin_site.admin_view(page), name="chat_safety_rules")


def _shown(request: HttpRequest) -> dict[str, Any]:
    """One language at a time: all rules of all languages are too many to read."""
    data = load_rules()
    languages = list(data.lexicons)
    asked = request.GET.get("language", "")
    language = asked if asked in languages else languages[0]
    cards, _ = card_data(language)
    return {
        "version": data.version,
        "own_folder": settings.SAFETY_DIR,
        "languages": languages,
        "language": language,
        "rules": _in(language, data.rules),
        "output_rules": _in(language, data.output_rules),
        "cards": [cards[name] for name in all_card_ids()],
        "countries": list(countries().values()),
    }


def _in[T: (Rule, OutputRule)](language: str, rules: tuple[T, ...]) -> list[T]:
    return sorted((rule for rule in rules if rule.language == language), key=lambda rule: rule.id)
