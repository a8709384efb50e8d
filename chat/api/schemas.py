"""The shapes of bodies and replies, for validation and OpenAPI. Names as on the wire, hence camelCase."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Field, Schema
from pydantic import ConfigDict, StringConstraints

REASON_CHARS = 60
COMMENT_CHARS = 2000
NO_NUL = r"^[^\x00]*$"
"""PostgreSQL keeps no NUL character. A message may hold one: the sanitiser takes it out."""


class ChatIn(Schema):
    """A message. Unknown fields are refused, so that a misspelt one is not silently ignored."""

    model_config = ConfigDict(extra="forbid")

    message: str
    conversationId: UUID | None = None
    model: str | None = None
    language: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = None
    country: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2}$", to_upper=True)] | None = None
    clientMessageId: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_NUL)] | None = (
        None
    )


class ActionOut(Schema):
    label: str
    href: str


class NoticeOut(Schema):
    category: str
    severity: Literal["info", "notice", "urgent", "emergency"]
    content: str
    actions: list[ActionOut]
    replaceFrom: int | None = None


class UsageOut(Schema):
    promptTokens: int
    completionTokens: int
    totalTokens: int


class TimingOut(Schema):
    ttftMs: int | None
    durationMs: int
    tokensPerSecond: float | None


class ErrorOut(Schema):
    code: str
    message: str
    retryable: bool
    retryAfter: int | None = None


class ChatOut(Schema):
    conversationId: UUID
    messageId: UUID
    userMessageId: UUID
    streamId: UUID
    model: str
    status: Literal["complete", "refused", "stopped"]
    content: str
    notices: list[NoticeOut]
    usage: UsageOut | None
    timing: TimingOut | None
    finishReason: str | None


class StoppedOut(Schema):
    streamId: UUID
    status: str
    content: str
    lastEventId: int


class ConversationOut(Schema):
    id: UUID
    title: str
    createdAt: datetime
    updatedAt: datetime
    messageCount: int


class ConversationsOut(Schema):
    items: list[ConversationOut]
    nextCursor: str | None


class ConversationIn(Schema):
    model_config = ConfigDict(extra="forbid")

    title: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=NO_NUL)
    ]


class FeedbackIn(Schema):
    model_config = ConfigDict(extra="forbid")

    rating: Literal["up", "down"]
    reasons: list[
        Annotated[str, StringConstraints(min_length=1, max_length=REASON_CHARS, pattern=NO_NUL)]
    ] = Field(default_factory=list, max_length=20)
    comment: Annotated[str, StringConstraints(max_length=COMMENT_CHARS, pattern=NO_NUL)] = ""


class FeedbackOut(Schema):
    rating: Literal["up", "down"]
    reasons: list[str]
    comment: str
    updatedAt: datetime


class MessageOut(Schema):
    id: UUID
    role: Literal["user", "assistant"]
    content: str
    status: Literal["complete", "streaming", "stopped", "interrupted", "refused", "failed"]
    createdAt: datetime
    notices: list[NoticeOut]
    feedback: FeedbackOut | None
    model: str | None = None
    streamId: UUID | None = None
    finishReason: str | None = None
    usage: UsageOut | None = None
    timing: TimingOut | None = None
    error: ErrorOut | None = None


class MessagesOut(Schema):
    items: list[MessageOut]
    nextCursor: str | None


class ModelOut(Schema):
    id: str
    label: str
    contextWindow: int
    default: bool


class ModelsOut(Schema):
    items: list[ModelOut]


class ProblemOut(Schema):
    """RFC 9457, as application/problem+json; some codes add fields of their own."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[dict[str, Any]] | None = None
