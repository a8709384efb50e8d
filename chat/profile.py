"""What a person told of themselves and their children, as an answer may use it. It reaches the prompt and the
safety check, and nothing else.
"""

from dataclasses import dataclass
from datetime import date

from chat.models import Person
from safety.verdict import Profile


@dataclass(frozen=True, slots=True)
class Known:
    """`safety` is what the safety check reads; `lines` what the model is told and the page shows under the
    answer, in the language that is active.
    """

    safety: Profile | None = None
    lines: tuple[str, ...] = ()


def known_of(person: Person, today: date) -> Known:  # noqa: ARG001
    """Everything the person told, with ages and weeks as they are `today`. Sync."""
    return Known()
