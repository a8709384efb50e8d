"""Server-sent events, out and in: bytes and strings only, no I/O.

The format is WHATWG HTML, section 9.2. We send LF only, since some readers split at a lone CR.
"""

from collections.abc import Iterator

COMMENT = b": keep-alive\n\n"
SHORTEST_COMMENT = len(b":\n\n")


def frame(data: bytes, seq: int | None = None, event: str | None = None) -> bytes:
    """One event. `data` must hold no line break (JSON does not); `frame_lines` is for text that may."""
    head = b"" if event is None else b"event: " + event.encode() + b"\n"
    if seq is not None:
        head += b"id: %d\n" % seq
    return head + b"data: " + data + b"\n\n"


def frame_lines(text: str, seq: int | None = None, event: str | None = None) -> bytes:
    """One event whose text may hold line breaks; a reader gets them back as LF."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").encode()
    return frame(lines.replace(b"\n", b"\ndata: "), seq, event)


def pad(chunk: bytes, step: int) -> bytes:
    """Whole events, brought up to a multiple of `step` bytes (0 = as they are) by a comment before them.

    Encryption hides what is written, not how much: unpadded, the lengths of an answer's words could be read
    off the wire. Readers pass over comments, as the standard tells them to.
    """
    missing = -len(chunk) % step if step else 0
    if not missing:
        return chunk
    while missing < SHORTEST_COMMENT:
        missing += step
    return b":" + b" " * (missing - SHORTEST_COMMENT) + b"\n\n" + chunk


class DataSplitter:
    """Splits a byte stream into the `data` of its events, wherever the reads cut it.

    Takes LF, CRLF and CR line ends, joins several `data:` lines with LF, and passes over comments and the
    other fields. An event that the end of the stream cuts short is dropped, as the standard says.
    """

    __slots__ = ("_after_cr", "_data", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._after_cr = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        for line in self._lines(chunk):
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line and self._data:
                data, self._data = self._data, []
                yield data[0] if len(data) == 1 else b"\n".join(data)

    def _lines(self, chunk: bytes) -> list[bytes]:
        if self._after_cr and chunk[:1] == b"\n":  # the second half of a CRLF that was cut in two
            chunk = chunk[1:]
        if not chunk:
            return []
        self._after_cr = chunk.endswith(b"\r")
        text = self._rest + chunk
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._rest = text.split(b"\n")
        return lines
