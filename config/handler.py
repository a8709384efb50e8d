"""Django's ASGI handler, for many open streams: bounded threads, bounded waiting, bounded bodies."""

from types import TracebackType
from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from chat.api.problems import problem
from chat.errors import MessageTooLarge, Overloaded
from chat.work import WorkThreads
from config.middleware import IN_PLACE_OF

RETRY_AFTER = 2
"""Seconds: the queue of waiting requests is worked off in less."""


class SharedThreads(ThreadSensitiveContext):
    """Runs the sync parts of a request in a pool that all requests share.

    asgiref gives every request a thread of its own and keeps it to the end of the response. No request here
    needs its parts to meet on one thread: each piece of work opens and gives back its own connection.
    """

    def __init__(self, threads: WorkThreads) -> None:
        super().__init__()
        self._threads = threads

    async def __aenter__(self) -> "SharedThreads":
        await super().__aenter__()  # type: ignore[no-untyped-call]
        SyncToAsync.context_to_thread_executor[self] = self._threads
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        SyncToAsync.context_to_thread_executor.pop(self, None)  # or asgiref would shut the pool down
        await super().__aexit__(kind, error, trace)  # type: ignore[no-untyped-call]


class StreamingASGIHandler(ASGIHandler):
    def __init__(self) -> None:
        super().__init__()
        self._threads = WorkThreads(settings.REQUEST_THREADS, thread_name_prefix="request")
        self._waiting = 0

    def load_middleware(self, is_async: bool = False) -> None:
        """As stock, with ours in place of some of the middleware that the settings name."""
        named = settings.MIDDLEWARE
        settings.MIDDLEWARE = [IN_PLACE_OF.get(name, name) for name in named]
        try:
            super().load_middleware(is_async)
        finally:
            settings.MIDDLEWARE = named

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if _body_length(scope) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            await self.send_response(problem(MessageTooLarge(_("The request is too large."))), send)
            return
        async with SharedThreads(self._threads):
            await self.handle(scope, receive, send)

    async def run_get_response(self, request: HttpRequest) -> HttpResponseBase:
        """The response to a request, or 503 where too many others are waiting for theirs."""
        if self._waiting >= settings.REQUEST_QUEUE:
            return self._overloaded()
        self._waiting += 1
        try:
            response: HttpResponseBase = await super().run_get_response(request)
            return response
        finally:
            self._waiting -= 1

    def _overloaded(self) -> HttpResponse:
        response = problem(
            Overloaded(_("Too many people at once. Please try again."), retry_after=RETRY_AFTER)
        )
        response._handler_class = self.__class__  # type: ignore[attr-defined]
        return response


def _body_length(scope: Any) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
