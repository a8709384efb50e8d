"""A parent at the chat page, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

PHONE = {"width": 390, "height": 844}
ANSWER = ".answer"
CURSOR = """
    [document.querySelector('.live'), ...document.querySelectorAll('.live *')]
      .map((element) => getComputedStyle(element, '::after'))
      .find((style) => style.content !== 'none')"""


def ask(page, text):
    page.locator("#message").fill(text)
    page.keyboard.press("Enter")


def wait_until_done(page, count=1):
    expect(page.locator(f'{ANSWER}:not([data-status="streaming"])')).to_have_count(count, timeout=20_000)


@pytest.fixture(params=["wide", "phone"])
def home(request, page, product, console):
    if request.param == "phone":
        page.set_viewport_size(PHONE)
    page.goto(product.url)
    return page


def test_question_is_answered_word_by_word_with_a_cursor(home, shot, request):
    name = request.node.callspec.id
    shot(f"empty-{name}")
    ask(home, "Tell me about baby sleep patterns [[simulate slow_start ms=1500]]")
    expect(home.locator(".thinking")).to_be_visible()
    shot(f"thinking-{name}")
    live = home.locator(".live")
    expect(live).not_to_be_empty(timeout=10_000)
    expect(home.locator(".thinking")).to_be_hidden()
    early = home.locator(".prose").inner_text()
    assert home.evaluate(f"{CURSOR} !== undefined")
    shot(f"streaming-{name}")
    wait_until_done(home)
    late = home.locator(".prose").inner_text()
    assert (late.startswith(early.strip()[:20]), len(late) > len(early)) == (True, True)
    expect(home.locator(".live")).to_have_count(0)
    shot(f"answered-{name}")
    assert home.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"


def test_address_title_and_list_know_the_conversation(page, product, console):
    page.goto(product.url)
    ask(page, "What helps with colic?")
    expect(page).to_have_url(re.compile(r"/c/[0-9a-f-]{36}/$"))
    wait_until_done(page)
    expect(page.locator("#conversations")).to_contain_text("What helps with colic?")
    expect(page.locator("#message")).to_have_value("")


def test_second_question_continues_the_conversation(page, product, console):
    page.goto(product.url)
    ask(page, "How much does a newborn sleep?")
    wait_until_done(page, 1)
    address = page.url
    ask(page, "and at six months?")
    wait_until_done(page, 2)
    assert page.url == address
    expect(page.locator(ANSWER).last).to_contain_text(re.compile("six|6"))


def test_enter_sends_and_shift_enter_breaks_the_line(page, product, console):
    page.goto(product.url)
    box = page.locator("#message")
    box.fill("first")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("second")
    expect(box).to_have_value("first\nsecond")
    page.keyboard.press("Enter")
    expect(page.locator(".question")).to_contain_text("second")
    wait_until_done(page)


def test_stop_keeps_what_was_shown(page, product, console):
    page.goto(product.url)
    ask(page, "Tell me about sleep [[simulate long tokens=400]]")
    expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
    page.locator("#stop").click()
    expect(page.locator(ANSWER)).to_have_attribute("data-status", "stopped")
    shown = page.locator(".prose").inner_text()
    page.reload()
    assert (page.locator(".prose").inner_text(), len(shown) > 0) == (shown, True)
    assert product.simulator.stats()["active"] == 0


def test_reload_in_mid_answer_goes_on_to_the_end(page, product, console):
    page.goto(product.url)
    ask(page, "Tell me about sleep [[simulate long tokens=150]]")
    expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
    page.wait_for_url("**/c/**")
    page.reload()
    expect(page.locator(ANSWER)).to_have_attribute("data-status", "streaming")
    wait_until_done(page)
    after_reload = page.locator(".prose").inner_text()
    page.reload()
    assert page.locator(".prose").inner_text() == after_reload


def test_second_tab_shows_the_same_answer_growing(page, context, product, console):
    page.goto(product.url)
    ask(page, "Tell me about sleep [[simulate long tokens=200]]")
    page.wait_for_url("**/c/**")
    second = context.new_page()
    second.goto(page.url)
    expect(second.locator(".live")).not_to_be_empty(timeout=10_000)
    wait_until_done(page)
    wait_until_done(second)
    assert second.locator(".prose").inner_text() == page.locator(".prose").inner_text()


def test_dropped_network_is_told_and_overcome(page, context, product):
    page.goto(product.url)
    ask(page, "Tell me about sleep [[simulate long tokens=250]]")
    expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
    # Playwright's offline mode leaves open streams alone; the page is told by aborting what it reads.
    page.evaluate("document.querySelector('.follower')._htmx.sse.abortController.abort()")
    wait_until_done(page)
    streamed = page.locator(".prose").inner_text()
    page.reload()
    assert page.locator(".prose").inner_text() == streamed


COUNT_ALERTS = """() => {
  window.alerts = 0;
  const alert = "[role=alert]";
  const count = (node) => node.matches?.(alert) + (node.querySelectorAll?.(alert).length ?? 0);
  new MutationObserver((records) => {
    for (const record of records) for (const node of record.addedNodes) window.alerts += count(node) || 0;
  }).observe(document.querySelector("#log"), { childList: true, subtree: true });
}"""


def test_urgent_card_comes_first_with_a_number_to_tap(home, shot, request):
    home.evaluate(COUNT_ALERTS)
    ask(home, "baby won't wake to feed and his lips look blue")
    card = home.locator(".card").first
    expect(card).to_be_visible(timeout=10_000)
    assert card.locator("a").first.get_attribute("href").startswith("tel:")
    shot(f"urgent-{request.node.callspec.id}")
    wait_until_done(home)
    assert home.evaluate("window.alerts") == home.locator('.card[data-severity="emergency"]').count() > 0


def test_unsafe_answer_is_withdrawn_and_corrected(page, product, console, shot):
    page.goto(product.url)
    ask(page, "Can my baby have honey? [[simulate unsafe topic=honey]]")
    wait_until_done(page)
    expect(page.locator(".card")).to_contain_text("12 months")
    assert "can give" not in page.locator(".prose").inner_text()
    shot("corrected")


def test_failed_answer_is_told_kindly_and_tried_again(page, product, console, shot):
    page.goto(product.url)
    ask(page, "What helps with colic? [[simulate 503 fail_first=3 key=journey-retry]]")
    expect(page.locator(ANSWER)).to_have_attribute("data-status", "failed", timeout=10_000)
    shot("failed")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(f'{ANSWER}[data-status="complete"]')).to_have_count(1, timeout=20_000)
    expect(page.locator(ANSWER)).to_have_count(1)


def test_feedback_is_kept_changed_and_cleared(page, product, console):
    page.goto(product.url)
    ask(page, "What helps with colic?")
    wait_until_done(page)
    up = page.get_by_role("button", name="This helped")
    up.click()
    expect(up).to_have_attribute("aria-pressed", "true")
    page.locator(".comment summary").click()
    page.locator(".comment textarea").fill("Calm and clear")
    page.locator(".comment").get_by_role("button", name="Send").click()
    expect(page.locator(".comment summary")).to_contain_text("Your feedback")
    page.reload()
    expect(page.get_by_role("button", name="This helped")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="This helped").click()
    expect(page.get_by_role("button", name="This helped")).to_have_attribute("aria-pressed", "false")


def test_keyboard_alone_is_enough(page, product, console):
    page.goto(product.url)
    page.locator("#message").focus()
    page.keyboard.type("What helps with colic?")
    page.keyboard.press("Enter")
    wait_until_done(page)
    page.get_by_role("button", name="This helped").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="This helped")).to_have_attribute("aria-pressed", "true")


def test_guest_who_signs_up_keeps_the_conversation(page, product, console):
    page.goto(product.url)
    ask(page, "What helps with colic?")
    wait_until_done(page)
    page.goto(f"{product.url}/accounts/signup/")
    page.locator("[name=email]").fill("dana@example.org")
    page.locator("[name=password1]").fill("a-long-password-4u")
    page.locator("[name=password2]").fill("a-long-password-4u")
    page.locator("form:not(.language) button[type=submit]").last.click()
    expect(page.locator("#conversations")).to_contain_text("What helps with colic?")


def test_reduced_motion_has_a_steady_cursor(page, product, console):
    page.emulate_media(reduced_motion="reduce")
    page.goto(product.url)
    ask(page, "Tell me about sleep [[simulate long tokens=150]]")
    expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
    assert page.evaluate(f"{CURSOR}.animationName") == "none"
    wait_until_done(page)
