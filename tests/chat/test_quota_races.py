"""Several workers take from one person's day at the same moment: each its own connection and transaction."""

import threading
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction

from chat import quota
from chat.models import Person

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
WORKERS = 8


def at_once(work):
    """What `work` gives in each of several threads that begin together."""
    together, given = threading.Barrier(WORKERS), []

    def run():
        try:
            together.wait(timeout=20)
            given.append(work())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(given) == WORKERS
    return given


def test_all_together_get_no_more_than_there_is(alice, settings):
    settings.QUOTA_TOKENS_PER_DAY = 1000

    def take():
        person = Person.objects.get(pk=alice.pk)
        try:
            with transaction.atomic():
                return quota.reserve(person, 300, now=NOON).tokens
        except quota.QuotaExceeded:
            return 0

    assert sorted(at_once(take)) == [0, 0, 0, 0, 100, 300, 300, 300]
    alice.refresh_from_db()
    assert (alice.quota_day, alice.quota_tokens) == (NOON.date(), 1000)


def test_what_is_given_back_meanwhile_is_not_lost(alice, settings):
    settings.QUOTA_TOKENS_PER_DAY = 10_000

    def answer():
        person = Person.objects.get(pk=alice.pk)
        for _ in range(5):
            with transaction.atomic():
                allowance = quota.reserve(person, 100, now=NOON)
            with transaction.atomic():
                quota.settle(person.pk, allowance.tokens, 7, allowance.day)
        return allowance.tokens

    assert at_once(answer) == [100] * WORKERS
    alice.refresh_from_db()
    assert alice.quota_tokens == WORKERS * 5 * 7


def test_a_transaction_that_fails_takes_nothing(alice, settings):
    settings.QUOTA_TOKENS_PER_DAY = 1000
    with pytest.raises(RuntimeError), transaction.atomic():
        quota.reserve(alice, 300, now=NOON)
        raise RuntimeError
    # What this object remembers never happened; the row decides.
    with transaction.atomic():
        assert quota.reserve(alice, 1000, now=NOON).tokens == 1000
