"""What stands where in Redis.

`<prefix>stream:<id>`  a stream. Entry `0-1` opens it; event n has the id `n-0` and one field: `e`, or `t` for
                       the terminal event, with the event's JSON
`<prefix>stops`        a stream that every process follows: `s` stream id, `r` reason asks to stop;
                       `c` stream id says that it was concluded
`<prefix>wake:<name>`  a stream of one process, which interrupts its blocked reading
`<prefix>read:<id>`    is there while another process than the writer has readers of the stream
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from streaming.events import TERMINAL, Event, from_wire
from streaming.log.mirror import Mirror

OPENING = "0-1"
FENCE = "18446744073709551615-0"
"""A concluded stream's last id is set to this: no late event of its writer can get in."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The keys. They share no hash slot: a Redis Cluster is not supported."""

    prefix: str
    process: str

    @property
    def stops(self) -> str:
        return f"{self.prefix}stops"

    @property
    def wake(self) -> str:
        return f"{self.prefix}wake:{self.process}"

    def stream(self, stream_id: str) -> str:
        return f"{self.prefix}stream:{stream_id}"

    def read(self, stream_id: str) -> str:
        return f"{self.prefix}read:{stream_id}"


def field_of(event: Event) -> bytes:
    return b"t" if isinstance(event, TERMINAL) else b"e"


def entry_id(seq: int) -> str:
    """The id that stands before event `seq` + 1."""
    return f"{seq}-0" if seq else OPENING


def feed(mirror: Mirror, entries: Iterable[Any]) -> bool:
    """Add what a stream's entries have beyond the mirror. False at a gap."""
    for name, fields in entries:
        seq = int(name.partition(b"-")[0])
        if mirror.is_ended:
            break
        if seq <= len(mirror.entries):
            continue
        if seq > len(mirror.entries) + 1:
            return False
        mirror.add(from_wire(msgspec.json.decode(fields[1])))
    return True
