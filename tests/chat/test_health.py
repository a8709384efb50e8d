"""/healthz says that the process lives; /readyz whether it can serve and keep what is said."""

import pytest
from django.db import OperationalError

from chat.engine import engine
from streaming.log.base import LogUnavailable
from streaming.providers.breaker import BreakerState, DeploymentHealth

pytestmark = pytest.mark.django_db(transaction=True)

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


async def ready(client):
    response = await client.get("/readyz")
    body = response.json()
    return response.status_code, body["status"], {name: check["ok"] for name, check in body["checks"].items()}


ALL_WELL = dict.fromkeys(["database", "migrations", "cache", "log", "provider", "accepting"], True)


async def test_healthy_process_is_ready(says, guest_client):
    assert await ready(guest_client) == (200, "ok", ALL_WELL)
    response = await guest_client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def deployments(*states):
    return [DeploymentHealth(f"place-{n}", state, 5, "secret", 12.4) for n, state in enumerate(states)]


@pytest.mark.parametrize(
    "states, is_well",
    [
        ([[CLOSED], [CLOSED]], True),
        ([[OPEN, CLOSED], [HALF_OPEN]], True),
        ([[CLOSED], [OPEN]], False),
        ([[OPEN, OPEN]], False),
    ],
)
async def test_model_without_a_deployment_to_ask_degrades(states, is_well, says, guest_client, monkeypatch):
    health = {f"model-{n}": deployments(*of_model) for n, of_model in enumerate(states)}
    monkeypatch.setattr(engine(), "health", lambda: health)
    status = "ok" if is_well else "degraded"
    assert await ready(guest_client) == (200, status, ALL_WELL | {"provider": is_well})


async def test_deployments_are_told_without_their_errors(says, guest_client, monkeypatch):
    monkeypatch.setattr(engine(), "health", lambda: {"lamp": deployments(OPEN)})
    response = await guest_client.get("/readyz")
    assert response.json()["checks"]["provider"]["deployments"] == [
        {"model": "lamp", "name": "place-0", "state": "open", "retryIn": 12}
    ]
    assert b"secret" not in response.content


async def test_lost_log_is_503(says, guest_client, monkeypatch):
    async def away():
        raise LogUnavailable("redis://secret")

    monkeypatch.setattr(engine().log, "ping", away)
    assert await ready(guest_client) == (503, "degraded", ALL_WELL | {"log": False})


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
