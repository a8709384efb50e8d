"""What a server used: processor time, memory, threads, database connections of it and its children."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

INTERVAL = 0.25


@dataclass(slots=True)
class Peak:
    """The most that was seen at any one look. `memory` is bytes of resident memory."""

    memory: int = 0
    threads: int = 0
    connections: int = 0


def tree(pid: int) -> list[psutil.Process]:
    """A process and all its descendants; empty once it has gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(pid: int) -> float:
    """User and system time of the tree, of children that have ended too."""
    total = 0.0
    for process in tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def open_copies(pid: int, path: Path) -> int:
    """How often the tree has this file open: an SQLite connection holds its database open once."""
    count = 0
    for process in tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            count += sum(Path(one.path) == path for one in process.open_files())
    return count


class Meter:
    def __init__(self, pid: int, connections: Callable[[], int] | None = None) -> None:
        self.pid = pid
        self.connections = connections
        self.peak = Peak()

    def look(self) -> Peak:
        """What is in use now; `peak` remembers the most of each."""
        now = Peak(connections=self.connections() if self.connections else 0)
        for process in tree(self.pid):
            with contextlib.suppress(psutil.NoSuchProcess), process.oneshot():
                now.memory += process.memory_info().rss
                now.threads += process.num_threads()
        self.peak = Peak(
            max(self.peak.memory, now.memory),
            max(self.peak.threads, now.threads),
            max(self.peak.connections, now.connections),
        )
        return now

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look every `INTERVAL` seconds while the block runs, and once at its end."""
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
            self.look()

    async def _watch(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(INTERVAL)
