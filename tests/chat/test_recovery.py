"""What survives the death of a process: checkpoints, and the sweep that finishes what was left."""

import asyncio
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.checkpoints import _upsert
from chat.engine import Engine, engine
from chat.models import Checkpoint, Generation, Message, Person
from chat.streams import saved_events, whole
from chat.turns import Ask, open_turn, sweep
from chat.work import in_thread, unit_of_work
from streaming.events import Error, Notice, fold
from tests.chat.scripted import FEVER, STOP, answer, begin, count, generation_of, logged, saved, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(settings):
    settings.CHECKPOINT_SECONDS = 0.01


async def checkpointed(turn, text):
    """Wait until the checkpoint of a turn's answer says `text`."""

    async def says():
        rows = Checkpoint.objects.filter(generation__stream_uuid=turn.stream, content=text)
        return await in_thread(rows.exists)

    await until(says)


def forget_everything():
    """As after kill -9: another process, with an empty log."""
    import chat.engine

    dead, chat.engine._engine = chat.engine._engine, Engine()
    chat.engine._engine.__dict__["routes"] = dead.routes
    chat.engine._engine.models = dead.models
    return dead


@pytest.fixture
async def dies():
    """Makes the process die, as far as the database can see; what it held is closed after the test."""
    dead = []

    async def die():
        import chat.engine

        held = forget_everything()
        held.producer._rounds.cancel()  # no heart beats any more
        held.producer._rounds = None
        dead.append(held)
        return chat.engine._engine

    yield die
    for held in dead:
        for running in list(held.producer._running.values()):
            running.pump.cancel()
        await held.close()


async def test_checkpoint_saves_what_was_shown(says, alice):
    says("Shown. ", asyncio.Event())
    turn = await begin(alice)
    await checkpointed(turn, "Shown. ")
    assert (await saved(turn)).status == "streaming"


async def test_sweep_removes_the_checkpoints_of_answers_that_ended(says, alice):
    go_on = asyncio.Event()
    says("Shown. ", go_on, STOP)
    turn = await begin(alice)
    await checkpointed(turn, "Shown. ")
    go_on.set()
    await whole(turn.stream)
    assert await sweep(stale=60) == 0
    assert await count(Checkpoint) == 0


@pytest.mark.parametrize("running", [1, 3])
def test_checkpoint_is_one_statement(alice, running):
    turns = [open_turn(alice, Ask("Hello?"), alone=False) for _ in range(running)]
    rows = [
        Checkpoint(generation_id=turn.brief.generation_pk, content="Shown. ", beat_at=timezone.now())
        for turn in turns
    ]
    with CaptureQueriesContext(
        connection,
    ) as captured:
        _upsert(rows)
    statements = [
        query["sql"] for query in captured if not query["sql"].startswith(("BEGIN", "COMMIT", "SAVE", "REL"))
    ]
    assert len(statements) == 1


async def test_deleted_conversation_does_not_spoil_the_checkpoint_of_others(says, alice):
    says(answers=[("One. ", asyncio.Event()), ("Two. ", asyncio.Event())])
    gone, kept = await begin(alice), await begin(alice)
    await logged(kept.stream, 2)
    await in_thread(Message.objects.filter(uuid=gone.answer).delete)
    await checkpointed(kept, "Two. ")


async def test_sweep_removes_what_a_checkpoint_kept_of_a_deleted_answer(says, alice):
    says("Shown. ", asyncio.Event())
    turn = await begin(alice)
    await checkpointed(turn, "Shown. ")
    await in_thread(Message.objects.filter(uuid=turn.answer).delete)
    await in_thread(lambda: Checkpoint.objects.create(generation_id=10**6, beat_at=timezone.now()))
    await engine().producer.stop(str(turn.stream))
    await sweep(stale=0)
    assert await count(Checkpoint) == 0


async def test_answer_of_a_dead_process_is_saved_from_its_checkpoint(says, alice, dies):
    says("Shown. ", asyncio.Event())
    turn = await begin(alice)
    await checkpointed(turn, "Shown. ")
    await dies()
    assert await sweep(stale=0) == 1
    row = await saved(turn)
    generation = row.generation
    assert (row.content, row.status, row.can_retry) == ("Shown. ", "interrupted", True)
    assert (generation.error_code, generation.retryable, generation.stop_reason) == (
        "stream_interrupted",
        True,
        "died",
    )
    assert (generation.usage_estimated, generation.completion_tokens) == (True, 2)
    assert await count(Checkpoint) == 0


async def test_cards_of_a_dead_process_are_kept(says, alice, dies):
    says("Call now. ", asyncio.Event())
    turn = await begin(alice, FEVER)
    await checkpointed(turn, "Call now. ")
    await dies()
    await sweep(stale=0)
    told = fold(saved_events(await generation_of(turn.stream)))
    assert [type(notice) for notice in told.notices] == [Notice]
    assert isinstance(told.end, Error)


async def test_reader_of_a_dead_process_is_told_the_end(says, alice, dies, monkeypatch):
    monkeypatch.setattr("chat.streams.LOG_OPENS_WITHIN", 0)
    says("Shown. ", asyncio.Event())
    turn = await begin(alice)
    await checkpointed(turn, "Shown. ")
    await dies()
    said, _last = await whole(turn.stream)
    assert (said.text, said.outcome, said.opening.reset) == ("Shown. ", "interrupted", True)


async def test_sweep_leaves_what_is_alive_and_what_has_ended(says, alice):
    whole_one = await answer(alice)
    says("Shown. ", asyncio.Event())
    turn = await begin(alice)
    await checkpointed(turn, "Shown. ")
    assert await sweep(stale=0) == 0
    assert ((await saved(whole_one)).status, (await saved(turn)).status) == ("complete", "streaming")


async def test_sweep_waits_for_the_heart_to_be_silent(says, alice, dies):
    says("Shown. ", asyncio.Event())
    turn = await begin(alice)
    await checkpointed(turn, "Shown. ")
    await dies()
    assert await sweep(stale=60) == 0
    long_ago = timezone.now() - timedelta(seconds=61)
    await in_thread(Checkpoint.objects.update, beat_at=long_ago)
    await in_thread(Generation.objects.update, started_at=long_ago)
    assert await sweep(stale=60) == 1


async def test_several_sweeps_at_once_finish_an_answer_once(says, alice, dies):
    says("Shown. ", asyncio.Event())
    turn = await begin(alice)
    await checkpointed(turn, "Shown. ")
    await dies()
    assert sorted(await asyncio.gather(*(sweep(stale=0) for _ in range(3)))) == [0, 0, 1]
    assert (await saved(turn)).content == "Shown. "


async def test_quota_of_a_dead_answer_is_given_back(says, alice, dies, settings):
    settings.QUOTA_TOKENS_PER_DAY = 100_000
    says("Shown. ", asyncio.Event())
    turn = await begin(alice)
    await checkpointed(turn, "Shown. ")
    reserved = (await saved(turn)).generation.reserved_tokens
    await dies()
    await sweep(stale=0)
    used = await in_thread(lambda: Person.objects.get(pk=alice.pk).quota_tokens)
    row = (await saved(turn)).generation
    assert used == row.prompt_tokens + row.completion_tokens
    assert used < reserved


async def test_writer_taken_for_dead_saves_nothing_over_what_was_saved(says, alice):
    go_on = asyncio.Event()
    says("Shown. ", go_on, "Late. ", STOP)
    turn = await begin(alice)
    await checkpointed(turn, "Shown. ")
    await in_thread(Message.objects.filter(uuid=turn.answer).update, status="interrupted", content="Shown. ")
    go_on.set()

    async def ended():
        return not engine().producer.writes(turn.stream_id)

    await until(ended)
    row = await saved(turn)
    assert (row.content, row.status) == ("Shown. ", "interrupted")


async def test_unread_answer_is_ended_and_saved_as_interrupted(says, alice, settings):
    settings.STREAM_UNREAD_SECONDS = 0.05
    says("Shown. ", asyncio.Event())
    turn = await begin(alice)

    async def ended():
        return (await saved(turn)).status == "interrupted"

    await until(ended)
    row = await saved(turn)
    assert (row.content, row.generation.stop_reason) == ("Shown. ", "unread")


async def test_paused_answer_counts_as_read(says, alice, settings):
    settings.STREAM_UNREAD_SECONDS = 0.05
    go_on = asyncio.Event()
    says(answers=[("Paused. ", go_on, "Then on. ", STOP), ("Unread. ", asyncio.Event())])
    paused = await begin(alice)
    await in_thread(Generation.objects.filter(stream_uuid=paused.stream).update, paused_after=2)
    unread = await begin(alice)

    async def ended():
        return (await saved(unread)).status == "interrupted"

    await until(ended)
    assert (await saved(paused)).status == "streaming"
    go_on.set()
    assert (await whole(paused.stream))[0].text == "Paused. Then on. "


async def test_upkeep_tells_of_this_process_and_sweeps(says, alice, dies, settings):
    from chat.models import Worker
    from chat.upkeep import Upkeep

    settings.STALE_SECONDS = 0
    says("Shown. ", asyncio.Event())
    turn = await begin(alice)
    await checkpointed(turn, "Shown. ")
    await dies()
    upkeep = Upkeep()
    await upkeep.start()
    worker = await in_thread(Worker.objects.get)
    assert (worker.running, worker.is_draining, worker.deployments[0]["state"]) == (0, False, "closed")
    assert (await saved(turn)).status == "interrupted"
    await upkeep.stop()
    assert await count(Worker) == 0


async def test_opened_turn_that_never_ran_is_finished_too(says, alice):
    turn = await unit_of_work(open_turn, alice, Ask("Hello?"))
    assert await sweep(stale=0) == 1
    assert (await saved(turn)).status == "interrupted"
