"""The pictures of docs/visual.md and the icons of the app, painted by Chromium: `make pictures`."""

import base64
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

import tests.environment  # noqa: F401
from tests.journeys.product import Product, start_product
from tests.streaming.simulator.process import start_simulator

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs/pictures"
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
LARGEST = 60_000
"""Bytes of a picture."""
NIGHT, LAMP = "#241d18", "#e8ab57"
SHAPES = f"""<path d="M8.5 5h7l3 8h-13z" fill="{LAMP}"/>
  <path d="M12 13v6M9 19h6" stroke="{LAMP}" stroke-width="1.5" stroke-linecap="round"/>"""

# --- The icons ----------------------------------------------------------------------------------------------


def icon(size: int, *, corner: float, lamp: float) -> str:
    """A page with the lamp on the night; `corner` and `lamp` are parts of the width."""
    inset = 12 * (1 - lamp)
    return f"""<body style="margin:0">
      <svg viewBox="0 0 24 24" width="{size}" height="{size}" style="display:block">
      <rect width="24" height="24" rx="{24 * corner}" fill="{NIGHT}"/>
      <g transform="translate({inset} {inset}) scale({lamp})">{SHAPES}</g></svg>"""


ICONS = {
    "icon-192": (192, 0.24, 1.0),
    "icon-512": (512, 0.24, 1.0),
    "icon-maskable-512": (512, 0.0, 0.8),
    "apple-touch-icon": (180, 0.0, 0.94),
}


def paint_icons(browser: Browser) -> None:
    for name, (size, corner, lamp) in ICONS.items():
        page = browser.new_page(viewport={"width": size, "height": size})
        page.set_content(icon(size, corner=corner, lamp=lamp))
        page.screenshot(path=ROOT / f"static/img/{name}.png", omit_background=True)
        page.close()


# --- The screens --------------------------------------------------------------------------------------------


def ask(page: Page, text: str, *, until: str = "complete") -> None:
    page.locator("#message").fill(text)
    page.locator("#send").click()
    expect(page.locator(".answer").last).to_have_attribute("data-status", until, timeout=30_000)


def home(page: Page, product: Product) -> None:
    page.goto(product.url)


def answer(page: Page, product: Product) -> None:
    page.goto(product.url)
    ask(page, "When does morning sickness stop?")
    page.get_by_role("link", name="New conversation").first.click()
    ask(page, "How much does a newborn sleep?")
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")


def stream(page: Page, product: Product) -> None:
    page.goto(product.url)
    ask(page, "What helps with colic?", until="streaming")
    expect(page.locator(".live")).not_to_be_empty(timeout=10_000)
    page.wait_for_timeout(1_500)


def card(page: Page, product: Product) -> None:
    page.goto(product.url)
    language = page.locator("html").get_attribute("lang")
    words = {"ar": "طفلي لا يتنفس وشفتاه زرقاوان"}
    ask(page, words.get(language or "", "My baby is not breathing and his lips are blue"), until="refused")
    page.evaluate("document.activeElement.blur()")


def offline(page: Page, product: Product) -> None:
    page.goto(f"{product.url}/offline?timezone=Europe/London")


def profile(page: Page, product: Product) -> None:
    page.goto(f"{product.url}/me/")


SCREENS: dict[str, Callable[[Page, Product], None]] = {
    one.__name__: one for one in (home, answer, stream, card, offline, profile)
}
# What docs/visual.md shows: screen, size, light, language.
SHOWN = [
    *((screen, "phone", "night", "en") for screen in SCREENS),
    *((screen, "phone", "dawn", "en") for screen in ("home", "answer", "card")),
    *((screen, "phone", "dim", "en") for screen in ("answer",)),
    *((screen, "phone", "night", "ar") for screen in ("home", "card")),
    *((screen, "wide", light, "en") for screen in ("home", "answer") for light in ("dawn", "night")),
    ("home", "wide", "dawn", "ar"),
]


def paint_screens(browser: Browser) -> None:
    PICTURES.mkdir(exist_ok=True)
    with (
        start_simulator("--tokens-per-second", "60", "--first-token-ms", "0") as simulator,
        tempfile.TemporaryDirectory() as state,
        start_product(simulator, Path(state) / "pictures") as product,
    ):
        for screen, size, light, language in SHOWN:
            with opened(browser, product, size, light, language) as page:
                SCREENS[screen](page, product)
                page.wait_for_timeout(300)
                paint(page, f"{screen}-{size}-{light}-{language}")


@contextmanager
def opened(browser: Browser, product: Product, size: str, light: str, language: str) -> Iterator[Page]:
    """A new visitor who has loaded the font, in Britain, in this light and language."""
    context = browser.new_context(
        viewport=WIDE if size == "wide" else PHONE,  # type: ignore[arg-type]
        color_scheme="light" if light == "dawn" else "dark",
        timezone_id="Europe/London",
        locale="en-GB",
        reduced_motion="reduce",
        service_workers="block",
    )
    context.add_cookies([{"name": "django_language", "value": language, "url": product.url}])
    context.add_init_script(f"localStorage.setItem('theme', '{light}')")
    page = context.new_page()
    page.goto(f"{product.url}/offline")
    yield page
    context.close()


def paint(page: Page, name: str) -> None:
    """As WebP, which Playwright does not write itself, as fine as the size allows."""
    browser = page.context.new_cdp_session(page)
    for quality in (80, 60, 40):
        taken = browser.send("Page.captureScreenshot", {"format": "webp", "quality": quality})
        picture = base64.b64decode(taken["data"])
        if len(picture) < LARGEST:
            break
    (PICTURES / f"{name}.webp").write_bytes(picture)


def main() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", chromium_sandbox=False, args=["--disable-gpu"]
        )
        paint_icons(browser) if sys.argv[1:] == ["icons"] else paint_screens(browser)
        browser.close()


if __name__ == "__main__":
    main()
