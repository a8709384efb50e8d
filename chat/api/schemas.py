"""The shapes of bodies and replies, for validation and OpenAPI. Names as on the wire, hence camelCase."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from ninja import Field, Schema
from pydantic import ConfigDict, StringConstraints, TypeAdapter, model_validator

REASON_CHARS = 60
COMMENT_CHARS = 2000
REQUEST_ID_CHARS = 64
NO_NUL = r"^[^\x00]*$"
"""PostgreSQL keeps no NUL character. A message may hold one: the sanitiser takes it out."""

MOST_CHILD_DAYS = 18 * 366

CountryCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2}$", to_upper=True)]
"""ISO 3166 alpha-2."""
EventId = Annotated[int, Field(ge=0, lt=2**31)]
"""The id of an event in a stream, or 0 for its beginning."""


class ProfileIn(Schema):
    """What is known of the person, all of it optional: only the safety check reads it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    pregnant: bool | None = None
    pregnancyWeek: Annotated[int, Field(ge=1, le=45)] | None = None
    postpartumDays: Annotated[int, Field(ge=0, le=3650)] | None = None
    childAgesDays: list[Annotated[int, Field(ge=0, le=MOST_CHILD_DAYS)]] = Field(
        default_factory=list, max_length=20
    )

    @model_validator(mode="after")
    def _is_of_one_mind(self) -> Self:
        if self.pregnant is False and self.pregnancyWeek is not None:
            raise ValueError("pregnancyWeek cannot stand beside pregnant: false")
        return self


class ChatIn(Schema):
    """A message. Unknown fields are refused, so that a misspelt one is not silently ignored."""

    model_config = ConfigDict(extra="forbid")

    message: str
    conversationId: UUID | None = None
    model: str | None = None
    language: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = None
    country: CountryCode | None = None
    clientMessageId: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_NUL)] | None = (
        None
    )
    timezone: Annotated[str, StringConstraints(max_length=64, pattern=NO_NUL)] | None = None
    profile: ProfileIn | None = None
    edits: UUID | None = None
    """A question of the conversation, whose place this one takes; the old one stays as a version."""

    @model_validator(mode="after")
    def _edits_in_a_conversation(self) -> Self:
        if self.edits is not None and self.conversationId is None:
            raise ValueError("edits needs the conversationId of the question that it replaces")
        return self


class ActionOut(Schema):
    label: str
    href: str


class NoticeOut(Schema):
    category: str
    severity: Literal["info", "notice", "urgent", "emergency"]
    content: str
    actions: list[ActionOut]
    replaceFrom: int | None = None
    card: str | None = None
    language: str | None = None
    country: str | None = None
    guessed: bool | None = None
    discreet: bool | None = None


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


class PauseIn(Schema):
    model_config = ConfigDict(extra="forbid")

    after: EventId


class PausedOut(Schema):
    streamId: UUID
    pausedAfter: int


class ResumedOut(Schema):
    streamId: UUID
    after: int


class NumberedEventOut(Schema):
    """An event of `docs/events.md`, with its id; the other fields depend on the type."""

    model_config = ConfigDict(extra="allow")

    id: int
    type: Literal["metadata", "notice", "token", "done", "error"]


class PolledOut(Schema):
    """What is new in a stream."""

    events: list[NumberedEventOut]
    ended: bool
    lastEventId: int


class ConversationOut(Schema):
    id: UUID
    title: str
    createdAt: datetime
    updatedAt: datetime
    messageCount: int
    pinned: bool
    sharedUrl: str | None


class ConversationsOut(Schema):
    items: list[ConversationOut]
    nextCursor: str | None


class ConversationIn(Schema):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=NO_NUL)
    ] = ""
    pinned: Annotated[bool, Field(strict=True)] = False


class SharedOut(Schema):
    sharedUrl: str
    upto: UUID
    createdAt: datetime


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
    reply: str | None = None
    repliedAt: datetime | None = None


class RetryIn(Schema):
    model_config = ConfigDict(extra="forbid")

    model: str | None = None


class MessageOut(Schema):
    id: UUID
    role: Literal["user", "assistant"]
    content: str
    status: Literal["complete", "streaming", "stopped", "interrupted", "refused", "failed"]
    createdAt: datetime
    notices: list[NoticeOut]
    feedback: FeedbackOut | None
    parentId: UUID | None
    shown: bool
    used: list[str] | None = None
    model: str | None = None
    streamId: UUID | None = None
    finishReason: str | None = None
    usage: UsageOut | None = None
    timing: TimingOut | None = None
    error: ErrorOut | None = None
    stopReason: str | None = None
    cached: bool | None = None
    cost: float | None = None
    pausedAfter: int | None = None


class MessagesOut(Schema):
    items: list[MessageOut]
    nextCursor: str | None


class PriceOut(Schema):
    """For a million tokens."""

    prompt: float
    completion: float
    currency: str


class ModelOut(Schema):
    id: str
    label: str
    contextWindow: int
    default: bool
    price: PriceOut | None = None


class ModelsOut(Schema):
    items: list[ModelOut]


# --- What a WebSocket takes --------------------------------------------------------------------------------


class _FromSocket(Schema):
    model_config = ConfigDict(extra="forbid")

    requestId: Annotated[str, StringConstraints(max_length=REQUEST_ID_CHARS)] | None = None


class SendFrame(_FromSocket, ChatIn):
    """Ask; the fields of `POST /api/v1/ai/chat/stream`."""

    type: Literal["send"]


class StopFrame(_FromSocket):
    type: Literal["stop"]
    streamId: UUID


class PauseFrame(_FromSocket):
    """Without `after`, the answer is kept as far as this socket has sent it."""

    type: Literal["pause"]
    streamId: UUID
    after: EventId | None = None


class ResumeFrame(_FromSocket):
    """Without `after`, the answer goes on where it was paused."""

    type: Literal["resume"]
    streamId: UUID
    after: EventId | None = None


Frame = SendFrame | StopFrame | PauseFrame | ResumeFrame
read_frame: TypeAdapter[Frame] = TypeAdapter(Annotated[Frame, Field(discriminator="type")])


class ProblemOut(Schema):
    """RFC 9457, as application/problem+json; some codes add fields of their own."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[dict[str, Any]] | None = None
