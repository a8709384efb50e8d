"""First questions for an empty page, by where in pregnancy or childhood the person is."""

from datetime import date

from django.utils.translation import gettext as _

from chat.models import Person
from chat.profile import known_of
from safety.verdict import Profile

SHOWN = 4


def suggestions(person: Person | None, today: date) -> list[str]:
    """Four questions. Whoever is pregnant and has a young child gets two for each. Sync."""
    safety = known_of(person, today).safety if person else None
    expecting, child = _of_pregnancy(safety or Profile()), _of_child(safety or Profile())
    if expecting and child:
        return [*expecting[:2], *child[:2]]
    return expecting or child or _general()


def _of_pregnancy(safety: Profile) -> list[str]:
    if not safety.pregnant:
        return []
    week = safety.pregnancy_week or 0
    if week < 14:
        return [
            _("When does morning sickness stop?"),
            _("What should I not eat in pregnancy?"),
            _("Which check-ups come first?"),
            _("Is it normal to be this tired?"),
        ]
    if week < 28:
        return [
            _("When will I feel the baby move?"),
            _("How can I sleep well with a bump?"),
            _("What helps with back pain?"),
            _("Can I go on with sport?"),
        ]
    return [
        _("How do I know that labour has started?"),
        _("What do I pack for the birth?"),
        _("How often should I feel the baby move?"),
        _("What do we need in the first week at home?"),
    ]


def _of_child(safety: Profile) -> list[str]:
    """By the youngest."""
    if not safety.child_ages_days:
        return []
    days = safety.child_ages_days[0]
    stages = ((14, _newborn), (91, _to_three_months), (183, _to_six_months), (365, _to_one_year))
    for until, questions in stages:
        if days < until:
            return questions()
    return _toddler() if days < 3 * 365 else []


def _newborn() -> list[str]:
    return [
        _("How often should a newborn feed at night?"),
        _("How do I know that my baby drinks enough?"),
        _("How do I care for the navel?"),
        _("How long does bleeding last after birth?"),
    ]


def _to_three_months() -> list[str]:
    return [
        _("What helps with colic?"),
        _("How much crying is normal?"),
        _("When does my baby sleep longer at night?"),
        _("I feel low since the birth. What can I do?"),
    ]


def _to_six_months() -> list[str]:
    return [
        _("Why does my baby wake so often now?"),
        _("How do I know that my baby is ready for solid food?"),
        _("What helps with teething?"),
        _("How much tummy time is good?"),
    ]


def _to_one_year() -> list[str]:
    return [
        _("Which first foods are good?"),
        _("How do I give peanuts and eggs for the first time?"),
        _("My baby cries when I leave. What helps?"),
        _("How do I make our home safe for crawling?"),
    ]


def _toddler() -> list[str]:
    return [
        _("What helps in a tantrum?"),
        _("My child hardly eats. What can I do?"),
        _("How much sleep does a toddler need?"),
        _("When do we start with the potty?"),
    ]


def _general() -> list[str]:
    return [
        _("How often should a newborn feed at night?"),
        _("Tell me about baby sleep patterns"),
        _("What helps with colic?"),
        _("When does morning sickness stop?"),
    ]
