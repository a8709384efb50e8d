"""Everything that `make run` starts: database, demo admin, simulator, server. One command, one Ctrl-C."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command

from chat.models import User

ADMIN = "admin"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
LISTENING = "Simulator listening on "
ENDINGS = (signal.SIGINT, signal.SIGTERM)


class Command(BaseCommand):
    help = "Migrate, make a demo admin, start the simulator (unless a provider is configured) and the server."

    def handle(self, *_args: Any, **_options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("demo runs only with NIGHTLIGHT_DEMO=on. For production see docs/settings.md.")
        host, port = os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "8000"
        if not (port.isdecimal() and 0 < int(port) < 65536):
            raise CommandError(f"PORT must be a number from 1 to 65535; {port!r} is not.")
        # Whoever ends only us must not leave the others running. SIGINT too: a shell that starts us in the
        # background has us ignore it.
        for ending in ENDINGS:
            signal.signal(ending, _interrupt)
        with suppress(KeyboardInterrupt):  # on its way here it ends what was started
            self._serve(host, port)

    def _serve(self, host: str, port: str) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        _make_admin()
        with ExitStack() as stack:
            environment = dict(os.environ)
            if not (settings.AZURE_OPENAI_ENDPOINT or settings.OPENAI_BASE_URL):
                environment["AZURE_OPENAI_ENDPOINT"] = stack.enter_context(_simulator())
                environment["AZURE_OPENAI_API_KEY"] = "simulator"
                environment["AZURE_OPENAI_DEPLOYMENT"] = environment["MODEL_LABEL"] = "simulator"
                _simulate_engines(environment)
            if host not in LOOPBACK:  # asked to serve a network, it must answer to the names it has there
                environment.setdefault("ALLOWED_HOSTS", "*")
            self._tell_addresses(f"http://{'localhost' if host == '127.0.0.1' else host}:{port}", environment)
            # Before the server's own signal handling is there, Ctrl-C must still end the simulator.
            server = stack.enter_context(_process(_server_command(host, port), environment))
            server.wait()
        if server.returncode > 0:
            raise CommandError("The server could not start; the lines above say why.")

    def _tell_addresses(self, address: str, environment: dict[str, str]) -> None:
        model = environment.get("AZURE_OPENAI_ENDPOINT", settings.OPENAI_BASE_URL)
        lines = [
            "",
            "  Nightlight is starting (demo)",
            f"  Chat page      {address}/",
            f"  API            {address}/api/v1/docs",
            f"  Admin          {address}/admin/   user {ADMIN}   password {settings.DEMO_ADMIN_PASSWORD}",
            f"  Answers from   {model}" + ("  (simulator, no model)" if _is_simulated(environment) else ""),
            "  Ctrl-C stops everything.",
            "",
        ]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _is_simulated(environment: dict[str, str]) -> bool:
    return environment.get("AZURE_OPENAI_API_KEY") == "simulator"


def _simulate_engines(environment: dict[str, str]) -> None:
    """Second opinions come from the simulator, too, where nobody says from whom else."""
    simulator = environment["AZURE_OPENAI_ENDPOINT"]
    if not settings.AZURE_CONTENT_SAFETY_KEY:
        environment |= {
            "AZURE_CONTENT_SAFETY_ENDPOINT": simulator,
            "AZURE_CONTENT_SAFETY_KEY": "simulator",
        }
    if not settings.OPENAI_MODERATION_KEY:
        environment |= {"OPENAI_MODERATION_URL": f"{simulator}/v1", "OPENAI_MODERATION_KEY": "simulator"}
    if not settings.LLAMA_GUARD_URL:
        environment |= {
            "LLAMA_GUARD_URL": f"{simulator}/v1",
            "LLAMA_GUARD_MODEL": "llama-guard3",
            "LLAMA_GUARD_KEY": "simulator",
        }


def _make_admin() -> None:
    admin, _made = User.objects.get_or_create(
        username=ADMIN, defaults={"is_staff": True, "is_superuser": True, "email": "admin@example.org"}
    )
    if not admin.check_password(settings.DEMO_ADMIN_PASSWORD):
        admin.set_password(settings.DEMO_ADMIN_PASSWORD)
        admin.save()


def _server_command(host: str, port: str) -> list[str]:
    options = ["--host", host, "--port", port, "--lifespan", "on", "--timeout-graceful-shutdown", "3"]
    # Compression would squeeze out the padding, and costs every open socket 30 KB.
    sockets = ["--ws-per-message-deflate", "false", "--ws-max-size", "131072"]
    return [sys.executable, "-m", "uvicorn", "config.asgi:application", *options, *sockets, "--no-access-log"]


@contextmanager
def _simulator() -> Iterator[str]:
    """Start the simulator on a free port; gives its address."""
    command = [sys.executable, "manage.py", "simulator", "--port", "0"]
    with _process(command, dict(os.environ), stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith(LISTENING):
            raise CommandError("The simulator could not start; the lines above say why.")
        yield line.removeprefix(LISTENING).strip()


@contextmanager
def _process(
    command: list[str], environment: dict[str, str], **options: Any
) -> Iterator[subprocess.Popen[Any]]:
    """A process that ends with us, in order."""
    # An interruption inside Popen, when the child already runs, would leave it running with nobody to end it.
    signals: list[int] = []
    previous = {number: signal.signal(number, lambda n, _: signals.append(n)) for number in ENDINGS}
    process = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, **options)  # noqa: S603
    try:
        _restore(previous)
        if signals:
            raise KeyboardInterrupt
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[Any]) -> None:
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in ENDINGS}
    try:
        process.terminate()
        process.wait(timeout=8)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        if process.stdout:
            process.stdout.close()
        _restore(previous)


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
