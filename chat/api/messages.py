"""What a person thinks of an answer; and a new try where one failed."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Status

from chat import doors, feedback
from chat.api.schemas import FeedbackIn, FeedbackOut
from chat.streams import follow
from chat.wire import feedback_to_wire
from streaming.responses import StreamResponse, events_response

router = Router()


@router.put("/{uuid:message_id}/feedback", response=FeedbackOut, summary="Rate an answer")
async def put_feedback(request: HttpRequest, message_id: UUID, body: FeedbackIn) -> dict[str, Any]:
    given = feedback.Opinion(body.rating, tuple(body.reasons), body.comment)
    return await doors.with_visitor(
        request, lambda person: feedback_to_wire(feedback.give(person, message_id, given))
    )


@router.delete("/{uuid:message_id}/feedback", response={204: None}, summary="Take a rating back")
async def delete_feedback(request: HttpRequest, message_id: UUID) -> Status[None]:
    await doors.with_visitor(request, lambda person: feedback.take_back(person, message_id))
    return Status(204, None)


@router.post("/{uuid:message_id}/retry", summary="Have a failed, stopped or cut-off answer tried again")
async def retry(request: HttpRequest, message_id: UUID) -> StreamResponse:
    turn = await doors.ask_again(request, message_id)
    return events_response(request, follow(turn.stream))
