"""Frames out and in: golden bytes, and the cut law of the splitter."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.sse import COMMENT, DataSplitter, frame, frame_lines, pad

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


# --- Padding ------------------------------------------------------------------------------------------------

CHUNKS = st.lists(st.text().map(frame_lines) | st.just(COMMENT), min_size=1, max_size=5).map(b"".join)


def test_padding_is_a_comment_before_the_events():
    assert pad(b"data: 1\n\n", 16) == b":    \n\ndata: 1\n\n"
    assert pad(b"data: 12345678\n\n", 16) == b"data: 12345678\n\n"


@pytest.mark.parametrize("missing, added", [(0, 0), (1, 17), (2, 18), (3, 3), (15, 15)])
def test_padding_too_short_for_a_comment_is_a_step_longer(missing, added):
    chunk = b"data: %s\n\n" % (b"x" * (24 - missing))
    assert len(pad(chunk, 16)) == len(chunk) + added


@given(CHUNKS, st.integers(1, 600))
def test_every_padded_chunk_is_a_multiple_of_the_step(chunk, step):
    padded = pad(chunk, step)
    assert len(padded) % step == 0
    assert len(padded) < len(chunk) + step + 3
    assert padded.endswith(chunk)


@given(st.lists(CHUNKS, max_size=5), st.integers(0, 600))
def test_padded_chunks_say_the_same(chunks, step):
    assert split(*(pad(chunk, step) for chunk in chunks)) == split(*chunks)


@given(CHUNKS, st.integers(1, 600))
def test_padding_stands_in_no_data(chunk, step):
    lines = pad(chunk, step).split(b"\n")
    told = [line for line in lines if line and not line.startswith(b":")]
    assert told == [line for line in chunk.split(b"\n") if line and not line.startswith(b":")]


@given(CHUNKS)
def test_no_padding_where_it_is_off(chunk):
    assert pad(chunk, 0) == chunk
