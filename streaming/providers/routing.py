"""One model over several deployments: retry, fail-over, circuit breakers, and continuing what broke off.

    before the first token   each deployment in turn, up to `attempts` times, with backoff; then the next
    after it                 the rest is asked for, elsewhere where possible, and joined at the seam

`Route` is the provider that does it; one `routed_answer.RoutedAnswer` sees to each answer, and a `Trace` says
what happened. Clock, sleep and randomness are passed in. `docs/models.md` has the rules.
"""

import asyncio
import random as randomness
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from streaming.providers.base import Completion, Delta, Finish, PromptMessage, Provider
from streaming.providers.breaker import Breaker, BreakerState, DeploymentHealth
from streaming.providers.routed_answer import Clockwork, Place, RoutedAnswer
from streaming.providers.trace import Attempt, Trace

__all__ = ["Attempt", "BreakerState", "Deployment", "DeploymentHealth", "Route", "Trace"]


@dataclass(frozen=True, slots=True)
class Deployment:
    """A place that answers for the model. Its name is for operators, and not used twice."""

    name: str
    provider: Provider


class Route:
    """A `Provider` that asks several. `deployments`: at least one, the preferred one first.

    `attempts`: requests to one deployment before the first token. `failures`: in a row, until its breaker
    opens for `open_seconds`. Deployments and their providers are owned, and closed, by the route.
    """

    def __init__(
        self,
        model: str,
        deployments: Sequence[Deployment],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = randomness.random,
        attempts: int = 3,
        failures: int = 5,
        open_seconds: float = 30.0,
    ) -> None:
        self.model = model
        self._clockwork = Clockwork(clock, sleep, random)
        self._attempts = attempts
        self._places = [
            Place(one.name, one.provider, Breaker(failures=failures, open_seconds=open_seconds, clock=clock))
            for one in deployments
        ]

    def stream(
        self, messages: Sequence[PromptMessage], *, max_tokens: int, trace: Trace | None = None
    ) -> AsyncGenerator[Delta | Finish]:
        """Deltas, then exactly one Finish. `trace` is filled on the way. Raises `ProviderError`."""
        answer = RoutedAnswer(
            self._places,
            self._clockwork,
            messages,
            attempts=self._attempts,
            max_tokens=max_tokens,
            trace=Trace() if trace is None else trace,
        )
        return answer.run()

    async def complete(
        self, messages: Sequence[PromptMessage], *, max_tokens: int, trace: Trace | None = None
    ) -> Completion:
        """The same answer, given when it is whole. Raises `ProviderError`."""
        parts: list[str] = []
        async with aclosing(self.stream(messages, max_tokens=max_tokens, trace=trace)) as items:
            async for item in items:
                if isinstance(item, Finish):
                    return Completion("".join(parts), item)
                parts.extend(item.pieces)
        raise AssertionError("a stream that raises nothing ends with its Finish")

    def health(self) -> list[DeploymentHealth]:
        """How each deployment stands in this process, without asking any of them."""
        return [place.breaker.health(place.name) for place in self._places]

    async def close(self) -> None:
        for place in self._places:
            await place.provider.close()
