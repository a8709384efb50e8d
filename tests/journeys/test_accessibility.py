"""Everyone can use every page: axe's rules in every light and in Arabic, contrast, room for a thumb, large
letters, nothing that moves, colours of one's own.
"""

import re
from functools import cache

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.journeys.product import sign_up

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
PHONE = {"width": 390, "height": 844}
SMALL_PHONE = {"width": 320, "height": 640}
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
WIDE = {"width": 1280, "height": 800}
LONG_WORD = "A" * 90
ADMIN = "User.objects.create_superuser('axe', 'axe@example.org', 'a-long-password-4u')"


@cache
def axe():
    return Axe()


def ask(page, text):
    page.locator("#message").fill(text)
    page.locator("#send").click()


def wait_until(page, status):
    expect(page.locator(".answer").last).to_have_attribute("data-status", status, timeout=20_000)


# --- The pages in all their states --------------------------------------------------------------------------


def empty(page, product, gated):
    page.goto(product.url)


def answered(page, product, gated):
    page.goto(product.url)
    ask(page, f"{LONG_WORD} [[simulate markdown delay=0]]")
    wait_until(page, "complete")
    page.get_by_role("button", name="This helped").click()
    expect(page.locator(".comment")).to_be_visible()


def streaming(page, product, gated):
    page.goto(product.url)
    ask(page, "Tell me about sleep [[simulate long tokens=600 delay=12]]")
    expect(page.locator(".live")).not_to_be_empty(timeout=10_000)


def paused(page, product, gated):
    streaming(page, product, gated)
    page.locator("#pause").click()
    expect(page.get_by_role("button", name="Continue")).to_be_visible()


def superseded(page, product, gated):
    streaming(page, product, gated)
    ask(page, "and at night? [[simulate none tokens=20 delay=0]]")
    wait_until(page, "complete")
    expect(page.locator(".outcome")).to_be_visible()


def urgent(page, product, gated):
    page.goto(product.url)
    ask(page, "baby won't wake to feed and his lips look blue")
    expect(page.locator(".card").first).to_be_visible(timeout=10_000)


def discreet(page, product, gated):
    page.goto(product.url)
    ask(page, "my husband hits me and I am scared of him")
    expect(page.locator(".card .leave")).to_be_visible(timeout=10_000)


def failed(page, product, gated):
    page.goto(product.url)
    ask(page, "What helps with colic? [[simulate 503]]")
    wait_until(page, "failed")


def corrected(page, product, gated):
    page.goto(product.url)
    ask(page, "Can my baby have honey? [[simulate unsafe topic=honey delay=0]]")
    wait_until(page, "refused")


def limited(page, product, gated):
    sign_up(page, gated)
    ask(page, "What helps with colic? [[simulate none tokens=20 delay=0]]")
    wait_until(page, "complete")
    ask(page, "and at night?")
    expect(page.locator("#problem .problem")).to_be_visible()


def welcome(page, product, gated):
    page.goto(gated.url)
    expect(page.get_by_role("link", name="Make an account")).to_be_visible()


def at(path):
    def go(page, product, gated):
        page.goto(product.url + path)

    return go


def wrong_password(page, product, gated):
    page.goto(f"{product.url}/accounts/login/")
    page.locator("[name=login]").fill("nobody@example.org")
    page.locator("[name=password]").fill("not-the-password")
    page.locator("form:not(.language) button[type=submit]").last.click()
    expect(page.locator("[role=alert], .errorlist, .problem").first).to_be_visible()


def shared(page, product, gated):
    """A conversation as someone sees it who was sent the link."""
    answered(page, product, gated)
    page.wait_for_url("**/c/**")
    key = product.shell(
        "from chat.conversations import share; print(share(Conversation.objects.get(uuid=uuid)).key)",
        uuid=page.url.rstrip("/").rpartition("/")[2],
    )
    page.goto(f"{product.url}/s/{key.strip()}/")
    expect(page.locator(".prose").first).to_be_visible()


def printed(page, product, gated):
    answered(page, product, gated)
    page.wait_for_url("**/c/**")
    page.goto(f"{page.url}print")


def found(page, product, gated):
    answered(page, product, gated)
    page.goto(f"{product.url}/conversations/?q=simulate")


CHAT = [empty, answered, streaming, paused, superseded, urgent, discreet, failed, corrected, limited]
OTHERS = {
    "welcome": welcome,
    "login": at("/accounts/login/"),
    "wrong-password": wrong_password,
    "signup": at("/accounts/signup/"),
    "password-reset": at("/accounts/password/reset/"),
    "404": at("/c/00000000-0000-0000-0000-000000000000/"),
    "offline": at("/offline?timezone=Europe/London"),
    "profile": at("/me/"),
    "data": at("/me/data/"),
    "shared": shared,
    "print": printed,
    "search": found,
}
PAGES = {state.__name__: state for state in CHAT} | OTHERS


@pytest.mark.parametrize("name", PAGES)
def test_page_is_accessible_in_every_light_at_every_width_and_in_arabic(page, swift, gated, shot, name):
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    PAGES[name](page, swift, gated)
    found = violations(page, "wide dawn") + moving(page)
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    page.set_viewport_size(PHONE)
    shot(f"page-{name}-phone")
    found += violations(page, "phone night") + sideways(page) + small_targets(page)
    page.set_viewport_size(SMALL_PHONE)  # as 1280 px at 400 %
    found += sideways(page)
    stretch_words(page)
    found += sideways(page) + cut_off(page)
    page.evaluate("document.documentElement.dataset.theme = 'dim'")
    found += violations(page, "dim", COLOURS)
    page.set_viewport_size(PHONE)
    in_arabic(page, PAGES[name], swift, gated)
    shot(f"page-{name}-arabic")
    found += violations(page, "Arabic") + sideways(page) + in_english(page)
    if name == "streaming":
        expect(page.locator(".live")).to_be_visible()  # until here
    assert found == []


# What is there until the page is loaded again: in Arabic it is brought about once more, by somebody new.
TRANSIENT = {limited, wrong_password, streaming}


def in_arabic(page, state, swift, gated):
    if state in TRANSIENT:
        page.context.clear_cookies()
    page.context.add_cookies([{"name": "django_language", "value": "ar", "url": swift.url}])
    if state in TRANSIENT:
        state(page, swift, gated)
    else:
        page.goto(page.url)
    expect(page.locator("html")).to_have_attribute("dir", "rtl")


def in_english(page):
    """What the interface says in Latin letters on an Arabic page, but for names; what people and models write
    is marked, or said of the model by the announcer.
    """
    found = page.evaluate("""() => {
      const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
      while (texts.nextNode()) {
        const [text, within] = [texts.currentNode.textContent.trim(), texts.currentNode.parentElement];
        const isPlain = !within.closest('[dir=auto], [dir=ltr], [lang]:not(html), bdi, select, #announcer');
        const isEnglish = /[a-z]{2}/i.test(text.replace(/Nightlight|Markdown|JSON/g, ''));
        if (isPlain && isEnglish && within.checkVisibility()) found.push(text);
      }
      return found;
    }""")
    return [f"not in Arabic: {text}" for text in found]


def stretch_words(page):
    """Letters, words, lines and paragraphs as far apart as WCAG 1.4.12 lets people set them."""
    page.evaluate("""() => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(`* { line-height: 1.5 !important; letter-spacing: 0.12em !important;
        word-spacing: 0.16em !important } p { margin-block-end: 2em !important }`);
      document.adoptedStyleSheets = [sheet];
    }""")


def cut_off(page):
    """Buttons and links whose words do not fit into them; what is shortened on purpose says so with dots."""
    found = page.evaluate("""() =>
      [...document.querySelectorAll('button, .button, summary, label, h1, h2, .call')]
        .filter(one => one.checkVisibility({checkVisibilityCSS: true, checkOpacity: true}))
        .filter(one => !one.matches('.visually-hidden') && getComputedStyle(one).textOverflow !== 'ellipsis')
        .filter(one => one.clientWidth > 0 && one.scrollWidth > one.clientWidth + 1)
        .map(one => `${one.scrollWidth} in ${one.clientWidth}: ${one.outerHTML.slice(0, 100)}`)""")
    return [f"cut off: {one}" for one in found]


def moving(page):
    count = page.evaluate("document.getAnimations().filter(one => one.playState === 'running').length")
    return [f"{count} things move under reduced motion"] if count else []


def violations(page, where, rules=RULES):
    page.evaluate(
        "scrollTo(0, document.documentElement.scrollHeight)"
    )  # nothing is half behind the message box
    found = axe().run(page, options=rules).response["violations"]
    return [(where, rule["id"], [node["html"][:160] for node in rule["nodes"]][:3]) for rule in found]


def sideways(page):
    width, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    return [f"scrolls sideways: {width} px on {room}"] if width > room else []


def small_targets(page):
    """What a thumb could miss. Links within a sentence are as high as their line, and may be."""
    found = page.evaluate("""() =>
      [...document.querySelectorAll('a[href], button, select, summary, input:not([type=hidden]), textarea')]
        .filter(element => element.checkVisibility({checkVisibilityCSS: true, checkOpacity: true}))
        .filter(element => !element.matches('.skip, .visually-hidden, .prose a, p a:not(.button)'))
        .filter(element => !['checkbox', 'radio'].includes(element.type))
        .map(element => [element.outerHTML.slice(0, 120), element.getBoundingClientRect()])
        .filter(([html, box]) => box.width > 0 && (box.height < 43.5 || box.width < 43.5))
        .map(([html, box]) => `${Math.round(box.width)} x ${Math.round(box.height)}: ${html}`)""")
    return [f"smaller than 44 px: {target}" for target in found]


def test_staff_pages_are_accessible(page, swift, console):
    swift.shell(ADMIN)
    page.goto(f"{swift.url}/admin/login/")
    found = violations(page, "admin login")
    page.locator("[name=username]").fill("axe")
    page.locator("[name=password]").fill("a-long-password-4u")
    page.locator("[type=submit]").click()
    page.wait_for_url("**/admin/")
    assert found == []


# --- Light and colour ---------------------------------------------------------------------------------------

# Reads what the browser itself makes of oklch and light-dark(): a canvas gives the bytes that are painted.
CONTRAST = """([front, back]) => {
  const probe = document.createElement('i');
  document.body.append(probe);
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const luminance = (role) => {
    probe.style.color = `var(--${role})`;
    canvas.fillStyle = getComputedStyle(probe).color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
      .map((byte) => byte / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [a, b] = [luminance(front), luminance(back)];
  probe.remove();
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""
READ = 4.5
SEEN = 3.0
PAIRS = [
    *(
        (front, back, READ)
        for front in ("ink", "ink-soft", "accent", "urgent", "calm")
        for back in ("ground", "surface")
    ),
    ("ink", "raised", READ),
    ("on-accent", "accent", READ),
    ("on-urgent", "urgent", READ),
    ("edge", "ground", SEEN),
]


@pytest.mark.parametrize("light", ["dawn", "night", "dim"])
def test_colours_stand_out_from_what_is_behind_them(page, swift, light):
    page.goto(swift.url)
    page.evaluate("light => { document.documentElement.dataset.theme = light }", light)
    contrasts = {(front, back): page.evaluate(CONTRAST, [front, back]) for front, back, _least in PAIRS}
    assert len(set(contrasts.values())) > 5, "the colours were not read"
    too_low = {
        f"{front} on {back}": round(contrasts[front, back], 2)
        for front, back, least in PAIRS
        if contrasts[front, back] < least
    }
    assert too_low == {}


# --- Keyboard --------------------------------------------------------------------------------------------


def start_at_the_top(page):
    """The message box has the focus on a wide page."""
    page.evaluate(
        "document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')"
    )


def test_every_stop_of_the_tab_key_can_be_seen(page, swift, console):
    page.goto(swift.url)
    page.set_viewport_size({"width": 1280, "height": 500})
    ask(page, "What helps with colic? [[simulate markdown delay=0]]")
    wait_until(page, "complete")
    start_at_the_top(page)
    unseen, stops = [], set()
    for _ in range(30):
        page.keyboard.press("Tab")
        html, is_seen = page.evaluate("""() => {
          const element = document.activeElement, style = getComputedStyle(element);
          const rings = [element, element.parentElement].map((one) => getComputedStyle(one));
          const box = element.getBoundingClientRect();
          const [x, y] = [box.x + box.width / 2, box.y + Math.min(box.height, innerHeight) / 2];
          const top = document.elementFromPoint(x, y);
          const isInFront = element.contains(top) || top?.contains(element);
          return [element.outerHTML.slice(0, 120), isInFront && rings.some((ring) =>
            (ring.outlineStyle !== 'none' && parseFloat(ring.outlineWidth) >= 1))];
        }""")
        if html.startswith("<body"):
            break
        stops.add(html)
        unseen += [] if is_seen else [html]
    assert unseen == []
    assert len(stops) >= 10


def test_skip_link_leads_to_the_message_box(page, swift, console):
    page.goto(swift.url)
    start_at_the_top(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name=re.compile("Skip"))).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_be_focused()


# --- Colours and darkness of one's own ----------------------------------------------------------------------

LUMINANCE = CONTRAST.replace(
    "const [a, b] = [luminance(front), luminance(back)];", "const a = luminance(front);"
).replace("return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);", "return a;")


def test_night_is_really_dark_and_dim_is_darker(page, swift):
    page.goto(swift.url)
    light = {}
    for theme in ("dawn", "night", "dim"):
        page.evaluate("light => { document.documentElement.dataset.theme = light }", theme)
        light[theme] = {role: page.evaluate(LUMINANCE, [role, role]) for role in ("ground", "raised", "ink")}
    assert light["dim"]["ground"] < 0.002 < light["night"]["ground"] < 0.01 < light["dawn"]["ground"]
    assert light["dim"]["raised"] < 0.01
    assert light["dim"]["ink"] < 0.4 < light["night"]["ink"] < 0.85, (
        "no pure white, and less of it in the dark"
    )


def test_own_colours_leave_cursor_buttons_and_cards_to_be_seen(page, swift, console, shot):
    page.emulate_media(forced_colors="active", color_scheme="dark")
    page.goto(swift.url)
    ask(page, "baby won't wake to feed and his lips look blue")
    card = page.locator(".card").first
    expect(card).to_be_visible(timeout=10_000)
    wait_until(page, "refused")
    shot("forced-colours")
    edges = (
        "one => ['border-inline-start-width', 'border-inline-start-style'].map(n => getComputedStyle(one)[n])"
    )
    assert card.evaluate(edges)[1] == "solid"
    assert page.locator(".composer").evaluate(edges) == ["1px", "solid"]
    ask(page, "Tell me about sleep [[simulate long tokens=300 delay=20]]")
    expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
    cursor, ground = page.evaluate("""() => [
      [document.querySelector('.live'), ...document.querySelectorAll('.live *')]
        .map(one => getComputedStyle(one, '::after')).find(style => style.content !== 'none').backgroundColor,
      getComputedStyle(document.documentElement).backgroundColor,
    ]""")
    assert cursor != ground
    page.locator("#stop").focus()
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_letters_twice_as_large_still_fit_a_wide_page(page, swift, console):
    page.set_viewport_size({"width": 640, "height": 400})  # 1280 x 800 at 200 %
    answered(page, swift, None)
    assert sideways(page) == []
    page.set_viewport_size(WIDE)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert sideways(page) == []
    expect(page.locator("#send")).to_be_in_viewport()
