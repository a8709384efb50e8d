"""What was promised, beside what was seen. `met` is None where a run could not tell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.report import Run, median, ratio

CPU_US, CPU_RATIO = 100.0, 1 / 3
LITELLM = 814 / 316 / 8
"""An eighth of what LiteLLM takes, in passthroughs: 814 and 316 us were measured side by side, once."""
SATURATED_US = 50.0
FIRST_MS = 12.0
STRETCH = 1.1
HOLD_THREADS, HOLD_CONNECTIONS, HOLD_KB = 16, 10, 60.0
LEAK_BYTES = 500.0
GROWTH = 1.15


@dataclass(frozen=True, slots=True)
class Bar:
    promise: str
    seen: str
    met: bool | None


def at_most(promise: str, seen: float | None, most: float, unit: str = "", digits: int = 0) -> Bar:
    if seen is None:
        return Bar(promise, "not measured", None)
    return Bar(promise, f"{seen:,.{digits}f}{unit}", seen <= most)


def compare(runs: Sequence[Run]) -> list[Bar]:
    """At 100 streams x 50 tokens/s."""
    part = ratio(runs, "product", "passthrough", "cpu_us")
    return [
        at_most("at most 100 us of CPU per token", median(runs, "product", "cpu_us"), CPU_US, " us"),
        at_most("at most a third of the passthrough", part, CPU_RATIO, digits=3),
        at_most(f"at most an eighth of LiteLLM ({LITELLM:.3f} of the passthrough)", part, LITELLM, digits=3),
        all_complete(runs),
    ]


def saturate(runs: Sequence[Run]) -> list[Bar]:
    """As fast as it goes."""
    seen = median(runs, "product", "cpu_us")
    return [
        at_most("saturated: at most 50 us of CPU per token", seen, SATURATED_US, " us"),
        all_complete(runs),
    ]


def many(runs: Sequence[Run]) -> list[Bar]:
    """At 500 streams x 20 tokens/s."""
    slowest = [
        one.total_max / one.ideal
        for run in runs
        for one in run
        if one.side == "product" and one.total_max is not None
    ]
    promise = "every stream in its own time: the slowest within a tenth of it"
    return [at_most(promise, max(slowest, default=None), STRETCH, " of it", 3), all_complete(runs)]


def hold(runs: Sequence[Run]) -> list[Bar]:
    """With thousands of streams open."""
    opened = [(one.most_open, one.streams) for run in runs for one in run if one.side == "product"]
    together = all(most == streams for most, streams in opened) if opened else None
    return [
        at_most("at most 16 threads", median(runs, "product", "threads"), HOLD_THREADS),
        at_most("at most 10 database connections", median(runs, "product", "connections"), HOLD_CONNECTIONS),
        at_most("at most 60 KB for each stream", median(runs, "product", "stream_kb"), HOLD_KB, " KB"),
        Bar("all open at once", ", ".join(f"{m} of {n}" for m, n in opened) or "not measured", together),
        all_complete(runs),
    ]


def first(added: float | None) -> Bar:
    return at_most("first token at most 12 ms after the upstream's", added, FIRST_MS, " ms", 1)


def leak(per_stream: float | None) -> Bar:
    """Bytes that stay for every stream that has ended."""
    return at_most("memory returns: under 500 bytes stay for a stream", per_stream, LEAK_BYTES, " bytes")


def growth(what: str, factor: float | None) -> Bar:
    return at_most(f"cost does not grow with {what}", factor, GROWTH, " times", 2)


def only_complete(runs: Sequence[Run]) -> list[Bar]:
    return [all_complete(runs)]


def all_complete(runs: Sequence[Run]) -> Bar:
    """The product's and the floors'; what a passthrough does is no promise of ours."""
    everyone = [one for run in runs for one in run if one.side != "passthrough"]
    missing = sum(one.streams - one.complete for one in everyone)
    return Bar("every stream complete", f"{missing} were not" if missing else "all", not missing)


def lines(bars: Sequence[Bar]) -> str:
    words: Callable[[bool | None], str] = {True: "met", False: "MISSED", None: "-"}.__getitem__
    return "\n".join(f"bar: {bar.promise}: {bar.seen}  [{words(bar.met)}]" for bar in bars)
