"""Clients of the cast, and an assistant that says what a test wants."""

import pytest
from django.core.cache import cache
from django.test import AsyncClient

from tests.chat.scripted import LULLABY, Scripted
from tests.conftest import async_client_of


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
        engine.__dict__["provider"] = provider = Scripted(*(answers or [steps]))
        return provider

    script(*LULLABY)
    return script
