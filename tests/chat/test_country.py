"""Whose numbers a card gives: the request's country, the person's, or a guess that is shown as one."""

import re

import pytest

from chat.models import Generation, Message, Person, User
from chat.places import Place, place_of
from chat.safeguards import notice_of_card, retold
from chat.turns import Ask, open_turn, reopen_turn
from chat.work import in_thread, unit_of_work
from streaming.events import ErrorCode, notice_from_wire
from streaming.providers.base import ProviderError
from tests.chat.scripted import CRISIS, FEVER, HONEY, STOP, answer, ask, generation_of, received, saved

pytestmark = pytest.mark.django_db(transaction=True)

ME, SEND, COUNTRY = "/api/v1/me", "/send", "/country"
HTMX = {"HX-Request": "true"}
AUSTRIAN = {"Accept-Language": "de-AT,de;q=0.9,en-US;q=0.8"}


def place(person=None, country=None, timezone=None, accept_language=""):
    return place_of(person, country=country, timezone=timezone, accept_language=accept_language)


# --- Where somebody is --------------------------------------------------------------------------------------


def test_request_then_person_then_clock_then_language():
    told = {"timezone": "Europe/Zurich", "accept_language": "en-GB"}
    assert place(Person(country="IE"), "UK", **told) == Place("GB")
    assert place(Person(country="IE"), **told) == Place("IE")
    assert place(Person(), **told) == Place("CH", guessed=True)
    assert place(Person(timezone="Europe/Zurich")) == Place("CH", guessed=True)
    assert place(Person(), accept_language="en-GB") == Place("GB", guessed=True)
    assert place() == Place()


@pytest.mark.parametrize(
    ("header", "country"),
    [
        ("de-AT", "AT"),
        ("fr,fr-CA;q=0.8,en-US;q=0.5", "CA"),
        ("zh-Hant-TW", ""),
        ("zh-Hans-CN", "CN"),
        ("de,en-US;q=0.8", ""),
        ("en-us;q=0.2, es-mx", "MX"),
        ("ja-JP", ""),
        ("*", ""),
        ("es-419", ""),
        (";;;,,=", ""),
        ("x" * 5000, ""),
    ],
)
def test_region_of_the_language_that_is_liked_best(header, country):
    assert place(accept_language=header).country == country


def test_clock_of_a_country_without_numbers_ends_the_guessing():
    assert place(timezone="Asia/Tokyo", accept_language="en-US") == Place()
    assert place(timezone="UTC", accept_language="en-US") == Place("US", guessed=True)
    assert place(timezone="Mars/Base", accept_language="en-US") == Place("US", guessed=True)


# --- On the wire, and what is kept --------------------------------------------------------------------------


async def test_guess_is_told_as_one_and_kept(says, guest_client):
    stream = await ask(guest_client, FEVER, headers=AUSTRIAN)
    notice = stream.events[1]
    assert (notice["card"], notice["country"], notice["guessed"]) == ("newborn_fever", "AT", True)
    assert "a guess" in notice["content"]
    kept = await generation_of(stream.opening["streamId"])
    assert (kept.country, kept.country_guessed) == ("AT", True)


async def test_country_of_the_request_is_no_guess(says, guest_client):
    stream = await ask(guest_client, FEVER, country="de", headers=AUSTRIAN)
    notice = stream.events[1]
    assert (notice["country"], "guessed" in notice, "a guess" in notice["content"]) == ("DE", False, False)


async def test_time_zone_of_the_page_is_a_guess(says, guest_client):
    stream = await ask(guest_client, FEVER, timezone="Europe/Dublin")
    assert (stream.events[1]["country"], stream.events[1]["guessed"]) == ("IE", True)


async def test_nothing_known_is_left_out(says, guest_client):
    notice = (await ask(guest_client, FEVER)).events[1]
    assert [name for name in ("country", "guessed") if name in notice] == []


async def test_later_cards_of_an_answer_are_of_the_same_country(says, alice):
    says(*HONEY)
    turn = await answer(alice, "May she have honey?", accept_language="en-GB")
    notice = notice_from_wire((await saved(turn)).notices[0])
    assert (notice.replace_from is None, notice.country, notice.guessed) == (False, "GB", True)
    says(ProviderError(ErrorCode.CONTENT_FILTERED, "400", filtered=frozenset({"self_harm"})))
    turn = await answer(alice, "Hello?", accept_language="en-GB")
    notice = notice_from_wire((await saved(turn)).notices[0])
    assert (notice.card, notice.country, notice.guessed) == ("self_harm_crisis", "GB", True)


async def test_retry_keeps_the_guess_until_the_person_has_chosen(says, alice):
    says(ProviderError(ErrorCode.PROVIDER_UNAVAILABLE, "down"))
    turn = await answer(alice, "Hello?", accept_language="en-GB", profile=None)
    again = await unit_of_work(reopen_turn, alice, turn.answer)
    assert (again.brief.country, again.brief.guessed) == ("GB", True)
    await in_thread(Message.objects.filter(uuid=again.answer).update, status="failed")
    await in_thread(Generation.objects.filter(stream_uuid=again.stream).update, ended_at="2026-01-01T00:00Z")
    alice.country = "IE"
    third = await unit_of_work(reopen_turn, alice, again.answer)
    assert (third.brief.country, third.brief.guessed) == ("IE", False)


async def test_guard_knows_the_guessed_country_too(says, alice):
    says("Call Samaritans on 116 123 today. ", "More.", ProviderError(ErrorCode.INTERNAL, "never"))
    turn = await answer(alice, "Hello?", accept_language="en-US")
    assert (await saved(turn)).notices[0]["country"] == "US"


async def test_limited_message_gets_its_card_by_the_same_order(says, alice, alice_client, settings):
    settings.RATE_LIMIT_MESSAGES = "1/h"
    await ask(alice_client, "Hello?")
    response = await alice_client.post(
        "/api/v1/ai/chat", {"message": FEVER}, content_type="application/json", headers=AUSTRIAN
    )
    assert (response.status_code, response.json()["notices"][0]["country"]) == (429, "AT")
    await alice_client.patch(ME, {"country": "CH"}, content_type="application/json")
    response = await alice_client.post(
        "/api/v1/ai/chat", {"message": FEVER}, content_type="application/json", headers=AUSTRIAN
    )
    assert response.json()["notices"][0]["country"] == "CH"


# --- Languages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "language"),
    [
        ("quiero suicidarme", "es"),
        ("Ich will mich umbringen", "de"),
        ("我想自杀", "zh"),
        ("我想自殺", "zh-Hant"),
        (CRISIS, "en"),
    ],
)
async def test_card_speaks_the_language_of_the_rule(message, language, says, guest_client):
    stream = await ask(guest_client, message)
    assert stream.events[1]["language"] == language


async def test_crisis_card_of_the_provider_s_filter_speaks_the_language_of_the_message(says, alice):
    says(ProviderError(ErrorCode.CONTENT_FILTERED, "400", filtered=frozenset({"self_harm"})))
    turn = await answer(alice, "बच्चे को रात में कब दूध दें?")
    assert (await saved(turn)).notices[0]["language"] == "hi"


async def test_withheld_text_is_corrected_in_its_own_language(says, alice):
    says("Claro. ", "Puedes darle miel a tu bebé a los seis meses. ", "Nunca.", STOP)
    turn = await answer(alice, "Hello?")
    assert (await saved(turn)).notices[0]["language"] == "es"


async def test_follow_up_keeps_the_language_that_the_card_came_in(says, alice):
    first = await answer(alice, "mi bebé no respira")
    second = await answer(alice, "ok", conversation=first.conversation)
    notices = (await saved(second)).notices
    assert [notice["language"] for notice in notices] == ["es"]


async def test_language_of_the_request_comes_first(says, guest_client):
    stream = await ask(guest_client, CRISIS, language="fr-CA")
    assert stream.events[1]["language"] == "fr"


# --- Choosing -----------------------------------------------------------------------------------------------


async def test_guest_chooses_by_the_api_and_is_told(says, guest_client):
    response = await guest_client.patch(ME, {"country": "uk"}, content_type="application/json")
    assert (response.status_code, response.json()["country"]) == (200, "GB")
    assert (await guest_client.get(ME)).json()["country"] == "GB"
    notice = (await ask(guest_client, FEVER, headers=AUSTRIAN)).events[1]
    assert (notice["country"], "guessed" in notice) == ("GB", False)
    response = await guest_client.patch(ME, {"country": ""}, content_type="application/json")
    assert response.json()["country"] == ""


async def test_time_zone_and_country_change_one_by_one(alice, bob, alice_client):
    await alice_client.patch(ME, {"timezone": "Asia/Kolkata"}, content_type="application/json")
    response = await alice_client.patch(ME, {"country": "IN"}, content_type="application/json")
    assert (response.json()["timezone"], response.json()["country"]) == ("Asia/Kolkata", "IN")
    assert await in_thread(lambda: Person.objects.get(pk=bob.pk).country) == ""


async def sent(client, message, **headers):
    """The bubbles of a message that was sent by the page."""
    response = await client.post(SEND, {"message": message}, headers=HTMX | headers)
    assert response.status_code == 200
    return response.content.decode()


def cards_of(html):
    return re.findall(r'<section class="card".*?</section>', html, re.DOTALL)


def fields_of(card):
    return dict(
        re.findall(
            r'<input type="hidden" name="(card|language|answer|reminder|replaced)" value="([^"]*)">', card
        )
    )


async def conversation_page(client):
    opened = await in_thread(lambda: Message.objects.latest("pk").conversation.uuid)
    return (await client.get(f"/c/{opened}/")).content.decode()


async def test_card_of_a_guess_has_a_picker_with_the_guess_chosen(says, alice_client):
    card = cards_of(await sent(alice_client, CRISIS, **AUSTRIAN))[0]
    assert '<option value="AT" selected>Austria</option>' in card
    assert '<option value="">' not in card
    assert "<details" not in card
    assert card.index("tel:") < card.index("<select")


async def test_card_without_a_country_asks_for_one(says, alice_client):
    card = cards_of(await sent(alice_client, CRISIS))[0]
    assert '<option value="">Choose</option>' in card
    assert " selected" not in card


async def test_chosen_country_is_kept_and_the_card_alone_comes_back(says, alice, alice_client):
    card = cards_of(await sent(alice_client, CRISIS, **AUSTRIAN))[0]
    response = await alice_client.post(COUNTRY, fields_of(card) | {"country": "GB"}, headers=HTMX)
    fresh = response.content.decode()
    assert response.status_code == 200
    assert len(cards_of(fresh)) == 1
    assert 'tabindex="-1" autofocus' in fresh  # the button that was pressed is gone
    assert ("tel:116123" in fresh, "a guess" in fresh, "role=" in fresh) == (True, False, False)
    assert "<summary>Your country: United Kingdom</summary>" in fresh
    assert await in_thread(lambda: Person.objects.get(pk=alice.pk).country) == "GB"
    page = await conversation_page(alice_client)
    assert ("tel:116123" in page, "a guess" in page) == (True, False)
    saved_notice = await in_thread(lambda: Message.objects.latest("pk").notices[0])
    assert (saved_notice["country"], saved_notice["guessed"]) == ("AT", True)  # what was shown stays known


async def test_other_cards_of_the_answer_change_too(says, alice_client):
    html = await sent(alice_client, "I want to kill myself, and my baby is not breathing", **AUSTRIAN)
    first, second = cards_of(html)[:2]
    response = await alice_client.post(COUNTRY, fields_of(second) | {"country": "GB"}, headers=HTMX)
    fresh = response.content.decode()
    again, other = cards_of(fresh)[:2]
    assert fields_of(again)["card"] == fields_of(second)["card"]
    assert fields_of(other)["card"] == fields_of(first)["card"]
    target = f'hx-target="#card-{fields_of(first)["answer"]}-{fields_of(first)["card"]}"'
    assert (target in fresh, "999" in other, fresh.count("autofocus")) == (True, True, 1)


async def test_choosing_without_javascript_leads_back_to_the_answer(says, guest_client):
    page = (await guest_client.post(SEND, {"message": CRISIS}, follow=True)).content.decode()
    chosen = fields_of(cards_of(page)[0]) | {"country": "FR"}
    response = await guest_client.post(COUNTRY, chosen)
    assert (response.status_code, response["Location"].endswith(f"#m-{chosen['answer']}")) == (302, True)
    assert "tel:3114" in (await guest_client.get(response["Location"].partition("#")[0])).content.decode()


async def test_card_of_a_refused_message_is_shown_again_without_javascript(alice_client):
    response = await alice_client.post(
        COUNTRY, {"card": "self_harm_crisis", "language": "en", "country": "GB"}
    )
    assert (response.status_code, "tel:116123" in response.content.decode()) == (200, True)


@pytest.mark.parametrize(
    "fields",
    [
        {"country": "XX", "card": "self_harm_crisis"},
        {"country": "", "card": "self_harm_crisis"},
        {"country": "GB", "card": "no_such_card"},
        {},
    ],
)
async def test_unknown_country_or_card_is_refused(fields, alice, alice_client):
    response = await alice_client.post(COUNTRY, fields, headers=HTMX)
    assert response.status_code == 422
    assert await in_thread(lambda: Person.objects.get(pk=alice.pk).country) == ""


async def test_answer_of_another_is_not_found_and_changes_nothing(says, alice, bob, bob_client):
    turn = await answer(alice, CRISIS)
    fields = {"card": "self_harm_crisis", "country": "GB", "answer": str(turn.answer)}
    assert (await bob_client.post(COUNTRY, fields)).status_code == 404
    assert await in_thread(lambda: Person.objects.get(pk=bob.pk).country) == ""


async def test_country_comes_along_to_the_account(says, guest_client):
    await guest_client.patch(ME, {"country": "IE"}, content_type="application/json")
    user = await in_thread(User.objects.create_user, "eve", "eve@example.org", "a-long-password-4u")
    fields = {"login": "eve@example.org", "password": "a-long-password-4u"}
    assert (await guest_client.post("/accounts/login/", fields)).status_code == 302
    assert await in_thread(lambda: Person.objects.get(user=user).country) == "IE"


# --- As cards are shown -------------------------------------------------------------------------------------


async def test_card_is_announced_when_it_comes_and_never_again(says, alice_client):
    assert 'role="alert"' in cards_of(await sent(alice_client, CRISIS))[0]
    assert "role=" not in cards_of(await conversation_page(alice_client))[0]
    stream = await in_thread(lambda: Generation.objects.latest("pk").stream_uuid)
    frames = (await received(await alice_client.get(f"/streams/{stream}"))).raw.decode()
    live, finished = cards_of(frames)
    assert ('role="alert"' in live, "role=" in finished) == (True, False)
    assert 'hx-swap="innerMorph"' in frames  # so that the same card is not inserted again


async def test_arabic_card_says_its_language_and_direction(says, alice_client):
    notice = notice_of_card("self_harm_crisis", language="ar", country=None)
    assert notice.language == "ar"
    response = await alice_client.post(
        COUNTRY, {"card": "self_harm_crisis", "language": "ar", "country": "EG"}, headers=HTMX
    )
    card = response.content.decode()
    assert ' lang="ar" dir="rtl"' in card
    assert '<option value="EG" selected>مصر</option>' in card


async def test_abuse_card_is_discreet(says, alice_client):
    html = await sent(alice_client, "my husband hits me and I am scared of him")
    card = cards_of(html)[0]
    assert 'data-category="domestic_abuse"' in card
    assert ("data-discreet" in card, 'aria-live="off"' in card, "role=" in card) == (True, True, False)
    assert 'href="https://www.bbc.co.uk/weather" rel="noreferrer" data-leave' in card
    page = await conversation_page(alice_client)
    assert "husband" not in page[: page.index('id="log"')]  # title, list of conversations
    event = (await ask(alice_client, "my husband hits me and I am scared of him")).events[1]
    assert event["discreet"] is True


def test_old_notice_without_a_name_stays_as_it_was():
    old = {"category": "self_harm", "severity": "emergency", "content": "Call.", "actions": []}
    notice = notice_from_wire(old)
    assert retold(notice, "GB") == notice
    assert (notice.card, notice.country, notice.guessed, notice.discreet) == ("", "", False, False)


def test_reminder_stays_one_in_another_country():
    reminder = notice_of_card("infant_choking", language="en", country="US", guessed=True)
    reminder = notice_from_wire(
        {
            "category": reminder.category,
            "severity": "urgent",
            "content": reminder.content.split("\n\n")[0],
            "actions": [],
            "card": reminder.card,
            "language": "en",
            "country": "US",
            "guessed": True,
        }
    )
    told = retold(reminder, "GB")
    assert ("999" in told.content, "\n\n" in told.content, told.severity) == (True, False, "urgent")


async def test_opened_turn_keeps_the_country_for_all_that_follows(says, alice):
    turn = await unit_of_work(open_turn, alice, Ask("Hello?", timezone="Europe/Paris"))
    assert (turn.brief.country, turn.brief.guessed) == ("FR", True)
