"""Django's ASGI handler, for many open streams: bounded threads, bounded waiting, bounded bodies."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext
from django.conf import settings
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import request_started
from django.db import close_old_connections, reset_queries
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from chat.api.problems import problem
from chat.errors import MessageTooLarge, Overloaded
from chat.work import WorkThreads
from config.middleware import IN_PLACE_OF
from streaming.responses import StreamResponse

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
        # `WorkThreads` gives connections back, after each piece of work and in the thread that had them.
        request_started.disconnect(close_old_connections)
        request_started.disconnect(reset_queries)
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
        outgoing = _Outgoing(send)
        try:
            async with SharedThreads(self._threads):
                await self.handle(scope, receive, outgoing)
        except _BodyTooLong:
            await self.send_response(problem(MessageTooLarge(_("The request is too large."))), send)
        if outgoing.stream:
            await self._stream(outgoing.stream, receive, send)

    async def read_body(self, receive: Any) -> Any:
        body = _BoundedBody(receive)
        file = await super().read_body(body.receive)
        if body.is_too_long:
            file.close()
            raise _BodyTooLong
        return file

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

    async def send_response(self, response: Any, send: Any) -> None:
        """As stock; of a stream only the head, for its chunks come when the request is done with and gone."""
        if not (isinstance(response, StreamResponse) and isinstance(send, _Outgoing)):
            await super().send_response(response, send)
            return
        send.stream = response.chunks
        await send(_head(response))

    async def _stream(self, stream: AsyncGenerator[bytes], receive: Any, send: Any) -> None:
        """Send the chunks as they come, until their end or until the reader leaves."""
        try:
            async with asyncio.TaskGroup() as group, aclosing(stream) as chunks:
                leaving = group.create_task(self.listen_for_disconnect(receive))
                async for chunk in chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body"})
                leaving.cancel()
        except* RequestAborted:
            pass

    def _overloaded(self) -> HttpResponse:
        response = problem(
            Overloaded(_("Too many people at once. Please try again."), retry_after=RETRY_AFTER)
        )
        response._handler_class = self.__class__  # type: ignore[attr-defined]
        return response


class _Outgoing:
    """Where a response is sent to. A stream waits here until its request is let go of."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self.stream: AsyncGenerator[bytes] | None = None

    async def __call__(self, message: Any) -> None:
        await self._send(message)


def _head(response: StreamResponse) -> dict[str, Any]:
    fields = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    fields += [(b"Set-Cookie", c.OutputString().encode("ascii")) for c in response.cookies.values()]
    return {"type": "http.response.start", "status": response.status_code, "headers": fields}


class _BodyTooLong(Exception):
    """More came than may; a chunked body says its length nowhere."""


class _BoundedBody:
    """What comes of a body, cut off where it becomes longer than it may."""

    def __init__(self, receive: Any) -> None:
        self._receive = receive
        self._read = 0

    @property
    def is_too_long(self) -> bool:
        return self._read > settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    async def receive(self) -> Any:
        message = await self._receive()
        self._read += len(message.get("body", b""))
        return {"type": "http.request", "more_body": False} if self.is_too_long else message


def _body_length(scope: Any) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
