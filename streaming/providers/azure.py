"""Azure OpenAI, and every server that speaks its chat-completions stream, through the openai SDK.

The SDK does the URL, authentication and errors; the body is read raw, since building its objects costs ten
times as much per token as everything else here (`docs/performance.md`).
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Any, cast

import aiohttp
import httpx2
import openai
from openai import AsyncAPIResponse, AsyncAzureOpenAI, AsyncOpenAI, AsyncStream

from streaming.events import ErrorCode, Usage
from streaming.providers import transport
from streaming.providers.base import Completion, Delta, Finish, PromptMessage, ProviderError
from streaming.providers.frames import Piece, error_of_body, read_frame, read_whole
from streaming.sse import DataSplitter

ENTRA_SCOPE = "https://cognitiveservices.azure.com/.default"

STREAMED = {"stream": True, "stream_options": {"include_usage": True}}
# The first is the SDK's own, and makes it leave the body to us.
RAW = {"X-Stainless-Raw-Response": "stream", "Accept-Encoding": "identity"}


class AzureProvider:
    """Answers of one deployment, streamed or whole. `client` is owned, and closed, by this provider."""

    def __init__(
        self, client: AsyncOpenAI, model: str, *, tokens_parameter: str = "max_completion_tokens"
    ) -> None:
        self.model = model
        self._client = client
        self._tokens_parameter = tokens_parameter

    async def stream(
        self, messages: Sequence[PromptMessage], *, max_tokens: int
    ) -> AsyncGenerator[Delta | Finish]:
        """Deltas as they arrive, then exactly one Finish. Raises `ProviderError`."""
        end = _End()
        with _typed_errors():
            # What `chat.completions.create` does, without its walk through every parameter, which costs as
            # much as sending the request.
            response = await self._client.post(
                "/chat/completions",
                cast_to=object,
                body=STREAMED | {"model": self.model} | self._body(messages, max_tokens),
                options={"headers": RAW},
                stream=True,
                stream_cls=AsyncStream[object],
            )
            async with aclosing(cast(AsyncAPIResponse[object], response).http_response) as received:
                async for pieces in _pieces(received.aiter_raw()):
                    end.note(pieces)
                    if texts := tuple(piece.text for piece in pieces if piece.text):
                        yield Delta(texts)
        yield end.finish()

    async def complete(self, messages: Sequence[PromptMessage], *, max_tokens: int) -> Completion:
        """The whole answer at once. Raises `ProviderError`."""
        with _typed_errors():
            reply = await self._client.chat.completions.with_raw_response.create(
                model=self.model, messages=[], stream=False, extra_body=self._body(messages, max_tokens)
            )
            return read_whole(reply.http_response.content)

    def _body(self, messages: Sequence[PromptMessage], max_tokens: int) -> dict[str, Any]:
        """What the SDK is to send as it is: it would walk through every message that it is given."""
        return {"messages": list(messages), self._tokens_parameter: max_tokens}

    async def close(self) -> None:
        await self._client.close()


class _End:
    """Remembers how the stream ended, since reason and usage come in frames of their own."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.usage: Usage | None = None

    def note(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            self.reason = piece.finish_reason or self.reason
            self.usage = piece.usage or self.usage

    def finish(self) -> Finish:
        if self.reason is None:  # the SDK does not mind a stream that just ends; a parent would
            raise ProviderError(ErrorCode.STREAM_INTERRUPTED, "the stream ended without a finish reason")
        return Finish(self.reason, self.usage)


async def _pieces(body: AsyncIterator[bytes]) -> AsyncIterator[list[Piece]]:
    """The pieces of each read together. What a read brought before an error in it is not lost."""
    splitter = DataSplitter()
    async for chunk in body:
        pieces, error = _read(splitter.feed(chunk))
        if pieces:
            yield pieces
        if error:
            raise error


def _read(frames: Iterator[bytes]) -> tuple[list[Piece], ProviderError | None]:
    pieces: list[Piece] = []
    try:
        pieces.extend(read_frame(data) for data in frames if data != b"[DONE]")
    except ProviderError as error:
        return pieces, error
    return pieces, None


@contextmanager
def _typed_errors() -> Iterator[None]:
    try:
        yield
    except openai.APIStatusError as error:
        raise _of_status(error) from error
    except (openai.APIConnectionError, httpx2.TransportError, aiohttp.ClientError, OSError) as error:
        raise _of_transport(error) from error


def _of_status(error: openai.APIStatusError) -> ProviderError:
    body = error.body if isinstance(error.body, dict) else {"message": str(error.body)[:200]}
    typed = error_of_body(body.get("error", body), error.status_code)
    typed.retry_after = _retry_after(error.response.headers)
    return typed


def _retry_after(headers: Any) -> int | None:
    """Whole seconds, rounded up; a date instead of a number counts as unknown."""
    for name, per_second in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            return max(1, -int(-float(headers[name]) // per_second))
        except (KeyError, ValueError, OverflowError):
            continue
    return None


def _of_transport(error: Exception) -> ProviderError:
    """Before the answer began the provider is unavailable; afterwards it was interrupted."""
    if _timed_out(error):
        return ProviderError(ErrorCode.PROVIDER_TIMEOUT, repr(error))
    if isinstance(error, openai.APIConnectionError):
        return ProviderError(ErrorCode.PROVIDER_UNAVAILABLE, repr(error.__cause__ or error))
    return ProviderError(ErrorCode.STREAM_INTERRUPTED, repr(error))


def _timed_out(error: BaseException) -> bool:
    """Whether time ran out. The aiohttp transport calls every lost connection a timeout: ask its cause."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None:
        chain.append(cause)
        cause = cause.__cause__
    if by_aiohttp := [link for link in chain if isinstance(link, aiohttp.ClientError)]:
        return isinstance(by_aiohttp[0], TimeoutError)
    return any(isinstance(link, TimeoutError | httpx2.TimeoutException) for link in chain)


def azure_provider(
    endpoint: str,
    deployment: str,
    *,
    api_key: str,
    api_version: str,
    connect: float,
    idle: float,
    http_client: httpx2.AsyncClient | None = None,
) -> AzureProvider:
    """An Azure OpenAI deployment: by the v1 address, or by the dated one where `api_version` is given.

    Without `api_key` it signs in through Entra ID, for which the `entra` extra must be installed.
    """
    http_client = http_client or transport.http_client(connect=connect, idle=idle)
    if not api_version:
        client = AsyncOpenAI(
            base_url=f"{endpoint}/openai/v1/",
            api_key=api_key or _entra_token_provider(),
            max_retries=0,
            http_client=http_client,
        )
        return AzureProvider(client, deployment)
    credential: dict[str, Any] = (
        {"api_key": api_key} if api_key else {"azure_ad_token_provider": _entra_token_provider()}
    )
    dated = AsyncAzureOpenAI(
        azure_endpoint=endpoint,
        azure_deployment=deployment,
        api_version=api_version,
        max_retries=0,
        http_client=http_client,
        **credential,
    )
    # `max_completion_tokens` came to the dated API in September 2024.
    parameter = "max_completion_tokens" if api_version >= "2024-09-01" else "max_tokens"
    return AzureProvider(dated, deployment, tokens_parameter=parameter)


def compatible_provider(
    base_url: str,
    model: str,
    *,
    api_key: str,
    connect: float,
    idle: float,
    http_client: httpx2.AsyncClient | None = None,
) -> AzureProvider:
    """Any other server with an OpenAI-compatible chat-completions endpoint (Ollama, llama.cpp, vLLM, …)."""
    client = AsyncOpenAI(
        base_url=base_url,
        api_key=api_key or "none",  # local servers ask for none, the SDK insists on some
        max_retries=0,
        http_client=http_client or transport.http_client(connect=connect, idle=idle),
    )
    return AzureProvider(client, model, tokens_parameter="max_tokens")


def _entra_token_provider() -> Any:
    try:
        from azure.identity.aio import DefaultAzureCredential, get_bearer_token_provider
    except ImportError:
        raise RuntimeError(
            "AZURE_OPENAI_API_KEY is empty. Set it, or install the extra for Entra ID: pip install '.[entra]'"
        ) from None
    return get_bearer_token_provider(DefaultAzureCredential(), ENTRA_SCOPE)
