"""One product for all journeys, and a browser that reports what should not happen."""

from pathlib import Path

import pytest

from tests.journeys.product import start_product
from tests.streaming.simulator.process import start_simulator

ARTEFACTS = Path(__file__).parents[2] / "test-artifacts"
CHROMIUM = [
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
]


@pytest.fixture(scope="session")
def simulator():
    """Slow enough to see an answer grow, quick enough for a test."""
    with start_simulator("--tokens-per-second", "80", "--first-token-ms", "300") as running:
        yield running


@pytest.fixture(scope="session")
def product(simulator, tmp_path_factory):
    """It has answered once: in the first answers of a process safety rules are compiled, which the tests do
    only when they are asked for.
    """
    with start_product(simulator, tmp_path_factory.mktemp("product")) as running:
        running.guest().ask("Tell me about baby sleep patterns [[simulate none tokens=40]]")
        yield running


@pytest.fixture(scope="session")
def swift(tmp_path_factory):
    """A product with a simulator that is as fast as it is asked to be: where nobody watches."""
    with (
        start_simulator("--tokens-per-second", "1000", "--first-token-ms", "0") as simulator,
        start_product(simulator, tmp_path_factory.mktemp("swift")) as running,
    ):
        yield running


@pytest.fixture(scope="session")
def gated(simulator, tmp_path_factory):
    """A product for people with an account only, each of whom may send one message an hour."""
    settings = {"GUEST_ACCESS": "off", "RATE_LIMIT_MESSAGES": "1/h"}
    with start_product(simulator, tmp_path_factory.mktemp("gated"), **settings) as running:
        yield running


@pytest.fixture(scope="session")
def browser_type_launch_args():
    return {"executable_path": "/usr/bin/chromium", "chromium_sandbox": False, "args": CHROMIUM}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args):
    """Without the service worker: filling its cache in each of a hundred new browsers takes minutes, and it
    has tests of its own (test_phone.py).
    """
    return browser_context_args | {"service_workers": "block"}


@pytest.fixture
def console(page):
    """What the page complains of: script errors, and everything that the CSP stopped. Must stay empty."""
    said = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    yield said
    assert said == []


@pytest.fixture
def shot(page):
    """Writes a screenshot as an artefact, for people to look at."""
    ARTEFACTS.mkdir(exist_ok=True)

    def take(name):
        page.screenshot(path=ARTEFACTS / f"{name}.png")
        # Playwright leaves an empty attribute on each field, which htmx copies and the CSP then complains of.
        page.evaluate("document.querySelectorAll('[style=\"\"]').forEach((e) => e.removeAttribute('style'))")

    return take
