"""The same journey on a wide screen in English and on a phone in Arabic: import both fixtures."""

import pytest
from django.utils.translation import gettext, override

WIDE = {"locale": "en-GB", "viewport": {"width": 1280, "height": 800}}
PHONE = {"locale": "ar", "viewport": {"width": 390, "height": 844}, "has_touch": True, "color_scheme": "dark"}


@pytest.fixture(
    scope="session",
    params=[pytest.param(WIDE, id="wide-en"), pytest.param(PHONE, id="phone-ar", marks=pytest.mark.phone)],
)
def browser_context_args(request, browser_context_args):
    return browser_context_args | request.param


@pytest.fixture
def words(browser_context_args):
    """What stands on a button, in the language of the page, by its English words."""

    def said(english):
        with override(browser_context_args["locale"]):
            return gettext(english)

    return said
