"""Guests and accounts: who is who, and what a guest keeps when it logs in or signs up."""

import asyncio

import pytest
from django.test import AsyncClient

from chat.models import Conversation, Feedback, Message, Person, User
from chat.work import in_thread
from tests.chat.scripted import (
    LULLABY_TEXT,
    PATIENCE,
    STOP,
    answer,
    ask,
    count,
    logged,
    received,
    send,
)

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/api/v1/conversations"
LOGIN, SIGNUP = "/accounts/login/", "/accounts/signup/"


async def titles(client):
    return [item["title"] for item in (await client.get(LIST)).json()["items"]]


async def log_in(client, name="alice"):
    form = {"login": f"{name}@example.org", "password": "a-long-password"}
    response = await client.post(LOGIN, form)
    assert (response.status_code, response["Location"]) == (302, "/"), response.content.decode()[:2000]


async def sign_up(client, name="carol"):
    form = {"email": f"{name}@example.org", "password1": "a-long-passw0rd", "password2": "a-long-passw0rd"}
    response = await client.post(SIGNUP, form)
    assert response.status_code == 302, response.content.decode()[:2000]


async def rate(client, message):
    body = {"rating": "up", "comment": "Thank you"}
    return await client.put(f"/api/v1/messages/{message}/feedback", body, content_type="application/json")


# --- Guests -------------------------------------------------------------------------------------------------


async def test_guest_keeps_its_conversations_by_its_cookie(says, guest_client):
    response = await send(guest_client, "One?")
    assert response.cookies["sessionid"]["httponly"] is True
    assert response.cookies["sessionid"]["samesite"] == "Lax"
    await received(response)
    await ask(guest_client, "Two?")
    assert await titles(guest_client) == ["Two?", "One?"]
    assert await count(Person, user=None) == 1


async def test_another_browser_s_guest_sees_nothing(says, guest_client):
    told = await ask(guest_client, "My secret?")
    other = AsyncClient()
    await ask(other, "Another?")
    assert await titles(other) == ["Another?"]
    conversation = told.opening["conversationId"]
    for address in (f"{LIST}/{conversation}", f"{LIST}/{conversation}/messages", f"/c/{conversation}/"):
        response = await other.get(address)
        assert (response.status_code, b"secret" in response.content) == (404, False)


async def test_two_guests_may_use_the_same_client_id(says, guest_client):
    one = await ask(guest_client, "One?", clientMessageId="m1")
    two = await ask(AsyncClient(), "Two?", clientMessageId="m1")
    assert one.opening["conversationId"] != two.opening["conversationId"]


async def test_forged_cookie_is_a_new_guest(says, guest_client):
    await ask(guest_client, "My secret?")
    other = AsyncClient()
    other.cookies["sessionid"] = "forged"
    assert await titles(other) == []


# --- Adoption -----------------------------------------------------------------------------------------------


async def test_log_in_adopts_what_the_guest_said_and_thought(says, alice, guest_client):
    await answer(alice, "Alice's before?")
    told = await ask(guest_client, "As a guest?")
    await rate(guest_client, told.opening["messageId"])
    await log_in(guest_client)
    assert await titles(guest_client) == ["As a guest?", "Alice's before?"]
    assert await count(Conversation, owner=alice) == 2
    assert await count(Message, author=alice, content="As a guest?") == 1
    assert await count(Feedback, person=alice, comment="Thank you") == 1
    assert await count(Person) == 1


async def test_sign_up_adopts_what_the_guest_said_and_thought(says, guest_client):
    told = await ask(guest_client, "As a guest?")
    await rate(guest_client, told.opening["messageId"])
    await sign_up(guest_client)
    assert await titles(guest_client) == ["As a guest?"]
    carol = await in_thread(lambda: Person.objects.get(user=User.objects.get(email="carol@example.org")))
    assert await count(Message, author=carol) == 1
    assert await count(Feedback, person=carol) == 1
    assert await count(Person) == 1


async def test_adopted_conversation_goes_on(says, alice, guest_client):
    told = await ask(guest_client, "As a guest?")
    await log_in(guest_client)
    more = await ask(guest_client, "More?", conversationId=told.opening["conversationId"])
    assert more.transcript.text == LULLABY_TEXT
    assert await count(Conversation) == 1


async def test_adopted_message_sent_again_is_still_the_same_message(says, alice, guest_client):
    first = await ask(guest_client, "As a guest?", clientMessageId="m1")
    await log_in(guest_client)
    assert (await ask(guest_client, "As a guest?", clientMessageId="m1")).told == first.told
    assert await count(Message) == 2


async def test_clash_of_client_ids_keeps_both_messages(says, alice, guest_client):
    mine = await answer(alice, "Alice's?", client_message_id="m1")
    await ask(guest_client, "The guest's?", clientMessageId="m1")
    await log_in(guest_client)
    assert await titles(guest_client) == ["The guest's?", "Alice's?"]
    again = await ask(guest_client, "Alice's?", clientMessageId="m1")
    assert again.opening["messageId"] == str(mine.answer)
    assert await count(Message, author=alice) == 2


async def test_answer_that_runs_while_its_guest_logs_in_is_kept(says, alice, guest_client):
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    reading = asyncio.create_task(received(await send(guest_client, "As a guest?")))
    stream = (await in_thread(lambda: Message.objects.get(role="assistant").generation)).stream_uuid
    await logged(stream, 2)
    await log_in(guest_client)
    followed = asyncio.create_task(_follow(guest_client, stream))
    await asyncio.sleep(0.02)
    go_on.set()
    first, second = await asyncio.wait_for(asyncio.gather(reading, followed), PATIENCE)
    assert first.transcript.text == second.transcript.text == "One. Two. "
    assert await count(Conversation, owner=alice) == 1


async def _follow(client, stream):
    return await received(await client.get(f"/api/v1/ai/streams/{stream}"))


async def test_wrong_password_adopts_nothing(says, alice, guest_client):
    await ask(guest_client, "As a guest?")
    await guest_client.post(LOGIN, {"login": "alice@example.org", "password": "wrong"})
    assert await titles(guest_client) == ["As a guest?"]
    assert await count(Conversation, owner=alice) == 0


async def test_guest_after_log_out_is_somebody_new(says, alice, guest_client):
    await ask(guest_client, "As a guest?")
    await log_in(guest_client)
    await guest_client.post("/accounts/logout/")
    assert await titles(guest_client) == []
    await ask(guest_client, "As a new guest?")
    assert await titles(guest_client) == ["As a new guest?"]


async def test_old_cookie_of_a_guest_who_logged_in_sees_nothing(says, alice, guest_client):
    await ask(guest_client, "As a guest?")
    stolen = AsyncClient()
    stolen.cookies["sessionid"] = guest_client.cookies["sessionid"].value
    await log_in(guest_client)
    assert await titles(stolen) == []


# --- Where guests are off -----------------------------------------------------------------------------------


async def test_api_is_401_where_guests_are_off(guest_client, settings):
    settings.GUEST_ACCESS = False
    response = await guest_client.get(LIST)
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")
    assert response["Content-Type"] == "application/problem+json"


async def test_first_page_is_the_welcome_page_where_guests_are_off(guest_client, settings):
    settings.GUEST_ACCESS = False
    response = await guest_client.get("/")
    assert (response.status_code, response.templates[0].name) == (200, "chat/welcome.html")


async def test_other_pages_lead_to_the_log_in_where_guests_are_off(says, alice, guest_client, settings):
    settings.GUEST_ACCESS = False
    turn = await answer(alice)
    for response in (
        await guest_client.get(f"/c/{turn.conversation}/"),
        await guest_client.post("/send", {"message": "Hello?"}),
    ):
        assert (response.status_code, response["Location"]) == (302, LOGIN)
    by_htmx = await guest_client.post("/send", {"message": "Hello?"}, headers={"HX-Request": "true"})
    assert (by_htmx.status_code, by_htmx["HX-Redirect"]) == (401, LOGIN)


async def test_account_works_where_guests_are_off(says, alice_client, settings):
    settings.GUEST_ACCESS = False
    assert (await ask(alice_client)).transcript.text == LULLABY_TEXT
