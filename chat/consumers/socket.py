"""A socket: ask, stop, pause and resume, with several answers on one connection.

It costs no thread and no database connection: what needs either is one unit of work. It reads the same log as
every other door, and a socket that closes stops no answer. `docs/events.md` tells it to people.
"""

import asyncio
import logging
from contextlib import aclosing
from typing import Any
from uuid import UUID

import msgspec
from channels.exceptions import StopConsumer  # type: ignore[import-untyped]
from channels.generic.websocket import AsyncWebsocketConsumer  # type: ignore[import-untyped]
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import activate, get_language_from_request
from django.utils.translation import gettext as _

from chat import doors
from chat.api.ai import ask_of, stopped
from chat.api.problems import problem
from chat.api.schemas import Frame, PauseFrame, ResumeFrame, SendFrame, StopFrame
from chat.consumers.frames import Rate, is_too_large, parsed, problem_message, request_id_of, urgent_cards
from chat.consumers.handshake import caller_of, check, request_of, welcome
from chat.errors import Invalid, NotAuthenticated, Overloaded, RateLimited, Refusal, not_found
from chat.models import Generation
from chat.streams import follow
from chat.work import unit_of_work
from streaming.responses import numbered, pad_json

logger = logging.getLogger(__name__)

MOST_STREAMS = 8
"""Answers that one socket may follow at the same time."""
KEPT_PLACES = 64
"""Streams of which a socket remembers how far it has sent them."""
REFUSED_UNTIL_CLOSED = 20
"""Messages beyond the rate, one after another."""

ONLY_TEXT, NOT_ALLOWED, TOO_LARGE, RESTARTING = 1003, 1008, 1009, 1012
_arriving: set["ChatConsumer"] = set()
_open: set["ChatConsumer"] = set()


async def say_goodbye() -> None:
    """Tell every socket of this process that it is shutting down, and close them. Answers go on."""
    await asyncio.gather(*(socket.say_goodbye() for socket in list(_open)), return_exceptions=True)


class NowhereConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Any other address."""

    async def connect(self) -> None:
        await deny(self, problem(not_found()))

    async def websocket_disconnect(self, _message: dict[str, Any]) -> None:
        raise StopConsumer


class ChatConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One socket. What it takes is done in the order in which it comes; each answer has a task of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._following: dict[UUID, asyncio.Task[None]] = {}
        self._sent: dict[UUID, int] = {}
        self._rate = Rate(settings.WEBSOCKET_MESSAGES)
        self._refused = 0
        self._closing = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._let_go()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """As channels does, but for its thread hop per message: here no connection is left open."""
        await getattr(self, message["type"].replace(".", "_"))(message)

    # --- Hello and goodbye --------------------------------------------------------------------------------

    async def connect(self) -> None:
        request = request_of(self.scope)
        activate(get_language_from_request(request))  # for all that this connection is told
        try:
            check(request, arriving=len(_arriving))
            _arriving.add(self)
            self._caller, cookies = await unit_of_work(welcome, request)
        except Refusal as refusal:
            await deny(self, problem(refusal))
            return
        finally:
            _arriving.discard(self)
        self._session_key = request.session.session_key
        self._accept_language = request.headers.get("Accept-Language", "")
        _open.add(self)
        await self.accept(headers=cookies)

    async def say_goodbye(self) -> None:
        restarting = Overloaded(
            _("Nightlight is restarting. Please connect again in a moment."), retry_after=5
        )
        await self._end(RESTARTING, problem_message(restarting))

    async def _end(self, code: int, last_words: dict[str, Any] | None = None) -> None:
        """Nothing may be sent once the socket is closed, so who sends is stopped first."""
        if self._closing:
            return
        self._closing = True
        await self._let_go()
        if last_words:
            await self._say(last_words)
        await self.close(code)

    async def _let_go(self) -> None:
        _open.discard(self)
        tasks = list(self._following.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def websocket_disconnect(self, _message: dict[str, Any]) -> None:
        raise StopConsumer

    # --- What comes in ------------------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:  # noqa: ARG002
        if self._closing:
            return
        if text_data is None:
            await self._end(ONLY_TEXT)
        elif is_too_large(text_data):
            await self._end(TOO_LARGE)
        else:
            await self._take(text_data)

    async def _take(self, text: str) -> None:
        try:
            message = parsed(text)
            self._count(message)
            request = await self._request_by_the_same_caller()
            await self._do(message, request)
        except NotAuthenticated as refusal:
            await self._end(NOT_ALLOWED, problem_message(refusal, request_id_of(text)))
        except Refusal as refusal:
            await self._tell(problem_message(refusal, request_id_of(text)))
            if self._refused >= REFUSED_UNTIL_CLOSED:
                await self._end(NOT_ALLOWED)

    def _count(self, message: Frame) -> None:
        """Raises `RateLimited`: with the cards that cannot wait, where the message says so."""
        if wait := self._rate.wait():
            self._refused += 1
            raise RateLimited(
                _("That were many messages in a short time. Please wait a little."),
                retry_after=wait,
                notices=urgent_cards(message, self._accept_language),
            )
        self._refused = 0

    async def _request_by_the_same_caller(self) -> HttpRequest:
        """Who logged out or in since the handshake is somebody else by now. Raises `NotAuthenticated`."""
        request = request_of(self.scope, self._session_key)
        if await unit_of_work(caller_of, request) != self._caller:
            raise NotAuthenticated(_("You have logged in or out since. Please connect again."))
        return request

    async def _do(self, message: Frame, request: HttpRequest) -> None:
        match message:
            case SendFrame():
                await self._send(message, request)
            case StopFrame(streamId=stream):
                await doors.stop(request, stream)
                await self._reply(message, await stopped(stream))
            case PauseFrame(streamId=stream):
                await self._pause(message, request)
            case ResumeFrame(streamId=stream, after=after):
                self._check_room(stream, message)
                kept = await doors.resume(request, stream)
                after = kept if after is None else after
                await self._reply(message, {"streamId": str(stream), "after": after})
                await self._follow(stream, after)

    async def _send(self, message: SendFrame, request: HttpRequest) -> None:
        self._check_room(None, message)
        turn = await doors.ask(request, ask_of(message))
        await self._reply(message, {"streamId": turn.stream_id})
        if turn.stream not in self._following:  # the same message sent twice is followed once
            await self._follow(turn.stream, 0)

    async def _pause(self, message: PauseFrame, request: HttpRequest) -> None:
        stream = message.streamId
        await self._leave(stream)
        after = self._sent.get(stream) if message.after is None else message.after
        if after is None:
            raise Invalid(
                _("This connection has not followed that answer: say after which event, with `after`."),
                errors=[{"loc": ["body", "after"], "msg": "Field required"}],
            )
        await doors.pause(request, stream, after)
        await self._reply(message, {"streamId": str(stream), "pausedAfter": after})

    def _check_room(self, stream: UUID | None, message: Frame) -> None:
        if stream not in self._following and len(self._following) >= MOST_STREAMS:
            raise RateLimited(
                _("This connection follows as many answers as it may. Wait for one to end, or stop one."),
                retry_after=1,
                notices=urgent_cards(message),
            )

    # --- What goes out ------------------------------------------------------------------------------------

    async def _follow(self, stream: UUID, after: int) -> None:
        await self._leave(stream)
        if self._closing:
            return
        self._remember(stream, after)
        task = asyncio.create_task(self._send_events(stream, after), name=f"socket {stream}")
        self._following[stream] = task
        task.add_done_callback(lambda ended: self._forget(stream, ended))

    async def _leave(self, stream: UUID) -> None:
        if task := self._following.get(stream):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _forget(self, stream: UUID, task: asyncio.Task[None]) -> None:
        if self._following.get(stream) is task:
            del self._following[stream]

    def _remember(self, stream: UUID, sent: int) -> None:
        self._sent.pop(stream, None)
        self._sent[stream] = sent
        if len(self._sent) > KEPT_PLACES:
            del self._sent[next(iter(self._sent))]

    async def _send_events(self, stream: UUID, after: int) -> None:
        """Each event is sent before the next is taken from the log: a slow socket buffers nothing here."""
        try:
            await self._send_each_event(stream, after)
        except OSError:
            pass  # the other side has gone; the server tells `websocket_disconnect`
        except Generation.DoesNotExist:
            await self._tell(problem_message(not_found()) | {"streamId": str(stream)})
        except Exception:
            # Nobody awaits this task: without a word the client would wait for ever.
            logger.exception("Stream %s could not be followed", stream)
            lost = Overloaded(_("The answer goes on, but this connection lost it."), retry_after=1)
            await self._tell(problem_message(lost) | {"streamId": str(stream)})

    async def _send_each_event(self, stream: UUID, after: int) -> None:
        name = str(stream)
        async with aclosing(follow(stream, after)) as batches:
            async for batch in batches:
                if not batch:
                    await self._tell({"type": "ping", "streamId": name})
                for entry in batch:
                    await self._tell(numbered(entry) | {"streamId": name})
                    self._remember(stream, entry[0])

    async def _reply(self, message: Frame, fields: dict[str, Any]) -> None:
        asked = {} if message.requestId is None else {"requestId": message.requestId}
        await self._tell({"type": "reply", "to": message.type} | asked | fields)

    async def _tell(self, message: dict[str, Any]) -> None:
        if not self._closing:
            await self._say(message)

    async def _say(self, message: dict[str, Any]) -> None:
        text = pad_json(msgspec.json.encode(message), settings.STREAM_PAD_BYTES).decode()
        await self.base_send({"type": "websocket.send", "text": text})


async def deny(consumer: AsyncWebsocketConsumer, response: HttpResponse) -> None:
    """The handshake's own HTTP reply says why; servers that cannot send one say 403."""
    if "websocket.http.response" not in consumer.scope.get("extensions", {}):
        await consumer.close()
        return
    headers = [(name.lower().encode(), value.encode()) for name, value in response.items()]
    start = {"type": "websocket.http.response.start", "status": response.status_code, "headers": headers}
    await consumer.base_send(start)
    await consumer.base_send({"type": "websocket.http.response.body", "body": response.content})
