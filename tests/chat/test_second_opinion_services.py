"""Second opinions over HTTP, from the simulator."""

import pytest

from chat.checks import check_engines
from tests.chat.opinions import events_of, opinions_of, told
from tests.chat.scripted import LULLABY, LULLABY_TEXT, PATIENCE, answer, received, send
from tests.streaming.simulator.process import start_simulator

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def simulator():
    with start_simulator("--tokens-per-second", "2000", "--first-token-ms", "0") as running:
        yield running


@pytest.fixture
def served(simulator, settings):
    """All three services, at the simulator."""
    settings.SAFETY_ENGINES = ["azure", "openai", "llama_guard"]
    settings.SAFETY_DEADLINE = PATIENCE
    settings.AZURE_CONTENT_SAFETY_ENDPOINT = simulator.url
    settings.AZURE_CONTENT_SAFETY_KEY = settings.OPENAI_MODERATION_KEY = settings.LLAMA_GUARD_KEY = "any"
    settings.OPENAI_MODERATION_URL = settings.LLAMA_GUARD_URL = f"{simulator.url}/v1"
    settings.LLAMA_GUARD_MODEL = "llama-guard3:1b"
    assert check_engines() == []
    return simulator


NAMES = ["azure_content_safety", "azure_prompt_shield", "openai_moderation", "llama_guard"]


async def test_all_services_answer(served, says, alice):
    says(*LULLABY)
    turn = await answer(alice)
    assert await told(turn) == (LULLABY_TEXT, [], "stop")
    assert await opinions_of(turn) == [(name, None) for name in NAMES]
    assert set(served.stats()["deployments"]) == set(NAMES)


@pytest.mark.parametrize("name", ["azure_content_safety", "openai_moderation", "llama_guard"])
async def test_what_one_service_finds_is_enough(name, served, says, alice):
    says(*LULLABY)
    question = f"How do babies sleep? [[simulate filter category=self_harm deployment={name}]]"
    turn = await answer(alice, question)
    assert await told(turn) == ("", ["self_harm_crisis"], "refused")
    assert (await events_of(turn))[-1] == (
        "self_harm",
        "card_only",
        "self_harm_crisis",
        [f"{name}.self_harm"],
    )


async def test_several_services_make_one_event(served, says, alice):
    says(*LULLABY)
    wanted = NAMES[:1] + NAMES[2:]
    said = " ".join(f"[[simulate filter category=self_harm deployment={name}]]" for name in wanted)
    turn = await answer(alice, f"How do babies sleep? {said}")
    assert (await events_of(turn))[-1][3] == [f"{name}.self_harm" for name in wanted]


async def test_the_prompt_shield_gives_a_notice(served, says, alice):
    says(*LULLABY)
    turn = await answer(
        alice, "How do babies sleep? [[simulate filter category=jailbreak deployment=azure_prompt_shield]]"
    )
    assert await told(turn) == (LULLABY_TEXT, ["injection_refusal"], "stop")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("429 retry_after=1", "error"),
        ("503", "error"),
        ("garbage", "error"),
        ("slow_start", "timeout"),
        ("stall", "timeout"),
    ],
)
async def test_a_service_that_fails_leaves_the_local_verdict(fault, error, served, says, alice, settings):
    says(*LULLABY)
    settings.SAFETY_DEADLINE = 0.3 if error == "timeout" else PATIENCE
    said = " ".join(f"[[simulate {fault} deployment={name}]]" for name in NAMES)
    turn = await answer(alice, f"How do babies sleep? {said}")
    assert await told(turn) == (LULLABY_TEXT, [], "stop")
    assert await opinions_of(turn) == [(name, error) for name in NAMES]


async def test_a_service_that_is_away(served, says, alice, settings, unused_tcp_port):
    says(*LULLABY)
    settings.SAFETY_ENGINES, settings.OPENAI_MODERATION_URL = (
        ["openai"],
        f"http://127.0.0.1:{unused_tcp_port}/v1",
    )
    turn = await answer(alice)
    assert (await told(turn), await opinions_of(turn)) == (
        (LULLABY_TEXT, [], "stop"),
        [("openai_moderation", "error")],
    )


async def test_the_card_comes_through_the_door(served, says, alice_client):
    says(*LULLABY)
    question = "How do babies sleep? [[simulate filter category=self_harm deployment=openai_moderation]]"
    stream = await received(await send(alice_client, question))
    assert stream.types == ["metadata", "notice", "metadata", "done"]
