"""Sessions in the database, read from the cache where it answers: with Redis away people stay logged in."""

from typing import Any

from django.contrib.sessions.backends import cached_db

from chat.outage import Outage

_outage = Outage("The cache of sessions fails; they come from the database")


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
            data = self._cache.get(key)
        except Exception as error:
            _outage.failed(error)
            return None
        _outage.worked()
        return data

    def set(self, key: str, data: Any, seconds: int) -> None:
        try:
            self._cache.set(key, data, seconds)
        except Exception as error:
            _outage.failed(error)

    async def aget(self, key: str) -> Any:
        return self.get(key)

    async def aset(self, key: str, data: Any, seconds: int) -> None:
        self.set(key, data, seconds)

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None
