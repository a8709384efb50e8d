"""A deployment that keeps failing is left alone for a while; nobody is refused while one may still answer."""

import pytest

from streaming.providers.base import Delta
from streaming.providers.breaker import Breaker, DeploymentHealth
from tests.streaming.providers.scripted import PROMPT, Clock, Scripted, ask, route
from tests.streaming.providers.test_routing import WORDS, cut, final, limited, slow, unavailable


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return Breaker(failures=2, open_seconds=30, clock=clock)


def opened(breaker):
    for _ in range(2):
        breaker.failed("503")


def test_closed_lets_everybody_through(breaker):
    assert [breaker.admit(), breaker.admit(), breaker.state] == [True, True, "closed"]


def test_failures_in_a_row_open_it(breaker):
    opened(breaker)
    assert (breaker.state, breaker.admit(), breaker.retry_in) == ("open", False, 30)


def test_success_between_failures_keeps_it_closed(breaker):
    breaker.failed("503")
    breaker.succeeded()
    breaker.failed("503")
    assert breaker.state == "closed"


def test_half_open_lets_one_through(breaker, clock):
    opened(breaker)
    clock.now += 30
    assert (breaker.state, breaker.admit(), breaker.admit()) == ("half-open", True, False)


def test_trial_that_succeeds_closes_it(breaker, clock):
    opened(breaker)
    clock.now += 30
    breaker.admit()
    breaker.succeeded()
    assert (breaker.state, breaker.admit(), breaker.admit()) == ("closed", True, True)


def test_trials_that_fail_double_the_rest_up_to_five_minutes(breaker, clock):
    opened(breaker)
    rests = []
    for _ in range(6):
        rests.append(breaker.retry_in)
        clock.now += breaker.retry_in
        assert breaker.admit()
        breaker.failed("503")
    assert rests == [30, 60, 120, 240, 300, 300]
    clock.now += 300
    breaker.succeeded()
    opened(breaker)
    assert breaker.retry_in == 30


def test_trial_that_was_left_makes_room_for_another(breaker, clock):
    opened(breaker)
    clock.now += 30
    breaker.admit()
    breaker.left()
    assert (breaker.state, breaker.admit()) == ("half-open", True)


def test_failure_while_it_is_open_does_not_put_the_trial_off(breaker, clock):
    opened(breaker)
    clock.now += 20
    breaker.failed("503")
    assert breaker.retry_in == 10


def test_health_says_how_it_stands(breaker, clock):
    opened(breaker)
    clock.now += 12.34
    assert breaker.health("east") == DeploymentHealth("east", "open", 2, "503", 17.7)


# --- in a route ---------------------------------------------------------------------------------------------


def states(asked):
    return [health.state for health in asked.health()]


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (unavailable(503), "open"),
        (slow(), "open"),
        (limited(), "open"),
        (unavailable(400), "closed"),
        (final("content_filtered"), "closed"),
        (final("context_too_long"), "closed"),
    ],
)
async def test_what_counts_as_a_failure(failure, state):
    asked = route(Scripted([failure]), failures=2, attempts=2)
    await ask(asked)
    assert states(asked) == [state]


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_wrong_key_or_name_opens_at_once(status):
    asked = route(Scripted([unavailable(status)]), Scripted(WORDS))
    await ask(asked)
    assert [(one.name, one.state, one.last_error) for one in asked.health()] == [
        ("a", "open", str(status)),
        ("b", "closed", ""),
    ]


async def test_failures_in_the_midst_of_answers_count():
    asked = route(Scripted(["One", cut()]), failures=3)
    await ask(asked)
    assert states(asked) == ["open"]


async def test_deployment_that_rests_is_passed_over():
    resting = Scripted([unavailable()])
    asked = route(resting, Scripted(WORDS), failures=3)
    await ask(asked)
    answers = [await ask(asked) for _ in range(3)]
    assert [answer.steps for answer in answers] == [[("b", "stream", 0, None)]] * 3
    assert len(resting.asked) == 3


async def test_opening_ends_the_tries(clock):
    provider = Scripted([unavailable()])
    asked = route(provider, failures=2, clock=clock)
    await ask(asked)
    assert (len(provider.asked), clock.slept) == (2, [0.5])


async def test_trial_that_succeeds_brings_the_deployment_back(clock):
    provider = Scripted(*[[unavailable()]] * 3, WORDS)
    asked = route(provider, Scripted(WORDS), failures=3, clock=clock)
    await ask(asked)
    clock.now += 30
    assert states(asked)[0] == "half-open"
    assert (await ask(asked)).trace.deployment == "a"
    assert states(asked) == ["closed", "closed"]


async def test_trial_is_one_try(clock):
    provider = Scripted([unavailable()])
    asked = route(provider, Scripted(WORDS), failures=3, clock=clock)
    await ask(asked)
    clock.now += 30
    assert [step[0] for step in (await ask(asked)).steps] == ["a", "b"]
    assert asked.health()[0].retry_in == 60


async def test_trial_that_is_stopped_makes_room_for_another(clock):
    provider = Scripted(*[[unavailable()]] * 3, WORDS)
    asked = route(provider, failures=3, clock=clock)
    await ask(asked)
    clock.now += 30
    items = asked.stream(PROMPT, max_tokens=9)
    assert await anext(items) == Delta(("Good",))
    await items.aclose()
    assert states(asked) == ["closed"]


async def test_with_every_breaker_open_the_nearest_to_a_trial_is_asked_once(clock):
    first, second = Scripted([unavailable()]), Scripted(*[[unavailable()]] * 3, WORDS)
    asked = route(first, second, failures=3, clock=clock)
    await ask(asked)  # both open; the second a little later
    assert states(asked) == ["open", "open"]
    answer = await ask(asked)
    assert (answer.error.code, [step[0] for step in answer.steps]) == ("provider_unavailable", ["a"])
    assert asked.health()[0].retry_in < asked.health()[1].retry_in


async def test_nearest_to_a_trial_that_answers_is_back(clock):
    provider = Scripted(*[[unavailable()]] * 3, WORDS)
    asked = route(provider, failures=3, clock=clock)
    assert (await ask(asked)).error.retryable
    assert (await ask(asked)).text == "Good evening"
    assert states(asked) == ["closed"]


async def test_resting_deployment_is_asked_when_all_others_fail(clock):
    resting = Scripted(*[[unavailable()]] * 3, WORDS)
    asked = route(resting, Scripted(WORDS, [unavailable()]), failures=3, clock=clock)
    await ask(asked)
    answer = await ask(asked)
    assert [step[0] for step in answer.steps] == ["b", "b", "b", "a"]
    assert answer.text == "Good evening"
