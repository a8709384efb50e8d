"""Preparing an answer: the question judged, the prompt put together, the empty answer saved. Sync."""

from dataclasses import dataclass, replace

from django.conf import settings
from django.utils.translation import get_language

from chat import answer_cache, quota
from chat.context import Context, fit
from chat.memory import note
from chat.models import Conversation, Generation, Message, Person, Role, SafetyEvent, Status
from chat.places import Place
from chat.prompts import SystemPrompt, system_prompt
from chat.safeguards import judge, open_emergency, profile_fields, question_events
from chat.statements import insert
from chat.summaries import HISTORY_EXCHANGES, budget_of, earlier_of, history_until, is_due
from chat.turns.brief import Brief, Turn, turn_of
from safety.cards import card
from safety.languages import language_of
from safety.remote.language import language_of_text
from safety.sanitize import SanitizedText
from safety.verdict import Action, Profile, Verdict
from streaming.providers.base import PromptMessage

LEAST_ANSWER = 20
"""Tokens. With fewer left for the day, a question is not answered any more."""


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom a question is judged and answered; `language` is empty where nobody said one. `lines` are what
    the model is told of the person.
    """

    language: str
    place: Place
    profile: Profile | None
    lines: tuple[str, ...] = ()


def add_answer(
    person: Person,
    question: Message,
    text: SanitizedText,
    model: str,
    reader: Reader,
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
    interface = get_language() or settings.LANGUAGE_CODE
    spoken = reader.language or language_of_text(text.display) or person.language or interface
    system = system_prompt(verdict, language=spoken, about=reader.lines)
    context = _context(system.text, question, spoken, model, is_first=is_first)
    prompt = context.messages
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
        sent=context.sent(question.pk) if asks_model else [],
        cached=replay is not None,
        prompt_tokens=quota.prompt_tokens(prompt) if asks_model else None,
        reserved_tokens=(allowance and allowance.tokens) or 0,
    )
    insert(generation)
    if events := question_events(question, verdict):
        SafetyEvent.objects.bulk_create(events)
    note(question, person, verdict)
    brief = Brief(
        conversation_pk=question.conversation_id,
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
        spoken=spoken,
        interface=interface,
        wants_title=_wants_title(question.conversation, context, verdict),
        is_long=is_due(context.dropped),
        allowance=allowance,
        replay=replay.text if replay else None,
        cache_key=None if replay else cache_key,
    )
    return replace(turn_of(generation), brief=brief)


def _wants_title(conversation: Conversation, context: Context, verdict: Verdict) -> bool:
    """A first question, unless a title would tell what happened to who looks over somebody's shoulder."""
    is_beginning = not (context.kept or context.dropped or context.earlier)
    return settings.MODEL_TITLES and is_beginning and not conversation.is_named and not verdict.cards


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


def _context(system: str, question: Message, language: str, model: str, *, is_first: bool) -> Context:
    """Earlier exchanges with an answer that said something (a refused one would only teach to refuse); the
    summary is looked up only where they do not all fit.
    """
    if is_first:
        return fit(system, (), question.content, budget=0)
    history, budget = history_until(Message.objects.said_before(question)), budget_of(model)
    context = fit(system, history, question.content, budget=budget)
    if not context.dropped and len(history) < HISTORY_EXCHANGES:
        return context
    summary = earlier_of(question.conversation_id, language)
    return fit(system, history, question.content, budget=budget, summary=summary) if summary else context
