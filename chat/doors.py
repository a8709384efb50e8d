"""What all doors do alike: who is it, may they, open the turn, have it answered."""

import asyncio
import uuid
from collections.abc import Callable

from django.db import IntegrityError
from django.http import HttpRequest
from django.utils.translation import gettext as _

from chat import access, limits
from chat.engine import engine
from chat.errors import Overloaded, RateLimited
from chat.models import Generation, Person
from chat.safeguards import urgent_notices
from chat.turns import Ask, Turn, open_turn, reopen_turn, repeated_turn, run_turn, stop_turn
from chat.work import unit_of_work
from streaming.events import notice_to_wire


async def ask(request: HttpRequest, message: Ask) -> Turn:
    """Take a message in and have it answered. Raises a `Refusal` before anything is answered."""
    try:
        return await _begin(lambda: _admit(request, message))
    except IntegrityError:
        # Two requests of an unsure phone at the same moment: the other one was first, so follow it.
        if message.client_message_id is None:
            raise
        return await _begin(lambda: _admit(request, message))


async def ask_again(request: HttpRequest, answer: uuid.UUID) -> Turn:
    """Have a question answered once more. Raises a `Refusal`."""

    def admit() -> Turn:
        person = access.person(request)
        limits.count_message(request, person)
        return reopen_turn(person, answer)

    return await _begin(admit)


async def _begin(admit: Callable[[], Turn]) -> Turn:
    """Open and run a turn as one, so that a reader who leaves in between leaves no question unanswered."""
    if engine().draining:
        raise Overloaded(_("Nightlight is restarting. Please try again in a moment."), retry_after=5)

    async def begin() -> Turn:
        turn = await unit_of_work(admit)
        await run_turn(turn)
        return turn

    return await asyncio.shield(asyncio.create_task(begin()))


def _admit(request: HttpRequest, message: Ask) -> Turn:
    person = access.person(request)
    # An unsure phone may send the same message many times; only the first counts.
    if (repeated := repeated_turn(person, message)) is not None:
        return repeated
    try:
        limits.count_message(request, person)
    except RateLimited as refusal:
        cards = urgent_notices(message.message, language=message.language, country=message.country)
        refusal.extra["notices"] = [notice_to_wire(card) for card in cards]
        raise
    return open_turn(person, message)


async def find_stream(request: HttpRequest, stream: uuid.UUID) -> Generation:
    """The generation behind a stream, for those who may read its conversation. Raises `NotFound`."""
    return await unit_of_work(lambda: access.generation(access.visitor(request), stream))


async def with_visitor[T](request: HttpRequest, function: Callable[[Person | None], T]) -> T:
    """Run one unit of work for whoever is calling."""
    return await unit_of_work(lambda: function(access.visitor(request)))


async def delete_conversation(request: HttpRequest, conversation: uuid.UUID) -> None:
    """Delete a conversation with all in it; an answer that is still running is stopped first."""

    def running(person: Person | None) -> list[uuid.UUID]:
        found = access.conversation(person, conversation)
        unfinished = Generation.objects.filter(message__conversation=found, ended_at=None)
        return list(unfinished.values_list("stream_uuid", flat=True))

    for stream in await with_visitor(request, running):
        await stop_turn(stream)
    await with_visitor(request, lambda person: access.conversation(person, conversation).delete())
