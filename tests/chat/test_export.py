"""What a person takes along: everything of theirs, nothing of others, in files that can be read again."""

import json
import re

import pytest
from django.utils import timezone

from chat import export
from chat.feedback import Opinion, give
from chat.models import Conversation, Message
from chat.work import in_thread
from tests.chat.scripted import CRISIS, HONEY, STOP, answer
from tests.chat.test_api_conversations import make_conversations, make_exchanges
from tests.chat.test_branches import again, edit

pytestmark = pytest.mark.django_db(transaction=True)

DISCREET = "my husband hits me and I am scared of him"


async def body(response):
    assert response.status_code == 200
    return b"".join([piece async for piece in response.streaming_content]).decode()


def name_of(response):
    return re.findall(r'filename="([^"]+)"', response["Content-Disposition"])[0]


async def test_document_holds_every_version_and_can_be_put_together_again(says, alice, bob, alice_client):
    says(answers=[(f"Answer {n}. ", STOP) for n in range(1, 9)])
    first = await answer(alice, "One?")
    second = await answer(alice, "Two?", conversation=first.conversation)
    await again(alice, second)
    await edit(alice, second, "Three?")
    await in_thread(lambda: give(alice, first.answer, Opinion("down", ("too_long",), "Hm")))
    await answer(bob, "Bob's?")
    response = await alice_client.get("/conversations/export.json")
    document = json.loads(await body(response))
    (conversation,) = document["conversations"]
    assert (document["format"], document["version"], len(document)) == ("nightlight-conversations", 1, 4)
    assert (conversation["id"], conversation["title"]) == (str(first.conversation), "One?")

    def rows():
        return {
            str(m.uuid): (
                str(parent.uuid) if (parent := m.question or m.follows) else None,
                m.content,
                m.is_shown,
            )
            for m in Message.objects.filter(conversation__owner=alice)
        }

    told = {m["id"]: (m["parentId"], m["content"], m["shown"]) for m in conversation["messages"]}
    assert (told, len(told)) == (await in_thread(rows), 7)
    opinion = conversation["messages"][1]["feedback"]
    assert (opinion["rating"], opinion["reasons"], opinion["comment"]) == ("down", ["too_long"], "Hm")
    assert conversation["messages"][1]["model"] == "scripted"


async def test_one_conversation_is_the_same_document_with_one(says, alice, alice_client, bob_client):
    turn = await answer(alice, CRISIS)
    await answer(alice, "Other?")
    path = f"/c/{turn.conversation}/export.json"
    (one,) = json.loads(await body(await alice_client.get(path)))["conversations"]
    everything = json.loads(await body(await alice_client.get("/conversations/export.json")))
    assert one == everything["conversations"][0]
    assert one["messages"][1]["notices"][0]["severity"] == "emergency"
    for ending in ("json", "md"):
        assert (await bob_client.get(f"/c/{turn.conversation}/export.{ending}")).status_code == 404
    assert (await bob_client.get(f"/c/{turn.conversation}/print")).status_code == 404


async def test_markdown_reads_as_the_page_does(says, alice, alice_client):
    says(*HONEY)
    turn = await answer(alice, "Honey?")
    response = await alice_client.get(f"/c/{turn.conversation}/export.md")
    text = await body(response)
    assert response["Content-Type"] == "text/markdown; charset=utf-8"
    assert text.startswith("# Honey?\n\n")
    assert text.index("## You\n\nHoney?\n\n") < text.index("## Nightlight\n\n> ")
    assert (text.count("honey from six months"), text.count("Never shown")) == (0, 0)


@pytest.mark.parametrize(
    "title, name",
    [
        ("Night feeds", "night-feeds"),
        ('../../etc/"passwd"', "etcpasswd"),
        ("a\r\nSet-Cookie: x", "a-set-cookie-x"),
        ("", "notes"),
        ("???", "notes"),
        ("夜间", "夜间"),
    ],
)
def test_filename_is_safe(title, name):
    day = timezone.now().date().isoformat()
    assert export.filename(Conversation(title=title), "md") == f"{name}-{day}.md"


async def test_discreet_conversation_has_no_telling_filename(says, alice, alice_client):
    turn = await answer(alice, DISCREET)
    response = await alice_client.get(f"/c/{turn.conversation}/export.md")
    assert name_of(response) == f"notes-{timezone.now().date()}.md"
    assert (await body(response)).startswith("# Conversation\n")


async def test_print_page_is_whole_and_has_no_forms(says, alice, alice_client):
    (conversation,) = await in_thread(lambda: make_conversations(alice, 1))
    await in_thread(lambda: make_exchanges(conversation, 60))
    page = (await alice_client.get(f"/c/{conversation.uuid}/print")).content.decode()
    assert (page.count("Question "), page.count('class="told"'), page.count("<form")) == (60, 60, 0)


async def test_all_is_read_in_pages(alice, alice_client, monkeypatch):
    monkeypatch.setattr(export, "PAGE", 4)
    read = []
    messages = export._messages

    def counting(*arguments, **more):
        found = messages(*arguments, **more)
        read.append(len(found))
        return found

    monkeypatch.setattr(export, "_messages", counting)
    for conversation in await in_thread(lambda: make_conversations(alice, 2)):
        await in_thread(lambda row=conversation: make_exchanges(row, 5))
    document = json.loads(await body(await alice_client.get("/conversations/export.json")))
    assert [len(one["messages"]) for one in document["conversations"]] == [10, 10]
    assert read == [4, 4, 2, 0] * 2
    text = await body(await alice_client.get("/conversations/export.md"))
    assert (text.count("\n## You\n"), text.count("\n---\n"), text.count("# Talk ")) == (10, 1, 2)


async def test_guest_without_anything_takes_an_empty_document_along(guest_client):
    document = json.loads(await body(await guest_client.get("/conversations/export.json")))
    assert document["conversations"] == []
