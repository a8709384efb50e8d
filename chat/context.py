"""History and question in, prompt messages out, within a token budget. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chat.tokens import TOKENS_PER_MESSAGE, message_cost
from streaming.providers.base import PromptMessage

__all__ = [
    "BYTES_PER_TOKEN",
    "TOKENS_PER_MESSAGE",
    "Context",
    "Earlier",
    "Exchange",
    "build_prompt",
    "estimate_tokens",
    "fit",
]

BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Exchange:
    """An earlier question with its answer, and the numbers of their rows."""

    question: str
    answer: str
    question_pk: int = 0
    answer_pk: int = 0

    @property
    def cost(self) -> int:
        return message_cost(self.question) + message_cost(self.answer)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What was said up to the answer `until`, in short, with the words around it as the model reads them."""

    text: str
    until: int


@dataclass(frozen=True, slots=True)
class Context:
    """What a question is answered from. `kept` are the latest exchanges; `dropped` those before them that
    neither the prompt nor the summary has, oldest first.
    """

    system: str
    earlier: Earlier | None
    kept: tuple[Exchange, ...]
    dropped: tuple[Exchange, ...]
    question: str

    @property
    def messages(self) -> list[PromptMessage]:
        prompt: list[PromptMessage] = [{"role": "system", "content": self.system}]
        if self.earlier:
            prompt.append({"role": "system", "content": self.earlier.text})
        for exchange in self.kept:
            prompt.append({"role": "user", "content": exchange.question})
            prompt.append({"role": "assistant", "content": exchange.answer})
        return [*prompt, {"role": "user", "content": self.question}]

    def sent(self, question_pk: int) -> list[dict[str, Any]]:
        """The same messages as they are kept: what stands in the conversation by the number of its row."""
        kept: list[dict[str, Any]] = [{"role": "system", "content": self.system}]
        if self.earlier:
            kept.append({"role": "system", "content": self.earlier.text})
        for exchange in self.kept:
            kept.append({"role": "user", "message": exchange.question_pk})
            kept.append({"role": "assistant", "message": exchange.answer_pk})
        return [*kept, {"role": "user", "message": question_pk}]


def estimate_tokens(text: str) -> int:
    """What a quota counts while an answer streams: four UTF-8 bytes a token, the same however it was cut."""
    return len(text.encode()) // BYTES_PER_TOKEN + 1


def build_prompt(
    system: str,
    history: Sequence[Exchange],
    question: str,
    *,
    budget: int,
    summary: Earlier | None = None,
) -> list[PromptMessage]:
    return fit(system, history, question, budget=budget, summary=summary).messages


def fit(
    system: str,
    history: Sequence[Exchange],
    question: str,
    *,
    budget: int,
    summary: Earlier | None = None,
) -> Context:
    """The system prompt, the summary, as many of the latest exchanges as fit into `budget` tokens, and the
    question.

    System prompt, summary and question always go in; exchanges go in whole or not at all, so that no answer
    stands without its question, and none that the summary covers is looked at. Where all of the history fits,
    it goes in as it was said, without its summary.
    """
    left = budget - message_cost(system) - message_cost(question)
    if summary is None or _whole(history, left):
        kept = _latest(history, left)
        dropped = history[: len(history) - len(kept)]
        return Context(system, None, tuple(kept), tuple(dropped), question)
    since = [exchange for exchange in history if exchange.answer_pk > summary.until]
    kept = _latest(since, left - message_cost(summary.text))
    dropped = since[: len(since) - len(kept)]
    return Context(system, summary, tuple(kept), tuple(dropped), question)


def _whole(history: Sequence[Exchange], tokens: int) -> bool:
    return sum(exchange.cost for exchange in history) <= tokens


def _latest(history: Sequence[Exchange], tokens: int) -> Sequence[Exchange]:
    for back, exchange in enumerate(reversed(history)):
        tokens -= exchange.cost
        if tokens < 0:
            return history[len(history) - back :]
    return history
