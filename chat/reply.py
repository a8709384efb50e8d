"""From a plan and a model's words to the events of an answer. No Django, no database; parts are passed in."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from safety.guard import Release, Withheld
from streaming.events import ErrorCode, Event, FinishReason, Metadata, Notice, Timing, Token, Usage
from streaming.providers.base import Finish, ProviderError
from streaming.providers.trace import Trace

MOST_CHARS = 100_000
"""Of one answer. A model that never ends would fill the log; no parent reads as much."""


class Guard(Protocol):
    """`safety.guard.OutputGuard`, as this module uses it."""

    def feed(self, text: str) -> Release: ...
    def close(self) -> Release: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How an answer begins: the ids, then the cards, before any word of the model."""

    opening: Metadata
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class Gaps:
    """Milliseconds between two released texts: the median, and what one in twenty exceeds."""

    p50: int
    p95: int


@dataclass(slots=True)
class Progress:
    """What is known of an answer beside its events; filled while it streams, read when it ends."""

    clock: Callable[[], float]
    started: float
    usage: Usage | None = None
    finish_reason: str | None = None
    withheld: Withheld | None = None
    trace: Trace = field(default_factory=Trace)
    released: list[float] = field(default_factory=list)
    """When each text was released, by `clock`."""

    @property
    def first_text(self) -> float | None:
        return self.released[0] if self.released else None

    def gaps(self) -> Gaps | None:
        """None with fewer than two texts."""
        waits = sorted(late - early for early, late in pairwise(self.released))
        if not waits:
            return None
        return Gaps(*(round(waits[int(part * (len(waits) - 1))] * 1000) for part in (0.5, 0.95)))

    def timing(self) -> Timing:
        now = self.clock()
        ttft = None if self.first_text is None else round((self.first_text - self.started) * 1000)
        return Timing(ttft, round((now - self.started) * 1000), self._speed(now))

    def _speed(self, now: float) -> float | None:
        """Tokens per second from the first text on, where the provider counted them."""
        if self.first_text is None or self.usage is None or now <= self.first_text:
            return None
        return round(self.usage.completion_tokens / (now - self.first_text), 1)


async def refusal(plan: Plan, progress: Progress) -> AsyncGenerator[Event]:
    """Cards only; the model is not asked."""
    yield plan.opening
    for notice in plan.notices:
        yield notice
    progress.finish_reason = FinishReason.REFUSED


async def reply(
    plan: Plan,
    answer: AsyncGenerator[str | Finish],
    *,
    guard: Guard,
    progress: Progress,
    correction: Callable[[Withheld], Notice],
    crisis: Callable[[], Notice],
) -> AsyncGenerator[Event]:
    """Cards, then guarded text. On withheld text the model is stopped, and `correction` replaces the rest;
    where the provider's own filter saw self-harm, the `crisis` card comes instead of an error.
    """
    yield plan.opening
    for notice in plan.notices:
        yield notice
    try:
        async with aclosing(_guarded(answer, guard, progress)) as released:
            async for text in released:
                yield Token(text)
    except ProviderError as error:
        if "self_harm" not in error.filtered:
            raise
        progress.finish_reason = FinishReason.REFUSED
        yield crisis()
        return
    if progress.withheld:
        progress.finish_reason = FinishReason.WITHHELD
        yield correction(progress.withheld)


async def _guarded(
    answer: AsyncGenerator[str | Finish], guard: Guard, progress: Progress
) -> AsyncGenerator[str]:
    """What the guard releases, up to the end of the answer or to what it withholds."""
    chars = 0
    async with aclosing(answer):
        async for item in answer:
            release = guard.close() if isinstance(item, Finish) else guard.feed(item)
            if isinstance(item, Finish):
                progress.finish_reason, progress.usage = item.reason, item.usage
            if release.text:
                progress.released.append(progress.clock())
                chars += len(release.text)
                yield release.text
            if release.hit:
                progress.withheld = release.hit
                return
            if chars > MOST_CHARS:
                progress.finish_reason = FinishReason.LENGTH
                return
    if not progress.released:
        raise ProviderError(ErrorCode.PROVIDER_UNAVAILABLE, "the answer was empty")
