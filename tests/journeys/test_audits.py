"""What a visit costs and how an answer moves the page, as Lighthouse would measure it; printed for people."""

import json
from collections import defaultdict

import pytest
from playwright.sync_api import expect

PHONE = {"width": 390, "height": 844}
FIRST_VISIT_BYTES = 150_000
LEAST_SHIFT = 0.05
LONG_TASK = 50
"""ms, from which on people notice that a page does not react."""
SLOW_3G = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
LONG_ANSWER = "Tell me about sleep [[simulate long tokens=2000 delay=4]]"

# Before anything else on the page; Chromium says what shifted, what was painted and what took long.
OBSERVE = """
  window.seen = {shift: 0, moved: [], lcp: 0, fcp: 0, long: []};
  const observe = (type, each) =>
    new PerformanceObserver(list => list.getEntries().forEach(each)).observe({type, buffered: true});
  observe('layout-shift', entry => {
    if (entry.hadRecentInput) return;
    seen.shift += entry.value;
    seen.moved.push(...entry.sources.map(one => one.node?.id || one.node?.className || one.node?.nodeName));
  });
  observe('largest-contentful-paint', entry => { seen.lcp = Math.round(entry.startTime); });
  observe('paint', entry => {
    if (entry.name === 'first-contentful-paint') seen.fcp = Math.round(entry.startTime);
  });
  observe('longtask', entry => seen.long.push(Math.round(entry.duration)));
"""


@pytest.fixture
def browser_context_args(browser_context_args):
    """A phone with the worker, as people have it: what that fetches counts, too."""
    return browser_context_args | {"service_workers": "allow", "viewport": PHONE}


@pytest.fixture
def report(capsys, request):
    """Prints what was measured, whether or not the test passes."""
    lines = []
    yield lambda name, value: lines.append(f"  {name:<44}{value}")
    with capsys.disabled():
        print(f"\n{request.node.name}", *lines, sep="\n")  # noqa: T201


class Transfer:
    """Bytes over the wire with their headers, by kind, of a page and of its worker."""

    def __init__(self, context):
        self.bytes, self.addresses = defaultdict(int), []
        context.on("requestfinished", self._count)

    def _count(self, request):
        response = request.response()
        if response is None:
            return
        if response.from_service_worker:  # which keeps files, never a page
            if request.resource_type == "document":
                self.addresses.append(request.url)
                self.bytes["document"] += len(response.body())
            return
        sizes = request.sizes()
        if sizes["responseBodySize"] + sizes["responseHeadersSize"] == 0:
            return  # from the browser's cache
        self.addresses.append(request.url)
        self.bytes[request.resource_type] += (
            sizes["requestHeadersSize"] + sizes["responseHeadersSize"] + sizes["responseBodySize"]
        )

    @property
    def total(self):
        return sum(self.bytes.values())


def test_first_visit_is_light_and_soon_painted(page, swift, report, console):
    transfer = Transfer(page.context)
    page.add_init_script(OBSERVE)
    page.goto(swift.url, wait_until="networkidle")
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    page.wait_for_timeout(1_000)
    seen = page.evaluate("seen")
    report("transfer, kB", round(transfer.total / 1000, 1))
    for kind, size in sorted(transfer.bytes.items()):
        report(f"  {kind}", round(size / 1000, 1))
    report("requests", len(transfer.addresses))
    report("first paint / largest paint, ms", f"{seen['fcp']} / {seen['lcp']}")
    report("layout shift", round(seen["shift"], 4))
    report("elements", page.evaluate("document.querySelectorAll('*').length"))
    assert {"document", "stylesheet", "script", "font"} <= transfer.bytes.keys(), "something was not counted"
    assert all(address.startswith(swift.url) for address in transfer.addresses)
    assert transfer.total < FIRST_VISIT_BYTES
    assert seen["shift"] < LEAST_SHIFT

    again = Transfer(page.context)
    page.goto(swift.url, wait_until="networkidle")
    report("second visit, kB", round(again.total / 1000, 1))
    report("second visit, requests", len(again.addresses))
    assert again.total < 30_000


def test_slow_phone_on_a_slow_network_sees_the_page_in_time(page, swift, report, console):
    page.add_init_script(OBSERVE)
    browser = page.context.new_cdp_session(page)
    browser.send("Network.enable")
    browser.send("Network.emulateNetworkConditions", SLOW_3G)
    browser.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.goto(swift.url, wait_until="load", timeout=60_000)
    page.wait_for_timeout(500)
    seen = page.evaluate("seen")
    timing = page.evaluate("performance.getEntriesByType('navigation')[0].toJSON()")
    report("slow 3G, processor a quarter: first paint, ms", seen["fcp"])
    report("largest paint, ms", seen["lcp"])
    report("ready / loaded, ms", f"{timing['domContentLoadedEventEnd']:.0f} / {timing['loadEventEnd']:.0f}")
    report("layout shift", round(seen["shift"], 4))
    assert 0 < seen["fcp"] < 15_000
    assert seen["shift"] < LEAST_SHIFT


# Waits within the page: what `expect` looks at while it waits takes longer than what it waits for.
ENDED = """() => new Promise((resolve) => {
  const look = () => document.querySelector('.answer[data-status="complete"]') && resolve();
  new MutationObserver(look).observe(document.querySelector('#log'), {childList: true});
  look();
})"""


def work_of(trace, mark):
    """For how many ms each task of the page's main thread had a processor since `performance.mark(mark)`."""
    events = json.loads(trace)["traceEvents"]
    since = next(one for one in events if one["name"] == mark and one["cat"] == "blink.user_timing")
    spans = [
        (one["ts"], one["ts"] + one["dur"], one["tdur"] / 1000, "Microtask" in one["name"])
        for one in events
        if one["ph"] == "X" and [one["pid"], one["tid"]] == [since["pid"], since["tid"]] and "tdur" in one
    ]
    work, end = [0.0], since["ts"]
    for begun, ended, worked, was_promised in sorted(spans):
        if begun < end:  # before, or within another
            continue
        if was_promised:  # and done at the end of the task before
            work[-1] += worked
        else:
            work.append(worked)
        end = ended
    return work


@pytest.mark.parametrize("size", [PHONE, {"width": 1280, "height": 800}], ids=["phone", "wide"])
def test_long_answer_neither_shifts_the_page_nor_blocks_it(page, browser, swift, report, console, size):
    """No task of 50 ms from Send to the last of 2,000 tokens.

    Counted is the time for which the page's thread had a processor: about 15 ms for the turn that Send puts
    on the page, 10 ms at most while the words come, however busy the machine is. What the browser reports as
    a long task counts the time, too, for which the thread waited while the server, the simulator and other
    tests had the processors. That is allowed for, but not without end: a page that waits by itself, as for a
    disk, would do so often.
    """
    page.set_viewport_size(size)
    page.add_init_script(OBSERVE)
    page.goto(swift.url)
    page.locator("#message").fill(LONG_ANSWER)
    browser.start_tracing(page=page, categories=["toplevel", "blink.user_timing"])
    page.evaluate("performance.mark('asked'); seen.long = []")
    page.locator("#send").click()
    page.evaluate(ENDED)
    work = work_of(browser.stop_tracing(), "asked")
    seen = page.evaluate("seen")
    words = page.evaluate("document.querySelector('.prose').textContent.split(/\\s+/).length")
    report("words", words)
    report("layout shift", f"{seen['shift']:.4f} {sorted(set(map(str, seen['moved'])))[:5]}")
    report("tasks / work of all of them, ms", f"{len(work)} / {sum(work):.0f}")
    report("work of the longest ones, ms", [round(worked, 1) for worked in sorted(work)[:-6:-1]])
    report("over 50 ms with the waiting, ms", seen["long"])
    report("elements", page.evaluate("document.querySelectorAll('*').length"))
    assert words > 1000
    assert seen["shift"] < LEAST_SHIFT
    assert len(work) > 100, "the trace does not show the page's tasks"
    assert 1 < max(work) < LONG_TASK
    assert len(seen["long"]) < 5


FILL = """
from django.db import transaction
from django.utils import timezone
owner = Conversation.objects.get(uuid=uuid).owner
with transaction.atomic():
    conversation = Conversation.objects.create(
        owner=owner, title=f"{count} messages", updated_at=timezone.now())
    answer = None
    for _ in range(count // 2):
        question = Message.objects.create(
            conversation=conversation, role="user", author=owner, content="And at night?", follows=answer)
        answer = Message.objects.create(
            conversation=conversation, role="assistant", question=question,
            content="**Yes**, at night. " * 40)
        Generation.objects.create(message=answer, model="simulator", ended_at=timezone.now())
print(conversation.uuid)
"""


def test_conversation_of_two_thousand_messages_opens_as_fast_as_one_of_twenty(page, swift, report, console):
    page.goto(swift.url)
    page.locator("#message").fill("What helps with colic? [[simulate none tokens=20 delay=0]]")
    page.locator("#send").click()
    page.wait_for_url("**/c/**")
    mine = page.url.rstrip("/").rpartition("/")[2]
    fastest, elements = {}, {}
    for count in (20, 2000):
        address = f"{swift.url}/c/{swift.shell(FILL, uuid=mine, count=count).strip()}/"
        times = []
        for _ in range(6):
            page.goto(address)
            times.append(page.evaluate("performance.getEntriesByType('navigation')[0].domComplete"))
        fastest[count] = min(times)
        elements[count] = page.evaluate("document.querySelectorAll('*').length")
        report(f"{count} messages: open, ms / elements", f"{fastest[count]:.0f} / {elements[count]}")
        expect(page.locator(".answer").last).to_be_in_viewport()
    # Two stretches' worth of twenty, however long the conversation is.
    assert elements[2000] < 2.5 * elements[20]
    assert fastest[2000] < 2.5 * fastest[20] + 100

    early = page.locator(".question").first.get_attribute("id").removeprefix("m-")
    page.goto(f"{address}?at={early}#m-{early}")  # as from the search; without a message box
    expect(page.get_by_role("link", name="Go to the newest messages")).to_be_visible()
    expect(page.locator("#message")).to_have_count(0)
