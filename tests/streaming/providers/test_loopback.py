"""The rules against a real server: the simulator in its own process, over the aiohttp transport."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from streaming.events import ErrorCode
from streaming.providers.base import Finish
from streaming.providers.catalogue import DeploymentSpec, provider_of
from streaming.providers.routing import Deployment, Route, Trace
from tests.streaming.providers.scripted import Answer, Clock
from tests.streaming.providers.scripted import ask as ask_prompt
from tests.streaming.simulator.process import start_simulator

QUESTION = "Tell me about baby sleep patterns"


@pytest.fixture(scope="module")
def simulator():
    with start_simulator("--tokens-per-second", "2000", "--first-token-ms", "0") as running:
        yield running


@asynccontextmanager
async def route(simulator, *names, clock=None, **options):
    clock = clock or Clock()
    specs = [DeploymentSpec(name, "azure", simulator.url, name, "any") for name in names]
    deployments = [Deployment(spec.name, provider_of(spec, connect=5, idle=0.5)) for spec in specs]
    asked = Route("gpt", deployments, clock=clock, sleep=clock.sleep, random=lambda: 0.5, **options)
    try:
        yield asked
    finally:
        await asked.close()


async def ask(asked, *directives, max_tokens=2000) -> Answer:
    question = " ".join([QUESTION, *(f"[[simulate {directive}]]" for directive in directives)])
    return await ask_prompt(asked, max_tokens, prompt=[{"role": "user", "content": question}])


def places(answer):
    return [attempt.deployment for attempt in answer.trace.attempts]


def requests(simulator, name):
    return simulator.stats()["deployments"].get(name, {}).get("requests", 0)


@pytest.fixture(scope="module")
def whole(simulator):
    async def undisturbed():
        async with route(simulator, "undisturbed") as asked:
            return (await ask(asked, "tokens=90")).text

    return asyncio.run(undisturbed())


BROKEN = ["cut", "eof", "error_event", "garbage", "stall"]


@pytest.mark.parametrize("fault", BROKEN)
async def test_answer_broken_in_its_midst_is_continued_exactly(simulator, whole, fault):
    async with route(simulator, "east", "west") as asked:
        answer = await ask(asked, f"{fault} at=40 tokens=90 delay=2 deployment=east")
    assert (answer.text, answer.finish.reason, answer.error) == (whole, "stop", None)
    assert places(answer) == ["east", "west"]
    assert answer.trace.attempts[1].kind == "continue"
    assert 0 < answer.trace.attempts[1].began_at < len(whole)


@pytest.mark.parametrize("restate", [0, 1, 3, 5, 9, 1000])
@pytest.mark.parametrize("at", [1, 2, 23, 60, 89])
async def test_exactly_wherever_it_broke_and_whatever_is_repeated(simulator, whole, at, restate):
    async with route(simulator, "east", "west") as asked:
        answer = await ask(asked, f"eof at={at} tokens=90 restate={restate} deployment=east")
    assert (answer.text, places(answer)) == (whole, ["east", "west"])


async def test_only_deployment_goes_on_twice(simulator, whole):
    async with route(simulator, "alone") as asked:
        answer = await ask(asked, "eof at=40 tokens=90 fail_first=2 key=test-twice")
    assert (answer.text, places(answer)) == (whole, ["alone"] * 3)


async def test_always_cut_it_ends_as_interrupted(simulator, whole):
    async with route(simulator, "alone") as asked:
        answer = await ask(asked, "eof at=20 tokens=90")
    assert (answer.error.code, answer.error.retryable) == (ErrorCode.STREAM_INTERRUPTED, True)
    assert whole.startswith(answer.text)


async def test_usage_of_the_attempts_that_tell_it(simulator):
    async with route(simulator, "east", "west") as asked:
        answer = await ask(asked, "eof at=40 tokens=90 deployment=east")
    assert 50 <= answer.finish.usage.completion_tokens <= 60
    assert (answer.trace.uncounted_attempts, answer.trace.uncounted_pieces) == (1, 40)


async def test_too_many_requests_then_the_answer(simulator, whole):
    clock = Clock()
    async with route(simulator, "alone", clock=clock) as asked:
        answer = await ask(asked, "429 retry_after=3 tokens=90 fail_first=1 key=test-429")
    assert (answer.text, answer.trace.retries, clock.slept) == (whole, 1, [3.25])


async def test_three_times_unavailable_then_the_next_deployment(simulator, whole):
    async with route(simulator, "down", "up") as asked:
        answer = await ask(asked, "503 tokens=90 deployment=down")
    assert (answer.text, places(answer)) == (whole, ["down"] * 3 + ["up"])


@pytest.mark.parametrize(
    "fault", ["no_stream", "eof at=0 only=stream", "cut at=0 only=stream", "empty only=stream"]
)
async def test_broken_streaming_gives_the_answer_whole(simulator, whole, fault):
    async with route(simulator, "whole") as asked:
        answer = await ask(asked, f"{fault} tokens=90")
    assert (answer.text, answer.finish.reason) == (whole, "stop")
    assert [attempt.kind for attempt in answer.trace.attempts] == ["stream", "complete"]
    assert answer.finish.usage.completion_tokens == 90


async def test_breaker_opens_tries_again_and_closes(simulator, whole):
    clock = Clock()
    fault = "503 tokens=90 fail_first=4 key=test-breaker deployment=flaky"
    async with route(simulator, "flaky", "steady", clock=clock, failures=3) as asked:
        assert places(await ask(asked, fault)) == ["flaky"] * 3 + ["steady"]
        assert [health.state for health in asked.health()] == ["open", "closed"]
        assert places(await ask(asked, fault)) == ["steady"]
        assert requests(simulator, "flaky") == 3
        clock.now += 30
        assert places(await ask(asked, fault)) == ["flaky", "steady"]
        assert asked.health()[0].retry_in == 60
        clock.now += 60
        answer = await ask(asked, fault)
        assert (answer.text, places(answer)) == (whole, ["flaky"])
        assert [health.state for health in asked.health()] == ["closed", "closed"]


async def test_stop_in_the_midst_of_a_continuation_closes_the_connection(simulator):
    async with route(simulator, "east", "west") as asked:
        trace, aborted = Trace(), simulator.stats()["aborted"]
        question = f"{QUESTION} [[simulate eof at=20 tokens=90 delay=20 deployment=east]]"
        items = asked.stream([{"role": "user", "content": question}], max_tokens=999, trace=trace)
        async for item in items:
            assert not isinstance(item, Finish)
            if trace.deployment == "west":
                break
        await items.aclose()
        async with asyncio.timeout(5):
            while simulator.stats()["active"]:
                await asyncio.sleep(0.01)  # the loop closes the connection
        assert simulator.stats()["aborted"] == aborted + 1


async def test_wrong_name_of_a_deployment_is_passed_over(simulator, whole):
    async with route(simulator, "gone", "here") as asked:
        answer = await ask(asked, "404 tokens=90 deployment=gone")
        assert (answer.text, places(answer)) == (whole, ["gone", "here"])
        assert asked.health()[0].state == "open"
