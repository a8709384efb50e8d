"""What a person thinks of an answer: one opinion per person and answer, changeable."""

import uuid
from dataclasses import dataclass

from chat import access, answer_cache
from chat.models import Feedback, Person, Rating, ReviewStatus


@dataclass(frozen=True, slots=True)
class Opinion:
    rating: str
    reasons: tuple[str, ...] = ()
    comment: str = ""


def give(person: Person | None, answer: uuid.UUID, opinion: Opinion) -> Feedback:
    """Keep or replace a person's opinion; a changed one goes back to the reviewers. Raises `NotFound`.

    What did not help one person is not given again to others.
    """
    message = access.answer(person, answer)
    if opinion.rating == Rating.DOWN:
        answer_cache.forget(message)
    return Feedback.objects.update_or_create(
        message=message,
        person=person,
        defaults={
            "rating": opinion.rating,
            "reasons": list(opinion.reasons),
            "comment": opinion.comment,
            "review_status": ReviewStatus.NEW,
        },
    )[0]


def take_back(person: Person | None, answer: uuid.UUID) -> None:
    """Forget a person's opinion, if there is one. Raises `NotFound` for an answer that is not theirs."""
    Feedback.objects.filter(message=access.answer(person, answer), person=person).delete()
