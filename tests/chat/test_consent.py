"""Consent before the first message on the page; what an emergency gets without it; how often AI is said."""

from datetime import timedelta

import pytest
from django.utils import timezone

from chat import access, consent
from chat.models import Child, Consent, Message, Person
from tests.chat.scripted import QUESTION, ask

pytestmark = pytest.mark.django_db(transaction=True)
SEND, HTMX = "/send", {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def asked_for(settings):
    settings.CONSENT_REQUIRED = True


async def test_message_without_consent_is_refused_and_nothing_is_kept(says, guest_client):
    response = await guest_client.post(SEND, {"message": QUESTION}, headers=HTMX)
    assert (response.status_code, response["HX-Retarget"]) == (403, "#problem")
    assert 'name="consent" value="on"' in response.content.decode()
    assert (await Message.objects.acount(), await Person.objects.acount()) == (0, 0)


async def test_draft_is_kept_without_javascript(says, alice_client):
    page = (await alice_client.post(SEND, {"message": "About sleep & me"})).content.decode()
    assert "About sleep &amp; me</textarea>" in page


async def test_emergency_shows_its_card_before_any_consent(says, guest_client):
    response = await guest_client.post(SEND, {"message": "my baby is not breathing"}, headers=HTMX)
    page = response.content.decode()
    assert page.index('data-severity="emergency"') < page.index('name="consent"')
    assert await Message.objects.acount() == 0


async def test_consent_may_come_with_the_message(says, guest_client):
    response = await guest_client.post(SEND, {"message": QUESTION, "consent": "on"})
    assert response.status_code == 302
    given = await Consent.objects.aget()
    assert (given.version, given.language) == (consent.VERSION, "en")
    assert (await guest_client.post(SEND, {"message": QUESTION})).status_code == 302


async def test_consent_on_the_first_page_is_kept_once(says, alice, alice_client):
    assert 'action="/consent"' in (await alice_client.get("/")).content.decode()
    responses = [await alice_client.post("/consent") for _twice in range(2)]
    assert [(r.status_code, r["Location"]) for r in responses] == [(303, "/")] * 2
    assert 'action="/consent"' not in (await alice_client.get("/")).content.decode()
    assert [given async for given in Consent.objects.values_list("person", "version")] == [
        (alice.pk, consent.VERSION)
    ]


async def test_another_version_is_asked_again(says, alice, alice_client):
    await Consent.objects.acreate(person=alice, version="2020-01", language="en")
    assert (await alice_client.post(SEND, {"message": QUESTION}, headers=HTMX)).status_code == 403


async def test_api_asks_nobody_but_tells(says, alice, alice_client):
    assert (await ask(alice_client, QUESTION)).types[-1] == "done"
    told = (await alice_client.get("/api/v1/me")).json()["consent"]
    assert told == {"version": consent.VERSION, "givenAt": None}
    await alice_client.post("/consent")
    assert (await alice_client.get("/api/v1/me")).json()["consent"]["givenAt"] is not None


def test_points_name_the_time_and_the_place(settings):
    words = [point.words for point in consent.points()]
    settings.KEEP_DAYS, settings.MODEL_PLACE = 30, "a clinic in Vienna"
    changed = [point.words for point in consent.points() if point.words not in words]
    assert changed == [
        "Your messages and the answers, until you delete them, or 30 days after you last used them.",
        "Your words are sent to an AI model at a clinic in Vienna.",
    ]


@pytest.mark.parametrize(("hours", "must"), [(None, True), (2.9, False), (3, True)])
def test_ai_is_said_again_after_three_hours(hours, must):
    now = timezone.now()
    told = None if hours is None else now - timedelta(hours=hours)
    assert consent.must_tell_ai(Person(told_ai_at=told), now) == must


# --- A guest who signs up -----------------------------------------------------------------------------------


def guest_with(**fields):
    return Person.objects.create(guest_key="6f1c2f2e-3c5b-4a5e-9d7e-2f6f0c1f9a11", **fields)


def test_what_a_guest_told_and_agreed_to_goes_with_them(alice):
    due = timezone.now().date() + timedelta(days=90)
    guest = guest_with(due_date=due, about="Twins", tone="warm", language="fr")
    consent.give(guest, "fr")
    guest.children.create(name="Leo", notes="allergic to eggs")
    access._merge(guest, alice)
    alice.refresh_from_db()
    assert (alice.due_date, alice.about, alice.tone, alice.language) == (due, "Twins", "warm", "fr")
    assert [(c.name, c.notes) for c in alice.children.all()] == [("Leo", "allergic to eggs")]
    assert consent.is_given(alice)
    assert not Person.objects.filter(pk=guest.pk).exists()


def test_what_the_account_has_told_stays(alice):
    alice.about, alice.language = "One baby", "de"
    alice.save()
    alice.children.create(name="Leo", feeding="breast")
    consent.give(alice, "de")
    guest = guest_with(about="Twins", language="fr")
    guest.children.create(name="leo", feeding="formula", notes="allergic to eggs")
    consent.give(guest, "fr")
    access._merge(guest, alice)
    alice.refresh_from_db()
    assert (alice.about, alice.language) == ("One baby", "de")
    assert list(Child.objects.values_list("name", "feeding", "notes")) == [
        ("Leo", "breast", "allergic to eggs")
    ]
    assert list(Consent.objects.values_list("person", "language")) == [(alice.pk, "de")]


async def test_consent_of_one_is_not_anothers(says, alice_client, bob_client):
    await alice_client.post("/consent")
    assert (await bob_client.post(SEND, {"message": QUESTION}, headers=HTMX)).status_code == 403
