"""Figures into medians, ratios and a table."""

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Figures:
    """One run of one side. Times in milliseconds but `seconds`; memory in MB; `cpu_us` per upstream token.

    `cpu_us` holds the share of what the server uses too (a database server, Valkey), which `services_cpu_us`
    shows apart. `memory_mb` is the most that the server's processes held, `idle_memory_mb` what they held
    just before. `ideal` is how long a stream takes that nobody holds up, `total_max` what the slowest took.
    """

    side: str
    streams: int
    complete: int
    most_open: int
    tokens: int
    events: int
    cpu_us: float | None
    services_cpu_us: float
    busy: float
    first_p50: float | None
    first_p95: float | None
    total_p50: float | None
    total_max: float | None
    ideal: float
    seconds: float
    memory_mb: float
    idle_memory_mb: float
    threads: int
    connections: int
    body_bytes: int = 0
    failures: dict[str, int] = field(default_factory=dict)


Run = Sequence[Figures]
ROWS: tuple[tuple[str, str, int], ...] = (
    ("CPU, us per token", "cpu_us", 1),
    ("  of it database and Valkey", "services_cpu_us", 1),
    ("busy, % of one core", "busy", 0),
    ("first token p50, ms", "first_p50", 1),
    ("first token p95, ms", "first_p95", 1),
    ("stream p50, ms", "total_p50", 0),
    ("slowest stream, ms", "total_max", 0),
    ("bytes to the reader per token", "token_bytes", 0),
    ("memory, MB", "memory_mb", 0),
    ("  of it per stream, KB", "stream_kb", 0),
    ("threads", "threads", 0),
    ("database connections", "connections", 0),
    ("most streams open", "most_open", 0),
)
PEAKS = ("threads", "connections", "most_open", "total_max")
RATIOS = ("cpu_us", "first_p50", "memory_mb", "threads")


def median(runs: Sequence[Run], side: str, name: str) -> float | None:
    """The median over the rounds; of peaks (threads, connections) the largest, for one bad round is bad."""
    values = [_value(one, name) for run in runs for one in run if one.side == side]
    seen = [value for value in values if value is not None]
    if not seen:
        return None
    return max(seen) if name in PEAKS else statistics.median(seen)


def _value(figures: Figures, name: str) -> float | None:
    if name == "stream_kb":
        return (figures.memory_mb - figures.idle_memory_mb) * 1000 / max(1, figures.most_open)
    if name == "token_bytes":
        return figures.body_bytes / figures.tokens if figures.tokens else None
    value: float | None = getattr(figures, name)
    return value


def ratio(runs: Sequence[Run], side: str, against: str, name: str) -> float | None:
    """The median of the rounds' ratios: both halves of each were measured within seconds of each other."""
    found = []
    for run in runs:
        by_side = {one.side: _value(one, name) for one in run}
        over, under = by_side.get(side), by_side.get(against)
        if over is not None and under:
            found.append(over / under)
    return statistics.median(found) if found else None


def sides(runs: Sequence[Run]) -> list[str]:
    return [one.side for one in runs[0]]


def table(runs: Sequence[Run]) -> str:
    """Every figure of every side, side by side."""
    names = sides(runs)
    lines = [_line("", names), _line("streams complete", [_complete(runs, name) for name in names])]
    for title, field_name, digits in ROWS:
        values = [median(runs, name, field_name) for name in names]
        lines.append(_line(title, [_number(value, digits) for value in values]))
    return "\n".join(lines)


def _line(title: str, cells: Sequence[str]) -> str:
    return f"{title:<30}" + "".join(f"{cell:>20}" for cell in cells)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _complete(runs: Sequence[Run], side: str) -> str:
    mine = [one for run in runs for one in run if one.side == side]
    return f"{sum(one.complete for one in mine)}/{sum(one.streams for one in mine)}"


def ratios(runs: Sequence[Run]) -> dict[str, dict[str, float]]:
    """`{"product/passthrough": {"cpu_us": 0.3, …}, …}` for each side against those that come before it."""
    names, found = sides(runs), {}
    for at, side in enumerate(names):
        for against in names[:at]:
            pairs = ((name, ratio(runs, side, against, name)) for name in RATIOS)
            found[f"{side}/{against}"] = {name: round(value, 3) for name, value in pairs if value is not None}
    return found


def points(lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Lines of points: their names, and at most a dozen points of each."""
    shown = []
    for name, line in lines.items():
        step = max(1, len(line) // 11)
        kept = [*line[::step], *([line[-1]] if line and (len(line) - 1) % step else [])]
        shown.append(f"{name:<31}" + "  ".join(f"{x:,.0f}: {y:,.1f}" for x, y in kept))
    return "\n".join(shown)


def ratio_lines(runs: Sequence[Run]) -> str:
    titles = dict(zip(RATIOS, ("CPU", "first token", "memory", "threads"), strict=True))
    return "\n".join(
        f"{pair:<42}" + ", ".join(f"{titles[name]} x {value:.2f}" for name, value in values.items())
        for pair, values in ratios(runs).items()
    )


def failure_lines(runs: Sequence[Run]) -> str:
    lines = []
    for number, run in enumerate(runs, 1):
        for one in run:
            lines += [f"round {number}, {one.side}: {n} x {why}" for why, n in one.failures.items()]
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """What the figures are worth: they hold for this machine and these versions only."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
