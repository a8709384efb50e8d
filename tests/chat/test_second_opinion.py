"""Second opinions, from the question to what the parent sees, what is saved, and how long it takes."""

import asyncio
import json
from time import monotonic

import httpx2
import pytest

from chat.admin.answers import GenerationAdmin
from chat.second_opinion import Panel
from chat.streams import whole
from safety.remote.base import EngineError, Sign
from safety.remote.openai_moderation import OpenAIModeration
from streaming.events import Error, ErrorCode, Metadata, Notice, Token, fold
from streaming.providers.base import ProviderError
from tests.chat.opinions import events_of, opinions_of, told
from tests.chat.scripted import (
    CRISIS,
    FEVER,
    INJECTION,
    LULLABY,
    LULLABY_TEXT,
    PATIENCE,
    STOP,
    answer,
    begin,
    log_of,
    logged,
    saved,
    until,
)

pytestmark = pytest.mark.django_db(transaction=True)


class Scripted:
    """An engine that says what a test wants: signs, an exception, or signs after an event."""

    def __init__(self, *signs, error=None, after=None, name="scripted_engine"):
        self.name = name
        self.given, self.error, self.after = frozenset(signs), error, after
        self.texts = []
        self.cancelled = 0

    async def signs(self, text):
        self.texts.append(text)
        try:
            if self.after:
                await self.after.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error:
            raise self.error
        return self.given


@pytest.fixture
def engines(engine):
    """Sets who is asked; the deadline is long unless a test is about it."""

    def use(*asked, deadline=PATIENCE, **options):
        engine.__dict__["panel"] = Panel(asked, deadline=deadline, **options)
        return asked[0]

    return use


# --- What an opinion changes ------------------------------------------------------------------------------


async def test_off_by_default_nothing_is_asked(says, alice, engine):
    says(*LULLABY)
    turn = await answer(alice)
    assert (engine.panel.is_empty, await opinions_of(turn)) == (True, [])
    assert await told(turn) == (LULLABY_TEXT, [], "stop")


async def test_an_opinion_without_findings_changes_nothing(says, alice, engines):
    says(*LULLABY)
    engines(Scripted())
    turn = await answer(alice)
    assert await told(turn) == (LULLABY_TEXT, [], "stop")
    assert (await events_of(turn), await opinions_of(turn)) == ([], [("scripted_engine", None)])


async def test_self_harm_becomes_the_crisis_card_and_the_model_is_not_shown(says, alice, engines):
    provider = says(*LULLABY)
    engines(Scripted(Sign.SELF_HARM))
    turn = await answer(alice)
    assert await told(turn) == ("", ["self_harm_crisis"], "refused")
    assert (await saved(turn)).status == "refused"
    assert await events_of(turn) == [
        ("self_harm", "card_only", "self_harm_crisis", ["scripted_engine.self_harm"])
    ]
    assert provider.closed == 1


async def test_the_crisis_card_does_not_wait_for_the_model_which_is_stopped(says, alice, engines):
    provider = says(asyncio.Event(), "Never shown. ", STOP)
    engines(Scripted(Sign.SELF_HARM))
    turn = await answer(alice)
    assert (await told(turn), provider.closed) == (("", ["self_harm_crisis"], "refused"), 1)


@pytest.mark.parametrize(
    ("sign", "rule", "category"),
    [
        (Sign.SEXUAL_MINORS, "scripted_engine.sexual_minors", "child_abuse"),
        (Sign.VIOLENCE, "scripted_engine.violence", "abuse"),
    ],
)
async def test_what_must_not_be_helped_with_is_refused(sign, rule, category, says, alice, engines):
    says(*LULLABY)
    engines(Scripted(sign))
    turn = await answer(alice)
    assert await told(turn) == ("", ["refusal"], "refused")
    assert await events_of(turn) == [(category, "block", "refusal", [rule])]


async def test_the_card_is_in_the_language_of_the_question(says, alice, engines):
    says(*LULLABY)
    engines(Scripted(Sign.SELF_HARM))
    turn = await answer(alice, "¿Cómo puedo dormir más con el bebé?")
    assert [notice.language for notice in fold(await log_of(turn)).notices] == ["es"]


async def test_an_attack_on_the_prompt_is_a_notice_before_the_answer(says, alice, engines):
    says(*LULLABY)
    engines(Scripted(Sign.ATTACK))
    turn = await answer(alice)
    kinds = [type(event) for event in await log_of(turn)]
    assert kinds[:3] == [Metadata, Notice, Token]
    assert await told(turn) == (LULLABY_TEXT, ["injection_refusal"], "stop")
    assert await events_of(turn) == [
        ("injection", "allow_with_notice", "injection_refusal", ["scripted_engine.attack"])
    ]


async def test_a_card_that_only_comes_first_does_not_wait_for_the_model(says, alice, engines):
    ready = asyncio.Event()
    says(ready, *LULLABY)
    engines(Scripted(Sign.SELF_HARM_LOW))
    turn = await begin(alice)
    await logged(turn.stream, 2)
    assert [type(event) for event in await log_of(turn)] == [Metadata, Notice]
    ready.set()
    await whole(turn.stream)
    assert await told(turn) == (LULLABY_TEXT, ["self_harm_support"], "stop")


async def test_the_local_card_stays_and_the_same_card_does_not_come_twice(says, alice, engines):
    says(*LULLABY)
    local = await told(await answer(alice, FEVER))
    engines(Scripted(Sign.VIOLENCE, Sign.INFANT_EMERGENCY))
    turn = await answer(alice, FEVER)
    assert await told(turn) == local
    assert [category for category, *_rest in await events_of(turn)].count("abuse") == 1


@pytest.mark.parametrize("question", [CRISIS, INJECTION])
async def test_nobody_is_asked_where_the_rules_leave_the_model_out(question, says, alice, engines):
    says(*LULLABY)
    asked = engines(Scripted(Sign.VIOLENCE))
    turn = await answer(alice, question)
    assert (asked.texts, await opinions_of(turn)) == ([], [])


async def test_the_emergency_of_an_opinion_stays_open(says, alice, engines):
    says(*LULLABY)
    asked = engines(Scripted(Sign.SELF_HARM))
    turn = await answer(alice)
    asked.given = frozenset()
    later = await answer(alice, "And what about the evening?", conversation=turn.conversation)
    assert [card for _c, _a, card, _r in await events_of(turn)] == ["self_harm_crisis"]
    assert (await told(later))[1] == ["self_harm_crisis"]


async def test_cards_come_before_the_failure_of_the_model(says, alice, engines):
    says(ProviderError(ErrorCode.PROVIDER_UNAVAILABLE, "away"))
    engines(Scripted(Sign.ATTACK))
    turn = await answer(alice)
    assert [type(event) for event in await log_of(turn)] == [Metadata, Notice, Error]


# --- Time -------------------------------------------------------------------------------------------------


async def test_the_model_begins_before_any_opinion_is_in(says, alice, engines):
    provider = says(*LULLABY)
    heard = asyncio.Event()
    asked = engines(Scripted(after=heard))
    turn = await begin(alice)

    async def both_asked():
        return bool(provider.prompts and asked.texts)

    await until(both_asked)
    await asyncio.sleep(0.05)
    assert [type(event) for event in await log_of(turn)] == [Metadata]
    heard.set()
    await whole(turn.stream)
    assert await told(turn) == (LULLABY_TEXT, [], "stop")


async def test_all_engines_are_asked_at_once(says, alice, engines):
    says(*LULLABY)
    heard = asyncio.Event()
    several = [Scripted(after=heard, name=name) for name in ("one", "two", "three")]
    engines(*several)
    turn = await begin(alice)

    async def all_asked():
        return all(engine.texts for engine in several)

    await until(all_asked)
    heard.set()
    await whole(turn.stream)
    assert await opinions_of(turn) == [("one", None), ("two", None), ("three", None)]


async def test_the_answer_waits_no_longer_than_the_deadline(says, alice, engines):
    says(*LULLABY)
    slow = Scripted(Sign.SELF_HARM, after=asyncio.Event(), name="slow")
    engines(slow, Scripted(Sign.ATTACK), deadline=0.1)
    began = monotonic()
    turn = await answer(alice)
    assert 0.1 <= monotonic() - began < 2
    assert await told(turn) == (LULLABY_TEXT, ["injection_refusal"], "stop")
    assert await opinions_of(turn) == [("slow", "timeout"), ("scripted_engine", None)]
    assert slow.cancelled == 1
    assert (await saved(turn)).generation.ttft_ms >= 100


async def test_a_stopped_answer_stops_asking(says, alice, engines):
    from chat.turns import stop_turn

    provider = says(asyncio.Event(), *LULLABY)
    asked = engines(Scripted(after=asyncio.Event()))
    turn = await begin(alice)

    async def both_asked():
        return bool(provider.prompts and asked.texts)

    await until(both_asked)
    await stop_turn(turn.stream)
    assert ((await saved(turn)).status, asked.cancelled, provider.closed) == ("stopped", 1, 1)


# --- Failures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (EngineError("HTTP 503"), "error"),
        (EngineError("late", reason="timeout"), "timeout"),
        (ZeroDivisionError("a bug"), "error"),
    ],
)
@pytest.mark.parametrize("question", ["How do babies sleep?", FEVER])
async def test_an_engine_that_fails_leaves_the_local_verdict(error, said, question, says, alice, engines):
    says(*LULLABY)
    local = await answer(alice, question)
    engines(Scripted(error=error))
    turn = await answer(alice, question)
    assert (await told(turn), await events_of(turn)) == (await told(local), await events_of(local))
    assert await opinions_of(turn) == [("scripted_engine", said)]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


async def test_an_engine_that_keeps_failing_is_left_alone_for_a_while(caplog):
    clock, engine = Clock(), Scripted(error=EngineError("HTTP 500"))
    panel = Panel([engine], deadline=1, failures=2, open_seconds=30, clock=clock)

    async def ask():
        return next(heard.error for heard in await panel.ask("Hello"))

    assert [await ask() for _ in range(4)] == ["error", "error", "resting", "resting"]
    assert len(engine.texts) == 2
    clock.now, engine.error = 31, None
    assert [await ask() for _ in range(2)] == [None, None]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


@pytest.mark.parametrize(
    ("error", "resting_until"),
    [(EngineError("HTTP 429", rest=7), 7), (EngineError("HTTP 401", is_lasting=True), 30)],
)
async def test_an_engine_is_left_alone_as_long_as_it_asks(error, resting_until, caplog):
    clock, engine = Clock(), Scripted(error=error)
    panel = Panel([engine], deadline=1, failures=5, open_seconds=30, clock=clock)
    await panel.ask("Hello")
    clock.now = resting_until - 0.1
    assert [heard.error for heard in await panel.ask("Hello")] == ["resting"]
    clock.now, engine.error = resting_until + 0.1, None
    assert [heard.error for heard in await panel.ask("Hello")] == [None]


async def test_one_engine_that_fails_does_not_keep_another_from_being_heard(says, alice, engines):
    says(*LULLABY)
    engines(Scripted(error=EngineError("HTTP 500"), name="broken"), Scripted(Sign.SELF_HARM))
    turn = await answer(alice)
    assert await told(turn) == ("", ["self_harm_crisis"], "refused")
    assert await opinions_of(turn) == [("broken", "error"), ("scripted_engine", None)]


async def test_opinions_are_no_tries_of_the_model(says, alice, engines):
    says(*LULLABY)
    engines(Scripted(error=EngineError("HTTP 503")))
    turn = await answer(alice)
    generation = (await saved(turn)).generation
    assert GenerationAdmin.tries(None, generation) == "1"
    assert "for a second opinion" in GenerationAdmin.attempts_table(None, generation)
    assert (generation.deployment, generation.retries, generation.usage_estimated) == ("scripted", 0, False)


# --- Personal data ----------------------------------------------------------------------------------------


async def test_personal_data_is_masked_before_anything_is_sent(says, alice, engines):
    says(*LULLABY)
    sent = []

    async def reply(request):
        sent.append(json.loads(request.content)["input"])
        return httpx2.Response(503)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(reply)) as client:
        engines(OpenAIModeration(client, "https://openai.test/v1", "k"))
        await answer(alice, "Write to anna@example.org about naps, or call +1 202 555 0143")
    assert sent == ["Write to [email] about naps, or call [phone]"]
