"""Feedback goes round: reasons, the clinic's answer, and the parent who sees it once."""

import pytest
from django.utils import timezone

from chat import feedback
from chat.errors import Invalid
from chat.feedback import Opinion
from chat.models import Feedback, Reason
from tests.chat.test_admin import address, make_turn, rows_of
from tests.conftest import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def reviewer(rita):
    return client_of(rita)


def test_there_are_at_least_thirteen_reasons():
    assert len(Reason.values) >= 13


def test_reasons_are_kept_once_each(alice):
    _conversation, told, _feedback, _event = make_turn(alice)
    kept = feedback.give(alice, told.uuid, Opinion("down", ("unsafe", "too_long", "unsafe")))
    assert kept.reasons == ["unsafe", "too_long"]


def test_unknown_reason_is_refused_and_says_which_there_are(alice):
    _conversation, told, given, _event = make_turn(alice)
    with pytest.raises(Invalid) as refused:
        feedback.give(alice, told.uuid, Opinion("down", ("unsafe", "ugly")))
    assert str(refused.value.detail).startswith("There is no reason ugly. Those there are: wrong, unsafe,")
    given.refresh_from_db()
    assert given.comment == "Comment 0"


@pytest.mark.parametrize(("reason", "found"), [("unsafe", 1), ("too_long", 2), ("cold", 0)])
def test_reviewers_find_feedback_by_its_reason(reason, found, alice, bob, reviewer):
    for person, reasons in ((alice, ["unsafe", "too_long"]), (bob, ["too_long"])):
        _conversation, _told, given, _event = make_turn(person)
        Feedback.objects.filter(pk=given.pk).update(reasons=reasons)
    assert rows_of(reviewer.get(address("feedback"), {"reason": reason})) == found


def answered(reviewer, given, words):
    form = {"reply": words, "review_status": "reviewed", "review_note": ""}
    assert reviewer.post(address("feedback", given), form).status_code == 302
    given.refresh_from_db()
    return given


def test_answer_of_the_clinic_is_news_until_its_conversation_is_opened(alice, bob, reviewer):
    conversation, _told, given, _event = make_turn(alice)
    make_turn(bob)
    assert feedback.unseen_replies(alice) == []
    answered(reviewer, given, "Eight times a day.")
    assert (given.reply, given.replied_at is not None) == ("Eight times a day.", True)
    assert (feedback.unseen_replies(alice), feedback.unseen_replies(bob)) == ([given], [])
    feedback.see_replies(alice, conversation)
    assert feedback.unseen_replies(alice) == []


def test_changed_answer_is_news_once_more_and_a_removed_one_is_none(alice, reviewer):
    conversation, _told, given, _event = make_turn(alice)
    answered(reviewer, given, "Eight times a day.")
    feedback.see_replies(alice, conversation)
    answered(reviewer, given, "Eight to twelve times a day.")
    assert feedback.unseen_replies(alice) == [given]
    answered(reviewer, given, "")
    assert (feedback.unseen_replies(alice), given.replied_at) == ([], None)


@pytest.mark.parametrize(("answered_is", "found"), [("no", 1), ("unread", 1), ("read", 0)])
def test_reviewers_see_what_is_not_answered_yet(answered_is, found, alice, bob, reviewer):
    _conversation, _told, given, _event = make_turn(alice)
    make_turn(bob)
    answered(reviewer, given, "Eight times a day.")
    assert rows_of(reviewer.get(address("feedback"), {"answered": answered_is})) == found


def test_opinion_that_is_changed_keeps_the_clinic_s_answer_and_goes_back_to_it(alice, reviewer):
    _conversation, told, given, _event = make_turn(alice)
    answered(reviewer, given, "Eight times a day.")
    feedback.give(alice, told.uuid, Opinion("up", comment="Thank you"))
    given.refresh_from_db()
    assert (given.reply, given.review_status, given.comment) == ("Eight times a day.", "new", "Thank you")


@pytest.mark.django_db(transaction=True)
def test_answer_to_another_is_not_shown(alice, bob):
    conversation, _told, given, _event = make_turn(alice)
    Feedback.objects.filter(pk=given.pk).update(reply="For Alice only.", replied_at=timezone.now())
    address = f"/c/{conversation.uuid}/"
    hers, his = (client_of(person.user).get(address).content.decode() for person in (alice, bob))
    assert ("For Alice only." in hers, "For Alice only." in his) == (True, False)
