"""Ask, streaming or not; follow a stream; stop it."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router

from chat import doors
from chat.api.problems import problem
from chat.api.schemas import ChatIn, ChatOut, ProblemOut, StoppedOut
from chat.errors import AnswerFailed
from chat.streams import follow, whole
from chat.turns import Ask, Turn, stop_turn
from streaming.events import (
    Error,
    ErrorCode,
    Metadata,
    Transcript,
    notice_to_wire,
    timing_to_wire,
    usage_to_wire,
)
from streaming.responses import StreamResponse, json_frames, last_event_id

router = Router()

STREAM = {"text/event-stream": {"schema": {"type": "string"}}}
AS_STREAM: dict[str, Any] = {
    "responses": {
        200: {"description": "The events of `docs/events.md`, one JSON object each.", "content": STREAM}
    }
}


def ask_of(body: ChatIn) -> Ask:
    return Ask(
        message=body.message,
        conversation=body.conversationId,
        model=body.model,
        language=body.language,
        country=body.country,
        client_message_id=body.clientMessageId,
    )


@router.post("/chat/stream", summary="Ask, and stream the answer", openapi_extra=AS_STREAM)
async def chat_stream(request: HttpRequest, body: ChatIn) -> StreamResponse:
    turn = await doors.ask(request, ask_of(body))
    return StreamResponse(json_frames(follow(turn.stream, last_event_id(request))))


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


@router.get("/streams/{uuid:stream_id}", summary="Follow a stream", openapi_extra=AS_STREAM)
async def stream(request: HttpRequest, stream_id: UUID, after: int = 0) -> StreamResponse:
    await doors.find_stream(request, stream_id)
    return StreamResponse(json_frames(follow(stream_id, last_event_id(request, after))))


@router.post("/streams/{uuid:stream_id}/stop", response=StoppedOut, summary="Stop an answer")
async def stop(request: HttpRequest, stream_id: UUID) -> dict[str, Any]:
    await doors.find_stream(request, stream_id)
    await stop_turn(stream_id)
    transcript, last = await whole(stream_id)
    return {
        "streamId": stream_id,
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
