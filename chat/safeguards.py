"""What a safety judgement means for a turn: what the rules are asked, which cards are shown, what is kept."""

from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import msgspec
from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from chat.errors import Invalid, MessageTooLarge
from chat.models import Message, Role, SafetyEvent
from chat.places import Place
from safety.cards import card
from safety.cards.places import card_language, gives_numbers
from safety.check import perform_comprehensive_safety_check
from safety.guard import Withheld
from safety.languages import language_of
from safety.latch import FOLLOW_UP, HAND_OFF, OPEN_MINUTES, RESOLVED
from safety.sanitize import SanitizedText, TextTooLong, sanitize_input
from safety.verdict import Action, Category, Finding, OpenEmergency, Profile, Severity, Verdict
from streaming.events import Link, Notice

CRISIS_CARD = "self_harm_crisis"


def sanitize_message(message: str) -> SanitizedText:
    """The message, cleaned. Raises `MessageTooLarge` or, where nothing is left of it, `Invalid`."""
    try:
        text = sanitize_input(message, max_chars=settings.MESSAGE_MAX_CHARS)
    except TextTooLong as error:
        raise MessageTooLarge(
            _("This message is too long: %(length)d characters, where %(limit)d fit. Please shorten it.")
            % {"length": error.length, "limit": error.limit}
        ) from error
    if not text.display.strip():
        raise Invalid(
            _("The message is empty. Please write something."),
            errors=[{"loc": ["body", "message"], "msg": "must not be empty"}],
        )
    return text


def judge(
    text: SanitizedText,
    opened: OpenEmergency | None,
    *,
    language: str,
    country: str,
    profile: Profile | None = None,
) -> Verdict:
    """The verdict on a question, in the light of an emergency that is still open."""
    return perform_comprehensive_safety_check(
        text,
        language=language or None,
        country=country or None,
        profile=profile,
        open_emergency=opened,
    )


def profile_fields(profile: Profile | None) -> dict[str, Any]:
    """What is known, as JSON; empty where nothing is."""
    told = asdict(profile or Profile())
    return {name: value for name, value in told.items() if value not in (None, ())}


def profile_of(fields: dict[str, Any]) -> Profile | None:
    """The inverse of `profile_fields`, for what the database kept."""
    return msgspec.convert(fields, Profile) if fields else None


def urgent_notices(
    message: str, *, language: str | None, place: Place, profile: Profile | None = None
) -> list[Notice]:
    """The cards for a message that is refused for its number: an emergency never goes without its card."""
    country = place.country or None
    try:
        verdict = perform_comprehensive_safety_check(
            message, language=language, country=country, profile=profile
        )
    except TextTooLong:
        return []
    if verdict.severity is not Severity.EMERGENCY:
        return []
    language = language or language_of(verdict.findings, message)
    return list(question_notices(verdict, language=language, country=country, guessed=place.guessed))


def open_emergency(question: Message) -> OpenEmergency | None:
    """The latest emergency that an earlier question of this conversation opened, while it is fresh and until
    a later one said that it is over.
    """
    now = timezone.now()
    events = SafetyEvent.objects.filter(
        message__conversation=question.conversation,
        message__pk__lt=question.pk,
        direction=SafetyEvent.Direction.INPUT,
        created_at__gt=now - timedelta(minutes=OPEN_MINUTES),
    ).order_by("-pk")
    event = events.filter(Q(severity=Severity.EMERGENCY) | Q(action=Action.ALLOW)).first()
    if event is None or not event.card or event.action == Action.ALLOW:
        return None
    turns = Message.objects.filter(
        conversation=question.conversation, role=Role.USER, pk__gt=event.message_id, pk__lte=question.pk
    ).count()
    minutes = (now - event.created_at) / timedelta(minutes=1)
    return OpenEmergency(Category(event.category), event.card, minutes, turns)


def notice_of_card(
    name: str,
    *,
    language: str | None,
    country: str | None,
    guessed: bool = False,
    replace_from: int | None = None,
) -> Notice:
    """The notice that shows a card, in the person's language and with their country's numbers."""
    language = card_language(language)
    shown = card(name, language=language, country=country, guessed=guessed)
    return Notice(
        category=shown.category,
        severity=shown.severity,
        content=shown.content,
        actions=tuple(Link(action.label, action.href) for action in shown.actions),
        replace_from=replace_from,
        card=shown.id,
        language=language,
        country=country or "",
        guessed=guessed,
        discreet=shown.discreet,
    )


def retold(notice: Notice, country: str) -> Notice:
    """A notice as it reads in the country that the person has chosen since; as it is where that changes
    nothing, or where it was saved before cards had names.
    """
    is_known = notice.country == country and not notice.guessed
    if not country or is_known or not gives_numbers(notice.card):
        return notice
    again = notice_of_card(
        notice.card, language=notice.language, country=country, replace_from=notice.replace_from
    )
    return as_reminder(again) if is_reminder(notice) else again


def question_notices(
    verdict: Verdict, *, language: str | None, country: str | None, guessed: bool = False
) -> tuple[Notice, ...]:
    """The gravest card of each category, gravest first: several with the same call to make only bury it.

    A card that an earlier turn showed comes as a reminder.
    """
    first_of_each: dict[Category, Finding] = {}
    for finding in verdict.findings:
        if finding.card:
            first_of_each.setdefault(finding.category, finding)
    notices: dict[str, Notice] = {}
    for finding in first_of_each.values():
        name = finding.card or ""
        notice = notice_of_card(name, language=language, country=country, guessed=guessed)
        carried_on = finding.rule_id in (FOLLOW_UP, HAND_OFF)
        notices.setdefault(name, as_reminder(notice) if carried_on else notice)
    return tuple(notices.values())


def as_reminder(notice: Notice) -> Notice:
    """The first line and the numbers, without the steps."""
    return replace(notice, severity=Severity.URGENT, content=notice.content.split("\n\n")[0])


def is_reminder(notice: Notice) -> bool:
    return "\n\n" not in notice.content


def question_events(question: Message, verdict: Verdict) -> list[SafetyEvent]:
    """For reviewers: a row per category that led to more than a plain answer, or closed an emergency.

    An emergency that is only carried on has its row already.
    """
    events = [_question_event(question, category, verdict) for category in verdict.categories]
    return [event for event in events if _is_news(event)]


def _is_news(event: SafetyEvent) -> bool:
    carried_on = set(event.rule_ids) <= {FOLLOW_UP, HAND_OFF}
    return not carried_on and (event.action != Action.ALLOW or RESOLVED in event.rule_ids)


def _question_event(question: Message, category: Category, verdict: Verdict) -> SafetyEvent:
    findings = [finding for finding in verdict.findings if finding.category is category]
    gravest = max(findings, key=lambda f: (f.severity.rank, f.action.rank, f.score))
    return SafetyEvent(
        message=question,
        direction=SafetyEvent.Direction.INPUT,
        category=category,
        severity=gravest.severity,
        action=gravest.action,
        rule_ids=list(dict.fromkeys(finding.rule_id for finding in findings)),
        card=gravest.card or "",
        score=gravest.score,
        text=gravest.clause,
        ruleset_version=verdict.ruleset_version,
    )


def answer_event(answer_pk: int, withheld: Withheld, ruleset_version: str) -> SafetyEvent:
    """For reviewers: what the guard kept from being shown."""
    return SafetyEvent(
        message_id=answer_pk,
        direction=SafetyEvent.Direction.OUTPUT,
        category=withheld.category,
        severity=withheld.severity,
        action=Action.BLOCK,
        rule_ids=[withheld.rule_id],
        card=withheld.card,
        score=1.0,
        text=withheld.text,
        ruleset_version=ruleset_version,
    )
