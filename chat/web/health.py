"""Is the process alive; can it serve."""

import asyncio
from collections.abc import Callable
from functools import cache
from time import perf_counter
from typing import Any

from django.conf import settings
from django.core.cache import cache as shared_cache
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from chat.engine import engine
from chat.work import in_thread
from streaming.providers.breaker import BreakerState

LOG_SECONDS = 2.0
VITAL = ("accepting", "database", "migrations", "cache", "log")


@require_safe
async def healthz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001
    return JsonResponse({"status": "ok"})


@require_safe
async def readyz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001
    """503 only where nothing can be served or kept: with the provider down the cards still work."""
    checks = await in_thread(_check_database)
    checks["log"] = await _check_log() | {"running": engine().producer.running}
    checks["provider"] = _check_provider()
    checks["accepting"] = {"ok": not engine().draining, "ms": 0}
    ready = all(checks[name]["ok"] for name in VITAL)
    status = "ok" if all(check["ok"] for check in checks.values()) else "degraded"
    response = JsonResponse({"status": status, "checks": checks}, status=200 if ready else 503)
    response._has_been_logged = True  # type: ignore[attr-defined]  # or every probe would log an error
    return response


async def _check_log() -> dict[str, Any]:
    began = perf_counter()
    try:
        async with asyncio.timeout(LOG_SECONDS):
            await engine().log.ping()
        ok = True
    except Exception:
        ok = False
    return {"ok": ok, "ms": _since(began)}


def _check_provider() -> dict[str, Any]:
    """By what happened to answers: each model needs one deployment that is not being left alone."""
    health = engine().health()
    is_open = BreakerState.OPEN
    return {
        "ok": all(any(one.state != is_open for one in deployments) for deployments in health.values()),
        "ms": 0,
        "deployments": [
            {"model": model, "name": one.name, "state": str(one.state), "retryIn": round(one.retry_in)}
            for model, deployments in health.items()
            for one in deployments
        ],
    }


def _check_database() -> dict[str, dict[str, Any]]:
    return {
        "database": _timed(lambda: connection.cursor().execute("SELECT 1")),
        "migrations": _timed(_check_migrations),
        "cache": _timed(_check_cache),
    }


def _timed(check: Callable[[], object]) -> dict[str, Any]:
    """Names no cause: this page is open to everyone, the log is not."""
    began = perf_counter()
    try:
        check()
        ok = True
    except Exception:
        ok = False
    return {"ok": ok, "ms": _since(began)}


def _since(began: float) -> float:
    return round((perf_counter() - began) * 1000, 1)


@cache  # a database does not lose migrations; a failure is not remembered
def _check_migrations() -> None:
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise RuntimeError("migrations are missing")


def _check_cache() -> None:
    if settings.REDIS_URL:
        shared_cache.set("readyz", 1, timeout=5)
        shared_cache.get("readyz")
