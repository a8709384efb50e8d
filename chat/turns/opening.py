"""One turn of a conversation: opened in one transaction, answered by a producer, closed in another.

The sole writer of Message and Generation. It knows no door: whoever follows an answer reads the log.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from chat import access
from chat.context import Exchange, build_prompt
from chat.engine import engine
from chat.errors import Conflict, Invalid, as_event
from chat.models import Conversation, Generation, Message, Person, Role, SafetyEvent, Status
from chat.models.conversation import TITLE_CHARS
from chat.prompts import system_prompt
from chat.reply import Plan, Progress, refusal, reply
from chat.safeguards import (
    CRISIS_CARD,
    answer_event,
    judge,
    notice_of_card,
    open_emergency,
    question_events,
    question_notices,
    sanitize_message,
)
from chat.work import unit_of_work
from safety.guard import OutputGuard
from safety.sanitize import SanitizedText, sanitize_input
from safety.verdict import Action, Verdict
from streaming.coalesce import coalesce
from streaming.events import (
    Done,
    Error,
    ErrorCode,
    Event,
    FinishReason,
    Metadata,
    Notice,
    Transcript,
    notice_to_wire,
)
from streaming.producer import Ending
from streaming.providers.base import PromptMessage, ProviderError

HISTORY_EXCHANGES = 40
"""At most; the token budget usually ends sooner."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person sent, by any door, checked for form only."""

    message: str
    conversation: uuid.UUID | None = None
    model: str | None = None
    language: str | None = None
    country: str | None = None
    client_message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Brief:
    """What answering a question takes, with no row attached."""

    answer_pk: int
    verdict: Verdict
    prompt: list[PromptMessage]
    canary: str
    language: str | None
    country: str | None
    progress: Progress = field(default_factory=lambda: Progress(monotonic, monotonic()))

    def notice(self, card: str, *, replace_from: int | None = None) -> Notice:
        return notice_of_card(card, language=self.language, country=self.country, replace_from=replace_from)


@dataclass(frozen=True, slots=True)
class Turn:
    """An opened turn. `brief` is None where there is nothing left to run."""

    conversation: uuid.UUID
    question: uuid.UUID
    answer: uuid.UUID
    stream: uuid.UUID
    model: str
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
    )


# --- Open -------------------------------------------------------------------------------------------------


def open_turn(person: Person, ask: Ask) -> Turn:
    """Save the question and an empty answer, judge the question, and prepare the prompt. Sync.

    Raises `NotFound` for another's conversation, `MessageTooLarge` and `Invalid`; `IntegrityError` where the
    same client message id came in at the same moment: then `repeated_turn` finds the other one.
    """
    text = sanitize_message(ask.message)
    _check_model(ask.model)
    question = Message.objects.create(
        conversation=_conversation(person, ask, text.display),
        role=Role.USER,
        author=person,
        content=text.display,
        client_message_id=ask.client_message_id,
    )
    is_first = ask.conversation is None
    return _add_answer(question, text, ask.language or "", ask.country or "", is_first=is_first)


def repeated_turn(person: Person, ask: Ask) -> Turn | None:
    """The turn that this message opened when it was sent before, by its client message id. Sync.

    Raises `Conflict` where that id was used for another text or in another conversation.
    """
    if ask.client_message_id is None:
        return None
    sent = Message.objects.filter(author=person, client_message_id=ask.client_message_id)
    question = sent.select_related("conversation").first()
    if question is None:
        return None
    elsewhere = ask.conversation not in (None, question.conversation.uuid)
    if elsewhere or question.content != sanitize_message(ask.message).display:
        raise Conflict(
            _("This clientMessageId was used for another message. Use a new one for each message.")
        )
    latest = question.answers.select_related("generation", "conversation", "question").latest("pk")
    return turn_of(latest.generation)


def reopen_turn(person: Person, answer_uuid: uuid.UUID) -> Turn:
    """A new try at a question whose answer failed, was stopped or was cut off. The old answer stays. Sync.

    Raises `NotFound`, or `Conflict` where the answer is whole, running or was tried again already.
    """
    old = access.answer(person, answer_uuid)
    question = old.question
    assert question is not None  # the database says so: message_question_or_answer
    if not old.can_retry or question.answers.filter(pk__gt=old.pk).exists():
        raise Conflict(_("This answer is whole, still running, or was tried again already."))
    text = sanitize_input(question.content)
    return _add_answer(question, text, old.generation.language, old.generation.country)


def _check_model(model: str | None) -> None:
    known = engine().model.id
    if model not in (None, known):
        raise Invalid(
            _("There is no model of this name. /api/v1/models lists those there are."),
            errors=[{"loc": ["body", "model"], "msg": f"must be one of: {known}"}],
        )


def _conversation(person: Person, ask: Ask, text: str) -> Conversation:
    now = timezone.now()
    if ask.conversation is None:
        return Conversation.objects.create(owner=person, title=_title(text), updated_at=now)
    found = access.conversation(person, ask.conversation)
    found.updated_at = now
    found.save(update_fields=["updated_at"])
    return found


def _title(text: str) -> str:
    """The first line, cut at a word."""
    line = text.strip().splitlines()[0].strip()
    if len(line) <= TITLE_CHARS:
        return line
    return line[: TITLE_CHARS - 1].rsplit(" ", 1)[0].rstrip() + "…"


def _add_answer(
    question: Message, text: SanitizedText, language: str, country: str, *, is_first: bool = False
) -> Turn:
    """`is_first` spares the look at what was said before, where nothing was."""
    opened = None if is_first else open_emergency(question)
    verdict = judge(text, opened, language=language, country=country)
    system = system_prompt(verdict)
    answer = Message.objects.create(
        conversation=question.conversation, role=Role.ASSISTANT, question=question, status=Status.STREAMING
    )
    generation = Generation.objects.create(
        message=answer,
        model=engine().model.id,
        prompt_version=system.version,
        ruleset_version=verdict.ruleset_version,
        language=language,
        country=country,
    )
    SafetyEvent.objects.bulk_create(question_events(question, verdict))
    history = [] if is_first else _history(question)
    prompt = build_prompt(system.text, history, question.content, budget=settings.CONTEXT_TOKENS)
    brief = Brief(answer.pk, verdict, prompt, system.canary, language or None, country or None)
    return replace(turn_of(generation), brief=brief)


def _history(question: Message) -> list[Exchange]:
    """Earlier exchanges with an answer that said something. A refused one would only teach to refuse."""
    answers = Message.objects.said_before(question)[:HISTORY_EXCHANGES]
    return [Exchange(a.question.content, a.content) for a in reversed(answers) if a.question]


# --- Run --------------------------------------------------------------------------------------------------


async def run_turn(turn: Turn) -> None:
    """Have the answer written to the log; returns when readers may come."""
    brief = turn.brief
    if brief is None:
        return

    async def close(transcript: Transcript, ending: Ending, error: ProviderError | None) -> Sequence[Event]:
        engine().provider_health.note(error)
        closing = _closing_events(brief.progress, ending, error)
        for event in closing:
            transcript.apply(event)
        await unit_of_work(close_turn, brief, transcript, error)
        return closing

    await engine().producer.start(turn.stream_id, _answer(turn, brief), close)


def _answer(turn: Turn, brief: Brief) -> AsyncGenerator[Event]:
    cards = question_notices(brief.verdict, language=brief.language, country=brief.country)
    plan = Plan(turn.opening(), cards)
    if brief.verdict.action in (Action.CARD_ONLY, Action.BLOCK):
        return refusal(plan, brief.progress)
    words = coalesce(
        engine().provider.stream(brief.prompt, max_tokens=settings.ANSWER_TOKENS),
        window=settings.COALESCE_SECONDS,
        most=settings.COALESCE_TOKENS,
        clock=monotonic,
        sleep=asyncio.sleep,
    )
    return reply(
        plan,
        words,
        guard=OutputGuard(language=brief.language, country=brief.country, canary=brief.canary),
        progress=brief.progress,
        correction=lambda withheld: brief.notice(withheld.card, replace_from=withheld.sentence),
        crisis=lambda: brief.notice(CRISIS_CARD),
    )


async def stop_turn(stream_uuid: uuid.UUID) -> bool:
    """End a running answer; what was shown is saved when this returns. False where it had ended already."""
    return await engine().producer.stop(str(stream_uuid))


# --- Close ------------------------------------------------------------------------------------------------


def _closing_events(progress: Progress, ending: Ending, error: ProviderError | None) -> list[Event]:
    match ending:
        case Ending.FAILED if error:
            return [as_event(error)]
        case Ending.DEADLINE:
            return [as_event(ProviderError(ErrorCode.PROVIDER_TIMEOUT, "total deadline"))]
        case Ending.DRAINED:
            return [as_event(ProviderError(ErrorCode.STREAM_INTERRUPTED, "shut down", retry_after=5))]
    reason = FinishReason.STOPPED if ending is Ending.STOPPED else progress.finish_reason
    return [Metadata(usage=progress.usage, timing=progress.timing(), finish_reason=reason), Done()]


def close_turn(brief: Brief, transcript: Transcript, error: ProviderError | None) -> None:
    """Save what was shown and how it ended; nothing where the conversation was deleted meanwhile. Sync."""
    saved = Message.objects.filter(pk=brief.answer_pk).update(
        content=transcript.text,
        notices=[notice_to_wire(notice) for notice in transcript.notices],
        status=transcript.outcome.value,
    )
    if not saved:
        return
    ending = _ending_fields(brief.progress, transcript, error)
    Generation.objects.filter(message=brief.answer_pk).update(**ending)
    if withheld := brief.progress.withheld:
        answer_event(brief.answer_pk, withheld, brief.verdict.ruleset_version).save()


def _ending_fields(
    progress: Progress, transcript: Transcript, error: ProviderError | None
) -> dict[str, object]:
    told = transcript.closing.timing if transcript.closing else None
    timing, usage, end = told or progress.timing(), progress.usage, transcript.end
    fields: dict[str, object] = {
        "ended_at": timezone.now(),
        "finish_reason": transcript.finish_reason or "",
        "prompt_tokens": usage and usage.prompt_tokens,
        "completion_tokens": usage and usage.completion_tokens,
        "ttft_ms": timing.ttft_ms,
        "duration_ms": timing.duration_ms,
        "tokens_per_second": timing.tokens_per_second,
    }
    if isinstance(end, Error):
        fields |= {
            "error_code": end.code,
            "error_message": end.message,
            "error_detail": error.detail if error else "",
            "retryable": end.retryable,
            "retry_after": end.retry_after,
        }
    return fields


def close_abandoned(stream: uuid.UUID | None = None) -> int:
    """Finish answers that nobody writes any more, as interrupted; gives their number. Sync.

    With the in-memory log there is one process: at its start every running answer is such a one, and later
    the one of a `stream` whose log is gone.
    """
    interrupted = as_event(ProviderError(ErrorCode.STREAM_INTERRUPTED, "nobody writes it any more"))
    running = Message.objects.filter(status=Status.STREAMING)
    if stream is not None:
        running = running.filter(generation__stream_uuid=stream)
    Generation.objects.filter(message__in=running).update(
        ended_at=timezone.now(),
        error_code=interrupted.code,
        error_message=interrupted.message,
        retryable=interrupted.retryable,
    )
    return running.update(status=Status.INTERRUPTED)
