"""What all doors do alike: who is it, may they, open the turn, have it answered."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import replace

from django.conf import settings
from django.db import IntegrityError
from django.http import HttpRequest
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from chat import access, consent, conversations, limits
from chat.engine import engine
from chat.errors import ConsentNeeded, Overloaded, RateLimited
from chat.models import Conversation, Generation, Person, StopReason
from chat.places import place_of
from chat.quota import QuotaExceeded
from chat.safeguards import urgent_notices
from chat.turns import (
    Ask,
    StillAnswering,
    Turn,
    open_turn,
    reopen_turn,
    repeated_turn,
    run_turn,
    stop_turn,
)
from chat.work import unit_of_work
from streaming.events import notice_to_wire

PATIENT_TRIES = 2
"""How often a message finds another answer running, and has it stopped, before it is answered beside it."""


async def ask(request: HttpRequest, message: Ask, *, asks_consent: bool = False) -> Turn:
    """Take a message in and have it answered. Raises a `Refusal` before anything is answered.

    An answer that is still being written in the same conversation ends where it is: what is asked now may
    not wait for it. A door that `asks_consent` takes no message of a person who has not given it.
    """
    message = replace(message, accept_language=request.headers.get("Accept-Language", ""))

    def admit(attempt: int) -> Turn:
        return _admit(request, message, attempt, asks_consent=asks_consent)

    try:
        return await _begin(admit)
    except IntegrityError:
        # Two requests of an unsure phone at the same moment: the other one was first, so follow it.
        if message.client_message_id is None:
            raise
        return await _begin(admit)


async def agree(request: HttpRequest) -> None:
    """Note that who is calling has agreed to what a first use asks. Raises `NotAuthenticated`."""
    language = get_language() or settings.LANGUAGE_CODE
    await unit_of_work(lambda: consent.give(access.person(request), language))


async def ask_again(request: HttpRequest, answer: uuid.UUID, model: str | None = None) -> Turn:
    """Have a question answered once more, by another model if one is named. Raises a `Refusal`."""

    def admit(attempt: int) -> Turn:
        person = access.person(request)
        if attempt == 0:
            limits.count_message(request, person)
        return reopen_turn(person, answer, model=model, alone=attempt < PATIENT_TRIES)

    return await _begin(admit)


async def _begin(admit: Callable[[int], Turn]) -> Turn:
    """Open and run a turn as one, so that a reader who leaves in between leaves no question unanswered.

    `admit` is told how often it was called before.
    """
    if engine().draining:
        raise Overloaded(_("Nightlight is restarting. Please try again in a moment."), retry_after=5)

    async def begin() -> Turn:
        turn = await _opened(admit)
        await run_turn(turn)
        return turn

    return await asyncio.shield(asyncio.create_task(begin()))


async def _opened(admit: Callable[[int], Turn]) -> Turn:
    for attempt in range(PATIENT_TRIES):
        try:
            return await unit_of_work(admit, attempt)
        except StillAnswering as running:
            for stream in running.streams:
                await stop_turn(stream, StopReason.SUPERSEDED)
    return await unit_of_work(admit, PATIENT_TRIES)


def _admit(request: HttpRequest, message: Ask, attempt: int, *, asks_consent: bool) -> Turn:
    person = access.person(request)
    # An unsure phone may send the same message many times; only the first counts.
    if (repeated := repeated_turn(person, message)) is not None:
        return repeated
    try:
        if asks_consent:
            consent.require(person)
        if attempt == 0:
            limits.count_message(request, person)
        return open_turn(person, message, alone=attempt < PATIENT_TRIES)
    except (ConsentNeeded, RateLimited, QuotaExceeded) as refusal:
        place = place_of(
            person,
            country=message.country,
            timezone=message.timezone,
            accept_language=message.accept_language,
        )
        cards = urgent_notices(
            message.message, language=message.language, place=place, profile=message.profile
        )
        refusal.extra["notices"] = [notice_to_wire(card) for card in cards]
        raise


async def find_stream(request: HttpRequest, stream: uuid.UUID) -> Generation:
    """The generation behind a stream, for those who may read its conversation. Raises `NotFound`."""
    return await unit_of_work(lambda: access.generation(access.visitor(request), stream))


async def stop(request: HttpRequest, stream: uuid.UUID) -> Generation:
    """End a running answer, wherever it runs. Raises `NotFound`."""
    generation = await find_stream(request, stream)
    await stop_turn(stream)
    return generation


async def pause(request: HttpRequest, stream: uuid.UUID, after: int) -> None:
    """Note that the person has read up to event `after`, and means to go on later. Raises `NotFound`.

    The answer goes on being written, and counts as read.
    """
    await _set_paused(request, stream, max(after, 0))


async def resume(request: HttpRequest, stream: uuid.UUID) -> int:
    """Go on reading: gives the id to follow the stream from, 0 where it was not paused. Raises `NotFound`."""
    return await _set_paused(request, stream, None) or 0


async def _set_paused(request: HttpRequest, stream: uuid.UUID, after: int | None) -> int | None:
    """Gives what stood there before."""

    def keep() -> int | None:
        generation = access.generation(access.visitor(request), stream)
        before, generation.paused_after = generation.paused_after, after
        generation.save(update_fields=["paused_after"])
        return before

    return await unit_of_work(keep)


async def with_visitor[T](request: HttpRequest, function: Callable[[Person | None], T]) -> T:
    """Run one unit of work for whoever is calling."""
    return await unit_of_work(lambda: function(access.visitor(request)))


async def delete_conversation(request: HttpRequest, conversation: uuid.UUID) -> Conversation:
    """Delete a conversation, which can be brought back for a while; what is being written in it is stopped.

    Raises `NotFound`.
    """

    def running(person: Person | None) -> list[uuid.UUID]:
        return access.conversation(person, conversation).running_streams()

    def gone(person: Person | None) -> Conversation:
        found = access.conversation(person, conversation)
        conversations.delete(found)
        return found

    await _stop_all(await with_visitor(request, running))
    deleted = await with_visitor(request, gone)
    await _stop_all(await unit_of_work(deleted.running_streams))  # what began in between
    return deleted


async def _stop_all(streams: list[uuid.UUID]) -> None:
    for stream in streams:
        await stop_turn(stream, StopReason.DELETED)
