"""One answer on its way over a route's deployments."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from streaming.events import ErrorCode, FinishReason, Usage
from streaming.providers.base import Completion, Delta, Finish, PromptMessage, Provider, ProviderError
from streaming.providers.breaker import Breaker, BreakerState
from streaming.providers.seam import Restarted, Seam, continuation
from streaming.providers.trace import Attempt, Kind, Trace

BACKOFF_SECONDS = 0.5
MOST_BACKOFF_SECONDS = 8.0
PATIENCE_SECONDS = 10
"""A deployment that asks for a longer wait than this is left alone for as long."""
CONTINUATIONS = 2
"""How often one answer may be continued."""
WORDS_IN_DELTA = 8
"""Of an answer that came whole: written quickly, and still written."""
CHARACTERS_PER_TOKEN = 5
"""Where a server sends several tokens in a frame, the number of frames says too little."""
FINAL = (ErrorCode.CONTENT_FILTERED, ErrorCode.CONTEXT_TOO_LONG)
"""Failures that no other try would mend."""
OPERATOR_NEEDED = (401, 403, 404)
"""HTTP errors for a wrong key or name: they go on until somebody corrects it."""

_WORD = re.compile(r"\s*\S+|\s+")


@dataclass(frozen=True, slots=True)
class Clockwork:
    """Where time and chance come from: seconds, a pause in seconds, and a number from 0 up to 1."""

    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    random: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Place:
    """A deployment with its breaker."""

    name: str
    provider: Provider
    breaker: Breaker


@dataclass(slots=True)
class _Running:
    """An attempt that has been made: what came of it so far."""

    place: Place
    attempt: Attempt
    items: AsyncGenerator[Delta | Finish]
    started: float
    seam: Seam | None
    first: Delta | Finish | None = None
    pieces: int = 0
    finish: Finish | None = None


class RoutedAnswer:
    """Sees to one answer. `run` once."""

    def __init__(
        self,
        places: Sequence[Place],
        clockwork: Clockwork,
        messages: Sequence[PromptMessage],
        *,
        attempts: int,
        max_tokens: int,
        trace: Trace,
    ) -> None:
        self._places = places
        self._clockwork = clockwork
        self._messages = messages
        self._attempts = attempts
        self._max_tokens = max_tokens
        self._trace = trace
        self._parts: list[str] = []
        self._pieces = 0
        self._usage: Usage | None = None
        self._asked_whole: set[str] = set()
        self._interruption: ProviderError | None = None
        self._broke_off: list[Place] = []
        """Where this answer broke off, the last one last."""

    async def run(self) -> AsyncGenerator[Delta | Finish]:
        """The answer and, after each failure in its midst, the rest of it from another attempt."""
        for continued in range(CONTINUATIONS + 1):
            if self._tokens_left() < 1:
                yield Finish(FinishReason.LENGTH, self._usage)
                return
            running = await self._begin()
            try:
                async with aclosing(running.items) as items:
                    item = running.first
                    while item is not None:
                        if delta := self._to_show(running, item):
                            yield delta
                        item = await anext(items, None)
                finish = _finish_of(running)
            except ProviderError as error:
                self._end(running, error)
                if not error.retryable or error.code in FINAL or continued == CONTINUATIONS:
                    raise
                self._interruption = error
                self._broke_off = [place for place in self._broke_off if place is not running.place]
                self._broke_off.append(running.place)
            except Restarted:
                anew = ProviderError(ErrorCode.STREAM_INTERRUPTED, "the continuation began the answer anew")
                self._end(running, anew, blamed=False)
                raise anew from None
            except BaseException:  # stopped, withheld, out of time
                self._end(running, None)
                raise
            else:
                self._end(running, None)
                yield Finish(finish.reason, self._usage)
                return

    # --- attempts -------------------------------------------------------------------------------------------

    async def _begin(self) -> _Running:
        """An attempt that has sent something, after as many that failed as the rules allow."""
        errors: list[ProviderError] = []
        for place in self._candidates():
            for number in range(1, self._attempts + 1):
                try:
                    return await self._attempt(place)
                except ProviderError as error:
                    errors.append(error)
                    if number == self._attempts or not self._is_worth_another(error, place):
                        break
                    await self._clockwork.sleep(self._pause(error, number))
            if errors[-1].code in FINAL:
                break
        raise self._failure(errors)

    def _candidates(self) -> Iterator[Place]:
        """Whom to ask: closed breakers and trials in order, and when all fail the nearest to a trial."""
        refused: list[Place] = []
        for place in sorted(self._places, key=self._broke_off_lately):
            if place.breaker.admit():
                yield place
            else:
                refused.append(place)
        if refused:
            yield min(refused, key=lambda place: place.breaker.retry_in)

    def _broke_off_lately(self, place: Place) -> int:
        """A key to sort by: deployments that let this answer down come last."""
        return self._broke_off.index(place) + 1 if place in self._broke_off else 0

    def _is_worth_another(self, error: ProviderError, place: Place) -> bool:
        """Whether the same deployment is asked once more."""
        if not error.retryable or _asks_for_long_rest(error):
            return False
        if error.code == ErrorCode.PROVIDER_TIMEOUT and len(self._places) > 1:
            return False  # it had its time; another may be quicker
        return place.breaker.state is BreakerState.CLOSED  # a trial, or a last resort, is one request

    def _pause(self, error: ProviderError, number: int) -> float:
        """Seconds before the next try: exponential with full jitter, and not before the server's own word."""
        if error.retry_after is not None:
            return error.retry_after + BACKOFF_SECONDS * self._clockwork.random()
        most = min(MOST_BACKOFF_SECONDS, BACKOFF_SECONDS * 2.0 ** (number - 1))
        return most * self._clockwork.random()

    def _failure(self, errors: list[ProviderError]) -> ProviderError:
        """What to say when nobody could: of several failures the last that a new try may mend."""
        last = errors[-1]
        if last.code == ErrorCode.CONTENT_FILTERED:
            return last
        if self._interruption:  # the person has part of an answer: that it broke off is what there is to say
            return self._interruption
        if last.code in FINAL:
            return last
        return next((error for error in reversed(errors) if error.retryable), last)

    async def _attempt(self, place: Place) -> _Running:
        """Asks for a stream, and where only streams fail for the whole answer at once."""
        messages = continuation(self._messages, self._text()) if self._interruption else self._messages
        provider, most = place.provider, self._tokens_left()
        try:
            kind: Kind = "continue" if self._interruption else "stream"
            return await self._first_of(place, kind, provider.stream(messages, max_tokens=most))
        except ProviderError as error:
            if not _only_streams_fail(error) or place.name in self._asked_whole:
                raise
        self._asked_whole.add(place.name)
        whole = _in_words(provider.complete(messages, max_tokens=most))
        return await self._first_of(place, "complete", whole)

    async def _first_of(self, place: Place, kind: Kind, items: AsyncGenerator[Delta | Finish]) -> _Running:
        """The attempt, once its first item is here."""
        text = self._text()
        attempt = Attempt(place.name, began_at=len(text), kind=kind)
        self._trace.attempts.append(attempt)
        if not text:
            self._trace.deployment = place.name
        seam = Seam(text) if self._interruption else None
        running = _Running(place, attempt, items, self._clockwork.clock(), seam)
        try:
            running.first = await anext(items, None)
            if isinstance(running.first, Finish) and not self._interruption:
                running.finish = running.first
                raise _empty(kind)
        except BaseException as error:
            await items.aclose()
            self._end(running, error if isinstance(error, ProviderError) else None)
            raise
        self._trace.deployment = place.name
        return running

    def _end(self, running: _Running, error: ProviderError | None, *, blamed: bool = True) -> None:
        """Write down how an attempt went, once. No error: it gave all it should, or was stopped."""
        attempt = running.attempt
        attempt.ms = round((self._clockwork.clock() - running.started) * 1000)
        if error:
            attempt.error, attempt.detail = str(error.code), error.detail
        self._count(running)
        _judge(running, error if blamed else None)

    def _count(self, running: _Running) -> None:
        usage = running.finish.usage if running.finish else None
        if usage:
            before = self._usage or Usage(0, 0)
            self._usage = Usage(
                before.prompt_tokens + usage.prompt_tokens, before.completion_tokens + usage.completion_tokens
            )
        elif running.pieces:
            self._trace.uncounted_attempts += 1
            self._trace.uncounted_pieces += running.pieces

    # --- text -----------------------------------------------------------------------------------------------

    def _to_show(self, running: _Running, item: Delta | Finish) -> Delta | None:
        """What of an item is new. The beginning of a continuation may be a repeat."""
        if isinstance(item, Finish):
            running.finish = item
        else:
            running.pieces += len(item.pieces)
        if running.seam is None:
            return None if isinstance(item, Finish) else self._kept(item)
        text = running.seam.close() if isinstance(item, Finish) else running.seam.feed("".join(item.pieces))
        if running.seam.settled:
            running.seam = None
        return self._kept(Delta((text,))) if text else None

    def _kept(self, delta: Delta) -> Delta:
        self._parts.extend(delta.pieces)
        self._pieces += len(delta.pieces)
        return delta

    def _text(self) -> str:
        """What was said so far."""
        if len(self._parts) != 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0]

    def _tokens_left(self) -> int:
        said = max(self._pieces, len(self._text()) // CHARACTERS_PER_TOKEN)
        return self._max_tokens - said


def _only_streams_fail(error: ProviderError) -> bool:
    """Cut off, unreadable or empty before the first word, or streaming refused: a proxy may be at fault."""
    return error.unstreamable or error.code == ErrorCode.STREAM_INTERRUPTED


def _asks_for_long_rest(error: ProviderError) -> bool:
    return error.retry_after is not None and error.retry_after > PATIENCE_SECONDS


def _empty(kind: Kind) -> ProviderError:
    streamed = kind != "complete"
    return ProviderError(ErrorCode.PROVIDER_UNAVAILABLE, "the answer was empty", unstreamable=streamed)


def _finish_of(running: _Running) -> Finish:
    if running.finish is None:
        raise ProviderError(ErrorCode.STREAM_INTERRUPTED, "the provider ended without a Finish")
    return running.finish


async def _in_words(whole: Awaitable[Completion]) -> AsyncGenerator[Delta | Finish]:
    """A whole answer as if it had been streamed."""
    completion = await whole
    words = _WORD.findall(completion.text)
    for start in range(0, len(words), WORDS_IN_DELTA):
        yield Delta(tuple(words[start : start + WORDS_IN_DELTA]))
    yield completion.finish


def _judge(running: _Running, error: ProviderError | None) -> None:
    """What an attempt says about its deployment. Whoever gave text, or refused on its content, works."""
    breaker = running.place.breaker
    if error is None:
        works = running.finish or running.pieces
        breaker.succeeded() if works else breaker.left()
    elif error.code in FINAL:
        breaker.succeeded()
    elif error.status in OPERATOR_NEEDED:
        breaker.failed(error.detail, at_once=True)
    elif error.retryable:
        breaker.failed(error.detail, rest=error.retry_after if _asks_for_long_rest(error) else None)
    else:
        breaker.left()
