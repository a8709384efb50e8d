"""A card whose country is guessed: choosing another one; and leaving a discreet card at once."""

import re

import pytest
from playwright.sync_api import expect

CRISIS = "I want to kill myself"
ABUSE = "my husband hits me and I am scared of him"
PHONE, WIDE = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
NEUTRAL = "<title>Weather</title><h1>Weather</h1>"


@pytest.fixture(scope="module")
def product(swift):
    return swift


def ask(page, text):
    page.locator("#message").fill(text)
    page.locator("#send").click()
    expect(page.locator('.answer:not([data-status="streaming"])')).to_have_count(1, timeout=20_000)


def pictures(page, shot, name):
    for width, size in (("wide", WIDE), ("phone", PHONE)):
        page.set_viewport_size(size)
        for light in ("light", "dark"):
            page.emulate_media(color_scheme=light, reduced_motion="reduce")
            page.locator(".card").first.scroll_into_view_if_needed()
            shot(f"{name}-{width}-{light}")


def test_country_is_chosen_with_the_keyboard_and_kept(page, product, console, shot):
    page.goto(product.url)
    ask(page, CRISIS)
    card = page.locator(".card")
    expect(card).to_contain_text("a guess")
    pictures(page, shot, "country-guessed")
    picker = card.get_by_label("Your country")
    expect(picker).to_have_value("US")
    picker.focus()
    page.keyboard.type("United K")
    page.keyboard.press("Tab")
    expect(card.get_by_role("button", name="Show its numbers")).to_be_focused()
    page.keyboard.press("Enter")
    expect(card.get_by_role("link", name=re.compile("Samaritans"))).to_be_visible()
    expect(card).not_to_contain_text("a guess")
    expect(card).not_to_have_attribute("role", "alert")
    expect(card).to_be_focused()
    pictures(page, shot, "country-chosen")
    page.reload()
    expect(card.get_by_role("link", name=re.compile("Samaritans"))).to_be_visible()
    card.get_by_text("Your country: United Kingdom").click()
    picker.select_option(label="Germany")
    card.get_by_role("button", name="Show its numbers").click()
    expect(card.get_by_text("Your country: Germany")).to_be_visible()


def test_country_is_chosen_without_javascript(browser, product):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(product.url)
        ask(page, CRISIS)
        page.get_by_label("Your country").select_option("IE")
        page.get_by_role("button", name="Show its numbers").click()
        expect(page).to_have_url(re.compile(r"/c/[0-9a-f-]{36}/#m-"))
        expect(page.get_by_text("Your country: Ireland")).to_be_visible()


def test_arabic_card_reads_from_right_to_left(page, product, console, shot):
    page.goto(product.url)
    ask(page, "أريد أن أقتل نفسي")
    card = page.locator(".card")
    expect(card).to_have_attribute("lang", "ar")
    assert card.evaluate("element => getComputedStyle(element).direction") == "rtl"
    pictures(page, shot, "country-arabic")


def neutral_page(context):
    context.route(
        "https://www.bbc.co.uk/**", lambda route: route.fulfill(body=NEUTRAL, content_type="text/html")
    )


def test_discreet_card_is_left_at_once_and_not_found_again(page, product, console, shot):
    neutral_page(page.context)
    page.goto(product.url)
    ask(page, ABUSE)
    expect(page.locator(".card[data-discreet]")).to_have_attribute("aria-live", "off")
    expect(page).not_to_have_title(re.compile("husband"))
    pictures(page, shot, "discreet")
    conversation = page.url
    page.get_by_role("link", name="Leave this page quickly").click()
    expect(page).to_have_title("Weather")
    page.go_back()
    assert page.url != conversation


def test_discreet_card_is_left_without_javascript(browser, product):
    with browser.new_context(java_script_enabled=False) as context:
        neutral_page(context)
        page = context.new_page()
        page.goto(product.url)
        ask(page, ABUSE)
        page.get_by_role("link", name="Leave this page quickly").click()
        expect(page).to_have_title("Weather")
