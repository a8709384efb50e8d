"""In which language the page speaks: chosen, else the browser's; in streams, errors and refusals too."""

import re

import pytest
from django.test import AsyncClient
from django.utils import translation
from django.utils.translation import get_language, gettext

from chat.errors import words_for
from chat.models import Person
from chat.web.language import in_language_of_request
from chat.work import in_thread, unit_of_work
from streaming.events import ErrorCode, Notice
from streaming.providers.base import ProviderError
from tests.chat.scripted import LULLABY, ask, generation_of, received

pytestmark = pytest.mark.django_db(transaction=True)
COOKIE = "django_language"


def spoken(response):
    """The language and direction that a page says it has."""
    return re.search(r'<html lang="([\w-]+)" dir="(\w+)"', response.content.decode()).groups()


def told(language, text):
    with translation.override(language):
        return gettext(text)


async def choose(client, language, **fields):
    return await client.post("/language", {"language": language} | fields)


async def refreshed(person):
    return await in_thread(lambda: Person.objects.get(pk=person.pk))


# --- Which one ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", ("de", "ltr")),
        ("ar-EG", ("ar", "rtl")),
        ("zh-CN,zh;q=0.9", ("zh-hans", "ltr")),
        ("pt-BR", ("pt", "ltr")),
        ("hi-IN", ("hi", "ltr")),
        ("ja", ("en", "ltr")),
        ("", ("en", "ltr")),
    ],
)
async def test_page_speaks_the_browsers_language(guest_client, header, language):
    response = await guest_client.get("/", headers={"Accept-Language": header})
    assert spoken(response) == language
    assert response["Content-Language"] == language[0]


async def test_choice_wins_over_the_browser_and_goes_back(guest_client):
    response = await choose(guest_client, "ar", next="/accounts/login/")
    assert (response.status_code, response["Location"]) == (302, "/accounts/login/")
    page = await guest_client.get("/accounts/login/", headers={"Accept-Language": "de"})
    assert spoken(page) == ("ar", "rtl")


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)", ""])
async def test_way_back_leads_nowhere_else(guest_client, elsewhere):
    assert (await choose(guest_client, "de", next=elsewhere))["Location"] == "/"


async def test_way_back_knows_the_conversation_that_the_page_became(guest_client):
    headers = {"Referer": "http://testserver/c/8f14e45f-0000-4000-8000-000000000000/?again=1"}
    response = await guest_client.post("/language", {"language": "de", "next": "/"}, headers=headers)
    assert response["Location"] == "/c/8f14e45f-0000-4000-8000-000000000000/"


async def test_unknown_language_is_refused(guest_client):
    response = await choose(guest_client, "tlh")
    assert (response.status_code, COOKIE in response.cookies) == (422, False)


async def test_choice_is_kept_for_the_person_alone(alice_client, alice, bob):
    await choose(alice_client, "fr")
    assert ((await refreshed(alice)).language, (await refreshed(bob)).language) == ("fr", "")


async def test_profile_wins_on_another_device_and_is_remembered_there(alice_client, alice):
    await in_thread(lambda: Person.objects.filter(pk=alice.pk).update(language="hi"))
    response = await alice_client.get("/", headers={"Accept-Language": "de"})
    assert (spoken(response), response.cookies[COOKIE].value) == (("hi", "ltr"), "hi")
    again = await alice_client.get("/", headers={"Accept-Language": "de"})
    assert (spoken(again), COOKIE in again.cookies) == (("hi", "ltr"), False)


async def test_languages_are_named_in_themselves(guest_client):
    page = (await guest_client.get("/accounts/login/", headers={"Accept-Language": "de"})).content.decode()
    names = re.findall(r'<option value="[\w-]+" lang="[\w-]+"(?: selected)?>([^<]+)</option>', page)
    assert names == ["English", "Español", "Français", "Português", "Deutsch", "简体中文", "العربية", "हिन्दी"]


# --- Where it must hold -------------------------------------------------------------------------------------


async def test_stream_keeps_the_language_it_was_asked_in():
    """It is read when the request is gone, by a task that knows nothing of it."""

    async def languages():
        for _ in range(2):
            yield get_language().encode()

    with translation.override("ar"):
        chunks = in_language_of_request(languages())
    assert ([chunk async for chunk in chunks], get_language()) == ([b"ar", b"ar"], "en")


async def test_frames_of_an_answer_are_in_the_readers_language(says, alice_client):
    told_by = await ask(alice_client)
    stream = told_by.opening["streamId"]
    response = await alice_client.get(f"/streams/{stream}", headers={"Accept-Language": "ar"})
    html = (await received(response)).raw.decode()
    assert f'aria-label="{told("ar", "Copy this answer")}"' in html


async def test_unit_of_work_speaks_the_language_of_who_asked():
    with translation.override("de"):
        assert await unit_of_work(get_language) == "de"
    assert await unit_of_work(get_language) == "en"


async def test_refusal_is_in_the_readers_language(alice_client):
    body = {"message": " "}
    response = await alice_client.post(
        "/api/v1/ai/chat/stream", body, content_type="application/json", headers={"Accept-Language": "de"}
    )
    assert response.json()["detail"] == told("de", "The message is empty. Please write something.")


async def test_error_is_told_in_the_readers_language_then_and_later(says, alice_client):
    says(ProviderError(ErrorCode.PROVIDER_TIMEOUT, "slow"))
    answered = await ask(alice_client, headers={"Accept-Language": "de"})
    with translation.override("de"):
        german = words_for(ErrorCode.PROVIDER_TIMEOUT)
    assert answered.events[-1]["message"] == german
    generation = await generation_of(answered.opening["streamId"])
    assert generation.error_message == german
    page = await alice_client.get(
        f"/c/{answered.opening['conversationId']}/", headers={"Accept-Language": "fr"}
    )
    with translation.override("fr"):
        french = words_for(ErrorCode.PROVIDER_TIMEOUT)
    assert french.replace("'", "&#x27;") in page.content.decode()


async def test_card_is_in_the_language_of_the_question(says, alice_client):
    answered = await ask(alice_client, "Mein Baby atmet nicht", headers={"Accept-Language": "ar"})
    notices = [notice.language for notice in answered.transcript.notices if isinstance(notice, Notice)]
    assert notices == ["de"]


async def test_prompt_is_in_the_language_of_the_question_else_of_the_page(says, guest_client):
    provider = says(*LULLABY)
    for text, header in [("¿Cuánto duerme mi bebé y qué puedo hacer?", "de"), ("ok", "de"), ("ok", "ja")]:
        await ask(AsyncClient(), text, headers={"Accept-Language": header})
    openings = [prompt[0]["content"].split()[:3] for prompt in provider.prompts]
    assert openings == [
        ["Eres", "Nightlight,", "una"],
        ["Du", "bist", "Nightlight,"],
        ["You", "are", "Nightlight,"],
    ]
