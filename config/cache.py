"""Django's Redis cache, with connections that the whole process shares.

Stock makes a client for every request, each with a pool of its own: a thousand open streams would hold a
thousand connections. Here there are as many as threads that use them at once.
"""

from typing import Any, ClassVar

from django.core.cache.backends import redis


class _Client(redis.RedisCacheClient):
    _pools_of: ClassVar[dict[tuple[str, ...], dict[int, Any]]] = {}

    def __init__(self, servers: list[str], *args: Any, **options: Any) -> None:
        super().__init__(servers, *args, **options)
        self._pools = self._pools_of.setdefault(tuple(servers), {})


class RedisCache(redis.RedisCache):
    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _Client
