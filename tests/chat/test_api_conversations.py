"""Conversations, messages and feedback: pages, cursors, shapes, and whose they are."""

import asyncio
import base64
import json
import uuid
from datetime import timedelta

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.conversations import purge
from chat.models import Conversation, Feedback, Generation, Message, Role, Status
from chat.work import in_thread
from streaming.events import ErrorCode
from streaming.providers.base import ProviderError
from tests.chat.scripted import (
    CRISIS,
    FEVER,
    LULLABY_TEXT,
    PATIENCE,
    STOP,
    answer,
    ask,
    begin,
    count,
    logged,
    received,
    saved,
    send,
)

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/api/v1/conversations"
NOBODY = "00000000-0000-4000-8000-000000000000"


def z(moment):
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def make_conversations(owner, number, *, at=None):
    """As many, all used at the same moment where `at` is given."""
    return [
        Conversation.objects.create(owner=owner, title=f"Talk {n}", updated_at=at or timezone.now())
        for n in range(number)
    ]


def make_exchanges(conversation, number):
    for n in range(number):
        question = Message.objects.create(
            conversation=conversation, role=Role.USER, author=conversation.owner, content=f"Question {n}?"
        )
        told = Message.objects.create(
            conversation=conversation, role=Role.ASSISTANT, question=question, content=f"Answer {n}."
        )
        Generation.objects.create(message=told, model="m", ended_at=timezone.now())
        Feedback.objects.create(message=told, person=conversation.owner, rating="up")


async def pages(client, path, **query):
    """All items of a list, page by page, and the sizes of its pages."""
    items, sizes, cursor = [], [], ""
    while True:
        body = (await client.get(path, query | ({"cursor": cursor} if cursor else {}))).json()
        items += body["items"]
        sizes.append(len(body["items"]))
        cursor = body["nextCursor"]
        if cursor is None:
            return items, sizes
        assert len(sizes) < 50


# --- The list -----------------------------------------------------------------------------------------------


async def test_list_is_of_one_s_own_the_latest_first(says, alice, bob, alice_client):
    first, second = await answer(alice, "First?"), await answer(alice, "Second?")
    await answer(bob, "Bob's?")
    await answer(alice, "More?", conversation=first.conversation)
    body = (await alice_client.get(LIST)).json()
    assert [(item["id"], item["title"], item["messageCount"]) for item in body["items"]] == [
        (str(first.conversation), "First?", 4),
        (str(second.conversation), "Second?", 2),
    ]
    assert body["nextCursor"] is None


async def test_conversation_has_this_shape(says, alice, alice_client):
    turn = await answer(alice, "First?")
    row = await in_thread(Conversation.objects.get)
    body = (await alice_client.get(f"{LIST}/{turn.conversation}")).json()
    assert body == {
        "id": str(turn.conversation),
        "title": "First?",
        "createdAt": z(row.created_at),
        "updatedAt": z(row.updated_at),
        "messageCount": 2,
        "pinned": False,
        "sharedUrl": None,
    }
    assert (await alice_client.get(LIST)).json() == {"items": [body], "nextCursor": None}


@pytest.mark.parametrize("limit, sizes", [(10, [10, 10, 5]), (25, [25]), (24, [24, 1]), (1, [1] * 25)])
async def test_pages_hold_every_conversation_once_though_all_were_used_at_once(
    limit, sizes, alice, alice_client
):
    made = await in_thread(lambda: make_conversations(alice, 25, at=timezone.now()))
    items, found = await pages(alice_client, LIST, limit=limit)
    assert [item["id"] for item in items] == [str(row.uuid) for row in reversed(made)]
    assert found == sizes


async def test_twenty_are_listed_where_no_limit_is_given(alice, alice_client):
    await in_thread(lambda: make_conversations(alice, 25))
    assert (await pages(alice_client, LIST))[1] == [20, 5]


@pytest.mark.parametrize("limit", ["0", "-1", "101", "ten"])
async def test_limit_out_of_bounds_is_422(limit, alice_client):
    response = await alice_client.get(LIST, {"limit": limit})
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["query", "limit"])


@pytest.mark.parametrize("limit", [1, 100])
async def test_limit_at_its_bounds_is_taken(limit, alice, alice_client):
    await in_thread(lambda: make_conversations(alice, 2))
    body = (await alice_client.get(LIST, {"limit": limit})).json()
    assert len(body["items"]) == min(limit, 2)


def cursor_of(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


BAD_CURSORS = [
    "x",
    "é",
    "a" * 5,
    "====",
    cursor_of({}),
    cursor_of([]),
    cursor_of(["yesterday", 1]),
    cursor_of(["2026-01-01T00:00:00Z", "one"]),
    cursor_of(["2026-01-01T00:00:00", 1]),
    cursor_of(["0001-01-01T00:00:00+14:00", 1]),
    cursor_of(["9999-12-31T23:59:59-14:00", 1]),
]


@pytest.mark.parametrize("cursor", BAD_CURSORS)
async def test_cursor_that_we_did_not_make_is_422(cursor, alice, alice_client):
    await in_thread(lambda: make_conversations(alice, 1))
    response = await alice_client.get(LIST, {"cursor": cursor})
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["query", "cursor"])


async def test_cursor_with_a_huge_number_is_no_error(alice, alice_client):
    (row,) = await in_thread(lambda: make_conversations(alice, 1))
    for number in (2**70, -(2**70)):
        response = await alice_client.get(LIST, {"cursor": cursor_of([row.updated_at.isoformat(), number])})
        assert response.status_code in (200, 422)


async def test_cursor_of_another_person_shows_only_one_s_own(alice, bob, alice_client, bob_client):
    at = timezone.now()
    await in_thread(lambda: make_conversations(alice, 2, at=at))
    (own,) = await in_thread(lambda: make_conversations(bob, 1, at=at - timedelta(hours=1)))
    cursor = (await alice_client.get(LIST, {"limit": 1})).json()["nextCursor"]
    items = (await bob_client.get(LIST, {"cursor": cursor})).json()["items"]
    assert [item["id"] for item in items] == [str(own.uuid)]


@pytest.mark.parametrize(
    "words, found",
    [
        ("colic", ["About colic"]),
        ("COLIC", ["About colic"]),
        ("Question 0", ["With words"]),
        ("answer 1", ["With words"]),
        ("  ", ["With words", "About colic"]),
        ("100%", []),
        ("_", []),
        ("nothing", []),
    ],
)
async def test_search_looks_into_titles_and_messages_of_one_s_own(words, found, alice, bob, alice_client):
    def make():
        now = timezone.now()
        Conversation.objects.create(owner=alice, title="About colic", updated_at=now)
        later = now + timedelta(seconds=1)
        make_exchanges(Conversation.objects.create(owner=alice, title="With words", updated_at=later), 2)
        make_exchanges(Conversation.objects.create(owner=bob, title="Bob's colic", updated_at=later), 2)

    await in_thread(make)
    items = (await alice_client.get(LIST, {"q": words})).json()["items"]
    assert [item["title"] for item in items] == found


async def test_search_counts_all_messages_and_pages(alice, alice_client):
    def make():
        for row in make_conversations(alice, 3, at=timezone.now()):
            make_exchanges(row, 2)

    await in_thread(make)
    items, sizes = await pages(alice_client, LIST, q="question", limit=2)
    assert ([item["messageCount"] for item in items], sizes) == ([4, 4, 4], [2, 1])


async def test_search_for_a_nul_is_422(alice_client):
    response = await alice_client.get(LIST, {"q": "a\x00b"})
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["query", "q"])


# --- One conversation ---------------------------------------------------------------------------------------


async def patch(client, conversation, body):
    return await client.patch(f"{LIST}/{conversation}", body, content_type="application/json")


async def test_rename_changes_the_title_and_not_the_order(says, alice, alice_client):
    first = await answer(alice, "First?")
    await answer(alice, "Second?")
    response = await patch(alice_client, first.conversation, {"title": "  Night feeds  "})
    assert (response.status_code, response.json()["title"]) == (200, "Night feeds")
    titles = [item["title"] for item in (await alice_client.get(LIST)).json()["items"]]
    assert titles == ["Second?", "Night feeds"]


@pytest.mark.parametrize(
    "body", [{"title": ""}, {"title": "  "}, {"title": "x" * 81}, {"title": None}, {"title": "a\u0000b"}]
)
async def test_wrong_title_is_422_and_changes_nothing(body, says, alice, alice_client):
    turn = await answer(alice, "First?")
    response = await patch(alice_client, turn.conversation, body)
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["body", "title"])
    assert await count(Conversation, title="First?") == 1


async def test_other_fields_cannot_be_patched(says, alice, bob, alice_client):
    turn = await answer(alice, "First?")
    response = await patch(alice_client, turn.conversation, {"title": "New", "owner": bob.pk})
    assert response.status_code == 422
    assert await count(Conversation, title="First?", owner=alice) == 1


async def test_pin_is_told_and_changes_neither_title_nor_order(says, alice, alice_client):
    first = await answer(alice, "First?")
    await answer(alice, "Second?")
    pinned = (await patch(alice_client, first.conversation, {"pinned": True})).json()
    assert (pinned["title"], pinned["pinned"]) == ("First?", True)
    listed = (await alice_client.get(LIST)).json()["items"]
    assert [(item["title"], item["pinned"]) for item in listed] == [("Second?", False), ("First?", True)]
    both = (await patch(alice_client, first.conversation, {"title": "Sleep", "pinned": False})).json()
    assert (both["title"], both["pinned"]) == ("Sleep", False)
    assert await count(Conversation, is_named=True, title="Sleep") == 1


@pytest.mark.parametrize("body, loc", [({}, ["body"]), ({"pinned": "yes"}, ["body", "pinned"])])
async def test_nothing_to_change_is_422(body, loc, says, alice, alice_client):
    turn = await answer(alice, "First?")
    response = await patch(alice_client, turn.conversation, body)
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, loc)


async def restore(client, conversation):
    return await client.post(f"{LIST}/{conversation}/restore", content_type="application/json")


async def test_deleted_conversation_is_nowhere_and_can_be_brought_back(says, alice, alice_client, bob_client):
    turn, other = await answer(alice, FEVER), await answer(alice, "Other?")
    address = f"{LIST}/{turn.conversation}"
    link = (await alice_client.put(f"{address}/share")).json()["sharedUrl"]
    response = await alice_client.delete(address)
    assert (response.status_code, response.content) == (204, b"")
    items = (await alice_client.get(LIST)).json()["items"]
    assert [item["id"] for item in items] == [str(other.conversation)]
    gone = [
        alice_client.get(address),
        alice_client.get(f"{address}/messages"),
        patch(alice_client, turn.conversation, {"title": "Mine"}),
        alice_client.put(f"{address}/share"),
        alice_client.get(f"/api/v1/ai/streams/{turn.stream}"),
        put(alice_client, turn.answer, rating="up"),
        retry(alice_client, turn.answer),
        show(alice_client, turn.question),
        alice_client.get(f"/c/{turn.conversation}/"),
        alice_client.get(f"/c/{turn.conversation}/print"),
        alice_client.get(f"/streams/{turn.stream}"),
        alice_client.get(link),
        alice_client.delete(address),
        restore(bob_client, turn.conversation),
    ]
    assert [(await one).status_code for one in gone] == [404] * len(gone)
    back = await restore(alice_client, turn.conversation)
    assert (back.status_code, back.json()["messageCount"]) == (200, 2)
    assert (await alice_client.get(address)).json() == back.json()
    assert (await alice_client.get(link)).status_code == 200
    assert (await restore(alice_client, turn.conversation)).status_code == 404


async def test_deleted_conversation_is_removed_for_good_when_its_time_is_over(says, alice, alice_client):
    turn, other = await answer(alice, FEVER), await answer(alice, "Other?")
    await alice_client.delete(f"{LIST}/{turn.conversation}")
    assert (await in_thread(purge), await count(Conversation)) == (0, 2)
    earlier = timezone.now() - timedelta(seconds=601)
    await in_thread(Conversation.objects.exclude(deleted_at=None).update, deleted_at=earlier)
    assert (await restore(alice_client, turn.conversation)).status_code == 404
    assert await in_thread(purge) > 0
    left = await in_thread(lambda: [row.uuid for row in Conversation.objects.all()])
    assert (left, await count(Message), await count(Generation)) == ([other.conversation], 2, 1)


async def test_message_sent_again_after_its_conversation_was_deleted_is_a_new_one(says, alice, alice_client):
    first = await ask(alice_client, "First?", clientMessageId="m1")
    await alice_client.delete(f"{LIST}/{first.opening['conversationId']}")
    again = await ask(alice_client, "First?", clientMessageId="m1")
    assert again.opening["conversationId"] != first.opening["conversationId"]


async def test_delete_while_it_is_answered_stops_the_answer(says, alice, alice_client):
    provider = says("Shown. ", asyncio.Event())
    turn = await begin(alice)
    await logged(turn.stream, 2)
    reading = asyncio.create_task(_read(alice_client, turn.stream))
    await asyncio.sleep(0.5)
    response = await alice_client.delete(f"{LIST}/{turn.conversation}")
    told = await asyncio.wait_for(reading, PATIENCE)
    assert (response.status_code, provider.closed) == (204, 1)
    assert (told.transcript.outcome, told.transcript.text) == ("stopped", "Shown. ")
    await restore(alice_client, turn.conversation)
    _question, told = (await alice_client.get(f"{LIST}/{turn.conversation}/messages")).json()["items"]
    assert (told["content"], told["status"], told["stopReason"]) == ("Shown. ", "stopped", "person")


async def _read(client, stream):
    return await received(await client.get(f"/api/v1/ai/streams/{stream}"))


async def test_conversation_of_another_is_404_and_stays(says, alice, bob_client):
    turn = await answer(alice, "Secret of Alice?")
    address = f"{LIST}/{turn.conversation}"
    replies = [
        await bob_client.get(address),
        await patch(bob_client, turn.conversation, {"title": "Mine"}),
        await bob_client.delete(address),
        await bob_client.get(f"{address}/messages"),
        await bob_client.put(f"{address}/share"),
        await bob_client.delete(f"{address}/share"),
        await restore(bob_client, turn.conversation),
    ]
    unknown = await bob_client.get(f"{LIST}/{NOBODY}")
    assert [reply.content for reply in replies] == [unknown.content] * 7
    assert {reply.status_code for reply in replies} == {404}
    assert await count(Conversation, title="Secret of Alice?") == 1


# --- Messages -----------------------------------------------------------------------------------------------


async def test_messages_have_this_shape(says, alice, alice_client):
    turn = await answer(alice, "First?")
    rows = await in_thread(lambda: list(Message.objects.order_by("pk")))
    items = (await alice_client.get(f"{LIST}/{turn.conversation}/messages")).json()["items"]
    times = [item.pop("createdAt") for item in items]
    timing = items[1].pop("timing")
    assert items == [
        {
            "id": str(turn.question),
            "role": "user",
            "content": "First?",
            "status": "complete",
            "notices": [],
            "feedback": None,
            "parentId": None,
            "shown": True,
        },
        {
            "id": str(turn.answer),
            "role": "assistant",
            "content": LULLABY_TEXT,
            "status": "complete",
            "notices": [],
            "feedback": None,
            "parentId": str(turn.question),
            "shown": True,
            "model": "scripted",
            "streamId": turn.stream_id,
            "finishReason": "stop",
            "usage": {"promptTokens": 12, "completionTokens": 3, "totalTokens": 15},
            "cost": 0.000012,
        },
    ]
    assert times == [z(row.created_at) for row in rows]
    assert sorted(timing) == ["durationMs", "tokensPerSecond", "ttftMs"]


async def test_failed_and_refused_messages_have_this_shape(says, alice, alice_client):
    says(ProviderError(ErrorCode.RATE_LIMITED, "secret", retry_after=7))
    first = await answer(alice, "First?")
    await answer(alice, CRISIS, conversation=first.conversation)
    response = await alice_client.get(f"{LIST}/{first.conversation}/messages")
    _, failed, _, refused = response.json()["items"]
    assert (failed["status"], failed["error"]) == (
        "failed",
        {
            "code": "rate_limited",
            "message": "Many parents are asking right now. Please try again in a moment.",
            "retryable": True,
            "retryAfter": 7,
        },
    )
    assert (refused["status"], refused["finishReason"], "error" in refused) == ("refused", "refused", False)
    (notice,) = refused["notices"]
    assert sorted(notice) == ["actions", "card", "category", "content", "language", "severity"]
    assert b"secret" not in response.content


async def test_messages_of_all_tries_are_listed_oldest_first_by_pages(alice, alice_client):
    (conversation,) = await in_thread(lambda: make_conversations(alice, 1))
    await in_thread(lambda: make_exchanges(conversation, 12))
    items, sizes = await pages(alice_client, f"{LIST}/{conversation.uuid}/messages", limit=10)
    expected = [text for n in range(12) for text in (f"Question {n}?", f"Answer {n}.")]
    assert ([item["content"] for item in items], sizes) == (expected, [10, 10, 4])


@pytest.mark.parametrize("cursor", ["x", cursor_of([]), cursor_of(["2026-01-01T00:00:00Z", 1])])
async def test_wrong_cursor_of_messages_is_422(cursor, alice, alice_client):
    (conversation,) = await in_thread(lambda: make_conversations(alice, 1))
    response = await alice_client.get(f"{LIST}/{conversation.uuid}/messages", {"cursor": cursor})
    assert (response.status_code, response.json()["code"]) == (422, "invalid")


# --- Cost ---------------------------------------------------------------------------------------------------


async def queries_of(client, path, monkeypatch):
    """How many queries the unit of work behind a page takes."""
    import chat.doors

    counted = []

    async def counting(function):
        def run():
            with CaptureQueriesContext(connections["default"]) as captured:
                result = function()
            counted.append(len(captured))
            return result

        return await in_thread(run)

    monkeypatch.setattr(chat.doors, "unit_of_work", counting)
    response = await client.get(path)
    assert response.status_code == 200
    return sum(counted)


# the user with the person, and what the page needs; the session comes from the cache
@pytest.mark.parametrize("rows", [1, 3])
async def test_list_of_conversations_takes_three_queries(rows, alice, alice_client, monkeypatch):
    def make():
        for conversation in make_conversations(alice, rows):
            make_exchanges(conversation, rows)

    await in_thread(make)
    assert await queries_of(alice_client, LIST, monkeypatch) == 3


@pytest.mark.parametrize("rows", [1, 3])
async def test_list_of_messages_takes_five_queries(rows, alice, alice_client, monkeypatch):
    (conversation,) = await in_thread(lambda: make_conversations(alice, 1))
    await in_thread(lambda: make_exchanges(conversation, rows))
    assert await queries_of(alice_client, f"{LIST}/{conversation.uuid}/messages", monkeypatch) == 5


# --- Feedback -----------------------------------------------------------------------------------------------


def feedback_path(message):
    return f"/api/v1/messages/{message}/feedback"


async def put(client, message, **body):
    return await client.put(feedback_path(message), body, content_type="application/json")


async def test_feedback_is_kept_replaced_and_taken_back(says, alice, alice_client):
    turn = await answer(alice)
    first = await put(alice_client, turn.answer, rating="down", reasons=["wrong"], comment="Too long")
    body = first.json()
    assert (first.status_code, sorted(body)) == (200, ["comment", "rating", "reasons", "updatedAt"])
    assert (body["rating"], body["reasons"], body["comment"]) == ("down", ["wrong"], "Too long")
    second = (await put(alice_client, turn.answer, rating="up")).json()
    assert (second["rating"], second["reasons"], second["comment"]) == ("up", [], "")
    messages = (await alice_client.get(f"{LIST}/{turn.conversation}/messages")).json()["items"]
    assert (messages[0]["feedback"], messages[1]["feedback"]) == (None, second)
    for _ in range(2):
        response = await alice_client.delete(feedback_path(turn.answer))
        assert (response.status_code, await count(Feedback)) == (204, 0)


async def test_changed_feedback_goes_back_to_the_reviewers(says, alice, alice_client):
    turn = await answer(alice)
    await put(alice_client, turn.answer, rating="down")
    await in_thread(lambda: Feedback.objects.update(review_status="reviewed"))
    await put(alice_client, turn.answer, rating="up")
    assert await count(Feedback, rating="up", review_status="new") == 1


async def test_feedback_of_another_is_404_and_changes_nothing(says, alice, alice_client, bob_client):
    turn = await answer(alice)
    await put(alice_client, turn.answer, rating="up", comment="Alice's words")
    for response in (
        await put(bob_client, turn.answer, rating="down"),
        await bob_client.delete(feedback_path(turn.answer)),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert await count(Feedback, rating="up", comment="Alice's words") == 1
    assert await count(Feedback) == 1


async def test_question_and_unknown_message_cannot_be_rated(says, alice, alice_client):
    turn = await answer(alice)
    for message in (turn.question, uuid.UUID(NOBODY)):
        assert (await put(alice_client, message, rating="up")).status_code == 404
    assert await count(Feedback) == 0


@pytest.mark.parametrize(
    "body, loc",
    [
        ({"rating": "five"}, ["body", "rating"]),
        ({}, ["body", "rating"]),
        ({"rating": "up", "comment": "x" * 2001}, ["body", "comment"]),
        ({"rating": "up", "comment": "a\u0000b"}, ["body", "comment"]),
        ({"rating": "up", "reasons": ["x" * 61]}, ["body", "reasons", 0]),
        ({"rating": "up", "reasons": ["a\u0000"]}, ["body", "reasons", 0]),
        ({"rating": "up", "reasons": ["x"] * 21}, ["body", "reasons"]),
        ({"rating": "up", "stars": 5}, ["body", "stars"]),
    ],
)
async def test_wrong_feedback_is_422_and_is_not_kept(body, loc, says, alice, alice_client):
    turn = await answer(alice)
    response = await put(alice_client, turn.answer, **body)
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, loc)
    assert await count(Feedback) == 0


# --- A new try, by the API ----------------------------------------------------------------------------------


async def retry(client, message):
    return await client.post(f"/api/v1/messages/{message}/retry", content_type="application/json")


async def show(client, message):
    return await client.post(f"/api/v1/messages/{message}/show", content_type="application/json")


async def test_retry_streams_a_new_answer(says, alice, alice_client):
    says(answers=[(ProviderError(ErrorCode.PROVIDER_UNAVAILABLE, ""),), ("Now. ", STOP)])
    old = await answer(alice)
    told = await received(await retry(alice_client, old.answer))
    assert (told.transcript.text, told.opening["userMessageId"]) == ("Now. ", str(old.question))
    assert told.opening["messageId"] != str(old.answer)


async def test_retry_of_a_whole_answer_gives_another_version(says, alice, alice_client):
    says(answers=[("One. ", STOP), ("Two. ", STOP)])
    turn = await answer(alice)
    told = await received(await retry(alice_client, turn.answer))
    again = await retry(alice_client, turn.answer)
    assert (told.transcript.text, again.status_code) == ("Two. ", 409)


async def test_versions_are_listed_with_their_parents_and_one_branch_is_shown(says, alice, alice_client):
    says(answers=[(f"{n}. ", STOP) for n in range(1, 5)])
    first = await answer(alice, "One?")
    await ask(alice_client, "Two?", conversationId=str(first.conversation))
    edited = await ask(
        alice_client, "Zero?", conversationId=str(first.conversation), edits=str(first.question)
    )
    address = f"/api/v1/conversations/{first.conversation}/messages"
    items = (await alice_client.get(address)).json()["items"]
    of = {item["id"]: item for item in items}
    told = [
        (i["content"], of[i["parentId"]]["content"] if i["parentId"] else None, i["shown"]) for i in items
    ]
    assert told == [
        ("One?", None, False),
        ("1. ", "One?", False),
        ("Two?", "1. ", False),
        ("2. ", "Two?", False),
        ("Zero?", None, True),
        ("3. ", "Zero?", True),
    ]
    shown = (await alice_client.get(address, {"shown": "true"})).json()["items"]
    assert [item["id"] for item in shown] == [edited.opening["userMessageId"], edited.opening["messageId"]]
    switched = await show(alice_client, first.question)
    shown = (await alice_client.get(address, {"shown": "true"})).json()["items"]
    assert (switched.status_code, [item["content"] for item in shown]) == (
        204,
        ["One?", "1. ", "Two?", "2. "],
    )


async def test_edit_without_its_conversation_is_422(says, alice, alice_client):
    turn = await answer(alice)
    response = await send(alice_client, "X?", edits=str(turn.question))
    assert (response.status_code, await count(Message)) == (422, 2)


async def test_version_of_another_s_is_404(says, alice, bob_client):
    turn = await answer(alice)
    assert (await show(bob_client, turn.question)).status_code == 404


async def test_retry_of_another_s_answer_is_404(says, alice, bob_client):
    says(ProviderError(ErrorCode.PROVIDER_UNAVAILABLE, ""))
    turn = await answer(alice)
    response = await retry(bob_client, turn.answer)
    assert (response.status_code, (await saved(turn)).status) == (404, Status.FAILED)
    assert await count(Message) == 2
