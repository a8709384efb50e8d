"""Ask, streaming or not; follow a stream; stop it, pause it, go on."""

from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from chat import doors
from chat.api.problems import problem
from chat.api.schemas import (
    ChatIn,
    ChatOut,
    PausedOut,
    PauseIn,
    PolledOut,
    ProblemOut,
    ProfileIn,
    ResumedOut,
    StoppedOut,
)
from chat.engine import engine
from chat.errors import AnswerFailed
from chat.streams import follow, whole
from chat.turns import Ask, Turn
from safety.verdict import Profile
from streaming.events import (
    Error,
    ErrorCode,
    Metadata,
    Transcript,
    notice_to_wire,
    timing_to_wire,
    usage_to_wire,
)
from streaming.responses import StreamResponse, events_response, last_event_id, poll_response

router = Router()

LONGEST_WAIT = 30
"""Seconds; below the read timeout of any proxy."""

Wait = Annotated[float, Query(ge=0, allow_inf_nan=False)]

TEXT = {"schema": {"type": "string"}}
EVENTS = {"text/event-stream": TEXT, "application/x-ndjson": TEXT}
TOLD = "The events of `docs/events.md`, one JSON object each, in the form that `Accept` names"
AS_STREAM: dict[str, Any] = {"responses": {200: {"description": f"{TOLD}.", "content": EVENTS}}}
WHAT_IS_NEW = "; with `wait`, what is new, as one JSON object."
AS_STREAM_OR_POLLED: dict[str, Any] = {
    "responses": {200: {"description": TOLD + WHAT_IS_NEW, "content": EVENTS}}
}


def ask_of(body: ChatIn) -> Ask:
    return Ask(
        message=body.message,
        conversation=body.conversationId,
        model=body.model,
        language=body.language,
        country=body.country,
        client_message_id=body.clientMessageId,
        timezone=body.timezone,
        profile=profile_of(body.profile),
        edits=body.edits,
    )


def profile_of(told: ProfileIn | None) -> Profile | None:
    if told is None:
        return None
    return Profile(told.pregnant, told.pregnancyWeek, told.postpartumDays, tuple(told.childAgesDays))


@router.post("/chat/stream", summary="Ask, and stream the answer", openapi_extra=AS_STREAM)
async def chat_stream(request: HttpRequest, body: ChatIn) -> StreamResponse:
    turn = await doors.ask(request, ask_of(body))
    return events_response(request, follow(turn.stream, last_event_id(request)))


@router.post(
    "/chat",
    response={200: ChatOut, 502: ProblemOut, 504: ProblemOut},
    exclude_unset=True,
    summary="Ask, and wait",
)
async def chat(request: HttpRequest, body: ChatIn) -> HttpResponse | dict[str, Any]:
    turn = await doors.ask(request, ask_of(body))
    transcript, _last = await whole(turn.stream)
    if isinstance(transcript.end, Error):
        return problem(_failure(turn, transcript, transcript.end))
    return _success(turn, transcript)


@router.get(
    "/streams/{uuid:stream_id}",
    response=PolledOut,
    summary="Follow a stream",
    openapi_extra=AS_STREAM_OR_POLLED,
)
async def stream(
    request: HttpRequest, stream_id: UUID, after: int = 0, wait: Wait | None = None
) -> StreamResponse:
    await doors.find_stream(request, stream_id)
    seen = last_event_id(request, after)
    if wait is None:
        return events_response(request, follow(stream_id, seen))
    return poll_response(
        engine().log, str(stream_id), seen, seconds=min(wait, LONGEST_WAIT), saved=follow(stream_id, seen)
    )


@router.post("/streams/{uuid:stream_id}/stop", response=StoppedOut, summary="Stop an answer")
async def stop(request: HttpRequest, stream_id: UUID) -> dict[str, Any]:
    await doors.stop(request, stream_id)
    return await stopped(stream_id)


@router.post("/streams/{uuid:stream_id}/pause", response=PausedOut, summary="Keep how far an answer was read")
async def pause(request: HttpRequest, stream_id: UUID, body: PauseIn) -> dict[str, Any]:
    await doors.pause(request, stream_id, body.after)
    return {"streamId": stream_id, "pausedAfter": body.after}


@router.post("/streams/{uuid:stream_id}/resume", response=ResumedOut, summary="Go on reading")
async def resume(request: HttpRequest, stream_id: UUID) -> dict[str, Any]:
    return {"streamId": stream_id, "after": await doors.resume(request, stream_id)}


async def stopped(stream_id: UUID) -> dict[str, Any]:
    """How an answer that was stopped ended."""
    transcript, last = await whole(stream_id)
    return {
        "streamId": str(stream_id),
        "status": transcript.outcome,
        "content": transcript.text,
        "lastEventId": last,
    }


def _ids(turn: Turn) -> dict[str, Any]:
    return {
        "conversationId": str(turn.conversation),
        "messageId": str(turn.answer),
        "userMessageId": str(turn.question),
        "streamId": turn.stream_id,
    }


def _success(turn: Turn, transcript: Transcript) -> dict[str, Any]:
    closing = transcript.closing or Metadata()
    return _ids(turn) | {
        "model": turn.model,
        "status": transcript.outcome,
        "content": transcript.text,
        "notices": [notice_to_wire(notice) for notice in transcript.notices],
        "usage": closing.usage and usage_to_wire(closing.usage),
        "timing": closing.timing and timing_to_wire(closing.timing),
        "finishReason": closing.finish_reason,
    }


def _failure(turn: Turn, transcript: Transcript, error: Error) -> AnswerFailed:
    return AnswerFailed(
        error.message,
        status=504 if error.code == ErrorCode.PROVIDER_TIMEOUT else 502,
        code=error.code,
        retry_after=error.retry_after,
        **_ids(turn),
        content=transcript.text,
        notices=[notice_to_wire(notice) for notice in transcript.notices],
        retryable=error.retryable,
    )
