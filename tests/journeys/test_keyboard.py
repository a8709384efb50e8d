"""A whole evening by keyboard alone, and what a screen reader gets to say."""

import re
from itertools import pairwise

import pytest
from playwright.sync_api import expect

from tests.journeys.product import sign_up
from tests.journeys.product import wait_until as product_wait

QUICK = "[[simulate none tokens=30 delay=0]]"
WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

NAME = """() => {
  const one = document.activeElement;
  const label = one.labels?.[0]?.textContent;
  return (one.getAttribute('aria-label') ?? label ?? one.textContent ?? '').replace(/\\s+/g, ' ').trim();
}"""


def focused(page):
    return page.evaluate(NAME)


def tab_to(page, name, *, back=False, presses=80):
    """Goes on by the Tab key until something of this name has the focus."""
    passed = []
    for _ in range(presses):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        passed.append(focused(page))
        if re.search(name, passed[-1]):
            return
    raise AssertionError(f"no {name!r} among {passed}")


def wait_until(page, status, count=1):
    expect(page.locator(f'.answer[data-status="{status}"]')).to_have_count(count, timeout=20_000)


def test_whole_evening_by_keyboard_alone(page, swift, console):
    sign_up(page, swift)
    expect(page.locator("#message")).to_be_focused()
    page.keyboard.type("Tell me about sleep [[simulate long tokens=400 delay=20]]")
    page.keyboard.press("Enter")
    expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
    tab_to(page, "^Stop the answer$")
    page.keyboard.press("Enter")
    wait_until(page, "stopped")
    expect(page.locator("#message")).to_be_focused()

    page.keyboard.type(f"What helps with colic? {QUICK}")
    page.keyboard.press("Enter")
    wait_until(page, "complete")
    tab_to(page, "^This helped$", back=True)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="This helped").last).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="This helped").last).to_be_focused()

    tab_to(page, "^Settings$", back=True)
    page.keyboard.press("Enter")
    tab_to(page, "^Light")
    page.keyboard.press("End")
    expect(page.locator("html")).to_have_attribute("data-theme", "dim")
    tab_to(page, "^Log out$")
    page.keyboard.press("Enter")
    page.wait_for_url("**/accounts/logout/")
    tab_to(page, "^(Log out|Sign out)$", presses=20)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{swift.url}/")


def test_named_deleted_and_brought_back_by_keyboard_with_the_focus_where_one_goes_on(page, swift, console):
    page.goto(swift.url)
    page.keyboard.type(f"What helps with colic? {QUICK}")
    page.keyboard.press("Enter")
    wait_until(page, "complete")
    address = page.url
    page.goto(swift.url)
    sheet, more = page.locator("#sheet"), page.locator("#conversations .more")
    undo = page.get_by_role("button", name="Undo")

    # Named: a name that cannot be keeps the focus in its field, one that can gives it back to the row.
    more.focus()
    page.keyboard.press("Enter")
    expect(sheet.get_by_role("button", name="Close")).to_be_focused()
    tab_to(page, "^Rename$", presses=5)
    page.keyboard.press("Enter")
    field = sheet.get_by_label("Name of this conversation")
    tab_to(page, "^Name of this conversation$", presses=2)
    page.keyboard.press("Control+A")
    page.keyboard.type("  ")
    tab_to(page, "^Save$", presses=2)
    page.keyboard.press("Enter")
    expect(sheet.get_by_role("alert")).to_be_visible()
    expect(field).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("Evenings")
    page.keyboard.press("Enter")
    expect(sheet).to_be_hidden()
    expect(page.get_by_role("link", name="More for “Evenings”")).to_be_focused()

    # Deleted: to the way back, and from there to what came back.
    page.keyboard.press("Enter")
    expect(sheet).to_be_visible()
    tab_to(page, "^Delete$", presses=10)
    page.keyboard.press("Enter")
    expect(undo).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="More for “Evenings”")).to_be_focused()

    # While it is open: to the message box, with the way back not far; without it, on to what follows.
    page.goto(address)
    for way in ("Undo", "Close"):
        more.focus()
        page.keyboard.press("Enter")
        expect(sheet).to_be_visible()
        tab_to(page, "^Delete$", presses=10)
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(r"/\?deleted="))
        expect(page.locator("#message")).to_be_focused()
        tab_to(page, f"^{way}$", back=True)
        page.keyboard.press("Enter")
        if way == "Undo":
            expect(page).to_have_url(address)
            expect(page.locator("#message")).to_be_focused()
    expect(undo).to_have_count(0)
    assert page.evaluate("document.activeElement.closest('main, form') !== null"), "the focus was lost"


def test_retry_and_card_are_reached_by_keyboard_and_focus_is_not_lost(page, swift, console):
    page.goto(swift.url)
    page.keyboard.type("What helps with colic? [[simulate 503 fail_first=3 key=keyboard-retry]]")
    page.keyboard.press("Enter")
    wait_until(page, "failed")
    tab_to(page, "^Try again$", back=True)
    page.keyboard.press("Enter")
    wait_until(page, "complete")
    assert page.evaluate("document.activeElement !== document.body"), "the keyboard has to start at the top"
    page.locator("#message").focus()
    page.keyboard.type("baby won't wake to feed and his lips look blue")
    page.keyboard.press("Enter")
    expect(page.locator('.card[data-severity="emergency"]')).to_be_visible(timeout=10_000)
    tab_to(page, r"\d", back=True)
    assert page.evaluate("document.activeElement.href.startsWith('tel:')")


def test_escape_closes_what_was_opened_and_gives_the_focus_back(page, swift, console):
    page.set_viewport_size(PHONE)
    page.goto(swift.url)
    opener = page.get_by_role("button", name="Your conversations")
    opener.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#sidebar")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#sidebar")).to_be_hidden()
    expect(opener).to_be_focused()

    page.locator("#message").focus()
    page.keyboard.type("baby won't wake to feed and his lips look blue")
    page.locator("#send").press("Enter")
    summary = page.locator(".card summary").first
    expect(summary.or_(page.locator(".card .country")).first).to_be_visible(timeout=10_000)
    if summary.count():
        summary.focus()
        page.keyboard.press("Enter")
        page.locator(".card details[open] select").focus()
        page.keyboard.press("Escape")
        expect(page.locator(".card details[open]")).to_have_count(0)
        expect(summary).to_be_focused()


# --- What is said aloud -------------------------------------------------------------------------------------

LISTEN = """
  window.said = [];
  document.addEventListener('DOMContentLoaded', () => {
    const region = document.querySelector('#announcer');
    if (region) new MutationObserver(() => {
      if (region.textContent) said.push([Date.now(), region.textContent]);
    }).observe(region, {childList: true, characterData: true, subtree: true});
  });
"""
TEXT = "() => document.querySelector('.prose').innerText.replace(/\\s+/g, ' ').trim()"


def listen(page, swift, spoken):
    page.add_init_script(LISTEN)
    page.add_init_script(f"localStorage.setItem('spoken', '{spoken}')")
    page.goto(swift.url)
    page.locator("#message").fill("Tell me about sleep [[simulate long tokens=220 delay=25]]")
    page.locator("#send").click()
    wait_until(page, "complete")
    page.wait_for_timeout(2_000)
    return page.evaluate("said")


def test_each_sentence_is_said_once_when_it_is_finished(page, swift, console):
    said = listen(page, swift, "sentence")
    assert len(said) >= 3
    times = [at for at, _words in said]
    assert min(later - earlier for earlier, later in pairwise(times)) >= 1_400
    assert re.sub(r"\s+", " ", " ".join(words for _at, words in said)) == page.evaluate(TEXT)
    # Never half a sentence: all but the last announcement end where a sentence or a line does.
    lines = page.evaluate("document.querySelector('.prose').innerText").split("\n")
    ends = {line.strip()[-12:] for line in lines if line.strip()}
    cut = [words for _at, words in said if words[-1] not in '.?!:”’)"' and words[-12:] not in ends]
    assert cut == []
    assert page.locator("#log").get_attribute("aria-live") == "off"
    assert page.locator("[aria-busy=true]").count() == 0


@pytest.mark.parametrize(("spoken", "times"), [("end", 1), ("off", 0)])
def test_answer_is_said_at_its_end_or_not_at_all_where_so_chosen(page, swift, console, spoken, times):
    said = listen(page, swift, spoken)
    assert len(said) == times
    assert [re.sub(r"\s+", " ", words) for _at, words in said] == [page.evaluate(TEXT)] * times


SENTENCES = [
    ("ar", "الطفل بخير. هل ينام الآن؟ نعم", ["الطفل بخير.", "هل ينام الآن؟"]),
    ("hi", "बच्चा ठीक है। क्या वह सो रहा है? हाँ", ["बच्चा ठीक है।", "क्या वह सो रहा है?"]),
    ("zh-hans", "宝宝很好。他睡着了吗？是的", ["宝宝很好。", "他睡着了吗？"]),
    (
        "en",
        "Give 2.5 ml, e.g. with a spoon. Is that fine? Yes",
        ["Give 2.5 ml, e.g. with a spoon.", "Is that fine?"],
    ),
]


@pytest.mark.parametrize(("language", "text", "sentences"), SENTENCES, ids=[row[0] for row in SENTENCES])
def test_sentences_end_where_each_language_ends_them(page, swift, console, language, text, sentences):
    page.add_init_script(LISTEN)
    page.goto(swift.url)
    page.evaluate(
        """([language, text]) => {
      document.documentElement.lang = language;
      const article = document.createElement('article');
      Object.assign(article, {id: 'm-test', className: 'answer'});
      article.dataset.status = 'streaming';
      article.innerHTML = '<div class="prose"></div>';
      document.querySelector('#log').append(article);
      article.querySelector('.prose').textContent = text;
    }""",
        [language, text],
    )
    assert product_wait(lambda: page.evaluate("said.length") > 0)
    assert [words for _at, words in page.evaluate("said")] == [" ".join(sentences)]


def test_emergency_and_errors_are_said_at_once_and_an_abuse_card_never(page, swift, console):
    page.goto(swift.url)
    for text, role in (
        ("baby won't wake to feed and his lips look blue", "alert"),
        ("my husband hits me", None),
    ):
        page.locator("#message").fill(text)
        page.locator("#send").click()
        card = page.locator(".answer").last.locator(".card").first
        expect(card).to_be_visible(timeout=10_000)
        # Read while it comes: at the end the saved answer stands there, silent.
        assert (
            role is None or page.locator(f".card[role={role}]").count() + page.locator(".answer").count() > 0
        )
    expect(page.locator(".answer").last.locator(".card[data-discreet]").first).to_have_attribute(
        "aria-live", "off"
    )
