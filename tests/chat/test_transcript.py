"""A stretch of a conversation: as many queries for two thousand messages as for four."""

import pytest
from django.utils import timezone

from chat.models import Conversation, Generation, Message
from chat.web.transcript import STRETCH, stretch

pytestmark = pytest.mark.django_db

QUERIES = 7
"""Messages, feedback, three for versions, one for what may be remembered, and one for a mark in it."""


@pytest.fixture
def conversation(alice):
    return Conversation.objects.create(owner=alice, title="Nights", updated_at=timezone.now())


def fill(conversation, count):
    """Question and answer in turn, each after the one before, made in a few statements."""
    first = Message.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    rows = []
    for number in range(count):
        pk, is_question = first + 1 + number, number % 2 == 0
        place = {"follows_id": pk - 1 if number else None} if is_question else {"question_id": pk - 1}
        role, author = ("user", conversation.owner) if is_question else ("assistant", None)
        rows.append(
            Message(
                pk=pk, conversation=conversation, role=role, author=author, content=f"Words {number}", **place
            )
        )
    Message.objects.bulk_create(rows)
    answers = [row for row in rows if row.question_id]
    Generation.objects.bulk_create(
        [Generation(message=row, model="m", ended_at=timezone.now()) for row in answers]
    )
    return rows


@pytest.mark.parametrize("count", [4, STRETCH, 2000])
def test_queries_do_not_grow_with_the_conversation(count, conversation, alice, django_assert_max_num_queries):
    rows = fill(conversation, count)
    with django_assert_max_num_queries(QUERIES):
        shown = stretch(conversation, alice)
    assert [view.uuid for view in shown.messages] == [row.uuid for row in rows[-STRETCH:]]
    assert (shown.earlier, shown.is_latest) == (rows[-STRETCH].uuid if count > STRETCH else None, True)


def test_stretch_before_a_message_ends_right_before_it(conversation, alice):
    rows = fill(conversation, 100)
    before = stretch(conversation, alice, before=rows[60].uuid)
    assert [view.uuid for view in before.messages] == [row.uuid for row in rows[20:60]]
    assert (before.earlier, before.is_latest) == (rows[20].uuid, False)


def test_stretch_around_a_message_has_it_in_its_middle(conversation, alice):
    rows = fill(conversation, 100)
    around = stretch(conversation, alice, around=rows[30].uuid)
    assert [view.uuid for view in around.messages] == [row.uuid for row in rows[10:50]]


def test_stretch_around_one_of_the_last_messages_is_the_latest(conversation, alice):
    rows = fill(conversation, 100)
    around = stretch(conversation, alice, around=rows[95].uuid)
    assert ([view.uuid for view in around.messages][-1], around.is_latest) == (rows[99].uuid, True)
