"""What a person thinks of an answer: one opinion per person and answer, changeable."""

import uuid
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from chat import access, answer_cache
from chat.errors import Invalid
from chat.models import Conversation, Feedback, Person, Rating, Reason, ReviewStatus


@dataclass(frozen=True, slots=True)
class Opinion:
    rating: str
    reasons: tuple[str, ...] = ()
    comment: str = ""


def give(person: Person | None, answer: uuid.UUID, opinion: Opinion) -> Feedback:
    """Keep or replace a person's opinion; a changed one goes back to the reviewers. Raises `NotFound`,
    and `Invalid` for a reason that is none of `Reason`.

    What did not help one person is not given again to others.
    """
    message = access.answer(person, answer)
    if opinion.rating == Rating.DOWN:
        answer_cache.forget(message)
    if unknown := set(opinion.reasons) - set(Reason.values):
        raise Invalid(
            _("There is no reason %(unknown)s. Those there are: %(known)s.")
            % {"unknown": ", ".join(sorted(unknown)), "known": ", ".join(Reason.values)},
            errors=[{"loc": ["body", "reasons"], "msg": f"must be of: {', '.join(Reason.values)}"}],
        )
    return Feedback.objects.update_or_create(
        message=message,
        person=person,
        defaults={
            "rating": opinion.rating,
            "reasons": list(dict.fromkeys(opinion.reasons)),
            "comment": opinion.comment,
            "review_status": ReviewStatus.NEW,
        },
    )[0]


def take_back(person: Person | None, answer: uuid.UUID) -> None:
    """Forget a person's opinion, if there is one. Raises `NotFound` for an answer that is not theirs."""
    Feedback.objects.filter(message=access.answer(person, answer), person=person).delete()


def unseen_replies(person: Person | None) -> list[Feedback]:
    """What the clinic answered since the person last looked, with message and conversation; newest first."""
    if person is None or person.pk is None:
        return []
    rows = Feedback.objects.filter(person=person, reply_seen_at=None, message__conversation__deleted_at=None)
    told = rows.exclude(replied_at=None).exclude(reply="")
    return list(told.select_related("message__conversation").order_by("-replied_at")[:10])


def see_replies(person: Person | None, conversation: Conversation) -> None:
    """Note that the person has opened the conversation in which the clinic answered."""
    if person is not None:
        rows = Feedback.objects.filter(person=person, message__conversation=conversation, reply_seen_at=None)
        rows.exclude(replied_at=None).update(reply_seen_at=timezone.now())
