"""Sync work for an async server: a few threads, and no more database connections than threads.

Stock Django holds a thread, and a connection in it, for as long as a response streams. Here a thousand open
streams hold none.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.db import close_old_connections, transaction
from django.utils.translation import get_language, override


class WorkThreads(ThreadPoolExecutor):
    """A thread pool that gives database connections back after every call, as `CONN_MAX_AGE` says:
    PostgreSQL's to their pool, while SQLite's stay open, one per thread.
    """

    def submit[**P, T](self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return super().submit(_giving_back_connections, fn, *args, **kwargs)


def _giving_back_connections(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()


_threads = WorkThreads(settings.DATABASE_THREADS, thread_name_prefix="unit-of-work")


async def in_thread[**P, T](function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `function` in a thread, in the language of who asked. A cancelled caller does not cut it in two."""
    language = get_language()

    def in_its_language() -> T:
        with override(language):
            return function(*args, **kwargs)

    return await asyncio.get_running_loop().run_in_executor(_threads, in_its_language)


async def unit_of_work[**P, T](function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """As `in_thread`, in a transaction of its own."""

    def in_transaction() -> T:
        with transaction.atomic():
            return function(*args, **kwargs)

    return await in_thread(in_transaction)
