"""The system prompt of each language: what is in force, a form for another, and all that there were."""

import difflib
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as now_
from django.utils.translation import gettext_lazy as _

from chat.admin.base import FactAdmin
from chat.models import Prompt, User
from chat.prompts import LANGUAGES, prompt_language, words
from chat.prompts.active import MOST_CHARS, SHIPPED, add_version, use_version

EDITORS = "prompt editors"
"""The group that may change prompts; reviewers may not even read them unless they are in it, too."""


class PromptForm(forms.Form):
    text = forms.CharField(
        label=_("Text"),
        max_length=MOST_CHARS,
        widget=forms.Textarea(attrs={"rows": 28, "dir": "auto", "class": "prompt-text"}),
        error_messages={"required": _("Please write the prompt. To go back to ours, use the shipped one.")},
    )
    note = forms.CharField(
        label=_("Why it is changed"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )

    def clean_text(self) -> str:
        """As a browser sends it, without its line ends."""
        typed: str = self.cleaned_data["text"]
        return typed.replace("\r\n", "\n").strip() + "\n"


@dataclass(frozen=True, slots=True)
class _Line:
    """Of a difference: `kind` is "added", "removed", "where" or ""."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class _Version:
    """`number` is empty for the shipped one."""

    row: Prompt | None
    number: str
    text: str
    is_active: bool
    changes: list[_Line]


def _versions(language: str) -> list[_Version]:
    """The latest first, each with what it changed of the one before; the shipped one last."""
    rows = list(Prompt.objects.filter(language=language).select_related("created_by").order_by("number"))
    before, found = words(language).system, []
    found.append(_Version(None, "", before, not any(row.is_active for row in rows), []))
    for row in rows:
        found.append(_Version(row, str(row.number), row.text, row.is_active, _changes(before, row.text)))
        before = row.text
    return found[::-1]


def _changes(before: str, after: str) -> list[_Line]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
    return [_line(line) for line in list(lines)[2:]]


def _line(line: str) -> _Line:
    kind = {"+": "added", "-": "removed", "@": "where"}.get(line[:1], "")
    return _Line(kind, "…" if kind == "where" else line[1:] or " ")


def _names() -> dict[str, str]:
    """Each language by its own name."""
    return {prompt_language(code): name for code, name in settings.LANGUAGES}


@admin.register(Prompt)
class PromptAdmin(FactAdmin):
    """A list of languages instead of one of rows. Rows are never edited: a change is a new one."""

    class Media:
        css = {"all": ["css/admin-facts.css", "css/admin-prompts.css"]}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_change_permission(self, request, obj)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<str:language>/", view(self.language), name="chat_prompt_language"),
            path("<str:language>/use/", view(self.use), name="chat_prompt_use"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:  # noqa: ARG002
        if not self.has_view_permission(request):
            raise PermissionDenied
        active = {
            row.language: row for row in Prompt.objects.filter(is_active=True).select_related("created_by")
        }
        rows = [(code, name, active.get(code)) for code, name in _names().items()]
        context = {**self._context(request, now_("System prompts")), "rows": rows}
        return TemplateResponse(request, "admin/chat/prompt/languages.html", context)

    def change_view(self, request: HttpRequest, object_id: str, *_more: Any, **_named: Any) -> HttpResponse:  # noqa: ARG002
        """A row has no page of its own."""
        row = Prompt.objects.filter(pk=object_id).first() if object_id.isdecimal() else None
        if row is None:
            raise Http404
        return redirect("admin:chat_prompt_language", row.language)

    def language(self, request: HttpRequest, language: str) -> HttpResponse:
        """The text in force, in a form; the versions under it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if language not in LANGUAGES:
            raise Http404
        versions = _versions(language)
        active = next(version for version in versions if version.is_active)
        form = PromptForm(request.POST or None, initial={"text": active.text})
        if request.method == "POST":
            if not self.has_change_permission(request):
                raise PermissionDenied
            if form.is_valid() and form.cleaned_data["text"] == active.text:
                form.add_error("text", now_("This is the text that is in force already."))
            elif form.is_valid():
                return self._save(request, language, form)
        context = {
            **self._context(request, _names()[language]),
            "language": language,
            "form": form,
            "versions": versions,
            "active": active,
            "may_change": self.has_change_permission(request),
            "most": MOST_CHARS,
        }
        return TemplateResponse(request, "admin/chat/prompt/language.html", context)

    def _save(self, request: HttpRequest, language: str, form: PromptForm) -> HttpResponse:
        assert isinstance(request.user, User)  # admin_view lets nobody else in
        text, note = form.cleaned_data["text"], form.cleaned_data["note"]
        made = add_version(language, text, note=note, by=request.user)
        told = now_("Version %(number)d is in force. It reaches every server within a few seconds.")
        messages.success(request, told % {"number": made.number})
        return redirect("admin:chat_prompt_language", language)

    def use(self, request: HttpRequest, language: str) -> HttpResponse:
        """Put an earlier version in force again, or the shipped one."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        chosen = request.POST.get("number", "")
        if language not in LANGUAGES or not (chosen == SHIPPED or (chosen.isdecimal() and len(chosen) < 9)):
            raise Http404
        if not use_version(language, None if chosen == SHIPPED else int(chosen)):
            raise Http404
        messages.success(request, now_("It is in force, and reaches every server within a few seconds."))
        return redirect("admin:chat_prompt_language", language)

    def _context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "title": title, "media": self.media}
