"""A title from the model: after the first answer, in the background, and never against the person."""

import asyncio
from datetime import date

import pytest
from django.db.models import Sum
from django.utils import timezone

from chat.charge import Payer, ask_at_cost
from chat.engine import engine
from chat.models import AnswerStatistics, Conversation, Person
from chat.models.usage import ASIDES
from chat.statistics import roll_up
from chat.titles import MARK, title_of
from chat.work import in_thread
from streaming.events import ErrorCode, Usage
from streaming.providers.base import Delta, Finish, ProviderError
from streaming.providers.routing import Deployment, Route
from tests.chat.scripted import CRISIS, LULLABY, STOP, answer, until

pytestmark = pytest.mark.django_db(transaction=True)
TITLE = ("Sleep in the first weeks", Finish("stop", Usage(50, 5)))


@pytest.fixture
def titles(settings):
    settings.MODEL_TITLES = True


async def settled():
    """Until nothing goes on in the background."""

    async def done():
        return not engine().asides.running

    await until(done)


async def title(turn):
    return await in_thread(lambda: Conversation.objects.get(uuid=turn.conversation).title)


async def test_first_answer_brings_a_title(titles, says, alice):
    provider = says(answers=[LULLABY, TITLE])
    turn = await answer(alice, "hi, she is up every hour, is that normal??")
    await settled()
    assert await title(turn) == "Sleep in the first weeks"
    system, material = provider.prompts[1]
    assert system["content"].startswith(MARK)
    assert material["content"].startswith("hi, she is up every hour")
    assert provider.max_tokens[1] == 40


async def test_later_answers_bring_none(titles, says, alice):
    provider = says(answers=[LULLABY, TITLE, LULLABY])
    turn = await answer(alice)
    await settled()
    await answer(alice, "And naps?", conversation=turn.conversation)
    await settled()
    assert len(provider.prompts) == 3


async def test_answer_does_not_wait_for_it(titles, says, alice):
    waits = asyncio.Event()
    says(answers=[LULLABY, (waits, *TITLE)])
    turn = await answer(alice, "Tell me about sleep")
    assert await title(turn) == "Tell me about sleep"
    waits.set()
    await settled()
    assert await title(turn) == "Sleep in the first weeks"


async def test_own_title_wins_even_while_the_model_thinks(titles, says, alice):
    waits = asyncio.Event()
    says(answers=[LULLABY, (waits, *TITLE)])
    turn = await answer(alice)
    rows = Conversation.objects.filter(uuid=turn.conversation)
    await in_thread(lambda: rows.update(title="Mine", is_named=True))
    waits.set()
    await settled()
    assert await title(turn) == "Mine"


@pytest.mark.parametrize("message", [CRISIS, "My newborn has a fever of 39"])
async def test_emergency_gets_no_title(titles, says, alice, message):
    provider = says(answers=[LULLABY, TITLE])
    turn = await answer(alice, message)
    await settled()
    assert [p for p in provider.prompts if p[0]["content"].startswith(MARK)] == []
    assert await title(turn) in ("", message)


@pytest.mark.parametrize(
    "said",
    [
        ("Give honey from six months", STOP),
        ("", STOP),
        ("Half a tit", Finish("length")),
        ("one two three four five six seven eight nine ten eleven", STOP),
        (ProviderError(ErrorCode.RATE_LIMITED, "busy"),),
    ],
)
async def test_unfit_title_leaves_the_first_line(titles, says, alice, said):
    says(answers=[LULLABY, said])
    turn = await answer(alice, "Can she have honey at six months then?")
    await settled()
    assert await title(turn) == "Can she have honey at six months then?"


async def test_it_counts_in_the_persons_day(titles, says, alice, settings):
    settings.QUOTA_TOKENS_PER_DAY = 10_000
    says(answers=[LULLABY, TITLE])
    await answer(alice)
    await settled()
    used = await in_thread(lambda: Person.objects.get(pk=alice.pk).quota_tokens)
    assert used == 15 + 55


@pytest.mark.parametrize("a_day", [None, 10_000])
async def test_it_counts_in_the_hour_apart_from_the_answers(titles, says, alice, settings, a_day):
    settings.QUOTA_TOKENS_PER_DAY = a_day
    says(answers=[LULLABY, TITLE, LULLABY, TITLE])
    for question in ("hi, she is up every hour", "Can she sleep on her side?"):
        await answer(alice, question)
        await settled()
    await in_thread(roll_up, timezone.now())
    sums = {name: Sum(name) for name in ("answers", "prompt_tokens", "completion_tokens")}
    beside = await AnswerStatistics.objects.filter(deployment=ASIDES).aaggregate(**sums)
    assert beside == {"answers": 0, "prompt_tokens": 100, "completion_tokens": 10}
    assert (await AnswerStatistics.objects.of_answers().aaggregate(**sums))["answers"] == 2


class BreaksOff:
    """Every answer of it, after two words."""

    async def stream(self, messages, *, max_tokens):
        yield Delta(("Sleep ",))
        yield Delta(("in ",))
        raise ProviderError(ErrorCode.STREAM_INTERRUPTED, "cut")

    async def complete(self, messages, *, max_tokens):
        raise ProviderError(ErrorCode.RATE_LIMITED, "busy")

    async def close(self):
        pass


async def test_what_broke_off_is_counted_too(says, alice):
    says()
    engine().routes["scripted"] = Route("scripted", [Deployment("east", BreaksOff())], attempts=1)
    day = date(2026, 11, 24)
    await in_thread(Person.objects.filter(pk=alice.pk).update, quota_day=day)
    with pytest.raises(ProviderError):
        await ask_at_cost(Payer(alice.pk, day), "scripted", "Give a title", "hi", max_tokens=40)
    row = await AnswerStatistics.objects.aget(deployment=ASIDES)
    used = await in_thread(lambda: Person.objects.get(pk=alice.pk).quota_tokens)
    assert (row.answers, row.completion_tokens > 1, row.prompt_tokens > 0) == (0, True, True)
    assert used == row.prompt_tokens + row.completion_tokens


async def test_off_asks_nothing(says, alice):
    provider = says(answers=[LULLABY, TITLE])
    await answer(alice)
    await settled()
    assert len(provider.prompts) == 1


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ('"Sleep at night."\n', "Sleep at night"),
        ("**Title: Sleep**", "Sleep"),
        ("Titel: „Schlaf in der Nacht“", "Schlaf in der Nacht"),
        ("标题：夜里的睡眠。", "夜里的睡眠"),
        ("العنوان: «النوم ليلًا»", "النوم ليلًا"),
        ("\n\n  Naps \u202e and\tnights\nSecond line", "Naps and nights"),
        ("x" * 81, ""),
        ("…", ""),
    ],
)
def test_title_is_one_plain_line(said, shown):
    assert title_of(said) == shown
