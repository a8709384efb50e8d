"""A turn is opened, answered and closed; what is saved is what was said."""

import asyncio

import pytest

from chat.doors import delete_conversation
from chat.errors import Conflict
from chat.models import Conversation, Generation, Message, SafetyEvent, Status
from chat.streams import saved_events, whole
from chat.turns import Ask, open_turn, reopen_turn, run_turn, stop_turn, sweep
from chat.work import in_thread, unit_of_work
from streaming.events import (
    TERMINAL,
    Done,
    Error,
    ErrorCode,
    Metadata,
    Notice,
    Token,
    Usage,
    fold,
    notice_to_wire,
)
from streaming.providers.base import Finish, ProviderError
from tests.chat.scripted import (
    CRISIS,
    FEVER,
    HONEY,
    INJECTION,
    LULLABY_TEXT,
    PATIENCE,
    STOP,
    answer,
    ask,
    begin,
    count,
    generation_of,
    log_of,
    logged,
    received,
    saved,
    send,
    until,
)

pytestmark = pytest.mark.django_db(transaction=True)


def unavailable():
    return ProviderError(ErrorCode.PROVIDER_UNAVAILABLE, "secret detail")


def self_harm_filter():
    return ProviderError(
        ErrorCode.CONTENT_FILTERED, "400", retryable=False, filtered=frozenset({"self_harm"})
    )


ENDINGS = {
    "complete": ("How do babies sleep?", ("Quite ", "well. ", STOP), "Quite well. ", "complete", None),
    "no usage": ("How do babies sleep?", ("Well. ", Finish("stop")), "Well. ", "complete", None),
    "length": ("How do babies sleep?", ("Well and ", Finish("length")), "Well and ", "complete", None),
    "card only": (CRISIS, ("never asked",), "", "refused", None),
    "blocked": (INJECTION, ("never asked",), "", "refused", None),
    "withheld": ("May she have honey?", HONEY, "Of course. ", "refused", None),
    "failed at the start": ("Hello?", (unavailable(),), "", "failed", "provider_unavailable"),
    "failed mid-way": (
        "Hello?",
        ("Good evening ", unavailable()),
        "Good evening ",
        "failed",
        "provider_unavailable",
    ),
    "truncated": (
        "Hello?",
        ("So far ", ProviderError(ErrorCode.STREAM_INTERRUPTED, "no finish")),
        "So far ",
        "interrupted",
        "stream_interrupted",
    ),
    "filtered": (
        "Hello?",
        ("Words ", ProviderError(ErrorCode.CONTENT_FILTERED, "hate", retryable=False)),
        "Words ",
        "failed",
        "content_filtered",
    ),
    "limited": (
        "Hello?",
        (ProviderError(ErrorCode.RATE_LIMITED, "429", retry_after=7),),
        "",
        "failed",
        "rate_limited",
    ),
    "self-harm at the start": ("Hello?", (self_harm_filter(),), "", "refused", None),
    "self-harm mid-way": ("Hello?", ("I hear ", self_harm_filter()), "I hear ", "refused", None),
    "empty": ("Hello?", (STOP,), "", "failed", "provider_unavailable"),
    "bug": ("Hello?", ("So ", ZeroDivisionError("a bug")), "So ", "failed", "internal"),
}


@pytest.mark.parametrize("name", ENDINGS)
async def test_ending_is_saved_as_it_was_told(name, says, alice):
    question, script, text, status, error = ENDINGS[name]
    says(*script)
    turn = await answer(alice, question)
    row, told = await saved(turn), fold(await log_of(turn))
    assert (told.text, told.outcome, getattr(told.end, "code", None)) == (text, status, error)
    assert (row.content, row.status, row.generation.error_code or None) == (text, status, error)
    assert row.notices == [notice_to_wire(notice) for notice in told.notices]


@pytest.mark.parametrize("name", ENDINGS)
async def test_saved_answer_folds_to_what_the_log_folds_to(name, says, alice):
    question, script, *_rest = ENDINGS[name]
    says(*script)
    turn = await answer(alice, question)
    told = fold(await log_of(turn))
    again = fold(saved_events(await generation_of(turn.stream)))
    assert (again.text, again.outcome, again.notices, again.end) == (
        told.text,
        told.outcome,
        told.notices,
        told.end,
    )
    assert again.closing == told.closing


@pytest.mark.parametrize("name", ENDINGS)
async def test_log_opens_with_ids_and_ends_once(name, says, alice, engine):
    question, script, *_rest = ENDINGS[name]
    says(*script)
    turn = await answer(alice, question)
    events = await log_of(turn)
    assert events[0] == Metadata(
        conversation_id=str(turn.conversation),
        message_id=str(turn.answer),
        user_message_id=str(turn.question),
        stream_id=turn.stream_id,
        model="scripted",
    )
    assert [index for index, event in enumerate(events) if isinstance(event, TERMINAL)] == [len(events) - 1]
    if isinstance(events[-1], Done):
        assert isinstance(events[-2], Metadata) and events[-2].finish_reason is not None
    entries = await engine.log.read(turn.stream_id)
    assert [seq for seq, _event in entries] == list(range(1, len(events) + 1))


async def test_cards_stand_between_the_ids_and_the_first_word(says, alice):
    says("Call now. ", STOP)
    turn = await answer(alice, FEVER)
    assert [type(event) for event in await log_of(turn)] == [Metadata, Notice, Token, Metadata, Done]


async def test_refusal_does_not_ask_the_model(says, alice):
    provider = says("never")
    for question in (CRISIS, INJECTION):
        await answer(alice, question)
    assert provider.prompts == []


async def test_closing_metadata_and_row_hold_usage_timing_and_reason(says, alice):
    says("All is well. ", STOP)
    turn = await answer(alice)
    closing, generation = (await log_of(turn))[-2], (await saved(turn)).generation
    assert (closing.usage, closing.finish_reason) == (Usage(12, 3), "stop")
    assert (generation.prompt_tokens, generation.completion_tokens) == (12, 3)
    assert generation.finish_reason == "stop"
    timing = closing.timing
    assert (timing.ttft_ms, timing.duration_ms) == (generation.ttft_ms, generation.duration_ms)
    assert 0 <= timing.ttft_ms <= timing.duration_ms
    assert generation.ended_at >= generation.started_at


async def test_answer_that_said_nothing_has_no_time_to_first_text(says, alice):
    says(unavailable())
    generation = (await saved(await answer(alice))).generation
    assert (generation.ttft_ms, generation.tokens_per_second) == (None, None)


async def test_error_words_name_no_internals_and_the_row_keeps_them_for_operators(says, alice):
    says(unavailable())
    turn = await answer(alice)
    end, generation = (await log_of(turn))[-1], (await saved(turn)).generation
    assert end == Error(
        "provider_unavailable",
        "The assistant cannot be reached right now. Please try again in a moment.",
        retryable=True,
    )
    assert (generation.error_message, generation.error_detail) == (end.message, "secret detail")


async def test_wait_that_the_provider_asks_for_is_told_and_saved(says, alice):
    says(ProviderError(ErrorCode.RATE_LIMITED, "429", retry_after=7))
    turn = await answer(alice)
    assert (await log_of(turn))[-1].retry_after == 7
    assert (await saved(turn)).generation.retry_after == 7


async def test_deadline_ends_the_answer_with_what_was_shown(says, alice, settings):
    settings.PROVIDER_TOTAL_TIMEOUT = 0.05
    provider = says("The beginning ", asyncio.Event())
    turn = await answer(alice)
    row = await saved(turn)
    assert (row.content, row.status, row.generation.error_code) == (
        "The beginning ",
        "failed",
        "provider_timeout",
    )
    assert provider.closed == 1


async def test_withheld_text_is_nowhere_but_before_the_reviewers(says, alice):
    provider = says(*HONEY)
    turn = await answer(alice, "May she have honey?")
    events = await log_of(turn)
    assert events[-3].replace_from == len("Of course. ")
    assert [event for event in events if isinstance(event, Token) and "honey" in event.content] == []
    (seen,) = await in_thread(lambda: list(SafetyEvent.objects.filter(message__uuid=turn.answer)))
    assert (seen.direction, seen.category, seen.action) == ("output", "unsafe_advice", "block")
    assert seen.text.rstrip() == "give your baby honey from six months."
    assert provider.closed == 1


async def test_crisis_card_takes_the_place_of_the_providers_refusal(says, alice):
    says(self_harm_filter())
    turn = await answer(alice, "Hello?", country="US")
    notice = (await log_of(turn))[1]
    assert (notice.category, notice.severity, notice.actions[0].href) == (
        "self_harm",
        "emergency",
        "tel:988",
    )


async def test_question_is_kept_with_what_the_rules_saw(says, alice):
    turn = await answer(alice, FEVER)
    (seen,) = await in_thread(lambda: list(SafetyEvent.objects.all()))
    question = await in_thread(lambda: Message.objects.get(uuid=turn.question))
    assert (seen.message_id, seen.direction, seen.category) == (question.pk, "input", "infant_emergency")
    assert (seen.action, seen.severity, seen.card) == ("escalate_card", "emergency", "newborn_fever")
    assert (question.content, question.author_id, question.status) == (FEVER, alice.pk, "complete")


async def test_ordinary_question_leaves_no_safety_event(says, alice):
    await answer(alice, "How do babies sleep?")
    assert await count(SafetyEvent) == 0


# --- Readers come and go ------------------------------------------------------------------------------------


async def test_message_is_saved_before_its_terminal_event(says, alice, engine):
    seen = []
    append = engine.log.append

    async def watched(stream_id, event):
        if isinstance(event, TERMINAL):
            rows = Message.objects.filter(generation__stream_uuid=stream_id)
            seen.append(await in_thread(lambda: rows.values_list("status", "content").get()))
        return await append(stream_id, event)

    engine.log.append = watched
    await answer(alice)
    assert seen == [("complete", LULLABY_TEXT)]


async def test_answer_is_finished_and_saved_after_its_reader_left(says, alice_client):
    go_on = asyncio.Event()
    says("Before. ", go_on, "After. ", STOP)
    response = await send(alice_client)
    reading = response.streaming_content
    await asyncio.wait_for(anext(reading), PATIENCE)
    await reading.aclose()
    go_on.set()

    async def finished():
        return await count(Message, status=Status.COMPLETE, content="Before. After. ") == 1

    await until(finished)


async def test_conversation_deleted_meanwhile_ends_the_stream_and_stays_deleted(says, alice):
    go_on = asyncio.Event()
    says("Before. ", go_on, "After. ", STOP)
    turn = await begin(alice)
    await logged(turn.stream, 2)
    await in_thread(lambda: Conversation.objects.all().delete())
    go_on.set()
    transcript, _last = await asyncio.wait_for(whole(turn.stream), PATIENCE)
    assert (transcript.text, transcript.end) == ("Before. After. ", Done())
    assert (await count(Conversation), await count(Message), await count(Generation)) == (0, 0, 0)


async def test_delete_by_the_door_stops_the_model_first(says, alice, rf):
    provider = says("Before. ", asyncio.Event())
    turn = await begin(alice)
    await logged(turn.stream, 2)
    request = rf.post("/")
    request.user = alice.user
    await delete_conversation(request, turn.conversation)
    assert (provider.closed, await count(Message, status=Status.STOPPED, content="Before. ")) == (1, 1)
    assert await count(Conversation, deleted_at=None) == 0


async def test_stop_saves_what_was_shown(says, alice):
    says("Shown. ", asyncio.Event(), "Never. ")
    turn = await begin(alice)
    await logged(turn.stream, 2)
    await stop_turn(turn.stream)
    row = await saved(turn)
    assert (row.content, row.status, row.generation.finish_reason) == ("Shown. ", "stopped", "stopped")
    await stop_turn(turn.stream)


async def test_stopped_answer_folds_alike_from_log_and_row(says, alice):
    says("Shown. ", asyncio.Event())
    turn = await begin(alice)
    await logged(turn.stream, 2)
    await stop_turn(turn.stream)
    told, again = fold(await log_of(turn)), fold(saved_events(await generation_of(turn.stream)))
    assert (again.text, again.outcome, again.closing) == (told.text, told.outcome, told.closing)


async def test_drain_saves_running_answers_as_interrupted(says, alice, engine):
    says("Shown. ", asyncio.Event())
    turn = await begin(alice)
    await logged(turn.stream, 2)
    await asyncio.wait_for(engine.drain(0.01), PATIENCE)
    row = await saved(turn)
    assert (row.content, row.status, row.generation.error_code, row.generation.retry_after) == (
        "Shown. ",
        "interrupted",
        "stream_interrupted",
        5,
    )


async def test_answers_of_a_dead_process_are_closed_as_interrupted(says, alice):
    whole_one = await answer(alice)
    cut_off = await unit_of_work(open_turn, alice, Ask("Hello?"))  # opened, and never run
    assert await sweep(stale=0) == 1
    row = await saved(cut_off)
    assert (row.status, row.generation.error_code, row.generation.retryable) == (
        "interrupted",
        "stream_interrupted",
        True,
    )
    assert row.generation.ended_at is not None
    assert (await saved(whole_one)).status == "complete"
    assert await sweep(stale=0) == 0


async def test_answer_whose_log_is_gone_is_closed_by_its_next_reader(says, alice, monkeypatch):
    monkeypatch.setattr("chat.streams.LOG_OPENS_WITHIN", 0)
    lost = await unit_of_work(open_turn, alice, Ask("Hello?"))  # opened, and never run
    other = await unit_of_work(open_turn, alice, Ask("Hello?"))
    said, _last = await whole(lost.stream)
    assert (said.outcome, said.end.retryable) == ("interrupted", True)
    assert (await saved(lost)).can_retry is True
    assert (await saved(other)).status == "streaming"


async def test_answer_that_cannot_be_saved_says_so(says, alice, monkeypatch):
    monkeypatch.setattr("streaming.producer.SAVE_PAUSE", 0.001)

    def away(*_):
        raise OSError("the database is away")

    monkeypatch.setattr("chat.turns.running.close_turn", away)
    end = (await log_of(await answer(alice)))[-1]
    assert (end.code, end.retryable) == ("internal", True)


# --- Titles -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message, title",
    [
        ("How do babies sleep?", "How do babies sleep?"),
        ("\n\n  First line  \nsecond line", "First line"),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 79 + "…"),
        ("word " * 30, ("word " * 15).strip() + "…"),
        ("👶" * 90, "👶" * 79 + "…"),
    ],
)
async def test_title_is_the_first_line_cut_at_a_word(message, title, says, alice):
    turn = await answer(alice, message)
    found = await in_thread(lambda: Conversation.objects.get(uuid=turn.conversation))
    assert found.title == title


async def test_later_message_keeps_the_title_and_renews_the_time(says, alice):
    first = await answer(alice, "First?")
    before = await in_thread(lambda: Conversation.objects.get())
    await answer(alice, "Second?", conversation=first.conversation)
    after = await in_thread(lambda: Conversation.objects.get())
    assert (after.title, after.updated_at > before.updated_at) == ("First?", True)


# --- What the model is told of before -----------------------------------------------------------------------


def said(prompt):
    return [(message["role"], message["content"]) for message in prompt[1:]]


async def test_history_holds_what_was_said_before(says, alice):
    provider = says("An answer. ", STOP)
    first = await answer(alice, "One?")
    await answer(alice, "Two?", conversation=first.conversation)
    assert said(provider.prompts[1]) == [("user", "One?"), ("assistant", "An answer. "), ("user", "Two?")]


async def test_history_leaves_out_refused_and_empty_answers(says, alice):
    provider = says(answers=[(unavailable(),), ("An answer. ", STOP)])
    first = await answer(alice, "Failed?")
    await answer(alice, INJECTION, conversation=first.conversation)
    await answer(alice, "Now?", conversation=first.conversation)
    assert said(provider.prompts[-1]) == [("user", "Now?")]


async def test_history_has_only_the_latest_try(says, alice):
    provider = says(answers=[("Cut ", ProviderError(ErrorCode.STREAM_INTERRUPTED, "")), ("Whole. ", STOP)])
    first = await answer(alice, "One?")
    again = await unit_of_work(reopen_turn, alice, first.answer)
    await run_turn(again)
    await asyncio.wait_for(whole(again.stream), PATIENCE)
    await answer(alice, "Two?", conversation=first.conversation)
    assert said(provider.prompts[-1]) == [("user", "One?"), ("assistant", "Whole. "), ("user", "Two?")]


async def test_history_of_another_conversation_stays_there(says, alice, bob):
    provider = says("An answer. ", STOP)
    await answer(alice, "Alice's own?")
    await answer(bob, "Bob's own?")
    await answer(alice, "Alice's other?")
    assert [said(prompt) for prompt in provider.prompts[1:]] == [
        [("user", "Bob's own?")],
        [("user", "Alice's other?")],
    ]


async def test_history_stays_within_the_token_budget(says, alice, settings):
    provider = says("An answer. ", STOP)
    settings.CONTEXT_TOKENS = 800
    first = await answer(alice, " ".join(f"word{n}" for n in range(300)))
    second = await answer(alice, "Short?", conversation=first.conversation)
    await answer(alice, "Last?", conversation=second.conversation)
    assert said(provider.prompts[2]) == [("user", "Short?"), ("assistant", "An answer. "), ("user", "Last?")]


# --- A new try ----------------------------------------------------------------------------------------------


async def test_retry_answers_the_same_question_and_keeps_the_old_answer(says, alice):
    says(answers=[(unavailable(),), ("Now. ", STOP)])
    old = await answer(alice, "Hello?", language="en", country="GB")
    new = await unit_of_work(reopen_turn, alice, old.answer)
    await run_turn(new)
    await asyncio.wait_for(whole(new.stream), PATIENCE)
    row = await saved(new)
    assert (new.question, new.conversation, row.content) == (old.question, old.conversation, "Now. ")
    assert (row.generation.language, row.generation.country) == ("en", "GB")
    assert (await saved(old)).status == "failed"
    shown = await in_thread(lambda: [m.uuid for m in Message.objects.shown()])
    assert shown == [old.question, new.answer]


async def test_retry_of_a_running_answer_is_a_conflict(says, alice):
    says("A ", asyncio.Event())
    turn = await begin(alice)
    with pytest.raises(Conflict):
        await unit_of_work(reopen_turn, alice, turn.answer)


async def test_retry_of_an_answer_that_was_tried_again_is_a_conflict(says, alice):
    says(unavailable())
    turn = await answer(alice)
    again = await unit_of_work(reopen_turn, alice, turn.answer)
    with pytest.raises(Conflict):
        await unit_of_work(reopen_turn, alice, turn.answer)
    await run_turn(again)


# --- The same message twice ---------------------------------------------------------------------------------


async def test_message_sent_again_follows_the_same_answer(says, alice_client):
    first = await ask(alice_client, clientMessageId="m1")
    second = await ask(alice_client, clientMessageId="m1")
    assert (second.events, second.ids) == (first.events, first.ids)
    assert await count(Message) == 2


async def test_message_sent_again_while_it_is_answered_follows_it(says, alice_client):
    go_on = asyncio.Event()
    says("Before. ", go_on, "After. ", STOP)
    first = await send(alice_client, clientMessageId="m1")
    second = await send(alice_client, clientMessageId="m1")
    go_on.set()
    one, other = await received(first), await received(second)
    assert (one.events, one.ids) == (other.events, other.ids)
    assert await count(Message) == 2


async def test_message_sent_twice_at_once_is_one_message_with_one_answer(says, alice_client):
    provider = says(*("One. ", STOP))
    pairs = [asyncio.gather(*(ask(alice_client, clientMessageId=f"m{n}") for _ in "ab")) for n in range(5)]
    for one, other in [await pair for pair in pairs]:
        assert one.transcript.text == other.transcript.text == "One. "
        assert one.opening == other.opening
    assert (await count(Message), len(provider.prompts)) == (10, 5)


async def test_readers_who_come_before_the_log_is_open_wait_for_it(says, alice_client, engine):
    opening = engine.log.open

    async def slow(stream_id):
        await asyncio.sleep(0.1)
        await opening(stream_id)

    engine.log.open = slow
    first = asyncio.create_task(ask(alice_client, clientMessageId="m1"))

    async def committed():
        return await count(Message) == 2

    await until(committed)
    second = await ask(alice_client, clientMessageId="m1")
    assert second.events == (await first).events


async def test_id_used_for_another_text_is_a_conflict(says, alice_client):
    await ask(alice_client, "One?", clientMessageId="m1")
    response = await send(alice_client, "Two?", clientMessageId="m1")
    assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert await count(Message) == 2


async def test_id_used_in_another_conversation_is_a_conflict(says, alice_client):
    other = (await ask(alice_client, "Other?")).opening["conversationId"]
    await ask(alice_client, "One?", clientMessageId="m1")
    response = await send(alice_client, "One?", clientMessageId="m1", conversationId=other)
    assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert await count(Message) == 4


async def test_same_id_of_two_people_is_two_messages(says, alice_client, bob_client):
    one = await ask(alice_client, "One?", clientMessageId="m1")
    other = await ask(bob_client, "Two?", clientMessageId="m1")
    assert one.opening["conversationId"] != other.opening["conversationId"]
    assert await count(Message) == 4
