"""Nightlight as an app on a phone: installed, without a network, in the dark, under one thumb."""

import re

import httpx2
import pytest
from playwright.sync_api import expect

from tests.journeys.product import sign_up, wait_until

PHONE = {"width": 390, "height": 844}
QUICK = "[[simulate none tokens=20 delay=0]]"
DRAFT = "She has a rash since noon"


@pytest.fixture
def browser_context_args(browser_context_args):
    return browser_context_args | {"service_workers": "allow", "viewport": PHONE, "has_touch": True}


def ask(page, text):
    page.locator("#message").fill(text)
    page.locator("#send").click()


def wait_until_done(page):
    expect(page.locator('.answer[data-status="complete"]').last).to_be_visible(timeout=20_000)


def wait_until_installed(page):
    """The worker comes a second after the page, and then keeps what it needs."""
    page.evaluate("""new Promise(done => {
      const look = async () =>
        navigator.serviceWorker.controller && await caches.match('/offline') ? done() : setTimeout(look, 50);
      look();
    })""")


def open_installed(page, url):
    page.goto(url)
    wait_until_installed(page)


def open_settings(page):
    page.get_by_role("button", name="Your conversations").click()
    page.locator("details.settings > summary").click()


# --- Installed ----------------------------------------------------------------------------------------------


def test_chromium_finds_it_installable_in_the_colours_of_the_night(page, swift, console):
    open_installed(page, swift.url)
    browser = page.context.new_cdp_session(page)
    errors = browser.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [error["errorId"] for error in errors] == ["in-incognito"]  # as every window of a test is
    found = browser.send("Page.getAppManifest")
    manifest = httpx2.get(found["url"]).json()
    assert found["errors"] == []
    kept = ("short_name", "start_url", "scope", "display", "lang", "dir")
    assert [manifest[name] for name in kept] == ["Nightlight", "/", "/", "standalone", "en", "ltr"]
    assert manifest["background_color"] == ground(page, "night")
    for icon in manifest["icons"]:
        size = page.evaluate(
            "src => new Promise(done => { const image = new Image();"
            "image.onload = () => done(`${image.naturalWidth}x${image.naturalHeight}`); image.src = src })",
            icon["src"],
        )
        assert size == icon["sizes"]


def test_bars_of_the_phone_go_with_the_light_that_was_chosen(page, swift, console):
    page.goto(swift.url)
    bars = "[...document.querySelectorAll('meta[name=theme-color]')].map(meta => meta.content)"
    by_device = [ground(page, "dawn"), ground(page, "night")]
    assert page.evaluate(bars) == by_device
    open_settings(page)
    for light in ("dim", "night", "dawn"):
        page.locator("#theme").select_option(light)
        assert page.evaluate(bars) == [ground(page, light)] * 2
    page.reload()
    assert page.evaluate(bars) == [ground(page, "dawn")] * 2
    open_settings(page)
    page.locator("#theme").select_option("")
    assert page.evaluate(bars) == by_device


def ground(page, light):
    """What the browser paints behind a page in this light, as #rrggbb."""
    return page.evaluate(
        """light => {
      const probe = document.createElement('i');
      probe.dataset.theme = light;
      document.body.append(probe);
      probe.style.color = 'var(--ground)';
      const canvas = document.createElement('canvas').getContext('2d');
      canvas.fillStyle = getComputedStyle(probe).color;
      probe.remove();
      canvas.fillRect(0, 0, 1, 1);
      return '#' + [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
        .map(byte => byte.toString(16).padStart(2, '0')).join('');
    }""",
        light,
    )


# --- Without a network --------------------------------------------------------------------------------------


def test_draft_written_without_a_network_is_in_the_box_afterwards(page, context, swift, shot):
    open_installed(page, swift.url)
    ask(page, f"What helps with colic? {QUICK}")
    wait_until_done(page)
    address = page.url
    context.set_offline(True)
    page.reload()
    expect(page.get_by_role("heading", name="You have no connection right now")).to_be_visible()
    page.locator("#draft").fill(DRAFT)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Still no connection")).to_be_visible()
    shot("offline-phone")
    page.reload()  # out of the pocket once more
    expect(page.locator("#draft")).to_have_value(DRAFT)
    context.set_offline(False)  # it goes on by itself
    expect(page.locator("#message")).to_have_value(DRAFT, timeout=15_000)
    assert page.url == address
    expect(page.locator(".question")).to_have_count(1)
    ask(page, f"{DRAFT} {QUICK}")
    expect(page.locator(".answer")).to_have_count(2)
    page.reload()
    expect(page.locator("#message")).to_have_value("")


def test_offline_page_calls_where_the_phone_is_and_names_other_numbers(browser, swift, console):
    context = browser.new_context(timezone_id="Australia/Sydney", viewport=PHONE)
    page = context.new_page()
    open_installed(page, swift.url)
    context.set_offline(True)
    page.goto(swift.url)
    call = page.get_by_role("link", name="Emergency: call 000 (Australia)")
    assert call.get_attribute("href") == "tel:000"
    page.get_by_text("I am somewhere else").click()
    expect(page.get_by_role("link", name="United Kingdom 999")).to_be_visible()
    context.close()


def test_worker_keeps_no_page_and_no_stream_and_leaves_answers_alone(page, product, console):
    open_installed(page, product.url)
    secret = "My own secret"
    ask(page, f"{secret} [[simulate long tokens=150 delay=25]]")
    expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
    wait_until_done(page)
    page.reload()
    expect(page.locator(".question")).to_contain_text(secret)
    kept = page.evaluate("""async () => {
      const found = {};
      for (const name of await caches.keys())
        for (const request of await (await caches.open(name)).keys())
          found[new URL(request.url).pathname] = await (await caches.match(request)).text();
      return found;
    }""")
    assert "/static/css/chat.css" in kept, "no file was kept: the test sees nothing"
    assert [path for path in kept if not path.startswith("/static/")] == ["/offline"]
    assert [path for path, text in kept.items() if secret in text] == []


def test_another_release_brings_another_worker_and_no_old_files(page, swift, console):
    open_installed(page, swift.url)
    page.evaluate(
        "caches.open('nightlight-of-last-week').then(kept => kept.put('/static/x', new Response('')))"
    )
    registration = "navigator.serviceWorker.getRegistration()"
    page.evaluate(f"{registration}.then(registration => registration.unregister())")
    page.reload()
    assert wait_until(
        lambda: "nightlight-of-last-week" not in page.evaluate("caches.keys()"),
        seconds=15,
    )
    wait_until_installed(page)
    own = re.search(r'VERSION = "(\w+)"', httpx2.get(f"{swift.url}/worker.js").text)
    assert page.evaluate("caches.keys()") == [f"nightlight-{own[1]}"]


def test_logging_out_leaves_no_draft_on_the_phone(page, context, swift, console):
    sign_up(page, swift)
    page.locator("#message").fill(DRAFT)
    second = context.new_page()
    second.goto(swift.url)
    second.locator("#message").fill("and a second thing")
    drafts = "Object.keys(sessionStorage).filter(key => key.startsWith('draft:'))"
    assert [page.evaluate(drafts), second.evaluate(drafts)] == [["draft:/"], ["draft:/"]]
    page.goto(f"{swift.url}/accounts/logout/")
    page.locator("form[action$='/logout/'] button[type=submit]").click()
    page.wait_for_url(f"{swift.url}/")
    assert page.evaluate(drafts) == []
    assert wait_until(lambda: second.evaluate(drafts) == [], seconds=5)


# --- Under a thumb ------------------------------------------------------------------------------------------


def test_composer_stays_above_the_keyboard_and_clear_of_the_edges(page, swift, console, shot):
    page.goto(swift.url)
    ask(page, "What helps with colic? [[simulate markdown delay=0]]")
    wait_until_done(page)
    assert "viewport-fit=cover" in page.locator("meta[name=viewport]").get_attribute("content")
    assert "resizes-content" in page.locator("meta[name=viewport]").get_attribute("content")
    page.locator("#message").tap()
    page.set_viewport_size({"width": 390, "height": 844 - 336})  # so does a keyboard, with resizes-content
    box = page.locator("#composer").bounding_box()
    shot("keyboard-phone")
    assert 0 < box["y"] < box["y"] + box["height"] <= 844 - 336
    bottom = "getComputedStyle(document.querySelector('.foot')).paddingBlockEnd"
    assert page.evaluate(f"parseFloat({bottom})") >= 8


def test_everything_pressed_while_chatting_is_within_reach_of_a_thumb(page, product, console):
    page.goto(product.url)
    ask(page, "Tell me about sleep [[simulate long tokens=400]]")
    expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
    for name in ("#stop", "#pause", "#message"):
        box = page.locator(name).bounding_box()
        assert box["y"] > PHONE["height"] / 2, f"{name} is out of reach"
    page.locator("#stop").tap()
    expect(page.locator(".answer")).to_have_attribute("data-status", "stopped")


@pytest.mark.parametrize("height", [640, 780])
def test_emergency_card_stays_in_sight_from_its_first_line(page, swift, console, height):
    page.set_viewport_size({"width": 390, "height": height})
    page.goto(swift.url)
    ask(page, "My baby is not breathing and his lips are blue")
    expect(page.locator('.answer[data-status="refused"]')).to_be_visible(timeout=10_000)
    page.wait_for_timeout(500)
    bar, card = page.locator(".bar").bounding_box(), page.locator(".card").first.bounding_box()
    assert bar["y"] + bar["height"] <= card["y"] < height / 2
