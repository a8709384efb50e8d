"""Statements put together once do what Django's own do."""

import uuid
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from chat.models import Conversation, Generation, Message, Person, Role, Status
from chat.statements import exists, insert, update

pytestmark = pytest.mark.django_db


@pytest.fixture
def conversation():
    return Conversation.objects.create(
        owner=Person.objects.of_guest(uuid.uuid4()), title="Nights", updated_at=timezone.now()
    )


def question(conversation, **fields):
    return Message(
        conversation=conversation, role=Role.USER, author=conversation.owner, content="Hello", **fields
    )


def columns(row):
    return {field.attname: getattr(row, field.attname) for field in row._meta.local_concrete_fields}


def test_an_inserted_row_is_what_was_given(conversation):
    asked = insert(question(conversation, client_message_id="a"))
    assert columns(Message.objects.get(pk=asked.pk)) == columns(asked)
    answer = insert(
        Message(conversation=conversation, role=Role.ASSISTANT, question=asked, notices=[{"a": "ü"}])
    )
    generation = insert(Generation(message=answer, model="m", cost=Decimal("0.25"), attempts=[{"ms": 1}]))
    assert columns(Message.objects.get(pk=answer.pk)) == columns(answer)
    assert columns(Generation.objects.get(pk=generation.pk)) == columns(generation)


def test_an_inserted_row_can_be_saved_again(conversation):
    asked = insert(question(conversation))
    asked.content = "Good night"
    asked.save()
    assert [message.content for message in Message.objects.all()] == ["Good night"]


def test_a_constraint_speaks_as_it_always_does(conversation):
    insert(question(conversation, client_message_id="a"))
    with pytest.raises(IntegrityError), transaction.atomic():
        insert(question(conversation, client_message_id="a"))


def test_a_row_is_found_by_all_its_conditions(conversation):
    insert(question(conversation, client_message_id="a"))
    owner = conversation.owner.pk
    found = [
        exists(Message, {"author": author, "client_message_id": sent})
        for author, sent in ((owner, "a"), (owner, "b"), (owner + 1, "a"))
    ]
    assert found == [True, False, False]


def test_only_what_matches_is_updated(conversation):
    running, over = (
        insert(question(conversation, status=status)) for status in (Status.STREAMING, Status.COMPLETE)
    )
    values = {"content": "50 % 'done'", "notices": [{"severity": "notice"}], "status": Status.STOPPED.value}
    changed = [
        update(Message, {"pk": row.pk, "status": Status.STREAMING.value}, values) for row in (running, over)
    ]
    assert changed == [1, 0]
    running.refresh_from_db()
    over.refresh_from_db()
    assert {name: getattr(running, name) for name in values} == values
    assert (over.content, over.notices, over.status) == ("Hello", [], Status.COMPLETE)
