"""What the model is asked beside the answers, such as for a title: in the background, few at a time, and
never at the price of an answer.
"""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from streaming.events import Usage
from streaming.providers.base import Finish, PromptMessage, ProviderError
from streaming.providers.routing import Route
from streaming.providers.trace import Trace

logger = logging.getLogger(__name__)

AT_ONCE = 2
MOST_WAITING = 20
SECONDS = 45.0
"""For one question to the model."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the model said to it. `usage` is None where it did not say what it charged."""

    text: str
    reason: str
    usage: Usage | None


def aside_prompt(task: str, material: str) -> list[PromptMessage]:
    return [{"role": "system", "content": task}, {"role": "user", "content": material}]


async def ask_aside(route: Route, prompt: Sequence[PromptMessage], *, max_tokens: int, trace: Trace) -> Said:
    """Fills `trace`, also where it fails. Raises `ProviderError`, and `TimeoutError`."""
    parts: list[str] = []
    async with (
        asyncio.timeout(SECONDS),
        aclosing(route.stream(prompt, max_tokens=max_tokens, trace=trace)) as items,
    ):
        async for item in items:
            if isinstance(item, Finish):
                return Said("".join(parts), item.reason, item.usage)
            parts.extend(item.pieces)
    raise AssertionError("a stream that raises nothing ends with its Finish")


class Asides:
    """The asides of this process. One that finds too many waiting, or its like at work, is left out: a later
    turn asks again.
    """

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._is_over = False

    @property
    def running(self) -> int:
        return len(self._tasks)

    def start(self, key: Hashable, work: Callable[[], Awaitable[None]]) -> bool:
        """Have it done soon, where nothing of the same `key` is being done."""
        if self._is_over or key in self._tasks or len(self._tasks) >= MOST_WAITING:
            return False
        # Nothing of the turn that it comes after, least of all its request's thread.
        task = asyncio.create_task(self._run(key, work), context=contextvars.Context(), name=f"aside {key}")
        self._tasks[key] = task
        task.add_done_callback(lambda _task: self._tasks.pop(key, None))
        return True

    async def _run(self, key: Hashable, work: Callable[[], Awaitable[None]]) -> None:
        async with self._turn:
            try:
                await work()
            except (ProviderError, TimeoutError) as error:
                logger.warning("Aside %s: %s; a later turn asks again", key, error or "took too long")
            except Exception:
                logger.exception("Aside %s failed", key)

    def end(self) -> None:
        """Begin no more, and give up those that run: nobody waits for them."""
        self._is_over = True
        for task in self._tasks.values():
            task.cancel()

    async def ended(self) -> None:
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
