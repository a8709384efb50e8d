"""Frames out and in: golden bytes, and the cut law of the splitter."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.sse import DataSplitter, frame, frame_lines

STREAM = (
    b': hello\n\ndata: {"a":1}\n\nid: 7\nevent: x\ndata: {"b":\ndata: 2}\n\n'
    + 'data: "é👶"\n\ndata:tight\n\ndata\n\ndata: [DONE]\n\n'.encode()
)
PAYLOADS = [b'{"a":1}', b'{"b":\n2}', '"é👶"'.encode(), b"tight", b"[DONE]"]
CRLF, CR = STREAM.replace(b"\n", b"\r\n"), STREAM.replace(b"\n", b"\r")


def split(*chunks):
    splitter = DataSplitter()
    return [data for chunk in chunks for data in splitter.feed(chunk)]


def test_frame_is_golden():
    assert frame(b'{"type":"done"}', 3) == b'id: 3\ndata: {"type":"done"}\n\n'
    assert frame(b"", event="ping") == b"event: ping\ndata: \n\n"


def test_frame_lines_sends_every_line_as_data_with_lf_only():
    assert frame_lines("a\r\nb\rc", 2) == b"id: 2\ndata: a\ndata: b\ndata: c\n\n"


@pytest.mark.parametrize("stream", [STREAM, CRLF, CR], ids=["LF", "CRLF", "CR"])
def test_splitter_gives_the_same_wherever_the_stream_is_cut(stream):
    for position in range(len(stream) + 1):
        assert split(stream[:position], stream[position:]) == PAYLOADS


@pytest.mark.parametrize("stream", [STREAM, CRLF, CR], ids=["LF", "CRLF", "CR"])
def test_splitter_gives_the_same_byte_by_byte(stream):
    assert split(*(stream[i : i + 1] for i in range(len(stream)))) == PAYLOADS


@given(st.binary(), st.lists(st.integers(0, 200)))
def test_splitter_takes_any_bytes_cut_anywhere(stream, cuts):
    edges = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert split(*pieces) == split(stream)


def test_splitter_drops_an_event_that_the_end_cuts_short():
    assert split(b"data: whole\n\ndata: half\n") == [b"whole"]


@given(st.text())
def test_frame_lines_and_splitter_are_inverse(text):
    lines = text.replace("\r\n", "\n").replace("\r", "\n").encode()
    assert split(frame_lines(text)) == [lines]
