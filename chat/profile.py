"""What a person told of themselves and their children, as an answer may use it. It reaches the prompt and the
safety check, and nothing else.
"""

import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.models import Child, Feeding, Person, Reading, Tone
from safety.verdict import Profile

PREGNANCY_DAYS = 280
"""From the first day of the last period to the due date: 40 weeks."""
EARLIEST_BIRTH_DAYS = 126
"""Before the due date: 22 weeks. A child that was born since then is the one that was expected."""
LATEST_BIRTH_DAYS = 14
"""After the due date: 42 weeks, by when births are induced nearly everywhere."""
GROWN_UP = 18
"""Years."""
MOST_CHILDREN = 20
NAME_CHARS, NOTE_CHARS = 60, 500
_JOINERS = "\u200c\u200d"  # letters of Persian and Hindi, and some emoji, are joined by them


@dataclass(frozen=True, slots=True)
class Known:
    """`safety` is what the safety check reads; `lines` what the model is told and the page shows under the
    answer, in the language that is active.
    """

    safety: Profile | None = None
    lines: tuple[str, ...] = ()


def known_of(person: Person, today: date) -> Known:
    """Everything the person told, with ages and weeks as they are `today`. Sync."""
    return known(person, children_of(person), today)


def children_of(person: Person) -> list[Child]:
    """In the order in which they were told of; a person who is not kept yet has none."""
    return list(person.children.order_by("pk")[:MOST_CHILDREN]) if person.pk else []


def known(person: Person, children: list[Child], today: date) -> Known:
    """As `known_of`, of rows that need not be saved."""
    safety = _safety(person, children, today)
    lines = [_pregnancy(safety), *(child_line(child, today) for child in children), *_wishes(person)]
    return Known(None if safety == Profile() else safety, tuple(line for line in lines if line))


# --- What cannot be so --------------------------------------------------------------------------------------


def wrong_due_date(due_date: date, today: date) -> str:
    """What is wrong with it, in words for the person; empty where it can be."""
    if due_date < today - timedelta(weeks=4):
        return _("This date is long past. If your baby is born, add them under your children.")
    if due_date > today + timedelta(weeks=42):
        return _("This date is more than 42 weeks away. Please check the year.")
    return ""


def wrong_birth_date(birth_date: date, today: date) -> str:
    """What is wrong with it, in words for the person; empty where it can be."""
    if birth_date > today + timedelta(days=1):  # where the person is, tomorrow may have begun
        return _("This date is in the future. If you are pregnant, put it under due date.")
    if birth_date <= date(today.year - GROWN_UP, today.month, min(today.day, 28)):
        return _("This is more than 18 years ago. Nightlight is for babies and children.")
    return ""


# --- For the safety check -----------------------------------------------------------------------------------


def _safety(person: Person, children: list[Child], today: date) -> Profile:
    ages = sorted(age for child in children if (age := _age_days(child, today)) is not None)
    pregnant = is_pregnant(person, children, today)
    return Profile(
        pregnant=pregnant or None,
        pregnancy_week=_possible(week_of(person.due_date, today)) if pregnant and person.due_date else None,
        # Whoever says "my baby" may not have given birth. To warn them of what may follow a birth costs
        # little; not to warn a mother may cost a life.
        postpartum_days=ages[0] if ages and ages[0] <= 365 else None,
        child_ages_days=tuple(ages),
    )


def is_pregnant(person: Person, children: list[Child], today: date) -> bool:
    """By the due date, until a child is born or its latest time has passed.

    After that nothing is concluded, not even that the person is not pregnant: they may have forgotten to tell
    of a birth, or have lost the child, and a wrong "42 weeks pregnant" would be as cruel as "your newborn".
    Texts that speak of a pregnancy are judged as always, since the safety check then only lacks a hint.
    """
    due = person.due_date
    if due is None or today > due + timedelta(days=LATEST_BIRTH_DAYS):
        return False
    since = due - timedelta(days=EARLIEST_BIRTH_DAYS)
    return not any(child.birth_date and since <= child.birth_date <= today for child in children)


def week_of(due_date: date, today: date) -> int:
    """Completed weeks of pregnancy, below zero before it has begun."""
    return (PREGNANCY_DAYS - (due_date - today).days) // 7


def _possible(week: int) -> int | None:
    return week if week >= 1 else None


def _age_days(child: Child, today: date) -> int | None:
    """A child that was born tomorrow was born today, on the other side of the world."""
    if child.birth_date is None:
        return None
    days = (today - child.birth_date).days
    return max(days, 0) if days >= -1 else None


# --- For the model and the page -----------------------------------------------------------------------------


def _pregnancy(safety: Profile) -> str:
    if not safety.pregnant:
        return ""
    weeks = safety.pregnancy_week
    if weeks is None:
        return _("In the first days of a pregnancy")
    return ngettext("%(count)d week pregnant", "%(count)d weeks pregnant", weeks) % {"count": weeks}


def child_line(child: Child, today: date) -> str:
    """As in "Leo, 5 months old, formula, allergic to cow's milk"; empty where nothing is told."""
    age = age_words(child.birth_date, today) if child.birth_date else ""
    feeding = feeding_words(child.feeding)
    told = [part for part in (age, feeding, one_line(child.notes, NOTE_CHARS)) if part]
    name = one_line(child.name, NAME_CHARS)
    # Translators: between the parts of what is known of a child, as in "Leo, 5 months old".
    return _(", ").join([name or _("A child"), *told]) if name or told else ""


def age_words(birth_date: date, today: date) -> str:
    """Days for two weeks, weeks for three months, months for two years, then years."""
    days = max((today - birth_date).days, 0)
    months = _months_between(birth_date, today)
    if days < 14:
        return ngettext("%(count)d day old", "%(count)d days old", days) % {"count": days}
    if months < 3:
        return ngettext("%(count)d week old", "%(count)d weeks old", days // 7) % {"count": days // 7}
    if months < 24:
        return ngettext("%(count)d month old", "%(count)d months old", months) % {"count": months}
    return ngettext("%(count)d year old", "%(count)d years old", months // 12) % {"count": months // 12}


def _months_between(earlier: date, later: date) -> int:
    """Whole ones, as birthdays count them."""
    months = (later.year - earlier.year) * 12 + later.month - earlier.month
    return max(months - (later.day < earlier.day), 0)


def feeding_words(feeding: str) -> str:
    """Empty for what is not told."""
    if not feeding:
        return ""
    return {
        Feeding.BREAST: _("breast milk"),
        Feeding.FORMULA: _("formula"),
        Feeding.BOTH: _("breast milk and formula"),
        Feeding.SOLIDS: _("solid food, too"),
    }[Feeding(feeding)]


def _wishes(person: Person) -> list[str]:
    tones = {
        Tone.WARM: _("Likes a warm tone"),
        Tone.PLAIN: _("Likes a matter-of-fact tone"),
        Tone.BRIEF: _("Likes answers as short as possible"),
    }
    readings = {
        Reading.SIMPLE: _("Likes very simple words"),
        Reading.PLAIN: _("Likes plain words"),
        Reading.DETAILED: _("Likes more detail, with medical terms explained"),
    }
    about = one_line(person.about, NOTE_CHARS)
    return [about, tones.get(person.tone, ""), readings.get(person.reading, "")]  # type: ignore[call-overload]


def one_line(text: str, most: int) -> str:
    """What a person typed, as a part of one line: no line breaks, no characters that nobody sees or that turn
    the direction of what follows, at most `most` characters.
    """
    shown = "".join(
        char if char in _JOINERS or unicodedata.category(char)[0] not in "CZ" else " "
        for char in unicodedata.normalize("NFC", text)
    )
    return " ".join(shown.split())[:most].strip()
