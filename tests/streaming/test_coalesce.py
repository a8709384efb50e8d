"""Few events for fast tokens, no delay for the first, none for slow ones; with a clock passed in."""

import pytest

from streaming.coalesce import coalesce
from streaming.providers.base import Delta, Finish, ProviderError


class Clock:
    def __init__(self):
        self.now = 100.0
        self.slept = []

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(round(seconds, 6))
        self.now += seconds


def reads(clock, *steps):
    """A source whose reads take the given seconds and bring the given pieces."""

    async def source():
        for seconds, *pieces in steps:
            clock.now += seconds
            yield Delta(tuple(pieces))
        yield Finish("stop")

    return source()


async def collect(source, clock, window=0.05, most=64):
    return [item async for item in coalesce(source, window=window, most=most, clock=clock, sleep=clock.sleep)]


async def test_first_token_comes_before_any_wait():
    clock = Clock()
    stream = coalesce(
        reads(clock, (0.0, "a"), (0.0, "b")), window=0.05, most=64, clock=clock, sleep=clock.sleep
    )
    assert (await anext(stream), clock.slept) == ("a", [])
    await stream.aclose()


async def test_quick_reads_are_spaced_by_the_window():
    clock = Clock()
    assert await collect(reads(clock, (1.0, "a"), (0.02, "b"), (0.0, "c", "d")), clock) == [
        "a",
        "b",
        "cd",
        Finish("stop"),
    ]
    assert clock.slept == [0.03, 0.05]


async def test_slow_reads_are_never_slept_on():
    clock = Clock()
    await collect(reads(clock, (0.1, "a"), (0.06, "b"), (0.2, "c")), clock)
    assert clock.slept == []


async def test_large_read_is_cut_by_size_and_not_slept_on():
    clock = Clock()
    assert await collect(reads(clock, (0.0, *"abcde")), clock, most=2) == ["ab", "cd", "e", Finish("stop")]
    assert clock.slept == []


async def test_leaving_early_closes_the_source():
    closed = []

    async def source():
        try:
            yield Delta(("a",))
            yield Delta(("b",))
        finally:
            closed.append(True)

    clock = Clock()
    stream = coalesce(source(), window=0.05, most=64, clock=clock, sleep=clock.sleep)
    await anext(stream)
    await stream.aclose()
    assert closed == [True]


async def test_error_of_the_source_passes_after_the_text_before_it():
    async def source():
        yield Delta(("a",))
        raise ProviderError("provider_unavailable", "gone")

    seen = []
    clock = Clock()
    with pytest.raises(ProviderError):
        async for item in coalesce(source(), window=0, most=64, clock=clock, sleep=clock.sleep):
            seen.append(item)
    assert seen == ["a"]


async def test_one_huge_piece_becomes_several_texts():
    clock = Clock()
    *texts, _finish = await collect(reads(clock, (0, "x" * 20_000)), clock)
    assert [len(text) for text in texts] == [8000, 8000, 4000]


async def test_nothing_is_waited_for_while_nobody_has_seen_a_word():
    clock, seen = Clock(), []
    source = reads(clock, (0, "a"), (0, "b"), (0, "c"), (0, "d"))
    words = coalesce(
        source, window=0.05, most=64, clock=clock, sleep=clock.sleep, hurried=lambda: len(seen) < 3
    )
    async for word in words:
        seen.append(word)
    assert (seen[:4], clock.slept) == (["a", "b", "c", "d"], [0.05, 0.05])
