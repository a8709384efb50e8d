"""What the server does to give one answer, as a list of steps: bytes to write, seconds to wait, or an act.

Faults are part of the script, so that all of them can be read and tested without a socket.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from streaming.providers.seam import REPEATED_WORDS, last_words
from streaming.simulator.faults import Fault
from streaming.simulator.tokens import pieces, sized
from streaming.simulator.wire import DONE, SAFE, Frames, Json, Usage, error, event, filtered


class Act(Enum):
    """STALL: say no more and keep the connection. CUT: drop it, with the reply unfinished."""

    STALL = "stall"
    CUT = "cut"


type Step = bytes | float | Act

SPLIT_PAUSE = 0.002
"""Seconds between the parts of a frame, so that they travel as reads of their own."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds before the first token and between tokens."""

    first: float
    between: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be said. `start`: length of the prompt in characters, where the filter's offsets begin."""

    tokens: Sequence[str]
    reason: str = "stop"
    prompt_tokens: int = 0
    start: int = 0
    refused: bool = False

    @property
    def usage(self) -> Usage:
        return Usage(self.prompt_tokens, len(self.tokens))

    @property
    def text(self) -> str:
        return "".join(self.tokens)

    def first(self, count: int, reason: str) -> "Answer":
        return replace(self, tokens=self.tokens[:count], reason=reason)


def shortened(answer: Answer, most: int | None) -> Answer:
    """The answer within `most` tokens, as `max_tokens` asks."""
    if most is None or len(answer.tokens) <= most:
        return answer
    return answer.first(most, "length")


def altered(answer: Answer, fault: Fault, so_far: str = "") -> Answer:
    """What of an answer this request is to say: of another length, only the rest of it, or stopped half-way
    for a reason that is stated.
    """
    if "tokens" in fault.numbers:
        answer = replace(answer, tokens=sized(list(answer.tokens), fault.numbers["tokens"]))
    if so_far:
        answer = _continued(answer, so_far, fault.numbers.get("restate", REPEATED_WORDS))
    if fault.name in ("length", "filter"):
        reason = "length" if fault.name == "length" else "content_filter"
        return answer.first(fault.strikes_at(len(answer.tokens)), reason)
    return answer


def _continued(answer: Answer, so_far: str, restate: int) -> Answer:
    """The rest of the answer behind the last words so far, as asked. Of another answer there is no rest."""
    if not answer.text.startswith(so_far):
        return replace(answer, tokens=())
    again = len(so_far.rstrip()) - len(last_words(so_far, restate)) if restate else len(so_far)
    return replace(answer, tokens=pieces(answer.text[again:]))


def paced(pace: Pace, fault: Fault) -> Pace:
    first = fault.numbers.get("ms", 5000) / 1000 if fault.name == "slow_start" else pace.first
    return Pace(first, fault.numbers["delay"] / 1000 if "delay" in fault.numbers else pace.between)


def streamed(answer: Answer, frames: Frames, pace: Pace, fault: Fault) -> Iterator[Step]:
    """The script of a streamed answer. `answer` is already `altered`."""
    steps = _steps(answer, frames, pace, fault)
    if fault.name == "crlf":
        return _with_crlf(steps)
    if fault.name == "split":
        return _split(steps)
    return steps


def _steps(answer: Answer, frames: Frames, pace: Pace, fault: Fault) -> Iterator[Step]:
    yield pace.first
    yield event(frames.prompt_filter())
    yield event(frames.role())
    at = fault.strikes_at(len(answer.tokens))
    yield from _said(answer, frames, pace, fault, range(at))
    yield from _strike(answer, frames, fault, at)
    if fault.name in FATAL:
        return
    yield from _said(answer, frames, pace, fault, range(at, len(answer.tokens)))
    yield from _ending(answer, frames, fault)


def _said(answer: Answer, frames: Frames, pace: Pace, fault: Fault, part: range) -> Iterator[Step]:
    for index in part:
        if index:
            yield pace.between
        yield event(_token(answer, frames, fault, index))


def _token(answer: Answer, frames: Frames, fault: Fault, index: int) -> Json:
    text = answer.tokens[index]
    if answer.refused:
        return frames.refusal(text)
    if fault.name == "async_filter":
        return frames.unannotated(text)
    if fault.name == "filter_outage" and index >= fault.strikes_at(len(answer.tokens)):
        return frames.unfiltered(text)
    return frames.content(text)


FATAL = frozenset({"stall", "cut", "eof", "error_event"})
"""Faults after which nothing more is said."""


def _strike(answer: Answer, frames: Frames, fault: Fault, at: int) -> Iterator[Step]:
    match fault.name:
        case "stall":
            yield Act.STALL
        case "cut":
            yield _half_a_frame(answer, frames, at)
            yield Act.CUT
        case "error_event":
            yield event(_server_error(fault))
        case "garbage":
            yield b'data: {"choices":[{"delta":{"content":"oops\n\n'
        case "async_filter":
            yield event(frames.annotation(answer.start, answer.start + _length(answer, at)))


def _half_a_frame(answer: Answer, frames: Frames, at: int) -> bytes:
    text = answer.tokens[at] if at < len(answer.tokens) else " and"
    whole = event(frames.content(text))
    return whole[: len(whole) // 2]


def _server_error(fault: Fault) -> Json:
    message = "The server had an error while processing your request. Sorry about that!"
    return error(fault.words.get("code"), message, type="server_error", param=None)


def _length(answer: Answer, tokens: int) -> int:
    return sum(map(len, answer.tokens[:tokens]))


def _ending(answer: Answer, frames: Frames, fault: Fault) -> Iterator[Step]:
    results = filtered(fault.category) if answer.reason == "content_filter" else None
    yield event(frames.finish(answer.reason, results))
    if fault.name == "async_filter":
        yield event(_late_annotation(answer, frames, fault))
    if frames.with_usage:
        yield event(frames.usage(answer.usage))
    if fault.name != "no_done":
        yield DONE


def _late_annotation(answer: Answer, frames: Frames, fault: Fault) -> Json:
    """The filter's last word, after `stop`. Only with `category=` has it found anything."""
    start = answer.start + _length(answer, fault.strikes_at(len(answer.tokens)))
    end = answer.start + len(answer.text)
    if "category" not in fault.words:
        return frames.annotation(start, end)
    return frames.annotation(start, end, filtered(fault.category), "content_filter")


def _with_crlf(steps: Iterable[Step]) -> Iterator[Step]:
    # JSON holds no raw line break, so these are the ends of lines only.
    return (step.replace(b"\n", b"\r\n") if isinstance(step, bytes) else step for step in steps)


def _split(steps: Iterable[Step]) -> Iterator[Step]:
    """Each frame in several writes. Its last byte travels with the next frame, so that writes hold two."""
    kept = b""
    for step in steps:
        if not isinstance(step, bytes):
            yield step
            continue
        *parts, last = odd_parts(kept + step)
        for part in parts:
            yield part
            yield SPLIT_PAUSE
        yield last[:-1]
        kept = last[-1:]
    yield kept


def odd_parts(data: bytes) -> list[bytes]:
    """`data` cut after bytes 7 and 29, in its middle, and inside every character of several bytes."""
    inside = {index for index, byte in enumerate(data) if 0x80 <= byte < 0xC0}
    cuts = sorted({7, 29, len(data) // 2, *inside} & set(range(1, len(data) - 1)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def whole_body(answer: Answer, frames: Frames, fault: Fault) -> Json:
    """The reply to a request that did not ask to stream."""
    results = filtered(fault.category) if answer.reason == "content_filter" else SAFE
    text, refusal = (None, answer.text) if answer.refused else (answer.text, None)
    return frames.whole(text, answer.reason, answer.usage, results, refusal)


def whole(body: bytes, answer: Answer, pace: Pace, fault: Fault) -> Iterator[Step]:
    """The script of a reply in one piece: it takes as long as streaming would. `body` is its JSON."""
    yield pace.first + pace.between * len(answer.tokens)
    match fault.name:
        case "stall":
            yield Act.STALL
        case "cut" | "eof":
            yield body[: len(body) // 2]
            yield Act.CUT
        case "garbage":
            yield body[: len(body) // 2]
        case _:
            yield body
