"""Measure Nightlight beside a hand-written passthrough and the bare upstream; see docs/performance.md.

python -m benchmarks              100 streams x 50 tokens/s: CPU per token, first token, memory
python -m benchmarks hold         500 streams open at once: threads, database connections, memory
"""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import report, servers
from benchmarks.load import Load
from benchmarks.meter import Meter, Peak, cpu_seconds
from benchmarks.report import Figures
from benchmarks.servers import LOAD_CORE, SERVER_CORE, BenchmarkError, Server, Side
from benchmarks.upstream import Knobs

SIDES = ("direct", "passthrough", "product")
DEFAULTS = {
    "compare": {"streams": 100, "rate": 50.0, "tokens": 200, "rounds": 3, "ramp": 2.0},
    "hold": {"streams": 500, "rate": 2.0, "tokens": 60, "rounds": 1, "ramp": 10.0},
}
MOST = {"streams": 5000, "rate": 1000, "tokens": 10_000, "rounds": 20, "ramp": 120}
WARM_STREAMS, WARM_KNOBS = 10, Knobs(tokens=40, delay=1)
SETTLE_SECONDS, LONGEST_SECONDS = 0.5, 900


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `rate` is tokens per second and stream, 0 for as fast as it goes; `ttft` milliseconds."""

    mode: str
    streams: int
    rate: float
    tokens: int
    rounds: int
    ramp: float
    ttft: float
    database: str
    sides: tuple[str, ...]
    guests: bool

    @property
    def delay(self) -> float:
        return 1000 / self.rate if self.rate else 0.0

    @property
    def limit(self) -> float:
        """Seconds after which one run is given up: four times what it should take at the upstream's pace."""
        return self.ramp + 60 + 4 * (self.tokens * self.delay + self.ttft) / 1000


def arguments(argv: list[str] | None = None) -> tuple[Plan, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mode", nargs="?", choices=tuple(DEFAULTS), default="compare")
    parser.add_argument("--streams", type=int, help="at once")
    parser.add_argument("--rate", type=float, help="tokens per second and stream; 0: as fast as it goes")
    parser.add_argument("--tokens", type=int, help="per stream")
    parser.add_argument("--rounds", type=int, help="of all sides, one after the other")
    parser.add_argument("--ramp", type=float, help="seconds within which the streams begin")
    parser.add_argument(
        "--ttft", type=float, default=0.0, help="the upstream's own first token, in milliseconds"
    )
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument(
        "--guests", action="store_true", help="nobody is signed in, every stream is a new guest"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured here")
    parser.add_argument(
        "--check", action="store_true", help="exit 1 if a bar is missed or could not be measured"
    )
    given = parser.parse_args(argv)
    return _plan(parser, given), given


def _plan(parser: argparse.ArgumentParser, given: argparse.Namespace) -> Plan:
    numbers: dict[str, Any] = {
        name: default if getattr(given, name) is None else getattr(given, name)
        for name, default in DEFAULTS[given.mode].items()
    }
    for name, value in numbers.items():
        least = 0 if name in ("rate", "ramp") else 1
        if not least <= value <= MOST[name]:
            parser.error(f"--{name} must be from {least} to {MOST[name]}")
    sides = tuple(side for side in SIDES if side in given.sides)
    plan = Plan(
        given.mode, **numbers, ttft=given.ttft, database=given.database, sides=sides, guests=given.guests
    )
    if not 0 <= plan.ttft <= 60_000 or plan.limit > LONGEST_SECONDS:
        parser.error(f"one run could take {plan.limit:.0f} s; at most {LONGEST_SECONDS} are allowed")
    return plan


@contextlib.contextmanager
def started(plan: Plan) -> Iterator[tuple[Server, list[Side]]]:
    """The servers of the sides asked for, all up at once, in the order they are measured in."""
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(servers.upstream(LOAD_CORE))
        found = []
        for name in plan.sides:
            if name == "direct":
                found.append(servers.direct(upstream))
            elif name == "passthrough":
                found.append(stack.enter_context(servers.passthrough(upstream, SERVER_CORE)))
            else:
                people = 0 if plan.guests else plan.streams
                found.append(
                    stack.enter_context(servers.product(upstream, plan.database, people, SERVER_CORE))
                )
        yield upstream, found


async def measured(side: Side, plan: Plan) -> Figures:
    """One run of one side."""
    meter = Meter(side.server.pid, side.connections)
    database = side.database.pid if side.database else None
    load = Load(side.target, plan.streams, plan.tokens, plan.ramp)
    before, stored = cpu_seconds(side.server.pid), cpu_seconds(database) if database else 0.0
    idle = meter.look()
    async with meter.watching():
        tally = await load.run(plan.limit)
        await asyncio.sleep(SETTLE_SECONDS)
    cpu = cpu_seconds(side.server.pid) - before
    stored = cpu_seconds(database) - stored if database else 0.0
    tokens = tally.tokens
    return Figures(
        side=side.name,
        streams=tally.streams,
        complete=tally.complete,
        most_open=tally.most_open,
        tokens=tokens,
        events=tally.events,
        cpu_us=(cpu + stored) * 1e6 / tokens if tokens else None,
        database_cpu_us=stored * 1e6 / tokens if tokens else 0.0,
        busy=100 * cpu / tally.seconds,
        first_p50=_ms(tally.first_p50),
        first_p95=_ms(tally.first_p95),
        total_p50=_ms(tally.total_p50),
        seconds=tally.seconds,
        failures=tally.failures,
        idle_memory_mb=idle.memory / 1e6,
        **_peak(meter.peak),
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _peak(peak: Peak) -> dict[str, Any]:
    return {"memory_mb": peak.memory / 1e6, "threads": peak.threads, "connections": peak.connections}


async def warmed(side: Side) -> None:
    """A few quick streams, so that imports and first connections are not measured. None through: give up."""
    tally = await Load(side.target, WARM_STREAMS, WARM_KNOBS.tokens, 0.2).run(60)
    if not tally.complete:
        reasons = ", ".join(f"{count} x {why}" for why, count in tally.failures.items())
        told = f"{side.name} completed none of {WARM_STREAMS} warm-up streams: {reasons}"
        raise BenchmarkError(f"{told}\n{side.server.last_words()}".rstrip())


async def all_rounds(upstream: Server, sides: list[Side], plan: Plan) -> list[list[Figures]]:
    """A warm-up of each side, then the rounds, interleaved: what disturbs the machine disturbs all alike."""
    servers.turn(upstream, WARM_KNOBS)
    for side in sides:
        await warmed(side)
    servers.turn(upstream, Knobs(plan.tokens, plan.delay, plan.ttft))
    runs = []
    for number in range(1, plan.rounds + 1):
        run = []
        for side in sides:
            print(f"round {number} of {plan.rounds}: {side.name} …", file=sys.stderr, flush=True)
            run.append(await measured(side, plan))
        runs.append(run)
    return runs


def show(plan: Plan, runs: list[list[Figures]], bars: list[report.Bar]) -> None:
    pace = f"{plan.rate:g} tokens/s" if plan.rate else "full speed"
    people = "guests" if plan.guests else "signed in"
    print(f"{plan.streams} streams x {plan.tokens} tokens at {pace}, {plan.rounds} round(s)", end=", ")
    print(f"{plan.database}, {people}")
    print(", ".join(f"{name} {value}" for name, value in report.machine().items()), end="\n\n")
    parts = (report.table(runs), report.ratio_lines(runs), report.failure_lines(runs), report.bar_lines(bars))
    print("\n\n".join(part for part in parts if part))
    usual = DEFAULTS[plan.mode]
    if (plan.streams, plan.rate) != (usual["streams"], usual["rate"]):
        print(f"The bars are meant for {usual['streams']} streams at {usual['rate']:g} tokens/s.")


def saved(plan: Plan, runs: list[list[Figures]], bars: list[report.Bar]) -> str:
    everything = {
        "plan": asdict(plan),
        "machine": report.machine(),
        "rounds": [[asdict(one) for one in run] for run in runs],
        "ratios": report.ratios(runs),
        "bars": [asdict(bar) for bar in bars],
    }
    return json.dumps(everything, indent=2)


def main(argv: list[str] | None = None) -> int:
    plan, given = arguments(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    servers.raise_file_limit()
    servers.pin(0, LOAD_CORE)
    try:
        with started(plan) as (upstream, sides):
            runs = uvloop.run(all_rounds(upstream, sides, plan))
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    bars = report.hold_bars(runs) if plan.mode == "hold" else report.cpu_bars(runs)
    show(plan, runs, bars)
    if given.json:
        given.json.write_text(saved(plan, runs, bars))
    return int(given.check and not all(bar.met for bar in bars))


if __name__ == "__main__":
    sys.exit(main())
