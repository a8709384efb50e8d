"""The same journey on a wide screen in English and on a phone in Arabic.

A file whose every journey is to run so imports `browser_context_args` and `words`; one with some such
journeys imports `where_asked`, `in_both_sizes` to mark them with, and `words`.
"""

import pytest
from django.utils.translation import gettext, ngettext, override

WIDE = {"locale": "en-GB", "viewport": {"width": 1280, "height": 800}}
PHONE = {"locale": "ar", "viewport": {"width": 390, "height": 844}, "has_touch": True, "color_scheme": "dark"}
SIZES = [pytest.param(WIDE, id="wide-en"), pytest.param(PHONE, id="phone-ar", marks=pytest.mark.phone)]

in_both_sizes = pytest.mark.parametrize("browser_context_args", SIZES, indirect=True)


@pytest.fixture(scope="session", params=SIZES)
def browser_context_args(request, browser_context_args):
    return browser_context_args | request.param


@pytest.fixture(scope="session", name="browser_context_args")
def where_asked(request, browser_context_args):
    return browser_context_args | getattr(request, "param", {})


@pytest.fixture
def words(browser_context_args):
    """What stands on a page in its language, by its English words; with a plural where it counts `number`."""

    def said(english, plural="", **values):
        with override(browser_context_args.get("locale", "en")):
            text = ngettext(english, plural, values["number"]) if plural else gettext(english)
        return text % values if values else text

    return said


def is_right_to_left(page):
    """Whether the page is as its language is read: mirrored in Arabic, and not otherwise."""
    language, direction = page.evaluate(
        "[document.documentElement.lang, getComputedStyle(document.body).direction]"
    )
    assert (language == "ar") == (direction == "rtl"), (language, direction)
    return direction == "rtl"
