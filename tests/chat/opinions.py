"""What came of the second opinions on a question."""

from chat.models import SafetyEvent
from chat.work import in_thread
from streaming.events import fold
from tests.chat.scripted import log_of, saved


async def told(turn):
    """The text, the cards, and how it ended."""
    transcript = fold(await log_of(turn))
    return transcript.text, [notice.card for notice in transcript.notices], transcript.finish_reason


async def events_of(turn):
    read = SafetyEvent.objects.filter(message__uuid=turn.question).order_by("pk")
    return await in_thread(lambda: list(read.values_list("category", "action", "card", "rule_ids")))


async def opinions_of(turn):
    """As the generation keeps them, without times."""
    attempts = (await saved(turn)).generation.attempts
    return [(a["deployment"], a["error"]) for a in attempts if a["kind"] == "opinion"]
