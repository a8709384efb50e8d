"""The same page where JavaScript is off: forms, redirects, and a page that refreshes itself."""

import re

import pytest
from playwright.sync_api import expect


@pytest.fixture
def plain(browser, product):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(product.url)
    yield page
    context.close()


def test_question_answer_stop_and_feedback(plain):
    plain.locator("#message").fill("What helps with colic?")
    plain.locator("#send").click()
    expect(plain).to_have_url(re.compile(r"/c/[0-9a-f-]{36}/"))
    # The page refreshes itself every two seconds until the answer is whole.
    expect(plain.locator(".answer")).to_have_attribute("data-status", "complete", timeout=20_000)
    expect(plain.locator(".prose")).to_contain_text("Source:")
    plain.get_by_role("button", name="This helped").click()
    expect(plain.get_by_role("button", name="This helped")).to_have_attribute("aria-pressed", "true")


def test_page_shows_what_there_is_while_it_is_written(plain):
    plain.locator("#message").fill("Tell me about sleep [[simulate long tokens=500]]")
    plain.locator("#send").click()
    expect(plain.locator(".answer")).to_have_attribute("data-status", "streaming")
    expect(plain.locator(".prose")).not_to_be_empty(timeout=10_000)
    plain.get_by_role("button", name="Stop", exact=True).click()
    expect(plain.locator(".answer")).to_have_attribute("data-status", "stopped", timeout=10_000)
    expect(plain.locator(".prose")).not_to_be_empty()


def test_refused_message_says_why(plain):
    plain.locator("#message").fill("\u200b\u200b")
    plain.locator("#send").click()
    expect(plain.locator("#problem")).to_contain_text("empty")
