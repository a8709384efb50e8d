"""What an aside costs is the person's: it counts in their day, though no answer is ended or refused for
it.
"""

from dataclasses import dataclass
from datetime import date

from chat import quota
from chat.asides import Said


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose day it counts in; None for `day` where nothing limits them."""

    person_pk: int
    day: date | None


def charge(payer: Payer, said: Said) -> None:
    """Sync; one statement, or none."""
    if payer.day is not None:
        usage = said.usage or quota.estimate_usage(said.prompt, said.text)
        quota.settle(payer.person_pk, 0, usage.total_tokens, payer.day)
