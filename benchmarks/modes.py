"""What can be measured: for each mode its load, its sides, its bars and its charts."""

import contextlib
import statistics
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks import bars, measure, servers
from benchmarks.bars import Bar
from benchmarks.plan import Plan
from benchmarks.plot import Bars, Chart, Lines, Point
from benchmarks.report import Run, median
from benchmarks.servers import LOAD_CORE, SERVER_CORE, Server, Side


@dataclass(slots=True)
class Result:
    """What came of a plan: rounds of figures, or lines of points, or both."""

    plan: Plan
    bars: list[Bar] = field(default_factory=list)
    rounds: list[Run] = field(default_factory=list)
    lines: dict[str, list[Point]] = field(default_factory=dict)
    charts: list[Chart] = field(default_factory=list)


# --- Sides --------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def side(name: str, upstream: Server, plan: Plan) -> Iterator[Side]:
    """Start what is measured under this name."""
    with contextlib.ExitStack() as stack:
        if name == "direct":
            yield servers.direct(upstream)
        elif name == "relay":
            yield stack.enter_context(servers.relay(upstream, SERVER_CORE))
        elif name == "passthrough":
            yield stack.enter_context(servers.passthrough(upstream, SERVER_CORE))
        else:
            options = PRODUCTS[name]
            yield stack.enter_context(
                servers.product(upstream, plan.database, plan.people, SERVER_CORE, name=name, **options)
            )


PRODUCTS: dict[str, dict[str, Any]] = {
    "product": {},
    "product unpadded": {"settings": {"STREAM_PAD_BYTES": "0"}},
    "product Valkey": {"redis": True},
    "product Valkey x2": {"redis": True, "workers": 2},
    "product hist. 40": {"exchanges": 40},
    "product hist. 400": {"exchanges": 400},
}
BESIDE = ("direct", "relay", "passthrough", "product")


@contextlib.contextmanager
def started(plan: Plan) -> Iterator[tuple[Server, list[Side]]]:
    """The upstream, and the plan's sides, all up at once, in the order they are measured in."""
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(servers.upstream(LOAD_CORE))
        yield upstream, [stack.enter_context(side(name, upstream, plan)) for name in plan.sides]


# --- Rounds of all sides, beside each other -----------------------------------------------------------------


async def rounds(plan: Plan, judge: Callable[[Sequence[Run]], list[Bar]], unit: str = "cpu_us") -> Result:
    with started(plan) as (upstream, sides):
        runs = await measure.rounds(upstream, sides, plan)
    result = Result(plan, judge(runs), runs)
    result.charts = [_chart(plan, runs, unit)]
    return result


def _chart(plan: Plan, runs: Sequence[Run], name: str) -> Bars:
    pace = f"{plan.rate:g} tokens/s" if plan.rate else "full speed"
    titles = {"cpu_us": "CPU per token", "total_max": "Slowest stream", "stream_kb": "Memory for each stream"}
    units = {"cpu_us": "us", "total_max": "ms", "stream_kb": "KB"}
    limits = {"compare": bars.CPU_US, "saturate": bars.SATURATED_US, "hold": bars.HOLD_KB}
    limits["many"] = plan.ideal * 1000
    rows = [(one, median(runs, one, name) or 0.0) for one in plan.sides]
    title = f"{titles[name]}, {plan.streams} streams x {pace}"
    return Bars(title, units[name], rows, limits.get(plan.mode))


async def compare(plan: Plan) -> Result:
    return await rounds(plan, bars.compare)


async def saturate(plan: Plan) -> Result:
    return await rounds(plan, bars.saturate)


async def many(plan: Plan) -> Result:
    return await rounds(plan, bars.many, "total_max")


async def hold(plan: Plan) -> Result:
    return await rounds(plan, bars.hold, "stream_kb")


async def beside(plan: Plan) -> Result:
    """Variants of the product: only ratios are of interest."""
    return await rounds(plan, bars.only_complete)


# --- One stream at a time -----------------------------------------------------------------------------------


async def first(plan: Plan) -> Result:
    """The first token, `plan.streams` times one after the other, on each side in turn."""
    with started(replace(plan, streams=4)) as (upstream, sides):
        seen = await measure.one_at_a_time(upstream, sides, plan)
    medians = {name: statistics.median(times) * 1000 for name, times in seen.items() if times}
    added = medians["product"] - medians["direct"] if {"product", "direct"} <= set(medians) else None
    result = Result(plan, [bars.first(added)])
    result.lines = {name: [(n, t * 1000) for n, t in enumerate(sorted(seen[name]))] for name in seen}
    result.charts = [Bars("First token, one stream at a time, median", "ms", list(medians.items()))]
    return result


# --- Many streams, one after the other ----------------------------------------------------------------------


async def leak(plan: Plan) -> Result:
    """Memory after each part of many short streams. The first half fills caches, and does not count."""
    settings = {"STREAM_LOG_TTL": "5", "QUOTA_TOKENS_PER_DAY": "off"}
    with (
        servers.upstream(LOAD_CORE) as upstream,
        servers.product(upstream, plan.database, 200, SERVER_CORE, settings=settings) as product,
    ):
        line = await measure.memory(upstream, product, plan)
    settled = [point for point in line if point[0] >= plan.streams / 2]
    stays = _slope(settled) * 1e6 if len(settled) > 1 else None
    result = Result(plan, [bars.leak(stays)], lines={"product": line})
    result.charts = [Lines("Memory over short streams", "streams", "MB", {"product": line})]
    return result


def _slope(line: Sequence[Point]) -> float:
    return statistics.linear_regression([x for x, _ in line], [y for _, y in line]).slope


# --- Long answers, long conversations -----------------------------------------------------------------------


async def length(plan: Plan) -> Result:
    """CPU of a whole answer of 200, 2,000 and 4,000 tokens, by the API and on the page; and of a question
    after 40 and after 400 exchanges.
    """
    sizes = (plan.tokens // 20, plan.tokens // 2, plan.tokens)
    result = Result(plan)
    with started(plan) as (upstream, (product,)):
        for one in (product, servers.on_the_page(product)):
            line: list[Point] = []
            for tokens in sizes:
                figures = await measure.once(upstream, one, replace(plan, tokens=tokens))
                if figures.complete < figures.streams or figures.cpu_us is None:
                    result.bars.append(Bar(f"{one.name}, {tokens} tokens", f"{figures.failures}", met=False))
                    break
                line.append((float(tokens), figures.cpu_us * tokens / 1000))
            result.lines[one.name] = line
            grown = _each(line[1:]) / _each(line[:2]) if len(line) == len(sizes) else None
            result.bars.append(bars.growth(f"the answer ({one.name})", grown))
    result.charts = [Lines("CPU of one answer", "tokens", "ms", dict(result.lines))]
    await _history(result, replace(plan, tokens=20, rate=50, streams=min(plan.streams, 40)))
    return result


def _each(line: Sequence[Point]) -> float:
    """What one token more costs, between two lengths."""
    (few, less), (many, more) = line
    return (more - less) / (many - few)


async def _history(result: Result, plan: Plan) -> None:
    plan = replace(plan, sides=("product hist. 40", "product hist. 400"), rounds=3)
    with started(plan) as (upstream, sides):
        runs = await measure.rounds(upstream, sides, plan)
    result.rounds = runs
    few, many = (median(runs, name, "cpu_us") for name in plan.sides)
    result.bars.append(bars.growth("history beyond the budget", many / few if few and many else None))


@dataclass(frozen=True, slots=True)
class Mode:
    run: Callable[[Plan], Awaitable[Result]]
    usual: Plan
    about: str


MODES = {
    mode.usual.mode: mode
    for mode in (
        Mode(compare, Plan("compare", 100, 50, 200, BESIDE, rounds=3), "CPU per token"),
        Mode(saturate, Plan("saturate", 100, 0, 400, BESIDE, rounds=2), "the same at full speed"),
        Mode(many, Plan("many", 500, 20, 200, BESIDE, ramp=5), "does every stream keep its time"),
        Mode(first, Plan("first", 60, 50, 10, BESIDE), "the first token, one stream at a time"),
        Mode(
            hold,
            Plan("hold", 2000, 0.25, 14, ("product",), ramp=40, database="postgres"),
            "2,000 open streams: threads, connections, memory",
        ),
        Mode(
            leak,
            # SQLite's page caches grow with the database, up to 20 MB for each thread, which is no leak.
            Plan("leak", 20_000, 1000, 3, ("product",), database="postgres"),
            "memory after 20,000 streams",
        ),
        Mode(length, Plan("length", 20, 100, 4000, ("product",)), "long answers, long conversations"),
        Mode(
            beside,
            Plan("redis", 100, 50, 200, ("product", "product Valkey", "product Valkey x2"), rounds=2),
            "the log on Valkey, and two workers",
        ),
        Mode(
            beside,
            Plan("padding", 100, 50, 200, ("product unpadded", "product"), rounds=3),
            "what padded frames cost",
        ),
    )
}
