"""After the first token: the rest is asked for, elsewhere where possible, and the seam cannot be seen."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streaming.events import ErrorCode, Usage
from streaming.providers.base import Completion, Delta, Finish, ProviderError
from streaming.providers.seam import continuation, last_words
from tests.streaming.providers.scripted import PROMPT, STOP, Scripted, ask, route
from tests.streaming.providers.test_routing import cut, slow, unavailable

BEGUN = ("Put your", " baby", " down on")
REST = ("your baby down on", " the back.", STOP)
TEXT = "Put your baby down on the back."


@pytest.mark.parametrize("failure", [cut(), slow(), unavailable()], ids=lambda error: str(error.code))
async def test_other_deployment_goes_on(failure):
    other = Scripted(REST)
    answer = await ask(route(Scripted([*BEGUN, failure]), other))
    assert (answer.text, answer.finish, answer.error) == (TEXT, STOP, None)
    assert answer.steps == [("a", "stream", 0, str(failure.code)), ("b", "continue", 21, None)]
    assert (answer.trace.deployment, answer.trace.retries, answer.trace.failovers) == ("b", 0, 1)
    assert other.asked == [("stream", continuation(PROMPT, "Put your baby down on"), 96)]


async def test_only_deployment_is_asked_once_more():
    answer = await ask(route(Scripted([*BEGUN, cut()], REST)))
    assert (answer.text, [step[0] for step in answer.steps]) == (TEXT, ["a", "a"])


async def test_provider_that_forgets_its_finish_is_an_interruption():
    answer = await ask(route(Scripted(BEGUN, REST)))
    assert (answer.text, answer.trace.attempts[0].error) == (TEXT, "stream_interrupted")


async def test_deployment_that_broke_is_asked_last():
    first = Scripted([*BEGUN, cut()], REST)
    answer = await ask(route(first, Scripted([unavailable(404)]), Scripted([unavailable(401)])))
    assert (answer.text, [step[0] for step in answer.steps]) == (TEXT, ["a", "b", "c", "a"])


async def test_deployments_that_broke_come_last_the_latest_at_the_very_end():
    again = "your baby", cut()
    answer = await ask(route(Scripted([*BEGUN, cut()], REST), Scripted(again), Scripted([unavailable(404)])))
    assert (answer.text, [step[0] for step in answer.steps]) == (TEXT, ["a", "b", "c", "a"])


async def test_filter_is_not_tried_again_elsewhere():
    filtered = ProviderError(ErrorCode.CONTENT_FILTERED, "violence", retryable=False)
    other = Scripted(REST)
    answer = await ask(route(Scripted([*BEGUN, filtered]), other))
    assert (answer.error, other.asked) == (filtered, [])


async def test_filter_that_stops_the_continuation_is_told():
    filtered = ProviderError(ErrorCode.CONTENT_FILTERED, "violence", retryable=False)
    answer = await ask(route(Scripted([*BEGUN, cut()]), Scripted([filtered])))
    assert answer.error is filtered


async def test_where_nobody_can_go_on_the_interruption_is_told():
    broken = cut()
    answer = await ask(route(Scripted([*BEGUN, broken], [unavailable(401)]), Scripted([unavailable(404)])))
    assert (answer.text, answer.error) == ("Put your baby down on", broken)
    assert answer.error.retryable
    assert answer.trace.deployment == "a"


async def test_prompt_too_long_to_go_on_is_an_interruption():
    too_long = ProviderError(ErrorCode.CONTEXT_TOO_LONG, "128001", retryable=False)
    broken = cut()
    answer = await ask(route(Scripted([*BEGUN, broken], [too_long])))
    assert answer.error is broken


async def test_answer_is_continued_twice_at_most():
    provider = Scripted(["One two", cut()], ["One two three", cut()], ["One two three four", cut()])
    answer = await ask(route(provider))
    assert (answer.text, answer.error.code) == ("One two three four", ErrorCode.STREAM_INTERRUPTED)
    assert [step[2] for step in answer.steps] == [0, 7, 13]


async def test_new_start_in_other_words_offers_a_retry():
    anew = Scripted(["Put your baby down wherever", " you like.", STOP])
    asked = route(Scripted([*BEGUN, " the back", cut()]), anew)
    answer = await ask(asked)
    assert (answer.text, answer.error.code) == (
        "Put your baby down on the back",
        ErrorCode.STREAM_INTERRUPTED,
    )
    assert answer.error.retryable
    assert [health.failures for health in asked.health()] == [1, 0]


async def test_what_is_held_when_a_continuation_breaks_is_asked_for_again():
    provider = Scripted([*BEGUN, cut()], ["your baby", cut()], REST)
    answer = await ask(route(provider))
    assert (answer.text, [step[2] for step in answer.steps]) == (TEXT, [0, 21, 21])


async def test_nothing_more_to_say_ends_the_answer():
    answer = await ask(route(Scripted([TEXT, cut()], [STOP])))
    assert (answer.text, answer.finish) == (TEXT, STOP)


async def test_no_tokens_left_ends_the_answer_by_its_length():
    provider = Scripted([*BEGUN, cut()])
    answer = await ask(route(provider), max_tokens=4)
    assert (answer.finish, len(provider.asked)) == (Finish("length"), 1)


async def test_continuation_may_come_whole():
    whole = Completion("your baby down on the back.", STOP)
    provider = Scripted([*BEGUN, cut()], [cut()], whole=[whole])
    answer = await ask(route(provider))
    assert answer.text == TEXT
    assert answer.steps[1:] == [("a", "continue", 21, "stream_interrupted"), ("a", "complete", 21, None)]


async def test_after_the_seam_text_passes_as_it_comes():
    answer = await ask(route(Scripted([*BEGUN, cut()], [*REST[:2], Delta((" A", " cot")), STOP])))
    assert answer.deltas[-1] == Delta((" A", " cot"))


async def test_usage_is_summed_and_what_is_not_counted_is_told():
    scripts = (
        [*BEGUN, cut()],
        ["your baby down on the", cut()],
        ["down on the back.", Finish("stop", Usage(30, 4))],
    )
    answer = await ask(route(Scripted(*scripts)))
    assert answer.finish.usage == Usage(30, 4)
    assert (answer.trace.uncounted_attempts, answer.trace.uncounted_pieces) == (2, 4)


async def test_usage_of_an_empty_answer_is_counted():
    provider = Scripted([Finish("stop", Usage(9, 0))], whole=[Completion("Hi", Finish("stop", Usage(9, 1)))])
    answer = await ask(route(provider))
    assert (answer.finish.usage, answer.trace.uncounted_attempts) == (Usage(18, 1), 0)


ANSWER = (
    "**Safe sleep**\n\nPut your baby down on the back, for every nap.\n\n- No pillow, no toys.\n"
    "- A cot in your room: „Füße“ 寝る 👶 e.g. with a blanket tucked in!\n"
)


def read_in(text, size):
    return [text[at : at + size] for at in range(0, len(text), size)]


@example(cuts=[63, 64], size=1, repeats="asked")  # between two line ends: only blanks came in between
@given(
    cuts=st.lists(st.integers(1, len(ANSWER)), min_size=1, max_size=2),
    size=st.integers(1, 20),
    repeats=st.sampled_from(["asked", "everything"]),
)
async def test_answer_cut_anywhere_is_the_same_answer(cuts, size, repeats):
    left = sorted(cuts)
    asked = route(*(Cutting(left, size, repeats) for _ in range(3)))
    answer = await ask(asked, max_tokens=10_000)
    assert (answer.text, answer.finish, answer.error) == (ANSWER, STOP, None)


class Cutting(Scripted):
    """Says `ANSWER`, or goes on with it, as far as the next cut; each cut is made once, by any of them."""

    def __init__(self, left, size, repeats):
        super().__init__()
        self.left, self.size, self.repeats = left, size, repeats

    async def stream(self, messages, *, max_tokens):
        so_far = messages[-2]["content"] if len(messages) > 1 else ""
        ahead = [cut_at for cut_at in self.left if cut_at > len(so_far)]
        again = len(so_far.rstrip()) - len(last_words(so_far)) if self.repeats == "asked" else 0
        for part in read_in(ANSWER[again : ahead[0] if ahead else None], self.size):
            yield Delta((part,))
        if ahead:
            self.left.remove(ahead[0])
            raise cut()
        yield STOP
