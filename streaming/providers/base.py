"""What a provider of answers is: messages in, pieces of text out, one typed error when it fails."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypedDict

from streaming.events import ErrorCode, Usage


class PromptMessage(TypedDict):
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Delta:
    """The text that one network read brought, piece by piece as the model sent it."""

    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """The model's own end: its finish reason, and what it charged where it said so."""

    reason: str
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer that came in one reply."""

    text: str
    finish: Finish


class ProviderError(Exception):
    """The provider could not answer, or not to its end.

    `code` is an `ErrorCode`; `retry_after` is in seconds; `filtered` names the content categories that the
    provider's own filter refused; `status` is that of the HTTP error, where there was one; `unstreamable`
    says that it may work without streaming; `detail` is for our logs and never for people.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str,
        *,
        retryable: bool = True,
        retry_after: int | None = None,
        filtered: frozenset[str] = frozenset(),
        status: int | None = None,
        unstreamable: bool = False,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.retryable = retryable
        self.retry_after = retry_after
        self.filtered = filtered
        self.status = status
        self.unstreamable = unstreamable


class Provider(Protocol):
    model: str

    def stream(self, messages: Sequence[PromptMessage], *, max_tokens: int) -> AsyncGenerator[Delta | Finish]:
        """Deltas as they arrive, then exactly one Finish. Raises `ProviderError`."""
        ...

    async def complete(self, messages: Sequence[PromptMessage], *, max_tokens: int) -> Completion:
        """The whole answer at once, for where streams do not get through. Raises `ProviderError`."""
        ...

    async def close(self) -> None: ...
