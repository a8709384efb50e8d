"""A message while an answer is being written: that answer ends where it is, and this one begins."""

import asyncio

import pytest

from chat.models import Generation, Message, Status
from chat.work import in_thread
from tests.chat.scripted import FEVER, LULLABY, ask, count, logged, received, send

pytestmark = pytest.mark.django_db(transaction=True)


async def statuses(conversation):
    rows = Message.objects.filter(conversation__uuid=conversation, role="assistant").order_by("pk")
    return await in_thread(lambda: [(row.status, row.content, row.generation.stop_reason) for row in rows])


async def half_answered(says, client, *, then=LULLABY):
    """An answer that has said something and goes on; its response, unread, and its conversation."""
    provider = says(answers=[("Quite well. ", asyncio.Event()), then])
    response = await send(client, "How do babies sleep?")
    generation = await in_thread(lambda: Generation.objects.select_related("message__conversation").get())
    await logged(generation.stream_uuid, 2)
    return provider, response, str(generation.message.conversation.uuid)


async def test_running_answer_is_stopped_and_the_new_one_is_answered(says, alice_client):
    provider, first, conversation = await half_answered(says, alice_client)
    second = await ask(alice_client, "And at night?", conversationId=conversation)
    assert second.transcript.text == "Warm and calm is enough. "
    assert await statuses(conversation) == [
        (Status.STOPPED, "Quite well. ", "superseded"),
        (Status.COMPLETE, "Warm and calm is enough. ", ""),
    ]
    assert provider.closed == 2
    told = await received(first)
    assert (told.transcript.text, told.transcript.outcome) == ("Quite well. ", "stopped")


async def test_new_answer_knows_what_the_stopped_one_had_said(says, alice_client):
    provider, _first, conversation = await half_answered(says, alice_client)
    await ask(alice_client, "And at night?", conversationId=conversation)
    assert provider.prompts[1][1:] == [
        {"role": "user", "content": "How do babies sleep?"},
        {"role": "assistant", "content": "Quite well. "},
        {"role": "user", "content": "And at night?"},
    ]


async def test_emergency_does_not_wait_for_a_running_answer(says, alice_client):
    _provider, _first, conversation = await half_answered(says, alice_client)
    second = await ask(alice_client, FEVER, conversationId=conversation)
    assert second.types[:2] == ["metadata", "notice"]
    assert [status for status, _text, _why in await statuses(conversation)] == ["stopped", "complete"]


async def test_another_conversation_is_left_alone(says, alice_client):
    go_on = asyncio.Event()
    says(answers=[("Quite well. ", go_on, *LULLABY), LULLABY])
    first = await send(alice_client, "How do babies sleep?")
    await ask(alice_client, "And at night?")
    go_on.set()
    assert (await received(first)).transcript.outcome == "complete"


async def test_two_messages_at_the_same_moment_leave_one_answer_running(says, alice_client):
    says(*LULLABY)
    conversation = (await ask(alice_client)).opening["conversationId"]
    never = asyncio.Event()
    says(answers=[("One. ", never), ("Two. ", never)])
    responses = await asyncio.gather(
        send(alice_client, "First?", conversationId=conversation),
        send(alice_client, "Second?", conversationId=conversation),
    )
    assert [response.status_code for response in responses] == [200, 200]
    assert await count(Message, status=Status.STREAMING) == 1


async def test_superseded_answer_counts_once_against_the_rate(says, alice_client, settings):
    settings.RATE_LIMIT_MESSAGES = "2/m"
    _provider, _first, conversation = await half_answered(says, alice_client)
    second = await send(alice_client, "And at night?", conversationId=conversation)
    third = await send(alice_client, "And at noon?", conversationId=conversation)
    assert (second.status_code, third.status_code) == (200, 429)


async def test_retry_stops_what_runs_in_its_conversation(says, alice_client):
    _provider, _first, conversation = await half_answered(says, alice_client)
    await ask(alice_client, "And at night?", conversationId=conversation)
    stopped = await in_thread(lambda: Message.objects.get(status=Status.STOPPED))
    says(answers=[("Runs. ", asyncio.Event()), LULLABY])
    running = await send(alice_client, "And at noon?", conversationId=conversation)
    path = f"/api/v1/messages/{stopped.uuid}/retry"
    again = await received(await alice_client.post(path, {}, content_type="application/json"))
    assert again.transcript.outcome == "complete"
    assert (await received(running)).transcript.outcome == "stopped"
    await logged(again.opening["streamId"], 3)
