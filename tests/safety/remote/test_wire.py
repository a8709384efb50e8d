"""What each engine is asked, and what is made of each reply that its maker documents."""

import asyncio
import json
from contextlib import suppress

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.remote.azure_content_safety import (
    AzureContentSafety,
    AzurePromptShield,
    read_analysis,
    read_shield,
)
from safety.remote.base import EngineError, Sign
from safety.remote.llama_guard import LlamaGuard, read_completion, read_words
from safety.remote.local import LocalClassifier, read_scores
from safety.remote.openai_moderation import OpenAIModeration, read_moderation
from tests.safety.remote.bodies import (
    SAFE_ANALYSIS,
    TOO_MANY,
    analysis,
    completion,
    encoded,
    moderation,
    shield,
)

READERS = (read_analysis, read_shield, read_moderation, read_completion)


# --- What is sent -----------------------------------------------------------------------------------------


async def asked(make, reply, *, status=200, headers=None, text="Hello"):
    """The request an engine sends and what it sees, or the error that it raises."""
    requests = []

    async def answer(request):
        requests.append(request)
        if isinstance(reply, Exception):
            raise reply
        return httpx2.Response(status, content=encoded(reply), headers=headers)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        try:
            seen = await make(client).signs(text)
        except EngineError as error:
            seen = error
    return requests[0], seen


def azure(client):
    return AzureContentSafety(client, "https://safe.test", "k")


def shielded(client):
    return AzurePromptShield(client, "https://safe.test", "k")


def openai(client):
    return OpenAIModeration(client, "https://openai.test/v1", "k")


def llama(client):
    return LlamaGuard(client, "https://llama.test/v1", "guard", "")


ENGINES = {"azure": azure, "shield": shielded, "openai": openai, "llama": llama}

SENT = [
    (
        azure,
        SAFE_ANALYSIS,
        "https://safe.test/contentsafety/text:analyze?api-version=2023-10-01",
        {"text": "Hello", "categories": ["SelfHarm", "Violence"], "outputType": "FourSeverityLevels"},
        ("ocp-apim-subscription-key", "k"),
    ),
    (
        shielded,
        shield(False),
        "https://safe.test/contentsafety/text:shieldPrompt?api-version=2024-09-01",
        {"userPrompt": "Hello", "documents": []},
        ("ocp-apim-subscription-key", "k"),
    ),
    (
        openai,
        moderation(),
        "https://openai.test/v1/moderations",
        {"model": "omni-moderation-latest", "input": "Hello"},
        ("authorization", "Bearer k"),
    ),
    (
        llama,
        completion("safe"),
        "https://llama.test/v1/chat/completions",
        {
            "model": "guard",
            "messages": [{"role": "user", "content": "Hello"}],
            "max_tokens": 32,
            "temperature": 0,
        },
        ("authorization", None),
    ),
]


@pytest.mark.parametrize(("make", "reply", "url", "body", "header"), SENT)
async def test_request_is_what_the_maker_documents(make, reply, url, body, header):
    request, seen = await asked(make, reply)
    assert (request.method, str(request.url), json.loads(request.content)) == ("POST", url, body)
    assert (header[0], request.headers.get(header[0])) == header
    assert seen == frozenset()


@pytest.mark.parametrize(
    ("make", "reply", "field"),
    [(azure, SAFE_ANALYSIS, "text"), (shielded, shield(False), "userPrompt")],
)
async def test_azure_is_sent_no_more_than_it_takes(make, reply, field):
    request, _seen = await asked(make, reply, text="é" * 12_000)
    assert json.loads(request.content)[field] == "é" * 10_000


# --- What is read -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "signs"),
    [
        (SAFE_ANALYSIS, set()),
        (analysis(SelfHarm=2), {Sign.SELF_HARM_LOW}),
        (analysis(SelfHarm=4), {Sign.SELF_HARM}),
        (analysis(SelfHarm=6, Violence=6), {Sign.SELF_HARM, Sign.VIOLENCE}),
        (analysis(Violence=4, Sexual=6, Hate=6), set()),
        (analysis(SelfHarm=7), {Sign.SELF_HARM}),  # of eight levels
        (analysis(SelfHarm=None), set()),
        ({"categoriesAnalysis": [], "new": {"field": 1}}, set()),
    ],
)
def test_azure_analysis(body, signs):
    assert read_analysis(encoded(body)) == signs


@pytest.mark.parametrize(("attacked", "signs"), [(True, {Sign.ATTACK}), (False, set())])
def test_azure_prompt_shield(attacked, signs):
    assert read_shield(encoded(shield(attacked))) == signs


@pytest.mark.parametrize(
    ("body", "signs"),
    [
        (moderation(), set()),
        (moderation(self_harm=0.6), {Sign.SELF_HARM}),
        (moderation(self_harm__intent=0.9), {Sign.SELF_HARM}),
        (moderation(self_harm__instructions=0.9), {Sign.SELF_HARM}),
        (moderation(sexual__minors=0.5), {Sign.SEXUAL_MINORS}),
        (moderation(violence=0.95), {Sign.VIOLENCE}),
        (moderation(violence=0.6, violence__graphic=0.99), set()),
        (moderation(illicit__violent=0.95), {Sign.VIOLENCE}),
        (moderation(sexual=0.99, harassment=0.99, hate=0.99, illicit=0.99), set()),
        ({"results": [{"categories": {"self-harm": None}, "category_scores": {}}]}, set()),
        ({"results": [{"categories": {"violence": True}, "category_scores": {}}]}, set()),
    ],
)
def test_openai_moderation(body, signs):
    assert read_moderation(encoded(body)) == signs


@pytest.mark.parametrize(
    ("said", "signs"),
    [
        ("safe", set()),
        ("\n\nsafe", set()),
        ("\n\nunsafe\nS11", {Sign.SELF_HARM}),
        ("unsafe\nS11,S4", {Sign.SELF_HARM, Sign.SEXUAL_MINORS}),
        ("Unsafe\n s1 , S9", {Sign.VIOLENCE}),
        ("unsafe\nS6", set()),
        ("unsafe\nS6,S11", {Sign.SELF_HARM}),
        ("unsafe\nS3\n", set()),
        ("unsafe\nS2,S5,S7,S8,S10,S12,S13,S14", set()),
        ("unsafe", set()),
        ("safe\nS11", set()),
    ],
)
def test_llama_guard(said, signs):
    assert read_completion(encoded(completion(said))) == signs


@pytest.mark.parametrize("said", ["", "I cannot help with that.", "safely", "S11"])
def test_llama_guard_that_answers_instead_of_judging(said):
    with pytest.raises(EngineError):
        read_words(said)


@pytest.mark.parametrize(
    ("scores", "signs"),
    [
        ({}, set()),
        ({"self_harm": 0.5, "abuse": 0.49}, {Sign.SELF_HARM}),
        ({"infant_emergency": 1, "injection": 0.9}, {Sign.INFANT_EMERGENCY, Sign.ATTACK}),
    ],
)
def test_local_classifier(scores, signs):
    assert read_scores(scores) == signs


def test_local_classifier_with_a_category_of_its_own():
    with pytest.raises(EngineError, match="weather"):
        read_scores({"weather": 0.9})


async def test_local_classifier_runs_beside_the_loop():
    ready = asyncio.Event()
    loop = asyncio.get_running_loop()

    def classify(text):
        asyncio.run_coroutine_threadsafe(ready.wait(), loop).result(timeout=5)
        return {"self_harm": 1.0 if text == "Hello" else 0.0}

    engine = LocalClassifier(classify)
    asking = asyncio.create_task(engine.signs("Hello"))
    await asyncio.sleep(0)
    ready.set()
    assert await asking == {Sign.SELF_HARM}
    engine.close()


# --- What goes wrong --------------------------------------------------------------------------------------


GARBAGE = [b"", b"<html>", b"{", b"[]", b"null", b'{"results": []}', b'{"choices": []}', b"\xff\xfe"]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("data", GARBAGE)
def test_garbage_is_an_error(read, data):
    with pytest.raises(EngineError):
        read(data)


KEYS = "categoriesAnalysis category severity userPromptAnalysis attackDetected results categories choices"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 9) | st.sampled_from(["SelfHarm", "unsafe S11", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*KEYS.split(), "category_scores", "message", "content"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@given(body=JSON | st.binary(max_size=40))
def test_any_reply_gives_signs_or_an_engine_error(body):
    for read in READERS:
        with suppress(EngineError):
            assert read(encoded(body)) <= set(Sign)


@pytest.mark.parametrize("make", ENGINES.values(), ids=ENGINES)
async def test_http_errors(make):
    _request, limited = await asked(make, TOO_MANY, status=429, headers={"retry-after": "7"})
    assert (limited.reason, limited.detail, limited.rest) == ("error", "HTTP 429 TooManyRequests", 7.0)
    _request, broken = await asked(make, b"<html>", status=503)
    assert (broken.reason, broken.detail, broken.rest, broken.is_lasting) == (
        "error",
        "HTTP 503",
        None,
        False,
    )
    _request, wrong_key = await asked(make, {"error": {"code": "401"}}, status=401)
    assert (wrong_key.detail, wrong_key.is_lasting) == ("HTTP 401 401", True)
    _request, dated = await asked(
        make, TOO_MANY, status=429, headers={"retry-after": "Mon, 23 Nov 2026 07:28:00 GMT"}
    )
    assert dated.rest is None


@pytest.mark.parametrize("make", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (httpx2.ReadTimeout("slow"), "timeout"),
        (httpx2.ConnectTimeout("slow"), "timeout"),
        (httpx2.ConnectError("away"), "error"),
        (httpx2.RemoteProtocolError("garbage"), "error"),
        (OSError("away"), "error"),
    ],
)
async def test_network_errors(make, raised, reason):
    _request, error = await asked(make, raised)
    assert error.reason == reason
