"""Before the first token: who is asked, how often, after which wait, and what is said when nobody could."""

import asyncio

import pytest

from streaming.events import ErrorCode, Usage
from streaming.providers.base import Completion, Delta, Finish, ProviderError
from streaming.providers.routing import Trace
from tests.streaming.providers.scripted import PROMPT, STOP, Clock, Scripted, ask, route

WORDS = ("Good", " evening", STOP)


def unavailable(status=503):
    return ProviderError(ErrorCode.PROVIDER_UNAVAILABLE, f"{status}", status=status, retryable=status >= 500)


def limited(retry_after=None):
    return ProviderError(ErrorCode.RATE_LIMITED, "429", status=429, retry_after=retry_after)


def slow():
    return ProviderError(ErrorCode.PROVIDER_TIMEOUT, "slow")


def cut():
    return ProviderError(ErrorCode.STREAM_INTERRUPTED, "cut")


def final(code):
    return ProviderError(code, "no", retryable=False, status=400)


async def test_answer_passes_as_it_comes():
    answer = await ask(route(Scripted(WORDS)))
    assert answer.deltas == [Delta(("Good",)), Delta((" evening",))]
    assert (answer.finish, answer.error) == (STOP, None)
    assert answer.steps == [("a", "stream", 0, None)]
    assert (answer.trace.deployment, answer.trace.retries, answer.trace.failovers) == ("a", 0, 0)


async def test_prompt_and_limit_are_passed_on():
    provider = Scripted(WORDS)
    await ask(route(provider), max_tokens=7)
    assert provider.asked == [("stream", PROMPT, 7)]


async def test_same_deployment_is_tried_three_times_with_growing_pauses():
    clock = Clock()
    answer = await ask(route(Scripted([unavailable()], [unavailable()], WORDS), clock=clock))
    assert (answer.text, clock.slept) == ("Good evening", [0.5, 1.0])
    assert (answer.trace.retries, answer.trace.failovers) == (2, 0)


@pytest.mark.parametrize(("chance", "slept"), [(0.0, [0.0, 0.0]), (0.5, [0.25, 0.5])])
async def test_pauses_have_full_jitter(chance, slept):
    clock = Clock()
    await ask(route(Scripted([unavailable()]), clock=clock, chance=chance))
    assert clock.slept == slept


async def test_pauses_have_a_ceiling():
    clock = Clock()
    await ask(route(Scripted([unavailable()]), clock=clock, attempts=8, failures=100))
    assert clock.slept == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


async def test_then_the_next_deployment_is_asked():
    clock = Clock()
    answer = await ask(route(Scripted([unavailable()]), Scripted(WORDS), clock=clock))
    assert answer.text == "Good evening"
    assert [step[0] for step in answer.steps] == ["a", "a", "a", "b"]
    assert (answer.trace.deployment, answer.trace.retries, answer.trace.failovers) == ("b", 2, 1)
    assert clock.slept == [0.5, 1.0]


async def test_wait_that_the_server_asks_for_is_kept():
    clock = Clock()
    answer = await ask(route(Scripted([limited(7)], WORDS), Scripted(WORDS), clock=clock))
    assert (answer.trace.deployment, clock.slept) == ("a", [7.5])


async def test_longer_wait_goes_to_the_next_deployment_at_once():
    clock = Clock()
    asked = route(Scripted([limited(11)], WORDS), Scripted(WORDS), clock=clock)
    assert ((await ask(asked)).trace.deployment, clock.slept) == ("b", [])
    assert [(health.state, health.retry_in) for health in asked.health()] == [("open", 11), ("closed", 0)]
    clock.now += 11
    assert (await ask(asked)).trace.deployment == "a"


async def test_longer_wait_without_another_deployment_is_told():
    answer = await ask(route(Scripted([limited(60)])))
    assert (answer.error.code, answer.error.retry_after, len(answer.steps)) == ("rate_limited", 60, 1)


@pytest.mark.parametrize("code", [ErrorCode.CONTENT_FILTERED, ErrorCode.CONTEXT_TOO_LONG])
async def test_what_no_other_try_would_mend_ends_at_once(code):
    other = Scripted(WORDS)
    answer = await ask(route(Scripted([final(code)]), other))
    assert (answer.error.code, other.asked) == (code, [])


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_wrong_key_or_name_goes_to_the_next_deployment(status):
    answer = await ask(route(Scripted([unavailable(status)]), Scripted(WORDS)))
    assert [step[0] for step in answer.steps] == ["a", "b"]


async def test_deployment_that_timed_out_is_not_asked_again_where_there_is_another():
    answer = await ask(route(Scripted([slow()]), Scripted(WORDS)))
    assert [step[0] for step in answer.steps] == ["a", "b"]


async def test_only_deployment_is_asked_again_after_a_timeout():
    assert (await ask(route(Scripted([slow()], WORDS)))).text == "Good evening"


async def test_of_several_failures_the_last_that_may_pass_is_told():
    answer = await ask(route(Scripted([limited(60)]), Scripted([unavailable(401)])))
    assert (answer.error.code, answer.error.retry_after) == (ErrorCode.RATE_LIMITED, 60)


async def test_where_only_an_operator_can_help_it_is_not_retryable():
    answer = await ask(route(Scripted([unavailable(404)]), Scripted([unavailable(401)])))
    assert (answer.error.status, answer.error.retryable) == (401, False)


# --- streams that do not get through ------------------------------------------------------------------------

WHOLE = Completion("Good evening, and  good night.\n", Finish("stop", Usage(9, 8)))
REFUSED = ProviderError(
    ErrorCode.PROVIDER_UNAVAILABLE, "no streams", retryable=False, status=400, unstreamable=True
)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        pytest.param([cut()], "stream_interrupted", id="cut or unreadable"),
        pytest.param([STOP], "provider_unavailable", id="empty"),
        pytest.param([REFUSED], "provider_unavailable", id="refused"),
    ],
)
async def test_where_only_the_stream_fails_the_answer_comes_whole(script, error):
    provider = Scripted(script, whole=[WHOLE])
    answer = await ask(route(provider))
    assert (answer.text, answer.finish) == (WHOLE.text, WHOLE.finish)
    assert answer.steps == [("a", "stream", 0, error), ("a", "complete", 0, None)]
    assert provider.asked[1] == ("complete", PROMPT, 100)


async def test_whole_answer_is_given_in_words():
    text = " ".join(f"word{number}" for number in range(20)) + "\n"
    answer = await ask(route(Scripted([cut()], whole=[Completion(text, STOP)])))
    assert answer.text == text
    assert [len(delta.pieces) for delta in answer.deltas] == [8, 8, 5]
    assert answer.deltas[0].pieces[:2] == ("word0", " word1")


async def test_whole_answer_is_asked_for_once():
    provider = Scripted([cut()], whole=[unavailable()])
    answer = await ask(route(provider))
    assert [kind for kind, _, _ in provider.asked] == ["stream", "complete", "stream", "stream"]
    assert answer.error.code == ErrorCode.STREAM_INTERRUPTED


async def test_answer_that_is_empty_both_ways_is_an_error():
    provider = Scripted([STOP], whole=[Completion("", STOP)])
    answer = await ask(route(provider))
    assert (answer.error.code, answer.error.detail) == ("provider_unavailable", "the answer was empty")


async def test_unreachable_server_is_not_asked_for_the_whole():
    provider = Scripted([unavailable()])
    await ask(route(provider))
    assert [kind for kind, _, _ in provider.asked] == ["stream"] * 3


# --- beside the text ----------------------------------------------------------------------------------------


async def test_route_is_a_provider_that_can_answer_whole():
    assert await route(Scripted([unavailable()], WORDS)).complete(PROMPT, max_tokens=9) == Completion(
        "Good evening", STOP
    )


async def test_attempts_are_timed():
    clock = Clock()

    class Late(Scripted):
        async def stream(self, messages, *, max_tokens):
            clock.now += 0.25
            yield Delta(("x",))
            clock.now += 0.5
            yield STOP

    assert (await ask(route(Late(), clock=clock))).trace.attempts[0].ms == 750


async def test_stopped_answer_closes_its_stream_and_counts_as_neither():
    provider = Scripted(WORDS)
    trace = Trace()
    asked = route(provider, failures=1)
    items = asked.stream(PROMPT, max_tokens=9, trace=trace)
    assert await anext(items) == Delta(("Good",))
    assert provider.open == 1
    await items.aclose()
    assert provider.open == 0
    assert [attempt.error for attempt in trace.attempts] == [None]
    assert (trace.uncounted_attempts, trace.uncounted_pieces) == (1, 1)
    assert asked.health()[0].failures == 0


async def test_cancelled_before_the_first_token_everything_is_closed():
    waiting = asyncio.Event()

    class Silent(Scripted):
        async def stream(self, messages, *, max_tokens):
            self.open += 1
            try:
                waiting.set()
                await asyncio.Event().wait()
                yield STOP
            finally:
                self.open -= 1

    provider = Silent()
    task = asyncio.create_task(ask(route(provider)))
    await waiting.wait()
    assert provider.open == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert provider.open == 0


async def test_cancelled_while_it_waits_to_try_again():
    waiting = asyncio.Event()

    class Stopped(Clock):
        async def sleep(self, seconds):
            waiting.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(ask(route(Scripted([unavailable()]), clock=Stopped())))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_closing_closes_every_provider():
    providers = Scripted(WORDS), Scripted(WORDS)
    await route(*providers).close()
    assert [provider.closed for provider in providers] == [True, True]
