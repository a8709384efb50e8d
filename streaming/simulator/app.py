"""The simulator as an ASGI application: reads a request, picks its script, performs it."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from streaming.simulator.answer import answer
from streaming.simulator.faults import NONE, Fault, FirstFailures, Refusal, refusal_of
from streaming.simulator.index import Index
from streaming.simulator.opinions import (
    DATED,
    LLAMA_GUARD,
    PATHS,
    is_guard,
    judgement,
    read_fault,
    read_text,
)
from streaming.simulator.request import Refused, Request, check_key, read_object, read_request
from streaming.simulator.script import (
    Act,
    Answer,
    Pace,
    Step,
    altered,
    paced,
    shortened,
    streamed,
    whole,
    whole_body,
)
from streaming.simulator.specimens import specimen
from streaming.simulator.tokens import pieces
from streaming.simulator.wire import Frames, Json, encode, error, invalid_request

type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]

MODEL = "nightlight-simulator"
MOST_BYTES = 4 * 1024 * 1024
CHARACTERS_PER_TOKEN = 4
"""For the count of what was read, which only has to be plausible."""

_DATED = re.compile(r"/openai/deployments/([^/]+)/chat/completions")
_V1 = frozenset({"/openai/v1/chat/completions", "/v1/chat/completions"})
_MODELS = frozenset({"/openai/v1/models", "/v1/models"})
_NOT_FOUND = Refusal(404, error("404", "Resource not found"))


@dataclass(slots=True)
class Asked:
    """Requests to one deployment: how many, and of these turned away, asked whole, asked to go on."""

    requests: int = 0
    refused: int = 0
    whole: int = 0
    continued: int = 0


@dataclass(slots=True)
class Stats:
    """Answers begun, given to their end, and left by the client. `last_abort` is a `time.monotonic()`.

    `deployments`: all requests for an answer by the name they asked for, HTTP errors included.
    """

    started: int = 0
    finished: int = 0
    aborted: int = 0
    active: int = 0
    last_abort: float | None = None
    deployments: dict[str, Asked] = field(default_factory=dict)


class Simulator:
    """The ASGI application. One process, one event loop."""

    def __init__(self, index: Index, pace: Pace) -> None:
        self.stats = Stats()
        self._index = index
        self._pace = pace
        self._failures = FirstFailures()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"The simulator speaks HTTP only, not {scope['type']}.")
        try:
            await self._route(scope, receive, send)
        except Refused as refused:
            refusal = refused.refusal
            await _reply(send, refusal.status, refusal.body, refusal.headers.items())

    async def _route(self, scope: Message, receive: Receive, send: Send) -> None:
        match scope["method"], scope["path"]:
            case "GET", "/healthz":
                await _reply(send, 200, {"status": "ok"})
            case "GET", "/simulator/stats":
                await _reply(send, 200, asdict(self.stats))
            case "GET", path if path in _MODELS:
                check_key(_headers(scope))
                await _reply(send, 200, _models())
            case "POST", path if path in PATHS:
                await self._judge(PATHS[path], scope, await _body(receive), receive, send)
            case "POST", path if path in _V1 or _DATED.fullmatch(path):
                await self._complete(scope, receive, send)
            case _:
                raise Refused(_NOT_FOUND)

    async def _complete(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        check_key(headers)
        deployment = _deployment(scope)
        data = await _body(receive)
        if is_guard(data):
            await self._judge(LLAMA_GUARD, scope, data, receive, send)
            return
        request = read_request(data, headers, deployment)
        request = self._with_failures_counted(request)
        refusal = refusal_of(request.fault)
        self._count(request, refused=refusal is not None)
        if refusal:
            raise Refused(refusal)
        steps, kind = self._script(request)
        async with self._counted(), _until_gone(receive):
            await _perform(steps, kind, send)

    async def _judge(self, engine: str, scope: Message, data: bytes, receive: Receive, send: Send) -> None:
        """A second opinion on a text, which is counted, but not as an answer."""
        headers = _headers(scope)
        check_key(headers)
        if engine in DATED and not _api_version(scope):
            raise Refused(_NOT_FOUND)
        body = read_object(data)
        text = read_text(engine, body)
        fault = read_fault(engine, text, headers)
        refusal = refusal_of(fault)
        asked = self.stats.deployments.setdefault(engine, Asked())
        asked.requests += 1
        asked.refused += refusal is not None
        if refusal:
            raise Refused(refusal)
        with suppress(ClientGone):
            async with _until_gone(receive):
                steps = judgement(engine, str(body.get("model")), text, fault)
                await _perform(steps, "application/json", send)

    def _count(self, request: Request, *, refused: bool) -> None:
        asked = self.stats.deployments.setdefault(request.model, Asked())
        asked.requests += 1
        asked.refused += refused
        asked.whole += not request.stream
        asked.continued += bool(request.conversation.so_far)

    def _with_failures_counted(self, request: Request) -> Request:
        if self._failures.still_failing(request.fault):
            return request
        return replace(request, fault=Fault(NONE, request.fault.numbers, request.fault.words))

    def _script(self, request: Request) -> tuple[Iterable[Step], str]:
        said = altered(self._said(request), request.fault, request.conversation.so_far)
        said = shortened(said, request.most_tokens)
        frames = Frames(f"chatcmpl-{uuid4().hex}", request.model, int(time.time()), request.with_usage)
        pace = paced(self._pace, request.fault)
        if request.stream:
            return streamed(said, frames, pace, request.fault), "text/event-stream; charset=utf-8"
        body = encode(whole_body(said, frames, request.fault))
        return whole(body, said, pace, request.fault), "application/json"

    def _said(self, request: Request) -> Answer:
        conversation, fault = request.conversation, request.fault
        text = specimen(fault)
        if text is None:
            text = answer(conversation, self._index)
        return Answer(
            pieces(text),
            prompt_tokens=conversation.length // CHARACTERS_PER_TOKEN + 1,
            start=conversation.length,
            refused=fault.name == "refusal",
        )

    @asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        self.stats.started += 1
        self.stats.active += 1
        try:
            yield
        except ClientGone:
            self.stats.aborted += 1
            self.stats.last_abort = time.monotonic()
        else:
            self.stats.finished += 1
        finally:
            self.stats.active -= 1


class ClientGone(Exception):
    """The client closed the connection before the answer was complete."""


@asynccontextmanager
async def _until_gone(receive: Receive) -> AsyncIterator[None]:
    """Cancels its block, and raises `ClientGone`, as soon as the client closes the connection."""
    block = asyncio.current_task()
    assert block is not None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        block.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not gone:
            raise
        block.uncancel()
        raise ClientGone from None
    finally:
        watcher.cancel()


async def _perform(steps: Iterable[Step], kind: str, send: Send) -> None:
    """Waits count from one due time to the next, so that a slow loop does not slow the answer down."""
    due = time.monotonic()
    started = False
    for step in steps:
        match step:
            case bytes():
                if not started:  # Azure's headers come with the first frame, not before
                    await _start(send, 200, [("content-type", kind), ("x-ms-region", "Simulator")])
                    started = True
                await send({"type": "http.response.body", "body": step, "more_body": True})
            case Act.STALL:
                await asyncio.Event().wait()
            case Act.CUT:
                return  # uvicorn drops a connection whose reply was left unfinished
            case float():
                due += step
                await asyncio.sleep(max(0.0, due - time.monotonic()))
    await send({"type": "http.response.body", "body": b""})


async def _reply(send: Send, status: int, body: Json, headers: Iterable[tuple[str, str]] = ()) -> None:
    data = encode(body)
    plain = [("content-type", "application/json"), ("content-length", str(len(data)))]
    await _start(send, status, [*plain, *headers])
    await send({"type": "http.response.body", "body": data})


async def _start(send: Send, status: int, headers: Iterable[tuple[str, str]]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    raw.append((b"apim-request-id", uuid4().hex.encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})


def _models() -> Json:
    model = {"created": 0, "id": MODEL, "object": "model", "owned_by": "nightlight"}
    return {"data": [model], "object": "list"}


def _headers(scope: Message) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _deployment(scope: Message) -> str | None:
    """The deployment in a dated address, which must also name its version."""
    found = _DATED.fullmatch(scope["path"])
    if found and not _api_version(scope):
        raise Refused(_NOT_FOUND)
    return found[1] if found else None


def _api_version(scope: Message) -> bool:
    return bool(parse_qs(scope["query_string"].decode("latin-1")).get("api-version"))


async def _body(receive: Receive) -> bytes:
    data = b""
    more = True
    while more and len(data) <= MOST_BYTES:
        message = await receive()
        data += message.get("body", b"")
        more = message.get("more_body", False)
    if more:
        raise Refused(Refusal(413, invalid_request("The request body is too large.")))
    return data
