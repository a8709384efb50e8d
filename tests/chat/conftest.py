"""Clients of the cast, and an assistant that says what a test wants."""

from dataclasses import replace
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.test import AsyncClient

from safety.check import perform_comprehensive_safety_check
from safety.output import guarded
from streaming.providers.catalogue import ModelSpec
from tests.chat.scripted import LULLABY, Scripted
from tests.conftest import async_client_of

MODEL = ModelSpec("", "", 128_000, Decimal("0.50"), Decimal("2"), (), currency="USD", default=True)


@pytest.fixture(scope="session", autouse=True)
def rules_read():
    """Before anything waits for an answer: read cold, all rules take longer than PATIENCE."""
    perform_comprehensive_safety_check("my baby is not breathing")
    for country in (None, "US", "GB", "AT"):
        guarded("You can give your baby honey. Call 112.", country=country)


@pytest.fixture(autouse=True)
def fresh_counters():
    """Rate limits, ours and allauth's, count in the cache of this process."""
    cache.clear()


@pytest.fixture
def alice_client(alice):
    return async_client_of(alice)


@pytest.fixture
def bob_client(bob):
    return async_client_of(bob)


@pytest.fixture
def guest_client():
    return AsyncClient()


@pytest.fixture
async def says(engine, settings):
    """Sets what the assistant says: one script of steps for every answer, or several with `answers=`."""
    settings.COALESCE_SECONDS = 0

    def script(*steps, answers=()):
        provider = Scripted(*(answers or [steps]))
        engine.models = {provider.model: replace(MODEL, id=provider.model, label=provider.model)}
        engine.__dict__["routes"] = {provider.model: provider}
        return provider

    script(*LULLABY)
    return script
