"""POST /api/v1/ai/chat and /ai/chat/stream: bytes, shapes, and what is refused before any answer."""

import asyncio
import json
import re

import pytest
from django.test import AsyncClient

from chat.models import Conversation, Message
from chat.work import in_thread
from streaming.events import ErrorCode
from streaming.providers.base import ProviderError
from tests.chat.scripted import (
    CRISIS,
    FEVER,
    HONEY,
    INJECTION,
    LULLABY_TEXT,
    QUESTION,
    STOP,
    answer,
    ask,
    count,
    received,
    send,
)

pytestmark = pytest.mark.django_db(transaction=True)

STREAM, WHOLE = "/api/v1/ai/chat/stream", "/api/v1/ai/chat"
BOTH = pytest.mark.parametrize("path", [STREAM, WHOLE])


@pytest.fixture(autouse=True)
def unpadded(settings):
    """Bytes as they are meant; `test_api_transports.py` pads them."""
    settings.STREAM_PAD_BYTES = 0


UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def settled(raw):
    """A transcript with its ids named in order of appearance, and its timing zeroed."""
    names: dict[str, str] = {}
    text = UUID.sub(lambda found: names.setdefault(found.group(), f"uuid-{len(names) + 1}"), raw.decode())
    return re.sub(r'"timing":\{[^}]*\}', '"timing":{}', text)


GOLDEN = """\
id: 1
data: {"type":"metadata","conversationId":"uuid-1","messageId":"uuid-2","userMessageId":"uuid-3","streamId":"uuid-4","model":"scripted"}

id: 2
data: {"type":"token","content":"Warm "}

id: 3
data: {"type":"token","content":"and calm "}

id: 4
data: {"type":"token","content":"is enough. "}

id: 5
data: {"type":"metadata","usage":{"promptTokens":12,"completionTokens":3,"totalTokens":15},"timing":{},"finishReason":"stop"}

id: 6
data: {"type":"done"}

"""  # noqa: E501

GOLDEN_FAILURE = """\
id: 1
data: {"type":"metadata","conversationId":"uuid-1","messageId":"uuid-2","userMessageId":"uuid-3","streamId":"uuid-4","model":"scripted"}

id: 2
data: {"type":"token","content":"Good evening "}

id: 3
data: {"type":"error","code":"rate_limited","message":"Many parents are asking right now. Please try again in a moment.","retryable":true,"retryAfter":7}

"""  # noqa: E501


async def test_stream_is_these_bytes(says, alice_client):
    response = await send(alice_client)
    assert settled((await received(response)).raw) == GOLDEN


async def test_failed_stream_is_these_bytes(says, alice_client):
    says("Good evening ", ProviderError(ErrorCode.RATE_LIMITED, "secret", retry_after=7))
    assert settled((await ask(alice_client)).raw) == GOLDEN_FAILURE


async def test_refusal_is_a_stream_with_a_card_and_no_text(says, alice_client):
    stream = await ask(alice_client, CRISIS, country="GB")
    assert stream.types == ["metadata", "notice", "metadata", "done"]
    notice, closing = stream.events[1:3]
    assert {name: notice[name] for name in ("card", "language", "country")} == {
        "card": "self_harm_crisis",
        "language": "en",
        "country": "GB",
    }
    assert "guessed" not in notice
    assert (notice["category"], notice["severity"]) == ("self_harm", "emergency")
    assert notice["actions"][0] == {"label": "Call Samaritans, 116 123", "href": "tel:116123"}
    assert notice["actions"][-1] == {"label": "Call 999", "href": "tel:999"}
    assert (closing["finishReason"], "usage" in closing) == ("refused", False)


async def test_withheld_text_is_in_no_byte(says, alice_client):
    says(*HONEY)
    stream = await ask(alice_client, "May she have some?")
    assert stream.types[-3:] == ["notice", "metadata", "done"]
    assert (stream.events[-3]["replaceFrom"], stream.transcript.text) == (len("Of course. "), "Of course. ")
    assert b"give your baby honey" not in stream.raw


async def test_stream_has_the_headers_that_keep_it_whole(says, alice_client):
    response = await send(alice_client)
    await received(response)
    assert {name: response[name] for name in ("Content-Type", "Cache-Control", "X-Accel-Buffering")} == {
        "Content-Type": "text/event-stream",
        "Cache-Control": "no-cache, no-transform",
        "X-Accel-Buffering": "no",
    }


async def test_naive_reader_of_data_lines_gets_the_answer(says, alice_client):
    """The reader of the original product: lines that start with `data: `, switched on `type`."""
    lines = (await ask(alice_client)).raw.decode().split("\n")
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    assert "".join(e["content"] for e in events if e["type"] == "token") == LULLABY_TEXT
    assert events[-1] == {"type": "done"}


async def test_conversation_goes_on(says, alice_client):
    first = (await ask(alice_client, "One?")).opening
    second = (await ask(alice_client, "Two?", conversationId=first["conversationId"])).opening
    assert second["conversationId"] == first["conversationId"]
    assert second["messageId"] != first["messageId"]


# --- Waiting for the whole answer ---------------------------------------------------------------------------


async def test_whole_answer_is_this_object(says, alice_client):
    response = await send(alice_client, path=WHOLE)
    body = response.json()
    timing = body.pop("timing")
    ids = [body.pop(name) for name in ("conversationId", "messageId", "userMessageId", "streamId")]
    assert body == {
        "model": "scripted",
        "status": "complete",
        "content": LULLABY_TEXT,
        "notices": [],
        "usage": {"promptTokens": 12, "completionTokens": 3, "totalTokens": 15},
        "finishReason": "stop",
    }
    assert sorted(timing) == ["durationMs", "tokensPerSecond", "ttftMs"]
    assert len({found for found in ids if UUID.fullmatch(found)}) == 4
    assert (response.status_code, response["Content-Type"]) == (200, "application/json; charset=utf-8")


@pytest.mark.parametrize("question", [CRISIS, INJECTION])
async def test_whole_refusal_is_200_with_the_card_of_the_stream(question, says, alice_client):
    streamed = await ask(alice_client, question, country="US")
    body = (await send(alice_client, question, path=WHOLE, country="US")).json()
    card = {name: value for name, value in streamed.events[1].items() if name != "type"}
    assert (body["status"], body["content"], body["finishReason"]) == ("refused", "", "refused")
    assert (body["notices"], body["usage"]) == ([card], None)


@pytest.mark.parametrize(
    "code, status",
    [
        (ErrorCode.PROVIDER_UNAVAILABLE, 502),
        (ErrorCode.STREAM_INTERRUPTED, 502),
        (ErrorCode.PROVIDER_TIMEOUT, 504),
    ],
)
async def test_whole_failure_is_a_problem_with_what_was_saved(code, status, says, alice_client):
    says("Good evening ", ProviderError(code, "secret detail", retry_after=3))
    response = await send(alice_client, path=WHOLE)
    body = response.json()
    row = await in_thread(
        lambda: Message.objects.select_related("conversation", "question").get(role="assistant")
    )
    assert row.question is not None
    ids = {
        "conversationId": str(row.conversation.uuid),
        "messageId": str(row.uuid),
        "userMessageId": str(row.question.uuid),
    }
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    assert response["Retry-After"] == "3"
    assert {name: body[name] for name in ids} == ids
    assert body.pop("streamId") and body.pop("detail")
    assert {name: value for name, value in body.items() if name not in ids} == {
        "type": f"urn:nightlight:problem:{code}",
        "title": "The answer failed",
        "status": status,
        "code": code,
        "content": "Good evening ",
        "notices": [],
        "retryable": True,
    }
    assert row.content == "Good evening "
    assert b"secret detail" not in response.content


async def test_total_deadline_is_504(says, alice_client, settings):
    settings.PROVIDER_TOTAL_TIMEOUT = 0.05
    says("Good evening ", asyncio.Event())
    response = await send(alice_client, path=WHOLE)
    assert (response.status_code, response.json()["content"]) == (504, "Good evening ")


# --- Language and country -----------------------------------------------------------------------------------


@pytest.mark.parametrize("country, href", [("US", "tel:988"), ("GB", "tel:116123"), ("gb", "tel:116123")])
async def test_country_chooses_the_numbers(country, href, says, alice_client):
    notice = (await ask(alice_client, CRISIS, country=country, language="en-GB")).events[1]
    assert notice["actions"][0]["href"] == href


async def test_without_a_country_the_card_names_it_at_each_number(says, alice_client):
    notice = (await ask(alice_client, CRISIS)).events[1]
    labels = [action["label"] for action in notice["actions"]]
    assert len(labels) > 2
    assert all(": " in label for label in labels)


# --- Refused before any answer ------------------------------------------------------------------------------


async def refused(response, status, code):
    """The body of a problem; nothing was saved."""
    body = response.json()
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:nightlight:problem:{code}")
    assert {"title", "detail"} <= set(body)
    assert await count(Message) == 0
    return body


@BOTH
async def test_guests_are_401_where_guests_are_off(path, says, guest_client, settings):
    settings.GUEST_ACCESS = False
    await refused(await send(guest_client, path=path), 401, "not_authenticated")


@BOTH
async def test_anothers_conversation_is_404(path, says, alice, bob_client):
    theirs = (await answer(alice, "Secret of Alice?")).conversation
    response = await send(bob_client, path=path, conversationId=str(theirs))
    body = response.json()
    assert (response.status_code, body["code"], await count(Message)) == (404, "not_found", 2)
    assert "Secret" not in response.content.decode()


@BOTH
async def test_unknown_conversation_is_404_in_the_same_words(path, says, alice, bob_client):
    theirs = (await answer(alice)).conversation
    unknown = "00000000-0000-4000-8000-000000000000"
    replies = [await send(bob_client, path=path, conversationId=str(it)) for it in (theirs, unknown)]
    assert replies[0].content == replies[1].content


@BOTH
async def test_long_message_is_413(path, says, alice_client, settings):
    settings.MESSAGE_MAX_CHARS = 100
    body = await refused(await send(alice_client, "x" * 101, path=path), 413, "message_too_large")
    assert body["detail"] == ("This message is too long: 101 characters, where 100 fit. Please shorten it.")


@BOTH
async def test_message_of_just_the_limit_is_taken(path, says, alice_client, settings):
    settings.MESSAGE_MAX_CHARS = 100
    response = await send(alice_client, "é" * 100, path=path)
    assert response.status_code == 200
    if path == STREAM:
        await received(response)
    assert await count(Message, content="é" * 100) == 1


@pytest.mark.parametrize("path", [STREAM, WHOLE])
@pytest.mark.parametrize(
    "fields, loc",
    [
        ({"message": ""}, ["body", "message"]),
        ({"message": " \n\t"}, ["body", "message"]),
        ({"message": "\u200b\u0000"}, ["body", "message"]),
        ({"message": 7}, ["body", "message"]),
        ({"message": None}, ["body", "message"]),
        ({"mesage": "misspelt"}, ["body", "mesage"]),
        ({"language": "english!"}, ["body", "language"]),
        ({"country": "USA"}, ["body", "country"]),
        ({"country": "U1"}, ["body", "country"]),
        ({"model": "gpt-7"}, ["body", "model"]),
        ({"conversationId": "not-a-uuid"}, ["body", "conversationId"]),
        ({"clientMessageId": ""}, ["body", "clientMessageId"]),
        ({"clientMessageId": "x" * 65}, ["body", "clientMessageId"]),
        ({"clientMessageId": "a\u0000b"}, ["body", "clientMessageId"]),
        ({"timezone": "x" * 65}, ["body", "timezone"]),
    ],
)
async def test_wrong_field_is_422_and_named(path, fields, loc, says, alice_client):
    response = await alice_client.post(path, {"message": "Hello?"} | fields, content_type="application/json")
    body = await refused(response, 422, "invalid")
    assert loc in [error["loc"] for error in body["errors"]]
    assert all(error["msg"] for error in body["errors"])


@BOTH
@pytest.mark.parametrize("raw", ["{", '{"message": ', "[]", '"text"', "", b"\xff\xfe"])
async def test_broken_json_is_422(path, raw, says, alice_client):
    response = await alice_client.post(path, raw, content_type="application/json")
    body = await refused(response, 422, "invalid")
    assert body["errors"]


@BOTH
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_other_bodies_are_415(path, kind, says, alice_client):
    response = await alice_client.generic("POST", path, b'{"message": "Hello?"}', content_type=kind)
    await refused(response, 415, "unsupported_media_type")


@BOTH
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    ],
)
async def test_foreign_page_with_a_cookie_is_403(path, headers, says, alice_client):
    await refused(await send(alice_client, path=path, headers=headers), 403, "not_allowed")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_own_and_trusted_pages_pass(headers, says, alice_client, settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example"]
    stream = await received(await send(alice_client, headers=headers))
    assert stream.transcript.text == LULLABY_TEXT


async def test_foreign_page_without_a_cookie_is_nobody_and_passes(says, guest_client):
    stream = await received(await send(guest_client, headers={"Origin": "https://evil.example"}))
    assert stream.transcript.text == LULLABY_TEXT


@BOTH
async def test_body_over_the_upload_limit_is_413(path, says, alice_client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 500
    await refused(await send(alice_client, "x" * 600, path=path), 413, "message_too_large")


async def test_unknown_address_of_the_api_is_a_problem(says, alice_client):
    response = await alice_client.get("/api/v1/nothing")
    await refused(response, 404, "not_found")


# --- Too many messages --------------------------------------------------------------------------------------


@BOTH
async def test_too_many_messages_are_429_with_the_time_to_wait(path, says, alice_client, settings):
    settings.RATE_LIMIT_MESSAGES = "1/h"
    await ask(alice_client, "One?")
    response = await send(alice_client, "Two?", path=path)
    body = response.json()
    assert (response.status_code, body["code"], body["notices"]) == (429, "rate_limited", [])
    assert 0 < int(response["Retry-After"]) <= 3600
    assert await count(Message) == 2


@BOTH
async def test_emergency_over_the_limit_still_gets_its_card(path, says, alice_client, settings):
    settings.RATE_LIMIT_MESSAGES = "1/h"
    await ask(alice_client, "One?")
    for text in (CRISIS, FEVER):
        response = await send(alice_client, text, path=path, country="GB")
        (card,) = response.json()["notices"]
        assert (response.status_code, card["severity"]) == (429, "emergency")
        assert {action["href"] for action in card["actions"]} & {"tel:116123", "tel:999"}


@BOTH
async def test_very_long_message_over_the_limit_is_refused_not_an_error(path, says, alice_client, settings):
    settings.RATE_LIMIT_MESSAGES = "1/h"
    await ask(alice_client, "One?")
    response = await send(alice_client, "x" * 100_001, path=path)
    assert (response.status_code, response.json()["code"]) in [
        (429, "rate_limited"),
        (413, "message_too_large"),
    ]


# --- The cookie ---------------------------------------------------------------------------------------------


async def first_replies():
    return {
        "stream": await send(AsyncClient()),
        "whole": await send(AsyncClient(), path=WHOLE),
        "invalid": await send(AsyncClient(), ""),
        "not found": await AsyncClient().get("/api/v1/conversations/00000000-0000-4000-8000-000000000000"),
        "list": await AsyncClient().get("/api/v1/conversations"),
        "page": await AsyncClient().get("/"),
    }


async def test_every_first_reply_sets_the_cookie(says):
    replies = await first_replies()
    for name, reply in replies.items():
        assert "sessionid" in reply.cookies, name
        if reply.streaming:
            await received(reply)


async def test_reads_of_a_guest_leave_no_row(says):
    from chat.models import Person

    await AsyncClient().get("/api/v1/conversations")
    await AsyncClient().get("/")
    assert (await count(Person), await count(Conversation)) == (0, 0)


async def test_models_are_listed(says, alice_client):
    model = {"id": "scripted", "label": "scripted", "contextWindow": 128_000, "default": True}
    price = {"prompt": 0.5, "completion": 2.0, "currency": "USD"}
    assert (await alice_client.get("/api/v1/models")).json() == {"items": [model | {"price": price}]}


async def test_time_zone_of_an_account_is_noted(says, alice, alice_client):
    from chat.models import Person

    await ask(alice_client, timezone="Europe/Berlin")
    await ask(alice_client, timezone="Nowhere/Land")
    assert await count(Person, pk=alice.pk, timezone="Europe/Berlin") == 1


async def test_named_model_is_used(says, alice_client):
    assert (await ask(alice_client, QUESTION, model="scripted")).opening["model"] == "scripted"


async def test_answer_without_text_or_usage_says_so(says, alice_client):
    says(STOP)
    assert (await ask(alice_client)).events[-1]["code"] == "provider_unavailable"
