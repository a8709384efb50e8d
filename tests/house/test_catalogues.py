"""Every word of the interface is there in every language, whole: nothing missing, doubtful, or left over."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.test import RequestFactory
from django.utils import translation

from chat.management.commands.catalogues import collect, languages, of_template, read
from chat.models import User

ROOT = Path(__file__).parents[2]
PLURALS = {"es": 2, "fr": 2, "pt": 2, "de": 2, "zh-hans": 1, "ar": 6, "hi": 2}
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z]|\{\w*\}")
TAG = re.compile(r"</?[a-z][^>]*>")


@pytest.fixture(scope="module")
def source():
    return collect(ROOT)


def named(message):
    return message.id[0] if isinstance(message.id, tuple) else message.id


def strings(text):
    return text if isinstance(text, tuple) else (text,)


def parts(text, pattern):
    return sorted(pattern.findall(text))


def test_languages_are_the_eight_that_prompts_speak():
    from chat.prompts import LANGUAGES, prompt_language

    assert [prompt_language(code) for code, _name in settings.LANGUAGES] == list(LANGUAGES)


@pytest.mark.parametrize("language", languages())
def test_nothing_is_missing_or_left_over(language, source):
    """`make messages` brings a catalogue up to date; what it then says is missing wants a translator."""
    catalogue = read(language)
    wanted = {(named(message), message.context) for message in source if message.id}
    there = {(named(message), message.context) for message in catalogue if message.id}
    assert {"absent": wanted - there, "left over": there - wanted} == {"absent": set(), "left over": set()}
    assert list(catalogue.obsolete) == []


@pytest.mark.parametrize("language", languages())
def test_everything_is_translated_and_nothing_fuzzy(language):
    untold = [
        named(message)
        for message in read(language)
        if message.id and (message.fuzzy or not all(text.strip() for text in strings(message.string)))
    ]
    assert untold == []


@pytest.mark.parametrize("language", languages())
def test_plural_forms_are_all_there(language):
    catalogue = read(language)
    assert catalogue.num_plurals == PLURALS[language]
    short = [
        named(message)
        for message in catalogue
        if isinstance(message.id, tuple) and len(strings(message.string)) != PLURALS[language]
    ]
    assert short == []


@pytest.mark.parametrize("language", languages())
def test_placeholders_and_tags_are_those_of_the_original(language):
    """A form for exactly one, two or none may say the number in words."""
    wrong = []
    for message in read(language):
        if not message.id:
            continue
        whole = message.id[-1] if isinstance(message.id, tuple) else message.id
        for text in filter(None, strings(message.string)):
            held, wanted = parts(text, PLACEHOLDER), parts(whole, PLACEHOLDER)
            may_lack = (
                isinstance(message.id, tuple) and set(held) <= set(wanted) and len(wanted) - len(held) == 1
            )
            if (held != wanted and not may_lack) or parts(text, TAG) != parts(whole, TAG):
                wrong.append((named(message), text))
    assert wrong == []


@pytest.mark.parametrize("language", languages())
def test_only_the_last_plural_form_must_say_the_number(language):
    wrong = [
        named(message)
        for message in read(language)
        if isinstance(message.id, tuple)
        and strings(message.string)[-1]
        and parts(strings(message.string)[-1], PLACEHOLDER) != parts(message.id[-1], PLACEHOLDER)
    ]
    assert wrong == []


def test_words_of_a_template_are_found():
    source = """{% load i18n %}{% translate 'One "two"' %}{{ x|default:_("Three") }}
    {% blocktranslate count n=n trimmed %}{{ n }} day
    left{% plural %}{{ n }} days left{% endblocktranslate %}{% translate "May" context "month" %}"""
    assert [words[:3] for words in of_template(source, "x.html")] == [
        ('One "two"', "", ""),
        ("Three", "", ""),
        ("%(n)s day left", "%(n)s days left", ""),
        ("May", "", "month"),
    ]


@pytest.mark.parametrize("language", languages())
def test_django_and_the_cards_speak_it_too(language):
    from safety.cards.places import page_words

    with translation.override(language):
        assert translation.gettext("This field is required.") != "This field is required."
    assert page_words(language) != page_words("en")


@pytest.mark.parametrize(
    ("language", "cards", "other_form"),
    [("zh-hans", ["zh", "zh-hant", "page"], "您"), ("hi", ["hi", "page"], "एं")],
)
def test_cards_and_interface_use_one_form(language, cards, other_form):
    """Of "you", and of a sound that may be spelled in two ways."""
    words = [text for message in read(language) for text in strings(message.string)]
    files = [(ROOT / "safety" / "cards" / f"{name}.toml").read_text("utf-8") for name in cards]
    assert [text for text in (*words, *files) if other_form in text] == []


@pytest.mark.parametrize("language", languages())
def test_help_texts_that_the_admin_shows_are_translated(language):
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_staff=True)
    with translation.override(language):
        untold = [
            f"{model.__name__}.{field.name}"
            for model, pages in admin.site._registry.items()
            if model._meta.app_label == "chat" and model is not User  # whose words are Django's
            for field in model._meta.fields
            if field.name in flatten_fieldsets(pages.get_fieldsets(request, model()))
            and (english := in_english(field.help_text))
            and str(field.help_text) == english
        ]
    assert untold == []


def in_english(words):
    with translation.override("en"):
        return str(words)
