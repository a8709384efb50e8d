"""What was said earlier in a conversation, in short: made by the model once, when the prompt has to leave
much out, and kept.
"""

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.db.models import QuerySet

from chat.asides import Said
from chat.charge import Payer, ask_at_cost
from chat.context import Earlier, Exchange, fit
from chat.engine import engine
from chat.models import Message, Summary
from chat.prompts import prompt_language, words
from chat.tokens import count_tokens
from chat.work import unit_of_work
from safety.cards.data import countries
from safety.output import guarded
from streaming.events import FinishReason

logger = logging.getLogger(__name__)

MARK = "[nightlight:summary]"
"""Begins the task; the simulator knows it by that."""
ANSWER_TOKENS = 500
HISTORY_EXCHANGES = 40
"""At most; the token budget usually ends sooner."""
MOST_CHARS = 4000

_DATES = re.compile(r"\b\d{4}-\d\d?-\d\d?\b|\b\d\d?([./])\s?\d\d?\1\s?\d{2,4}\b")
_MEASURES = re.compile(r"\d+\s*(?:ml|cl|l|g|kg|mg|cm|kcal|%|°|مل|غ|मि|毫升|克)", re.IGNORECASE)
_DIGITS = re.compile(r"\+?\d(?:[\d ()/.-]*\d)?")
_SENTENCE = re.compile(r"[^.!?。！？؟।\n]*[.!?。！？؟।\n]+\s*|[^.!?。！？؟।\n]+$")


@dataclass(frozen=True, slots=True)
class Long:
    """A conversation whose older part no prompt holds any more. `fixed` is the system prompt of the last
    turn.
    """

    conversation_pk: int
    answer_pk: int
    fixed: str
    model: str
    language: str
    country: str | None
    payer: Payer


@dataclass(frozen=True, slots=True)
class _Older:
    """What is to be summed up: the exchanges, after what an earlier summary says."""

    before: str
    exchanges: Sequence[Exchange]

    @property
    def until(self) -> int:
        return self.exchanges[-1].answer_pk

    @property
    def material(self) -> str:
        said = [f"> {one.question}\n\n{one.answer}" for one in self.exchanges]
        return "\n\n---\n\n".join([self.before, *said] if self.before else said)


def history_until(answers: "QuerySet[Message]") -> list[Exchange]:
    """The latest exchanges of a conversation, oldest first. Those of long ago are only in a summary."""
    latest = answers[:HISTORY_EXCHANGES]
    return [
        Exchange(a.question.content, a.content, a.question.pk, a.pk) for a in reversed(latest) if a.question
    ]


def earlier_of(conversation_pk: int, language: str) -> Earlier | None:
    """The latest summary that belongs to the branch which is shown, in the words that the model reads.
    Sync.
    """
    kept = _latest(conversation_pk)
    if kept is None:
        return None
    text = words(prompt_language(language)).earlier.format(summary=kept.text)
    return Earlier(text, kept.until_id)


def _latest(conversation_pk: int) -> Summary | None:
    of_branch = Summary.objects.filter(conversation=conversation_pk, until__is_shown=True)
    return of_branch.order_by("-until").first()


def budget_of(model: str) -> int:
    """Tokens for a prompt: as the settings say, within what the model's window leaves beside an answer."""
    window = engine().models[model].context_window
    return int(min(settings.CONTEXT_TOKENS, window - settings.ANSWER_TOKENS))


def is_due(dropped: Iterable[Exchange]) -> bool:
    """Whether what a prompt leaves out, and no summary has, is worth a summary."""
    most = settings.SUMMARY_AFTER_TOKENS
    return most is not None and sum(exchange.cost for exchange in dropped) > most


async def sum_up(of: Long) -> None:
    """Ask for a summary of what the next prompt will leave out, and keep it. Raises `ProviderError`, and
    `TimeoutError`.
    """
    older = await unit_of_work(_older, of)
    if older is None:
        return
    task = f"{MARK}\n{words(prompt_language(of.language)).summary}"
    said = await ask_at_cost(of.payer, of.model, task, older.material, max_tokens=ANSWER_TOKENS)
    await unit_of_work(_keep, of, older, said)


def _older(of: Long) -> _Older | None:
    """Oldest first, as much as a prompt may hold; the rest waits for the next time."""
    said = Message.objects.said(of.conversation_pk, before=of.answer_pk + 1)
    kept, budget = _latest(of.conversation_pk), budget_of(of.model)
    earlier = Earlier(kept.text, kept.until_id) if kept else None
    dropped = fit(of.fixed, history_until(said), "", budget=budget, summary=earlier).dropped
    if not is_due(dropped):
        return None
    taken, tokens = 0, count_tokens(kept.text) if kept else 0
    for exchange in dropped:
        tokens += exchange.cost
        if taken and tokens > budget:
            break
        taken += 1
    return _Older(kept.text if kept else "", dropped[:taken])


def _keep(of: Long, older: _Older, said: Said) -> None:
    """Nothing is kept of a summary that was cut off, or of which the guard leaves nothing; a later turn asks
    again.
    """
    text = harmless(without_numbers(said.text), of.country).strip()[:MOST_CHARS]
    if not text or said.reason != FinishReason.STOP:
        logger.warning("A summary of conversation %d was not kept (%s)", of.conversation_pk, said.reason)
        return
    if not Message.objects.filter(pk=older.until).exists():
        return  # deleted meanwhile
    usage = said.usage
    Summary.objects.get_or_create(
        until_id=older.until,
        defaults={
            "conversation_id": of.conversation_pk,
            "text": text,
            "model": of.model,
            "prompt_tokens": usage.prompt_tokens if usage else None,
            "completion_tokens": usage.completion_tokens if usage else None,
        },
    )


def harmless(text: str, country: str | None) -> str:
    """The sentences that the output guard lets pass, alone and together; empty where that is none."""
    passed = [one for one in _SENTENCE.findall(text) if not guarded(one, country=country)[1]]
    whole = "".join(passed)
    return "" if guarded(whole, country=country)[1] else whole


# --- No numbers to call -------------------------------------------------------------------------------------


def without_numbers(text: str) -> str:
    """The sentences that name no number of a card, whose country a later question may not share. Pure."""
    return "".join(sentence for sentence in _SENTENCE.findall(text) if not _names_a_number(sentence))


def _names_a_number(sentence: str) -> bool:
    rest = _MEASURES.sub("", _DATES.sub("", sentence))
    found = (re.sub(r"\D", "", number) for number in _DIGITS.findall(rest))
    return any(len(digits) >= 6 or digits in _card_numbers() for digits in found)


@cache
def _card_numbers() -> frozenset[str]:
    """Of all countries, from three digits on: a 15 is a number of minutes more often than the SAMU."""
    spoken = (number.spoken for country in countries().values() for number in country.number)
    digits = (re.sub(r"\D", "", number) for number in spoken)
    return frozenset(number for number in digits if len(number) >= 3)
