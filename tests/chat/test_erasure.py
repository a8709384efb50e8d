"""Taking along and taking back: the export, the profile, the account with everything, and what is old."""

import asyncio
import json
import re
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from chat import consent, erasure
from chat.models import (
    Child,
    Consent,
    Conversation,
    Feedback,
    Generation,
    Message,
    Person,
    Suggestion,
    User,
)
from chat.work import in_thread, unit_of_work
from tests.chat.scripted import QUESTION, STOP, answer, begin, logged
from tests.conftest import async_client_of

pytestmark = pytest.mark.django_db(transaction=True)
EVERYTHING = (Child, Consent, Conversation, Feedback, Generation, Message, Person, Suggestion, User)
WORD = {"email": "alice@example.org", "password": "a-long-password"}


def live(person):
    """Leave a trace of every kind."""
    person.about, person.due_date = "Twins", timezone.now().date() + timedelta(days=50)
    person.save()
    person.children.create(name="Leo", notes="allergic to eggs")
    consent.give(person, "en")
    said = Message.objects.filter(conversation__owner=person)
    Feedback.objects.create(message=said.get(role="assistant"), person=person, rating="up")
    Suggestion.objects.create(message=said.get(role="user"), fact="note", child_name="Leo", value="reflux")


@pytest.fixture
async def lived(says, alice, bob):
    for person in (alice, bob):
        await answer(person, QUESTION)
        await unit_of_work(live, person)
        await answer(person, "and at night?")


def counts():
    return [model.objects.count() for model in EVERYTHING]


async def body_of(response):
    return json.loads(b"".join([chunk async for chunk in response.streaming_content]))


async def test_export_holds_everything_of_the_person_alone(lived, alice_client):
    told = await body_of(await alice_client.get("/me/data/export"))
    assert (told["email"], told["profile"]["about"]) == ("alice@example.org", "Twins")
    assert [child["notes"] for child in told["profile"]["children"]] == ["allergic to eggs"]
    assert [len(told[part]) for part in ("consents", "feedback", "suggestions", "conversations")] == [
        1,
        1,
        1,
        2,
    ]
    used = [m.get("profileUsed") for c in told["conversations"] for m in c["messages"]]
    assert used == [None, [], None, ["32 weeks pregnant", "Leo, allergic to eggs", "Twins"]]
    assert "bob" not in json.dumps(told)


async def test_a_stranger_gets_an_empty_export(guest_client):
    told = await body_of(await guest_client.get("/me/data/export"))
    assert (told["guest"], told["conversations"]) == (True, [])
    assert await Person.objects.acount() == 0


async def test_profile_is_erased_with_its_traces(lived, alice, bob, alice_client):
    await alice_client.post("/me/erase")
    await alice.arefresh_from_db()
    assert (alice.about, alice.due_date, await alice.children.acount()) == ("", None, 0)
    kept = [row async for row in Generation.objects.filter(message__conversation__owner=alice)]
    assert [(row.used, row.profile, "Twins" in json.dumps(row.sent)) for row in kept] == [([], {}, False)] * 2
    assert await Suggestion.objects.filter(message__conversation__owner=alice).acount() == 0
    assert (await Message.objects.acount(), await Child.objects.acount()) == (8, 1)


async def test_account_goes_with_everything_and_everywhere(lived, alice, alice_client):
    other_device = await in_thread(async_client_of, alice)
    before = await unit_of_work(counts)
    response = await alice_client.post("/me/data/delete", WORD)
    assert (response.status_code, response["Location"]) == (302, "/me/deleted")
    assert await unit_of_work(counts) == [count // 2 for count in before]  # what is left is Bob's
    for client in (alice_client, other_device):
        assert (await client.get("/api/v1/me")).json()["guest"] is True
    assert (
        await in_thread(lambda: [s for s in Session.objects.all() if "_auth_user_id" in s.get_decoded()])
        == []
    )


@pytest.mark.parametrize(
    "word", [{}, {**WORD, "email": "bob@example.org"}, {**WORD, "password": "wrong"}, {"sure": "on"}]
)
async def test_account_stays_where_the_word_is_wrong(word, lived, alice_client):
    before = await unit_of_work(counts)
    response = await alice_client.post("/me/data/delete", word)
    assert (response.status_code, "Nothing was deleted." in response.content.decode()) == (422, True)
    assert await unit_of_work(counts) == before


async def test_drafts_of_the_browser_go_with_the_account_and_stay_where_it_stays(alice, alice_client):
    """phone.js marks the sending of the form, and forgets on a page after it that has no such form."""
    form = re.compile(r'<form method="post" action="/me/data/delete#delete" data-forget>')
    for page in ("/me/data/", "/me/deleted"):
        source = (await alice_client.get(page)).content.decode()
        assert len(re.findall(r"js/phone[\w.]*\.js", source)) == 1
        assert len(form.findall(source)) == (page == "/me/data/")
    refused = await alice_client.post("/me/data/delete", {"email": "x", "password": "x"})
    assert (refused.status_code, len(form.findall(refused.content.decode()))) == (422, 1)


async def test_staff_ask_an_operator(says, alice, alice_client):
    await User.objects.filter(pk=alice.user_id).aupdate(is_staff=True)
    assert (await alice_client.post("/me/data/delete", WORD)).status_code == 403
    assert await User.objects.filter(pk=alice.user_id).aexists()


async def test_guest_ticks_a_box(says, guest_client):
    await guest_client.post("/send", {"message": QUESTION})
    assert (await guest_client.post("/me/data/delete", {})).status_code == 422
    assert (await guest_client.post("/me/data/delete", {"sure": "on"})).status_code == 302
    assert await unit_of_work(counts) == [0] * len(EVERYTHING)


async def test_running_answer_ends_before_everything_goes(says, alice, alice_client):
    model = says("Warm ", asyncio.Event(), STOP)
    turn = await begin(alice, QUESTION)
    await logged(turn.stream, 2)
    assert (await alice_client.post("/me/data/delete", WORD)).status_code == 302
    assert (model.closed, await Message.objects.acount()) == (1, 0)


async def test_api_deletes_by_the_same_word(lived, alice_client):
    wrong = await alice_client.delete("/api/v1/me", {"sure": True}, content_type="application/json")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")
    assert (await alice_client.delete("/api/v1/me", WORD, content_type="application/json")).status_code == 204
    assert [p async for p in User.objects.values_list("username", flat=True)] == ["bob"]


# --- The profile by the API ---------------------------------------------------------------------------------


async def patch(client, **fields):
    return await client.patch("/api/v1/me", fields, content_type="application/json")


async def test_profile_is_told_and_changed_by_the_api(says, alice_client):
    born = str(timezone.now().date() - timedelta(days=35))
    told = (
        await patch(alice_client, about="Twins", tone="brief", children=[{"name": "Leo", "birthDate": born}])
    ).json()
    assert told["known"] == ["Leo, 5 weeks old", "Twins", "Likes answers as short as possible"]
    leo = told["children"][0]
    changed = (await patch(alice_client, children=[leo | {"feeding": "breast"}, {"name": "Mia"}])).json()
    assert [(c["name"], c["feeding"]) for c in changed["children"]] == [("Leo", "breast"), ("Mia", "")]
    assert (changed["children"][0]["id"], changed["about"]) == (leo["id"], "Twins")
    gone = (await patch(alice_client, children=[])).json()
    assert (gone["children"], (await alice_client.get("/api/v1/me")).json()) == ([], gone)


async def test_child_of_another_is_not_there(says, alice_client, bob_client):
    leo = (await patch(alice_client, children=[{"name": "Leo"}])).json()["children"][0]
    assert (await patch(bob_client, children=[leo | {"name": "Mine"}])).status_code == 404
    assert (await alice_client.get("/api/v1/me")).json()["children"] == [leo]


async def test_impossible_dates_are_refused_with_where_they_stand(says, alice_client):
    ahead = str(timezone.now().date() + timedelta(days=400))
    response = await patch(alice_client, dueDate=ahead, children=[{}, {"birthDate": ahead}])
    assert response.status_code == 422
    assert [error["loc"] for error in response.json()["errors"]] == [
        ["body", "dueDate"],
        ["body", "children", 1, "birthDate"],
    ]


# --- What is old --------------------------------------------------------------------------------------------


async def test_what_nobody_used_for_long_is_removed(lived, alice, guest_client, settings):
    await guest_client.post("/send", {"message": QUESTION})
    settings.KEEP_DAYS = 30
    assert await unit_of_work(erasure.purge, timezone.now()) == 0
    later = timezone.now() + timedelta(days=31)
    kept = await Conversation.objects.filter(owner=alice).afirst()
    await Conversation.objects.filter(pk=kept.pk).aupdate(updated_at=later)
    assert await unit_of_work(erasure.purge, later) == 4
    assert [c.pk async for c in Conversation.objects.all()] == [kept.pk]
    assert sorted([p.user_id is None async for p in Person.objects.all()]) == [False, False]
    settings.KEEP_DAYS = 0
    assert await unit_of_work(erasure.purge, later + timedelta(days=900)) == 0
