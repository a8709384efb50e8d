"""The words of the interface, collected for translators: `locale/<language>/LC_MESSAGES/django.po`.

    python manage.py catalogues            bring all catalogues up to date with the source
    python manage.py catalogues --compile  and compile them, as `make setup` does

What is translated already is kept. What changed a little keeps its old translation, marked fuzzy: it is not
used until somebody has looked at it. What is gone from the source is taken out. Needs no gettext: Babel does
it.
"""

import ast
import re
from collections.abc import Iterator
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import allauth
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.core.management import BaseCommand
from django.utils.translation import to_locale
from django.utils.translation.template import templatize

SOURCES = ("chat", "config", "safety", "streaming")
KEYWORDS: dict[str, Any] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "now_": None,  # our own name for gettext, where _ is the lazy one
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}

_STRING = r"""u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_CALL = re.compile(
    rf"\b(?P<name>npgettext|pgettext|ngettext|gettext|_)\(\s*(?P<strings>{_STRING}(?:\s*,\s*{_STRING})*)",
    re.S,
)
_COMMENT = "Translators:"


class Words(NamedTuple):
    """One thing to translate, and the file that says it."""

    singular: str
    plural: str
    context: str
    comments: tuple[str, ...]
    path: str


def collect(root: Path) -> Catalog:
    """Everything that people are shown, in the order of the files."""
    template = Catalog(domain="django", project="Nightlight", charset="utf-8")
    for words in _collected(root):
        template.add(
            (words.singular, words.plural) if words.plural else words.singular,
            locations=[(words.path, 1)],
            auto_comments=words.comments,
            context=words.context or None,
        )
    return template


def _collected(root: Path) -> Iterator[Words]:
    for folder in SOURCES:
        for path in sorted((root / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield from _of_python(path.read_bytes(), str(path.relative_to(root)))
    for path in sorted((root / "templates").rglob("*.*")):
        if path.suffix in (".html", ".txt", ".xml", ".webmanifest", ".js"):
            yield from of_template(path.read_text("utf-8"), str(path.relative_to(root)))
    yield from borrowed()


def _of_python(source: bytes, path: str) -> Iterator[Words]:
    calls: Any = extract_python(BytesIO(source), KEYWORDS, [_COMMENT], {})
    for _line, name, found, comments in calls:
        strings = [
            text for text in (found if isinstance(found, tuple) else (found,)) if isinstance(text, str)
        ]
        if strings and strings[0]:
            yield _words(str(name), strings, tuple(comments), path)


def of_template(source: str, path: str) -> Iterator[Words]:
    """By Django's own reading of a template; what it makes of it is searched for calls."""
    for call in _CALL.finditer(templatize(source, origin=path)):
        strings = [ast.literal_eval(text) for text in re.findall(_STRING, call["strings"])]
        yield _words(call["name"], strings, (), path)


def _words(name: str, strings: list[str], comments: tuple[str, ...], path: str) -> Words:
    name = {"now_": "gettext", "_": "gettext"}.get(name, re.sub("_(lazy|noop)$", "", name))
    context = strings.pop(0) if "p" in name.removesuffix("gettext") else ""
    plural = strings[1] if name.startswith("n") and len(strings) > 1 else ""
    return Words(strings[0], plural, context, comments, path)


# --- What allauth says --------------------------------------------------------------------------------------

_ALLAUTH = Path(allauth.__file__).parent
_SAYS = ("account/forms.py", "account/adapter.py")
_SHOWS = (
    "account_inactive", "email", "email_confirm", "password_change", "password_reset_from_key",
    "password_reset_from_key_done", "reauthenticate", "signup_closed", "verification_sent",
    "verified_email_required", "messages/*", "email/email_confirmation_*", "email/base_*",
    "email/password_reset_key_*", "email/unknown_account_*", "email/account_already_exists_*",
)  # fmt: skip
_AS_ALLAUTH_NAMES_IT = {"pt": "pt_BR"}


def borrowed() -> Iterator[Words]:
    """Its words on the pages and in the letters that we use: it speaks only some of our languages."""
    for name in _SAYS:
        yield from _of_python((_ALLAUTH / name).read_bytes(), f"allauth/{name}")
    templates = _ALLAUTH / "templates/account"
    for pattern in _SHOWS:
        for path in sorted(templates.glob(pattern if "*" in pattern else f"{pattern}.html")):
            yield from of_template(path.read_text("utf-8"), f"allauth/{path.relative_to(_ALLAUTH)}")


def _with_allauths_own(language: str, catalogue: Catalog) -> None:
    """Where it has translated its words, we need not."""
    locale = to_locale(_AS_ALLAUTH_NAMES_IT.get(language, language))
    path = _ALLAUTH / "locale" / locale / "LC_MESSAGES/django.po"
    if not path.exists():
        return
    theirs = read_po(BytesIO(path.read_bytes()))
    for message in catalogue:
        known = theirs.get(message.id, message.context) if message.id else None
        if known and known.string and not known.fuzzy and not all(_strings(message.string)):
            message.string = known.string


_PLURALS = {
    "ar": (
        6,
        "(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 && n%100<=99 ? 4 : 5)",
    )
}
"""As Django has them, in the order zero, one, two, few, many, other; Babel has the last two the other way
round.
"""

# --- The files ----------------------------------------------------------------------------------------------


def languages() -> list[str]:
    """All but the one that the source is written in."""
    return [code for code, _name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]


def path_of(language: str, ending: str = "po") -> Path:
    folder = Path(settings.LOCALE_PATHS[0]) / to_locale(language) / "LC_MESSAGES"
    return folder / f"django.{ending}"


def read(language: str) -> Catalog:
    """An empty one where there is no file yet."""
    path, locale = path_of(language), to_locale(language)
    if not path.exists():
        return _new(locale)
    with path.open("rb") as file:
        return read_po(file, locale=locale, domain="django", charset="utf-8")


def _new(locale: str) -> Catalog:
    made = Catalog(locale=locale, domain="django", project="Nightlight", version="", charset="utf-8")
    if locale in _PLURALS:
        told: Any = made  # there is no other way to say it than in the header of a file
        told._num_plurals, told._plural_expr = _PLURALS[locale]
    return made


def update(language: str, template: Catalog) -> Catalog:
    catalogue = read(language)
    catalogue.fuzzy = False
    catalogue.header_comment = (
        f"# {dict(settings.LANGUAGES)[language]}: docs/contributing.md says how to translate."
    )
    catalogue.update(template, update_header_comment=False, update_creation_date=False)
    _with_allauths_own(language, catalogue)
    path = path_of(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, width=110, include_lineno=False, ignore_obsolete=True, sort_by_file=True)
    return catalogue


class Command(BaseCommand):
    requires_system_checks = []
    help = "Bring the catalogues of the interface's words up to date with the source."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--compile", action="store_true", help="and compile them")

    def handle(self, *_args: Any, **options: Any) -> None:
        template = collect(Path(settings.BASE_DIR))
        for language in languages():
            catalogue = update(language, deepcopy(template))  # which becomes a part of it
            if options["compile"]:
                with path_of(language, "mo").open("wb") as file:
                    write_mo(file, catalogue)
            self.stdout.write(f"{language}: {_tally(catalogue)}")


def _tally(catalogue: Catalog) -> str:
    messages = [message for message in catalogue if message.id]
    missing = sum(not all(_strings(message.string)) for message in messages)
    fuzzy = sum(message.fuzzy for message in messages)
    return f"{len(messages)} strings, {missing} missing, {fuzzy} fuzzy"


def _strings(translated: Any) -> tuple[str, ...]:
    return translated if isinstance(translated, tuple) else (translated,)
