"""What the clinic sees of how answers are doing: tries, workers, statistics, answers that are given again."""

import html
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.models import AnswerStatistics, CachedAnswer, Generation, Person, User, Worker
from chat.models.usage import ASIDES
from chat.statistics import roll_up
from tests.chat.test_admin import make_turn
from tests.conftest import client_of

pytestmark = pytest.mark.django_db

SEEN_BY_REVIEWERS = ["answerstatistics", "cachedanswer", "generation"]
TRIES = [
    {
        "deployment": "east",
        "kind": "stream",
        "began_at": 0,
        "ms": 30,
        "error": "rate_limited",
        "detail": "429",
    },
    {
        "deployment": "west",
        "kind": "stream",
        "began_at": 0,
        "ms": 800,
        "error": "stream_interrupted",
        "detail": "<cut>",
    },
    {"deployment": "east", "kind": "continue", "began_at": 117, "ms": 950, "error": None, "detail": ""},
]


@pytest.fixture
def root(db):
    return client_of(User.objects.create_superuser("root", "root@example.org", "a-long-password"))


@pytest.fixture
def reviewer(rita):
    return client_of(rita)


def make_answer(owner, number=0, **facts):
    """An answer that ended just now."""
    _conversation, told, *_ = make_turn(owner, number)
    Generation.objects.filter(message=told).update(**facts)
    return Generation.objects.select_related("message").get(message=told)


def make_worker(number=0, *, silent=0, **facts):
    now = timezone.now()
    times = {"started_at": now - timedelta(hours=1), "beat_at": now - timedelta(seconds=silent)}
    return Worker.objects.create(host="night-1", pid=100 + number, **times, **facts)


def make_cached(owner, number=0, *, age=timedelta()):
    return CachedAnswer.objects.create(
        key=f"{number:064}", generation=make_answer(owner, number), kept_at=timezone.now() - age, hits=number
    )


def page_of(client, name, row=None, query=None):
    """The text of a page, without its tags."""
    tail = "" if row is None else f"{row.pk}/change/"
    response = client.get(f"/admin/chat/{name}/{tail}", query or {})
    assert response.status_code == 200
    source = response.content.decode()
    assert re.findall(r"<[^>]+ style=|<script>|<style", source) == []
    return source


def cells_of(source, column):
    """The texts of a column of a list."""
    found = re.findall(rf'class="[^"]*\bfield-{column}\b[^"]*">(.*?)</t[dh]>', source, re.DOTALL)
    return [text_of(cell) for cell in found]


def text_of(source):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", source)).split())


def table_of(source):
    """The rows of the first table of facts."""
    table = re.search(r'<table class="facts">.*?</table>', source, re.DOTALL).group()
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    return [
        [text_of(cell) for cell in re.findall(r"<t[dh].*?>(.*?)</t[dh]>", row, re.DOTALL)] for row in rows
    ]


# --- Answers ------------------------------------------------------------------------------------------------


def test_an_answer_shows_each_try_and_where_it_took_over(alice, reviewer):
    generation = make_answer(alice, attempts=TRIES, retries=0, failovers=2, deployment="east")
    source = page_of(reviewer, "generation", generation)
    assert table_of(source) == [
        ["Deployment", "Asked", "From character", "Took", "Ended with"],
        ["east", "for a stream", "0", "30 ms", "rate_limited 429"],
        ["west", "for a stream", "0", "800 ms", "stream_interrupted <cut>"],
        ["east", "to go on", "117", "950 ms", "what was asked for"],
    ]


def test_an_answer_that_no_model_gave_says_so(alice, reviewer):
    source = page_of(reviewer, "generation", make_answer(alice))
    assert text_of(source).count("No model was asked.") == 1


def test_the_list_tells_how_answers_went(alice, reviewer):
    make_answer(alice, 1)
    make_answer(alice, 2, attempts=TRIES, failovers=2, cost=Decimal("0.001500"))
    make_answer(alice, 3, cached=True, ttft_ms=None)
    make_answer(alice, 4, stop_reason="superseded")
    source = page_of(reviewer, "generation")
    assert cells_of(source, "outcome") == [
        "Complete, the parent sent another message",
        "Complete, replayed",
        "Complete",
        "Complete",
    ]
    assert cells_of(source, "tries") == ["–", "–", "3, 2 to another", "–"]
    assert cells_of(source, "time") == ["0.32 / 4.32", "– / 4.32", "0.32 / 4.32", "0.32 / 4.32"]
    assert cells_of(source, "cost") == ["-", "-", "0.001500", "-"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, 4),
        ({"trouble": "failed_over"}, 1),
        ({"trouble": "retried"}, 1),
        ({"trouble": "lost"}, 1),
        ({"trouble": "estimated"}, 1),
        ({"trouble": "nonsense"}, 4),
        ({"cached__exact": "1"}, 1),
        ({"cached__exact": "0"}, 3),
        ({"stop_reason__exact": "unread"}, 1),
        ({"message__status__exact": "stopped"}, 1),
        ({"model": "other"}, 1),
        ({"finish_reason": "length"}, 1),
        ({"error_code": "quota_exceeded"}, 1),
        ({"ended": "hour"}, 2),
        ({"ended": "day"}, 2),
        ({"ended": "week"}, 3),
        ({"ended": "not"}, 1),
        ({"ended": "nonsense"}, 4),
    ],
)
def test_answers_are_filtered(query, found, alice, reviewer):
    make_answer(alice, 1, failovers=2, retries=1, model="other")
    make_answer(alice, 2, cached=True, finish_reason="length", ended_at=timezone.now() - timedelta(days=6))
    stopped = make_answer(alice, 3, stop_reason="unread", lost_readers=1, usage_estimated=True)
    stopped.message.status = "stopped"
    stopped.message.save()
    make_answer(alice, 4, error_code="quota_exceeded", ended_at=None)
    response = reviewer.get("/admin/chat/generation/", query)
    assert response.context["cl"].result_count == found


def test_an_hour_of_the_statistics_leads_to_its_answers(alice, reviewer):
    make_answer(alice, 1, ended_at=datetime(2026, 11, 22, 9, 59, tzinfo=UTC))
    failed = make_answer(alice, 2, ended_at=datetime(2026, 11, 22, 10, 0, tzinfo=UTC))
    failed.message.status = "failed"
    failed.message.save()
    roll_up(datetime(2026, 11, 22, 11, tzinfo=UTC))
    source = page_of(reviewer, "answerstatistics")
    assert cells_of(source, "not_whole") == ["1 failed", "–"]
    (link,) = re.findall(r'<a href="(/admin/chat/generation/\?[^"]+)">1 failed</a>', source)
    response = reviewer.get(html.unescape(link))
    assert [row.pk for row in response.context["cl"].result_list] == [failed.pk]


def test_the_list_of_answers_reads_none_of_them_for_its_filters(alice, reviewer):
    make_answer(alice)
    with CaptureQueriesContext(connection) as captured:
        page_of(reviewer, "generation")
    reading = [q["sql"] for q in captured if 'FROM "chat_generation"' in q["sql"]]
    # How many there are, as far as anybody looks; and a page of them, along the primary key.
    assert [sql.count("LIMIT 10000") for sql in reading] == [1, 0]
    assert [sql.count('ORDER BY "chat_generation"."id" DESC') for sql in reading] == [1, 1]
    assert [sql.count("DISTINCT") + sql.count("MIN(") for sql in reading] == [0, 0]


# --- Workers ------------------------------------------------------------------------------------------------


def health(**facts):
    closed = {
        "name": "east",
        "model": "gpt",
        "state": "closed",
        "failures": 0,
        "last_error": "",
        "retry_in": 0,
    }
    return closed | facts


def test_workers_tell_how_they_and_their_deployments_are(root, settings):
    settings.SWEEP_SECONDS = 10
    make_worker(
        1, running=3, deployments=[health(), health(name="west", failures=1, last_error="429: slow down")]
    )
    make_worker(2, is_draining=True, deployments=[health(state="half-open", failures=5)])
    make_worker(3, silent=60, is_draining=True)
    source = page_of(root, "worker")
    assert cells_of(source, "__str__") == ["night-1 101", "night-1 102", "night-1 103"]
    assert cells_of(source, "state") == ["serving", "draining", "silent for 1 minute"]
    assert cells_of(source, "running") == ["3", "0", "0"]
    assert cells_of(source, "deployment_states") == [
        "east gpt answers west gpt answers 1 failure in a row 429: slow down",
        "east gpt being tried again 5 failures in a row",
        "none",
    ]


def test_an_open_breaker_says_when_it_is_tried_again(root):
    worker = make_worker(
        deployments=[health(state="open", failures=5, last_error="<timeout>", retry_in=25.5)]
    )
    Worker.objects.update(beat_at=datetime(2026, 11, 23, 10, 0, 0, tzinfo=UTC))
    source = page_of(root, "worker", worker)
    words = "east gpt left alone until 10:00:25 5 failures in a row <timeout>"
    assert text_of(source).count(words) == 1


# --- Statistics ---------------------------------------------------------------------------------------------


def make_hour(hour, **facts):
    counted = {"model": "gpt", "deployment": "east", "rolled_at": hour, "answers": 10, "complete": 10}
    return AnswerStatistics.objects.create(hour=hour, **counted | facts)


def test_days_add_up_their_hours_and_models(reviewer):
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    make_hour(today, ttft_p95_ms=800, prompt_tokens=1000, completion_tokens=200, cost=Decimal("0.25"))
    make_hour(
        today, model="other", complete=4, failed=2, interrupted=1, stopped=2, refused=1, cached=3,
        ttft_p95_ms=1200, prompt_tokens=500, cost=Decimal("0.5"),
    )  # fmt: skip
    make_hour(today - timedelta(days=1), answers=5, complete=5)
    make_hour(
        today - timedelta(days=1), deployment=ASIDES, answers=0, complete=0,
        prompt_tokens=300, completion_tokens=20, cost=Decimal("0.125"),
    )  # fmt: skip
    make_hour(today - timedelta(days=20))
    source = page_of(reviewer, "answerstatistics")
    yesterday = today - timedelta(days=1)
    assert table_of(source)[1:] == [
        [f"{today:%Y-%m-%d}", "20", "", "3", "3", "1200 ms", "1500 / 200", "0.7500", "0 / 0", "0.0000"],
        [f"{yesterday:%Y-%m-%d}", "5", "", "0", "0", "–", "0 / 0", "0.0000", "300 / 20", "0.1250"],
    ]
    assert cells_of(source, "asked").count("gpt titles and summaries") == 1
    # The busiest day is as wide as the picture: 14 of 20 whole, 3 ended by people or rules, 3 gone wrong.
    bars = re.findall(r'<rect class="(\w+)" x="([\d.]+)" y="0" width="([\d.]+)"', source)
    assert [(kind, float(x), float(width)) for kind, x, width in bars] == [
        ("whole", 0.0, 70.0),
        ("ended", 70.0, 15.0),
        ("wrong", 85.0, 15.0),
        ("whole", 0.0, 25.0),
        ("ended", 25.0, 0.0),
        ("wrong", 25.0, 0.0),
    ]


def test_statistics_without_any_answers_are_an_empty_list(reviewer):
    source = page_of(reviewer, "answerstatistics")
    assert text_of(source).count("0 answer statistics") == 1
    assert source.count("<svg viewBox") == 0


# --- Answers that are given again ---------------------------------------------------------------------------


def test_a_kept_answer_links_to_where_it_was_first_given(alice, reviewer, settings):
    settings.ANSWER_CACHE, settings.ANSWER_CACHE_SECONDS = True, 3600
    make_cached(alice, 1, age=timedelta(minutes=5))
    make_cached(alice, 2, age=timedelta(hours=2))
    source = page_of(reviewer, "cachedanswer")
    assert cells_of(source, "question") == ["Question <2>?", "Question <1>?"]
    assert cells_of(source, "hits") == ["2", "1"]
    assert cells_of(source, "age") == [
        "2 hours, expired".replace(" ", "\xa0", 1).replace("\xa0", " "),
        "5 minutes",
    ]
    assert cells_of(source, "made_with") == ["gpt-test p", "gpt-test p"]
    for row in CachedAnswer.objects.all():
        told = row.generation.message
        assert source.count(f"/admin/chat/conversation/{told.conversation_id}/change/#m-{told.uuid}") == 1


@pytest.mark.parametrize(("which", "left"), [("expired", [1]), ("all", [])])
def test_kept_answers_are_purged_and_their_sources_stay(which, left, alice, root, settings):
    settings.ANSWER_CACHE_SECONDS = 3600
    make_cached(alice, 1)
    make_cached(alice, 2, age=timedelta(hours=2))
    response = root.post(f"/admin/chat/cachedanswer/purge/{which}/")
    assert (response.status_code, response["Location"]) == (302, "/admin/chat/cachedanswer/")
    assert list(CachedAnswer.objects.values_list("hits", flat=True)) == left
    assert Generation.objects.count() == 2


def test_chosen_kept_answers_are_purged(alice, root):
    gone, kept = make_cached(alice, 1), make_cached(alice, 2)
    form = {"action": "delete_selected", "_selected_action": [gone.pk], "post": "yes"}
    assert root.post("/admin/chat/cachedanswer/", form).status_code == 302
    assert list(CachedAnswer.objects.values_list("pk", flat=True)) == [kept.pk]


def test_reading_purges_nothing(alice, root, reviewer):
    make_cached(alice, 1)
    assert root.get("/admin/chat/cachedanswer/purge/all/").status_code == 405
    assert reviewer.post("/admin/chat/cachedanswer/purge/all/").status_code == 403
    assert root.post("/admin/chat/cachedanswer/purge/something/").status_code == 404
    assert client_of(alice).post("/admin/chat/cachedanswer/purge/all/").status_code == 302
    assert CachedAnswer.objects.count() == 1
    assert [page_of(client, "cachedanswer").count("Remove all") for client in (root, reviewer)] == [1, 0]


# --- People -------------------------------------------------------------------------------------------------


def test_people_show_their_day_and_their_time_zone(alice, bob, root, settings):
    settings.QUOTA_TOKENS_PER_DAY, settings.QUOTA_GUEST_TOKENS_PER_DAY = 300_000, None
    tomorrow = timezone.now().date() + timedelta(days=1)
    Person.objects.filter(pk=alice.pk).update(
        timezone="Europe/Berlin", quota_day=tomorrow, quota_tokens=12_345
    )
    Person.objects.of_guest(UUID(int=1))
    source = page_of(root, "person")
    columns = [cells_of(source, column) for column in ("user", "tokens_today", "time_zone")]
    assert sorted(zip(*columns, strict=True)) == [
        ("-", "not limited", "UTC"),
        ("alice", "12,345 of 300,000", "Europe/Berlin"),
        ("bob", "0 of 300,000", "UTC"),
    ]


# --- Who may, and at which price ----------------------------------------------------------------------------

MAKE = {
    "answerstatistics": lambda owner, number: make_hour(datetime(2026, 11, 22, number, tzinfo=UTC)),
    "cachedanswer": make_cached,
    "worker": lambda owner, number: make_worker(number, deployments=[health()]),
    "person": lambda owner, number: Person.objects.of_guest(UUID(int=number)),
    "generation": lambda owner, number: make_answer(owner, number, attempts=TRIES),
}


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    ("name", "queries"),
    [("answerstatistics", 7), ("cachedanswer", 5), ("worker", 5), ("person", 5), ("generation", 5)],
)
def test_list_takes_the_same_queries_whatever_its_length(
    name, queries, rows, alice, root, django_assert_num_queries
):
    for number in range(rows):
        MAKE[name](alice, number)
    with django_assert_num_queries(queries):
        page_of(root, name)


@pytest.mark.parametrize("name", MAKE)
def test_facts_are_neither_added_nor_changed(name, alice, root):
    row = MAKE[name](alice, 1)
    path = f"/admin/chat/{name}/"
    assert root.get(f"{path}add/").status_code == 403
    assert root.post(f"{path}{row.pk}/change/", {"model": "forged", "host": "forged"}).status_code == 403


@pytest.mark.parametrize("name", ["answerstatistics", "worker"])
def test_what_the_server_keeps_is_not_deleted_by_hand(name, alice, root):
    row = MAKE[name](alice, 1)
    assert root.post(f"/admin/chat/{name}/{row.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("name", MAKE)
def test_reviewers_read_what_is_about_answers(name, alice, reviewer):
    row = MAKE[name](alice, 1)
    expected = 200 if name in SEEN_BY_REVIEWERS else 403
    paths = (f"/admin/chat/{name}/", f"/admin/chat/{name}/{row.pk}/change/")
    assert [reviewer.get(path).status_code for path in paths] == [expected, expected]


@pytest.mark.parametrize("name", MAKE)
def test_parents_and_guests_see_none_of_it(name, alice, bob):
    MAKE[name](alice, 1)
    for client in (client_of(alice), client_of(bob), Client()):
        response = client.get(f"/admin/chat/{name}/")
        assert (response.status_code, response["Location"].split("?")[0]) == (302, "/admin/login/")


def test_checkpoints_are_not_in_the_admin(root):
    assert root.get("/admin/chat/checkpoint/").status_code == 404
