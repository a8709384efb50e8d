"""Statements put together once do what Django's own do."""

import uuid
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from chat.models import Conversation, Generation, Message, Person, Role, Status, User
from chat.statements import add, exists, find, insert, update

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


def test_a_found_row_is_what_django_would_get(conversation):
    asked = insert(question(conversation, client_message_id="a", notices=[{"a": "ü"}]))
    generation = insert(Generation(message=asked, model="m", cost=Decimal("0.25"), attempts=[{"ms": 1}]))
    for model, row in ((Message, asked), (Generation, generation), (Conversation, conversation)):
        found = find(model, {"uuid": row.uuid} if model is not Generation else {"message": asked.pk})
        assert columns(found) == columns(model.objects.get(pk=row.pk))
    assert find(Message, {"uuid": uuid.uuid4()}) is None


def test_a_found_row_can_be_changed(conversation):
    user = User.objects.create_user("ann", "ann@example.org")
    found = find(User, {"pk": user.pk})
    found.first_name = "Ann"
    found.save()
    assert list(User.objects.values_list("first_name", flat=True)) == ["Ann"]


@pytest.mark.parametrize(("amount", "left"), [(5, 12), (-5, 2), (-7, 0), (-70, 0)])
def test_a_sum_stays_at_zero_at_least(conversation, amount, left):
    Person.objects.update(quota_tokens=7)
    assert add(Person, {"pk": conversation.owner.pk}, "quota_tokens", amount) == 1
    assert add(Person, {"pk": 0}, "quota_tokens", amount) == 0
    assert Person.objects.get().quota_tokens == left


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
