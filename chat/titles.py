"""A conversation's title, made by the model from its first question and answer: a subject, instead of the
first line of what somebody typed at night.
"""

import re
from dataclasses import dataclass

from chat.charge import Payer, ask_at_cost
from chat.models import Conversation
from chat.models.conversation import TITLE_CHARS
from chat.prompts import prompt_language, words
from chat.work import unit_of_work
from safety.output import guarded
from streaming.events import FinishReason

MARK = "[nightlight:title]"
"""Begins the task; the simulator knows it by that."""
ANSWER_TOKENS = 40
MOST_READ = 1500
"""Characters of question and of answer: a subject shows early."""
MOST_WORDS = 10
"""Six are asked for. What is much longer is no title, and the first line stays."""

_LABEL = re.compile(r"^(?:title|titel|titre|título|titulo|标题|標題|العنوان|शीर्षक)\s*[:：]\s*", re.IGNORECASE)
_AROUND = " \t\"'“”„«»‘’「」『』《》*_#`.。।!！…"


@dataclass(frozen=True, slots=True)
class Untitled:
    """A conversation that wants a title. `language` is what its prompt was written in."""

    conversation_pk: int
    question: str
    answer: str
    model: str
    language: str
    country: str | None
    payer: Payer


async def give_title(of: Untitled) -> None:
    """Ask, and keep what is fit to stand in a list. Raises `ProviderError`, and `TimeoutError`."""
    task = f"{MARK}\n{words(prompt_language(of.language)).title}"
    material = f"{of.question[:MOST_READ]}\n\n---\n\n{of.answer[:MOST_READ]}"
    said = await ask_at_cost(of.payer, of.model, task, material, max_tokens=ANSWER_TOKENS)
    title = title_of(said.text) if said.reason == FinishReason.STOP else ""
    if title and guarded(title, country=of.country)[1]:
        title = ""
    await unit_of_work(_keep, of, title)


def _keep(of: Untitled, title: str) -> None:
    """Unless the person has named it meanwhile: that is one statement with the change."""
    if title:
        rows = Conversation.objects.filter(pk=of.conversation_pk, is_named=False, deleted_at=None)
        rows.update(title=title)


def title_of(said: str) -> str:
    """One line without quotation marks and full stop; empty where that makes no title. Pure."""
    lines = [line for line in said.splitlines() if line.strip(_AROUND)]
    if not lines:
        return ""
    plain = "".join(letter for letter in lines[0] if letter.isprintable() or letter.isspace())
    title = " ".join(_LABEL.sub("", plain.strip(_AROUND)).strip(_AROUND).split())
    fits = len(title) <= TITLE_CHARS and len(title.split()) <= MOST_WORDS
    return title if fits else ""
