"""Who answers, where there is a choice; and when it goes on, once a day's share is used up."""

import re

import pytest
from playwright.sync_api import expect

from tests.journeys.product import sign_up, start_product

QUICK = "[[simulate none tokens=20 delay=0]]"
MODELS = """
currency = "USD"
[[model]]
id = "lamp"
label = "Lamp"
context_window = 128000
price_in = 0.4
price_out = 1.6
default = true

[[model.deployment]]
name = "lamp-here"
kind = "azure"
endpoint = "{url}"
deployment = "simulator"
api_key_env = "SIMULATOR_KEY"

[[model]]
id = "candle"
label = "Candle, small and quick"
context_window = 32000
price_in = 0.1
price_out = 0.4

[[model.deployment]]
name = "candle-here"
kind = "azure"
endpoint = "{url}"
deployment = "simulator"
api_key_env = "SIMULATOR_KEY"
"""

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def choice(simulator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("choice")
    (folder / "models.toml").write_text(MODELS.format(url=simulator.url))
    settings = {"MODELS_FILE": str(folder / "models.toml"), "SIMULATOR_KEY": "k", "ANSWER_CACHE": "on"}
    with start_product(simulator, folder, **settings) as running:
        yield running


@pytest.fixture
def home(page, choice, console):
    page.goto(choice.url)
    return page


def ask(page, text, count=1):
    page.locator("#message").fill(text)
    page.locator("#send").click()
    expect(page.locator('.answer:not([data-status="streaming"])')).to_have_count(count, timeout=20_000)


def test_no_choice_is_offered_where_there_is_none(page, swift, console):
    page.goto(swift.url)
    ask(page, f"What helps with colic? {QUICK}")
    assert page.locator("#model, .origin").count() == 0


def test_model_is_chosen_told_and_remembered_with_the_conversation(home, choice, shot):
    model = home.get_by_label("Who answers")
    expect(model).to_have_value("lamp")
    ask(home, f"What helps with colic? {QUICK}")
    expect(home.locator(".origin").last).to_have_text("Lamp")
    model.select_option("candle")
    ask(home, f"and at night? {QUICK}", 2)
    expect(home.locator(".origin").last).to_have_text("Candle, small and quick")
    shot("models")
    address = home.url
    home.reload()
    expect(model).to_have_value("candle")
    expect(home.locator(".origin").first).to_have_text("Lamp")
    # A new conversation begins with the one that was liked last, on this device.
    home.goto(choice.url)
    expect(model).to_have_value("candle")
    model.select_option("lamp")
    home.goto(address)
    expect(model).to_have_value("candle")


def test_model_is_chosen_without_javascript(browser, choice):
    context = browser.new_context(java_script_enabled=False)
    try:
        plain = context.new_page()
        plain.goto(choice.url)
        plain.get_by_label("Who answers").select_option("candle")
        ask(plain, f"What helps with colic? {QUICK}")
        expect(plain.locator(".origin")).to_have_text("Candle, small and quick")
        expect(plain.get_by_label("Who answers")).to_have_value("candle")
    finally:
        context.close()


def test_answer_from_before_is_marked(home, choice):
    ask(home, "What helps with colic?")
    first = home.locator(".prose").inner_text()
    home.goto(choice.url)
    ask(home, "What helps with colic?")
    expect(home.locator(".origin")).to_contain_text("Answered before, checked again")
    assert home.locator(".prose").inner_text() == first


def test_browser_s_time_zone_comes_with_the_message(browser, swift):
    context = browser.new_context(timezone_id="Asia/Tokyo")
    try:
        page = context.new_page()
        sign_up(page, swift)
        ask(page, f"What helps with colic? {QUICK}")
        zones = swift.shell("print(*Person.objects.exclude(timezone='').values_list('timezone', flat=True))")
        assert "Asia/Tokyo" in zones.split()
    finally:
        context.close()


# --- A day's share ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rationed(simulator, tmp_path_factory):
    with start_product(
        simulator, tmp_path_factory.mktemp("rationed"), QUOTA_GUEST_TOKENS_PER_DAY="1000"
    ) as running:
        yield running


def test_share_that_is_used_up_says_when_it_goes_on(browser, rationed, shot):
    context = browser.new_context(timezone_id="Asia/Tokyo", locale="en-GB")
    try:
        page = context.new_page()
        page.goto(rationed.url)
        page.locator("#message").fill("Tell me about sleep [[simulate long tokens=1200 delay=2]]")
        page.locator("#send").click()
        answer = page.locator(".answer")
        expect(answer).to_have_attribute("data-status", "failed", timeout=30_000)
        outcome = answer.locator(".outcome")
        expect(outcome).to_contain_text(
            re.compile("You can go on from (tomorrow, )?0?9:00")
        )  # midnight in UTC, on a clock in Tokyo
        assert answer.get_by_role("button", name="Try again").count() == 0
        assert page.locator(".prose").inner_text() != ""
        page.locator("#message").fill("and one more")
        page.locator("#send").click()
        problem = page.locator("#problem .problem")
        expect(problem).to_contain_text(re.compile("You can go on from (tomorrow, )?0?9:00"))
        expect(problem).to_contain_text("Your message is still here.")
        expect(page.locator("#message")).to_have_value("and one more")
        page.screenshot(path="test-artifacts/quota.png")
        page.reload()
        expect(outcome).to_contain_text(re.compile("You can go on from (tomorrow, )?0?9:00"))
        expect(page.locator("#message")).to_have_value("and one more")
    finally:
        context.close()
