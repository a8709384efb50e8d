"""Many POST streams at once, at little cost: bytes are kept while they come and read when all is over.

A stream counts only when it ended as it should: status 200, a whole HTTP body, the answer's text complete to
the last letter, and exactly one terminal event, last.
"""

import asyncio
import itertools
import json
import random
import re
import statistics
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, cast
from urllib.parse import urlencode

from benchmarks.upstream import FIRST, answer

Shape = Literal["azure", "events", "page"]
NO_END = "no terminal event at the end"
# Without its last letter, which the guard keeps until it has seen that no accent follows.
MARKS = {
    "azure": b'"' + FIRST[:-1].encode(),
    "events": b'"' + FIRST[:-1].encode(),
    "page": b">" + FIRST[:-1].encode(),
}
PAGE_STREAM = re.compile(rb"/streams/[0-9a-f-]{36}")
WORDS = re.compile(r"\w+")
TAGS = re.compile(r"<[^>]*>")
CSRF = "c" * 32


@dataclass(frozen=True, slots=True)
class Target:
    """Where the load goes and in which shape the answers come. `cookies` are given to the streams in turn, as
    are `more`, fields to add to the body.
    """

    port: int
    path: str
    body: dict[str, Any]
    shape: Shape = "events"
    cookies: Sequence[str] = ()
    more: Sequence[dict[str, Any]] = ()

    def request(self, number: int) -> bytes:
        """What is sent to ask. The page sends a form, and reads the answer by a request of its own."""
        fields = self.body | (self.more[number % len(self.more)] if self.more else {})
        if self.shape == "page":
            form = urlencode(fields).encode()
            lines = [
                "Content-Type: application/x-www-form-urlencoded",
                "HX-Request: true",
                f"X-CSRFToken: {CSRF}",
            ]
            return self._http("POST", self.path, number, form, *lines)
        lines = ["Content-Type: application/json", "Accept: text/event-stream"]
        return self._http("POST", self.path, number, json.dumps(fields).encode(), *lines)

    def follow(self, number: int, path: str) -> bytes:
        """What the page sends to read the answer."""
        return self._http("GET", path, number, b"", "Accept: text/event-stream", "HX-Request: true")

    def _http(self, method: str, path: str, number: int, body: bytes, *lines: str) -> bytes:
        head = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", "Connection: close", *lines]
        head.append(f"Content-Length: {len(body)}")
        if self.cookies:
            cookie = self.cookies[number % len(self.cookies)]
            head.append(f"Cookie: {cookie}; csrftoken={CSRF}")
        return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes
    whole: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What one answer said: its text, how many token events carried it, and why it does not count, if so."""

    text: str
    events: int
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One stream; times in seconds. `tokens` are the upstream's, however few events carried them;
    `body_bytes` are what the reader got.
    """

    tokens: int
    events: int
    failure: str
    first: float | None
    total: float
    body_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """All streams of one run; times in seconds, None where no stream got that far."""

    streams: int
    complete: int
    tokens: int
    events: int
    first_p50: float | None
    first_p95: float | None
    total_p50: float | None
    total_p95: float | None
    total_max: float | None
    seconds: float
    most_open: int
    body_bytes: int = 0
    firsts: tuple[float, ...] = ()
    failures: dict[str, int] = field(default_factory=dict)


def read_response(raw: bytes) -> Response:
    """A whole HTTP/1.1 answer, as received until the server hung up. Status 0: not even a head came."""
    head, found, body = raw.partition(b"\r\n\r\n")
    if not found:
        return Response(0, b"", whole=False)
    status, fields = int(head[9:12]) if head[9:12].isdigit() else 0, head.lower()
    if b"\r\ntransfer-encoding: chunked" in fields:
        parts = list(_chunks(body))
        return Response(status, b"".join(parts), whole=bool(parts) and parts[-1] == b"")
    _, found, length = fields.partition(b"\r\ncontent-length:")
    return Response(status, body, whole=not found or len(body) == int(length.split(b"\r\n")[0]))


def _chunks(body: bytes) -> Iterator[bytes]:
    """The chunks of a chunked body that came whole; the empty one that ends it, too."""
    at = 0
    while (line_end := body.find(b"\r\n", at)) >= 0:
        size = int(body[at:line_end].split(b";")[0], 16)
        end = line_end + 2 + size
        if body[end : end + 2] != b"\r\n":
            return
        yield body[line_end + 2 : end]
        if not size:
            return
        at = end + 2


def payloads(body: bytes) -> list[str]:
    """The `data:` lines of the whole events in a stream; ids, comments and pings are left out."""
    whole = body[: body.rfind(b"\n\n") + 1].decode()
    return [line[6:] for line in whole.split("\n") if line.startswith("data: ")]


def read_answer(shape: Shape, body: bytes) -> Reading:
    """Fold an event stream, in Azure's shape, the product's or its page's, to what it said."""
    try:
        if shape == "page":
            return _read_page(body)
        return _read_azure(payloads(body)) if shape == "azure" else _read_events(payloads(body))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        return Reading("", 0, f"not {shape}: {type(error).__name__}")


def _read_azure(lines: list[str]) -> Reading:
    frames = [json.loads(line) for line in lines if line != "[DONE]"]
    texts = [choice["delta"].get("content") for frame in frames for choice in frame.get("choices", ())]
    said = [text for text in texts if text]
    if any("error" in frame for frame in frames):
        return Reading("".join(said), len(said), "error frame")
    ended = lines.count("[DONE]") == 1 and lines[-1] == "[DONE]"
    return Reading("".join(said), len(said), "" if ended else NO_END)


def _read_events(lines: list[str]) -> Reading:
    text, count = "", 0
    events = [json.loads(line) for line in lines]
    for event in events:
        if event["type"] == "token":
            text, count = text + event["content"], count + 1
        elif event.get("replaceFrom") is not None:
            text = text[: event["replaceFrom"]]
        elif event.get("reset"):
            text = ""
    return Reading(
        text, count, _ending([event for event in events if event["type"] in ("done", "error")], events)
    )


def _read_page(body: bytes) -> Reading:
    """The page ends with the saved answer as a whole. Its words are compared, for it holds no Markdown."""
    frames = [frame for frame in body.decode().split("\n\n") if frame and not frame.startswith(":")]
    if len(frames) < 2 or not frames[-1].startswith("event: done\n"):
        return Reading("", 0, NO_END)
    text = TAGS.sub(" ", f"\n{frames[-2]}".replace("\ndata: ", "\n"))
    return Reading(" ".join(WORDS.findall(text)), len(frames) - 2)


def _ending(terminal: list[dict[str, Any]], events: list[dict[str, Any]]) -> str:
    if len(terminal) != 1 or events[-1] is not terminal[0]:
        return NO_END
    return f"error event {terminal[0].get('code', '')}".strip() if terminal[0]["type"] == "error" else ""


@cache
def _lengths(tokens: int) -> list[int]:
    return list(itertools.accumulate(len(text) for text in answer(tokens)))


def tokens_in(text: str, tokens: int) -> int:
    """How many upstream tokens of an answer of `tokens` are wholly in `text`; 0 where it is another text."""
    return bisect_right(_lengths(tokens), len(text)) if "".join(answer(tokens)).startswith(text) else 0


class Stream(asyncio.Protocol):
    """One request. Only the first token is looked for as it comes; all else waits in `parts`."""

    def __init__(self, request: bytes, mark: bytes) -> None:
        self.request, self.mark = request, mark
        self.parts: list[bytes] = []
        self.started = time.perf_counter()
        self.first: float | None = None
        self.over: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.started = time.perf_counter()
        cast(asyncio.Transport, transport).write(self.request)

    def data_received(self, data: bytes) -> None:
        self.parts.append(data)
        if self.first is None and self.mark in b"".join(self.parts[-8:]):
            self.first = time.perf_counter() - self.started

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(time.perf_counter() - self.started)

    def outcome(self, shape: Shape, tokens: int) -> Outcome:
        response = read_response(b"".join(self.parts))
        total = self.over.result()
        if response.status != 200:
            return Outcome(0, 0, f"status {response.status}" if response.status else "no answer", None, total)
        reading = read_answer(shape, response.body)
        counted = tokens_in(reading.text, tokens)
        failure = reading.failure or ("" if response.whole else "body cut short")
        if shape == "page":
            counted = 0 if failure else tokens
            said = " ".join(WORDS.findall("".join(answer(tokens))))
            failure = failure or ("" if said in reading.text else "text differs")
        elif not failure and reading.text != "".join(answer(tokens)):
            failure = f"text differs ({len(reading.text)} of {_lengths(tokens)[-1]} characters)"
        return Outcome(counted, reading.events, failure, self.first, total, len(response.body))


class Load:
    """`streams` requests, begun at random moments within `ramp` seconds, each awaited to its end; or, with
    `at_once`, so many at any moment, each followed by the next.
    """

    def __init__(
        self, target: Target, streams: int, tokens: int, ramp: float = 0.0, *, at_once: int | None = None
    ) -> None:
        self.target, self.streams, self.tokens, self.ramp = target, streams, tokens, ramp
        self.at_once = at_once
        self.open = self.most_open = 0

    async def run(self, limit: float) -> Tally:
        """All of it; what is not over after `limit` seconds counts as failed."""
        # Even steps would put all streams in phase, and so hand any server its batches ready-made.
        moments = random.Random(7)
        begun = time.perf_counter()
        until = begun + limit
        if self.at_once:
            numbers, outcomes = iter(range(self.streams)), list[Outcome]()
            await asyncio.gather(*(self._in_turn(numbers, until, outcomes) for _ in range(self.at_once)))
            return self._tally(outcomes, time.perf_counter() - begun)
        starts = [moments.uniform(0, self.ramp) for _ in range(self.streams)]
        ended = await asyncio.gather(*(self._one(n, delay, until) for n, delay in enumerate(starts)))
        seconds = time.perf_counter() - begun
        return self._tally([self._judge(one) for one in ended], seconds)

    async def _in_turn(self, numbers: Iterator[int], until: float, outcomes: list[Outcome]) -> None:
        """Judged at once, since many short streams would fill the memory."""
        for number in numbers:
            outcomes.append(self._judge(await self._one(number, 0, until)))

    async def _one(self, number: int, delay: float, until: float) -> Stream | str:
        await asyncio.sleep(delay)
        asked = await self._ask(self.target.request(number), until)
        if self.target.shape != "page" or isinstance(asked, str):
            return asked
        found = PAGE_STREAM.search(b"".join(asked.parts))
        if found is None:
            return "no stream on the page"
        return await self._ask(self.target.follow(number, found[0].decode()), until)

    async def _ask(self, request: bytes, until: float) -> Stream | str:
        loop, mark = asyncio.get_running_loop(), MARKS[self.target.shape]
        try:
            connecting = loop.create_connection(lambda: Stream(request, mark), "127.0.0.1", self.target.port)
            transport, stream = await asyncio.wait_for(connecting, 30)
        except OSError as error:
            return type(error).__name__
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await asyncio.wait_for(stream.over, max(0.001, until - time.perf_counter()))
        except TimeoutError:
            transport.abort()
            return "not over in time"
        finally:
            self.open -= 1
        return stream

    def _judge(self, ended: Stream | str) -> Outcome:
        if isinstance(ended, str):
            return Outcome(0, 0, ended, None, 0.0)
        return ended.outcome(self.target.shape, self.tokens)

    def _tally(self, outcomes: list[Outcome], seconds: float) -> Tally:
        good = [one for one in outcomes if not one.failure]
        first = [one.first for one in good if one.first is not None]
        total = [one.total for one in good]
        return Tally(
            streams=self.streams,
            complete=len(good),
            tokens=sum(one.tokens for one in outcomes),
            events=sum(one.events for one in outcomes),
            first_p50=percentile(first, 50),
            first_p95=percentile(first, 95),
            total_p50=percentile(total, 50),
            total_p95=percentile(total, 95),
            total_max=max(total, default=None),
            seconds=seconds,
            most_open=self.most_open,
            body_bytes=sum(one.body_bytes for one in good),
            firsts=tuple(first),
            failures=dict(Counter(one.failure for one in outcomes if one.failure)),
        )


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The value below which `percent` of 100 lie, None of nothing."""
    if len(values) < 2:
        return values[0] if values else None
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
