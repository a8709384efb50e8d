"""Answers to common questions, given again instead of asking a model once more; off unless `ANSWER_CACHE`.

What counts as common is decided narrowly, for two reasons. An answer must be as right for the next person as
for the first: so only the first message of a conversation, on which no safety rule had anything to say. And
nobody must be able to find out what somebody else asked, though a replay is marked as one: so only general
questions in plain English, as `is_general` defines them, and nothing about a certain person.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from chat.models import CachedAnswer, Message
from safety.verdict import Action, Verdict
from streaming.events import FinishReason, Outcome, Transcript

LONGEST_QUESTION = 200

_OPENINGS = re.compile(
    r"(?:what|when|where|which|who|why|how|is|are|am|do|does|did|can|could|should|will|would|may|must|has|have"
    r"|explain|describe|(?:(?:can|could|would) you )?(?:please )?(?:tell|give|show|teach) me)\b"
)
_POLITE = re.compile(
    r"\b(?:tell|give|show|teach) me\b|\b(?:can|could|do|may|must|should|will|would) (?:i|we)\b"
)
_SOMEBODY = re.compile(
    r"\b(?:i|me|my|mine|myself|we|us|our|ours|he|him|his|she|her|hers|am|himself|herself"
    r"|this|these|today|tonight|tomorrow|yesterday|now|currently|ago|last|born|named|called)\b"
)
_NUMBERS = re.compile(r"\d{3}|\d[./:-]\d|\d{1,2}(?:st|nd|rd|th)\b")
_NAME = re.compile(r"(?<!^)\b[A-Z][a-z]")
_MORE_SENTENCES = re.compile(r"[.!?;:\n\r]\s*\S")
_ENDING = " \t?!.…"


def is_general(question: str) -> bool:
    """Whether a question asks about something in general, and about nobody in particular.

    One English sentence of at most 200 characters that begins as a question or "tell me" does; without I,
    my, we, he, she and the like (but for "can I", "should we", "tell me"), without this, today, ago and other
    words that point at a moment, without a name (a capital inside), a date or a number above 99. What is
    doubtful is not general: it costs a call of the model, no more.
    """
    text = _plain(question)
    if len(text) > LONGEST_QUESTION or not text.isascii():
        return False
    if _MORE_SENTENCES.search(text) or _NAME.search(text) or _NUMBERS.search(text):
        return False
    folded = text.casefold()
    return bool(_OPENINGS.match(folded)) and not _SOMEBODY.search(_POLITE.sub("", folded))


def _plain(question: str) -> str:
    """Without what changes no meaning: blanks, the shape of apostrophes, what ends the sentence."""
    return re.sub(r"[ \t]+", " ", question.replace("’", "'")).strip().rstrip(_ENDING)


def key_of(
    question: str, verdict: Verdict, *, prompt_version: str, model: str, language: str, country: str
) -> str | None:
    """The key of a first message's answer; None where it must be neither replayed nor kept. Pure but for
    the setting that turns all this on.

    `question` is the display text, `verdict` the judgement of it; the rest is as the Generation keeps it.
    """
    is_plain = verdict.action is Action.ALLOW and not (verdict.findings or verdict.suppressed)
    if not settings.ANSWER_CACHE or not is_plain or not is_general(question):
        return None
    return _digest(question, prompt_version, model, language, country)


def _digest(question: str, *rest: str) -> str:
    return hashlib.sha256(json.dumps([_plain(question).casefold(), *rest]).encode()).hexdigest()


def find(key: str, now: datetime | None = None) -> CachedAnswer | None:
    """The answer kept for a key, while it is fresh; counts the hit. Sync; one statement, two for a hit."""
    now = now or timezone.now()
    found = CachedAnswer.objects.fresh(now).filter(key=key).select_related("generation__message").first()
    if found:
        CachedAnswer.objects.filter(pk=found.pk).update(hits=F("hits") + 1, last_hit_at=now)
    return found


def keep(generation_pk: int, key: str, transcript: Transcript, now: datetime | None = None) -> bool:
    """Keep an answer that a model gave, where it is whole and stands without a card. Sync; one statement.

    Not for a replayed answer: it would never expire. A newer answer to the same question takes the place of
    an older one. False where it was not kept.
    """
    if transcript.outcome is not Outcome.COMPLETE or transcript.finish_reason != FinishReason.STOP:
        return False
    if transcript.notices or not transcript.text.strip():
        return False
    kept = CachedAnswer(key=key, generation_id=generation_pk, kept_at=now or timezone.now())
    CachedAnswer.objects.bulk_create(
        [kept],
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=["generation", "kept_at", "hits", "last_hit_at"],
    )
    return True


def forget(answer: Message) -> None:
    """Take an answer out, whether it is the kept one or a replay of it. Sync; one statement.

    Reads the answer's `question` and `generation`.
    """
    assert answer.question is not None  # the database says so: message_question_or_answer
    of = answer.generation
    key = _digest(answer.question.content, of.prompt_version, of.model, of.language, of.country)
    CachedAnswer.objects.filter(key=key).delete()


def forget_expired(now: datetime | None = None) -> int:
    """Remove what is too old to be given again; gives the number. Sync."""
    return CachedAnswer.objects.expired(now).delete()[0]


def pieces(text: str) -> Iterator[str]:
    """The text word by word, each with the blanks before it, for a replay that reads like a stream."""
    return (match.group() for match in re.finditer(r"\s*\S{1,24}|\s+", text))
