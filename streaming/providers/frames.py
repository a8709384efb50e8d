"""What Azure OpenAI and its relatives really send as chat completions: frames of a stream, or one whole body.

Frames differ: `choices` may be empty or absent, `delta` may be missing, a filter may speak instead of the
model, and an error may come in the middle. `read_frame` makes one `Piece` of each. `read_whole` makes a
`Completion` of the body that answers a request without streaming.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from streaming.events import ErrorCode, Usage
from streaming.providers.base import Completion, Finish, ProviderError

_NULL = msgspec.Raw(b"null")


class _Text(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Text | None = None
    message: _Text | None = None
    finish_reason: str | None = None
    # Every token brings its filter's results. They are read where they can mean something: see `_found`.
    content_filter_results: msgspec.Raw = _NULL


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Frame(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: dict[str, Any] | str | None = None


class Piece(msgspec.Struct, frozen=True):
    """What a frame brought. Any part may be missing. A struct, because one is made for every token."""

    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None


_decode = msgspec.json.Decoder(_Frame).decode
_NOTHING = Piece()


def read_frame(data: bytes) -> Piece:
    """The piece in one `data:` payload. Raises `ProviderError` for garbage, an error or a filter stop."""
    try:
        frame = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProviderError(ErrorCode.STREAM_INTERRUPTED, f"unreadable frame: {error}") from None
    if frame.error is not None:
        raise error_of_body(frame.error)
    usage = _usage(frame)
    for choice in frame.choices or ():
        if choice.index == 0:
            return _read_choice(choice, usage)
    return Piece(usage=usage) if usage else _NOTHING


def read_whole(data: bytes) -> Completion:
    """The answer in a whole body. Raises `ProviderError`, also where it is not an answer to its end."""
    try:
        body = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProviderError(ErrorCode.STREAM_INTERRUPTED, f"unreadable body: {error}") from None
    if body.error is not None:
        raise error_of_body(body.error)
    choice = next((choice for choice in body.choices or () if choice.index == 0), None)
    if choice is None or not choice.finish_reason:
        raise ProviderError(ErrorCode.STREAM_INTERRUPTED, "the body has no finish reason")
    if choice.finish_reason == "content_filter":
        raise filtered_error("the answer was stopped by the content filter", _found(choice))
    return Completion(_text(choice.message), Finish(choice.finish_reason, _usage(body)))


def _usage(frame: _Frame) -> Usage | None:
    return Usage(frame.usage.prompt_tokens, frame.usage.completion_tokens) if frame.usage else None


def _text(said: _Text | None) -> str:
    return (said.content or said.refusal or "") if said else ""


def _read_choice(choice: _Choice, usage: Usage | None) -> Piece:
    if choice.finish_reason == "content_filter" or _is_late_stop(choice):
        raise filtered_error("the answer was stopped by the content filter", _found(choice))
    return Piece(_text(choice.delta), choice.finish_reason, usage)


def _is_late_stop(choice: _Choice) -> bool:
    """The asynchronous filter speaks in frames of its own, up to 1,000 characters after what it found."""
    if choice.delta is not None or not (found := _found(choice)):
        return False
    return any(isinstance(result, dict) and result.get("filtered") for result in found.values())


def _found(choice: _Choice) -> dict[str, Any] | None:
    """What the filter says of this choice, by category."""
    found = msgspec.json.decode(choice.content_filter_results)
    return found if isinstance(found, dict) else None


def error_of_body(body: Mapping[str, Any] | str, status: int | None = None) -> ProviderError:
    """The error that an error object means, whether it came as a frame or as the body of an HTTP error."""
    if isinstance(body, str):
        body = {"message": body}
    detail = f"{status or 'frame'} {body.get('code')}: {body.get('message')}"
    if body.get("code") == "content_filter":
        inner = body.get("innererror")
        results = (inner if isinstance(inner, Mapping) else body).get("content_filter_result")
        return filtered_error(detail, results)
    if body.get("code") == "context_length_exceeded":
        return ProviderError(ErrorCode.CONTEXT_TOO_LONG, detail, retryable=False, status=status)
    if status == 429 or str(body.get("code")) in ("429", "rate_limit_exceeded"):
        return ProviderError(ErrorCode.RATE_LIMITED, detail, status=status)
    if status == 408:
        return ProviderError(ErrorCode.PROVIDER_TIMEOUT, detail, status=status)
    # A wrong key or deployment name will not mend itself; a new try helps only once an operator has.
    return ProviderError(
        ErrorCode.PROVIDER_UNAVAILABLE,
        detail,
        retryable=status not in (400, 401, 403, 404),
        status=status,
        unstreamable=status == 400 and body.get("param") in ("stream", "stream_options"),
    )


def filtered_error(detail: str, results: object) -> ProviderError:
    """`results` maps categories to what the filter found; older replies write self-harm with a hyphen."""
    found = results.items() if isinstance(results, Mapping) else ()
    filtered = frozenset(
        str(category).replace("-", "_")
        for category, result in found
        if isinstance(result, Mapping) and result.get("filtered")
    )
    return ProviderError(ErrorCode.CONTENT_FILTERED, detail, retryable=False, filtered=filtered)
