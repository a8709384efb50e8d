"""Who is calling, by the API: their time zone, and what is left of their day."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from chat.models import Conversation, Generation, Message, Person, Role
from chat.work import in_thread
from streaming.providers.catalogue import DeploymentSpec, ModelSpec

pytestmark = pytest.mark.django_db(transaction=True)

ME = "/api/v1/me"


def midnight(moment):
    return datetime.combine(moment.date() + timedelta(days=1), datetime.min.time(), UTC)


async def change(client, **body):
    return await client.patch(ME, body, content_type="application/json")


def of_the_day(response):
    """Without the profile, which has tests of its own."""
    return {name: response.json()[name] for name in ("guest", "country", "timezone", "quota")}


async def test_an_account_sees_what_is_left(alice, alice_client, settings):
    settings.QUOTA_TOKENS_PER_DAY = 1000
    today = timezone.now()
    await in_thread(Person.objects.filter(pk=alice.pk).update, quota_day=today.date(), quota_tokens=300)
    told = of_the_day(await alice_client.get(ME))
    resets_at = datetime.fromisoformat(told["quota"].pop("resetsAt"))
    assert told == {
        "guest": False,
        "country": "",
        "timezone": "UTC",
        "quota": {"limit": 1000, "used": 300, "left": 700},
    }
    assert resets_at == midnight(today)


async def test_a_guest_has_a_limit_before_anything_is_kept_of_them(guest_client, settings):
    settings.QUOTA_GUEST_TOKENS_PER_DAY = 100
    response = await guest_client.get(ME)
    told = of_the_day(response)
    told["quota"].pop("resetsAt")
    assert told == {
        "guest": True,
        "country": "",
        "timezone": "UTC",
        "quota": {"limit": 100, "used": 0, "left": 100},
    }
    assert await in_thread(Person.objects.count) == 0
    assert response.cookies["sessionid"].value


async def test_without_a_limit_there_is_no_quota(alice_client, guest_client, settings):
    settings.QUOTA_TOKENS_PER_DAY = settings.QUOTA_GUEST_TOKENS_PER_DAY = None
    for client, guest in ((alice_client, False), (guest_client, True)):
        told = of_the_day(await client.get(ME))
        assert told == {"guest": guest, "country": "", "timezone": "UTC", "quota": None}


async def test_nobody_is_told_where_guests_are_off(guest_client, settings):
    settings.GUEST_ACCESS = False
    response = await guest_client.get(ME)
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")


async def test_an_account_chooses_its_time_zone(alice, bob, alice_client):
    response = await change(alice_client, timezone="Asia/Kolkata")
    told = response.json()
    assert (response.status_code, told["timezone"]) == (200, "Asia/Kolkata")
    assert told["quota"]["resetsAt"].endswith("T18:30:00Z")
    zones = await in_thread(lambda: dict(Person.objects.values_list("user__username", "timezone")))
    assert zones == {"alice": "Asia/Kolkata", "bob": ""}
    assert (await change(alice_client, timezone="")).json()["timezone"] == "UTC"


@pytest.mark.parametrize("name", ["Europe/Atlantis", "europe/berlin", "+01:00", "../../etc/passwd", "a\x00b"])
async def test_an_unknown_time_zone_is_refused_with_what_to_do(name, alice, alice_client):
    response = await change(alice_client, timezone=name)
    problem = response.json()
    assert (response.status_code, problem["code"], problem["detail"], problem["errors"]) == (
        422,
        "invalid",
        "There is no time zone of this name. Send one like Europe/Berlin, or nothing for UTC.",
        [{"loc": ["body", "timezone"], "msg": "must be a name of the IANA time zone database"}],
    )
    assert await in_thread(Person.objects.filter(timezone="").count) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"timezone": None},
        {"timezone": "UTC", "quota": 5},
        {"timezone": "x" * 65},
        {"country": "Germany"},
        {"country": "D1"},
    ],
)
async def test_a_wrong_body_is_refused(body, alice_client):
    response = await change(alice_client, **body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid")


async def test_a_guest_has_no_time_zone_to_choose(guest_client):
    response = await change(guest_client, timezone="Europe/Berlin")
    assert (response.status_code, response.json()["detail"]) == (
        403,
        "A guest's day is counted in UTC. Log in to choose a time zone.",
    )


# --- Models and messages ------------------------------------------------------------------------------------


async def test_models_are_listed_with_their_prices(engine, alice_client):
    place = (DeploymentSpec("east", "none"),)
    engine.models = {
        model.id: model
        for model in (
            ModelSpec("small", "Small", 8000, Decimal("0.15"), Decimal("0.60"), place, "USD"),
            ModelSpec("large", "Large", 128_000, None, None, place, default=True),
        )
    }
    assert (await alice_client.get("/api/v1/models")).json() == {
        "items": [
            {
                "id": "small",
                "label": "Small",
                "contextWindow": 8000,
                "default": False,
                "price": {"prompt": 0.15, "completion": 0.6, "currency": "USD"},
            },
            {"id": "large", "label": "Large", "contextWindow": 128_000, "default": True},
        ]
    }


def make_answer(owner, **facts):
    conversation = Conversation.objects.create(owner=owner, title="t", updated_at=timezone.now())
    question = Message.objects.create(conversation=conversation, role=Role.USER, author=owner)
    told = Message.objects.create(conversation=conversation, role=Role.ASSISTANT, question=question)
    Generation.objects.create(message=told, model="m", **facts)
    return f"/api/v1/conversations/{conversation.uuid}/messages"


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({}, {}),
        ({"cached": True, "cost": Decimal(0)}, {"cached": True, "cost": 0.0}),
        ({"stop_reason": "superseded", "paused_after": 0}, {"stopReason": "superseded", "pausedAfter": 0}),
        ({"cost": Decimal("0.001234")}, {"cost": 0.001234}),
    ],
)
async def test_a_message_tells_how_it_came_to_be_only_where_there_is_something(
    facts, told, alice, alice_client
):
    path = await in_thread(make_answer, alice, **facts)
    _question, answer = (await alice_client.get(path)).json()["items"]
    usual = {"id", "role", "content", "status", "createdAt", "notices", "feedback", "model", "streamId"}
    usual |= {"parentId", "shown"}
    assert {name: value for name, value in answer.items() if name not in usual} == told
