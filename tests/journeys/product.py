"""Nightlight as its own processes: database, simulator, server."""

import atexit
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
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
    trust: ssl.SSLContext | bool = True
    """Whose certificates count, where `url` is https."""

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

    def kill(self) -> None:
        """As the kernel does it where memory runs out: at once, with nothing said or saved."""
        self.server.kill()
        self.server.wait(timeout=5)

    def wait_until_ready(self) -> None:
        for _ in range(300):
            assert self.server.poll() is None, "the server ended; its lines above say why"
            try:
                if httpx2.get(f"{self.url}/readyz", timeout=5, verify=self.trust).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError("the server was not ready within 30 s")

    @property
    def idle(self) -> bool:
        """Nothing of an answer is left at the provider."""
        return not self.simulator.stats()["active"]

    @property
    def threads(self) -> int:
        return psutil.Process(self.server.pid).num_threads()


@dataclass
class Guest:
    """A caller of the API with a cookie jar of their own."""

    product: Product
    http: httpx2.Client = field(init=False)
    port: int = field(init=False, default=0)
    """Of our end of the connection that carries the stream which was opened last."""

    def __post_init__(self) -> None:
        client = httpx2.Client(base_url=self.product.url, timeout=30, verify=self.product.trust)
        self.http = self.product.connections.enter_context(client)

    def at(self, product: Product) -> "Guest":
        """The same person, calling another process of the same installation."""
        other = Guest(product)
        other.http.cookies.update(self.http.cookies)
        return other

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
            self.port = _port_of(response)
            yield events_of(response)

    def saved(self, opening: Metadata) -> dict[str, Any]:
        """The answer as `GET messages` tells it."""
        items = self.http.get(f"/api/v1/conversations/{opening.conversation_id}/messages").json()["items"]
        answers: list[dict[str, Any]] = [item for item in items if item["id"] == opening.message_id]
        assert len(answers) == 1
        return answers[0]

    def retry(self, opening: Metadata) -> list[Event]:
        """The events of a new answer to the same question, to its end."""
        with self.http.stream("POST", f"/api/v1/messages/{opening.message_id}/retry", json={}) as response:
            assert response.status_code == 200, response.read()
            return [event for _seq, event in events_of(response)]

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
            assert response.status_code == 200, response.read()
            self.port = _port_of(response)
            yield events_of(response)


def _port_of(response: httpx2.Response) -> int:
    port: int = response.extensions["network_stream"].get_extra_info("client_addr")[1]
    return port


def events_of(response: httpx2.Response) -> Iterator[tuple[int, Event]]:
    """(id, event) as they arrive; the `id:` line of an event stands before its data."""
    splitter, ids, rest = DataSplitter(), deque[int](), b""
    for chunk in response.iter_raw():
        *lines, rest = (rest + chunk).split(b"\n")
        ids.extend(int(line[4:]) for line in lines if line.startswith(b"id: "))
        for data in splitter.feed(chunk):
            yield ids.popleft(), from_wire(json.loads(data))


def first(stream: Iterator[tuple[int, Event]], count: int) -> list[Event]:
    """The first events of a stream that goes on."""
    return [event for _seq, event in (next(stream) for _ in range(count))]


def rest(stream: Iterator[tuple[int, Event]]) -> list[Event]:
    """What is left of a stream, to where it ends or breaks off."""
    events = []
    with suppress(httpx2.TransportError):
        for _seq, event in stream:
            events.append(event)
    return events


def wait_until(is_so: Callable[[], bool], seconds: float = 5.0) -> bool:
    """True as soon as it is so; False where it is not within `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_so():
            return True
        time.sleep(0.02)
    return is_so()


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
    page.locator("form:not(.language) button[type=submit]").last.click()
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
def serve(simulator: RunningSimulator, environment: dict[str, str], *options: str) -> Iterator[Product]:
    """A server process on a free port, ready, and ended with the block."""
    with launch(simulator, environment, *options) as product:
        product.wait_until_ready()
        yield product


@contextmanager
def launch(
    simulator: RunningSimulator, environment: dict[str, str], *options: str, stderr: int | None = None
) -> Iterator[Product]:
    """As `serve`, without waiting until it is ready; `options` are uvicorn's, beside our own."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = [*server_command(listener), *options]
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, pass_fds=[listener.fileno()], stderr=stderr
        ) as server:
            listener.close()  # with the process its port goes, too
            try:
                product = Product(url, simulator, environment, server)
                with product.connections:
                    yield product
            finally:
                server.terminate()
                server.wait(timeout=15)


def server_command(listener: socket.socket) -> list[str]:
    options = ["--fd", str(listener.fileno()), "--timeout-graceful-shutdown", "3", "--no-access-log"]
    options += ["--ws-per-message-deflate", "false"]
    return [sys.executable, "-m", "uvicorn", "config.asgi:application", "--lifespan", "on", *options]


def _new_database(url: str, name: str, template: str) -> str:
    """Another database on the PostgreSQL server of this test run; its address."""
    import psycopg

    name = "journey_" + "".join(letter if letter.isalnum() else "_" for letter in name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        info = connection.info
        return f"postgresql://{info.user}@/{name}?host={info.host}&port={info.port}"
