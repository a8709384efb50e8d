"""What no prompt holds any more is summed up once, and goes along from then on."""

import asyncio

import pytest

from chat.engine import engine
from chat.models import Generation, Message, Summary
from chat.prompts import words
from chat.summaries import MARK, without_numbers
from chat.turns import show_branch
from chat.turns.opening import reopen_turn
from chat.work import in_thread, unit_of_work
from streaming.events import ErrorCode, Usage
from streaming.providers.base import Finish, ProviderError
from tests.chat.scripted import STOP, answer, saved, until

pytestmark = pytest.mark.django_db(transaction=True)
WORDS = ["moon", "lamp", "blanket", "window", "chair", "garden", "story"]
PLACES = ["bottle", "river", "pillow", "song", "candle", "basket", "kettle"]
LONG = (
    "".join(f"The {one} is by the {other}. " for one in WORDS for other in PLACES)[:1500] + "\n",
    STOP,
)
SUMMARY = ("She asked about naps. Leo is allergic to milk.", Finish("stop", Usage(400, 20)))


@pytest.fixture
def small(settings):
    """A prompt holds the system prompt and about one exchange."""
    settings.CONTEXT_TOKENS = 1000
    settings.SUMMARY_AFTER_TOKENS = 300


async def settled():
    async def done():
        return not engine().asides.running

    await until(done)


async def talk(alice, count, conversation=None):
    for number in range(count):
        turn = await answer(alice, f"Tell me about naps, part {number}", conversation=conversation)
        conversation = turn.conversation
        await settled()
    return turn


def asked(provider):
    return [p for p in provider.prompts if p[0]["content"].startswith(MARK)]


async def has_asked(provider):
    return bool(asked(provider))


async def summaries():
    return await in_thread(lambda: list(Summary.objects.order_by("pk").values_list("text", flat=True)))


async def test_long_conversation_is_summed_up_and_goes_on(small, says, alice):
    provider = says(answers=[LONG, LONG, LONG, SUMMARY, LONG])
    turn = await talk(alice, 4)
    kept = await in_thread(lambda: Summary.objects.select_related("until").get())
    assert (kept.text, kept.prompt_tokens, kept.completion_tokens) == (SUMMARY[0], 400, 20)
    prompt = provider.prompts[-1]
    told = words("en").earlier.format(summary=SUMMARY[0])
    assert prompt[1] == {"role": "system", "content": told}
    # Nothing stands in both, and nothing between them is lost.
    said_first = next(message["content"] for message in prompt[2:] if message["role"] == "user")
    later = Message.objects.filter(pk__gt=kept.until_id, role="user")
    assert said_first == await in_thread(lambda: later.order_by("pk").first().content)
    generation = (await saved(turn)).generation
    assert generation.sent[1] == {"role": "system", "content": told}


async def test_short_conversation_is_not(small, says, alice, settings):
    settings.CONTEXT_TOKENS = 6000
    provider = says(*LONG)
    await talk(alice, 3)
    assert (asked(provider), await summaries()) == ([], [])


async def test_summary_goes_on_from_the_one_before(small, says, alice):
    provider = says(answers=[LONG, LONG, LONG, SUMMARY, LONG, LONG, ("More. ", STOP), LONG])
    await talk(alice, 6)
    first, second = asked(provider)[:2]
    assert "part 0" in first[1]["content"]
    assert second[1]["content"].startswith(SUMMARY[0])
    assert "part 0" not in second[1]["content"]


async def test_answer_does_not_wait_for_it_and_one_is_enough(small, says, alice):
    waits = asyncio.Event()
    provider = says(answers=[LONG, LONG, LONG, (waits, *SUMMARY), LONG])
    turn = await talk(alice, 2)
    await answer(alice, "part 2", conversation=turn.conversation)
    await until(lambda: has_asked(provider))
    await answer(alice, "part 3", conversation=turn.conversation)
    assert len(asked(provider)) == 1
    waits.set()
    await settled()
    assert await summaries() == [SUMMARY[0]]


@pytest.mark.parametrize(
    "said",
    [
        (ProviderError(ErrorCode.PROVIDER_UNAVAILABLE, "away"),),
        ("You can give your baby honey from six months. ", STOP),
        ("Cut o", Finish("length")),
        ("", STOP),
    ],
)
async def test_what_failed_is_tried_at_a_later_turn(small, says, alice, said):
    says(answers=[LONG, LONG, LONG, said, LONG, SUMMARY])
    turn = await talk(alice, 3)
    assert await summaries() == []
    await talk(alice, 1, turn.conversation)
    assert await summaries() == [SUMMARY[0]]


async def test_unsafe_sentence_of_a_summary_goes(small, says, alice):
    said = ("Leo has a cough. You can give your baby honey from six months. Call 112. She is tired. ", STOP)
    says(answers=[LONG, LONG, LONG, said, LONG])
    await talk(alice, 3)
    assert await summaries() == ["Leo has a cough. She is tired."]


async def test_summary_of_another_branch_stays_out(small, says, alice):
    provider = says(answers=[LONG, LONG, LONG, SUMMARY, LONG])
    turn = await talk(alice, 3)
    # Another version of the first answer: what was summed up is hidden with all that followed it.
    first = await in_thread(lambda: Message.objects.filter(role="assistant").order_by("pk").first().uuid)
    await unit_of_work(reopen_turn, alice, first, alone=False)
    await in_thread(lambda: Message.objects.filter(status="streaming").update(status="complete", content="x"))
    await in_thread(lambda: Generation.objects.filter(ended_at=None).update(ended_at="2026-01-01T00:00Z"))
    await answer(alice, "And now?", conversation=turn.conversation)
    assert [m["content"] for m in provider.prompts[-1]][1:] == ["Tell me about naps, part 0", "x", "And now?"]
    last = await in_thread(lambda: Message.objects.filter(role="assistant").order_by("pk")[2].uuid)
    await unit_of_work(show_branch, alice, last)
    await answer(alice, "And then?", conversation=turn.conversation)
    assert SUMMARY[0] in provider.prompts[-1][1]["content"]


async def test_nothing_begins_while_the_server_drains(small, says, alice):
    provider = says(*LONG)
    await talk(alice, 2)
    engine().asides.end()
    await talk(alice, 1)
    assert asked(provider) == []


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Leo has a cough. She was told to call 112. It got better.", "Leo has a cough. It got better."),
        ("Call 116 117 at night. Fine.", "Fine."),
        ("Fever 38.5 since 2026-11-05, 112 ml of milk, 15 minutes.", None),
        ("Le 3020 aide. Elle dort.", None),
        ("Ring +44 20 7946 0018 soon.", ""),
        ("打 120。宝宝睡了。", "宝宝睡了。"),
    ],
)
def test_summary_names_no_number_of_a_card(text, kept):
    assert without_numbers(text) == (text if kept is None else kept)
