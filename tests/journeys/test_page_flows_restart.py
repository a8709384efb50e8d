"""The server is restarted in mid-answer: the page says so, keeps what there is, and offers another try."""

import pytest
from playwright.sync_api import expect

from tests.journeys.network import network_to
from tests.journeys.product import environment_of, serve

pytestmark = pytest.mark.database


def test_answer_that_a_restart_cuts_off_is_told_and_can_be_tried_again(simulator, tmp_path, page, shot):
    environment = environment_of(simulator, tmp_path / "restart", DRAIN_SECONDS="0.2")
    with serve(simulator, environment) as before, network_to(before.url) as network:
        page.goto(network.url)
        page.locator("#message").fill("What helps with colic? [[simulate long tokens=100 delay=60]]")
        page.locator("#send").click()
        expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
        before.server.terminate()
        answer = page.locator(".answer")
        expect(answer).to_have_attribute("data-status", "interrupted", timeout=10_000)
        expect(answer.locator(".outcome")).to_have_text(
            "The answer was cut off. What you see is kept; you can try again."
        )
        before.server.wait(timeout=15)
        network.down = True
        network.cut()
        shown = page.locator(".prose").inner_text()
        again = page.get_by_role("button", name="Try again")
        again.click()
        expect(page.locator("#problem")).to_contain_text("Check your connection, then try again.")
        assert page.locator(".prose").inner_text() == shown
        shot("interrupted")
        with serve(simulator, environment) as after:
            network.down = False
            network._target = tuple(after.url.removeprefix("http://").split(":"))
            again.click()
            expect(answer).to_have_attribute("data-status", "complete", timeout=20_000)
            expect(page.locator("#problem .problem")).to_have_count(0)
            page.goto("about:blank")
