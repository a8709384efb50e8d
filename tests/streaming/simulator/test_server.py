"""The simulator as its clients see it: a real process, over a real socket, through the openai SDK."""

import asyncio
import signal
import time
from contextlib import aclosing, asynccontextmanager

import httpx2
import openai
import pytest

from tests.streaming.simulator.process import start_simulator

KEY = {"api-key": "any"}


@asynccontextmanager
async def client_of(simulator):
    async with openai.AsyncOpenAI(
        base_url=simulator.base_url, api_key="any", max_retries=0, timeout=10
    ) as client:
        yield client


async def ask(simulator, text, **options):
    """The chunks of a streamed answer to one question."""
    async with client_of(simulator) as client:
        options = {"model": "gpt-4o", "stream": True, **options}
        stream = await client.chat.completions.create(messages=[{"role": "user", "content": text}], **options)
        return [chunk async for chunk in stream]


def said(chunks):
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices if choice.delta)


def reasons(chunks):
    return [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]


def post(simulator, path="/openai/v1/chat/completions", *, headers=KEY, **body):
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **body}
    return httpx2.post(simulator.url + path, headers=headers, json=body)


async def test_stream_speaks_like_azure(simulator):
    chunks = await ask(simulator, "hi", stream_options={"include_usage": True})
    assert chunks[0].choices == []
    assert chunks[0].prompt_filter_results[0]["prompt_index"] == 0
    assert chunks[1].choices[0].delta.role == "assistant"
    assert said(chunks).startswith("Hello, it is good that you are here.")
    assert reasons(chunks) == ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == len(chunks) - 4


async def test_usage_is_left_out_unless_asked_for(simulator):
    chunks = await ask(simulator, "hi")
    assert [chunk.usage for chunk in chunks if chunk.usage] == []


async def test_dated_address_answers_under_the_deployment_name(simulator):
    client = openai.AsyncAzureOpenAI(
        azure_endpoint=simulator.url, azure_deployment="night", api_version="2024-10-21", api_key="any"
    )
    async with client:
        whole = await client.chat.completions.create(
            model="night", messages=[{"role": "user", "content": "hi"}]
        )
    assert (whole.model, whole.choices[0].finish_reason) == ("night", "stop")


async def test_whole_answer_says_the_same_as_the_stream(simulator):
    async with client_of(simulator) as client:
        whole = await client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "hi"}]
        )
    assert whole.choices[0].message.content == said(await ask(simulator, "hi"))


async def test_models_are_listed(simulator):
    async with client_of(simulator) as client:
        assert [model.id async for model in client.models.list()] == ["nightlight-simulator"]


def test_dated_address_needs_its_version(simulator):
    assert post(simulator, "/openai/deployments/night/chat/completions").status_code == 404


def test_health(simulator):
    reply = httpx2.get(f"{simulator.url}/healthz")
    assert (reply.status_code, reply.json()) == (200, {"status": "ok"})


def test_unknown_address_is_not_found(simulator):
    reply = httpx2.get(f"{simulator.url}/nowhere")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "404")


@pytest.mark.parametrize(
    "headers", [{}, {"api-key": ""}, {"authorization": "Bearer"}, {"authorization": "x"}]
)
def test_missing_key_is_refused(simulator, headers):
    reply = post(simulator, headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "401")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"model": None}, "model"),
        ({"model": 3}, "model"),
        ({"stream": "yes"}, "stream"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": [{"role": "user", "content": "x [[simulate lightning]]"}]}, None),
        ({"messages": [{"role": "user", "content": "x [[simulate unsafe topic=x]]"}]}, None),
    ],
)
def test_wrong_body_is_refused(simulator, body, param):
    reply = post(simulator, **body)
    error = reply.json()["error"]
    assert (reply.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff"])
def test_unreadable_body_is_refused(simulator, data):
    reply = httpx2.post(f"{simulator.url}/v1/chat/completions", headers=KEY, content=data)
    assert (reply.status_code, reply.json()["error"]["type"]) == (400, "invalid_request_error")


def test_too_large_body_is_refused(simulator):
    assert post(simulator, padding="x" * 5_000_000).status_code == 413


async def test_parts_of_a_message_are_read(simulator):
    parts = [{"type": "text", "text": "hi [[simulate tokens=2]]"}]
    assert said(await ask(simulator, parts)) == "Hello,"


async def test_max_tokens_shortens_the_answer(simulator):
    for name in ("max_tokens", "max_completion_tokens"):
        chunks = await ask(simulator, "hi", **{name: 3})
        assert (said(chunks), reasons(chunks)) == ("Hello, it", ["length"])


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("401", openai.AuthenticationError),
        ("404", openai.NotFoundError),
        ("429 retry_after_ms=20", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("503", openai.InternalServerError),
        ("prompt_filter category=self_harm", openai.BadRequestError),
    ],
)
async def test_refusal_raises_what_the_sdk_raises_for_azure(simulator, fault, error):
    with pytest.raises(error):
        await ask(simulator, f"hi [[simulate {fault}]]")


async def test_fault_by_header_says_when_to_come_back(simulator):
    with pytest.raises(openai.RateLimitError) as caught:
        await ask(simulator, "hi", extra_headers={"x-simulator-fault": "429 retry_after=3"})
    assert caught.value.response.headers["retry-after"] == "3"


async def test_blocked_prompt_names_its_category(simulator):
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(simulator, "hi [[simulate prompt_filter category=self_harm]]")
    assert caught.value.code == "content_filter"
    assert isinstance(caught.value.body, dict)
    found = caught.value.body["innererror"]["content_filter_result"]
    assert found["self_harm"] == {"filtered": True, "severity": "medium"}


@pytest.mark.parametrize(
    ("fault", "text", "ended"),
    [
        ("filter at=3", "Hello, it", ["content_filter"]),
        ("length at=3", "Hello, it", ["length"]),
        ("filter_outage tokens=3", "Hello, it", ["stop"]),
        ("async_filter tokens=3", "Hello, it", ["stop"]),
        ("async_filter tokens=3 category=violence", "Hello, it", ["stop", "content_filter"]),
        ("eof at=3", "Hello, it", []),
        ("no_done tokens=3", "Hello, it", ["stop"]),
        ("crlf tokens=3", "Hello, it", ["stop"]),
        ("split tokens=3", "Hello, it", ["stop"]),
        ("slow_start ms=1 tokens=3", "Hello, it", ["stop"]),
        ("empty", "", ["stop"]),
    ],
)
async def test_fault_changes_how_a_stream_ends(simulator, fault, text, ended):
    chunks = await ask(simulator, f"hi [[simulate {fault}]]")
    assert (said(chunks), reasons(chunks)) == (text, ended)


async def test_split_keeps_every_letter(simulator):
    chunks = await ask(simulator, "[[simulate markdown]]")
    assert said(await ask(simulator, "[[simulate split tokens=80]] hi"))[:5] == "Hello"
    assert "naïve café, 寝る, نوم and 👶🏽" in said(chunks)


async def test_refusal_is_said_in_its_own_field(simulator):
    chunks = await ask(simulator, "[[simulate refusal]]")
    refusal = "".join(choice.delta.refusal or "" for chunk in chunks for choice in chunk.choices)
    assert (refusal, said(chunks)) == ("I'm sorry, but I can't help with that.", "")


async def test_unsafe_answer_is_given_on_request(simulator):
    text = said(await ask(simulator, "Can I? [[simulate unsafe]]"))
    assert text.startswith("What a lovely question. Yes, you can give your 4 month old honey.")


async def test_long_answer_has_as_many_tokens_as_asked(simulator):
    chunks = await ask(simulator, "[[simulate long tokens=1500]]", stream_options={"include_usage": True})
    assert chunks[-1].usage.completion_tokens == 1500


async def test_error_in_the_stream_raises(simulator):
    with pytest.raises(openai.APIError, match="The server had an error"):
        await ask(simulator, "hi [[simulate error_event at=2]]")


async def test_garbage_in_the_stream_raises(simulator):
    with pytest.raises(ValueError, match="Unterminated string"):
        await ask(simulator, "hi [[simulate garbage at=2]]")


async def test_cut_breaks_the_connection(simulator):
    with pytest.raises(openai.APIConnectionError):
        await ask(simulator, "hi [[simulate cut at=2]]")


async def test_first_requests_fail_and_the_next_succeed(simulator):
    question = "hi [[simulate 500 fail_first=2 key=test-first-requests tokens=1]]"
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            await ask(simulator, question)
    assert [said(await ask(simulator, question)) for _ in range(2)] == ["Hello", "Hello"]


async def test_stall_says_no_more_and_leaving_is_counted(simulator):
    before = simulator.stats()
    async with client_of(simulator) as client:
        stream = await client.chat.completions.create(
            model="m", stream=True, messages=[{"role": "user", "content": "hi [[simulate stall at=2]]"}]
        )
        async with aclosing(stream.__aiter__()) as chunks:
            begun = [await anext(chunks) for _ in range(4)]
            assert (said(begun), simulator.stats()["active"]) == ("Hello,", 1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await anext(chunks)
        await stream.close()
    left = time.monotonic()
    while (after := simulator.stats())["active"] and time.monotonic() < left + 5:
        await asyncio.sleep(0.01)
    grown = {name: after[name] - before[name] for name in ("started", "finished", "aborted", "active")}
    assert grown == {"started": 1, "finished": 0, "aborted": 1, "active": 0}
    assert abs(after["last_abort"] - left) < 5


async def test_finished_answer_is_counted(simulator):
    before = simulator.stats()
    await ask(simulator, "hi [[simulate tokens=2]]")
    after = simulator.stats()
    grown = {name: after[name] - before[name] for name in ("started", "finished", "aborted", "active")}
    assert grown == {"started": 1, "finished": 1, "aborted": 0, "active": 0}


async def test_answer_keeps_its_pace(simulator):
    begun = time.monotonic()
    await ask(simulator, "hi [[simulate tokens=6 delay=50]]")
    assert 0.25 <= time.monotonic() - begun < 1.5


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_process_with_a_stream_open(by):
    with start_simulator("--first-token-ms", "0") as running:
        body = {
            "model": "m",
            "stream": True,
            "messages": [{"role": "user", "content": "[[simulate stall at=1]] hi"}],
        }
        with httpx2.stream("POST", f"{running.url}/v1/chat/completions", headers=KEY, json=body) as reply:
            next(reply.iter_raw())
            sent = time.monotonic()
            running.process.send_signal(by)
            running.process.wait(timeout=5)
            assert time.monotonic() - sent < 2
