"""Measure Nightlight beside a hand-written passthrough, a byte relay and the bare upstream.

python -m benchmarks              100 streams x 50 tokens/s: CPU per token, first token, memory
python -m benchmarks all          every mode, one after the other
"""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import bars, plot, report, servers
from benchmarks.measure import say
from benchmarks.modes import BESIDE, MODES, PRODUCTS, Result
from benchmarks.plan import Plan
from benchmarks.servers import LOAD_CORE, BenchmarkError

RESULTS = Path(__file__).resolve().parent / "results"
MOST = {"streams": 50_000, "rate": 1000, "tokens": 10_000, "rounds": 20, "ramp": 120}
LONGEST_SECONDS = 900


def arguments(argv: list[str] | None = None) -> tuple[list[Plan], argparse.Namespace]:
    modes = "\n".join(f"  {name:<10} {mode.about}" for name, mode in MODES.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"{__doc__}\nmodes:\n{modes}\n\nSee docs/performance.md.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("mode", nargs="?", choices=(*MODES, "all"), default="compare", metavar="MODE")
    parser.add_argument("--streams", type=int, help="at once")
    parser.add_argument("--rate", type=float, help="tokens per second and stream; 0: as fast as it goes")
    parser.add_argument("--tokens", type=int, help="per stream")
    parser.add_argument("--rounds", type=int, help="of all sides, one after the other")
    parser.add_argument("--ramp", type=float, help="seconds within which the streams begin")
    parser.add_argument("--ttft", type=float, help="the upstream's own first token, in milliseconds")
    parser.add_argument("--database", choices=("sqlite", "postgres"))
    parser.add_argument(
        "--sides", nargs="+", choices=list(dict.fromkeys((*BESIDE, *PRODUCTS))), metavar="SIDE"
    )
    parser.add_argument(
        "--guests", action="store_true", default=None, help="nobody is signed in, every stream is a new guest"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for JSON and SVG")
    parser.add_argument(
        "--check", action="store_true", help="exit 1 if a bar is missed or could not be measured"
    )
    given = parser.parse_args(argv)
    names = list(MODES) if given.mode == "all" else [given.mode]
    return [_plan(parser, given, MODES[name].usual) for name in names], given


def _plan(parser: argparse.ArgumentParser, given: argparse.Namespace, usual: Plan) -> Plan:
    wanted = {
        field.name: getattr(given, field.name)
        for field in fields(Plan)
        if field.name != "mode" and getattr(given, field.name) is not None
    }
    if "sides" in wanted:
        known = dict.fromkeys((*BESIDE, *PRODUCTS))  # in the order they are measured in, each once
        wanted["sides"] = tuple(side for side in known if side in wanted["sides"])
    plan = replace(usual, **wanted)
    for name, most in MOST.items():
        value, least = getattr(plan, name), 0 if name in ("rate", "ramp") else 1
        if not least <= value <= most:
            parser.error(f"--{name} must be from {least} to {most}")
    if not 0 <= plan.ttft <= 60_000 or plan.limit > LONGEST_SECONDS:
        parser.error(f"one run could take {plan.limit:.0f} s; at most {LONGEST_SECONDS} are allowed")
    return plan


def show(result: Result) -> None:
    plan = result.plan
    pace = f"{plan.rate:g} tokens/s" if plan.rate else "full speed"
    people = "guests" if plan.guests else "signed in"
    print(f"\n{plan.mode}: {plan.streams} streams x {plan.tokens} tokens at {pace}", end=", ")
    print(f"{plan.rounds} round(s), {plan.database}, {people}\n")
    parts = [report.points(result.lines)]
    if result.rounds:
        parts += [
            report.table(result.rounds),
            report.ratio_lines(result.rounds),
            report.failure_lines(result.rounds),
        ]
    print("\n\n".join(part for part in [*parts, bars.lines(result.bars)] if part))
    usual = MODES[plan.mode].usual
    if (plan.streams, plan.rate, plan.database) != (usual.streams, usual.rate, usual.database):
        print(
            f"The bars are meant for {usual.streams} streams at {usual.rate:g} tokens/s on {usual.database}."
        )


def saved(result: Result) -> dict[str, Any]:
    return {
        "plan": asdict(result.plan),
        "rounds": [[asdict(one) for one in run] for run in result.rounds],
        "ratios": report.ratios(result.rounds) if result.rounds else {},
        "lines": result.lines,
        "bars": [asdict(bar) for bar in result.bars],
    }


def write(name: str, folder: Path, results: Sequence[Result]) -> None:
    """`NAME.json` with everything measured, and `NAME.svg` to look at."""
    folder.mkdir(parents=True, exist_ok=True)
    machine = report.machine()
    everything = {"machine": machine, "results": {one.plan.mode: saved(one) for one in results}}
    (folder / f"{name}.json").write_text(json.dumps(everything, indent=1) + "\n")
    heading = ", ".join(f"{value} {key}" if key == "cores" else str(value) for key, value in machine.items())
    charts = [chart for one in results for chart in one.charts]
    (folder / f"{name}.svg").write_text(plot.page(f"Nightlight, {heading}", charts))
    say(f"\nwritten: {folder / name}.json and .svg")


async def _run(plan: Plan) -> Result:
    return await MODES[plan.mode].run(plan)


def main(argv: list[str] | None = None) -> int:
    plans, given = arguments(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    servers.raise_file_limit()
    servers.pin(0, LOAD_CORE)
    results: list[Result] = []
    try:
        for plan in plans:
            results.append(uvloop.run(_run(plan)))
            show(results[-1])
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    write(given.mode, given.out, results)
    return int(given.check and not all(bar.met for result in results for bar in result.bars))


if __name__ == "__main__":
    sys.exit(main())
