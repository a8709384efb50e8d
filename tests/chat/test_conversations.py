"""The list beside the chat, and what its sheet does; with htmx and without."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from chat.conversations import LISTED, listing
from chat.models import Conversation, Message, User
from chat.work import in_thread
from tests.chat.scripted import answer, count
from tests.chat.test_admin import make_turn
from tests.conftest import client_of

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)


def make(owner, used, title="Talk", **fields):
    return Conversation.objects.create(owner=owner, title=title, updated_at=used, **fields)


def groups(person, **more):
    found = listing(person, now=NOW, **more)
    return [(str(group.label), [row.title for row in group.rows]) for group in found.groups]


def test_list_is_grouped_by_time_with_what_is_pinned_on_top(alice, bob):
    for days, title in [(0, "now"), (1, "one"), (2, "two"), (7, "seven"), (8, "eight"), (30, "thirty")]:
        make(alice, NOW - timedelta(days=days), title)
    for moment in (datetime(2026, 1, 5, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC)):
        make(alice, moment, f"{moment:%B}")
    make(alice, datetime(2024, 1, 5, tzinfo=UTC), "old", pinned_at=NOW)
    make(alice, NOW, "gone", deleted_at=NOW)
    make(bob, NOW, "Bob's")
    assert groups(alice) == [
        ("Pinned", ["old"]),
        ("Today", ["now"]),
        ("Yesterday", ["one"]),
        ("Previous 7 days", ["two", "seven"]),
        ("Previous 30 days", ["eight", "thirty"]),
        ("January", ["January"]),
        ("December 2025", ["December"]),
    ]
    assert (groups(None), groups(bob)) == ([], [("Today", ["Bob's"])])


def test_days_are_those_of_the_person_s_own_clock(alice):
    make(alice, NOW - timedelta(hours=2))
    assert groups(alice)[0][0] == "Yesterday"
    alice.timezone = "America/New_York"
    assert groups(alice)[0][0] == "Today"


def test_older_ones_go_on_where_the_list_ended(alice):
    for number in range(LISTED + 3):
        make(alice, NOW - timedelta(minutes=number), f"{number}")
    first = listing(alice, now=NOW)
    ((label, titles),) = groups(alice, after=first.last)
    assert [len(group.rows) for group in first.groups] == [LISTED]
    assert (label, titles) == ("", ["50", "51", "52"])
    assert listing(alice, after=first.last, now=NOW).last is None


# --- The page -----------------------------------------------------------------------------------------------

HTMX = {"HX-Request": "true"}


def beside(conversation):
    """As htmx asks from the page of a conversation."""
    return HTMX | {"HX-Current-URL": f"http://testserver/c/{conversation}/"}


def text(response):
    return html.unescape(response.content.decode())


async def test_list_is_given_in_parts_with_a_way_to_the_next(alice, alice_client):
    await in_thread(lambda: [make(alice, timezone.now(), f"Talk {n}.") for n in range(LISTED + 1)])
    page = text(await alice_client.get("/"))
    (address,) = re.findall(r'class="older-ones" href="([^"]+)"', page)
    assert page.count('aria-label="More for') == LISTED
    part, whole = text(await alice_client.get(address, headers=HTMX)), text(await alice_client.get(address))
    for shown in (part, whole):
        assert re.findall(r">(Talk \d+\.)<", shown) == ["Talk 0."]
    assert (part.count("<h2"), part.count("<html"), whole.count("<html")) == (0, 0, 1)


async def test_wrong_cursor_of_the_list_is_422(alice_client):
    assert (await alice_client.get("/conversations/?cursor=x")).status_code == 422


async def test_search_shows_marked_words_and_leads_to_the_message(says, alice, bob, alice_client):
    turn = await answer(alice, "Is <b>honey</b> & milk fine?")
    await answer(bob, "Bob asks of honey")
    for headers in (HTMX, {}):
        page = (await alice_client.get("/conversations/?q=HONEY", headers=headers)).content.decode()
        assert page.count("<mark>honey</mark>") == 2  # the title and the message
        assert f'href="/c/{turn.conversation}/?at={turn.question}#m-{turn.question}"' in page
        assert ("<b>" in page, "Bob" in page) == (False, False)
    nothing = text(await alice_client.get("/conversations/", {"q": '<script>"x'}, headers=HTMX))
    assert nothing.count("Nothing found for") == 1
    await in_thread(Message.objects.filter(uuid=turn.question).update, is_shown=False)
    hidden = text(await alice_client.get("/conversations/?q=honey", headers=HTMX))
    assert re.findall(r'href="(/c/[^"]+/)"', hidden) == [f"/c/{turn.conversation}/"]


async def test_sheet_renames_pins_and_gives_the_list_anew(says, alice, alice_client):
    turn = await answer(alice, "First?")
    path = f"/c/{turn.conversation}"
    renamed = text(
        await alice_client.post(f"{path}/rename", {"title": " Night "}, headers=beside(turn.conversation))
    )
    assert re.findall(r'hx-target="#(\w+)"', renamed)[:2] == ["conversations", "sheet"]
    assert re.findall(r'hx-target="#title" hx-swap="innerHTML">(\w+)', renamed) == ["Night"]
    assert await count(Conversation, title="Night", is_named=True) == 1
    pinned = text(await alice_client.post(f"{path}/pin", {"pinned": "on"}, headers=beside(turn.conversation)))
    assert pinned.count(">Pinned</h2>") == 1
    plain = await alice_client.post(f"{path}/pin", {"pinned": "off"})
    assert (plain.status_code, plain["Location"]) == (302, f"{path}/")
    assert await count(Conversation, pinned_at=None) == 1


@pytest.mark.parametrize("title", ["", "  ", "x" * 81, "\0"])
async def test_wrong_name_is_kept_in_the_form_with_the_reason(title, says, alice, alice_client):
    turn = await answer(alice, "First?")
    page = text(await alice_client.post(f"/c/{turn.conversation}/rename", {"title": title}))
    assert page.count("A name needs 1 to 80 characters.") == 1
    assert page.count(f'value="{title.strip().strip(chr(0))}" aria-describedby="name-problem"') == 1
    assert await count(Conversation, title="First?") == 1


async def test_delete_offers_the_way_back_without_javascript(says, alice, bob_client, alice_client):
    turn = await answer(alice, "First?")
    gone = await alice_client.post(f"/c/{turn.conversation}/delete")
    assert gone["Location"] == f"/?deleted={turn.conversation}"
    page = text(await alice_client.get(gone["Location"]))
    form = f'action="/c/{turn.conversation}/restore"'
    assert (page.count("Conversation deleted."), page.count(form)) == (1, 1)
    assert text(await bob_client.get(gone["Location"])).count("Conversation deleted.") == 0
    assert (await bob_client.post(f"/c/{turn.conversation}/restore")).status_code == 404
    back = await alice_client.post(f"/c/{turn.conversation}/restore")
    assert back["Location"] == f"/c/{turn.conversation}/"
    assert text(await alice_client.get(gone["Location"])).count("Conversation deleted.") == 0


async def test_delete_of_another_one_stays_on_the_page(says, alice, alice_client):
    here, other = await answer(alice, "Here?"), await answer(alice, "Other?")
    response = await alice_client.post(f"/c/{other.conversation}/delete", headers=beside(here.conversation))
    shown = text(response)
    assert (shown.count("Other?"), shown.count(f"/c/{other.conversation}/restore")) == (0, 2)
    own = await alice_client.post(f"/c/{here.conversation}/delete", headers=beside(here.conversation))
    assert own["HX-Redirect"] == f"/?deleted={here.conversation}"


async def test_admin_does_not_show_what_was_deleted(says, alice, alice_client):
    await in_thread(User.objects.create_superuser, "root")
    rows = await in_thread(lambda: make_turn(alice))
    generation = await in_thread(lambda: rows[1].generation)
    named = dict(
        zip(
            ["conversation", "feedback", "safetyevent", "generation"],
            [*rows[:1], *rows[2:], generation],
            strict=True,
        )
    )

    def seen():
        client = client_of(User.objects.get(username="root"))
        lists = [client.get(f"/admin/chat/{name}/").context["cl"].result_count for name in named]
        pages = [
            client.get(f"/admin/chat/{name}/{row.pk}/change/").status_code for name, row in named.items()
        ]
        return lists, pages

    assert await in_thread(seen) == ([1] * 4, [200] * 4)
    await alice_client.post(f"/c/{rows[0].uuid}/delete")
    assert await in_thread(seen) == ([0] * 4, [302] * 4)
