"""Choosing a country on a card: it is kept for the person, and the card gives its numbers."""

import uuid

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chat import access
from chat.errors import Invalid
from chat.rendering import MessageView, NoticeView, message_view, notice_view
from chat.safeguards import as_reminder, notice_of_card
from chat.web.errors import kindly
from chat.web.forms import by_htmx, conversation_url, uuid_or_none
from chat.web.page import page
from chat.web.sending import refused
from chat.web.transcript import as_it_stands
from chat.work import unit_of_work
from safety.cards import UnknownCard
from safety.cards.places import has_numbers

LANGUAGE_CHARS = 20


@require_POST
@kindly
async def choose(request: HttpRequest) -> HttpResponse:
    """Give htmx the card anew, and the others of its answer; else go back to that answer, or show the card by
    itself where it belongs to none.
    """
    country, answer = request.POST.get("country", ""), uuid_or_none(request.POST.get("answer", ""))
    try:
        card = _card(request, country)
    except UnknownCard:
        return await refused(request, Invalid(_("Please choose a country from the list.")), None, draft="")

    def keep() -> tuple[uuid.UUID, MessageView] | None:
        person = access.person(request)
        person.country = country
        person.save(update_fields=["country"])
        if answer is None:
            return None
        found = access.answer(person, answer)
        return found.conversation.uuid, message_view(found, person)

    of = await unit_of_work(keep)
    if by_htmx(request):
        message = await as_it_stands(of[1]) if of else None
        others = [notice for notice in message.notices if notice.card != card.card] if message else []
        context = {"notice": card, "others": others, "message": message, "focus": True}
        return render(request, "chat/_chosen.html", context)
    if of:
        return HttpResponseRedirect(conversation_url(of[0]) + f"#m-{answer}")
    return await page(request, cards=[card])


def _card(request: HttpRequest, country: str) -> NoticeView:
    """As the form names it. Raises `UnknownCard`, for a country without numbers, too."""
    form = request.POST
    if not has_numbers(country):
        raise UnknownCard(country)
    notice = notice_of_card(
        form.get("card", ""),
        language=form.get("language", "")[:LANGUAGE_CHARS] or None,
        country=country,
        replace_from=0 if form.get("replaced") else None,
    )
    return notice_view(as_reminder(notice) if form.get("reminder") else notice)
