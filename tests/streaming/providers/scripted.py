"""Providers that say what a test tells them, and a clock that moves only when somebody sleeps."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from streaming.providers.base import Completion, Delta, Finish, PromptMessage, ProviderError
from streaming.providers.routing import Deployment, Route, Trace

PROMPT: list[PromptMessage] = [{"role": "user", "content": "Hello"}]
STOP = Finish("stop")


@dataclass
class Clock:
    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Scripted:
    """Each request takes the next script: texts, then a Finish or an error. The last one stays.

    `whole` is what requests without streaming get: a Completion or an error, in turn.
    """

    model = "gpt"

    def __init__(self, *scripts: Sequence[Any], whole: Sequence[Any] = ()) -> None:
        self.scripts = list(scripts)
        self.whole = list(whole)
        self.asked: list[tuple[str, list[PromptMessage], int]] = []
        self.open = 0
        self.closed = False

    async def stream(
        self, messages: Sequence[PromptMessage], *, max_tokens: int
    ) -> AsyncGenerator[Delta | Finish]:
        self.asked.append(("stream", list(messages), max_tokens))
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        self.open += 1
        try:
            for item in script:
                if isinstance(item, Exception):
                    raise item
                yield Delta((item,)) if isinstance(item, str) else item
        finally:
            self.open -= 1

    async def complete(self, messages: Sequence[PromptMessage], *, max_tokens: int) -> Completion:
        self.asked.append(("complete", list(messages), max_tokens))
        answer: Completion | ProviderError = self.whole.pop(0)
        if isinstance(answer, ProviderError):
            raise answer
        return answer

    async def close(self) -> None:
        self.closed = True


def route(*providers: Scripted, clock: Clock | None = None, chance: float = 1.0, **options: Any) -> Route:
    """A route over deployments called a, b, c."""
    clock = clock or Clock()
    deployments = [Deployment(name, provider) for name, provider in zip("abc", providers, strict=False)]
    return Route("gpt", deployments, clock=clock, sleep=clock.sleep, random=lambda: chance, **options)


@dataclass
class Answer:
    """What a route gave: text, Finish or None, error or None, and how."""

    text: str
    finish: Finish | None
    error: ProviderError | None
    trace: Trace
    deltas: list[Delta]

    @property
    def steps(self) -> list[tuple[str, str, int, str | None]]:
        return [(one.deployment, one.kind, one.began_at, one.error) for one in self.trace.attempts]


async def ask(asked: Route, max_tokens: int = 100, prompt: Sequence[PromptMessage] = PROMPT) -> Answer:
    answer = Answer("", None, None, Trace(), [])
    try:
        async with aclosing(asked.stream(prompt, max_tokens=max_tokens, trace=answer.trace)) as items:
            async for item in items:
                if isinstance(item, Finish):
                    answer.finish = item
                else:
                    answer.deltas.append(item)
    except ProviderError as error:
        answer.error = error
    answer.text = "".join(piece for delta in answer.deltas for piece in delta.pieces)
    return answer
