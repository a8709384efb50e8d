"""What a parent or a model writes is shown and never run: in a browser, live, reloaded, and to staff."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "xss" / "xss-payload-list.txt"
A_MESSAGE = 150
PAYLOADS = [
    "<script>window.__ran = 1</script>",
    "<img src=x onerror='window.__ran = 2'>",
    "<svg onload=window.__ran=3>",
    "<svg><script>window.__ran=4</script></svg>",
    "<iframe srcdoc='<script>parent.__ran=5</script>'></iframe>",
    "<details open ontoggle=window.__ran=6>x</details>",
    "<input autofocus onfocus=window.__ran=7>",
    "<a href=javascript:window.__ran=8>here</a>",
    "[here](javascript:window.__ran=9)",
    "[here](JaVaScRiPt&colon;window.__ran=10)",
    "[here](java\tscript:window.__ran=11)",
    "[here](data:text/html;base64,PHNjcmlwdD5wYXJlbnQuX19yYW49MTI8L3NjcmlwdD4=)",
    "[here](vbscript:msgbox(1))",
    "![x](javascript:window.__ran=14)",
    "![x](https://tracker.example/pixel.gif)",
    '![x](https://tracker.example/"onerror="window.__ran=16)',
    '[x](https://example.org "onmouseover=window.__ran=17 ")',
    "<https://example.org/\"onmouseover='window.__ran=18'>",
    "[ref]: javascript:window.__ran=19\n[ref]",
    "`<img src=x onerror=window.__ran=20>`",
    "```html\n<script>window.__ran = 21</script>\n```",
    "```<script>window.__ran=22</script>\ncode\n```",
    "| <img src=x onerror=window.__ran=23> |\n|---|\n| <script>window.__ran=23</script> |",
    "<div hx-get='/healthz' hx-trigger='load' hx-on:htmx:after:request='window.__ran=24'>x</div>",
    "<hx-partial hx-target='body' hx-swap='innerHTML'><script>window.__ran=25</script></hx-partial>",
    "</p></article></div><script>window.__ran=26</script><form action='https://tracker.example'>",
    "\n\ndata: <script>window.__ran=27</script>\n\nevent: done\ndata:\n\n",
    "<style>body { background: url(https://tracker.example/style) }</style><base href=https://tracker.example>",
    "<meta http-equiv=refresh content='0;url=https://tracker.example'><link rel=icon href=//tracker.example>",
    "{{ 7 * 7 }} {% load static %} ${7*7} <%= 7 * 7 %>",
]
DANGEROUS = """root => [...document.querySelector(root).querySelectorAll('*')].filter(element =>
    ['SCRIPT', 'IFRAME', 'OBJECT', 'EMBED', 'STYLE', 'BASE', 'META', 'LINK', 'IMG', 'MATH', 'VIDEO', 'AUDIO']
        .includes(element.tagName)
    || (element.tagName === 'A' && !['http:', 'https:', 'mailto:', 'tel:', 'sms:'].includes(element.protocol))
    || [...element.attributes].some(attribute => attribute.name.startsWith('on'))
).map(element => element.outerHTML.slice(0, 200))"""
INSERT = """
from pathlib import Path
from django.contrib.sessions.models import Session
from django.utils import timezone
person = Person.objects.of_guest(Session.objects.get(pk=session).get_decoded()["guest"])
conversation = Conversation.objects.create(owner=person, title=title, updated_at=timezone.now())
for text in json.loads(Path(texts).read_text()):
    question = Message.objects.create(conversation=conversation, role="user", author=person, content=text)
    answer = Message.objects.create(
        conversation=conversation, role="assistant", question=question, content=text
    )
    Generation.objects.create(message=answer, model="m", prompt_version="1", ruleset_version="1")
print(conversation.uuid, conversation.pk)
"""
ADMIN = "User.objects.create_superuser(name, f'{name}@example.org', 'a-long-password-4u')"


@pytest.fixture(scope="module")
def product(swift):
    return swift


@pytest.fixture
def page(page, product):
    """A page that may talk to its own origin only; what else it asked for is a failure."""
    abroad = []
    page.on("request", lambda request: abroad.append(request.url))
    page.on("websocket", lambda websocket: abroad.append(websocket.url))
    yield page
    assert [url for url in abroad if not url.startswith((product.url, "data:image/"))] == []


def assert_nothing_ran(page, root):
    assert page.evaluate("window.__ran ?? null") is None
    assert page.evaluate(DANGEROUS, root) == []


def inserted(page, product, tmp_path, texts, title):
    """(uuid, pk) of a conversation of this page's guest with each text as a question and as an answer."""
    page.goto(product.url)
    file = tmp_path / "texts.json"
    file.write_text(json.dumps(texts))
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    return product.shell(INSERT, session=cookies["sessionid"], texts=str(file), title=title).split()


def batches():
    if not DATA.exists():
        return []
    lines = [line.replace("\0", "") for line in DATA.read_text(errors="replace").splitlines()]
    return ["\n\n".join(lines[at : at + A_MESSAGE]) for at in range(0, len(lines), A_MESSAGE)]


@pytest.mark.parametrize("source", ["our own", "the published list"])
def test_no_payload_runs_on_the_page_or_for_staff(page, product, console, tmp_path, source):
    texts = ["\n\n".join(PAYLOADS), *PAYLOADS] if source == "our own" else batches()
    if not texts:
        pytest.skip(f"the script-injection list ({DATA}) is not here")
    uuid, pk = inserted(page, product, tmp_path, texts, title="<script>window.__ran=30</script>")
    page.goto(f"{product.url}/c/{uuid}/")
    for shown in range(20, len(texts), 20):
        expect(page.locator(".answer")).to_have_count(shown)
        page.get_by_role("link", name="Show earlier messages").click()
    expect(page.locator(".answer")).to_have_count(len(texts))
    assert page.locator(".question").first.inner_text().strip() != ""
    assert page.title() == "<script>window.__ran=30</script> · Nightlight"
    assert_nothing_ran(page, "#log")

    name = "staff-" + uuid[:8]
    product.shell(ADMIN, name=name)
    page.context.clear_cookies()
    page.goto(f"{product.url}/admin/login/?next=/admin/chat/conversation/{pk}/change/")
    page.locator("[name=username]").fill(name)
    page.locator("[name=password]").fill("a-long-password-4u")
    page.locator("[type=submit]").click()
    page.wait_for_url("**/change/")
    expect(page.locator("#content")).to_contain_text("__ran" if source == "our own" else "prompt(8)")
    assert_nothing_ran(page, ".field-transcript")


def test_what_a_parent_types_is_shown_as_typed(page, product, console):
    page.goto(product.url)
    typed = "\n".join(PAYLOADS)
    page.locator("#message").fill(typed)
    page.keyboard.press("Enter")
    expect(page.locator('.answer:not([data-status="streaming"])')).to_have_count(1, timeout=20_000)
    shown = page.locator(".question .asked").inner_text()
    for payload in PAYLOADS:
        first_line = payload.strip().splitlines()[0]
        assert " ".join(first_line.split()) in " ".join(shown.split())
    assert_nothing_ran(page, "#log")
    page.reload()
    expect(page.locator(".question")).to_have_count(1)
    assert_nothing_ran(page, "#log")


def test_streamed_markdown_is_formatted_and_its_html_is_text(page, product, console, shot):
    page.goto(product.url)
    page.locator("#message").fill("Tell me about sleep [[simulate markdown delay=4]]")
    page.keyboard.press("Enter")
    expect(page.locator('.answer[data-status="complete"]')).to_have_count(1, timeout=20_000)
    prose = page.locator(".prose")
    assert {
        name: prose.locator(name).count() for name in ("table", "pre code", "ol > li", "blockquote", "hr")
    } == {
        "table": 1,
        "pre code": 1,
        "ol > li": 3,
        "blockquote": 1,
        "hr": 1,
    }
    expect(prose).to_contain_text("<b>this</b> is not bold")
    expect(prose).to_contain_text("<script>alert(1)</script> is only text")
    link = prose.get_by_role("link", name="NHS")
    assert link.get_attribute("href").startswith("https://www.nhs.uk/")
    assert "noopener" in link.get_attribute("rel")
    assert_nothing_ran(page, "#log")
    streamed = prose.inner_html()
    page.reload()
    assert page.locator(".prose").inner_html() == streamed
    shot("markdown")
