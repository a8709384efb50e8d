"""Sessions in the database, read from the cache where it answers: with Redis away people stay logged in."""

import logging
from typing import Any

from django.contrib.sessions.backends import cached_db

logger = logging.getLogger(__name__)


class SessionStore(cached_db.SessionStore):
    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._cache = _Forgiving(self._cache)  # type: ignore[has-type]


class _Forgiving:
    """A cache that forgets instead of failing. Not when it deletes: who logs out must be logged out."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache
        self.delete = cache.delete

    def get(self, key: str) -> Any:
        try:
            return self._cache.get(key)
        except Exception:
            logger.exception("The session cache could not be read")
            return None

    def set(self, key: str, data: Any, seconds: int) -> None:
        try:
            self._cache.set(key, data, seconds)
        except Exception:
            logger.exception("The session cache could not be written")

    async def aget(self, key: str) -> Any:
        return self.get(key)

    async def aset(self, key: str, data: Any, seconds: int) -> None:
        self.set(key, data, seconds)

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None
