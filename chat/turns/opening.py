"""Opening a turn: question and empty answer saved, the question judged, the prompt prepared. Sync."""

import uuid
from dataclasses import dataclass, replace

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from chat import access, answer_cache, quota
from chat.context import Exchange, build_prompt
from chat.engine import engine
from chat.errors import Conflict, Invalid, not_found
from chat.models import Conversation, Generation, Message, Person, Role, SafetyEvent, Status
from chat.models.conversation import TITLE_CHARS
from chat.places import Place, place_of
from chat.profile import Known, known_of
from chat.prompts import SystemPrompt, system_prompt
from chat.safeguards import (
    judge,
    open_emergency,
    profile_fields,
    profile_of,
    question_events,
    sanitize_message,
)
from chat.statements import exists, insert
from chat.turns.branches import hide_from, last_shown, show_branch
from chat.turns.brief import Ask, Brief, Turn, turn_of
from safety.cards import card
from safety.languages import language_of
from safety.remote.language import language_of_text
from safety.sanitize import SanitizedText, sanitize_input
from safety.verdict import Action, Profile, Verdict
from streaming.providers.base import PromptMessage

HISTORY_EXCHANGES = 40
"""At most; the token budget usually ends sooner."""
LEAST_ANSWER = 20
"""Tokens. With fewer left for the day, a question is not answered any more."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """For whom a question is judged and answered; `language` is empty where nobody said one. `lines` are what
    the model is told of the person.
    """

    language: str
    place: Place
    profile: Profile | None
    lines: tuple[str, ...] = ()


class StillAnswering(Exception):
    """An answer is being written in this conversation: stop `streams` first, so that what it said so far is
    part of what the new one knows.
    """

    def __init__(self, streams: list[uuid.UUID]) -> None:
        super().__init__(streams)
        self.streams = streams


def open_turn(person: Person, ask: Ask, *, alone: bool = True) -> Turn:
    """Save the question and an empty answer, judge the question, and prepare the prompt.

    Raises `NotFound` for another's conversation, `MessageTooLarge`, `Invalid` and `QuotaExceeded`;
    `StillAnswering` unless it need not be `alone`; and `IntegrityError` where the same client message id
    came in at the same moment: then `repeated_turn` finds the other one.
    """
    text = sanitize_message(ask.message)
    _check_model(ask.model)
    conversation = _conversation(person, ask, text.display, alone=alone)
    question = insert(
        Message(
            conversation=conversation,
            role=Role.USER,
            author=person,
            follows_id=_place_in(conversation, person, ask),
            content=text.display,
            client_message_id=ask.client_message_id,
        )
    )
    _note_timezone(person, ask.timezone)  # after the conversation, which others lock first, too
    is_first = ask.conversation is None
    model = ask.model or engine().default_model
    place = place_of(person, country=ask.country, timezone=ask.timezone, accept_language=ask.accept_language)
    known = _known(person, conversation)
    reader = _Reader(ask.language or "", place, ask.profile or known.safety, known.lines)
    return _add_answer(person, question, text, model, reader, is_first=is_first)


def repeated_turn(person: Person, ask: Ask) -> Turn | None:
    """The turn that this message opened when it was sent before, by its client message id.

    Raises `Conflict` where that id was used for another text or in another conversation.
    """
    sent = {"author": person.pk, "client_message_id": ask.client_message_id}
    if ask.client_message_id is None or not exists(Message, sent):
        return None
    question = Message.objects.select_related("conversation").get(**sent)
    elsewhere = ask.conversation not in (None, question.conversation.uuid)
    if elsewhere or question.content != sanitize_message(ask.message).display:
        raise Conflict(
            _("This clientMessageId was used for another message. Use a new one for each message.")
        )
    latest = question.answers.select_related("generation", "conversation", "question").latest("pk")
    return turn_of(latest.generation)


def reopen_turn(
    person: Person, answer_uuid: uuid.UUID, *, model: str | None = None, alone: bool = True
) -> Turn:
    """Another answer to the same question, by `model` where one is named. The old one stays, as a version.

    Raises `NotFound`; `Conflict` where the answer is running or another version of it is shown, as after a
    second tap; `Invalid`, `QuotaExceeded` and `StillAnswering` as `open_turn` does.
    """
    _check_model(model)
    old = access.answer(person, answer_uuid)
    question = old.question
    assert question is not None  # the database says so: message_question_or_answer
    if not old.is_shown or old.status == Status.STREAMING:
        raise Conflict(_("This answer is still being written, or another version of it is shown by now."))
    if alone:
        _check_nothing_running(old.conversation)
    hide_from(old)
    text, before = sanitize_input(question.content), old.generation
    known = before.model if before.model in engine().models else engine().default_model
    return _add_answer(person, question, text, model or known, _reader_before(person, before))


def _reader_before(person: Person, before: Generation) -> "_Reader":
    """As the earlier try had them; but a country that the person has chosen since ends all guessing."""
    place = Place(before.country, before.country_guessed)
    if person.country and (place.guessed or not place.country):
        place = Place(person.country)
    return _Reader(before.language, place, profile_of(before.profile), tuple(before.used))


def _known(person: Person, conversation: Conversation) -> Known:
    if not conversation.uses_profile:
        return Known()
    return known_of(person, timezone.now().astimezone(quota.zone_of(person)).date())


def _check_model(model: str | None) -> None:
    known = engine().models
    if model is not None and model not in known:
        raise Invalid(
            _("There is no model of this name. /api/v1/models lists those there are."),
            errors=[{"loc": ["body", "model"], "msg": f"must be one of: {', '.join(known)}"}],
        )


def _note_timezone(person: Person, name: str | None) -> None:
    """Where an account's browser says that it is now; a name that no clock knows is passed over."""
    if name and not person.is_guest and name != person.timezone and quota.is_timezone(name):
        person.timezone = name
        person.save(update_fields=["timezone"])


def _conversation(person: Person, ask: Ask, text: str, *, alone: bool) -> Conversation:
    now = timezone.now()
    if ask.conversation is None:
        return insert(Conversation(owner=person, title=_title(text), updated_at=now))
    found = access.conversation(person, ask.conversation)
    found.updated_at = now
    # Also locks the row: of two messages at the same moment, the second sees the answer of the first.
    found.save(update_fields=["updated_at"])
    if alone:
        _check_nothing_running(found)
    return found


def _place_in(conversation: Conversation, person: Person, ask: Ask) -> int | None:
    """The answer that the question follows: the last one, or the one before the question that it edits."""
    if ask.edits is None:
        last = None if ask.conversation is None else last_shown(conversation)
        return last and last.pk
    edited = show_branch(person, ask.edits)
    if edited.conversation_id != conversation.pk or edited.role != Role.USER:
        raise not_found()
    hide_from(edited)
    return edited.follows_id


def _check_nothing_running(conversation: Conversation) -> None:
    if running := conversation.running_streams():
        raise StillAnswering(running)


def _title(text: str) -> str:
    """The first line, cut at a word."""
    line = text.strip().splitlines()[0].strip()
    if len(line) <= TITLE_CHARS:
        return line
    return line[: TITLE_CHARS - 1].rsplit(" ", 1)[0].rstrip() + "…"


def _add_answer(
    person: Person,
    question: Message,
    text: SanitizedText,
    model: str,
    reader: _Reader,
    *,
    is_first: bool = False,
) -> Turn:
    """`is_first` spares the look at what was said before, where nothing was."""
    opened = None if is_first else open_emergency(question)
    country = reader.place.country
    verdict = judge(text, opened, language=reader.language, country=country, profile=reader.profile)
    language = reader.language or _language_of(question, text, verdict)
    if is_first and any(card(name).discreet for name in verdict.cards):
        _leave_untitled(question.conversation)
    answer_language = reader.language or language_of_text(text.display) or person.language
    system = system_prompt(verdict, language=answer_language, about=reader.lines)
    history = [] if is_first else _history(question)
    prompt = build_prompt(system.text, history, question.content, budget=settings.CONTEXT_TOKENS)
    is_common = is_first and not reader.lines  # what was written for one person is given to no other
    cache_key = _cache_key(text, verdict, system, model, language, country) if is_common else None
    replay = answer_cache.find(cache_key) if cache_key else None
    asks_model = replay is None and verdict.action not in (Action.CARD_ONLY, Action.BLOCK)
    allowance = _reserve(person, prompt) if asks_model else None
    answer = insert(
        Message(
            conversation=question.conversation,
            role=Role.ASSISTANT,
            question=question,
            status=Status.STREAMING,
        )
    )
    generation = Generation(
        message=answer,
        model=model,
        prompt_version=system.version,
        ruleset_version=verdict.ruleset_version,
        language=language,
        country=country,
        country_guessed=reader.place.guessed,
        profile=profile_fields(reader.profile),
        used=list(reader.lines),
        cached=replay is not None,
        prompt_tokens=quota.prompt_tokens(prompt) if asks_model else None,
        reserved_tokens=(allowance and allowance.tokens) or 0,
    )
    insert(generation)
    if events := question_events(question, verdict):
        SafetyEvent.objects.bulk_create(events)
    brief = Brief(
        question_pk=question.pk,
        answer_pk=answer.pk,
        generation_pk=generation.pk,
        person_pk=person.pk,
        model=model,
        verdict=verdict,
        prompt=prompt,
        canary=system.canary,
        language=language or None,
        country=country or None,
        guessed=reader.place.guessed,
        allowance=allowance,
        replay=replay.text if replay else None,
        cache_key=None if replay else cache_key,
    )
    return replace(turn_of(generation), brief=brief)


def _leave_untitled(conversation: Conversation) -> None:
    """The list of conversations, the tab and the browser's history tell nobody what was asked."""
    conversation.title, conversation.is_named = "", True
    conversation.save(update_fields=["title", "is_named"])


def _language_of(question: Message, text: SanitizedText, verdict: Verdict) -> str:
    """The language of the gravest rule that fired; of a card that is carried on, the one it came in."""
    if found := language_of(verdict.findings, text.display):
        return found
    if not verdict.cards:
        return ""
    earlier = Generation.objects.filter(
        message__conversation=question.conversation_id, message__pk__lt=question.pk
    )
    return earlier.exclude(language="").order_by("-pk").values_list("language", flat=True).first() or ""


def _cache_key(
    text: SanitizedText, verdict: Verdict, system: SystemPrompt, model: str, language: str, country: str
) -> str | None:
    return answer_cache.key_of(
        text.display,
        verdict,
        prompt_version=system.version,
        model=model,
        language=language,
        country=country,
    )


def _reserve(person: Person, prompt: list[PromptMessage]) -> quota.Allowance:
    """The prompt and the longest answer; less than the prompt and a few words would buy none."""
    fixed = quota.prompt_tokens(prompt)
    return quota.reserve(person, fixed + settings.ANSWER_TOKENS, least=fixed + LEAST_ANSWER)


def _history(question: Message) -> list[Exchange]:
    """Earlier exchanges with an answer that said something. A refused one would only teach to refuse."""
    answers = Message.objects.said_before(question)[:HISTORY_EXCHANGES]
    return [Exchange(a.question.content, a.content) for a in reversed(answers) if a.question]
