"""A title from the model: after the first answer, in the background, and never against the person."""

import asyncio

import pytest

from chat.engine import engine
from chat.models import Conversation, Person
from chat.titles import MARK, title_of
from chat.work import in_thread
from streaming.events import ErrorCode, Usage
from streaming.providers.base import Finish, ProviderError
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
