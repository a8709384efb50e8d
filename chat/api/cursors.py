"""Cursors of list pages: opaque text that says where the last page ended."""

import base64
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

import msgspec

from chat.errors import Invalid


class ByUse(NamedTuple):
    used: Annotated[datetime, msgspec.Meta(tz=True)]
    pk: int


class ById(NamedTuple):
    pk: int


def encode_cursor(position: ByUse | ById) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode_cursor[T](cursor: str, shape: type[T]) -> T:
    """The position behind a cursor. Raises `Invalid` for anything that we did not make."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        position = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=shape)
        if isinstance(position, ByUse):
            position.used.astimezone(UTC)  # a time at the end of the calendar may have none
        return position
    except (ValueError, OverflowError, msgspec.DecodeError):
        found = [{"loc": ["query", "cursor"], "msg": "is not a cursor of this list"}]
        raise Invalid("The cursor is wrong; take it from `nextCursor`.", errors=found) from None
