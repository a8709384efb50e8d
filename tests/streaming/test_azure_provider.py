"""Every frame that Azure really sends, through the SDK's default transport."""

import json
import sys
from types import ModuleType

import httpx2
import pytest
from openai import DefaultAsyncHttpxClient

from streaming.events import ErrorCode, Usage
from streaming.providers.azure import _pieces, azure_provider, compatible_provider
from streaming.providers.base import Completion, Delta, Finish, ProviderError

ENDPOINT = "https://azure.test"
V1 = f"{ENDPOINT}/openai/v1/chat/completions"
PROMPT = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]
SAFE = {"hate": {"filtered": False, "severity": "safe"}}

FIRST = {"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": SAFE}]}
ROLE = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}
STOP = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}
ANNOTATION = {
    "choices": [
        {
            "index": 0,
            "finish_reason": None,
            "content_filter_results": SAFE,
            "content_filter_offsets": {"check_offset": 44, "start_offset": 44, "end_offset": 198},
        }
    ],
    "usage": None,
}


FOUND_LATE = {
    "choices": [{"index": 0, "content_filter_results": {"violence": {"filtered": True, "severity": "high"}}}]
}


def token(text, **more):
    return {
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None, **more}],
        "usage": None,
    }


def sse(*frames, end="\n\n", done=True):
    payloads = [json.dumps(f, ensure_ascii=False) if isinstance(f, dict) else f for f in frames]
    return "".join(f"data: {p}{end}" for p in [*payloads, *(["[DONE]"] if done else [])]).encode()


ANSWER = sse(FIRST, ROLE, token("Ba", content_filter_results=SAFE), token("by 👶"), STOP, USAGE)


def provider(**options):
    arguments = {"api_key": "k", "api_version": "", "connect": 5, "idle": 60} | options
    return azure_provider(ENDPOINT, "gpt", http_client=DefaultAsyncHttpxClient(), **arguments)


async def ask(azure=None):
    """The text, the Finish (or None), the error (or None)."""
    azure = azure or provider()
    text, finish, error = "", None, None
    try:
        async for item in azure.stream(PROMPT, max_tokens=50):
            if isinstance(item, Delta):
                text += "".join(item.pieces)
            else:
                finish = item
    except ProviderError as caught:
        error = caught
    finally:
        await azure.close()
    return text, finish, error


def stream_of(*chunks, then=None):
    async def body():
        for chunk in chunks:
            yield chunk
        if then:
            raise then

    return {"headers": {"content-type": "text/event-stream"}, "stream": body()}


async def test_v1_answer_and_what_was_sent(httpx2_mock):
    route = httpx2_mock.post(V1).respond(200, **stream_of(ANSWER))
    assert await ask() == ("Baby 👶", Finish("stop", Usage(9, 2)), None)
    request = route.calls.last.request
    assert request.headers["authorization"] == "Bearer k"
    assert json.loads(request.content) == {
        "model": "gpt",
        "messages": PROMPT,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 50,
    }


async def test_dated_address_takes_the_key_in_its_own_header(httpx2_mock):
    route = httpx2_mock.post(
        f"{ENDPOINT}/openai/deployments/gpt/chat/completions", params={"api-version": "2024-06-01"}
    ).respond(200, **stream_of(ANSWER))
    assert (await ask(provider(api_version="2024-06-01")))[0] == "Baby 👶"
    request = route.calls.last.request
    assert request.headers["api-key"] == "k"
    assert json.loads(request.content)["max_tokens"] == 50


async def test_compatible_server_is_asked_at_its_own_address(httpx2_mock):
    httpx2_mock.post("http://llama.test/v1/chat/completions").respond(200, **stream_of(ANSWER))
    local = compatible_provider(
        "http://llama.test/v1", "tiny", api_key="", connect=5, idle=60, http_client=DefaultAsyncHttpxClient()
    )
    assert (await ask(local))[:2] == ("Baby 👶", Finish("stop", Usage(9, 2)))


async def test_json_cut_anywhere_gives_the_same_text():
    for cut in range(len(ANSWER)):

        async def body(cut=cut):
            yield ANSWER[:cut]
            yield ANSWER[cut:]

        assert "".join([piece.text async for pieces in _pieces(body()) for piece in pieces]) == "Baby 👶"


@pytest.mark.parametrize(
    "body, text, finish",
    [
        pytest.param(sse(token("a"), STOP, end="\r\n\r\n"), "a", Finish("stop"), id="CRLF"),
        pytest.param(sse(token("a"), STOP, done=False), "a", Finish("stop"), id="no DONE"),
        pytest.param(sse(token("a"), ANNOTATION, STOP, ANNOTATION), "a", Finish("stop"), id="async filter"),
        pytest.param(
            sse(
                token(
                    "a", content_filter_results={"error": {"code": "content_filter_error", "message": "x"}}
                ),
                STOP,
            ),
            "a",
            Finish("stop"),
            id="filter outage counts as unfiltered",
        ),
        pytest.param(
            sse({"choices": [{"index": 0, "finish_reason": "length", "delta": {}}]}),
            "",
            Finish("length"),
            id="length",
        ),
        pytest.param(
            sse({"object": "chat.completion.chunk"}, token("a"), STOP), "a", Finish("stop"), id="bare"
        ),
        pytest.param(
            sse({"choices": [{"index": 0, "delta": {"refusal": "No."}}]}, STOP),
            "No.",
            Finish("stop"),
            id="refusal",
        ),
        pytest.param(sse(token(None), token("a"), STOP), "a", Finish("stop"), id="null content"),
        pytest.param(
            sse({"choices": [{"index": 1, "delta": {"content": "other"}}]}, token("a"), STOP),
            "a",
            Finish("stop"),
            id="second choice",
        ),
    ],
)
async def test_frame_form(httpx2_mock, body, text, finish):
    httpx2_mock.post(V1).respond(200, **stream_of(body))
    assert await ask() == (text, finish, None)


def blocked(category="violence"):
    found = {category: {"filtered": True, "severity": "medium"}, "hate": {"filtered": False}}
    return {"choices": [{"index": 0, "finish_reason": "content_filter", "content_filter_results": found}]}


@pytest.mark.parametrize(
    "body, code, filtered",
    [
        pytest.param(
            sse(token("a"), done=False), ErrorCode.STREAM_INTERRUPTED, set(), id="clean end without a reason"
        ),
        pytest.param(sse(token("a"), blocked()), ErrorCode.CONTENT_FILTERED, {"violence"}, id="filter"),
        pytest.param(
            sse(token("a"), STOP, FOUND_LATE),
            ErrorCode.CONTENT_FILTERED,
            {"violence"},
            id="async filter, late",
        ),
        pytest.param(
            sse(token("a"), blocked("self-harm")), ErrorCode.CONTENT_FILTERED, {"self_harm"}, id="self-harm"
        ),
        pytest.param(
            sse(token("a"), {"error": {"code": "server_error", "message": "oops"}}),
            ErrorCode.PROVIDER_UNAVAILABLE,
            set(),
            id="error frame",
        ),
        pytest.param(
            sse(token("a"), {"error": {"code": "429", "message": "slow down"}}),
            ErrorCode.RATE_LIMITED,
            set(),
            id="rate limit as a frame",
        ),
        pytest.param(sse(token("a"), "{not json"), ErrorCode.STREAM_INTERRUPTED, set(), id="garbage"),
        pytest.param(
            sse(token("a")) + b"data: \xff\xfe\n\n", ErrorCode.STREAM_INTERRUPTED, set(), id="no UTF-8"
        ),
    ],
)
async def test_failure_in_mid_stream_keeps_the_text_before_it(httpx2_mock, body, code, filtered):
    httpx2_mock.post(V1).respond(200, **stream_of(*(body[i : i + 50] for i in range(0, len(body), 50))))
    text, finish, error = await ask()
    assert (text, finish, error.code, error.filtered) == ("a", None, code, frozenset(filtered))


def azure_error(code, **inner):
    return {"error": {"message": "words", "code": code, "status": 400, **inner}}


PROMPT_BLOCKED = azure_error(
    "content_filter",
    innererror={
        "code": "ResponsibleAIPolicyViolation",
        "content_filter_result": {
            "self_harm": {"filtered": True, "severity": "high"},
            "hate": {"filtered": False, "severity": "safe"},
        },
    },
)


@pytest.mark.parametrize(
    "status, body, headers, code, retryable, retry_after, filtered",
    [
        (400, PROMPT_BLOCKED, {}, ErrorCode.CONTENT_FILTERED, False, None, {"self_harm"}),
        (400, azure_error("context_length_exceeded"), {}, ErrorCode.CONTEXT_TOO_LONG, False, None, set()),
        (401, azure_error("401"), {}, ErrorCode.PROVIDER_UNAVAILABLE, False, None, set()),
        (404, azure_error("DeploymentNotFound"), {}, ErrorCode.PROVIDER_UNAVAILABLE, False, None, set()),
        (408, azure_error("Timeout"), {}, ErrorCode.PROVIDER_TIMEOUT, True, None, set()),
        (429, azure_error("429"), {"retry-after": "7"}, ErrorCode.RATE_LIMITED, True, 7, set()),
        (429, azure_error("429"), {"retry-after-ms": "1500"}, ErrorCode.RATE_LIMITED, True, 2, set()),
        (429, "slow down", {"retry-after": "soon"}, ErrorCode.RATE_LIMITED, True, None, set()),
        (500, azure_error("500"), {}, ErrorCode.PROVIDER_UNAVAILABLE, True, None, set()),
        (503, "<html>", {}, ErrorCode.PROVIDER_UNAVAILABLE, True, None, set()),
    ],
)
async def test_http_error(httpx2_mock, status, body, headers, code, retryable, retry_after, filtered):
    content = json.dumps(body) if isinstance(body, dict) else body
    route = httpx2_mock.post(V1).respond(status, text=content, headers=headers)
    text, _finish, error = await ask()
    assert (text, error.code, error.retryable, error.retry_after, error.filtered) == (
        "",
        code,
        retryable,
        retry_after,
        frozenset(filtered),
    )
    assert route.call_count == 1, "the SDK must not retry: retries are ours"


@pytest.mark.parametrize(
    "failure, code",
    [
        (httpx2.ConnectError("refused"), ErrorCode.PROVIDER_UNAVAILABLE),
        (httpx2.ConnectTimeout("slow"), ErrorCode.PROVIDER_TIMEOUT),
        (httpx2.ReadTimeout("slow"), ErrorCode.PROVIDER_TIMEOUT),
    ],
)
async def test_no_connection(httpx2_mock, failure, code):
    httpx2_mock.post(V1).mock(side_effect=failure)
    assert (await ask())[2].code == code


@pytest.mark.parametrize(
    "failure, code",
    [
        (httpx2.ReadError("cut"), ErrorCode.STREAM_INTERRUPTED),
        (httpx2.RemoteProtocolError("cut in a chunk"), ErrorCode.STREAM_INTERRUPTED),
        (httpx2.ReadTimeout("silence"), ErrorCode.PROVIDER_TIMEOUT),
    ],
)
async def test_connection_lost_in_mid_stream(httpx2_mock, failure, code):
    httpx2_mock.post(V1).respond(200, **stream_of(sse(token("a"), done=False), then=failure))
    text, _finish, error = await ask()
    assert (text, error.code, error.retryable) == ("a", code, True)


# --- whole answers ------------------------------------------------------------------------------------------


def body(message=None, reason="stop", **more):
    message = {"role": "assistant", "content": "Baby 👶"} if message is None else message
    choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None, **more}
    return {"object": "chat.completion", "choices": [choice], "usage": USAGE["usage"]}


async def ask_whole(azure=None):
    """The Completion or None, the error or None."""
    azure = azure or provider()
    try:
        return await azure.complete(PROMPT, max_tokens=50), None
    except ProviderError as caught:
        return None, caught
    finally:
        await azure.close()


async def test_whole_answer_and_what_was_sent(httpx2_mock):
    route = httpx2_mock.post(V1).respond(200, json=body(content_filter_results=SAFE))
    assert await ask_whole() == (Completion("Baby 👶", Finish("stop", Usage(9, 2))), None)
    assert json.loads(route.calls.last.request.content) == {
        "model": "gpt",
        "messages": PROMPT,
        "stream": False,
        "max_completion_tokens": 50,
    }


@pytest.mark.parametrize(
    "reply, completion",
    [
        pytest.param(
            body(reason="length"), Completion("Baby 👶", Finish("length", Usage(9, 2))), id="length"
        ),
        pytest.param(
            body({"content": None, "refusal": "No."}),
            Completion("No.", Finish("stop", Usage(9, 2))),
            id="refusal",
        ),
        pytest.param(body({"content": None}), Completion("", Finish("stop", Usage(9, 2))), id="empty"),
        pytest.param(body() | {"usage": None}, Completion("Baby 👶", Finish("stop")), id="no usage"),
        pytest.param(
            body(content_filter_result={"error": {"code": "content_filter_error", "message": "x"}}),
            Completion("Baby 👶", Finish("stop", Usage(9, 2))),
            id="filter outage counts as unfiltered",
        ),
        pytest.param(
            body() | {"choices": [{"index": 1, "message": {"content": "b"}}, *body()["choices"]]},
            Completion("Baby 👶", Finish("stop", Usage(9, 2))),
            id="second choice",
        ),
    ],
)
async def test_form_of_a_whole_answer(httpx2_mock, reply, completion):
    httpx2_mock.post(V1).respond(200, json=reply)
    assert await ask_whole() == (completion, None)


FOUND = {"self_harm": {"filtered": True, "severity": "high"}, "hate": {"filtered": False}}


@pytest.mark.parametrize(
    "reply, code, filtered",
    [
        pytest.param(json.dumps(body())[:60], ErrorCode.STREAM_INTERRUPTED, set(), id="half a body"),
        pytest.param("<html>", ErrorCode.STREAM_INTERRUPTED, set(), id="no JSON"),
        pytest.param("", ErrorCode.STREAM_INTERRUPTED, set(), id="nothing"),
        pytest.param(json.dumps({"choices": []}), ErrorCode.STREAM_INTERRUPTED, set(), id="no choice"),
        pytest.param(json.dumps(body(reason=None)), ErrorCode.STREAM_INTERRUPTED, set(), id="no reason"),
        pytest.param(
            json.dumps({"error": {"code": "server_error", "message": "oops"}}),
            ErrorCode.PROVIDER_UNAVAILABLE,
            set(),
            id="an error with status 200",
        ),
        pytest.param(
            json.dumps(body(reason="content_filter", content_filter_results=FOUND)),
            ErrorCode.CONTENT_FILTERED,
            {"self_harm"},
            id="filter",
        ),
    ],
)
async def test_whole_answer_that_is_none(httpx2_mock, reply, code, filtered):
    httpx2_mock.post(V1).respond(200, text=reply, headers={"content-type": "application/json"})
    completion, error = await ask_whole()
    assert (completion, error.code, error.filtered) == (None, code, frozenset(filtered))


@pytest.mark.parametrize(
    "status, reply, code, retry_after",
    [
        (400, PROMPT_BLOCKED, ErrorCode.CONTENT_FILTERED, None),
        (400, azure_error("context_length_exceeded"), ErrorCode.CONTEXT_TOO_LONG, None),
        (429, azure_error("429"), ErrorCode.RATE_LIMITED, 7),
        (503, azure_error("503"), ErrorCode.PROVIDER_UNAVAILABLE, 7),
    ],
)
async def test_http_error_of_a_whole_answer(httpx2_mock, status, reply, code, retry_after):
    headers = {"retry-after": "7"} if retry_after else {}
    route = httpx2_mock.post(V1).respond(status, json=reply, headers=headers)
    _completion, error = await ask_whole()
    assert (error.code, error.retry_after) == (code, retry_after)
    assert route.call_count == 1


@pytest.mark.parametrize(
    "failure, code",
    [
        (httpx2.ConnectError("refused"), ErrorCode.PROVIDER_UNAVAILABLE),
        (httpx2.ReadTimeout("slow"), ErrorCode.PROVIDER_TIMEOUT),
        (httpx2.RemoteProtocolError("cut"), ErrorCode.PROVIDER_UNAVAILABLE),
    ],
)
async def test_whole_answer_over_a_bad_connection(httpx2_mock, failure, code):
    httpx2_mock.post(V1).mock(side_effect=failure)
    assert (await ask_whole())[1].code == code


@pytest.mark.parametrize(
    "status, param, unstreamable",
    [(400, "stream", True), (400, "stream_options", True), (400, "messages", False), (503, "stream", False)],
)
async def test_server_that_refuses_to_stream_says_so(httpx2_mock, status, param, unstreamable):
    httpx2_mock.post(V1).respond(status, json=azure_error("unsupported_value", param=param))
    error = (await ask())[2]
    assert (error.unstreamable, error.status) == (unstreamable, status)


def test_without_key_or_extra_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "azure.identity.aio", None)
    with pytest.raises(RuntimeError, match=r"pip install '\.\[entra\]'"):
        provider(api_key="")


@pytest.mark.parametrize(
    "version, address", [("", V1), ("2024-10-21", f"{ENDPOINT}/openai/deployments/gpt/chat/completions")]
)
async def test_without_key_it_signs_in_through_entra_id(httpx2_mock, monkeypatch, version, address):
    async def token():
        return "a-token-of-entra"

    identity = ModuleType("azure.identity.aio")
    identity.DefaultAzureCredential = object
    identity.get_bearer_token_provider = lambda _credential, scope: token if "cognitive" in scope else None
    monkeypatch.setitem(sys.modules, "azure.identity.aio", identity)
    route = httpx2_mock.post(url__startswith=address).respond(200, **stream_of(ANSWER))
    assert (await ask(provider(api_key="", api_version=version)))[0] == "Baby 👶"
    assert route.calls.last.request.headers["authorization"] == "Bearer a-token-of-entra"
