"""Facts that a question tells in passing (`chat.told`), which a person may have remembered, on their word."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.models import Child, Message, Person, Suggestion
from chat.profile import (
    LATEST_BIRTH_DAYS,
    MOST_CHILDREN,
    NOTE_CHARS,
    age_words,
    children_of,
    feeding_words,
    one_line,
    week_of,
)
from chat.quota import today_of
from chat.told import ABOUT, Fact, FactKind, Heard, told_in
from safety.cards import card
from safety.verdict import Category, Severity, Verdict

MOST_OFFERED = 3
"""For one question."""
_PRIVATE = {
    Category.SELF_HARM,
    Category.CAREGIVER_HARM,
    Category.DOMESTIC_ABUSE,
    Category.CHILD_ABUSE,
    Category.ABUSE,
    Category.INJECTION,
    Category.SPAM,
}


# --- Rows ---------------------------------------------------------------------------------------------------


def note(question: Message, person: Person, verdict: Verdict) -> list[Suggestion]:
    """Write down what a question told, to be offered beside its answer. Sync; one look at the text, and no
    query where it told nothing.
    """
    if not question.conversation.uses_profile or _is_private(verdict):
        return []
    today = today_of(person)
    told = told_in(question.content, today)
    if not told:
        return []
    new = _new(told, question.content, person, children_of(person), today)
    offered = list(Suggestion.objects.filter(message__conversation__owner=person))
    facts = [fact for fact in new if not any(_is_same(fact, earlier) for earlier in offered)]
    rows = [Suggestion(message=question, fact=f.fact, child_name=f.child_name, value=f.value) for f in facts]
    return Suggestion.objects.bulk_create(rows[:MOST_OFFERED])


def _is_private(verdict: Verdict) -> bool:
    """In need, and where somebody else may look on, nothing is asked that is not about the need."""
    is_grave = verdict.severity.rank >= Severity.URGENT.rank
    is_discreet = any(card(name).discreet for name in verdict.cards)
    return is_grave or is_discreet or not _PRIVATE.isdisjoint(verdict.categories)


def _is_same(fact: Fact, earlier: Suggestion) -> bool:
    """Asked before, whatever the answer was. An age told again some weeks later is the same birth date."""
    if (fact.fact, fact.child_name.casefold()) != (earlier.fact, earlier.child_name.casefold()):
        return False
    if fact.fact in (FactKind.DUE_DATE, FactKind.BIRTH_DATE):
        return abs(_date_of(fact.value) - _date_of(earlier.value)) <= timedelta(days=31)
    return fact.value.casefold() == earlier.value.casefold()


def decide(suggestion: Suggestion, person: Person, *, is_kept: bool) -> None:
    """Keep it in the profile, or let it be. What was decided before stays so. Sync."""
    if suggestion.is_kept is not None:
        return
    suggestion.is_kept, suggestion.decided_at = is_kept, timezone.now()
    suggestion.save(update_fields=["is_kept", "decided_at"])
    if is_kept:
        _remember(suggestion, person)


def _remember(told: Suggestion, person: Person) -> None:
    if told.fact == FactKind.DUE_DATE:
        person.due_date = _date_of(told.value)
        person.save(update_fields=["due_date"])
    elif told.fact == FactKind.ABOUT:
        person.about = _joined(person.about, told.value)
        person.save(update_fields=["about"])
    elif (child := _child_for(told.child_name, person)) is not None:
        match told.fact:
            case FactKind.BIRTH_DATE:
                child.birth_date = _date_of(told.value)
            case FactKind.FEEDING:
                child.feeding = told.value
            case FactKind.NOTE:
                child.notes = _joined(child.notes, told.value)
        child.save()


def _child_for(name: str, person: Person) -> Child | None:
    """By name; the only child where no name was said; the only nameless one gets its name. Else a new one."""
    children = children_of(person)
    same = [child for child in children if child.name.casefold() == name.casefold()] if name else children[:1]
    if not same and name:
        same = [child for child in children if not child.name][:1]
    if same:
        same[0].name = same[0].name or name
        return same[0]
    return Child(person=person, name=name) if len(children) < MOST_CHILDREN else None


def _joined(before: str, more: str) -> str:
    return one_line(f"{before}, {more}" if before else more, NOTE_CHARS)


@dataclass(frozen=True, slots=True)
class Line:
    """A suggestion as `me/_suggestion.html` takes it. `is_kept` is None until the person has decided."""

    uuid: Any
    words: str
    is_kept: bool | None


def line_of(suggestion: Suggestion, today: date) -> Line:
    return Line(suggestion.uuid, _words(suggestion, today), suggestion.is_kept)


def lines_of(suggestions: Iterable[Suggestion], today: date) -> list[Line]:
    """Those that wait for the person's word."""
    return [line_of(suggestion, today) for suggestion in suggestions if suggestion.is_kept is None]


def _words(told: Suggestion, today: date) -> str:
    """In the language that is active; what the person wrote stays in theirs."""
    name = told.child_name or _("Your child")
    match told.fact:
        case FactKind.NAME:
            return _("Your child is called %(name)s.") % {"name": name}
        case FactKind.FEEDING:
            return _("%(name)s: %(words)s.") % {"name": name, "words": feeding_words(told.value)}
        case FactKind.NOTE:
            return _("%(name)s: %(words)s.") % {"name": name, "words": told.value}
        case FactKind.ABOUT:
            return _("About you: %(words)s.") % {"words": told.value}
    day = _date_of(told.value)
    shown, is_about = date_format(day, "DATE_FORMAT"), told.value.startswith(ABOUT)
    if told.fact == FactKind.DUE_DATE and is_about:
        weeks = week_of(day, today)
        words = ngettext(
            "You are %(count)d week pregnant, due around %(date)s.",
            "You are %(count)d weeks pregnant, due around %(date)s.",
            weeks,
        )
        return words % {"count": weeks, "date": shown}
    if told.fact == FactKind.DUE_DATE:
        return _("Your baby is due on %(date)s.") % {"date": shown}
    if is_about:
        return _("%(name)s: %(words)s.") % {"name": name, "words": age_words(day, today)}
    return _("%(name)s was born on %(date)s.") % {"name": name, "date": shown}


def _date_of(value: str) -> date:
    return date.fromisoformat(value.removeprefix(ABOUT))


# --- What a text tells --------------------------------------------------------------------------------------


def suggestions_for(text: str, person: Person, children: list[Child], today: date) -> list[Fact]:
    """What a text tells that the profile does not say yet. Pure."""
    return _new(told_in(text, today), text, person, children, today)


def _new(told: list[Heard], text: str, person: Person, children: list[Child], today: date) -> list[Fact]:
    names = {child.name.casefold(): child.name for child in children if child.name}
    names |= {name.casefold(): name for heard in told if (name := heard.certain_name)}
    whole = [_with_its_name(heard, text, names) for heard in told]
    are_several = len({heard.whose for heard in told if heard.whose}) > 1  # "my son ... my daughter ..."
    facts = (_placed(heard, names, children) for heard in whole if not (are_several and _is_nobodys(heard)))
    known_or_not = (fact for fact in facts if fact and not _is_known(fact, person, children, today))
    return list(dict.fromkeys(known_or_not))


def _with_its_name(heard: Heard, text: str, names: Mapping[str, str]) -> Heard:
    """A "he" gets the name of the child that it stands for, as far as that is clear."""
    name = heard.pronoun.stands_for(text, names.values()) if heard.pronoun else ""
    return replace(heard, fact=replace(heard.fact, child_name=name)) if name else heard


def _is_nobodys(heard: Heard) -> bool:
    return not heard.fact.child_name and (bool(heard.whose) or heard.pronoun is not None)


def _placed(heard: Heard, names: Mapping[str, str], children: list[Child]) -> Fact | None:
    """With the name of its child, as far as it is clear whose it is; None where it is not."""
    fact = heard.fact
    if fact.fact in (FactKind.DUE_DATE, FactKind.ABOUT):
        return fact
    if fact.child_name:
        name = names.get(fact.child_name.casefold())
        return replace(fact, child_name=name) if name else None
    if len(names) == 1 and len(children) <= 1:
        return replace(fact, child_name=next(iter(names.values())))
    return fact if len(children) <= 1 and not names else None


def _is_known(fact: Fact, person: Person, children: list[Child], today: date) -> bool:
    if fact.fact == FactKind.DUE_DATE:
        known = person.due_date
        return known is not None and known + timedelta(days=LATEST_BIRTH_DAYS) >= today
    if fact.fact == FactKind.ABOUT:
        return fact.value.casefold() in person.about.casefold()
    child = next((c for c in children if c.name.casefold() == fact.child_name.casefold()), None)
    if child is None:
        child = next((c for c in children if not (c.name and fact.child_name)), None)
        if child is None:
            return False
    return {
        FactKind.NAME: bool(child.name),
        FactKind.BIRTH_DATE: child.birth_date is not None,
        FactKind.FEEDING: child.feeding == fact.value,
        FactKind.NOTE: fact.value.casefold() in child.notes.casefold(),
    }[FactKind(fact.fact)]
