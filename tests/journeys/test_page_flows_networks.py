"""Networks that break streams: cut, silent, or holding everything back until the end."""

import http.client
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.journeys.network import network_to

pytestmark = pytest.mark.database

SLOW = "Tell me about sleep [[simulate long tokens=600 delay=30]]"
KEPT = ("Set-Cookie", "Content-Type", "Location", "HX-Push-Url", "Content-Security-Policy")


@contextmanager
def holding_back(target):
    """A proxy that passes a reply on once it has all of it, as some virus scanners and mobile networks do."""
    address = urlsplit(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def carry(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            upstream = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
            headers = {
                k: v for k, v in self.headers.items() if k.lower() not in ("connection", "accept-encoding")
            }
            upstream.request(self.command, self.path, body, headers)
            reply = upstream.getresponse()
            whole = reply.read()
            upstream.close()
            self.send_response(reply.status)
            for name, value in reply.getheaders():
                if name.title() in {kept.title() for kept in KEPT}:
                    self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            self.wfile.write(whole)

        do_GET = do_POST = carry

        def log_message(self, *_arguments):
            pass

        def handle(self):
            with suppress(OSError):  # the browser left
                super().handle()

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_arguments):
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


@pytest.fixture(scope="module")
def product(swift):
    return swift


@pytest.fixture
def network(product):
    with network_to(product.url) as running:
        yield running


def ask(page, text):
    page.locator("#message").fill(text)
    page.locator("#send").click()


def wait_until_complete(page, count=1):
    expect(page.locator('.answer[data-status="complete"]')).to_have_count(count, timeout=40_000)


def words(page):
    return page.locator(".prose").last.inner_text().split()


def test_answer_grows_in_steps_where_the_network_holds_streams_back(page, product, console, shot):
    with holding_back(product.url) as address:
        page.goto(address)
        ask(page, SLOW)
        expect(page.locator(".question")).to_have_count(1, timeout=3_000)
        expect(page.locator(".live")).not_to_be_empty(timeout=12_000)
        expect(page.locator(".connection")).to_contain_text("words back, so they come in steps")
        shot("held-back")
        early = len(words(page))
        expect(page.locator(".answer")).to_have_attribute("data-status", "streaming")
        wait_until_complete(page)
        shown = words(page)
        assert early < len(shown)
        assert page.locator(".connection").count() == 0
        page.reload()
        assert words(page) == shown
        # The next answer is not waited for again.
        ask(page, "and at night? [[simulate long tokens=100 delay=30]]")
        wait_until_complete(page, 2)
        page.goto("about:blank")


def test_stop_and_pause_work_where_streams_are_held_back(page, product, console):
    with holding_back(product.url) as address:
        page.goto(address)
        ask(page, SLOW)
        expect(page.locator(".live")).not_to_be_empty(timeout=12_000)
        page.locator("#pause").click()
        before = words(page)
        page.wait_for_timeout(1_500)
        assert words(page) == before
        page.get_by_role("button", name="Continue").click()
        page.wait_for_function(
            "n => document.querySelector('.prose').innerText.split(/\\s+/).length > n", arg=len(before)
        )
        page.locator("#stop").click()
        expect(page.locator(".answer")).to_have_attribute("data-status", "stopped", timeout=10_000)
        page.goto("about:blank")


def test_stream_that_is_cut_again_and_again_is_polled_to_the_end(page, network):
    page.goto(network.url)
    streams, polls = [], []
    page.on("request", lambda request: (polls if "/poll" in request.url else streams).append(request.url))
    ask(page, "Tell me about sleep [[simulate long tokens=200 delay=30]]")
    # A stream that is still being opened would not be cut.
    expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
    page.route("**/streams/*", lambda route: route.abort())
    network.cut()
    expect(page.locator(".connection")).to_be_visible(timeout=5_000)
    wait_until_complete(page)
    assert len(polls) > 1
    shown = words(page)
    page.unroute_all()
    page.reload()
    assert words(page) == shown


def test_network_that_comes_back_is_noticed_without_a_reload(page, network):
    page.goto(network.url)
    ask(page, "Tell me about sleep [[simulate long tokens=200 delay=30]]")
    expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
    network.down = True
    network.cut()
    expect(page.get_by_text("What was written so far is kept, and we keep trying.")).to_be_visible(
        timeout=15_000
    )
    network.down = False
    page.evaluate("dispatchEvent(new Event('online'))")
    wait_until_complete(page)
    assert page.locator(".connection").count() == 0


def test_connection_that_was_silent_for_long_is_opened_again(page, product, console):
    page.clock.install()
    page.goto(product.url)
    ask(page, "Tell me about sleep [[simulate long tokens=200 delay=30]]")
    expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
    with page.expect_request("**/streams/*"):
        page.clock.fast_forward(60_000)  # as after a minute in a pocket: nothing was heard
    wait_until_complete(page)
    assert page.locator(".connection").count() == 0


def test_long_wait_for_words_on_a_good_connection_is_told(page, product, console):
    page.clock.install()
    page.goto(product.url)
    ask(page, "Tell me about sleep [[simulate long tokens=12 delay=1700]]")
    expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
    page.clock.fast_forward(15_000)  # the next sign of life tells that the server is there
    expect(page.get_by_text("Still connected. The next words are taking a little longer.")).to_be_visible()
    expect(page.locator(".connection")).to_have_count(0)  # words have come
    page.locator("#stop").click()
    expect(page.locator(".answer")).to_have_attribute("data-status", "stopped")


def test_deleted_conversation_in_another_tab_ends_the_answer_here(page, context, product):
    page.goto(product.url)
    ask(page, SLOW)
    expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
    page.wait_for_url("**/c/**")
    other = context.new_page()
    other.goto(page.url)
    item = other.locator("#conversations li").first
    item.locator(".more").click()
    other.locator("#sheet").get_by_role("button", name="Delete").click()
    expect(page.locator(".answer").get_by_text("deleted")).to_be_visible(timeout=10_000)
    expect(page.locator("#send")).to_be_visible()
