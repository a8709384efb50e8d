"""The list beside the chat, as a parent uses it: find, name, pin, share, export, delete and bring back."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import ARTEFACTS
from tests.journeys.sizes import in_both_sizes, is_right_to_left, where_asked, words
from tests.journeys.test_accessibility import RULES, axe

__all__ = ["where_asked", "words"]

pytestmark = [pytest.mark.database, pytest.mark.both]

QUICK = "[[simulate none tokens=20 delay=0]]"
PHONE = {"width": 390, "height": 844}
# What is asked, what it is looked for by and found by, and a name for it: in the language of the page.
COLIC = {
    "en": ("What helps with colic?", "helps with coli", ["helps", "with", "coli"], "Leo <b>cries</b>"),
    "ar": ("ما الذي يخفف مغص الرضيع؟", "يخفف مغص الرض", ["يخفف", "مغص", "الرض"], "ليو <b>يبكي</b>"),
}
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


def begin(page, product, question="What helps with colic?"):
    page.goto(product.url)
    ask(page, question)
    page.wait_for_url("**/c/**")
    product.shell(OLDER, uuid=page.url.rstrip("/").split("/")[-1])
    page.reload()


def broken_rules(page):
    found = axe().run(page, options=RULES).response["violations"]
    return [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found]


def rows(page):
    return page.locator("#conversations li")


def language_of(page):
    return "ar" if is_right_to_left(page) else "en"


def to_list(page, words):
    """Beside a wide page it stands; on a phone it is a drawer, where reading begins."""
    opener = page.locator(".bar [popovertarget=sidebar]")
    if not opener.is_visible():
        return
    opener.click()
    box, width = page.locator("#sidebar").bounding_box(), page.viewport_size["width"]
    at_start = round(box["x"] + box["width"]) == width if is_right_to_left(page) else round(box["x"]) == 0
    assert at_start and box["width"] < width
    link, more = (page.locator(f"#conversations li {one}").first.bounding_box() for one in ("a", ".more"))
    assert (more["x"] < link["x"]) == is_right_to_left(page)


def options_of(page, title):
    row = rows(page).filter(has_text=title).first
    row.hover()
    row.locator(".more").click()
    sheet = page.locator("#sheet")
    expect(sheet).to_be_visible()
    return sheet


@in_both_sizes
def test_list_is_looked_through_named_pinned_and_searched(page, product, console, shot, words):
    page.goto(product.url)
    language = language_of(page)
    question, looked_for, marked, name = COLIC[language]
    begin(page, product, question)
    to_list(page, words)
    headings = page.locator("#conversations .group")
    groups = [words(one) for one in ("Today", "Yesterday", "Previous 7 days", "Previous 30 days")]
    expect(headings.nth(3)).to_have_text(groups[3])
    assert headings.all_inner_texts()[:4] == groups
    expect(rows(page)).to_have_count(50)
    shot(f"conversations-list-{language}")
    page.get_by_role("link", name=words("Show older")).click()
    expect(rows(page)).to_have_count(64)
    expect(page.get_by_role("link", name=words("Show older"))).to_have_count(0)
    # Pinned, by keyboard: the sheet takes the focus and gives it back.
    page.locator("#conversations .more").nth(2).focus()
    page.keyboard.press("Enter")
    sheet = page.locator("#sheet")
    expect(sheet).to_be_visible()
    shot(f"conversations-sheet-{language}")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(page.locator("#conversations .more").nth(2)).to_be_focused()
    options_of(page, "Earlier talk 1").get_by_role("button", name=words("Pin to the top")).click()
    expect(headings.first).to_have_text(words("Pinned"))
    expect(rows(page).first).to_contain_text("Earlier talk 1")
    expect(sheet).to_be_hidden()
    # Named: the list and the title follow, and the next message does not change it.
    sheet = options_of(page, question)
    sheet.get_by_text(words("Rename")).click()
    sheet.get_by_label(words("Name of this conversation")).fill(name)
    sheet.get_by_role("button", name=words("Save")).click()
    expect(page.locator("#title")).to_have_text(name)
    expect(page.locator("#conversations [aria-current]")).to_have_text(name)
    page.keyboard.press("Escape")  # closes the drawer
    ask(page, "And at night?")
    expect(page.locator("#title")).to_have_text(name)
    # Found by a word of the first message, which the link leads to.
    to_list(page, words)
    page.locator("#q").press_sequentially(looked_for)
    one = words("%(number)s conversation found.", "%(number)s conversations found.", number=1)
    expect(page.locator("#conversations .found-count")).to_have_text(one)
    expect(page.locator("#conversations mark")).to_have_text(marked)
    shot(f"conversations-search-{language}")
    assert broken_rules(page) == []
    page.locator(".found a").first.click()
    expect(page.locator(":target p").first).to_contain_text(question)
    to_list(page, words)
    page.locator("#q").fill("nothing like it")
    nothing = words("Nothing found for “%(query)s”. Try fewer or other words.", query="nothing like it")
    expect(page.locator("#conversations")).to_contain_text(nothing)
    page.locator("#q").fill("")
    expect(headings.first).to_have_text(words("Pinned"))


@in_both_sizes
def test_deleted_conversation_comes_back_with_one_tap(page, product, console, shot, words):
    begin(page, product)
    address = page.url
    to_list(page, words)
    # A title is read in its own direction: cut off at its end, and beside those of the page's language.
    title = rows(page).filter(has_text="What helps").locator("a").first
    assert title.evaluate("one => [getComputedStyle(one).direction, one.scrollLeft]") == ["ltr", 0]
    options_of(page, "Earlier talk 0").get_by_role("button", name=words("Delete")).click()
    bar = page.locator("#undo .undo")
    expect(bar).to_contain_text(words("Conversation deleted."))
    expect(page.locator("#conversations")).not_to_contain_text("Earlier talk 0")
    assert page.url == address
    undo = page.get_by_role("button", name=words("Undo"))
    expect(undo).to_be_focused()
    shot(f"conversations-undo-{language_of(page)}")
    undo.click()
    expect(rows(page).filter(has_text="Earlier talk 0").locator(".more")).to_be_focused()
    expect(bar).to_have_count(0)
    options_of(page, "What helps with colic?").get_by_role("button", name=words("Delete")).click()
    expect(page).to_have_url(re.compile(r"/\?deleted="))
    assert page.request.get(address).status == 404
    undo.click()
    expect(page).to_have_url(address)
    expect(page.locator(".question")).to_have_count(1)


@in_both_sizes
def test_conversation_is_shared_read_by_a_stranger_and_taken_back(
    page, product, browser, browser_context_args, console, shot, words
):
    page.goto(product.url)
    language = language_of(page)
    question = {"en": "My newborn has a fever of 39", "ar": "عمر طفلي أسبوعان وحرارته 39"}[language]
    ask(page, question)
    to_list(page, words)
    sheet = options_of(page, question)
    sheet.get_by_text(words("Share"), exact=True).click()
    sheet.get_by_role("button", name=words("Make a link")).click()
    link = sheet.get_by_label(words("Link"), exact=True).input_value()
    assert link.startswith(f"{product.url}/s/")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sheet.get_by_role("button", name=words("Copy"), exact=True).click()
    expect(sheet.get_by_role("button", name=words("Copied"))).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == link
    shot(f"conversations-shared-sheet-{language}")
    assert broken_rules(page) == []
    context = browser.new_context(**browser_context_args)
    try:
        stranger = context.new_page()
        stranger.goto(link)
        expect(stranger.get_by_role("heading", level=1)).to_have_text(
            words("A conversation that somebody shared with you")
        )
        expect(stranger.locator(".asked")).to_contain_text(question)
        expect(stranger.locator(".card")).to_be_visible()
        assert (context.cookies(), stranger.locator("form, textarea").count()) == ([], 0)
        assert language_of(stranger) == language
        stranger.screenshot(path=ARTEFACTS / f"conversations-shared-{language}.png")
        assert broken_rules(stranger) == []
        sheet.get_by_role("button", name=words("Stop sharing")).click()
        expect(sheet.get_by_role("button", name=words("Make a link"))).to_be_visible()
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
    # Words of an answer that come while it closes do not open it again, empty and in front of everything.
    page.evaluate(
        "document.querySelector('#sheet').close(); document.dispatchEvent(new Event('htmx:after:swap'))"
    )
    expect(sheet).to_be_hidden()
    options_of(page, "Earlier talk 0")
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
