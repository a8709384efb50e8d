"""The simulator as a process of its own, as the demo and the tests use it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).parents[3]
SAID = "Simulator listening on "


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """`url` has no slash at its end; `base_url` is the v1 address that AsyncOpenAI takes."""

    url: str
    process: subprocess.Popen[str]

    @property
    def base_url(self) -> str:
        return f"{self.url}/openai/v1/"

    def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = httpx2.get(f"{self.url}/simulator/stats").json()
        return stats


@contextmanager
def start_simulator(*options: str) -> Iterator[RunningSimulator]:
    """Runs `manage.py simulator` on a free port until the block is left."""
    command = [sys.executable, "manage.py", "simulator", "--port", "0", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield RunningSimulator(_address(process), process)
        finally:
            process.terminate()
            process.wait(timeout=10)


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith(SAID), f"the simulator did not start: {line!r}"
    return line.removeprefix(SAID).strip()
