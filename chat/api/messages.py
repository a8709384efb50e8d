"""What a person thinks of an answer; another answer to the same question; which version is shown."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Status

from chat import doors, feedback
from chat.api.schemas import FeedbackIn, FeedbackOut, RetryIn
from chat.streams import follow
from chat.turns import show_branch
from chat.wire import feedback_to_wire
from streaming.responses import StreamResponse, events_response

router = Router()


@router.put("/{uuid:message_id}/feedback", response=FeedbackOut, exclude_unset=True, summary="Rate an answer")
async def put_feedback(request: HttpRequest, message_id: UUID, body: FeedbackIn) -> dict[str, Any]:
    given = feedback.Opinion(body.rating, tuple(body.reasons), body.comment)
    return await doors.with_visitor(
        request, lambda person: feedback_to_wire(feedback.give(person, message_id, given))
    )


@router.delete("/{uuid:message_id}/feedback", response={204: None}, summary="Take a rating back")
async def delete_feedback(request: HttpRequest, message_id: UUID) -> Status[None]:
    await doors.with_visitor(request, lambda person: feedback.take_back(person, message_id))
    return Status(204, None)


@router.post("/{uuid:message_id}/retry", summary="Have a question answered again")
async def retry(request: HttpRequest, message_id: UUID, body: RetryIn | None = None) -> StreamResponse:
    turn = await doors.ask_again(request, message_id, body.model if body else None)
    return events_response(request, follow(turn.stream))


@router.post("/{uuid:message_id}/show", response={204: None}, summary="Show the branch of a version")
async def show(request: HttpRequest, message_id: UUID) -> Status[None]:
    await doors.with_visitor(request, lambda person: show_branch(person, message_id))
    return Status(204, None)
