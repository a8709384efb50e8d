"""A parent who reads no English: the page mirrored, the answer asked for in Arabic, the picker."""

import pytest
from playwright.sync_api import expect

from tests.journeys.product import start_product

ARABIC = "كم ساعة ينام المولود في الليل؟"
PHONE, WIDE = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
VERSION = "print(Generation.objects.get(message__uuid=answer).prompt_version, end='')"
LANGUAGE = "print(*Person.objects.exclude(language='').values_list('language', flat=True), end='')"


@pytest.fixture(scope="module")
def product(simulator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("languages")
    with start_product(simulator, folder, MODEL_TITLES="on", SUMMARY_AFTER_TOKENS="1500") as running:
        yield running


def ask(page, text):
    page.locator("#message").fill(text)
    page.keyboard.press("Enter")
    answers = page.locator('.answer:not([data-status="streaming"])')
    expect(answers).to_have_count(1, timeout=20_000)
    return answers


def pick(page, language):
    if (settings := page.locator(".settings summary")).count():  # on the chat page; not where one logs in
        settings.click()
    page.locator("#language").select_option(language)
    page.locator(".language button").click()


@pytest.mark.both
@pytest.mark.parametrize("size", ["wide", "phone"])
def test_arabic_page_is_mirrored_and_asks_in_arabic(browser, product, size, request):
    context = browser.new_context(
        locale="ar-EG", viewport=PHONE if size == "phone" else WIDE, service_workers="block"
    )
    page = context.new_page()
    page.goto(product.url)
    assert page.locator("html").evaluate("e => [e.lang, e.dir]") == ["ar", "rtl"]
    answer = ask(page, ARABIC)
    # The lamp stands at the right, what was asked at the left.
    lamp, words = page.locator(".speaker .icon").bounding_box(), page.locator(".prose").bounding_box()
    question = page.locator(".asked").bounding_box()
    assert lamp["x"] >= words["x"] and question["x"] < page.viewport_size["width"] / 2
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.locator(".prose p").first.evaluate("e => getComputedStyle(e).textAlign") == "start"
    uuid = answer.get_attribute("id").removeprefix("m-")
    assert product.shell(VERSION, answer=uuid).startswith("ar-shipped-")
    context.close()


def test_picker_changes_the_page_keeps_the_choice_and_comes_back(page, product, console):
    page.goto(product.url)
    ask(page, "When may my baby have honey?")
    address = page.url
    pick(page, "de")
    page.wait_for_url(f"{address}**")
    assert page.locator("html").get_attribute("lang") == "de"
    assert product.shell(LANGUAGE) == "de"
    expect(page.locator(".asked")).to_have_text("When may my baby have honey?")
    page.goto(f"{product.url}/accounts/login/")
    assert page.locator("html").get_attribute("lang") == "de"
    pick(page, "ar")
    page.wait_for_url("**/accounts/login/")
    assert page.locator("html").evaluate("e => [e.lang, e.dir]") == ["ar", "rtl"]


def test_picker_works_without_javascript(browser, product):
    context = browser.new_context(java_script_enabled=False, viewport=WIDE)
    page = context.new_page()
    page.goto(product.url)
    pick(page, "zh-hans")
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    context.close()


def test_title_of_the_model_comes_by_itself(page, product, console):
    page.goto(product.url)
    ask(page, "hello, when may my baby have honey?")
    expect(page.locator("#title")).to_have_text("Honey in the first year", timeout=10_000)
    expect(page.locator("#conversations")).to_contain_text("Honey in the first year")
