"""The day's tokens, and answers given again: what a turn takes, gives back, ends at and replays."""

import asyncio

import pytest

from chat.models import CachedAnswer, Generation, Person
from chat.work import in_thread
from streaming.events import ErrorCode, Usage
from streaming.providers.base import Finish, ProviderError
from tests.chat.scripted import FEVER, HONEY, STOP, ask, count, send

pytestmark = pytest.mark.django_db(transaction=True)


async def used(person):
    return (await in_thread(lambda: Person.objects.get(pk=person.pk))).quota_tokens


async def latest():
    return await in_thread(lambda: Generation.objects.select_related("message").latest("pk"))


async def prompt_tokens(says, client):
    """What a question costs before its answer."""
    says("Well. ", Finish("stop"))
    await ask(client, "How do babies sleep?")
    return (await latest()).prompt_tokens


# --- The quota ----------------------------------------------------------------------------------------------


async def test_answer_takes_what_the_provider_charged(says, alice, alice_client):
    says("Quite well. ", Finish("stop", Usage(200, 30)))
    await ask(alice_client)
    row = await latest()
    assert (await used(alice), row.usage_estimated, str(row.cost)) == (230, False, "0.000160")


async def test_what_the_provider_does_not_say_is_estimated(says, alice, alice_client):
    says("Quite well. ", Finish("stop"))
    heard = await ask(alice_client)
    row = await latest()
    assert row.usage_estimated is True
    assert await used(alice) == row.prompt_tokens + row.completion_tokens
    assert heard.transcript.closing.usage == Usage(row.prompt_tokens, row.completion_tokens)


async def test_over_the_quota_nothing_is_asked(says, alice, alice_client, settings):
    settings.QUOTA_TOKENS_PER_DAY = 10
    provider = says("Never. ")
    response = await send(alice_client)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (429, "quota_exceeded")
    assert 0 < int(response["Retry-After"]) <= 24 * 60 * 60
    assert (provider.prompts, await count(Generation)) == ([], 0)


async def test_over_the_quota_an_emergency_still_gets_its_card(says, alice_client, settings):
    settings.QUOTA_TOKENS_PER_DAY = 10
    says("Never. ")
    notices = (await send(alice_client, FEVER)).json()["notices"]
    assert [notice["severity"] for notice in notices] == ["emergency"]


async def test_cards_without_a_model_cost_nothing(says, alice, alice_client, settings):
    settings.QUOTA_TOKENS_PER_DAY = 10
    says("Never. ")
    heard = await ask(alice_client, "I want to kill myself")
    assert (heard.transcript.outcome, await used(alice)) == ("refused", 0)


async def test_quota_ends_an_answer_that_outgrows_it(says, alice, alice_client, settings):
    fixed = await prompt_tokens(says, alice_client)
    settings.QUOTA_TOKENS_PER_DAY = await used(alice) + fixed + 40
    words = "Warm and calm is enough for tonight. "
    says(*[words] * 20, STOP)
    heard = await ask(alice_client, "How do babies sleep?")
    end, text = heard.transcript.end, heard.transcript.text
    assert (end.code, heard.transcript.outcome) == ("quota_exceeded", "failed")
    assert 0 < end.retry_after <= 24 * 60 * 60
    assert len(words) < len(text) < 8 * len(words)
    assert (await latest()).message.content == text


async def test_answer_that_the_model_ends_at_the_quota_says_so(says, alice, alice_client, settings):
    fixed = await prompt_tokens(says, alice_client)
    settings.QUOTA_TOKENS_PER_DAY = await used(alice) + fixed + 40
    provider = says("Quite ", Finish("length"))
    heard = await ask(alice_client, "How do babies sleep?")
    assert (heard.transcript.end.code, provider.max_tokens) == ("quota_exceeded", [40])


async def test_guests_have_a_quota_of_their_own(says, guest_client, alice_client, settings):
    settings.QUOTA_GUEST_TOKENS_PER_DAY = 10
    assert (await send(guest_client)).status_code == 429
    assert (await send(alice_client)).status_code == 200


async def test_without_a_quota_nothing_is_counted(says, alice, alice_client, settings):
    settings.QUOTA_TOKENS_PER_DAY = None
    await ask(alice_client)
    assert (await used(alice), (await latest()).reserved_tokens) == (0, 0)


async def test_browser_tells_the_time_zone(says, alice):
    from chat.turns import Ask, open_turn
    from chat.work import unit_of_work

    await unit_of_work(open_turn, alice, Ask("Hello?", timezone="Asia/Kolkata"))
    await unit_of_work(open_turn, alice, Ask("Hello?", timezone="Not/A_Zone"))
    assert (await in_thread(lambda: Person.objects.get(pk=alice.pk))).timezone == "Asia/Kolkata"


# --- Answers given again ------------------------------------------------------------------------------------

COMMON = "How do babies sleep?"


@pytest.fixture
def caching(settings):
    settings.ANSWER_CACHE = True
    settings.COALESCE_SECONDS = 0


async def test_common_answer_is_given_again_as_a_stream(says, alice_client, bob_client, bob, caching):
    provider = says("Quite ", "well, ", "mostly. ", STOP)
    first = await ask(alice_client, COMMON)
    again = await ask(bob_client, "how do babies  sleep")
    assert again.transcript.text == first.transcript.text
    assert (first.transcript.opening.cached, again.transcript.opening.cached) == (False, True)
    assert again.types.count("token") > 1
    assert len(provider.prompts) == 1
    row = await latest()
    assert (row.cached, row.completion_tokens, row.attempts, await used(bob)) == (True, 0, [], 0)


async def test_answer_with_a_history_is_not_replayed(says, alice_client, caching):
    provider = says("Quite well. ", STOP)
    conversation = (await ask(alice_client, COMMON)).opening["conversationId"]
    await ask(alice_client, COMMON, conversationId=conversation)
    assert len(provider.prompts) == 2


async def test_personal_question_is_not_kept(says, alice_client, bob_client, caching):
    says("Quite well. ", STOP)
    await ask(alice_client, "How does my baby sleep?")
    assert await count(CachedAnswer) == 0


async def test_withheld_answer_is_not_kept(says, alice_client, caching):
    says(*HONEY)
    await ask(alice_client, COMMON)
    assert await count(CachedAnswer) == 0


async def test_stopped_answer_is_not_kept(says, alice_client, caching):
    says("Quite well. ", asyncio.Event())
    response = await send(alice_client, COMMON)
    stream = str((await latest()).stream_uuid)
    await alice_client.post(f"/api/v1/ai/streams/{stream}/stop", {}, content_type="application/json")
    assert (response.status_code, await count(CachedAnswer)) == (200, 0)


async def test_failed_answer_is_not_kept(says, alice_client, caching):
    says("Quite well. ", ProviderError(ErrorCode.PROVIDER_UNAVAILABLE, "away"))
    assert (await ask(alice_client, COMMON)).transcript.outcome == "failed"
    assert await count(CachedAnswer) == 0


async def test_replay_goes_through_the_guard_of_today(says, alice_client, bob_client, caching):
    says("Quite well. ", STOP)
    await ask(alice_client, COMMON)
    unsafe = "Of course. You can give your baby honey from six months. Never shown. "
    kept = await in_thread(lambda: CachedAnswer.objects.select_related("generation__message").get())
    kept.generation.message.content = unsafe  # as if a rule had been added since
    await in_thread(kept.generation.message.save)
    again = await ask(bob_client, COMMON)
    assert (again.transcript.text, again.transcript.outcome) == ("Of course. ", "refused")


async def test_off_means_off(says, alice_client, bob_client, settings):
    settings.ANSWER_CACHE = False
    provider = says("Quite well. ", STOP)
    await ask(alice_client, COMMON)
    await ask(bob_client, COMMON)
    assert (len(provider.prompts), await count(CachedAnswer)) == (2, 0)
