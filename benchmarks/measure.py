"""One run of one side, and runs in rows: who is asked what, when, and what it cost."""

import asyncio
import sys
from collections.abc import Sequence

from benchmarks import servers
from benchmarks.load import Load
from benchmarks.meter import Meter, cpu_seconds
from benchmarks.plan import Plan
from benchmarks.plot import Point
from benchmarks.report import Figures, Run
from benchmarks.servers import BenchmarkError, Server, Side
from benchmarks.upstream import Knobs

WARM_STREAMS, WARM_KNOBS = 10, Knobs(tokens=40, delay=1)
SETTLE_SECONDS = 0.5
AT_ONCE, LOOKS, CALM_SECONDS = 40, 20, 7.0


async def run(side: Side, plan: Plan) -> Figures:
    """One run of one side. The upstream must have been told the plan's knobs."""
    meter = Meter(side.server.pid, side.connections)
    load = Load(side.target, plan.streams, plan.tokens, plan.ramp)
    before, used = cpu_seconds(side.server.pid), _services(side)
    idle = meter.look()
    async with meter.watching():
        tally = await load.run(plan.limit)
        await asyncio.sleep(SETTLE_SECONDS)
    cpu, used = cpu_seconds(side.server.pid) - before, _services(side) - used
    tokens = tally.tokens
    return Figures(
        side=side.name,
        streams=tally.streams,
        complete=tally.complete,
        most_open=tally.most_open,
        tokens=tokens,
        events=tally.events,
        cpu_us=(cpu + used) * 1e6 / tokens if tokens else None,
        services_cpu_us=used * 1e6 / tokens if tokens else 0.0,
        busy=100 * cpu / tally.seconds,
        first_p50=_ms(tally.first_p50),
        first_p95=_ms(tally.first_p95),
        total_p50=_ms(tally.total_p50),
        total_max=_ms(tally.total_max),
        ideal=plan.ideal * 1000,
        seconds=tally.seconds,
        idle_memory_mb=idle.memory / 1e6,
        memory_mb=meter.peak.memory / 1e6,
        threads=meter.peak.threads,
        connections=meter.peak.connections,
        body_bytes=tally.body_bytes,
        failures=tally.failures,
    )


def _services(side: Side) -> float:
    return sum(cpu_seconds(pid) for pid in side.others)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


async def warmed(upstream: Server, sides: Sequence[Side]) -> None:
    """A few quick streams, so that imports and first connections are not measured. None through: give up."""
    servers.turn(upstream, WARM_KNOBS)
    for side in sides:
        tally = await Load(side.target, WARM_STREAMS, WARM_KNOBS.tokens, 0.2).run(60)
        if not tally.complete:
            reasons = ", ".join(f"{count} x {why}" for why, count in tally.failures.items())
            told = f"{side.name} completed none of {WARM_STREAMS} warm-up streams: {reasons}"
            raise BenchmarkError(f"{told}\n{side.server.last_words()}".rstrip())


async def rounds(upstream: Server, sides: Sequence[Side], plan: Plan) -> list[Run]:
    """A warm-up of each side, then the rounds, interleaved: what disturbs the machine disturbs all alike."""
    await warmed(upstream, sides)
    servers.turn(upstream, plan.knobs)
    runs: list[Run] = []
    for number in range(1, plan.rounds + 1):
        one = []
        for side in sides:
            say(f"{plan.mode}, round {number} of {plan.rounds}: {side.name} …")
            one.append(await run(side, plan))
        runs.append(one)
    return runs


async def once(upstream: Server, side: Side, plan: Plan) -> Figures:
    """One run by itself, at another length than the others."""
    await warmed(upstream, [side])
    servers.turn(upstream, plan.knobs)
    say(f"{plan.mode}: {side.name}, {plan.tokens} tokens …")
    return await run(side, plan)


async def one_at_a_time(upstream: Server, sides: Sequence[Side], plan: Plan) -> dict[str, list[float]]:
    """Seconds to the first token, of each side in turn, with nothing else going on."""
    await warmed(upstream, sides)
    servers.turn(upstream, plan.knobs)
    say(f"{plan.mode}: {plan.streams} streams, one at a time …")
    seen: dict[str, list[float]] = {side.name: [] for side in sides}
    for _ in range(plan.streams):
        for side in sides:
            tally = await Load(side.target, 1, plan.tokens).run(plan.limit)
            seen[side.name] += tally.firsts
    return seen


async def memory(upstream: Server, side: Side, plan: Plan) -> list[Point]:
    """Resident MB after each part of the streams, once what they left could have gone."""
    await warmed(upstream, [side])
    servers.turn(upstream, plan.knobs)
    meter = Meter(side.server.pid)
    line, part = [(0.0, meter.look().memory / 1e6)], max(1, plan.streams // LOOKS)
    for number in range(1, LOOKS + 1):
        say(f"{plan.mode}: {number * part} of {plan.streams} …")
        tally = await Load(side.target, part, plan.tokens, at_once=AT_ONCE).run(300)
        if tally.complete < tally.streams:
            raise BenchmarkError(f"{side.name}: {tally.failures}\n{side.server.last_words()}")
        await asyncio.sleep(CALM_SECONDS)
        line.append((float(number * part), meter.look().memory / 1e6))
    return line


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
