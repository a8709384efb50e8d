"""The list of conversations beside the chat, as every answer of the page brings it up to date."""

from typing import Any

from chat.api.cursors import ByUse, decode_cursor, encode_cursor
from chat.conversations import Place, listing
from chat.models import Person


def listed(person: Person | None, cursor: str = "") -> dict[str, Any]:
    """What `chat/_conversations.html` needs; with a cursor, the part of the list that follows. Sync.

    Raises `Invalid` for a cursor that is none.
    """
    after = Place(*decode_cursor(cursor, ByUse)) if cursor else None
    found = listing(person, after)
    older = encode_cursor(ByUse(found.last.used, found.last.pk)) if found.last else ""
    return {"conversations": found.groups, "older": older, "is_older": bool(cursor)}
