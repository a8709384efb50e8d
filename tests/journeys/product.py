"""Nightlight as its own processes: database, simulator, server."""

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psutil
from playwright.sync_api import Page

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
    connections: ExitStack = field(default_factory=ExitStack)

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
        client = httpx2.Client(base_url=self.product.url, timeout=30)
        self.http = self.product.connections.enter_context(client)

    def ask(self, message: str, **fields: str) -> list[Event]:
        """The events of an answer, to its end."""
        with self.http.stream(
            "POST", "/api/v1/ai/chat/stream", json={"message": message, **fields}
        ) as response:
            assert response.status_code == 200, response.read()
            return [event for _seq, event in events_of(response)]

    @contextmanager
    def asking(self, message: str, **fields: str) -> Iterator[Iterator[tuple[int, Event]]]:
        """(id, event) as they come; leaving the block closes the connection, as a phone does."""
        body = {"message": message, **fields}
        with self.http.stream("POST", "/api/v1/ai/chat/stream", json=body) as response:
            assert response.status_code == 200, response.read()
            yield events_of(response)

    def saved(self, opening: Metadata) -> dict[str, Any]:
        """The answer as `GET messages` tells it."""
        items = self.http.get(f"/api/v1/conversations/{opening.conversation_id}/messages").json()["items"]
        answers: list[dict[str, Any]] = [item for item in items if item["id"] == opening.message_id]
        assert len(answers) == 1
        return answers[0]

    def stop(self, opening: Metadata) -> dict[str, Any]:
        response = self.http.post(f"/api/v1/ai/streams/{opening.stream_id}/stop", json={})
        assert response.status_code == 200, response.text
        stopped: dict[str, Any] = response.json()
        return stopped

    def follow(self, stream_id: str, after: int = 0) -> list[tuple[int, Event]]:
        with self.following(stream_id, after) as events:
            return list(events)

    @contextmanager
    def following(self, stream_id: str, after: int) -> Iterator[Iterator[tuple[int, Event]]]:
        headers = {"Last-Event-ID": str(after)}
        with self.http.stream("GET", f"/api/v1/ai/streams/{stream_id}", headers=headers) as response:
            yield events_of(response)


def events_of(response: httpx2.Response) -> Iterator[tuple[int, Event]]:
    """(id, event) as they arrive; the `id:` line of an event stands before its data."""
    splitter, ids, rest = DataSplitter(), deque[int](), b""
    for chunk in response.iter_raw():
        *lines, rest = (rest + chunk).split(b"\n")
        ids.extend(int(line[4:]) for line in lines if line.startswith(b"id: "))
        for data in splitter.feed(chunk):
            yield ids.popleft(), from_wire(json.loads(data))


def opening(events: list[Event]) -> Metadata:
    first = events[0]
    assert isinstance(first, Metadata)
    return first


def sign_up(page: Page, product: Product) -> None:
    """A new account, by the form; ends on the chat page."""
    page.goto(f"{product.url}/accounts/signup/")
    page.locator("[name=email]").fill(f"{uuid4().hex}@example.org")
    page.locator("[name=password1]").fill("a-long-password-4u")
    page.locator("[name=password2]").fill("a-long-password-4u")
    page.locator("form button[type=submit]").last.click()
    page.wait_for_url(f"{product.url}/")


@contextmanager
def start_product(simulator: RunningSimulator, state: Path, **settings: str) -> Iterator[Product]:
    """A new installation, serving until the block is left."""
    with serve(simulator, environment_of(simulator, state, **settings)) as product:
        yield product


def environment_of(simulator: RunningSimulator, state: Path, **settings: str) -> dict[str, str]:
    """The environment of an installation of its own, with an empty database."""
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
    state.mkdir(exist_ok=True)
    template = _migrated(os.environ.get("DATABASE_URL"))
    if isinstance(template, Path):
        shutil.copy(template, state)
    else:
        environment["DATABASE_URL"] = _new_database(os.environ["DATABASE_URL"], state.name, template)
    return environment


@cache
def _migrated(url: str | None) -> Path | str:
    """Tables without rows, made once: the file of a SQLite database, or the name of a PostgreSQL one."""
    folder = Path(tempfile.mkdtemp(prefix="nightlight-migrated-"))
    atexit.register(shutil.rmtree, folder)
    environment = os.environ | {"STATE_DIR": str(folder)}
    if url:
        environment["DATABASE_URL"] = _new_database(url, "migrated", "template1")
    command = [sys.executable, "manage.py", "migrate", "-v0"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=120)
    return "journey_migrated" if url else folder / "nightlight.sqlite3"


@contextmanager
def serve(simulator: RunningSimulator, environment: dict[str, str]) -> Iterator[Product]:
    """A server process on a free port, ended with the block."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with subprocess.Popen(
            server_command(listener), cwd=ROOT, env=environment, pass_fds=[listener.fileno()]
        ) as server:
            try:
                _wait_until_ready(url, server)
                product = Product(url, simulator, environment, server)
                with product.connections:
                    yield product
            finally:
                server.terminate()
                server.wait(timeout=15)


def server_command(listener: socket.socket) -> list[str]:
    options = ["--fd", str(listener.fileno()), "--timeout-graceful-shutdown", "3", "--no-access-log"]
    return [sys.executable, "-m", "uvicorn", "config.asgi:application", "--lifespan", "on", *options]


def _new_database(url: str, name: str, template: str) -> str:
    """Another database on the PostgreSQL server of this test run; its address."""
    import psycopg

    name = "journey_" + "".join(letter if letter.isalnum() else "_" for letter in name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
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
