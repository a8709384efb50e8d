"""What can be done with an answer or a conversation that is there: stop, pause, go on, rate, delete."""

import uuid

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chat import access, doors, feedback
from chat.errors import Invalid
from chat.models import Generation, Message, Person, Rating
from chat.rendering import MessageView, message_view
from chat.web.errors import kindly
from chat.web.forms import by_htmx, conversation_url, number
from chat.web.sending import refused

COMMENT_CHARS = 2000


@require_POST
@kindly
async def stop(request: HttpRequest, stream_uuid: uuid.UUID) -> HttpResponse:
    """End a running answer, a paused one too; the page learns it from the stream."""
    generation = await doors.stop(request, stream_uuid)
    if generation.paused_after is not None:
        await doors.resume(request, stream_uuid)
    return _back_to(request, generation)


@require_POST
@kindly
async def pause(request: HttpRequest, stream_uuid: uuid.UUID) -> HttpResponse:
    """Note how far an answer was read; it is kept for this person, who goes on here or on another device."""
    generation = await doors.find_stream(request, stream_uuid)
    await doors.pause(request, stream_uuid, number(request.POST.get("after")))
    return _back_to(request, generation)


@require_POST
@kindly
async def resume(request: HttpRequest, stream_uuid: uuid.UUID) -> HttpResponse:
    """Go on with a paused answer."""
    generation = await doors.find_stream(request, stream_uuid)
    await doors.resume(request, stream_uuid)
    return _back_to(request, generation)


def _back_to(request: HttpRequest, generation: Generation) -> HttpResponse:
    if by_htmx(request):
        return HttpResponse(status=204)
    answer = generation.message
    return HttpResponseRedirect(conversation_url(answer.conversation.uuid) + f"#m-{answer.uuid}")


@require_POST
@kindly
async def rate(request: HttpRequest, message_uuid: uuid.UUID) -> HttpResponse:
    """Keep, change or clear what a person thinks of an answer."""
    rating = request.POST.get("rating", "")
    comment = request.POST.get("comment", "").replace("\0", "").strip()
    if rating not in (*Rating.values, "clear") or len(comment) > COMMENT_CHARS:
        return await refused(request, Invalid(_("This rating is not known.")), None, draft="")

    def keep(person: Person | None) -> tuple[MessageView, Message]:
        if rating == "clear":
            feedback.take_back(person, message_uuid)
        else:
            feedback.give(person, message_uuid, feedback.Opinion(rating, comment=comment))
        answer = access.answer(person, message_uuid)
        return message_view(answer, person), answer

    shown, answer = await doors.with_visitor(request, keep)
    if by_htmx(request):
        return render(request, "chat/_feedback.html", {"message": shown})
    return HttpResponseRedirect(conversation_url(answer.conversation.uuid) + f"#m-{message_uuid}")


@require_POST
@kindly
async def delete(request: HttpRequest, conversation_uuid: uuid.UUID) -> HttpResponse:
    await doors.delete_conversation(request, conversation_uuid)
    response = HttpResponseRedirect(reverse("chat:home"))
    if by_htmx(request):
        response = HttpResponse(status=204)  # type: ignore[assignment]
        response["HX-Redirect"] = reverse("chat:home")
    return response
