"""What a reader was shown is in Redis, even where the process is killed at that very moment."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.streaming.log.conftest import url_of
from tests.streaming.log.moments import until

ROOT = Path(__file__).parents[3]

DYING = """
import asyncio, os, signal, sys
import uvloop
from streaming.events import Token
from streaming.log.base import tail
from streaming.log.redis import RedisLog

async def show(log, last):
    async for batch in tail(log, "s", keepalive=5):
        for seq, event in batch:
            os.write(1, b"%d\\n" % seq)
            if seq == last:
                os.kill(os.getpid(), signal.SIGKILL)

async def main(url, prefix, last):
    log = RedisLog(url, ttl=60, live_ttl=60, prefix=prefix)
    await log.open("s")
    reader = asyncio.create_task(show(log, last))
    n = 0
    while True:
        await log.append("s", Token(f"token {n}"))
        n += 1
        await asyncio.sleep(0)

run = uvloop.run if sys.argv[4] == "uvloop" else asyncio.run
run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("last", [1, 2, 3, 50, 1000])
async def test_killed_writer_loses_nothing_that_was_shown(valkey, client, prefix, worker, loop, last):
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", DYING, url_of(valkey), prefix, str(last), loop],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=30,
    )
    shown = [int(line) for line in killed.stdout.split()]
    assert (killed.returncode, shown) == (-signal.SIGKILL, list(range(1, last + 1))), killed.stderr
    # The kernel hands over what the dead process wrote; Valkey takes it in several turns.
    await until(lambda: client.xlen(f"{prefix}stream:s") > last)
    entries = await worker().read("s")
    assert [seq for seq, _event in entries][:last] == shown
    assert [event.content for _seq, event in entries] == [f"token {n}" for n in range(len(entries))]
