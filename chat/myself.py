"""All that is kept of a person, for that person: as the API tells it, and as one file to take along."""

from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from chat.models import Child, Consent, Feedback, Person, Suggestion
from chat.profile import children_of


def profile_to_wire(person: Person | None) -> dict[str, Any]:
    """What they told of themselves; empty words and null where nothing."""
    known = person or Person()
    return {
        "language": known.language,
        "country": known.country,
        "dueDate": known.due_date,
        "about": known.about,
        "tone": known.tone,
        "reading": known.reading,
        "children": [child_to_wire(child) for child in children_of(known)],
    }


def child_to_wire(child: Child) -> dict[str, Any]:
    return {
        "id": str(child.uuid),
        "name": child.name,
        "birthDate": child.birth_date,
        "feeding": child.feeding,
        "notes": child.notes,
    }


def consent_to_wire(consent: Consent) -> dict[str, Any]:
    return {"version": consent.version, "language": consent.language, "givenAt": consent.given_at}


def everything_of(person: Person | None) -> dict[str, Any]:
    """For the export, all but the conversations (`chat.export`). Sync."""
    told: dict[str, Any] = {"exportedAt": timezone.now(), "profile": profile_to_wire(person)}
    if person is None:
        return told | {"guest": True, "consents": [], "suggestions": [], "feedback": []}
    return told | {
        "guest": person.is_guest,
        "email": person.user.email if person.user else None,
        "since": person.created_at,
        "timezone": person.timezone,
        "toldThatThisIsAnAiAt": person.told_ai_at,
        "consents": [consent_to_wire(consent) for consent in person.consents.order_by("pk")],
        "suggestions": [_suggestion(row) for row in _suggestions(person)],
        "feedback": [_feedback(row) for row in person.feedback.select_related("message").order_by("pk")],
    }


def _suggestions(person: Person) -> Iterable[Suggestion]:
    rows = Suggestion.objects.filter(message__conversation__owner=person)
    return rows.select_related("message").order_by("pk")


def _suggestion(row: Suggestion) -> dict[str, Any]:
    return {
        "message": str(row.message.uuid),
        "fact": row.fact,
        "child": row.child_name,
        "value": row.value,
        "kept": row.is_kept,
        "decidedAt": row.decided_at,
    }


def _feedback(row: Feedback) -> dict[str, Any]:
    return {
        "message": str(row.message.uuid),
        "rating": row.rating,
        "reasons": row.reasons,
        "comment": row.comment,
        "reply": row.reply,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }
