"""Whatever engines say, and whenever: cards come before words, and nothing is left running."""

import asyncio

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.reply import Progress
from chat.safeguards import question_notices
from chat.second_opinion import Panel, after_opinions
from safety.check import perform_comprehensive_safety_check
from safety.remote.base import EngineError, Sign, findings_of
from safety.remote.raising import raised
from safety.verdict import Action, Verdict
from streaming.events import Metadata, Notice, Token

QUESTIONS = ("How do babies sleep?", "My newborn has a fever of 39", "How much paracetamol may I give?")
LATE = 0.3
LOCAL: dict[str, Verdict] = {}


@pytest.fixture(scope="module", autouse=True)
def rules_read():
    """Reading the rules takes longer than Hypothesis waits for an example."""
    for question in QUESTIONS:
        LOCAL[question] = perform_comprehensive_safety_check(question)


def cards(verdict):
    return question_notices(verdict, language="en", country="US")


class Engine:
    """Says `signs`, or nothing, after so many turns of the loop; with None never."""

    def __init__(self, name, signs, turns):
        self.name, self.given, self.turns = name, signs, turns

    async def signs(self, text):
        if self.turns is None:
            await asyncio.Event().wait()
        for _ in range(self.turns):
            await asyncio.sleep(0)
        if self.given is None:
            raise EngineError("broken")
        return self.given


class Model:
    """The events of an answer, each after so many turns of the loop."""

    def __init__(self, opening, words, turns):
        self.opening, self.words, self.turns = opening, words, turns
        self.is_closed = False

    async def events(self):
        try:
            for event in self.opening:
                yield event
            for word in self.words:
                for _ in range(self.turns):
                    await asyncio.sleep(0)
                yield Token(word)
        finally:
            self.is_closed = True


SPOKEN = st.none() | st.frozensets(st.sampled_from(Sign), max_size=2)
ENGINES = st.lists(st.tuples(SPOKEN, st.integers(0, 6)), min_size=1, max_size=3)


def run(question, engines, words, turns, *, leave_after=None):
    """The events a reader sees, the model, the progress, the tasks left running."""

    async def running():
        shown = cards(LOCAL[question])
        model = Model([Metadata(), *shown], words, turns)
        progress = Progress(lambda: 0.0, 0.0)
        panel = Panel([Engine(f"e{n}", *one) for n, one in enumerate(engines)], deadline=5)
        events = after_opinions(
            model.events(), panel, LOCAL[question], shown=shown, cards=cards, progress=progress, heard=[]
        )
        seen = []
        async for event in events:
            seen.append(event)
            if len(seen) == leave_after:
                break
        await events.aclose()
        return seen, model, progress, len(asyncio.all_tasks()) - 1

    return asyncio.run(running())


@settings(deadline=None)
@given(
    st.sampled_from(QUESTIONS),
    ENGINES,
    st.lists(st.sampled_from(["a ", "b "]), max_size=3),
    st.integers(0, 6),
)
def test_cards_come_before_words(question, engines, words, turns):
    seen, model, progress, left = run(question, engines, words, turns)
    shown = cards(LOCAL[question])
    found = [f for n, (signs, _t) in enumerate(engines) for f in findings(n, signs, question)]
    verdict = raised(LOCAL[question], found)
    is_refused = verdict.action in (Action.CARD_ONLY, Action.BLOCK)
    assert seen[: 1 + len(shown)] == [Metadata(), *shown]
    assert [e.content for e in seen if isinstance(e, Token)] == ([] if is_refused else words)
    notices = [index for index, event in enumerate(seen) if isinstance(event, Notice)]
    assert notices == list(range(1, 1 + len(notices)))
    assert {e.card for e in seen if isinstance(e, Notice)} == {n.card for n in (*shown, *cards(verdict))}
    assert (progress.finish_reason == "refused", model.is_closed, left) == (is_refused, True, 0)


def findings(number, signs, question):
    return findings_of(f"e{number}", signs or (), LOCAL[question].masked_text)


@settings(deadline=None)
@given(st.sampled_from(QUESTIONS), ENGINES, st.integers(0, 6), st.integers(1, 4))
def test_a_reader_who_leaves_ends_the_model(question, engines, turns, leave_after):
    seen, model, _progress, left = run(question, engines, ["a ", "b "], turns, leave_after=leave_after)
    assert (len(seen) <= leave_after, model.is_closed, left) == (True, True, 0)


@settings(max_examples=8, deadline=None)
@given(ENGINES)
def test_no_engine_is_waited_for_longer_than_the_deadline(engines):
    async def asking():
        silent = Engine("silent", frozenset(), None)
        panel = Panel([silent, *(Engine(f"e{n}", *one) for n, one in enumerate(engines))], deadline=LATE)
        async with asyncio.timeout(20 * LATE):
            return await panel.ask("Hello")

    heard = asyncio.run(asking())
    assert [one.error for one in heard] == ["timeout", *("error" if s is None else None for s, _t in engines)]


async def test_closing_the_panel_closes_its_client():
    client = httpx2.AsyncClient()
    await Panel([], deadline=1, client=client).close()
    assert client.is_closed
