"""The life of a server process: checks before the first request, an orderly end after the last.

uvicorn runs no checks by itself, and sends the end of life only after all responses have ended; so the signal
that asks for the end starts the drain.
"""

import asyncio
import fcntl
import gc
import logging
import os
import signal
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from threading import Thread
from time import sleep
from types import FrameType
from typing import IO, Any

from django.conf import settings
from django.core.checks import ERROR, run_checks
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor

from chat.consumers import say_goodbye
from chat.engine import close_engine, engine
from chat.turns import sweep
from chat.upkeep import Upkeep
from chat.work import in_thread, unit_of_work
from safety.check import perform_comprehensive_safety_check
from safety.guard import OutputGuard
from safety.rules.output import compile_rules

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class StartRefused(Exception):
    """This process must not serve; the message says why and what to do."""


async def lifespan(receive: Receive, send: Send) -> None:
    """Speak the lifespan protocol of ASGI."""
    await receive()
    try:
        lock = await start()
    except StartRefused as refusal:
        await send({"type": "lifespan.startup.failed", "message": str(refusal)})
        return
    upkeep = Upkeep()
    await upkeep.start()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await close_engine()
    await upkeep.stop()
    lock.close()
    await send({"type": "lifespan.shutdown.complete"})


async def start() -> IO[str]:
    """Check, tidy up after a crash, and prepare the end. Gives the lock that this process holds."""
    lock = hold_lock(settings.STATE_DIR / "server.lock", shared=bool(settings.REDIS_URL))
    try:
        await unit_of_work(check)
    except BaseException:
        lock.close()
        raise
    await in_thread(warm_up)
    if not engine().is_shared and (abandoned := await sweep(stale=0)):
        # There is no other process that could be writing them.
        logger.warning(
            "%d answers of an earlier process were cut off; they are saved as interrupted", abandoned
        )
    # What start-up made lives as long as the process. No collection needs to walk through it again, in the
    # middle of somebody's answer.
    gc.collect()
    gc.freeze()
    _drain_on(signal.SIGTERM, settings.DRAIN_SECONDS)
    _drain_on(signal.SIGINT, 0)
    return lock


def hold_lock(path: Path, *, shared: bool) -> IO[str]:
    """Without Redis the answers that are being written are in this process's memory: a second one could not
    show them. With it (`shared`) there may be many, but none beside one without.

    Raises `StartRefused` where another process holds the lock. It is freed when this process ends, however.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.open("a+")
    try:
        fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise StartRefused(
            f"Another Nightlight process (pid {holder}) is running here. Without REDIS_URL streams are kept "
            f"in memory, and there can be one process only. For more, set REDIS_URL for all of them. If this "
            f"is another installation, give it a STATE_DIR of its own (now: {path.parent})."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def check() -> None:
    """Django's system checks, and the migrations. Raises `StartRefused`."""
    if errors := [issue for issue in run_checks() if issue.level >= ERROR]:
        raise StartRefused("\n".join(str(issue) for issue in errors))
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise StartRefused("The database lacks migrations. Run: python manage.py migrate")


def warm_up() -> None:
    """Read the safety rules now, not while the first parent waits; compile them beside the first requests."""
    perform_comprehensive_safety_check("Hello")
    OutputGuard().feed("Hello")
    if settings.SAFETY_WARM_UP:
        Thread(target=_compile_all, name="safety-warm-up", daemon=True).start()


def _compile_all() -> None:
    """With a breath after each pattern, so that nobody waits for long."""
    for compile_one in compile_rules():
        compile_one()
        sleep(0.002)


def _drain_on(number: signal.Signals, seconds: float) -> None:
    loop, before = asyncio.get_running_loop(), signal.getsignal(number)

    def drain_first(received: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(_begin_drain, seconds)
        if callable(before):
            before(received, frame)

    try:
        signal.signal(number, drain_first)
    except ValueError:
        logger.info("Not in the main thread: %s is left to the server", number.name)


_drains: set[asyncio.Task[None]] = set()


def _begin_drain(seconds: float) -> None:
    for work in (engine().drain(seconds), say_goodbye()):
        task = asyncio.get_running_loop().create_task(work)
        _drains.add(task)
        task.add_done_callback(_drains.discard)
