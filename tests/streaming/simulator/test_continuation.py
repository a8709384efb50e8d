"""Asked to go on with an answer, the simulator says its last words again, as asked, and the exact rest."""

import httpx2
import pytest

from streaming.providers.seam import CONTINUE
from streaming.simulator.answer import read_conversation
from streaming.simulator.faults import parse_fault
from streaming.simulator.script import Answer, altered

WHOLE = Answer(("One", " two", " three", " four", " five", " six", " seven", " eight."))


def asking_for_more(so_far, question="hi"):
    return [
        {"role": "user", "content": question},
        {"role": "assistant", "content": so_far},
        {"role": "user", "content": CONTINUE},
    ]


def test_request_to_go_on_is_no_question():
    conversation = read_conversation(asking_for_more("Good e"))
    assert (conversation.turns, conversation.so_far) == (("hi",), "Good e")


def test_our_words_behind_no_answer_are_a_question():
    conversation = read_conversation([{"role": "user", "content": CONTINUE}])
    assert (conversation.turns, conversation.so_far) == ((CONTINUE,), "")


@pytest.mark.parametrize(
    ("so_far", "fault", "said"),
    [
        ("One two three four five six se", "none", "three four five six seven eight."),
        ("One two ", "none", "One two three four five six seven eight."),
        ("One two three four", "restate=1", "four five six seven eight."),
        ("One two three fo", "restate=0", "ur five six seven eight."),
        ("One two three four five six", "restate=99", "One two three four five six seven eight."),
        ("One two three four five six seven eight.", "restate=0", ""),
        ("One two three", "tokens=4", "One two three four"),
        ("One two three", "length at=2", "One two"),
        ("Something else", "none", ""),
    ],
)
def test_rest_of_an_answer(so_far, fault, said):
    assert altered(WHOLE, parse_fault(fault), so_far).text == said


def post(simulator, messages, model, **body):
    body = {"model": model, "messages": messages, **body}
    return httpx2.post(f"{simulator.base_url}chat/completions", headers={"api-key": "any"}, json=body)


def content(reply):
    return reply.json()["choices"][0]["message"]["content"]


def test_server_goes_on_and_counts_by_deployment(simulator):
    whole = content(post(simulator, [{"role": "user", "content": "hi"}], "test-goes-on"))
    more = post(simulator, asking_for_more(whole[:20], "hi [[simulate restate=0]]"), "test-goes-on")
    assert content(more) == whole[20:]
    refused = post(simulator, asking_for_more("x", "hi [[simulate 503]]"), "test-goes-on", stream=True)
    assert refused.status_code == 503
    counted = simulator.stats()["deployments"]["test-goes-on"]
    assert counted == {"requests": 3, "refused": 1, "whole": 2, "continued": 2}


def test_fault_of_one_deployment_leaves_the_other_alone(simulator):
    question = [{"role": "user", "content": "hi [[simulate 503 deployment=east]] [[simulate tokens=2]]"}]
    assert post(simulator, question, "east").status_code == 503
    assert content(post(simulator, question, "west")) == "Hello,"


def test_streams_fail_where_whole_answers_work(simulator):
    question = [{"role": "user", "content": "hi [[simulate no_stream tokens=2]]"}]
    refused = post(simulator, question, "m", stream=True)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "stream")
    assert content(post(simulator, question, "m")) == "Hello,"
