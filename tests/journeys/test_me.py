"""The person, under their own control: consent, profile, what is remembered, export, and the end."""

import json
import re
from datetime import date, timedelta

import pytest
from playwright.sync_api import expect

from tests.journeys.product import sign_up, start_product
from tests.journeys.sizes import in_both_sizes, is_right_to_left, where_asked, words
from tests.journeys.test_accessibility import sideways, violations

__all__ = ["where_asked", "words"]

pytestmark = [pytest.mark.database, pytest.mark.both]

PHONE, WIDE = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
BORN = date.today() - timedelta(days=5 * 31)
USED = "print(json.dumps(Generation.objects.latest('pk').used))"

# What a parent writes, and how Nightlight puts it, in the language of the page.
LEO = {
    "en": {
        "urgent": "my baby is not breathing",
        "question": "When do babies smile?",
        "name": "Leo",
        "fed": "Leo, formula",
        "aged": "Leo, 5 months old, formula",
        "tells": "Leo is allergic to eggs. What can he eat?",
        "heard": "Leo: allergic to eggs.",
        "kept": "Leo, 5 months old, formula, allergic to eggs",
    },
    "ar": {
        "urgent": "طفلي لا يتنفس",
        "question": "متى يبتسم الرضيع؟",
        "name": "ليو",
        "fed": "ليو، حليب صناعي",
        "aged": "ليو، العمر 5 أشهر، حليب صناعي",
        "tells": "طفلي ليو عنده حساسية من البيض. ماذا يمكنه أن يأكل؟",
        "heard": "ليو: حساسية من البيض",
        "kept": "ليو، العمر 5 أشهر، حليب صناعي، حساسية من البيض",
    },
}


@pytest.fixture(scope="module")
def asking(simulator, tmp_path_factory):
    """A product that asks for consent, as it comes."""
    with start_product(simulator, tmp_path_factory.mktemp("asking"), CONSENT_REQUIRED="on") as running:
        yield running


@pytest.fixture
def pictures(page, shot):
    """Each page as it is seen, in English wide and on a phone, by day and by night; in Arabic on a phone at
    night. Axe finds nothing on it.
    """

    def take(name):
        if is_right_to_left(page):
            shot(f"me-{name}-phone-ar")
            assert violations(page, name) + sideways(page) == []
            return
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


def press(page, name):
    page.get_by_role("button", name=name, exact=True).last.click()


@in_both_sizes
def test_a_person_comes_tells_and_leaves_with_everything(page, asking, pictures, words):
    sign_up(page, asking)
    leo = LEO["ar" if is_right_to_left(page) else "en"]
    expect(page.get_by_role("heading", name=words("Before you start"))).to_be_visible()
    pictures("consent")

    # An emergency is answered with its card at once; the message waits.
    send(page, leo["urgent"])
    expect(page.locator("#problem .card")).to_be_visible()
    expect(page.locator("#message")).to_have_value(leo["urgent"])
    pictures("consent-urgent")
    page.locator("#message").fill(leo["question"])
    press(page, words("I agree, send it"))
    answered(page, 1)
    expect(page.locator(".consent")).to_be_hidden()
    expect(page.locator(".tells-ai")).to_have_count(1)

    # What is told stands on the page before it is saved, as answers will know it.
    if (menu := page.get_by_role("button", name=words("Your conversations"))).is_visible():
        menu.click()
    page.get_by_role("link", name=words("You and your children")).first.click()
    page.get_by_label(words("Name or nickname")).fill(leo["name"])
    page.get_by_label(words("Birth date")).fill("2999-01-01")
    page.get_by_label(words("Feeding")).select_option(label=words("Formula"))
    expect(page.locator("#lines")).to_contain_text(leo["fed"])
    press(page, words("Save"))
    wrong = words("This date is in the future. If you are pregnant, put it under due date.")
    expect(page.locator(".errorlist")).to_contain_text(wrong)
    expect(page.get_by_label(words("Name or nickname")).first).to_have_value(leo["name"])
    pictures("wrong")
    page.get_by_label(words("Birth date")).first.fill(str(BORN))
    press(page, words("Save"))
    expect(page.get_by_text(words("Saved."))).to_be_visible()
    expect(page.locator("#lines")).to_have_text(re.compile(rf"^\s*{leo['aged']}\s*$"))
    pictures("profile")

    # An answer uses it; another conversation may not.
    page.goto(asking.url)
    pictures("questions")
    send(page, leo["tells"])
    answered(page, 1)
    assert json.loads(asking.shell(USED)) == [leo["aged"]]

    # What it told is remembered on a tap.
    offered = page.locator(".suggestion")
    expect(offered).to_contain_text(leo["heard"])
    expect(offered).to_contain_text(words("Remember?"))
    offered.scroll_into_view_if_needed()
    pictures("remember")
    offered.get_by_role("button", name=words("Remember")).click()
    expect(offered).to_contain_text(words("Remembered."))
    offered.get_by_role("link").click()
    expect(page.locator("#lines")).to_contain_text(leo["kept"])

    page.goto(f"{asking.url}/me/data/")
    pictures("data")
    with page.expect_download() as download:
        page.get_by_role("link", name=words("Export my data")).click()
    told = json.loads(download.value.path().read_text())
    assert [child["name"] for child in told["profile"]["children"]] == [leo["name"]]
    assert len(told["conversations"]) == 2

    page.locator("#delete summary").click()
    page.get_by_label(words("Your e-mail address, to be sure")).fill(told["email"])
    page.get_by_label(words("Your password")).fill("wrong")
    press(page, words("Delete my account and all data"))
    refused = words("This is not the password of this account. Nothing was deleted.")
    expect(page.get_by_role("alert")).to_have_text(refused)
    page.get_by_label(words("Your password")).fill("a-long-password-4u")
    press(page, words("Delete my account and all data"))
    expect(page.get_by_role("heading", name=words("Everything is deleted"))).to_be_visible()
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
