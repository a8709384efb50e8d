"""Nightlight as its own processes: database, simulator, server."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psutil

from streaming.events import Event, Metadata, from_wire
from streaming.sse import DataSplitter
from tests.streaming.simulator.process import RunningSimulator

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Product:
    url: str
    simulator: RunningSimulator
    environment: dict[str, str]
    server: subprocess.Popen[bytes]

    def manage(self, *arguments: str, stdin: str = "") -> str:
        """What a management command prints, run beside the server on the same database."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, input=stdin, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shell(self, code: str, **values: Any) -> str:
        """Runs `code` with the models at hand and `values` by name; what it prints."""
        lines = (
            f"import json\nfrom chat.models import *\nglobals().update(json.loads({json.dumps(values)!r}))\n"
        )
        return self.manage("shell", "--no-imports", "-c", lines + code)

    def guest(self) -> "Guest":
        return Guest(self)

    @property
    def threads(self) -> int:
        return psutil.Process(self.server.pid).num_threads()


@dataclass
class Guest:
    """A caller of the API with a cookie jar of their own."""

    product: Product
    http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx2.Client(base_url=self.product.url, timeout=30)

    def ask(self, message: str, **fields: str) -> list[Event]:
        """The events of an answer, to its end."""
        with self.http.stream(
            "POST", "/api/v1/ai/chat/stream", json={"message": message, **fields}
        ) as response:
            assert response.status_code == 200, response.read()
            return [event for _seq, event in events_of(response)]

    def follow(self, stream_id: str, after: int = 0) -> list[tuple[int, Event]]:
        headers = {"Last-Event-ID": str(after)}
        with self.http.stream("GET", f"/api/v1/ai/streams/{stream_id}", headers=headers) as response:
            return list(events_of(response))


def events_of(response: httpx2.Response) -> Iterator[tuple[int, Event]]:
    """(id, event) as they arrive. Ids have no gaps, so the first one tells all of them."""
    splitter, ids = DataSplitter(), IdReader()
    for chunk in response.iter_raw():
        seen = list(ids.feed(chunk))
        yield from zip(seen, [from_wire(json.loads(data)) for data in splitter.feed(chunk)], strict=True)


class IdReader:
    """The `id:` lines of a stream of frames that arrive whole."""

    def feed(self, chunk: bytes) -> Iterator[int]:
        for line in chunk.split(b"\n"):
            if line.startswith(b"id: "):
                yield int(line[4:])


def opening(events: list[Event]) -> Metadata:
    first = events[0]
    assert isinstance(first, Metadata)
    return first


@contextmanager
def start_product(simulator: RunningSimulator, state: Path, **settings: str) -> Iterator[Product]:
    """Migrates an empty database, and serves until the block is left."""
    environment = os.environ | {
        "STATE_DIR": str(state),
        "AZURE_OPENAI_ENDPOINT": simulator.url,
        "AZURE_OPENAI_DEPLOYMENT": "simulator",
        "STREAM_KEEPALIVE": "1",
        "PROVIDER_IDLE_TIMEOUT": "2",
        "LOG_LEVEL": "WARNING",
        "EMAIL_VERIFICATION": "none",
        **settings,
    }
    if "DATABASE_URL" in os.environ:
        environment["DATABASE_URL"] = _new_database(os.environ["DATABASE_URL"], state.name)
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True, timeout=120
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        options = ["--fd", str(listener.fileno()), "--timeout-graceful-shutdown", "3", "--no-access-log"]
        command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--lifespan", "on", *options]
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=[listener.fileno()]) as server:
            try:
                _wait_until_ready(url, server)
                yield Product(url, simulator, environment, server)
            finally:
                server.terminate()
                server.wait(timeout=15)


def _new_database(url: str, name: str) -> str:
    """Another database on the PostgreSQL server of this test run."""
    import psycopg

    name = "journey_" + "".join(letter if letter.isalnum() else "_" for letter in name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        info = connection.info
        return f"postgresql://{info.user}@/{name}?host={info.host}&port={info.port}"


def _wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert server.poll() is None, "the server ended; its lines above say why"
        try:
            if httpx2.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    raise AssertionError("the server was not ready within 20 s")
