"""A link to a conversation: what it shows, what it never tells, and that it can be taken back."""

import html
import re
import uuid

import pytest
from django.test import AsyncClient

from chat.models import Feedback, Message, Share, StopReason
from chat.turns import Ask, open_turn, run_turn
from chat.work import in_thread, unit_of_work
from tests.chat.scripted import FEVER, STOP, answer, begin, count

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/api/v1/conversations"


@pytest.fixture
def anybody():
    """Has the link, and no cookie."""
    return AsyncClient()


async def link_of(client, conversation):
    response = await client.put(f"{LIST}/{conversation}/share")
    assert response.status_code == 200, response.content
    return response.json()["sharedUrl"].removeprefix("http://testserver")


def said(response):
    """What a page shows of a conversation, without its tags."""
    assert response.status_code == 200
    page = response.content.decode()
    main = page[page.index("<main>") : page.index("</main>")]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", main)).split())


async def test_link_shows_what_was_said_to_anybody(says, alice, alice_client, anybody):
    says("Three **steps**. ", STOP)
    turn = await answer(alice, "How <i>then</i>?")
    address = await link_of(alice_client, turn.conversation)
    response = await anybody.get(address)
    assert said(response) == "Question How <i>then</i>? Nightlight Three steps ."
    assert response.content.count(b"<strong>steps</strong>") == 1
    headers = ("Cache-Control", "Referrer-Policy", "X-Robots-Tag")
    assert [response[name] for name in headers] == ["no-store", "no-referrer", "noindex, nofollow"]
    assert (dict(response.cookies), dict(anybody.cookies)) == ({}, {})


async def test_link_shows_cards_and_nothing_of_the_person(says, alice, alice_client, anybody):
    says("Call now. ", STOP)
    turn = await answer(alice, FEVER, country="GB")

    def tell():
        told = Message.objects.get(uuid=turn.answer)
        told.generation.used = ["The child is called Leo"]
        told.generation.save()
        Feedback.objects.create(message=told, person=alice, rating="up", comment="Alice's opinion")

    await in_thread(tell)
    await alice_client.patch(
        f"{LIST}/{turn.conversation}", {"title": "Leo's fever"}, content_type="application/json"
    )
    response = await anybody.get(await link_of(alice_client, turn.conversation))
    page = html.unescape(response.content.decode())
    assert page.count('class="card"') == 1
    assert said(response).count("Phone numbers for: United Kingdom") == 1
    for secret in ("Leo", "alice", "Alice", "opinion", "<form", "csrf", str(turn.conversation), "feedback"):
        assert page.count(secret) == 0, secret


async def test_what_is_said_later_is_shown_only_when_the_link_is_updated(says, alice, alice_client, anybody):
    says(answers=[(f"Answer {n}. ", STOP) for n in range(1, 9)])
    first = await answer(alice, "One?")
    address = await link_of(alice_client, first.conversation)
    before = said(await anybody.get(address))
    await answer(alice, "Two?", conversation=first.conversation)
    assert said(await anybody.get(address)) == before
    sheet = (await alice_client.get(f"/c/{first.conversation}/options")).content.decode()
    assert sheet.count("Update the link") == 1
    assert await link_of(alice_client, first.conversation) == address
    assert said(await anybody.get(address)) == f"{before} Question Two? Nightlight Answer 2."
    sheet = (await alice_client.get(f"/c/{first.conversation}/options")).content.decode()
    assert sheet.count("Update the link") == 0


async def test_link_keeps_its_branch_when_another_is_chosen(says, alice, alice_client, anybody):
    says(answers=[(f"Answer {n}. ", STOP) for n in range(1, 9)])
    first = await answer(alice, "One?")
    address = await link_of(alice_client, first.conversation)
    edit = Ask("Secret?", conversation=first.conversation, edits=first.question)
    await run_turn(await unit_of_work(open_turn, alice, edit))
    assert said(await anybody.get(address)) == "Question One? Nightlight Answer 1."


async def test_link_that_was_taken_back_is_a_calm_404_and_a_new_one_is_another(
    says, alice, alice_client, anybody
):
    turn = await answer(alice, "One?")
    address = await link_of(alice_client, turn.conversation)
    assert (await alice_client.delete(f"{LIST}/{turn.conversation}/share")).status_code == 204
    gone, unknown = await anybody.get(address), await anybody.get(f"/s/{uuid.uuid4()}/")
    assert (gone.status_code, gone.content) == (404, unknown.content)
    assert gone.content.count(b"This page is not here</h1>") == 1
    assert await link_of(alice_client, turn.conversation) != address


async def test_running_answer_is_not_shared_yet(says, alice, alice_client):
    import asyncio

    from chat.turns import stop_turn

    says("Slowly ", asyncio.Event())
    turn = await begin(alice, "One?")
    response = await alice_client.put(f"{LIST}/{turn.conversation}/share")
    sheet = await alice_client.post(f"/c/{turn.conversation}/share")
    assert (response.status_code, response.json()["code"], await count(Share)) == (409, "conflict", 0)
    assert sheet.content.count(b"There is nothing to share yet.") == 1
    await stop_turn(turn.stream, StopReason.PERSON)
    assert (await alice_client.put(f"{LIST}/{turn.conversation}/share")).status_code == 200


async def test_sheet_makes_and_takes_back_the_link_without_javascript(says, alice, alice_client, anybody):
    turn = await answer(alice, "One?")
    path = f"/c/{turn.conversation}"
    made = await alice_client.post(f"{path}/share")
    sheet = (await alice_client.get(made["Location"])).content.decode()
    (address,) = re.findall(r'value="http://testserver(/s/[^"]+)"', sheet)
    assert (await anybody.get(address)).status_code == 200
    item = (await alice_client.get(f"{LIST}/{turn.conversation}")).json()
    assert item["sharedUrl"] == f"http://testserver{address}"
    await alice_client.post(f"{path}/unshare")
    assert (await anybody.get(address)).status_code == 404
    assert (await alice_client.get(LIST)).json()["items"][0]["sharedUrl"] is None
