"""Which engines are asked, and what `manage.py check` says of those that cannot be."""

import pytest

from chat.checks import ENGINES, check_engines
from chat.second_opinion import _MAKERS
from tests.chat.opinions import told
from tests.chat.scripted import LULLABY, PATIENCE, answer


def test_every_engine_has_a_maker():
    assert set(_MAKERS) == set(ENGINES)


def errors_with(settings, **values):
    for name, value in values.items():
        setattr(settings, name, value)
    return [(error.id, error.msg) for error in check_engines()]


def test_nothing_named_is_no_error(settings):
    assert errors_with(settings) == []


def test_an_engine_that_is_none(settings):
    assert errors_with(settings, SAFETY_ENGINES=["chatgpt"]) == [
        ("nightlight.E002", "SAFETY_ENGINES names 'chatgpt', which is no engine.")
    ]


def test_engines_without_address_or_key(settings):
    missing = [
        "SAFETY_ENGINES names azure, and there is no AZURE_CONTENT_SAFETY_ENDPOINT "
        "and no AZURE_CONTENT_SAFETY_KEY.",
        "SAFETY_ENGINES names openai, and there is no OPENAI_MODERATION_KEY.",
        "SAFETY_ENGINES names llama_guard, and there is no LLAMA_GUARD_URL and no LLAMA_GUARD_MODEL.",
        "SAFETY_ENGINES names local, and there is no SAFETY_CLASSIFIER.",
    ]
    assert errors_with(settings, SAFETY_ENGINES=list(ENGINES)) == [
        ("nightlight.E003", one) for one in missing
    ]


def test_a_classifier_that_cannot_be_used(settings):
    assert errors_with(settings, SAFETY_ENGINES=["local"], SAFETY_CLASSIFIER="tests.nowhere.scores") == [
        (
            "nightlight.E004",
            "SAFETY_CLASSIFIER names tests.nowhere.scores, which cannot be used: "
            "No module named 'tests.nowhere'.",
        )
    ]
    assert errors_with(settings, SAFETY_CLASSIFIER="tests.chat.scripted.PATIENCE")[0][0] == "nightlight.E004"
    assert errors_with(settings, SAFETY_CLASSIFIER="tests.chat.test_second_opinion_settings.scores") == []


def scores(text):
    return {"self_harm": 0.9 if "dark" in text else 0.1}


@pytest.mark.django_db(transaction=True)
async def test_a_classifier_by_its_path(settings, says, alice, engine):
    says(*LULLABY)
    settings.SAFETY_ENGINES = ["local"]
    settings.SAFETY_CLASSIFIER = "tests.chat.test_second_opinion_settings.scores"
    settings.SAFETY_DEADLINE = PATIENCE
    assert (await told(await answer(alice, "Is it dark enough?")))[1] == ["self_harm_crisis"]
    assert (await told(await answer(alice, "Is it light enough?")))[1] == []
