"""The clinic's side: reviewers read everything, change only their own fields; nobody else gets in."""

import html
import re

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.models import Conversation, Feedback, Generation, Message, Role, SafetyEvent, User
from tests.conftest import client_of

pytestmark = pytest.mark.django_db

LISTS = ["conversation", "generation", "feedback", "safetyevent"]
UNSEEN = ["user", "person", "message", "worker", "checkpoint"]


def make_turn(owner, number=0, **answer):
    """A conversation with a question, an answer, what was thought of it and what the rules saw."""
    now = timezone.now()
    conversation = Conversation.objects.create(owner=owner, title=f"Title {number}", updated_at=now)
    question = Message.objects.create(
        conversation=conversation, role=Role.USER, author=owner, content=f"Question <{number}>?"
    )
    told = Message.objects.create(
        conversation=conversation,
        role=Role.ASSISTANT,
        question=question,
        **{"content": f"Answer **{number}**."} | answer,
    )
    Generation.objects.create(
        message=told, model="gpt-test", prompt_version="p", ruleset_version="r", ended_at=now, ttft_ms=321,
        duration_ms=4321,
    )  # fmt: skip
    feedback = Feedback.objects.create(
        message=told, person=owner, rating="down", reasons=["too long"], comment=f"Comment {number}"
    )
    event = SafetyEvent.objects.create(
        message=question,
        direction="input",
        category="self_harm",
        severity="emergency",
        action="card_only",
        rule_ids=["en.rule"],
        text=f"matched {number}",
        ruleset_version="r",
    )
    return conversation, told, feedback, event


@pytest.fixture
def reviewer(rita):
    return client_of(rita)


def address(name, row=None, action="change"):
    return f"/admin/chat/{name}/" if row is None else f"/admin/chat/{name}/{row.pk}/{action}/"


def text_of(response):
    assert response.status_code == 200
    return html.unescape(response.content.decode())


def rows_of(response):
    """How many rows a list shows."""
    assert response.status_code == 200
    return response.context["cl"].result_count


# --- Reading ------------------------------------------------------------------------------------------------


def test_transcript_shows_all_that_was_said_and_seen(alice, reviewer):
    conversation, told, feedback, event = make_turn(
        alice,
        7,
        status="refused",
        notices=[{"category": "self_harm", "severity": "emergency", "content": "Call *now*.", "actions": []}],
    )
    page = reviewer.get(address("conversation", conversation)).content.decode()
    (transcript,) = re.findall(r'<ol class="transcript">.*?</ol>', page, re.DOTALL)
    for shown in (
        "Question &lt;7&gt;?",
        "<p>Answer <strong>7</strong>.</p>",
        "refused",
        "gpt-test",
        "321 ms",
        "4321 ms",
        "<p>Call <em>now</em>.</p>",
        "too long",
        "Comment 7",
        "self harm",
        "matched 7",
        address("feedback", feedback),
        address("safetyevent", event),
        f'id="m-{told.uuid}"',
    ):
        assert transcript.count(shown) >= 1, shown
    assert "style=" not in transcript


def test_transcript_shows_errors_with_their_detail_and_every_try(alice, reviewer):
    conversation, told, _feedback, _event = make_turn(alice, status="failed")
    Generation.objects.update(
        error_code="internal", error_message="Sorry.", error_detail="ZeroDivisionError()"
    )
    again = Message.objects.create(
        conversation=conversation, role=Role.ASSISTANT, question=told.question, content="Second try."
    )
    Generation.objects.create(message=again, model="gpt-test")
    page = text_of(reviewer.get(address("conversation", conversation)))
    assert [page.count(words) for words in ("internal: Sorry.", "ZeroDivisionError()", "Second try.")] == [
        1,
        1,
        1,
    ]
    assert page.count("<strong>0</strong>") == 1


def test_transcript_escapes_what_people_and_models_wrote(alice, reviewer):
    attack = "<script>alert(1)</script>"
    conversation, *_ = make_turn(alice, content=attack)
    Message.objects.filter(role=Role.USER).update(content=attack)
    Feedback.objects.update(comment=attack)
    SafetyEvent.objects.update(text=attack)
    assert "<script>alert" not in reviewer.get(address("conversation", conversation)).content.decode()
    for name in LISTS:
        assert "<script>alert" not in reviewer.get(address(name)).content.decode()


@pytest.mark.parametrize("name", LISTS)
def test_reviewer_sees_the_list(name, alice, bob, reviewer):
    for number, person in enumerate((alice, bob)):
        make_turn(person, number)
    assert rows_of(reviewer.get(address(name))) == 2


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("rows", [1, 3])
def test_list_takes_the_same_queries_whatever_its_length(
    name, rows, alice, reviewer, django_assert_num_queries
):
    for number in range(rows):
        make_turn(alice, number)
    # user and person, permissions, counts, rows, and what the filters and the date hierarchy ask
    expected = {"conversation": 9, "generation": 7, "feedback": 10, "safetyevent": 9}[name]
    with django_assert_num_queries(expected):
        response = reviewer.get(address(name))
    assert rows_of(response) == rows


def test_transcript_takes_the_same_queries_whatever_its_length(alice, reviewer):
    from django.db import connection

    taken = []
    for more in (0, 2):
        conversation, told, *_ = make_turn(alice)
        for _ in range(more):
            again = Message.objects.create(
                conversation=conversation, role=Role.ASSISTANT, question=told.question, content="Again."
            )
            Generation.objects.create(message=again, model="m")
            Feedback.objects.create(message=again, person=alice, rating="up")
        with CaptureQueriesContext(connection) as captured:
            text_of(reviewer.get(address("conversation", conversation)))
        taken.append(len(captured))
    assert taken[0] == taken[1] <= 12


# --- Filters and search -------------------------------------------------------------------------------------


def test_conversations_are_filtered_by_safety_and_feedback(alice, bob, reviewer):
    make_turn(alice, 1)
    calm, _told, feedback, event = make_turn(bob, 2)
    feedback.rating = "up"
    feedback.save()
    event.delete()

    def shown(**query):
        response = reviewer.get(address("conversation"), query)
        return [row.title for row in response.context["cl"].result_list]

    assert shown(safety="yes") == ["Title 1"]
    assert shown(rated="up") == ["Title 2"]
    assert shown(rated="down") == ["Title 1"]
    assert shown(safety="yes", rated="up") == []
    assert shown(rated="nonsense") == shown() == ["Title 2", "Title 1"]
    assert str(calm) == "Title 2"


@pytest.mark.parametrize(
    "name, words, found",
    [
        ("conversation", '"Title 1"', 1),
        ("conversation", "Answer **2**", 1),
        ("conversation", "question", 2),
        ("conversation", "nothing", 0),
        ("generation", "Answer **1**", 1),
        ("feedback", "Comment 2", 1),
        ("feedback", "Answer **2**", 1),
        ("safetyevent", "matched 1", 1),
        ("safetyevent", "en.rule", 2),
        ("safetyevent", "nothing", 0),
    ],
)
def test_search_finds_words(name, words, found, alice, bob, reviewer):
    make_turn(alice, 1)
    make_turn(bob, 2)
    assert rows_of(reviewer.get(address(name), {"q": words})) == found


def test_search_does_not_change_the_number_of_messages(alice, reviewer):
    make_turn(alice, 1)
    (row,) = reviewer.get(address("conversation"), {"q": "1"}).context["cl"].result_list
    assert row.message_count == 2


@pytest.mark.parametrize(
    "name, query, found",
    [
        ("feedback", {"rating__exact": "down"}, 2),
        ("feedback", {"rating__exact": "up"}, 0),
        ("feedback", {"review_status__exact": "new"}, 2),
        ("feedback", {"review_status__exact": "reviewed"}, 0),
        ("feedback", {"message__generation__model": "gpt-test"}, 2),
        ("safetyevent", {"severity__exact": "emergency"}, 2),
        ("safetyevent", {"severity__exact": "notice"}, 0),
        ("safetyevent", {"category__exact": "self_harm"}, 2),
        ("safetyevent", {"direction__exact": "output"}, 0),
        ("safetyevent", {"action__exact": "card_only"}, 2),
        ("generation", {"model": "gpt-test"}, 2),
        ("generation", {"message__status__exact": "complete"}, 2),
        ("generation", {"message__status__exact": "failed"}, 0),
    ],
)
def test_filter_narrows_the_queue(name, query, found, alice, bob, reviewer):
    make_turn(alice, 1)
    make_turn(bob, 2)
    assert rows_of(reviewer.get(address(name), query)) == found


# --- Reviewing ----------------------------------------------------------------------------------------------


def test_review_of_feedback_changes_only_the_review(alice, bob, rita, reviewer):
    _conversation, told, feedback, _event = make_turn(alice)
    form = {
        "review_status": "follow_up",
        "review_note": "Call back",
        "rating": "up",
        "comment": "Forged",
        "reasons": "[]",
        "person": bob.pk,
        "message": told.question_id,
    }
    response = reviewer.post(address("feedback", feedback), form)
    assert response.status_code == 302
    feedback.refresh_from_db()
    assert (feedback.rating, feedback.comment, feedback.reasons) == ("down", "Comment 0", ["too long"])
    assert (feedback.person_id, feedback.message_id) == (alice.pk, told.pk)
    assert (feedback.review_status, feedback.review_note, feedback.reviewed_by) == (
        "follow_up",
        "Call back",
        rita,
    )
    assert feedback.reviewed_at is not None


def test_review_of_a_safety_event_changes_only_the_review(alice, rita, reviewer):
    *_, event = make_turn(alice)
    form = {
        "review_label": "wrong",
        "review_status": "reviewed",
        "review_note": "",
        "text": "Forged",
        "severity": "info",
        "category": "spam",
        "action": "allow",
        "rule_ids": "[]",
        "reviewed_by": "",
    }
    assert reviewer.post(address("safetyevent", event), form).status_code == 302
    event.refresh_from_db()
    facts = (event.text, event.severity, event.category, event.action, event.rule_ids)
    assert facts == ("matched 0", "emergency", "self_harm", "card_only", ["en.rule"])
    assert (event.review_label, event.review_status, event.reviewed_by) == ("wrong", "reviewed", rita)


@pytest.mark.parametrize("name, model", [("feedback", Feedback), ("safetyevent", SafetyEvent)])
def test_many_are_marked_as_reviewed_at_once(name, model, alice, bob, rita, reviewer):
    chosen = [make_turn(person)[2 if name == "feedback" else 3] for person in (alice, bob)]
    left = make_turn(alice)[2 if name == "feedback" else 3]
    form = {"action": "mark_reviewed", "_selected_action": [row.pk for row in chosen]}
    assert reviewer.post(address(name), form).status_code == 302
    done = model.objects.filter(review_status="reviewed", reviewed_by=rita, reviewed_at__isnull=False)
    assert sorted(done.values_list("pk", flat=True)) == sorted(row.pk for row in chosen)
    assert model.objects.get(pk=left.pk).review_status == "new"


@pytest.mark.parametrize("name", LISTS)
def test_reviewer_adds_and_deletes_nothing(name, alice, reviewer):
    conversation, told, feedback, event = make_turn(alice)
    row = {
        "conversation": conversation,
        "generation": told.generation,
        "feedback": feedback,
        "safetyevent": event,
    }[name]
    assert reviewer.get(f"/admin/chat/{name}/add/").status_code == 403
    assert reviewer.post(f"/admin/chat/{name}/add/", {}).status_code == 403
    assert reviewer.post(address(name, row, "delete"), {"post": "yes"}).status_code == 403
    form = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    reviewer.post(address(name), form)
    assert type(row).objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize("name", ["conversation", "generation"])
def test_reviewer_changes_no_fact(name, alice, reviewer):
    conversation, told, *_ = make_turn(alice)
    row = conversation if name == "conversation" else told.generation
    response = reviewer.post(address(name, row), {"title": "Forged", "model": "forged"})
    assert response.status_code == 403
    conversation.refresh_from_db()
    assert (conversation.title, Generation.objects.get().model) == ("Title 0", "gpt-test")


@pytest.mark.parametrize("name", UNSEEN)
def test_reviewer_sees_no_accounts(name, alice, reviewer):
    assert reviewer.get(f"/admin/chat/{name}/").status_code in (403, 404)


# --- Everybody else -----------------------------------------------------------------------------------------


def staff_without_group(db):
    return User.objects.create_user("sam", "sam@example.org", "a-long-password", is_staff=True)


@pytest.mark.parametrize("name", LISTS)
def test_staff_without_the_group_sees_nothing(name, alice, db):
    conversation, told, feedback, event = make_turn(alice)
    client = client_of(staff_without_group(db))
    rows = {
        "conversation": conversation,
        "generation": told.generation,
        "feedback": feedback,
        "safetyevent": event,
    }
    for response in (client.get(address(name)), client.get(address(name, rows[name]))):
        assert (response.status_code, "Question" in response.content.decode()) == (403, False)


@pytest.mark.parametrize("name", LISTS)
def test_parents_and_guests_cannot_enter(name, alice):
    conversation, *_ = make_turn(alice)
    for client in (client_of(alice), Client()):
        for path in ("/admin/", address(name), address("conversation", conversation)):
            response = client.get(path)
            assert (response.status_code, response["Location"].split("?")[0]) == (302, "/admin/login/")


def test_superuser_may_delete_a_conversation_and_not_forge_one(alice, db):
    conversation, *_ = make_turn(alice)
    root = User.objects.create_superuser("root", "root@example.org", "a-long-password")
    client = client_of(root)
    assert client.post(address("conversation", conversation), {"title": "Forged"}).status_code == 403
    assert client.post(address("conversation", conversation, "delete"), {"post": "yes"}).status_code == 302
    assert (Conversation.objects.count(), Message.objects.count(), Feedback.objects.count()) == (0, 0, 0)


# --- The group ----------------------------------------------------------------------------------------------


def test_reviewer_group_has_exactly_these_permissions(db):
    permissions = Group.objects.get(name="reviewer").permissions.values_list(
        "content_type__app_label", "codename"
    )
    assert sorted(permissions) == [
        ("chat", "change_feedback"),
        ("chat", "change_safetyevent"),
        ("chat", "view_answerstatistics"),
        ("chat", "view_cachedanswer"),
        ("chat", "view_conversation"),
        ("chat", "view_feedback"),
        ("chat", "view_generation"),
        ("chat", "view_message"),
        ("chat", "view_safetyevent"),
    ]
