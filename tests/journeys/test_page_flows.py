"""What happens around a conversation: limits, drops, drafts, scrolling, history, light, and whose it is."""

import re

import pytest
from playwright.sync_api import expect

from tests.journeys.network import network_to
from tests.journeys.product import sign_up, start_product

QUICK = "[[simulate none tokens=20 delay=0]]"
SLOW = "Tell me about sleep [[simulate long tokens=200 delay=12]]"

pytestmark = pytest.mark.database


def ask(page, text):
    page.locator("#message").fill(text)
    page.keyboard.press("Enter")


def wait_until_done(page, count=1):
    done = page.locator('.answer:not([data-status="streaming"])')
    expect(done).to_have_count(count, timeout=20_000)
    expect(page.locator(".answer")).to_have_count(count)


def wait_until_words_come(page):
    expect(page.locator(".live")).not_to_be_empty(timeout=10_000)


@pytest.fixture(scope="module")
def product(swift):
    return swift


@pytest.fixture
def home(page, product, console):
    page.goto(product.url)
    return page


@pytest.fixture
def network(product):
    with network_to(product.url) as running:
        yield running


# --- Nothing is lost ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def minutely(simulator, tmp_path_factory):
    """Takes one message a minute from each guest."""
    state = tmp_path_factory.mktemp("minutely")
    with start_product(simulator, state, RATE_LIMIT_GUEST_MESSAGES="1/m") as running:
        yield running


def ask_until_refused(page):
    """Where a new minute begins in between, one more is taken; gives the seconds left, at least 10."""
    problem = page.locator("#problem .problem")
    for _ in range(4):
        count = page.locator(".question").count()
        ask(page, f"What helps with colic? {QUICK}")
        expect(page.locator(".question").nth(count).or_(problem)).to_be_visible()
        wait_until_done(page, page.locator(".question").count())
        if problem.count() and (left := int(problem.locator("[data-countdown] b").inner_text())) >= 10:
            return left
        page.wait_for_timeout(10_000 if problem.count() else 0)
    raise AssertionError("it was never refused")


def test_limit_keeps_the_draft_and_counts_down(page, minutely):
    page.goto(minutely.url)
    before = ask_until_refused(page)
    problem = page.locator("#problem .problem")
    expect(page.locator("#message")).to_have_value(f"What helps with colic? {QUICK}")
    page.wait_for_timeout(1500)
    assert 1 <= before - int(problem.locator("[data-countdown] b").inner_text()) <= 4
    page.evaluate("document.querySelector('[data-countdown]').dataset.end = Date.now() + 300")
    expect(problem.get_by_text("You can send it now.")).to_be_visible(timeout=2_000)
    page.reload()
    expect(page.locator("#message")).to_have_value(f"What helps with colic? {QUICK}")


def test_long_limit_tells_the_time_of_day(page, gated):
    sign_up(page, gated)
    ask(page, f"What helps with colic? {QUICK}")
    wait_until_done(page)
    ask(page, "and at night?")
    problem = page.locator("#problem .problem")
    expect(problem).to_contain_text(re.compile(r"You can go on from (tomorrow, )?\d+:\d\d"))
    expect(problem).to_contain_text("Your message is still here.")
    expect(page.locator("#message")).to_have_value("and at night?")
    expect(page.locator(".question")).to_have_count(1)


def test_limited_parent_with_an_emergency_still_gets_the_card(page, gated):
    sign_up(page, gated)
    ask(page, f"What helps with colic? {QUICK}")
    wait_until_done(page)
    ask(page, "baby won't wake to feed and his lips look blue")
    card = page.locator("#problem .card")
    expect(card).to_have_count(1)
    expect(card).to_be_visible()
    assert card.locator("a.call").first.get_attribute("href").startswith("tel:")


def test_draft_outlives_a_reload_and_goes_when_it_is_sent(home):
    box = home.locator("#message")
    box.fill("half a thou")
    home.reload()
    expect(box).to_have_value("half a thou")
    ask(home, f"What helps with colic? {QUICK}")
    wait_until_done(home)
    expect(box).to_have_value("")
    home.reload()
    expect(box).to_have_value("")


def test_words_typed_while_an_answer_comes_stay_when_it_ends(home):
    ask(home, "Tell me about sleep [[simulate long tokens=80 delay=12]]")
    wait_until_words_come(home)
    box = home.locator("#message")
    box.fill("my next question")
    wait_until_done(home)
    expect(home.locator("#send")).to_be_visible()
    expect(box).to_have_value("my next question")
    expect(home.locator(".question")).to_have_count(1)


def test_cut_connection_is_told_and_followed_to_the_end(page, network):
    page.goto(network.url)
    ask(page, SLOW)
    wait_until_words_come(page)
    network.cut()
    expect(page.locator(".connection")).to_be_visible(timeout=3_000)
    wait_until_done(page)
    expect(page.locator(".connection")).to_have_count(0)
    expect(page.locator(".question")).to_have_count(1)
    shown = page.locator(".prose").inner_text()
    page.reload()
    assert (page.locator(".prose").inner_text(), page.locator(".answer").get_attribute("data-status")) == (
        shown,
        "complete",
    )


def test_server_that_stays_away_is_told_and_nothing_is_lost(page, network):
    page.goto(network.url)
    ask(page, SLOW)
    wait_until_words_come(page)
    network.down = True
    network.cut()
    reload = page.get_by_role("link", name="Load the page again")
    expect(reload).to_be_visible(timeout=10_000)
    assert page.locator(".prose").inner_text() != ""
    network.down = False
    reload.click()
    wait_until_done(page)
    expect(page.locator(".answer")).to_have_attribute("data-status", "complete")


def test_message_sent_while_the_network_is_away_goes_out_once(page, network, product):
    page.goto(network.url)
    started = product.simulator.stats()["started"]
    network.down = True
    network.cut()
    ask(page, f"What helps with colic? {QUICK}")
    page.wait_for_timeout(400)
    expect(page.locator("#message")).to_have_value(f"What helps with colic? {QUICK}")
    expect(page.locator(".question")).to_have_count(0)
    network.down = False
    wait_until_done(page)
    expect(page.locator(".question")).to_have_count(1)
    expect(page.locator("#message")).to_have_value("")
    assert product.simulator.stats()["started"] == started + 1


# --- Reading, history, light --------------------------------------------------------------------------------


def test_reader_who_scrolled_up_is_left_there_and_offered_the_newest(home):
    home.set_viewport_size({"width": 390, "height": 600})
    ask(home, "Tell me about sleep [[simulate long tokens=500 delay=8]]")
    wait_until_words_come(home)
    pill = home.get_by_role("button", name="Jump to newest")
    distance = "document.scrollingElement.scrollHeight - innerHeight - scrollY"
    for _ in range(50):
        if home.evaluate("scrollY") > 500:
            break
        home.wait_for_timeout(100)
    assert home.evaluate(distance) < 80, "it follows the words"
    expect(pill).to_be_hidden()
    home.mouse.move(200, 200)
    home.mouse.wheel(0, -400)
    expect(pill).to_be_visible(timeout=3_000)
    place = home.evaluate("scrollY")
    home.wait_for_timeout(500)
    assert abs(home.evaluate("scrollY") - place) < 3, "the reader was pulled away"
    pill.click()
    expect(pill).to_be_hidden()
    assert home.evaluate(distance) < 80
    home.locator("#stop").click()
    expect(home.locator(".answer")).to_have_attribute("data-status", "stopped")


def test_conversation_is_one_step_of_the_history(home, product):
    before = home.evaluate("history.length")
    ask(home, f"What helps with colic? {QUICK}")
    wait_until_done(home, 1)
    ask(home, f"and at night? {QUICK}")
    wait_until_done(home, 2)
    assert home.evaluate("history.length") == before + 1
    home.go_back()
    expect(home).to_have_url(f"{product.url}/")
    expect(home.locator(".answer")).to_have_count(0)
    home.go_forward()
    expect(home).to_have_url(re.compile("/c/"))
    expect(home.locator(".answer")).to_have_count(2)


def test_light_that_was_chosen_stays_chosen(home, product):
    dark = "getComputedStyle(document.documentElement).backgroundColor"
    by_device = home.evaluate(dark)
    home.get_by_text("Settings", exact=True).click()
    home.locator("#theme").select_option("dim")
    dim = home.evaluate(dark)
    home.reload()
    expect(home.locator("html")).to_have_attribute("data-theme", "dim")
    assert (home.evaluate(dark), dim != by_device) == (dim, True)
    home.goto(f"{product.url}/accounts/login/")
    expect(home.locator("html")).to_have_attribute("data-theme", "dim")
    home.goto(product.url)
    home.get_by_text("Settings", exact=True).click()
    home.locator("#theme").select_option("")
    home.reload()
    assert (home.locator("html").get_attribute("data-theme"), home.evaluate(dark)) == (None, by_device)


def test_suggestion_is_asked_with_one_tap(home):
    suggestion = home.locator(".suggestions button").nth(2)
    words = suggestion.inner_text()
    suggestion.click()
    expect(home.locator(".question .asked")).to_have_text(words)
    wait_until_done(home)
    expect(home.locator(".empty")).to_be_hidden()


# --- Whose it is --------------------------------------------------------------------------------------------


def test_deleted_conversation_is_gone(home, product):
    ask(home, f"Delete me please {QUICK}")
    wait_until_done(home)
    address = home.url
    home.locator("#conversations li", has_text="Delete me please").locator(".more").click()
    home.locator("#sheet").get_by_role("button", name="Delete").click()
    expect(home).to_have_url(re.compile(r"/\?deleted="))
    expect(home.locator("#conversations")).not_to_contain_text("Delete me please")
    assert home.request.get(address).status == 404


def test_conversation_of_another_guest_is_not_there(home, browser):
    ask(home, f"My own secret {QUICK}")
    wait_until_done(home)
    context = browser.new_context()
    try:
        stranger = context.new_page()
        reply = stranger.goto(home.url)
        assert reply.status == 404
        expect(stranger.get_by_role("heading", name="This page is not here")).to_be_visible()
        assert "secret" not in stranger.content()
        stranger.get_by_role("link", name="Back to your conversations").click()
        expect(stranger.locator("#conversations")).not_to_contain_text("secret")
    finally:
        context.close()
