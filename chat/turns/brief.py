"""What a turn is: what was asked, what answering it takes, and the ids that readers are told."""

import uuid
from dataclasses import dataclass, field
from time import monotonic

from django.conf import settings

from chat import quota
from chat.models import Generation
from chat.reply import Progress
from chat.safeguards import notice_of_card
from chat.second_opinion import Heard
from safety.guard import Withheld
from safety.languages import language_of_rule
from safety.verdict import Profile, Verdict
from streaming.events import Metadata, Notice
from streaming.providers.base import PromptMessage


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person sent, by any door, checked for form only."""

    message: str
    conversation: uuid.UUID | None = None
    model: str | None = None
    language: str | None = None
    country: str | None = None
    client_message_id: str | None = None
    timezone: str | None = None
    accept_language: str = ""
    profile: Profile | None = None
    without_profile: bool = False
    """Of a first message: the conversation is not told what the person told of themselves."""
    edits: uuid.UUID | None = None
    """The question that this one takes the place of, with all that came after it."""


@dataclass(frozen=True, slots=True)
class Brief:
    """What answering a question takes, with no row attached. With `replay` no model is asked: it is the
    text of an earlier answer to the same question. `cache_key` is set where this answer may be one later.
    """

    conversation_pk: int
    question_pk: int
    answer_pk: int
    generation_pk: int
    person_pk: int
    model: str
    verdict: Verdict
    prompt: list[PromptMessage]
    canary: str
    language: str | None
    country: str | None
    guessed: bool = False
    spoken: str = ""
    """The language that the prompt is written in, and most likely the answer."""
    interface: str = ""
    """The language of the page, in which the reader is told of errors."""
    wants_title: bool = False
    is_long: bool = False
    """The prompt had to leave so much out that it is worth a summary."""
    allowance: quota.Allowance | None = None
    replay: str | None = None
    cache_key: str | None = None
    progress: Progress = field(default_factory=lambda: Progress(monotonic, monotonic()))
    heard: list[Heard] = field(default_factory=list)
    """What the second opinions were, once they are in."""

    @property
    def answer_tokens(self) -> int:
        """How long the answer may become."""
        most: int = settings.ANSWER_TOKENS
        if self.allowance is None or self.allowance.tokens is None:
            return most
        return min(most, max(1, self.allowance.tokens - quota.prompt_tokens(self.prompt)))

    def correction(self, withheld: Withheld) -> Notice:
        """In the language of what was withheld, where nobody said another."""
        language = language_of_rule(withheld.rule_id)
        return self.notice(withheld.card, language=language, replace_from=withheld.sentence)

    def notice(self, card: str, *, language: str | None = None, replace_from: int | None = None) -> Notice:
        return notice_of_card(
            card,
            language=self.language or language,
            country=self.country,
            guessed=self.guessed,
            replace_from=replace_from,
        )


@dataclass(frozen=True, slots=True)
class Turn:
    """An opened turn. `brief` is None where there is nothing left to run."""

    conversation: uuid.UUID
    question: uuid.UUID
    answer: uuid.UUID
    stream: uuid.UUID
    model: str
    cached: bool = False
    brief: Brief | None = None

    @property
    def stream_id(self) -> str:
        return str(self.stream)

    def opening(self, *, reset: bool = False) -> Metadata:
        return Metadata(
            conversation_id=str(self.conversation),
            message_id=str(self.answer),
            user_message_id=str(self.question),
            stream_id=self.stream_id,
            model=self.model,
            cached=self.cached,
            reset=reset,
        )


def turn_of(generation: Generation) -> Turn:
    """The turn that a saved generation belongs to. Reads `message`, its `question` and `conversation`."""
    answer = generation.message
    assert answer.question is not None  # the database says so: message_question_or_answer
    return Turn(
        conversation=answer.conversation.uuid,
        question=answer.question.uuid,
        answer=answer.uuid,
        stream=generation.stream_uuid,
        model=generation.model,
        cached=generation.cached,
    )
