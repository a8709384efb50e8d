"""Pause: reading stops and writing goes on; Continue shows what came meanwhile, on every device."""

import time

import pytest
from playwright.sync_api import expect

from tests.journeys.product import start_product

SLOW = "Tell me about sleep [[simulate long tokens=300 delay=25]]"
SHORT = "Tell me about sleep [[simulate long tokens=60 delay=25]]"

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def product(swift):
    return swift


@pytest.fixture(params=["wide", "phone"])
def home(request, page, product, console):
    if request.param == "phone":
        page.set_viewport_size({"width": 390, "height": 844})
    page.goto(product.url)
    return page


@pytest.fixture
def away(page, product, browser):
    """Another device of the same person; with or without JavaScript."""
    contexts = []

    def on(*, javascript):
        context = browser.new_context(java_script_enabled=javascript)
        contexts.append(context)
        context.add_cookies(page.context.cookies())
        other = context.new_page()
        other.goto(page.url)
        return other

    yield on
    for context in contexts:
        context.close()


def ask(page, text):
    page.locator("#message").fill(text)
    page.locator("#send").click()
    expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
    page.wait_for_url("**/c/**")


def pause(page):
    """Presses Pause once some words are there; gives what is shown."""
    expect(page.locator(".live")).not_to_be_empty()
    with page.expect_response("**/pause"):
        page.get_by_role("button", name="Pause the answer").click()
    expect(page.get_by_text("Paused. The answer is being kept for you.")).to_be_visible()
    return words(page)


def words(page):
    return page.locator(".prose").inner_text().split()


def complete(page):
    expect(page.locator('.answer[data-status="complete"]')).to_have_count(1, timeout=30_000)
    return words(page)


def saved(product, page):
    return product.shell(
        "found = Message.objects.get(conversation__uuid=uuid, role='assistant')\n"
        "print(found.status, found.generation.paused_after, len(found.content.split()))",
        uuid=page.url.split("/c/")[1].strip("/"),
    ).split()


def wait_until_written(product, page):
    for _ in range(20):
        if saved(product, page)[0] != "streaming":
            return
    raise AssertionError("the answer is still being written")


def test_paused_answer_stands_still_and_goes_on_where_it_was(home, shot, request):
    ask(home, SLOW)
    before = pause(home)
    shot(f"paused-{request.node.callspec.id}")
    home.wait_for_timeout(700)
    assert words(home) == before
    expect(home.locator("#send")).to_be_visible()
    expect(home.locator("#stop")).to_be_hidden()
    home.get_by_role("button", name="Continue").click()
    expect(home.locator("#stop")).to_be_visible()
    after = complete(home)
    assert (after[: len(before) - 1], len(after) > len(before)) == (before[:-1], True)
    home.reload()
    assert words(home) == after


def test_pause_closes_the_connection(page, product, console):
    page.goto(product.url)
    ended = []
    page.on("requestfailed", lambda request: ended.append(request.url))
    ask(page, SLOW)
    pause(page)
    expect(page.locator(".follower")).to_have_count(0)
    assert [url.rsplit("/", 2)[1] for url in ended] == ["streams"]
    assert page.locator(".connection").count() == 0
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator(".answer")).to_have_attribute("data-status", "stopped")


def test_paused_answer_waits_after_a_reload_and_on_another_device(page, product, console, away):
    page.goto(product.url)
    ask(page, SHORT)
    before = pause(page)
    wait_until_written(product, page)
    page.reload()
    assert words(page) == before
    other = away(javascript=True)
    assert words(other) == before
    other.get_by_role("button", name="Continue").click()
    whole = complete(other)
    assert len(whole) > len(before)
    page.reload()
    assert (page.get_by_role("button", name="Continue").count(), words(page)) == (0, whole)


def test_paused_answer_goes_on_without_javascript(page, product, console, away):
    page.goto(product.url)
    ask(page, SHORT)
    before = pause(page)
    wait_until_written(product, page)
    plain = away(javascript=False)
    assert words(plain) == before
    expect(plain.get_by_text("Paused. The answer is being kept for you.")).to_be_visible()
    assert plain.locator("meta[http-equiv=refresh]").count() == 0
    plain.get_by_role("button", name="Continue").click()
    assert len(complete(plain)) > len(before)


def test_other_tab_goes_on_reading(page, context, product, console):
    page.goto(product.url)
    ask(page, SLOW)
    other = context.new_page()
    other.goto(page.url)
    expect(other.locator(".live")).not_to_be_empty(timeout=10_000)
    before = pause(page)
    assert len(complete(other)) > len(before)
    assert words(page) == before


def test_paused_answer_can_be_stopped(page, product, console):
    page.goto(product.url)
    ask(page, SLOW)
    before = pause(page)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator(".answer")).to_have_attribute("data-status", "stopped")
    shown = words(page)
    assert len(shown) >= len(before)
    page.reload()
    assert (words(page), page.get_by_role("button", name="Continue").count()) == (shown, 0)
    assert saved(product, page)[:2] == ["stopped", "None"]


def test_next_message_ends_the_paused_answer_and_shows_it(page, product, console):
    page.goto(product.url)
    ask(page, SLOW)
    pause(page)
    page.locator("#message").fill("and at night? [[simulate none tokens=20 delay=0]]")
    page.locator("#send").click()
    expect(page.locator(".answer").nth(1)).to_have_attribute("data-status", "complete", timeout=20_000)
    expect(page.locator(".answer").first).to_have_attribute("data-status", "stopped")
    expect(page.locator(".answer").first).to_contain_text(
        "This answer ended when you sent your next message."
    )


def test_whole_answer_is_shown_where_its_log_has_expired(simulator, tmp_path, page, console):
    with start_product(simulator, tmp_path / "brief", STREAM_LOG_TTL="0.5") as product:
        page.goto(product.url)
        ask(page, SHORT)
        before = pause(page)
        wait_until_written(product, page)
        time.sleep(0.6)
        product.guest().ask(
            "hello [[simulate none tokens=5]]"
        )  # what has expired goes when a stream is opened
        page.reload()
        assert (len(words(page)) > len(before), page.get_by_role("button", name="Continue").count()) == (
            True,
            0,
        )
        page.goto("about:blank")


def test_paused_answer_is_written_to_its_end_with_nobody_there(simulator, tmp_path, page):
    settings = {"STREAM_UNREAD_SECONDS": "0.5", "CHECKPOINT_SECONDS": "0.2"}
    with start_product(simulator, tmp_path / "unread", **settings) as product:
        page.goto(product.url)
        ask(page, "Tell me about sleep [[simulate long tokens=120 delay=25]]")
        pause(page)
        address = page.url
        page.goto("about:blank")
        time.sleep(1.5)
        page.goto(address)
        wait_until_written(product, page)
        assert saved(product, page)[0] == "complete"
        page.goto("about:blank")
