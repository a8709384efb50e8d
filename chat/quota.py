"""How many tokens a person may use on one of their days, in their own time zone; guests count in UTC.

Opening an answer takes what it may cost at most (`reserve`), its end gives back what was not used
(`settle`), and while it streams a `Meter` tells when what was taken is used up. The functions with a database
are sync and belong into the transaction of their turn, as its last statement: they lock the person's row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from functools import cache
from math import ceil
from typing import Protocol
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from chat.context import BYTES_PER_TOKEN, TOKENS_PER_MESSAGE, estimate_tokens
from chat.errors import Refusal
from chat.models import Person
from chat.statements import add, update
from streaming.events import Usage
from streaming.providers.base import PromptMessage
from streaming.providers.trace import Trace

MILLION = 1_000_000
COST_STEP = Decimal("0.000001")
"""As `Generation.cost` keeps it."""


class QuotaExceeded(Refusal):
    """A day's tokens are used up; `retry_after` leads to the person's midnight."""

    status, code, title = 429, "quota_exceeded", "Daily limit reached"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one answer may use, prompt included, until `resets_at`. `tokens` is None where nothing limits it.

    `day` is the person's own day that it was taken from; `resets_at` stands in their time zone.
    """

    tokens: int | None
    day: date
    resets_at: datetime

    def retry_after(self, now: datetime | None = None) -> int:
        """Seconds until there are new tokens, at least one."""
        return max(1, ceil((self.resets_at - (now or timezone.now())).total_seconds()))


@dataclass(frozen=True, slots=True)
class Account:
    """A day's account of a person: `used` counts what running answers have reserved, too."""

    limit: int
    used: int
    day: date
    resets_at: datetime

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)


# --- Days -------------------------------------------------------------------------------------------------


@cache
def known_timezones() -> frozenset[str]:
    """The names that a person may choose. Reads a few hundred files, once."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def is_timezone(name: str) -> bool:
    return name in known_timezones()


def zone_of(person: Person | None) -> tzinfo:
    """A person's time zone; UTC for guests, and where none is set or it is not known here."""
    if person is None or person.is_guest or not person.timezone:
        return ZoneInfo("UTC")
    try:
        return ZoneInfo(person.timezone)
    except (KeyError, ValueError, OSError):  # renamed since, not a name, or the name of a folder
        return ZoneInfo("UTC")


def today_of(person: Person | None) -> date:
    """The date that a person's clock shows."""
    return timezone.now().astimezone(zone_of(person)).date()


def _day(person: Person | None, now: datetime) -> date:
    """The day that a person's tokens count for.

    It never goes back: who moves west, or says so, gets no second allowance for a day that had begun.
    """
    today = now.astimezone(zone_of(person)).date()
    begun = person.quota_day if person else None
    return max(today, begun) if begun else today


def day_at(person: Person, moment: datetime) -> date:
    """The person's own day at a moment in the past: for `settle`, where the allowance is not at hand."""
    return moment.astimezone(zone_of(person)).date()


def _end_of(day: date, zone: tzinfo) -> datetime:
    """The first moment of the next day. Where the clocks are put forward at midnight, that is not 00:00."""
    midnight = datetime.combine(day + timedelta(days=1), time.min, zone)
    return midnight.astimezone(ZoneInfo("UTC")).astimezone(zone)


def _limit(person: Person | None) -> int | None:
    guest = person is None or person.is_guest
    limit: int | None = settings.QUOTA_GUEST_TOKENS_PER_DAY if guest else settings.QUOTA_TOKENS_PER_DAY
    return limit


def account(person: Person | None, now: datetime | None = None) -> Account | None:
    """How a person's day stands; None where nothing limits them. No query."""
    limit = _limit(person)
    if limit is None:
        return None
    day = _day(person, now or timezone.now())
    used = person.quota_tokens if person and person.quota_day == day else 0
    return Account(limit, used, day, _end_of(day, zone_of(person)))


def words(resets_at: datetime) -> str:
    """What to tell a person whose tokens are used up. `resets_at` stands in their time zone."""
    zone = str(resets_at.tzinfo)
    at = f"{resets_at:%H:%M}"
    if zone == "UTC":
        return _("That is all for today. Nightlight answers again from %(at)s UTC.") % {"at": at}
    return _("That is all for today. Nightlight answers again from %(at)s (%(zone)s time).") % {
        "at": at,
        "zone": zone.rpartition("/")[2].replace("_", " "),
    }


# --- Taking and giving back -------------------------------------------------------------------------------


def reserve(person: Person, tokens: int, *, least: int = 1, now: datetime | None = None) -> Allowance:
    """Take `tokens` from a person's day, or what is left of it; at least `least`, or nothing. Sync.

    Prompt and longest answer together are what an answer may use; `least` is best the prompt and a few words,
    since less buys no answer. Raises `QuotaExceeded`. One statement, or three where another process changed
    the account in between; none where nothing limits the person, or nothing is left.
    """
    now = now or timezone.now()
    seen = account(person, now)
    if seen is None:
        day = _day(person, now)
        return Allowance(None, day, _end_of(day, zone_of(person)))
    # The usual case: what was read with the person still holds.
    granted = _granted(seen, tokens, least, now)
    if not _taken(person, seen.day, seen.used + granted):
        person.refresh_from_db(
            fields=["quota_day", "quota_tokens"], from_queryset=Person.objects.select_for_update()
        )
        seen = account(person, now) or seen
        granted = _granted(seen, tokens, least, now)
        Person.objects.filter(pk=person.pk).update(quota_day=seen.day, quota_tokens=seen.used + granted)
    person.quota_day, person.quota_tokens = seen.day, seen.used + granted
    return Allowance(granted, seen.day, seen.resets_at)


def _taken(person: Person, day: date, tokens: int) -> bool:
    """Write the account down if it is still as it was read with the person."""
    was = {"pk": person.pk, "quota_tokens": person.quota_tokens}
    now = {"quota_day": day, "quota_tokens": tokens}
    if person.quota_day is None:
        return bool(Person.objects.filter(**was, quota_day=None).update(**now))
    return bool(update(Person, was | {"quota_day": person.quota_day}, now))


def _granted(seen: Account, tokens: int, least: int, now: datetime) -> int:
    if seen.left < max(1, least):
        wait = Allowance(0, seen.day, seen.resets_at).retry_after(now)
        raise QuotaExceeded(words(seen.resets_at), retry_after=wait)
    return min(seen.left, tokens)


def settle(person_pk: int, reserved: int, used: int, day: date) -> None:
    """Replace what an answer had reserved on a `day` by what it used. Sync; one statement, or none.

    Nothing where a later day has begun since: it began at zero. More used than reserved is counted, too.
    """
    if reserved != used:
        add(Person, {"pk": person_pk, "quota_day": day}, "quota_tokens", used - reserved)


# --- Counting ---------------------------------------------------------------------------------------------


class Meter:
    """Counts an answer while it streams, by the same estimate as `estimate_usage`. Pure."""

    __slots__ = ("_bytes_left",)

    def __init__(self, allowance: Allowance, prompt_tokens: int = 0) -> None:
        limit = allowance.tokens
        self._bytes_left = None if limit is None else (limit - prompt_tokens) * BYTES_PER_TOKEN

    def count(self, text: str | Sequence[str]) -> bool:
        """Count a text, or pieces of one; True when the allowance is used up."""
        if self._bytes_left is None:
            return False
        whole = text if isinstance(text, str) else "".join(text)
        self._bytes_left -= len(whole) if whole.isascii() else len(whole.encode())
        return self._bytes_left <= 0


def prompt_tokens(prompt: Sequence[PromptMessage]) -> int:
    """An estimate of what the provider will count for a prompt."""
    return sum(estimate_tokens(message["content"]) + TOKENS_PER_MESSAGE for message in prompt)


def estimate_usage(prompt: Sequence[PromptMessage], text: str) -> Usage:
    """What an answer will have cost where the provider did not say."""
    return Usage(prompt_tokens(prompt), estimate_tokens(text) if text else 0)


def charged(
    told: Usage | None, trace: Trace, prompt: Sequence[PromptMessage], text: str
) -> tuple[Usage | None, bool]:
    """What a text cost, and whether any of it is our estimate, because a provider did not say. None where
    nobody was asked. `told`: by the provider whose answer ended well.
    """
    if trace.uncounted_attempts:
        counted = told or Usage(0, 0)
        prompts = trace.uncounted_attempts * prompt_tokens(prompt)
        return Usage(
            counted.prompt_tokens + prompts, counted.completion_tokens + trace.uncounted_pieces
        ), True
    if told is not None or not trace.attempts:
        return told, False
    return estimate_usage(prompt, text), True


class Priced(Protocol):
    """`streaming.providers.catalogue.ModelSpec`, as this module uses it: prices for a million tokens."""

    @property
    def price_in(self) -> Decimal | float | None: ...
    @property
    def price_out(self) -> Decimal | float | None: ...


def cost(model: Priced, usage: Usage) -> Decimal | None:
    """The price of an answer, in the price list's currency; None where the model has no price."""
    if model.price_in is None or model.price_out is None:
        return None
    inward = Decimal(str(model.price_in)) * usage.prompt_tokens
    outward = Decimal(str(model.price_out)) * usage.completion_tokens
    return ((inward + outward) / MILLION).quantize(COST_STEP)
