"""The events of a stream, and `fold`, the only definition of what an answer says.

An answer is a list of events in a log. `to_wire` and `from_wire` give and take the camelCase JSON objects of
`docs/events.md`; inside the project events are frozen dataclasses.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How an answer stands. The values are those of `Message.status`."""

    STREAMING = "streaming"
    COMPLETE = "complete"
    STOPPED = "stopped"
    REFUSED = "refused"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class FinishReason(StrEnum):
    """Why an answer ended without an error. The first two are the model's own words."""

    STOP = "stop"
    LENGTH = "length"
    STOPPED = "stopped"
    REFUSED = "refused"
    WITHHELD = "withheld"


class ErrorCode(StrEnum):
    RATE_LIMITED = "rate_limited"
    QUOTA_EXCEEDED = "quota_exceeded"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    PROVIDER_TIMEOUT = "provider_timeout"
    CONTENT_FILTERED = "content_filtered"
    CONTEXT_TOO_LONG = "context_too_long"
    STREAM_INTERRUPTED = "stream_interrupted"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider charged them."""

    prompt_tokens: int
    completion_tokens: int

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds to the first released text (None if there was none) and to the end."""

    ttft_ms: int | None
    duration_ms: int
    tokens_per_second: float | None


@dataclass(frozen=True, slots=True)
class Metadata:
    """Opens every stream with the ids, and closes every finished one with usage, timing and finish reason."""

    conversation_id: str | None = None
    message_id: str | None = None
    user_message_id: str | None = None
    stream_id: str | None = None
    model: str | None = None
    usage: Usage | None = None
    timing: Timing | None = None
    finish_reason: str | None = None
    cached: bool = False
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """Something to do about a notice: `href` may be tel:, sms: or https:."""

    label: str
    href: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A card, beside the text. With `replace_from` (code points) the text from there on is withdrawn.

    `card` is its name, `language` what it is written in, `country` whose numbers it gives, perhaps `guessed`;
    empty where there is none. `discreet`: somebody may be looking over the reader's shoulder.
    """

    category: str
    severity: str
    content: str
    actions: tuple[Link, ...] = ()
    replace_from: int | None = None
    card: str = ""
    language: str = ""
    country: str = ""
    guessed: bool = False
    discreet: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """Released text: one token or several."""

    content: str


@dataclass(frozen=True, slots=True)
class Done:
    """Terminal: finished, stopped or refused."""


@dataclass(frozen=True, slots=True)
class Error:
    """Terminal. `message` is for people, in their language; `retry_after` is in seconds."""

    code: str
    message: str
    retryable: bool
    retry_after: int | None = None


Event = Metadata | Notice | Token | Done | Error
TERMINAL = (Done, Error)


# --- What an answer says ------------------------------------------------------------------------------------

_OUTCOME_OF_REASON: dict[str | None, Outcome] = {
    FinishReason.STOPPED: Outcome.STOPPED,
    FinishReason.REFUSED: Outcome.REFUSED,
    FinishReason.WITHHELD: Outcome.REFUSED,
}


@dataclass(slots=True)
class Transcript:
    """What the events so far say. Feed it with `apply`, in order."""

    opening: Metadata | None = None
    closing: Metadata | None = None
    notices: list[Notice] = field(default_factory=list)
    end: Done | Error | None = None
    _parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    @property
    def outcome(self) -> Outcome:
        if isinstance(self.end, Error):
            interrupted = self.end.code == ErrorCode.STREAM_INTERRUPTED
            return Outcome.INTERRUPTED if interrupted else Outcome.FAILED
        if self.end is None:
            return Outcome.STREAMING
        return _OUTCOME_OF_REASON.get(self.finish_reason, Outcome.COMPLETE)

    @property
    def finish_reason(self) -> str | None:
        return self.closing.finish_reason if self.closing else None

    def apply(self, event: Event) -> None:
        match event:
            case Token(content):
                self._parts.append(content)
            case Notice(replace_from=start):
                self.notices.append(event)
                if start is not None:
                    self._parts = [self.text[:start]]
            case Metadata(reset=True):
                self._forget(event)
            case Metadata():
                self._open_or_close(event)
            case Done() | Error():
                self.end = event

    def _forget(self, event: Metadata) -> None:
        self.opening, self.closing, self.end = event, None, None
        self.notices, self._parts = [], []

    def _open_or_close(self, event: Metadata) -> None:
        if self.opening is None:
            self.opening = event
        else:
            self.closing = event


def fold(events: Iterable[Event]) -> Transcript:
    """What these events say, from the first one on."""
    transcript = Transcript()
    for event in events:
        transcript.apply(event)
    return transcript


# --- On the wire --------------------------------------------------------------------------------------------


def to_wire(event: Event) -> dict[str, Any]:
    """The JSON object of an event: camelCase, absent fields left out."""
    match event:
        case Token(content):
            return {"type": "token", "content": content}
        case Notice():
            return {"type": "notice"} | notice_to_wire(event)
        case Metadata():
            return {"type": "metadata"} | _metadata_to_wire(event)
        case Done():
            return {"type": "done"}
        case Error():
            return {"type": "error"} | error_to_wire(event)


def error_to_wire(error: Error) -> dict[str, Any]:
    fields = {"code": error.code, "message": error.message, "retryable": error.retryable}
    return fields if error.retry_after is None else fields | {"retryAfter": error.retry_after}


def notice_to_wire(notice: Notice) -> dict[str, Any]:
    """The fields of a notice, as they stand in an event, in an answer's JSON and in the database."""
    fields = {
        "category": notice.category,
        "severity": notice.severity,
        "content": notice.content,
        "actions": [{"label": link.label, "href": link.href} for link in notice.actions],
    }
    more = {
        "replaceFrom": notice.replace_from,
        "card": notice.card or None,
        "language": notice.language or None,
        "country": notice.country or None,
        "guessed": notice.guessed or None,
        "discreet": notice.discreet or None,
    }
    return fields | {name: value for name, value in more.items() if value is not None}


def usage_to_wire(usage: Usage) -> dict[str, int]:
    return {
        "promptTokens": usage.prompt_tokens,
        "completionTokens": usage.completion_tokens,
        "totalTokens": usage.total_tokens,
    }


def timing_to_wire(timing: Timing) -> dict[str, int | float | None]:
    return {
        "ttftMs": timing.ttft_ms,
        "durationMs": timing.duration_ms,
        "tokensPerSecond": timing.tokens_per_second,
    }


def _metadata_to_wire(event: Metadata) -> dict[str, Any]:
    fields = {
        "conversationId": event.conversation_id,
        "messageId": event.message_id,
        "userMessageId": event.user_message_id,
        "streamId": event.stream_id,
        "model": event.model,
        "usage": event.usage and usage_to_wire(event.usage),
        "timing": event.timing and timing_to_wire(event.timing),
        "finishReason": event.finish_reason,
        "cached": event.cached or None,
        "reset": event.reset or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def from_wire(fields: Mapping[str, Any]) -> Event:
    """The event of a JSON object; the inverse of `to_wire`. Raises `ValueError` for an unknown type."""
    match fields["type"]:
        case "token":
            return Token(fields["content"])
        case "notice":
            return notice_from_wire(fields)
        case "metadata":
            return _metadata_from_wire(fields)
        case "done":
            return Done()
        case "error":
            return Error(fields["code"], fields["message"], fields["retryable"], fields.get("retryAfter"))
        case other:
            raise ValueError(f"unknown event type {other!r}")


def notice_from_wire(fields: Mapping[str, Any]) -> Notice:
    return Notice(
        category=fields["category"],
        severity=fields["severity"],
        content=fields["content"],
        actions=tuple(Link(link["label"], link["href"]) for link in fields["actions"]),
        replace_from=fields.get("replaceFrom"),
        card=fields.get("card", ""),
        language=fields.get("language", ""),
        country=fields.get("country", ""),
        guessed=fields.get("guessed", False),
        discreet=fields.get("discreet", False),
    )


def _metadata_from_wire(fields: Mapping[str, Any]) -> Metadata:
    usage, timing = fields.get("usage"), fields.get("timing")
    return Metadata(
        conversation_id=fields.get("conversationId"),
        message_id=fields.get("messageId"),
        user_message_id=fields.get("userMessageId"),
        stream_id=fields.get("streamId"),
        model=fields.get("model"),
        usage=usage and Usage(usage["promptTokens"], usage["completionTokens"]),
        timing=timing and Timing(timing["ttftMs"], timing["durationMs"], timing["tokensPerSecond"]),
        finish_reason=fields.get("finishReason"),
        cached=fields.get("cached", False),
        reset=fields.get("reset", False),
    )
