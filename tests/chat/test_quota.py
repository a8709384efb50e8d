"""A day's tokens: what is taken, given back and counted, on the person's own day."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from chat import quota
from chat.models import Person
from streaming.events import Usage

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY = NOON.date()


def person_of(timezone="", *, guest=False, day=None, tokens=0):
    """A person who is nowhere saved."""
    return Person(user_id=None if guest else 1, timezone=timezone, quota_day=day, quota_tokens=tokens)


@pytest.fixture
def limit(settings):
    settings.QUOTA_TOKENS_PER_DAY, settings.QUOTA_GUEST_TOKENS_PER_DAY = 1000, 100


# --- Days ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timezone", "now", "day", "resets_at"),
    [
        ("", "2026-11-23T23:59:59+00:00", "2026-11-23", "2026-11-24T00:00:00+00:00"),
        ("Europe/Berlin", "2026-11-23T22:59:59+00:00", "2026-11-23", "2026-11-23T23:00:00+00:00"),
        ("Europe/Berlin", "2026-11-23T23:00:00+00:00", "2026-11-24", "2026-11-24T23:00:00+00:00"),
        # The day the clocks go back has 25 hours, the one they go forward 23.
        ("Europe/Berlin", "2026-10-24T22:00:00+00:00", "2026-10-25", "2026-10-25T23:00:00+00:00"),
        ("Europe/Berlin", "2026-03-28T23:00:00+00:00", "2026-03-29", "2026-03-29T22:00:00+00:00"),
        # In Cairo they go forward at midnight: that day begins at 01:00.
        ("Africa/Cairo", "2026-04-23T21:59:59+00:00", "2026-04-23", "2026-04-23T22:00:00+00:00"),
        # In Havana they go back from 01:00 to 00:00: midnight comes twice, and the first one counts.
        ("America/Havana", "2026-11-01T03:59:59+00:00", "2026-10-31", "2026-11-01T04:00:00+00:00"),
        ("America/Havana", "2026-11-01T05:30:00+00:00", "2026-11-01", "2026-11-02T05:00:00+00:00"),
        # Samoa left a day out.
        ("Pacific/Apia", "2011-12-30T09:59:59+00:00", "2011-12-29", "2011-12-30T10:00:00+00:00"),
        ("Asia/Kathmandu", "2026-11-23T18:14:59+00:00", "2026-11-23", "2026-11-23T18:15:00+00:00"),
        ("Nowhere/Atlantis", "2026-11-23T23:30:00+00:00", "2026-11-23", "2026-11-24T00:00:00+00:00"),
        ("../../etc/passwd", "2026-11-23T23:30:00+00:00", "2026-11-23", "2026-11-24T00:00:00+00:00"),
        ("America", "2026-11-23T23:30:00+00:00", "2026-11-23", "2026-11-24T00:00:00+00:00"),
    ],
)
def test_the_day_is_the_persons_own(timezone, now, day, resets_at, limit):
    account = quota.account(person_of(timezone), datetime.fromisoformat(now))
    # In UTC: of a moment that comes twice, Python says that it equals none in another zone.
    ended = account.resets_at.astimezone(UTC)
    assert (account.day, ended) == (date.fromisoformat(day), datetime.fromisoformat(resets_at))


@effort(deadline=None)
@given(
    st.sampled_from(sorted(quota.known_timezones())), st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1))
)
def test_a_day_ends_in_every_zone_at_the_first_moment_of_another(timezone, moment):
    now, zone = moment.replace(tzinfo=UTC), ZoneInfo(timezone)
    day = now.astimezone(zone).date()
    end = quota._end_of(day, zone)
    assert end > now
    assert (end.astimezone(UTC) - timedelta(microseconds=1)).astimezone(zone).date() <= day
    assert end.astimezone(UTC).astimezone(zone).date() > day
    assert end - now <= timedelta(hours=49)


def test_guests_count_in_utc(limit):
    guest = person_of("Europe/Berlin", guest=True)
    late = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    assert quota.account(guest, late).day == TODAY
    assert quota.account(None, late) == quota.Account(
        100, 0, TODAY, datetime(2026, 11, 24, tzinfo=ZoneInfo("UTC"))
    )


def test_a_new_day_begins_at_zero(limit):
    yesterday = person_of(day=TODAY - timedelta(days=1), tokens=1000)
    assert (quota.account(yesterday, NOON).used, quota.account(yesterday, NOON).left) == (0, 1000)


def test_moving_west_brings_no_second_allowance(limit):
    # In Kiritimati it is tomorrow already; back in UTC that day is still the one that counts.
    spent = person_of("Pacific/Kiritimati", day=TODAY + timedelta(days=1), tokens=1000)
    spent.timezone = "UTC"
    account = quota.account(spent, NOON)
    assert (account.left, account.day) == (0, TODAY + timedelta(days=1))
    assert account.resets_at == datetime(2026, 11, 25, tzinfo=UTC)


def test_a_limit_that_was_lowered_leaves_nothing_rather_than_less(limit, settings):
    settings.QUOTA_TOKENS_PER_DAY = 10
    assert quota.account(person_of(day=TODAY, tokens=999), NOON).left == 0


def test_names_of_time_zones_are_those_of_the_database():
    names = ("Europe/Berlin", "UTC", "Europe/Atlantis", "america/new_york", "America", "localtime", "")
    assert [quota.is_timezone(name) for name in names] == [True, True, False, False, False, False, False]


@pytest.mark.parametrize(
    ("resets_at", "said"),
    [
        (
            datetime(2026, 11, 24, tzinfo=ZoneInfo("UTC")),
            "That is all for today. Nightlight answers again from 00:00 UTC.",
        ),
        (
            datetime(2026, 11, 24, tzinfo=ZoneInfo("America/New_York")),
            "That is all for today. Nightlight answers again from 00:00 (New York time).",
        ),
        (
            quota._end_of(date(2026, 4, 23), ZoneInfo("Africa/Cairo")),
            "That is all for today. Nightlight answers again from 01:00 (Cairo time).",
        ),
    ],
)
def test_words_say_when_it_goes_on(resets_at, said):
    assert quota.words(resets_at) == said


# --- Taking and giving back ---------------------------------------------------------------------------------


def day_of(person):
    person.refresh_from_db()
    return person.quota_day, person.quota_tokens


def test_what_is_taken_is_counted_until_it_is_settled(alice, limit):
    allowance = quota.reserve(alice, 600, now=NOON)
    assert allowance == quota.Allowance(600, TODAY, datetime(2026, 11, 24, tzinfo=ZoneInfo("UTC")))
    assert day_of(alice) == (TODAY, 600)
    quota.settle(alice.pk, 600, 150, allowance.day)
    assert day_of(alice) == (TODAY, 150)


def test_the_last_answer_of_a_day_gets_what_is_left(alice, limit):
    assert [quota.reserve(alice, 600, now=NOON).tokens for _ in range(2)] == [600, 400]
    with pytest.raises(quota.QuotaExceeded) as refused:
        quota.reserve(alice, 600, now=NOON)
    assert (refused.value.status, refused.value.code, refused.value.retry_after) == (
        429,
        "quota_exceeded",
        12 * 3600,
    )
    assert refused.value.detail == "That is all for today. Nightlight answers again from 00:00 UTC."
    assert day_of(alice) == (TODAY, 1000)


def test_less_than_an_answer_needs_is_not_taken(alice, limit):
    quota.reserve(alice, 900, now=NOON)
    with pytest.raises(quota.QuotaExceeded):
        quota.reserve(alice, 600, least=101, now=NOON)
    assert day_of(alice) == (TODAY, 900)
    assert quota.reserve(alice, 600, least=100, now=NOON).tokens == 100


def test_the_next_day_has_its_own(alice, limit):
    quota.reserve(alice, 1000, now=NOON)
    tomorrow = NOON + timedelta(days=1)
    assert quota.reserve(alice, 600, now=tomorrow).tokens == 600
    assert day_of(alice) == (tomorrow.date(), 600)


def test_an_answer_that_ends_on_another_day_takes_nothing_from_it(alice, limit):
    before_midnight = quota.reserve(alice, 600, now=NOON)
    quota.reserve(alice, 300, now=NOON + timedelta(days=1))
    quota.settle(alice.pk, 600, 10, before_midnight.day)
    assert day_of(alice) == (TODAY + timedelta(days=1), 300)


def test_more_used_than_reserved_is_counted(alice, limit):
    allowance = quota.reserve(alice, 900, now=NOON)
    quota.settle(alice.pk, 900, 1200, allowance.day)
    assert (day_of(alice), quota.account(alice, NOON).left) == ((TODAY, 1200), 0)


def test_what_was_counted_never_falls_below_zero(alice, limit):
    quota.reserve(alice, 100, now=NOON)
    quota.settle(alice.pk, 600, 0, TODAY)
    assert day_of(alice) == (TODAY, 0)


def test_settling_for_who_has_gone_does_nothing(alice, limit):
    quota.settle(alice.pk + 1000, 600, 10, TODAY)
    assert day_of(alice) == (None, 0)


def test_without_a_limit_nothing_is_written(alice, settings, django_assert_num_queries):
    settings.QUOTA_TOKENS_PER_DAY = None
    with django_assert_num_queries(0):
        allowance = quota.reserve(alice, 600, now=NOON)
    assert (allowance.tokens, quota.account(alice, NOON)) == (None, None)
    assert day_of(alice) == (None, 0)


def test_taking_and_giving_back_are_one_statement_each(alice, limit, django_assert_num_queries):
    with django_assert_num_queries(1):
        quota.reserve(alice, 600, now=NOON)
    with django_assert_num_queries(1):
        quota.settle(alice.pk, 600, 10, TODAY)
    with django_assert_num_queries(0):
        quota.settle(alice.pk, 600, 600, TODAY)


def test_an_account_that_changed_since_it_was_read_is_read_again(alice, limit, django_assert_num_queries):
    elsewhere = Person.objects.get(pk=alice.pk)
    quota.reserve(elsewhere, 700, now=NOON)
    with django_assert_num_queries(3):
        assert quota.reserve(alice, 600, now=NOON).tokens == 300
    assert day_of(alice) == (TODAY, 1000)
    with pytest.raises(quota.QuotaExceeded):
        quota.reserve(elsewhere, 600, now=NOON)
    assert day_of(alice) == (TODAY, 1000)


def test_guests_have_a_limit_of_their_own(alice, limit, db):
    guest = Person.objects.of_guest("00000000-0000-4000-8000-000000000001")
    assert (quota.reserve(guest, 600, now=NOON).tokens, quota.reserve(alice, 600, now=NOON).tokens) == (
        100,
        600,
    )


@dataclass
class Reserved:
    tokens: int
    day: date


steps = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.integers(1, 1500), st.booleans()),
        st.tuples(st.just("settle"), st.integers(0, 100), st.booleans()),
        st.tuples(st.just("sleep"), st.integers(1, 30), st.booleans()),
    ),
    max_size=25,
)


@effort(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_whatever_is_taken_and_settled_the_count_stays_within_its_bounds(alice, limit, steps):
    """`settle` uses a percentage of what was reserved. Some calls come from a process that read long ago."""
    Person.objects.filter(pk=alice.pk).update(quota_day=None, quota_tokens=0)
    stale, now, running = Person.objects.get(pk=alice.pk), NOON, []
    for kind, number, is_stale in steps:
        match kind:
            case "reserve":
                person = stale if is_stale else Person.objects.get(pk=alice.pk)
                try:
                    allowance = quota.reserve(person, number, now=now)
                except quota.QuotaExceeded as refused:
                    assert 0 < refused.retry_after <= 24 * 3600
                else:
                    running.append(Reserved(allowance.tokens, allowance.day))
            case "settle" if running:
                one = running.pop(number % len(running))
                quota.settle(alice.pk, one.tokens, one.tokens * number // 100, one.day)
            case "sleep":
                now += timedelta(hours=number)
        day, tokens = Person.objects.values_list("quota_day", "quota_tokens").get(pk=alice.pk)
        assert sum(one.tokens for one in running if one.day == day) <= tokens <= 1000


# --- Counting -----------------------------------------------------------------------------------------------


def metered(tokens, prompt=0):
    return quota.Meter(quota.Allowance(tokens, TODAY, NOON), prompt)


def test_a_meter_tells_when_the_allowance_is_used_up():
    meter = metered(5, prompt=2)  # 3 tokens are left for the answer: 12 bytes
    assert [meter.count(text) for text in ("12345", ("1", "2345"), "1", "1", "")] == [
        False,
        False,
        False,
        True,
        True,
    ]


def test_a_meter_counts_bytes_where_letters_take_several():
    assert [metered(1).count(text) for text in ("abc", "abcd", "नी", "ü", "üü")] == [
        False,
        True,
        True,
        False,
        True,
    ]


def test_a_meter_without_a_limit_never_runs_out():
    meter = metered(None, prompt=10**9)
    assert meter.count("x" * 10**6) is False


@given(st.lists(st.text(max_size=8)), st.integers(1, 40))
def test_a_meter_agrees_with_the_estimate_however_the_text_is_cut(pieces, tokens):
    one_by_one, at_once = metered(tokens), metered(tokens)
    ended = [one_by_one.count(piece) for piece in pieces]
    whole = "".join(pieces)
    assert (ended[-1] if ended else False) == (bool(ended) and at_once.count(pieces))
    if ended and ended[-1]:
        assert quota.estimate_usage([], whole).completion_tokens > tokens


PROMPT = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello?"}]


def test_usage_is_estimated_at_four_bytes_a_token_and_the_format_around_each_message():
    assert quota.prompt_tokens(PROMPT) == (8 // 4 + 1 + 4) + (6 // 4 + 1 + 4)
    assert quota.estimate_usage(PROMPT, "Twelve bytes") == Usage(13, 4)
    assert quota.estimate_usage(PROMPT, "") == Usage(13, 0)


@dataclass
class Spec:
    price_in: Decimal | None
    price_out: Decimal | None


@pytest.mark.parametrize(
    ("prices", "cost"),
    [
        ((Decimal("2.50"), Decimal("10")), Decimal("0.005500")),
        ((Decimal("0.15"), Decimal("0.6")), Decimal("0.000330")),
        ((Decimal(0), Decimal(0)), Decimal(0)),
        ((None, Decimal(1)), None),
        ((None, None), None),
    ],
)
def test_cost_is_by_the_price_of_a_million_tokens(prices, cost):
    assert quota.cost(Spec(*prices), Usage(1000, 300)) == cost
