import logging
import socket
from argparse import ArgumentParser
from contextlib import closing, suppress
from typing import Any

import uvicorn
from django.core.management.base import BaseCommand, CommandError

from streaming.simulator.app import Simulator
from streaming.simulator.index import Index
from streaming.simulator.passages import BadPassage, load_passages
from streaming.simulator.script import Pace


class Command(BaseCommand):
    help = "Run a server that answers like Azure OpenAI, quoting public guidance. See docs/simulator.md."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
        parser.add_argument("--tokens-per-second", type=float, default=30.0)
        parser.add_argument("--first-token-ms", type=float, default=400.0)

    def handle(self, **options: Any) -> None:
        pace = _pace(options["first_token_ms"], options["tokens_per_second"])
        # The cause of a dropped connection is a fault that was asked for: uvicorn need not report it.
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
        with closing(_index()) as index, closing(_listen(options["host"], options["port"])) as listener:
            config = uvicorn.Config(
                Simulator(index, pace),
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=0,
            )
            with suppress(KeyboardInterrupt):
                _Announcing(config).run(sockets=[listener])


class _Announcing(uvicorn.Server):
    """Says where it listens once it does, in one line that other programs wait for."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            print(f"Simulator listening on http://{_in_url(host)}:{port}", flush=True)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _pace(first_token_ms: float, tokens_per_second: float) -> Pace:
    if tokens_per_second <= 0 or first_token_ms < 0:
        raise CommandError("--tokens-per-second must be above 0 and --first-token-ms not below.")
    return Pace(first_token_ms / 1000, 1 / tokens_per_second)


def _index() -> Index:
    try:
        return Index(load_passages())
    except BadPassage as error:
        raise CommandError(str(error)) from None


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise CommandError(f"Cannot listen on {host}:{port}: {error}") from None
