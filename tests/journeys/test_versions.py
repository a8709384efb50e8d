"""Messages on the page: answered again, changed, switched between versions, rated, and very many."""

import re

import pytest
from playwright.sync_api import expect

from tests.journeys.sizes import browser_context_args, words

__all__ = ["browser_context_args", "words"]

pytestmark = [pytest.mark.database, pytest.mark.both]


@pytest.fixture(scope="module")
def product(swift):
    return swift


def ask(page, text, count):
    page.locator("#message").fill(text)
    page.locator("#send").click()
    wait_until_whole(page, count)


def wait_until_whole(page, count):
    expect(page.locator('.answer[data-status="complete"]')).to_have_count(count, timeout=20_000)


def asked(page):
    return page.locator(".question .asked").all_inner_texts()


def edit(page, words, index, text):
    question = page.locator(".question").nth(index)
    question.locator("summary").first.click()
    box = question.locator("textarea")
    expect(box).to_be_focused()
    box.fill(text)
    question.get_by_role("button", name=words("Send again")).click()


def two_questions(page, product):
    page.goto(product.url)
    ask(page, "How often should a newborn feed?", 1)
    ask(page, "And at night?", 2)


def test_question_is_changed_and_both_versions_can_be_read(page, words, product, console, shot):
    two_questions(page, product)
    edit(page, words, 0, "When does morning sickness stop?")
    wait_until_whole(page, 1)
    assert asked(page) == ["When does morning sickness stop?"]
    versions = page.locator(".question .versions").first
    expect(versions).to_have_text(re.compile("2.*2"))
    shot("versions")
    versions.get_by_role("button", name=words("Earlier version")).click()
    expect(page.locator(".question")).to_have_count(2)
    assert asked(page) == ["How often should a newborn feed?", "And at night?"]
    page.reload()
    assert asked(page) == ["How often should a newborn feed?", "And at night?"]
    page.locator(".question .versions").first.get_by_role("button", name=words("Later version")).click()
    expect(page.locator(".question")).to_have_count(1)
    assert asked(page) == ["When does morning sickness stop?"]


def test_answer_is_given_again_in_the_middle_and_at_the_end(page, words, product, console):
    two_questions(page, product)
    page.locator(".answer").last.get_by_role("button", name=words("Answer again")).click()
    expect(page.locator(".answer").last.locator(".versions")).to_have_text(re.compile("2.*2"), timeout=20_000)
    assert asked(page) == ["How often should a newborn feed?", "And at night?"]
    page.locator(".answer").first.get_by_role("button", name=words("Answer again")).click()
    expect(page.locator(".question")).to_have_count(1)
    wait_until_whole(page, 1)
    expect(page.locator(".answer .versions")).to_have_text(re.compile("2.*2"))
    page.locator(".answer").get_by_role("button", name=words("Earlier version")).click()
    expect(page.locator(".answer")).to_have_count(2)


def test_refused_change_keeps_the_words(page, words, product, console):
    page.goto(product.url)
    ask(page, "How often should a newborn feed?", 1)
    edit(page, words, 0, "\u200b\u200b")
    expect(page.locator("#problem")).to_contain_text(words("The message is empty. Please write something."))
    expect(page.locator(".question details.edit")).to_have_attribute("open", "")
    page.locator(".question textarea").press("Escape")
    expect(page.locator(".question summary")).to_be_focused()
    assert asked(page) == ["How often should a newborn feed?"]
    console.clear()  # the 422 of the refusal


def test_versions_work_without_javascript(browser, browser_context_args, words, product):
    context = browser.new_context(java_script_enabled=False, **browser_context_args)
    page = context.new_page()
    page.goto(product.url)
    page.locator("#message").fill("How often should a newborn feed?")
    page.locator("#send").click()
    wait_until_whole(page, 1)
    page.locator(".question summary").click()
    page.locator(".question textarea").fill("When does morning sickness stop?")
    page.get_by_role("button", name=words("Send again")).click()
    wait_until_whole(page, 1)
    page.get_by_role("button", name=words("Earlier version")).click()
    expect(page.locator(".question .asked")).to_have_text("How often should a newborn feed?")
    context.close()


def test_reasons_are_kept_and_the_clinic_s_answer_is_told_once(page, words, product, console, shot):
    page.goto(product.url)
    ask(page, "How often should a newborn feed?", 1)
    page.get_by_role("button", name=words("This did not help")).click()
    for reason in ("It is wrong", "Not right for my child's age"):
        page.get_by_label(words(reason), exact=True).check()
    page.locator(".feedback textarea").fill("He is two weeks old.")
    shot("feedback")
    page.locator(".feedback").get_by_role("button", name=words("Send"), exact=True).click()
    expect(page.get_by_text(words("Thank you. A person will read it."))).to_be_visible()
    uuid = re.search(r"/c/([0-9a-f-]{36})/", page.url)[1]
    told = product.shell(
        "from django.utils import timezone\n"
        "f = Feedback.objects.get(message__conversation__uuid=uuid)\n"
        "print(f.reasons, f.comment)\n"
        "f.reply, f.replied_at = 'Eight to twelve times a day.', timezone.now()\n"
        "f.save()",
        uuid=uuid,
    )
    assert told.strip() == "['wrong', 'not_for_age'] He is two weeks old."
    page.goto(product.url)
    page.locator(".news").get_by_role("link").click()
    expect(page.locator(".reply")).to_contain_text("Eight to twelve times a day.")
    page.goto(product.url)
    expect(page.locator(".news")).to_have_count(0)


MANY = """
from django.utils import timezone
conversation = Conversation.objects.get(uuid=uuid)
author, before = conversation.owner, conversation.messages.latest("pk")
for n in range(count // 2):
    question = Message.objects.create(
        conversation=conversation, role="user", author=author, content=f"Question {n}", follows=before
    )
    before = Message.objects.create(
        conversation=conversation, role="assistant", question=question, content=f"Answer {n}."
    )
    Generation.objects.create(message=before, model="simulator", ended_at=timezone.now())
"""


def test_long_conversation_opens_at_its_end_and_loads_the_rest_on_demand(page, words, product, console):
    page.goto(product.url)
    ask(page, "How often should a newborn feed?", 1)
    product.shell(MANY, uuid=re.search(r"/c/([0-9a-f-]{36})/", page.url)[1], count=200)
    page.reload()
    expect(page.locator("#log article")).to_have_count(40)
    assert asked(page)[-1] == "Question 99"
    page.get_by_role("link", name=words("Show earlier messages")).click()
    expect(page.locator("#log article")).to_have_count(80)
    assert asked(page)[0] == "Question 60"
    ask(page, "And at night?", 41)
    assert asked(page)[-1] == "And at night?"
