"""Every way in which the provider fails, over production's transport, as a client of the API sees it."""

import socket
import time

import pytest

from streaming.events import Done, Error, Metadata, Notice, Outcome, Token, fold, notice_to_wire
from tests.journeys.product import opening, start_product

QUESTION = "Tell me about baby sleep patterns"
HEADING = "**Baby sleep patterns in the first year**"

pytestmark = pytest.mark.once


def ask(product, directive=""):
    """The answer's events and what `GET messages` tells of it afterwards."""
    guest = product.guest()
    events = guest.ask(f"{QUESTION} {directive}")
    return events, guest.saved(opening(events))


def kinds(events):
    """The types in order, a run of tokens as one."""
    names = [type(event).__name__ for event in events]
    return [
        name for name, before in zip(names, [None, *names], strict=False) if (name, before) != ("Token",) * 2
    ]


def assert_saved_as_streamed(events, saved):
    said = fold(events)
    assert (saved["content"], saved["status"]) == (said.text, said.outcome)
    assert saved["notices"] == [notice_to_wire(notice) for notice in said.notices]
    assert saved.get("error", {}).get("code") == (said.end.code if isinstance(said.end, Error) else None)
    assert saved.get("finishReason") == said.finish_reason


def assert_nothing_left(product):
    """The provider sees a closed connection a moment after the parent sees the end."""
    for _ in range(40):
        if product.simulator.stats()["active"] == 0:
            return
        time.sleep(0.05)
    assert product.simulator.stats()["active"] == 0


@pytest.fixture(scope="module")
def product(swift):
    return swift


@pytest.fixture(scope="module")
def whole(product):
    """The text of the answer when nothing goes wrong."""
    events, _saved = ask(product, "[[simulate none tokens=90]]")
    return fold(events).text


def failure(code, retryable, retry_after=None):
    outcome = Outcome.INTERRUPTED if code == "stream_interrupted" else Outcome.FAILED
    return code, retryable, retry_after, outcome


BEFORE_THE_ANSWER = {
    "401": failure("provider_unavailable", False),
    "404": failure("provider_unavailable", False),
    "429 retry_after=7": failure("rate_limited", True, 7),
    "429 retry_after_ms=2400": failure("rate_limited", True, 3),
    "500": failure("provider_unavailable", True),
    "503": failure("provider_unavailable", True),
    "prompt_filter": failure("content_filtered", False),
    "prompt_filter category=hate": failure("content_filtered", False),
    "empty": failure("provider_unavailable", True),
}


@pytest.mark.parametrize("fault", BEFORE_THE_ANSWER)
def test_fault_before_the_first_word_ends_in_one_error(product, fault):
    events, saved = ask(product, f"[[simulate {fault}]]")
    assert kinds(events) == ["Metadata", "Error"]
    end = events[-1]
    assert (end.code, end.retryable, end.retry_after, fold(events).outcome) == BEFORE_THE_ANSWER[fault]
    assert_saved_as_streamed(events, saved)
    assert_nothing_left(product)


WITHIN_THE_ANSWER = {
    "filter": failure("content_filtered", False),
    "stall": failure("provider_timeout", True),
    "cut": failure("stream_interrupted", True),
    "eof": failure("stream_interrupted", True),
    "error_event": failure("provider_unavailable", True),
    "garbage": failure("stream_interrupted", True),
}


@pytest.mark.parametrize(
    "pace", ["at=24 tokens=90 delay=15", "at=24 tokens=90 delay=0"], ids=["word-by-word", "in-one-read"]
)
@pytest.mark.parametrize("fault", WITHIN_THE_ANSWER)
def test_fault_in_mid_answer_keeps_what_was_shown(product, whole, fault, pace):
    if fault == "cut" and "delay=0" in pace:
        pytest.skip("aiohttp drops what it had buffered when the connection is cut: up to 50 ms of words")
    events, saved = ask(product, f"[[simulate {fault} {pace}]]")
    assert kinds(events) == ["Metadata", "Token", "Error"]
    end = events[-1]
    assert (end.code, end.retryable, end.retry_after, fold(events).outcome) == WITHIN_THE_ANSWER[fault]
    kept = fold(events).text
    assert kept.startswith(HEADING), "the words that came before the fault are lost"
    assert whole.startswith(kept)
    assert len(kept) < len(whole)
    assert_saved_as_streamed(events, saved)
    assert_nothing_left(product)


@pytest.mark.parametrize(
    "oddity",
    ["async_filter", "filter_outage", "no_done", "split", "crlf", "slow_start ms=400"],
)
def test_oddity_of_the_wire_changes_no_word(product, whole, oddity):
    events, saved = ask(product, f"[[simulate {oddity} tokens=90]]")
    assert kinds(events) == ["Metadata", "Token", "Metadata", "Done"]
    assert (fold(events).text, fold(events).finish_reason) == (whole, "stop")
    assert events[-2].usage.completion_tokens > 0
    assert_saved_as_streamed(events, saved)
    assert_nothing_left(product)


def test_slow_provider_is_waited_for(product):
    events, _saved = ask(product, "[[simulate slow_start ms=600 tokens=30]]")
    assert events[-2].timing.ttft_ms >= 600


def test_provider_slower_than_the_idle_limit_is_given_up(product):
    events, saved = ask(product, "[[simulate slow_start ms=60000]]")
    assert (kinds(events), events[-1].code) == (["Metadata", "Error"], "provider_timeout")
    assert_saved_as_streamed(events, saved)
    assert_nothing_left(product)


def test_filter_that_sees_self_harm_in_the_question_brings_the_crisis_card(product):
    events, saved = ask(product, "[[simulate prompt_filter category=self_harm]]")
    assert kinds(events) == ["Metadata", "Notice", "Metadata", "Done"]
    notice = events[1]
    assert (notice.category, notice.replace_from) == ("self_harm", None)
    assert notice.actions[0].href.startswith("tel:")
    assert (fold(events).outcome, fold(events).text) == (Outcome.REFUSED, "")
    assert_saved_as_streamed(events, saved)


def test_filter_that_sees_self_harm_in_the_answer_brings_the_crisis_card(product, whole):
    events, saved = ask(product, "[[simulate filter category=self_harm at=24]]")
    assert kinds(events) == ["Metadata", "Token", "Notice", "Metadata", "Done"]
    assert [notice.category for notice in fold(events).notices] == ["self_harm"]
    assert whole.startswith(fold(events).text)
    assert fold(events).outcome == Outcome.REFUSED
    assert_saved_as_streamed(events, saved)


def test_answer_cut_by_its_length_is_complete_and_says_so(product, whole):
    events, saved = ask(product, "[[simulate length at=60]]")
    assert kinds(events) == ["Metadata", "Token", "Metadata", "Done"]
    said = fold(events)
    assert (said.outcome, said.finish_reason) == (Outcome.COMPLETE, "length")
    assert whole.startswith(said.text)
    assert_saved_as_streamed(events, saved)


def test_models_own_refusal_is_shown(product):
    events, saved = ask(product, "[[simulate refusal]]")
    assert kinds(events) == ["Metadata", "Token", "Metadata", "Done"]
    assert fold(events).text == "I'm sorry, but I can't help with that."
    assert_saved_as_streamed(events, saved)


NEVER_SHOWN = [
    pytest.param("honey", "you can give your 4 month old honey"),
    pytest.param("sleep", "on the tummy"),
    pytest.param("water", "bottle of water"),
    pytest.param("fever", "wait a few days"),
    pytest.param("movements", "wait until your next appointment"),
]


@pytest.mark.parametrize("delay", [0, 5], ids=["in-one-read", "word-by-word"])
@pytest.mark.parametrize(("topic", "advice"), NEVER_SHOWN)
def test_unsafe_advice_is_in_no_event(product, topic, advice, delay):
    events, saved = ask(product, f"[[simulate unsafe topic={topic} delay={delay}]]")
    shown = "".join(event.content for event in events if isinstance(event, Token))
    assert advice not in shown
    corrections = [event for event in events if isinstance(event, Notice)]
    assert [notice.replace_from is not None for notice in corrections] == [True]
    assert isinstance(events[-1], Done)
    assert (fold(events).outcome, fold(events).finish_reason) == (Outcome.REFUSED, "withheld")
    assert_saved_as_streamed(events, saved)
    assert_nothing_left(product)


def test_long_answer_arrives_whole(product):
    events, saved = ask(product, "[[simulate long tokens=1200 delay=0]]")
    assert kinds(events) == ["Metadata", "Token", "Metadata", "Done"]
    assert events[-2].usage.completion_tokens == 1200
    assert fold(events).text.startswith("Nights with a small baby are long")
    assert len(fold(events).text) > 4000
    assert_saved_as_streamed(events, saved)


def test_same_failure_without_streaming_is_a_problem_with_what_was_saved(product, whole):
    guest = product.guest()
    guest.http.get("/api/v1/conversations")
    message = {"message": f"{QUESTION} [[simulate eof at=24]]"}
    response = guest.http.post("/api/v1/ai/chat", json=message)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (502, "stream_interrupted")
    assert problem["content"].startswith(HEADING)
    saved = guest.saved(Metadata(conversation_id=problem["conversationId"], message_id=problem["messageId"]))
    assert (saved["content"], saved["status"]) == (problem["content"], "interrupted")


def test_first_answer_that_fails_without_streaming_sets_the_guests_cookie(product):
    guest = product.guest()
    response = guest.http.post("/api/v1/ai/chat", json={"message": f"{QUESTION} [[simulate 503]]"})
    assert response.status_code == 502
    assert "sessionid" in guest.http.cookies


def test_stalled_provider_without_streaming_is_a_gateway_timeout(product):
    message = {"message": f"{QUESTION} [[simulate stall at=0]]"}
    response = product.guest().http.post("/api/v1/ai/chat", json=message)
    assert (response.status_code, response.json()["code"]) == (504, "provider_timeout")
    assert_nothing_left(product)


@pytest.mark.database
def test_provider_that_refuses_connections_is_unavailable(simulator, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, and nobody listens
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with start_product(simulator, tmp_path, AZURE_OPENAI_ENDPOINT=nowhere) as product:
            events, saved = ask(product)
            urgent = product.guest().ask("baby won't wake to feed and his lips look blue")
    assert (kinds(events), events[-1].code, events[-1].retryable) == (
        ["Metadata", "Error"],
        "provider_unavailable",
        True,
    )
    assert_saved_as_streamed(events, saved)
    assert kinds(urgent)[:2] == ["Metadata", "Notice"], "the card does not wait for the provider"
