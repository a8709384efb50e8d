"""The person, under their own control: consent, profile, what is remembered, export, and the end."""

import json
import re
from datetime import date, timedelta

import pytest
from playwright.sync_api import expect

from tests.journeys.product import sign_up, start_product
from tests.journeys.test_accessibility import sideways, violations

pytestmark = [pytest.mark.database, pytest.mark.both]

PHONE, WIDE = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
BORN = date.today() - timedelta(days=5 * 31)
USED = "print(json.dumps(Generation.objects.latest('pk').used))"


@pytest.fixture(scope="module")
def asking(simulator, tmp_path_factory):
    """A product that asks for consent, as it comes."""
    with start_product(simulator, tmp_path_factory.mktemp("asking"), CONSENT_REQUIRED="on") as running:
        yield running


@pytest.fixture
def pictures(page, shot):
    """Each page as it is seen, wide and on a phone, by day and by night. Axe finds nothing on it."""

    def take(name):
        for width, size in (("wide", WIDE), ("phone", PHONE)):
            page.set_viewport_size(size)
            for light in ("light", "dark"):
                page.emulate_media(color_scheme=light, reduced_motion="reduce")
                shot(f"me-{name}-{width}-{light}")
        found = violations(page, name) + sideways(page)
        page.set_viewport_size(WIDE)
        assert found == []

    yield take


def send(page, text):
    page.locator("#message").fill(text)
    page.locator("#send").click()


def answered(page, count):
    expect(page.locator('.answer[data-status="complete"]')).to_have_count(count, timeout=20_000)


def test_a_person_comes_tells_and_leaves_with_everything(page, asking, pictures):
    sign_up(page, asking)
    expect(page.get_by_role("heading", name="Before you start")).to_be_visible()
    pictures("consent")

    # An emergency is answered with its card at once; the message waits.
    send(page, "my baby is not breathing")
    expect(page.locator("#problem .card")).to_be_visible()
    expect(page.locator("#message")).to_have_value("my baby is not breathing")
    pictures("consent-urgent")
    page.locator("#message").fill("When do babies smile?")
    page.get_by_role("button", name="I agree, send it").click()
    answered(page, 1)
    expect(page.locator(".consent")).to_be_hidden()
    expect(page.locator(".tells-ai")).to_have_count(1)

    # What is told stands on the page before it is saved, as answers will know it.
    page.get_by_role("link", name="You and your children").first.click()
    page.get_by_label("Name or nickname").fill("Leo")
    page.get_by_label("Birth date").fill("2999-01-01")
    page.get_by_label("Feeding").select_option(label="Formula")
    expect(page.locator("#lines")).to_contain_text("Leo, formula")
    page.get_by_role("button", name="Save").last.click()
    expect(page.locator(".errorlist")).to_contain_text("This date is in the future.")
    expect(page.get_by_label("Name or nickname").first).to_have_value("Leo")
    pictures("wrong")
    page.get_by_label("Birth date").first.fill(str(BORN))
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.locator("#lines")).to_contain_text("Leo, 5 months old, formula")
    pictures("profile")

    # An answer uses it; another conversation may not.
    page.goto(asking.url)
    pictures("questions")
    send(page, "Leo is allergic to eggs. What can he eat?")
    answered(page, 1)
    assert json.loads(asking.shell(USED)) == ["Leo, 5 months old, formula"]

    # What it told is remembered on a tap.
    offered = page.locator(".suggestion")
    expect(offered).to_contain_text("Leo: allergic to eggs. Remember?")
    offered.scroll_into_view_if_needed()
    pictures("remember")
    offered.get_by_role("button", name="Remember").click()
    expect(offered).to_contain_text("Remembered.")
    offered.get_by_role("link").click()
    expect(page.locator("#lines")).to_contain_text("Leo, 5 months old, formula, allergic to eggs")

    page.goto(f"{asking.url}/me/data/")
    pictures("data")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export my data").click()
    told = json.loads(download.value.path().read_text())
    assert [child["name"] for child in told["profile"]["children"]] == ["Leo"]
    assert len(told["conversations"]) == 2

    page.get_by_text("Delete my account and all data").first.click()
    page.get_by_label("Your e-mail address").fill(told["email"])
    page.get_by_label("Your password").fill("wrong")
    page.get_by_role("button", name="Delete my account and all data").click()
    expect(page.get_by_role("alert")).to_contain_text("This is not the password")
    page.get_by_label("Your password").fill("a-long-password-4u")
    page.get_by_role("button", name="Delete my account and all data").click()
    expect(page.get_by_role("heading", name="Everything is deleted")).to_be_visible()
    left = asking.shell("print(User.objects.count(), Message.objects.count(), Child.objects.count())")
    assert left.split() == ["0", "0", "0"]


def test_guest_without_javascript_can_do_it_all(browser, asking):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(asking.url)
        send(page, "When do babies smile?")
        expect(page.locator("#message")).to_have_value("When do babies smile?")
        page.get_by_role("button", name="I agree, send it").click()
        expect(page).to_have_url(re.compile(r"/c/[0-9a-f-]{36}/"))
        answered(page, 1)
        page.goto(f"{asking.url}/me/")
        page.get_by_label("Name or nickname").fill("Mia")
        page.get_by_role("button", name="Save").last.click()
        expect(page.locator("#lines")).to_have_text(re.compile("Mia"))
        page.get_by_text("Remove this child").click()
        page.get_by_role("button", name="Remove Mia").click()
        expect(page.get_by_text("Nothing yet.")).to_be_visible()
        page.goto(f"{asking.url}/me/data/")
        page.get_by_text("Delete all my data").first.click()
        page.get_by_label("Yes, delete everything").check()
        page.get_by_role("button", name="Delete all my data").click()
        expect(page.get_by_role("heading", name="Everything is deleted")).to_be_visible()
