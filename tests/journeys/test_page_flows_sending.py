"""Sending while an answer is being written, and leaving it: nothing waits, nothing is left behind."""

import time

import pytest
from playwright.sync_api import expect

from tests.journeys.product import start_product

SLOW = "Tell me about sleep [[simulate long tokens=400 delay=25]]"
QUICK = "[[simulate none tokens=20 delay=0]]"
EMERGENCY = "baby won't wake to feed and his lips look blue"

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def product(swift):
    return swift


@pytest.fixture
def answering(page, product, console):
    page.goto(product.url)
    page.locator("#message").fill(SLOW)
    page.locator("#send").click()
    expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
    return page


def test_button_is_stop_while_the_box_is_empty_and_send_once_there_are_words(answering):
    send, stop = answering.locator("#send"), answering.locator("#stop")
    expect(stop).to_be_visible()
    expect(send).to_be_hidden()
    answering.locator("#message").fill("and at")
    expect(send).to_be_visible()
    expect(stop).to_be_hidden()
    answering.locator("#message").fill("  ")
    expect(stop).to_be_visible()
    stop.click()
    expect(answering.locator(".answer")).to_have_attribute("data-status", "stopped")
    expect(send).to_be_visible()


def test_next_message_ends_the_running_answer_and_is_answered(answering, product):
    notices = answering.evaluate("""() => {
      window.notices = [];
      new MutationObserver(() => document.querySelectorAll('.connection')
        .forEach((line) => window.notices.push(line.innerText)))
        .observe(document.body, {subtree: true, childList: true});
      return window.notices.length;
    }""")
    shown = answering.locator(".prose").inner_text()
    answering.locator("#message").fill(f"and at night? {QUICK}")
    answering.keyboard.press("Enter")
    first, second = answering.locator(".answer").nth(0), answering.locator(".answer").nth(1)
    expect(second).to_have_attribute("data-status", "complete", timeout=10_000)
    expect(first).to_have_attribute("data-status", "stopped")
    expect(first).to_contain_text("This answer ended when you sent your next message.")
    assert first.locator(".prose").inner_text().startswith(shown[: len(shown) // 2])
    assert (notices, answering.evaluate("window.notices")) == (0, [])
    assert product.simulator.stats()["active"] == 0
    expect(answering.locator("#message")).to_have_value("")
    kept = first.locator(".prose").inner_text()
    answering.reload()
    assert answering.locator(".answer").first.locator(".prose").inner_text() == kept


def test_emergency_is_answered_at_once_while_another_answer_runs(answering):
    answering.locator("#message").fill(EMERGENCY)
    answering.locator("#send").click()
    card = answering.locator(".answer").nth(1).locator('.card[data-severity="emergency"]')
    expect(card).to_be_visible(timeout=3_000)
    assert card.locator("a.call").first.get_attribute("href").startswith("tel:")
    expect(answering.locator(".answer").first).to_have_attribute("data-status", "stopped")


def test_emergency_card_comes_with_the_reply_itself(page, product, console):
    """So it is there where no stream gets through."""
    page.goto(product.url)
    page.route("**/streams/*", lambda route: route.abort())
    page.locator("#message").fill(EMERGENCY)
    page.locator("#send").click()
    expect(page.locator('.card[data-severity="emergency"] a.call').first).to_be_visible(timeout=3_000)
    page.unroute_all()
    expect(page.locator('.answer:not([data-status="streaming"])')).to_have_count(1, timeout=20_000)
    # the aborted requests stand in the console
    console.clear()


def test_words_written_while_a_message_is_on_its_way_stay(page, product, console):
    page.goto(product.url)
    held = []
    page.route("**/send", lambda route: held.append(route))
    page.locator("#message").fill(f"What helps with colic? {QUICK}")
    page.keyboard.press("Enter")
    page.wait_for_timeout(200)
    page.locator("#message").fill("and something else")
    held.pop().continue_()
    expect(page.locator('.answer[data-status="complete"]')).to_have_count(1, timeout=20_000)
    expect(page.locator("#message")).to_have_value("and something else")


@pytest.fixture(scope="module")
def forgetful(simulator, tmp_path_factory):
    """Ends an answer that nobody reads for a second: so a reader that was left behind would be seen."""
    settings = {"STREAM_UNREAD_SECONDS": "1", "CHECKPOINT_SECONDS": "0.2"}
    with start_product(simulator, tmp_path_factory.mktemp("forgetful"), **settings) as running:
        yield running


def leave_by_link(page, product):
    page.get_by_role("link", name="New conversation").first.click()
    expect(page.locator(".empty")).to_be_visible()


def leave_by_back(page, product):
    page.go_back()
    expect(page.locator(".empty")).to_be_visible()


def leave_for_elsewhere(page, product):
    page.goto("about:blank")


@pytest.mark.parametrize("leave", [leave_by_link, leave_by_back, leave_for_elsewhere])
def test_leaving_leaves_no_reader_behind(page, forgetful, leave):
    page.goto(forgetful.url)
    page.locator("#message").fill("Tell me about sleep [[simulate long tokens=900 delay=25]]")
    page.locator("#send").click()
    expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
    page.wait_for_url("**/c/**")
    uuid = page.url.split("/c/")[1].strip("/")
    time.sleep(2)
    reasons = (
        "found = Generation.objects.filter(message__conversation__uuid=uuid)\n"
        "print(*found.values_list('stop_reason', 'message__status'))"
    )
    assert forgetful.shell(reasons, uuid=uuid).strip() == "('', 'streaming')", "it goes on while it is read"
    leave(page, forgetful)
    for _ in range(10):
        if "streaming" not in (ended := forgetful.shell(reasons, uuid=uuid).strip()):
            break
    assert ended == "('unread', 'interrupted')"
    if leave is leave_by_link:  # and nothing of the old conversation is left on the new page
        expect(page.locator("#send")).to_be_visible()
        assert page.locator(".answer, #pause:visible, #stop:visible").count() == 0
    page.goto("about:blank")
