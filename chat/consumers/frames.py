"""What is said on a socket: what a client may say, how often, and how it is refused."""

from collections import deque
from collections.abc import Callable
from math import ceil
from time import monotonic
from typing import Any

import msgspec
from django.conf import settings
from pydantic import ValidationError

from chat.api.ai import profile_of
from chat.api.problems import problem
from chat.api.schemas import REQUEST_ID_CHARS, Frame, SendFrame, read_frame
from chat.errors import Invalid, Refusal
from chat.places import place_of
from chat.safeguards import urgent_notices
from streaming.events import notice_to_wire

ESCAPED_CHAR = len(r"\ud83d\udc76")
"""A character of a message takes as much at most in JSON."""
OTHER_FIELDS = 4096


def is_too_large(text: str) -> bool:
    """Whether no message that may be sent can be as long as this."""
    return len(text) > ESCAPED_CHAR * settings.MESSAGE_MAX_CHARS + OTHER_FIELDS


class Rate:
    """At most so many in any period, such as `60/m`; None for no limit."""

    def __init__(self, rate: str | None, clock: Callable[[], float] = monotonic) -> None:
        count, _slash, period = (rate or "0/s").partition("/")
        self._most = int(count) if rate else None
        self._seconds = int(period[:-1] or 1) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[period[-1]]
        self._clock = clock
        self._taken: deque[float] = deque()

    def wait(self) -> int:
        """Take one: 0, or, where there were too many, the seconds until one is free again."""
        if self._most is None:
            return 0
        now = self._clock()
        while self._taken and self._taken[0] <= now - self._seconds:
            self._taken.popleft()
        if len(self._taken) >= self._most:
            return max(1, ceil(self._taken[0] + self._seconds - now))
        self._taken.append(now)
        return 0


def parsed(text: str) -> Frame:
    """What a client said. Raises `Invalid`, as the API does for a body."""
    try:
        return read_frame.validate_json(text)
    except ValidationError as error:
        found = [{"loc": ["body", *_location(e)], "msg": e["msg"]} for e in error.errors()]
        raise Invalid("Some fields are missing or wrong; see `errors`.", errors=found) from None


def _location(error: Any) -> list[str | int]:
    if error["type"].startswith("union_tag"):
        return ["type"]
    return list(error["loc"][1:])  # without the type, by which the other fields were chosen


def request_id_of(text: str) -> str | None:
    """The client's own id of a message, however wrong the rest of it is."""
    try:
        told = msgspec.json.decode(text)
    except ValueError:
        return None
    found = told.get("requestId") if isinstance(told, dict) else None
    return found if isinstance(found, str) and len(found) <= REQUEST_ID_CHARS else None


def problem_message(refusal: Refusal, request_id: str | None = None) -> dict[str, Any]:
    """What the API would have replied; there is no header here for the seconds to wait."""
    fields: dict[str, Any] = msgspec.json.decode(problem(refusal).content)
    if refusal.retry_after is not None:
        fields["retryAfter"] = refusal.retry_after
    if request_id is not None:
        fields["requestId"] = request_id
    return fields | {"type": "problem"}


def urgent_cards(message: Frame, accept_language: str = "") -> list[dict[str, Any]]:
    """The cards for what cannot wait, where a message is refused unread: nobody looks up whose it is."""
    if not isinstance(message, SendFrame):
        return []
    place = place_of(
        None, country=message.country, timezone=message.timezone, accept_language=accept_language
    )
    profile = profile_of(message.profile)
    cards = urgent_notices(message.message, language=message.language, place=place, profile=profile)
    return [notice_to_wire(card) for card in cards]
