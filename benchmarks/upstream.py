"""A fake Azure OpenAI for load: many paced streams in one process, at little cost of its own.

It speaks both address shapes (`/openai/v1/chat/completions` and `/openai/deployments/NAME/chat/completions`)
and sends the frames Azure sends: prompt filter results, role, one frame per token with its filter results,
finish, usage where asked for, `[DONE]`. `PUT /knobs` changes what the next requests get, `GET /counts` tells
what was sent. To see faults as a developer there is `streaming/simulator/`; this one is for speed.
"""

import argparse
import asyncio
import heapq
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal, cast

import msgspec

FIRST = "Yes"
TIMER_RESOLUTION = 0.001
PROSE = """\
Yes, that is as it should be. Newborns sleep in short stretches, day and night alike, because a \
small stomach empties within two or three hours. What helps most parents:

- **Days** are bright, with voices and walks.
- **Nights** are dim, quiet and a little dull.
- Put the cradle beside your own bed, and take turns where you can.

Around three months the stretches grow longer, and most families notice a rhythm of their own.

"""
KNOBS_PATH, COUNTS_PATH = "/knobs", "/counts"
HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n"
    b"apim-request-id: 2f0c51de-0000-0000-0000-000000000000\r\nx-ms-region: Nowhere\r\n\r\n"
)
END = b"0\r\n\r\n"
REFUSAL = {"error": {"code": "InternalServerError", "message": "The server had an error. Please try again."}}
REASONS = {200: "OK", 404: "Not Found", 422: "Unprocessable Content", 500: "Internal Server Error"}


class Knobs(msgspec.Struct, forbid_unknown_fields=True):
    """How the next requests are answered. `delay` is milliseconds between tokens, `ttft` before the first.

    `refuse` answers 500; `cut` hangs up after half of the tokens.
    """

    tokens: int = 200
    delay: float = 20.0
    ttft: float = 0.0
    fault: Literal["", "refuse", "cut"] = ""


@dataclass(slots=True)
class Counts:
    started: int = 0
    finished: int = 0
    cut: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    body: bytes
    last: bool


@cache
def answer(tokens: int) -> tuple[str, ...]:
    """The answer's text, one item per token. It starts with `FIRST`, so that a first token can be seen."""
    words = re.findall(r" ?\w+|[^\w\s]+|\s+", PROSE)
    return tuple(itertools.islice(itertools.cycle(words), tokens))


@cache
def frames(tokens: int, usage: bool) -> tuple[bytes, ...]:
    """One answer as HTTP chunks. The first carries everything up to the first token, as Azure's does."""
    events = [_prompt_filter(), _delta({"content": "", "refusal": None, "role": "assistant"}, {})]
    events += [_delta({"content": text}, _filter_results()) for text in answer(tokens)]
    events.append(_delta({}, {}, finish="stop"))
    if usage:
        counted = {"completion_tokens": tokens, "prompt_tokens": 60, "total_tokens": tokens + 60}
        events.append(_identity() | {"choices": [], "usage": counted})
    chunks = [_chunk(json.dumps(event, separators=(",", ":"))) for event in events] + [_chunk("[DONE]")]
    return (b"".join(chunks[:3]), *chunks[3 : 2 + tokens], b"".join(chunks[2 + tokens :]) + END)


def _chunk(payload: str) -> bytes:
    event = f"data: {payload}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(event), event)


def _identity() -> dict[str, Any]:
    return {
        "created": 1_790_000_000,
        "id": "chatcmpl-Benchmark0000000000000000000",
        "model": "gpt-4o-mini-2024-07-18",
        "object": "chat.completion.chunk",
        "system_fingerprint": "fp_0000000000",
    }


def _filter_results() -> dict[str, Any]:
    return {
        name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")
    }


def _prompt_filter() -> dict[str, Any]:
    results = _filter_results() | {"jailbreak": {"detected": False, "filtered": False}}
    prompt = [{"prompt_index": 0, "content_filter_results": results}]
    return {
        "choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": prompt,
    }  # fmt: skip


def _delta(delta: dict[str, Any], filters: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {
        "content_filter_results": filters,
        "delta": delta,
        "finish_reason": finish,
        "index": 0,
        "logprobs": None,
    }
    return {"choices": [choice]} | _identity()


def take_request(received: bytearray) -> Request | None:
    """Cut one whole HTTP/1.1 request off the front of `received`, or None where there is not one yet."""
    head_end = received.find(b"\r\n\r\n")
    if head_end < 0:
        return None
    first, *fields = bytes(received[:head_end]).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    end = head_end + 4 + int(headers.get("content-length", 0))
    if len(received) < end:
        return None
    body = bytes(received[head_end + 4 : end])
    del received[:end]
    method, target, _ = first.split(" ", 2)
    return Request(method, target.partition("?")[0], body, headers.get("connection", "").lower() == "close")


class Sending:
    """One stream being sent: which chunk comes next, and when."""

    __slots__ = ("chunks", "connection", "delay", "due", "next", "parked")

    def __init__(self, connection: "Connection", chunks: Sequence[bytes], delay: float, due: float) -> None:
        self.connection, self.chunks, self.delay, self.due = connection, chunks, delay, due
        self.next = 0
        self.parked = False


class Clock:
    """One timer for all answers, over a heap of due times; a timer for each would cost more than sending."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.heap: list[tuple[float, int, Sending]] = []
        self.order = itertools.count()
        self.timer: asyncio.TimerHandle | None = None

    def add(self, sending: Sending) -> None:
        heapq.heappush(self.heap, (sending.due, next(self.order), sending))
        if self.heap[0][2] is sending:
            self._arm()

    def _arm(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.timer = self.loop.call_at(self.heap[0][0], self._tick)

    def _tick(self) -> None:
        self.timer = None
        # uvloop's timers count whole milliseconds: what is due within one would be waited for by spinning.
        now = self.loop.time() + TIMER_RESOLUTION
        ready = []
        while self.heap and self.heap[0][0] <= now:
            ready.append(heapq.heappop(self.heap)[2])
        for sending in ready:
            if sending.connection.send_next(sending):
                sending.due += sending.delay
                heapq.heappush(self.heap, (sending.due, next(self.order), sending))
        if self.heap:
            self._arm()


class Upstream:
    """What all connections share."""

    def __init__(self, loop: asyncio.AbstractEventLoop, knobs: Knobs) -> None:
        self.clock = Clock(loop)
        self.knobs = knobs
        self.counts = Counts()


class Connection(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.received = bytearray()
        self.sending: Sending | None = None
        self.paused = self.gone = self.last = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none, by class

    def connection_lost(self, _exc: Exception | None) -> None:
        self.gone = True
        if self.sending is not None:
            self.upstream.counts.cut += 1

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self.sending is not None and self.sending.parked:
            self.sending.parked = False
            self.upstream.clock.add(self.sending)

    def data_received(self, data: bytes) -> None:
        self.received += data
        while request := take_request(self.received):
            self._serve(request)

    def _serve(self, request: Request) -> None:
        self.last = request.last
        if request.path == COUNTS_PATH:
            self._reply(200, asdict(self.upstream.counts))
        elif request.path == KNOBS_PATH and request.method == "PUT":
            self._turn(request.body)
        elif request.method == "POST" and request.path.endswith("/chat/completions"):
            self._complete(json.loads(request.body))
        else:
            self._reply(404, {"error": {"code": "404", "message": "Resource not found"}})

    def _turn(self, body: bytes) -> None:
        try:
            self.upstream.knobs = msgspec.json.decode(body, type=Knobs)
        except msgspec.MsgspecError as error:
            self._reply(422, {"error": {"message": str(error)}})
        else:
            self._reply(200, {})

    def _complete(self, asked: dict[str, Any]) -> None:
        knobs = self.upstream.knobs
        if knobs.fault == "refuse":
            self._reply(500, REFUSAL)
        elif asked.get("stream"):
            usage = bool((asked.get("stream_options") or {}).get("include_usage"))
            self._start(frames(knobs.tokens, usage), knobs)
        else:
            message = {"role": "assistant", "content": "".join(answer(knobs.tokens))}
            choice = {"finish_reason": "stop", "index": 0, "message": message}
            self._reply(200, _identity() | {"object": "chat.completion", "choices": [choice]})

    def _start(self, chunks: Sequence[bytes], knobs: Knobs) -> None:
        clock = self.upstream.clock
        self.upstream.counts.started += 1
        self.transport.write(HEAD)
        self.sending = Sending(self, chunks, knobs.delay / 1000, clock.loop.time() + knobs.ttft / 1000)
        clock.add(self.sending)

    def send_next(self, sending: Sending) -> bool:
        """Send one chunk; True where another is to come after `sending.delay`."""
        if self.gone:
            return False
        if self.paused:
            sending.parked = True
            return False
        self.transport.write(sending.chunks[sending.next])
        sending.next += 1
        if sending.next == len(sending.chunks):
            self.sending = None
            self.upstream.counts.finished += 1
            self._replied()
            return False
        self.upstream.counts.tokens += 1
        if self.upstream.knobs.fault == "cut" and sending.next >= len(sending.chunks) // 2:
            self.transport.abort()
            return False
        return True

    def _reply(self, status: int, payload: dict[str, Any]) -> None:
        body = json.dumps(payload).encode()
        head = f"HTTP/1.1 {status} {REASONS[status]}\r\ncontent-type: application/json\r\n"
        self.transport.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        self._replied()

    def _replied(self) -> None:
        if self.last:
            self.transport.close()


async def serve(port: int, knobs: Knobs) -> None:
    """Serve on 127.0.0.1 until cancelled."""
    loop = asyncio.get_running_loop()
    upstream = Upstream(loop, knobs)
    server = await loop.create_server(lambda: Connection(upstream), "127.0.0.1", port, backlog=8192)
    async with server:
        await server.serve_forever()


def main() -> None:
    import uvloop

    parser = argparse.ArgumentParser(prog="python -m benchmarks.upstream", description=__doc__)
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--delay", type=float, default=20.0, help="milliseconds between tokens")
    parser.add_argument("--ttft", type=float, default=0.0, help="milliseconds before the first token")
    given = parser.parse_args()
    uvloop.run(serve(given.port, Knobs(given.tokens, given.delay, given.ttft)))


if __name__ == "__main__":
    main()
