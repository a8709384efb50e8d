"""The list beside the chat, as a parent uses it: find, name, pin, share, export, delete and bring back."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import ARTEFACTS
from tests.journeys.test_accessibility import RULES, axe

pytestmark = [pytest.mark.database, pytest.mark.both]

QUICK = "[[simulate none tokens=20 delay=0]]"
PHONE = {"width": 390, "height": 844}
OLDER = """
from datetime import timedelta
from django.utils import timezone
mine = Conversation.objects.get(uuid=uuid)
now = timezone.now()
days = [1, 3, 12] + [40] * 60
Conversation.objects.bulk_create(
    Conversation(owner=mine.owner, title=f"Earlier talk {n}", updated_at=now - timedelta(days=day, seconds=n))
    for n, day in enumerate(days)
)
"""


@pytest.fixture(scope="module")
def product(swift):
    return swift


def ask(page, text):
    answers = page.locator('.answer:not([data-status="streaming"])')
    before = answers.count()
    page.locator("#message").fill(f"{text} {QUICK}")
    page.locator("#send").click()
    expect(answers).to_have_count(before + 1, timeout=20_000)


def begin(page, product):
    page.goto(product.url)
    ask(page, "What helps with colic?")
    page.wait_for_url("**/c/**")
    product.shell(OLDER, uuid=page.url.rstrip("/").split("/")[-1])
    page.reload()


def broken_rules(page):
    found = axe().run(page, options=RULES).response["violations"]
    return [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found]


def rows(page):
    return page.locator("#conversations li")


def options_of(page, title):
    row = rows(page).filter(has_text=title).first
    row.hover()
    row.locator(".more").click()
    sheet = page.locator("#sheet")
    expect(sheet).to_be_visible()
    return sheet


def test_list_is_looked_through_named_pinned_and_searched(page, product, console, shot):
    begin(page, product)
    headings = page.locator("#conversations .group")
    expect(headings.nth(3)).to_have_text("Previous 30 days")
    assert headings.all_inner_texts()[:4] == ["Today", "Yesterday", "Previous 7 days", "Previous 30 days"]
    expect(rows(page)).to_have_count(50)
    shot("conversations-list")
    page.get_by_role("link", name="Show older").click()
    expect(rows(page)).to_have_count(64)
    expect(page.get_by_role("link", name="Show older")).to_have_count(0)
    # Pinned, by keyboard: the sheet takes the focus and gives it back.
    page.locator("#conversations .more").nth(2).focus()
    page.keyboard.press("Enter")
    sheet = page.locator("#sheet")
    expect(sheet).to_be_visible()
    shot("conversations-sheet")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(page.locator("#conversations .more").nth(2)).to_be_focused()
    options_of(page, "Earlier talk 1").get_by_role("button", name="Pin to the top").click()
    expect(headings.first).to_have_text("Pinned")
    expect(rows(page).first).to_contain_text("Earlier talk 1")
    expect(sheet).to_be_hidden()
    # Named: the list and the title follow, and the next message does not change it.
    sheet = options_of(page, "What helps with colic?")
    sheet.get_by_text("Rename").click()
    sheet.get_by_label("Name of this conversation").fill("Leo <b>cries</b>")
    sheet.get_by_role("button", name="Save").click()
    expect(page.locator("#title")).to_have_text("Leo <b>cries</b>")
    expect(page.locator("#conversations [aria-current]")).to_have_text("Leo <b>cries</b>")
    ask(page, "And at night?")
    expect(page.locator("#title")).to_have_text("Leo <b>cries</b>")
    # Found by a word of the first message, which the link leads to.
    page.locator("#q").press_sequentially("helps with coli")
    expect(page.locator("#conversations .found-count")).to_have_text("1 conversation found.")
    expect(page.locator("#conversations mark")).to_have_text(["helps", "with", "coli"])
    shot("conversations-search")
    assert broken_rules(page) == []
    page.locator(".found a").first.click()
    expect(page.locator(":target p").first).to_contain_text("What helps with colic?")
    page.locator("#q").fill("nothing like it")
    expect(page.locator("#conversations")).to_contain_text("Nothing found for")
    page.locator("#q").fill("")
    expect(headings.first).to_have_text("Pinned")


def test_deleted_conversation_comes_back_with_one_tap(page, product, console, shot):
    begin(page, product)
    address = page.url
    options_of(page, "Earlier talk 0").get_by_role("button", name="Delete").click()
    bar = page.locator("#undo .undo")
    expect(bar).to_contain_text("Conversation deleted.")
    expect(page.locator("#conversations")).not_to_contain_text("Earlier talk 0")
    assert page.url == address
    expect(bar.get_by_role("button", name="Undo")).to_be_focused()
    shot("conversations-undo")
    bar.get_by_role("button", name="Undo").click()
    expect(page.locator("#conversations")).to_contain_text("Earlier talk 0")
    expect(bar).to_have_count(0)
    options_of(page, "What helps with colic?").get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile(r"/\?deleted="))
    assert page.request.get(address).status == 404
    page.get_by_role("button", name="Undo").click()
    expect(page).to_have_url(address)
    expect(page.locator(".question")).to_have_count(1)


def test_conversation_is_shared_read_by_a_stranger_and_taken_back(page, product, browser, console, shot):
    page.goto(product.url)
    ask(page, "My newborn has a fever of 39")
    sheet = options_of(page, "My newborn has a fever")
    sheet.get_by_text("Share", exact=True).click()
    sheet.get_by_role("button", name="Make a link").click()
    link = sheet.get_by_label("Link").input_value()
    assert link.startswith(f"{product.url}/s/")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sheet.get_by_role("button", name="Copy").click()
    expect(sheet.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == link
    shot("conversations-shared-sheet")
    assert broken_rules(page) == []
    context = browser.new_context()
    try:
        stranger = context.new_page()
        stranger.goto(link)
        expect(stranger.get_by_role("heading", level=1)).to_have_text(
            "A conversation that somebody shared with you"
        )
        expect(stranger.locator(".asked")).to_contain_text("My newborn has a fever of 39")
        expect(stranger.locator(".card")).to_be_visible()
        assert (context.cookies(), stranger.locator("form, textarea").count()) == ([], 0)
        stranger.screenshot(path=ARTEFACTS / "conversations-shared.png")
        assert broken_rules(stranger) == []
        sheet.get_by_role("button", name="Stop sharing").click()
        expect(sheet.get_by_role("button", name="Make a link")).to_be_visible()
        assert stranger.reload().status == 404
    finally:
        context.close()


def test_conversation_is_taken_along(page, product, console):
    begin(page, product)
    sheet = options_of(page, "What helps with colic?")
    sheet.get_by_text("Export").click()
    with page.expect_download() as download:
        sheet.get_by_role("link", name="With all details (JSON)").click()
    assert re.fullmatch(r"what-helps-with-colic-.*\.json", download.value.suggested_filename)
    (one,) = json.loads(download.value.path().read_text())["conversations"]
    assert [message["role"] for message in one["messages"]] == ["user", "assistant"]
    with page.expect_popup() as popup:
        sheet.get_by_role("link", name="To print").click()
    popup.value.emulate_media(media="print")
    expect(popup.value.locator(".asked")).to_contain_text("What helps with colic?")
    expect(popup.value.get_by_role("button", name="Print")).to_be_hidden()


def test_drawer_of_a_phone_does_it_all(page, product, console, shot):
    page.set_viewport_size(PHONE)
    begin(page, product)
    page.get_by_role("button", name="Your conversations").click()
    shot("conversations-phone")
    sheet = options_of(page, "Earlier talk 0")
    expect(page.locator("#sidebar")).to_be_visible()
    box = sheet.bounding_box()
    assert round(box["y"] + box["height"]) == PHONE["height"], "the sheet stands where the thumb is"
    shot("conversations-phone-sheet")
    sheet.get_by_role("button", name="Delete").click()
    expect(page.locator("#undo .undo")).to_be_visible()
    expect(rows(page).first).to_be_visible()
    shot("conversations-phone-undo")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#conversations")).to_contain_text("Earlier talk 0")


def test_everything_works_without_javascript(browser, product):
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(product.url)
        page.locator("#message").fill(f"What helps with colic? {QUICK}")
        page.locator("#send").click()
        expect(page.locator(".answer")).to_have_attribute("data-status", "complete", timeout=20_000)
        page.locator("#q").fill("colic")
        page.keyboard.press("Enter")
        expect(page.locator("mark").first).to_have_text("colic")
        page.locator(".found .more").click()
        page.get_by_text("Rename").click()
        page.get_by_label("Name of this conversation").fill("Evenings")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#title")).to_have_text("Evenings")
        page.locator("#conversations .more").click()
        page.get_by_role("button", name="Delete").click()
        expect(page.locator("#deleted")).to_contain_text("Conversation deleted.")
        page.get_by_role("button", name="Undo").click()
        expect(page.locator("#title")).to_have_text("Evenings")
    finally:
        context.close()
