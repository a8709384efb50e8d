"""What can be done with an answer that is there: stop, pause, go on, rate."""

import uuid

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
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
    form = request.POST
    rating, reasons = form.get("rating", ""), tuple(form.getlist("reasons"))
    comment = form.get("comment", "").replace("\0", "").strip()
    if rating not in (*Rating.values, "clear"):
        return await refused(request, Invalid(_("This rating is not known.")), None, draft="")
    if len(comment) > COMMENT_CHARS:
        too_long = _("This comment is too long: %(length)d characters, where %(limit)d fit.")
        words = too_long % {"length": len(comment), "limit": COMMENT_CHARS}
        return await refused(request, Invalid(words), None, draft="")

    def keep(person: Person | None) -> tuple[MessageView, Message]:
        if rating == "clear":
            feedback.take_back(person, message_uuid)
        else:
            # Of the other thumb's reasons none fits any more.
            given = feedback.Opinion(rating, reasons if rating == Rating.DOWN else (), comment)
            feedback.give(person, message_uuid, given)
        answer = access.answer(person, message_uuid)
        return message_view(answer, person), answer

    try:
        shown, answer = await doors.with_visitor(request, keep)
    except Invalid as refusal:
        return await refused(request, refusal, None, draft="")
    if by_htmx(request):
        is_new = not reasons and not comment
        context = {"message": shown, "opened": rating != "clear", "sent": rating != "clear" and not is_new}
        return render(request, "chat/_feedback.html", context)
    return HttpResponseRedirect(conversation_url(answer.conversation.uuid) + f"#m-{message_uuid}")
