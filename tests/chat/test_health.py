"""/healthz says that the process lives; /readyz whether it can serve and keep what is said."""

import pytest
from django.db import OperationalError

from streaming.events import ErrorCode
from streaming.providers.base import ProviderError
from tests.chat.scripted import LULLABY, answer

pytestmark = pytest.mark.django_db(transaction=True)


async def ready(client):
    response = await client.get("/readyz")
    body = response.json()
    return response.status_code, body["status"], {name: check["ok"] for name, check in body["checks"].items()}


ALL_WELL = dict.fromkeys(["database", "migrations", "cache", "log", "provider", "accepting"], True)


async def test_healthy_process_is_ready(says, guest_client):
    assert await ready(guest_client) == (200, "ok", ALL_WELL)
    response = await guest_client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_provider_that_fails_again_and_again_degrades_and_comes_back(says, alice, guest_client):
    says(ProviderError(ErrorCode.PROVIDER_UNAVAILABLE, ""))
    for _ in range(3):
        await answer(alice)
    assert await ready(guest_client) == (200, "degraded", ALL_WELL | {"provider": False})
    says(*LULLABY)
    await answer(alice)
    assert await ready(guest_client) == (200, "ok", ALL_WELL)


async def test_answers_that_the_filter_stops_are_no_outage(says, alice, guest_client):
    says(ProviderError(ErrorCode.CONTENT_FILTERED, "", retryable=False))
    for _ in range(3):
        await answer(alice)
    assert await ready(guest_client) == (200, "ok", ALL_WELL)


@pytest.mark.parametrize("lost", ["_check_migrations", "_check_cache"])
async def test_lost_part_is_503_and_names_no_cause(lost, says, guest_client, monkeypatch):
    def away():
        raise OperationalError("password=secret")

    monkeypatch.setattr(f"chat.web.health.{lost}", away)
    response = await guest_client.get("/readyz")
    assert (response.status_code, b"secret" in response.content) == (503, False)
    assert response.json()["checks"][lost.removeprefix("_check_")]["ok"] is False


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_is_only_read(path, guest_client):
    assert (await guest_client.post(path)).status_code == 405
