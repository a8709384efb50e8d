"""A process starts only where it may, tidies up after a crash, and ends in an orderly way."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import AsyncClient

from chat.engine import close_engine, engine
from chat.models import Message
from chat.turns import Ask, open_turn
from chat.work import in_thread, unit_of_work
from config.lifespan import StartRefused, check, hold_lock, lifespan
from tests.chat.scripted import PATIENCE, STOP, begin, logged, received, saved, send, until

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]

START = """
import asyncio, django
django.setup()
from config.lifespan import lifespan
async def receive(): return {"type": "lifespan.startup"}
async def send(message): print(message["type"], message.get("message", ""), flush=True); done.append(1)
async def main():
    life = asyncio.ensure_future(lifespan(receive, send))
    await asyncio.wait({life}, timeout=60)
done = []
asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def own_state(settings, tmp_path):
    """A state folder of one's own, and the signal handlers as they were."""
    settings.STATE_DIR = tmp_path
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Life:
    """The lifespan protocol, from the server's side."""

    def __init__(self):
        self.to_app: asyncio.Queue[dict] = asyncio.Queue()
        self.from_app: asyncio.Queue[dict] = asyncio.Queue()
        self.task = asyncio.create_task(lifespan(self.to_app.get, self.from_app.put))

    async def tell(self, message):
        await self.to_app.put({"type": f"lifespan.{message}"})
        async with asyncio.timeout(PATIENCE):
            return await self.from_app.get()


# --- Start --------------------------------------------------------------------------------------------------


async def test_start_and_end_of_life(engine, tmp_path):
    life = Life()
    assert await life.tell("startup") == {"type": "lifespan.startup.complete"}
    assert (tmp_path / "server.lock").read_text() == str(os.getpid())
    assert await life.tell("shutdown") == {"type": "lifespan.shutdown.complete"}
    await asyncio.wait_for(life.task, PATIENCE)
    hold_lock(tmp_path / "server.lock", shared=False).close()


async def test_start_closes_what_a_crash_left_open(says, alice):
    turn = await unit_of_work(open_turn, alice, Ask("Hello?"))
    life = Life()
    await life.tell("startup")
    assert (await saved(turn)).status == "interrupted"
    await life.tell("shutdown")


async def test_end_of_life_saves_what_runs(says, alice):
    life = Life()
    await life.tell("startup")
    says("Shown. ", asyncio.Event())
    turn = await begin(alice)
    await logged(turn.stream, 2)
    await life.tell("shutdown")
    row = await saved(turn)
    assert (row.content, row.status) == ("Shown. ", "interrupted")


def in_another_process(state):
    environment = os.environ | {"STATE_DIR": str(state), "DJANGO_SETTINGS_MODULE": "config.settings"}
    command = [sys.executable, "-c", START]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90)


def test_second_process_is_refused_and_told_why(tmp_path):
    with hold_lock(tmp_path / "server.lock", shared=False):
        told = in_another_process(tmp_path).stdout
    assert told == (
        f"lifespan.startup.failed Another Nightlight process (pid {os.getpid()}) is running here. Without "
        f"REDIS_URL streams are kept in memory, and there can be one process only. For more, set REDIS_URL "
        f"for all of them. If this is another installation, give it a STATE_DIR of its own "
        f"(now: {tmp_path}).\n"
    )


def test_process_without_migrations_is_refused_and_told_what_to_do(tmp_path):
    told = in_another_process(tmp_path).stdout
    assert told == "lifespan.startup.failed The database lacks migrations. Run: python manage.py migrate\n"


async def test_refused_start_frees_the_lock(engine, tmp_path, monkeypatch):
    def refuse():
        raise StartRefused("because")

    monkeypatch.setattr("config.lifespan.check", refuse)
    life = Life()
    assert await life.tell("startup") == {"type": "lifespan.startup.failed", "message": "because"}
    await asyncio.wait_for(life.task, PATIENCE)
    hold_lock(tmp_path / "server.lock", shared=False).close()


def test_failed_system_check_refuses_the_start(settings):
    settings.ROOT_URLCONF = "config.urls"
    settings.CSRF_TRUSTED_ORIGINS = ["no-scheme.example"]
    with pytest.raises(StartRefused, match="CSRF_TRUSTED_ORIGINS"):
        check()


def test_lock_is_free_when_its_holder_is_gone(tmp_path):
    hold_lock(tmp_path / "server.lock", shared=False).close()
    hold_lock(tmp_path / "server.lock", shared=False).close()


def test_lock_makes_its_folder(tmp_path):
    with hold_lock(tmp_path / "new" / "folder" / "server.lock", shared=False):
        assert (tmp_path / "new" / "folder" / "server.lock").read_text() == str(os.getpid())


# --- The end ------------------------------------------------------------------------------------------------


async def drained():
    return engine().draining


async def test_signal_begins_the_drain_and_still_reaches_the_server(says, alice, settings):
    settings.DRAIN_SECONDS = 0.05
    reached = []
    signal.signal(signal.SIGTERM, lambda number, frame: reached.append(number))
    life = Life()
    await life.tell("startup")
    says("Shown. ", asyncio.Event())
    turn = await begin(alice)
    await logged(turn.stream, 2)
    os.kill(os.getpid(), signal.SIGTERM)
    await until(drained)

    async def is_saved():
        return (await saved(turn)).status == "interrupted"

    await until(is_saved)
    assert (reached, (await saved(turn)).content) == ([signal.SIGTERM], "Shown. ")
    await life.tell("shutdown")


async def test_answer_that_ends_in_time_is_whole(says, alice, settings):
    settings.DRAIN_SECONDS = 5
    signal.signal(signal.SIGTERM, lambda *_: None)
    life = Life()
    await life.tell("startup")
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    turn = await begin(alice)
    await logged(turn.stream, 2)
    os.kill(os.getpid(), signal.SIGTERM)
    await until(drained)
    go_on.set()

    async def is_saved():
        return (await saved(turn)).status == "complete"

    await until(is_saved)
    await life.tell("shutdown")


async def test_draining_process_takes_no_message_and_is_not_ready(says, alice):
    client = AsyncClient()
    await in_thread(lambda: client.force_login(alice.user))
    whole = await received(await send(client))
    await engine().drain(0)
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["accepting"]["ok"]) == (503, False)
    for path in ("/api/v1/ai/chat/stream", "/api/v1/ai/chat"):
        refused = await send(client, "Too late?", path=path)
        assert (refused.status_code, refused["Retry-After"], refused.json()["code"]) == (
            503,
            "5",
            "overloaded",
        )
    page = await client.post("/send", {"message": "Too late?"})
    assert (page.status_code, page["Retry-After"], page.context["draft"]) == (503, "5", "Too late?")
    assert await in_thread(lambda: Message.objects.filter(content="Too late?").count()) == 0
    stream = whole.opening["streamId"]
    again = await received(await client.get(f"/api/v1/ai/streams/{stream}"))
    assert again.told == whole.told
    await close_engine()
