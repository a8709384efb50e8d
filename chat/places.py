"""Where a person is: as the request says, as they chose before, or guessed from their clock or language."""

from dataclasses import dataclass

from django.utils.translation.trans_real import parse_accept_lang_header

from chat.models import Person
from chat.quota import is_timezone
from safety.cards.places import country_of_timezone, has_numbers, is_elsewhere

HEADER_CHARS = 200


@dataclass(frozen=True, slots=True)
class Place:
    """An ISO 3166 country, empty where nothing is known."""

    country: str = ""
    guessed: bool = False


def place_of(
    person: Person | None, *, country: str | None, timezone: str | None, accept_language: str
) -> Place:
    """Country of the request, then the person's, then a guess: from the time zone, then from the language.

    Only a country whose numbers we have is guessed. Where the time zone is another country's, the language is
    not asked: many people outside the United States read American English.
    """
    if known := country or (person.country if person else ""):
        return Place(as_code(known))
    zone = timezone or (person.timezone if person else "")
    abroad = is_timezone(zone) and is_elsewhere(zone)
    guess = country_of_timezone(zone) or ("" if abroad else _region(accept_language))
    return Place(guess, guessed=True) if has_numbers(guess) else Place()


def as_code(country: str) -> str:
    """In capitals; "UK" is understood."""
    code = country.upper()
    return "GB" if code == "UK" else code


def _region(accept_language: str) -> str:
    """Of the language that a reader likes best, as in "de-AT" or "fr, fr-CA;q=0.8"."""
    liked = [tag for tag, _quality in parse_accept_lang_header(accept_language[:HEADER_CHARS])]
    if not liked:
        return ""
    best = liked[0].partition("-")[0]
    parts = [part for tag in liked if tag.partition("-")[0] == best for part in tag.split("-")[1:]]
    return next((part.upper() for part in parts if len(part) == 2 and part.isalpha()), "")
