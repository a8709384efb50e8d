"""History and question in, prompt messages out, within a token budget. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from streaming.providers.base import PromptMessage

BYTES_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4
"""What the chat format itself costs around each message, as OpenAI's cookbook counts it."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """An earlier question with its answer."""

    question: str
    answer: str


def estimate_tokens(text: str) -> int:
    """A guess: four UTF-8 bytes a token fits English, and other scripts use more bytes a letter."""
    return len(text.encode()) // BYTES_PER_TOKEN + 1


def build_prompt(
    system: str, history: Sequence[Exchange], question: str, *, budget: int
) -> list[PromptMessage]:
    """The system prompt, as many of the latest exchanges as fit into `budget` tokens, and the question.

    System prompt and question always go in; exchanges go in whole or not at all, so that no answer stands
    without its question.
    """
    left = budget - _cost(system) - _cost(question)
    kept: list[Exchange] = []
    for exchange in reversed(history):
        left -= _cost(exchange.question) + _cost(exchange.answer)
        if left < 0:
            break
        kept.append(exchange)
    prompt: list[PromptMessage] = [{"role": "system", "content": system}]
    for exchange in reversed(kept):
        prompt.append({"role": "user", "content": exchange.question})
        prompt.append({"role": "assistant", "content": exchange.answer})
    return [*prompt, {"role": "user", "content": question}]


def _cost(text: str) -> int:
    return estimate_tokens(text) + TOKENS_PER_MESSAGE
