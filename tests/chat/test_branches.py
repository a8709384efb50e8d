"""Versions of questions and answers: all are kept, one branch is shown, and only that one is told on."""

import asyncio

import pytest

from chat.errors import Conflict, NotFound
from chat.models import Message
from chat.streams import whole
from chat.turns import Ask, open_turn, reopen_turn, run_turn, show_branch
from chat.work import in_thread, unit_of_work
from tests.chat.scripted import PATIENCE, STOP, answer, saved

pytestmark = pytest.mark.django_db(transaction=True)


async def again(person, turn, **more):
    new = await unit_of_work(reopen_turn, person, turn.answer, **more)
    await run_turn(new)
    await asyncio.wait_for(whole(new.stream), PATIENCE)
    return new


async def edit(person, turn, text):
    ask = Ask(text, conversation=turn.conversation, edits=turn.question)
    new = await unit_of_work(open_turn, person, ask)
    await run_turn(new)
    await asyncio.wait_for(whole(new.stream), PATIENCE)
    return new


async def shown(turn):
    rows = Message.objects.filter(conversation__uuid=turn.conversation)
    return await in_thread(lambda: [row.content for row in rows.shown()])


async def two_turns(says, alice):
    says(answers=[(f"Answer {n}. ", STOP) for n in range(1, 9)])
    first = await answer(alice, "One?")
    second = await answer(alice, "Two?", conversation=first.conversation)
    return first, second


async def test_question_follows_the_answer_before_it(says, alice):
    first, second = await two_turns(says, alice)
    rows = await in_thread(lambda: {m.uuid: (m.follows and m.follows.uuid) for m in Message.objects.all()})
    assert rows == {
        first.question: None,
        first.answer: None,
        second.question: first.answer,
        second.answer: None,
    }


async def test_whole_answer_can_be_given_again_as_a_version(says, alice):
    _first, second = await two_turns(says, alice)
    await again(alice, second)
    assert await shown(second) == ["One?", "Answer 1. ", "Two?", "Answer 3. "]
    assert (await saved(second)).content == "Answer 2. "


async def test_answer_in_the_middle_given_again_hides_what_came_after(says, alice):
    first, _second = await two_turns(says, alice)
    await again(alice, first)
    assert await shown(first) == ["One?", "Answer 3. "]


async def test_second_tap_on_again_is_a_conflict(says, alice):
    first, _second = await two_turns(says, alice)
    await again(alice, first)
    with pytest.raises(Conflict):
        await unit_of_work(reopen_turn, alice, first.answer)


async def test_edited_question_takes_the_place_of_the_old_one(says, alice):
    first, second = await two_turns(says, alice)
    edited = await edit(alice, second, "Three?")
    assert edited.conversation == first.conversation
    assert await shown(first) == ["One?", "Answer 1. ", "Three?", "Answer 3. "]


async def test_first_question_can_be_edited(says, alice):
    first, _second = await two_turns(says, alice)
    await edit(alice, first, "Zero?")
    assert await shown(first) == ["Zero?", "Answer 3. "]


async def test_switching_shows_a_branch_to_its_end_and_back(says, alice):
    first, _second = await two_turns(says, alice)
    edited = await edit(alice, first, "Zero?")
    await unit_of_work(show_branch, alice, first.question)
    assert await shown(first) == ["One?", "Answer 1. ", "Two?", "Answer 2. "]
    await unit_of_work(show_branch, alice, edited.question)
    assert await shown(first) == ["Zero?", "Answer 3. "]


async def test_model_is_told_the_branch_that_is_shown_and_no_other(says, alice):
    provider = says(answers=[(f"Answer {n}. ", STOP) for n in range(1, 9)])
    first = await answer(alice, "One?")
    second = await answer(alice, "Two?", conversation=first.conversation)
    await edit(alice, second, "Three?")
    await answer(alice, "Four?", conversation=first.conversation)
    told = [message["content"] for message in provider.prompts[-1][1:]]
    assert told == ["One?", "Answer 1. ", "Three?", "Answer 3. ", "Four?"]


async def test_edit_of_a_hidden_version_shows_its_branch_first(says, alice):
    first, second = await two_turns(says, alice)
    await edit(alice, first, "Zero?")
    await edit(alice, second, "Three?")
    assert await shown(first) == ["One?", "Answer 1. ", "Three?", "Answer 4. "]


async def test_edit_takes_a_question_of_the_same_conversation_only(says, alice):
    first, _second = await two_turns(says, alice)
    other = await answer(alice, "Else?")
    for edits in (other.question, first.answer):
        with pytest.raises(NotFound):
            await unit_of_work(open_turn, alice, Ask("X?", conversation=first.conversation, edits=edits))
    assert await shown(first) == ["One?", "Answer 1. ", "Two?", "Answer 2. "]


async def test_branches_of_another_person_are_not_there(says, alice, bob):
    first, _second = await two_turns(says, alice)
    with pytest.raises(NotFound):
        await unit_of_work(show_branch, bob, first.question)
