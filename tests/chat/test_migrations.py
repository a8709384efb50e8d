"""The database that the migrations make is the one that the models describe."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.utils import timezone

from chat.models import Conversation, Feedback, Generation, Message, Person, Role

pytestmark = pytest.mark.django_db


def test_migrations_are_complete():
    told = StringIO()
    call_command("makemigrations", check=True, dry_run=True, stdout=told)
    assert told.getvalue().strip() == "No changes detected"


@pytest.fixture
def turn(alice):
    conversation = Conversation.objects.create(owner=alice, title="t", updated_at=timezone.now())
    question = Message.objects.create(
        conversation=conversation, role=Role.USER, author=alice, client_message_id="m1"
    )
    answer = Message.objects.create(conversation=conversation, role=Role.ASSISTANT, question=question)
    Generation.objects.create(message=answer, model="m")
    return conversation, question, answer


def refused(make):
    with pytest.raises(IntegrityError), transaction.atomic():
        make()


def test_person_is_an_account_or_a_guest_and_not_both(alice):
    refused(lambda: Person.objects.create())
    refused(
        lambda: Person.objects.filter(pk=alice.pk).update(guest_key="00000000-0000-4000-8000-000000000000")
    )


def test_message_id_of_a_client_is_used_once_by_each(alice, bob, turn):
    conversation, *_ = turn
    again = {"conversation": conversation, "role": Role.USER, "client_message_id": "m1"}
    refused(lambda: Message.objects.create(author=alice, **again))
    assert Message.objects.create(author=bob, **again).pk
    for _ in range(2):
        Message.objects.create(conversation=conversation, role=Role.USER, author=alice)
    assert Message.objects.filter(client_message_id=None, role=Role.USER).count() == 2


def test_question_answers_nothing_and_an_answer_has_a_question(alice, turn):
    conversation, question, _answer = turn
    refused(lambda: Message.objects.create(conversation=conversation, role=Role.ASSISTANT))
    refused(lambda: Message.objects.create(conversation=conversation, role=Role.USER, question=question))
    refused(
        lambda: Message.objects.create(
            conversation=conversation, role=Role.ASSISTANT, question=question, author=alice
        )
    )


def test_feedback_is_one_per_person_and_known(alice, bob, turn):
    *_, answer = turn
    Feedback.objects.create(message=answer, person=alice, rating="up")
    refused(lambda: Feedback.objects.create(message=answer, person=alice, rating="down"))
    refused(lambda: Feedback.objects.create(message=answer, person=bob, rating="five"))
    assert Feedback.objects.count() == 1
