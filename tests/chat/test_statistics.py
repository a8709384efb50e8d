"""An hour's answers in a row: what is counted, when again, and by which index."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from chat.models import AnswerStatistics, Conversation, Generation, Message, Role
from chat.models.usage import ASIDES
from chat.statistics import LATE, count_aside, percentile, roll_up
from streaming.events import Usage

pytestmark = pytest.mark.django_db

TEN = datetime(2026, 11, 23, 10, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def ended(alice):
    """Makes an answer that ended at a moment."""

    def make(at, status="complete", **facts):
        conversation = Conversation.objects.create(owner=alice, title="t", updated_at=at or TEN)
        question = Message.objects.create(conversation=conversation, role=Role.USER, author=alice)
        told = Message.objects.create(
            conversation=conversation, role=Role.ASSISTANT, question=question, status=status
        )
        return Generation.objects.create(
            message=told, ended_at=at, **{"model": "gpt-test", "deployment": "east"} | facts
        )

    return make


def hours(*fields):
    return list(AnswerStatistics.objects.order_by("hour", "model", "deployment").values_list("hour", *fields))


def test_an_hour_is_counted_with_all_that_is_known_of_its_answers(ended):
    figures = {
        "ttft_ms": 400,
        "duration_ms": 4000,
        "gap_p50_ms": 20,
        "gap_p95_ms": 90,
        "tokens_per_second": 30.5,
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "cost": Decimal("0.001500"),
        "retries": 1,
        "failovers": 2,
        "lost_readers": 3,
    }
    ended(TEN, **figures)
    ended(TEN + 30 * MINUTE, **figures | {"ttft_ms": 600, "duration_ms": 9000, "tokens_per_second": 10.0})
    ended(TEN + 31 * MINUTE, cached=True, ttft_ms=1, duration_ms=2, cost=Decimal(0))
    for status in ("stopped", "refused", "interrupted", "failed"):
        ended(TEN + 59 * MINUTE, status)
    assert roll_up(TEN + 61 * MINUTE) == 1
    fields = [f.name for f in AnswerStatistics._meta.fields if f.name not in ("id", "hour")]
    (row,) = AnswerStatistics.objects.values(*fields)
    assert row == {
        "model": "gpt-test",
        "deployment": "east",
        "rolled_at": TEN + 61 * MINUTE,
        "answers": 7,
        "complete": 3,
        "stopped": 1,
        "refused": 1,
        "interrupted": 1,
        "failed": 1,
        "cached": 1,
        "retries": 2,
        "failovers": 4,
        "lost_readers": 6,
        "prompt_tokens": 200,
        "completion_tokens": 100,
        "cost": Decimal("0.003000"),
        "ttft_p50_ms": 400,
        "ttft_p95_ms": 600,
        "gap_p50_ms": 20,
        "gap_p95_ms": 90,
        "tokens_per_second": 10.0,
        "duration_p50_ms": 4000,
        "duration_p95_ms": 9000,
    }


def test_titles_and_summaries_are_added_up_and_leave_the_count_of_answers_alone(ended):
    ended(timezone.now() - 2 * HOUR)
    count_aside("gpt-test", Usage(50, 5), Decimal("0.001"))
    count_aside("gpt-test", Usage(70, 7), None)
    assert roll_up(timezone.now()) == 1
    fields = ("deployment", "answers", "prompt_tokens", "completion_tokens", "cost")
    assert [row[1:] for row in hours(*fields)] == [
        ("east", 1, 0, 0, Decimal(0)),
        (ASIDES, 0, 120, 12, Decimal("0.001")),
    ]


def test_each_hour_model_and_deployment_has_its_row(ended):
    ended(TEN - timedelta(microseconds=1))
    ended(TEN)
    ended(TEN, deployment="west")
    ended(TEN, model="other", deployment="")
    ended(TEN + HOUR)
    assert roll_up(TEN + HOUR) == 5
    assert hours("model", "deployment", "answers") == [
        (TEN - HOUR, "gpt-test", "east", 1),
        (TEN, "gpt-test", "east", 1),
        (TEN, "gpt-test", "west", 1),
        (TEN, "other", "", 1),
        (TEN + HOUR, "gpt-test", "east", 1),
    ]


def test_running_answers_are_not_counted(ended):
    ended(None)
    assert (roll_up(TEN), hours()) == (0, [])


def test_counting_again_changes_nothing(ended):
    ended(TEN + MINUTE)
    ended(TEN + 2 * MINUTE, "failed")
    for _ in range(3):
        assert roll_up(TEN + 3 * MINUTE) == 1
    assert hours("answers", "complete", "failed") == [(TEN, 2, 1, 1)]


def test_what_ends_later_in_the_hour_is_added(ended):
    ended(TEN + MINUTE)
    roll_up(TEN + 2 * MINUTE)
    ended(TEN + 3 * MINUTE)
    roll_up(TEN + 4 * MINUTE)
    assert hours("answers", "rolled_at") == [(TEN, 2, TEN + 4 * MINUTE)]


def test_an_answer_that_becomes_visible_late_is_added_to_its_hour(ended):
    ended(TEN + 58 * MINUTE)
    roll_up(TEN + HOUR)
    ended(TEN + 59 * MINUTE)
    ended(TEN + HOUR)
    roll_up(TEN + HOUR + LATE)
    assert hours("answers") == [(TEN, 2), (TEN + HOUR, 1)]


def test_hours_without_answers_are_bridged(ended):
    ended(TEN)
    roll_up(TEN + MINUTE)
    ended(TEN + 30 * HOUR)
    assert roll_up(TEN + 30 * HOUR + MINUTE) == 2
    assert hours("answers") == [(TEN, 1), (TEN + 30 * HOUR, 1)]


def test_an_hour_outlives_the_conversations_it_counted(ended):
    gone = ended(TEN + MINUTE, cost=Decimal("0.5"))
    kept = ended(TEN + 2 * MINUTE)
    roll_up(TEN + 3 * MINUTE)
    gone.message.conversation.delete()
    roll_up(TEN + 4 * MINUTE)
    assert hours("answers", "cost") == [(TEN, 2, Decimal("0.5"))]
    kept.message.conversation.delete()
    roll_up(TEN + 9 * HOUR)
    assert hours("answers", "cost") == [(TEN, 2, Decimal("0.5"))]


def test_another_worker_may_have_counted_just_now(ended, django_assert_num_queries):
    ended(TEN)
    roll_up(TEN + MINUTE)
    with django_assert_num_queries(1):
        assert roll_up(TEN + 2 * MINUTE, at_most_every=2 * MINUTE) == 0
    assert roll_up(TEN + 3 * MINUTE, at_most_every=2 * MINUTE) == 1


@pytest.mark.parametrize("answers", [1, 30])
def test_counting_takes_the_same_statements_whatever_there_is(answers, ended):
    for number in range(answers):
        ended(TEN + number * MINUTE, model=f"m{number % 3}")
    with CaptureQueriesContext(connection) as first:
        roll_up(TEN + 50 * MINUTE)
    with CaptureQueriesContext(connection) as idle:
        roll_up(TEN + 3 * HOUR)
        roll_up(TEN + 3 * HOUR)
    # the last count, the answers, the rows there are, the rows; then twice: the last count and nothing new
    statements = [sql["sql"].split()[0] for sql in first if "SAVEPOINT" not in sql["sql"]]
    kinds = ["SELECT" if word == "DECLARE" else word for word in statements]
    assert kinds == ["SELECT", "SELECT", "SELECT", "INSERT"]
    assert sum("SAVEPOINT" not in sql["sql"] for sql in idle) == 4 + 2


def test_answers_are_found_by_the_index_of_their_end(ended):
    """Among many old ones, only an hour's are read."""
    for number in range(300):
        ended(TEN - HOUR * number)
    roll_up(TEN)
    ended(TEN + 2 * HOUR)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as captured:
        roll_up(TEN + 2 * HOUR + MINUTE)
    reading = [q["sql"] for q in captured if 'FROM "chat_generation"' in q["sql"]]
    # An iterator on PostgreSQL declares a cursor, which has no plan of its own.
    asked = reading[0].partition(" FOR SELECT ")[2]
    with connection.cursor() as cursor:
        explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{explain} {'SELECT ' + asked if asked else reading[0]}")
        plan = "\n".join(str(line) for line in cursor.fetchall())
    assert (len(reading), plan.count("generation_ended")) == (1, 1), plan
    assert [plan.count(scan) for scan in ("SCAN chat_generation", "Seq Scan on chat_generation")] == [0, 0]


# --- Percentiles --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "percent", "value"),
    [
        ([], 50, None),
        ([None], 95, None),
        ([7], 50, 7),
        ([7, None], 95, 7),
        ([3, 1, 2], 50, 2),
        ([4, 3, 1, 2], 50, 2),
        (range(1, 101), 95, 95),
        (range(1, 21), 95, 19),
    ],
)
def test_percentile(values, percent, value):
    assert percentile(values, percent) == value


@given(st.lists(st.integers(0, 50), min_size=1), st.integers(1, 100))
def test_a_percentile_is_a_value_that_enough_others_do_not_exceed(values, percent):
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)
