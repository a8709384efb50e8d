"""What a person agrees to before their first message, and how often they are told that this is a machine."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.errors import ConsentNeeded
from chat.models import Consent, Person

VERSION = "2026-11"
"""Of what `points` say. Whoever agreed to another version is asked again."""
TOLD_EVERY = timedelta(hours=3)
_HERE = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Point:
    title: str
    words: str


def points() -> list[Point]:
    """In the language that is active."""
    return [
        Point(_("An AI, not a person"), _("Nightlight is a machine. It can be wrong.")),
        Point(
            _("Not a doctor"),
            _("It does not replace a doctor, midwife or nurse. In an emergency, call for help first."),
        ),
        Point(_("What is kept"), kept_words()),
        Point(
            _("Who may read it"),
            _("You. People of the clinic who check answers may read conversations. Nobody else."),
        ),
        Point(_("Where it is answered"), place_words()),
    ]


def kept_words() -> str:
    """What is stored, and for how long."""
    days: int = settings.KEEP_DAYS
    if not days:
        return _("Your messages and the answers, until you delete them.")
    words = ngettext(
        "Your messages and the answers, until you delete them, or %(days)d day after you last used them.",
        "Your messages and the answers, until you delete them, or %(days)d days after you last used them.",
        days,
    )
    return words % {"days": days}


def place_words() -> str:
    """Where the model runs, as far as the settings say it."""
    if settings.MODEL_PLACE:
        return _("Your words are sent to an AI model at %(place)s.") % {"place": settings.MODEL_PLACE}
    places = [place for model in settings.MODELS for place in model.deployments]
    if places and all(urlsplit(place.address).hostname in _HERE for place in places):
        return _("Your words stay on the computer that Nightlight runs on.")
    if any(place.kind == "azure" for place in places):
        return _("Your words are sent to an AI model at Microsoft Azure.")
    return _("Your words are sent to the AI model that this clinic has chosen.")


def is_given(person: Person | None) -> bool:
    """Whether nothing is left to ask. Sync."""
    if not settings.CONSENT_REQUIRED:
        return True
    return bool(person and person.pk and person.consents.filter(version=VERSION).exists())


def require(person: Person) -> None:
    """Raises `ConsentNeeded`. Sync."""
    if not is_given(person):
        raise ConsentNeeded(_("Please read what Nightlight is, and agree to it. Your message is still here."))


def give(person: Person, language: str) -> None:
    """Note that a person agreed to what `points` say now; a second time changes nothing. Sync."""
    Consent.objects.get_or_create(person=person, version=VERSION, defaults={"language": language})


def must_tell_ai(person: Person, now: datetime) -> bool:
    """Whether the page says again that this is a machine: for the first time, and every three hours of use.
    The start of a conversation says it in any case.
    """
    return person.told_ai_at is None or now - person.told_ai_at >= TOLD_EVERY
