"""One night on the page, from the first word to the last: everything that happens to an answer on its way."""

import re

import pytest
from playwright.sync_api import expect

from tests.journeys.network import network_to
from tests.journeys.sizes import browser_context_args, words

__all__ = ["browser_context_args", "words"]

pytestmark = [pytest.mark.database, pytest.mark.both]

LONG = "Tell me about sleep [[simulate slow_start ms=1000 tokens=600 delay=30]]"


def ask(page, text):
    page.locator("#message").fill(text)
    page.locator("#send").click()


def status(page):
    return page.locator(".answer").last


def said(page):
    return page.locator(".answer .prose").last.inner_text()


def goes_on_from(page, before):
    """What stood there still stands there, and more has come."""
    expect(page.locator(".answer .prose").last).to_contain_text(re.compile(r"(\S+\s+){12}"), timeout=15_000)
    page.wait_for_timeout(600)
    now = said(page).split()
    assert (
        now[: len(before.split()) - 1] == before.split()[:-1]
    )  # of the last word there may have been a part
    assert len(now) > len(before.split())


def test_a_night_on_the_page(page, context, words, product):
    with network_to(product.url) as network:
        page.goto(network.url)

        # It thinks, then writes; a reload in the middle and a second tab show the same answer going on.
        ask(page, LONG)
        expect(page.get_by_text(words("AI is thinking"))).to_be_visible()
        expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
        expect(page.locator(".answer .prose").last).to_have_attribute("aria-busy", "true")
        before = said(page)
        page.reload()
        goes_on_from(page, before)
        other = context.new_page()
        other.goto(page.url)
        goes_on_from(other, before)
        other.close()

        # The network drops: the page says so, and goes on from the same word.
        before = said(page)
        network.down = True
        network.cut()
        expect(page.get_by_text(words("Connection lost, trying again"))).to_be_visible(timeout=10_000)
        network.down = False
        goes_on_from(page, before)

        # Pause keeps it still, Continue goes on, Stop ends it; what was said stays, and can be asked again.
        page.get_by_role("button", name=words("Pause the answer"), exact=True).click()
        before = said(page)
        page.wait_for_timeout(800)
        assert said(page) == before
        page.get_by_role("button", name=words("Continue"), exact=True).click()
        goes_on_from(page, before)
        page.get_by_role("button", name=words("Stop the answer"), exact=True).click()
        expect(status(page)).to_have_attribute("data-status", "stopped", timeout=10_000)
        expect(page.get_by_text(words("You stopped this answer."))).to_be_visible()
        page.get_by_role("button", name=words("Try again")).click()

        # A message that is sent meanwhile ends the answer, which is kept.
        expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
        ask(page, "my baby is not breathing")
        first = page.locator(".answer").last
        expect(first.locator('.card[data-severity="emergency"]')).to_be_visible()
        assert first.locator(".said > *").first.get_attribute("class") == "notices"
        expect(page.get_by_text(words("This answer ended when you sent your next message."))).to_be_visible(
            timeout=10_000
        )

        # Advice that is not safe is withdrawn, and the correction stands there.
        ask(page, "When may she have honey? [[simulate unsafe topic=honey]]")
        expect(status(page).locator(".card .withdrawn")).to_be_visible(timeout=15_000)
        assert "honey" not in status(page).locator(".prose").inner_text().lower()

        # An answer that fails says so kindly, and can be asked again.
        ask(page, "Tell me about naps [[simulate 503]]")
        expect(status(page)).to_have_attribute("data-status", "failed", timeout=20_000)
        expect(status(page).get_by_role("button", name=words("Try again"))).to_be_visible()
