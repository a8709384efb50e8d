from datetime import date
from typing import Any

import pytest

from streaming.simulator.answer import CALL_NOW, DEMONSTRATION, TASKS, Conversation, answer, read_conversation
from streaming.simulator.index import Index
from streaming.simulator.passages import Passage, Source

SOURCE = Source("NHS", "Foods to avoid", "https://www.nhs.uk/foods", date(2026, 11, 23))


def passage(name, title, text, ages=None, topic="feeding"):
    return Passage(name, topic, title, text, (), SOURCE, ages)


@pytest.fixture
def index():
    index = Index(
        [
            passage("honey", "Honey in the first year", "No honey before one.", (0, 12)),
            passage("naps-small", "Naps of a small baby", "Many short ones.", (0, 4), "sleep"),
            passage("naps-big", "Naps of a big baby", "Two or three.", (6, 12), "sleep"),
            passage("fever", "Fever", "Call today.", None, "fever_and_illness"),
        ]
    )
    yield index
    index.close()


HONEY = (
    "**Honey in the first year**\n\nNo honey before one.\n\n"
    '*Source: NHS, "Foods to avoid" — https://www.nhs.uk/foods (reviewed 2026-11-23)*'
)


def test_answer_quotes_names_its_source_and_what_it_is(index):
    said = answer(Conversation(("Is honey ok?",)), index)
    assert said == f"{HONEY}\n\n{DEMONSTRATION}"


def test_answer_says_when_a_passage_is_for_another_age(index):
    said = answer(Conversation(("Is honey ok for my 2 year old?",)), index)
    assert said.startswith("**Honey in the first year** (this is for 0 to 12 months of age)\n\nNo honey")


def test_second_question_takes_the_subject_from_the_first(index):
    turns = ("How many naps at 2 months?", "and at eight months?")
    assert answer(Conversation(turns[:1]), index).startswith("**Naps of a small baby**\n\n")
    assert answer(Conversation(turns), index).startswith("**Naps of a big baby**\n\nTwo or three.")


def test_second_question_on_something_unknown_says_so(index):
    said = answer(Conversation(("How many naps for a big baby?", "what about twins?")), index)
    assert said.startswith(
        "I have nothing on “twins” in particular. This is on the same subject:\n\n**Naps of"
    )


def test_nothing_found_names_the_topics(index):
    said = answer(Conversation(("What is the capital of France?",)), index)
    assert said.startswith(
        "I have nothing on that.\n\nThis is a small collection of public guidance about feeding, "
    )
    assert "feeding, sleep and fever and illness." in said
    assert said.endswith(DEMONSTRATION)


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("hi", "Hello, it is good that you are here."),
        ("Good evening!", "Hello, it is good that you are here."),
        ("thanks so much", "You are welcome."),
        ("hi, is honey ok?", "**Honey in the first year**"),
        ("thanks, is honey ok?", "**Honey in the first year**"),
    ],
)
def test_greeting_is_answered_kindly(index, text, begins):
    assert answer(Conversation((text,)), index).startswith(begins)


def test_thanks_do_not_repeat_the_answer(index):
    assert answer(Conversation(("Is honey ok?", "thank you")), index).startswith("You are welcome.")


def test_other_language_is_told_plainly(index):
    said = answer(Conversation(("Wann darf mein Baby Honig essen?",)), index)
    assert said == (
        "Diese Demonstration antwortet nur auf Englisch.\n\nThis demonstration only knows English.\n\n"
        + DEMONSTRATION
    )


@pytest.mark.parametrize("text", ["fever", "hi", "qwertyuiop", "Wann darf mein Baby Honig essen?"])
def test_emergency_begins_with_the_call(index, text):
    said = answer(Conversation((text,), emergency=True), index)
    assert said.split("\n\n")[0] == CALL_NOW == "Call now, using the number on the card above."


def test_conversation_is_read_from_messages():
    messages: list[dict[str, Any]] = [
        {
            "role": "system",
            "content": "Rules. An emergency card with the number to call has just been shown (x).",
        },
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": [{"type": "text", "text": "two"}, {"type": "image_url"}]},
    ]
    conversation = read_conversation(messages)
    assert (conversation.turns, conversation.emergency) == (("one", "two "), True)


def test_person_cannot_declare_an_emergency():
    conversation = read_conversation([{"role": "user", "content": "An emergency card"}])
    assert conversation.emergency is False


def test_product_marks_an_emergency_as_the_simulator_expects():
    from chat.prompts import LANGUAGES, words

    for language in LANGUAGES:
        rules = {"role": "system", "content": words(language).escalated}
        assert read_conversation([rules, {"role": "user", "content": "x"}]).emergency


def test_title_is_that_of_the_passage_or_the_first_words(index):
    def title(question):
        return answer(Conversation((f"{question}\n\n---\n\nAn answer.",), task="title"), index)

    assert title("When may my baby have honey?") == "Honey in the first year"
    assert title("Wann darf mein Baby Honig essen und wann Wasser?") == "Wann darf mein Baby Honig essen"


def test_summary_goes_on_from_the_one_before(index):
    first = answer(Conversation(("> Honey?\n\nNo.\n\n---\n\n> Water?\n\nNo.",), task="summary"), index)
    later = answer(Conversation((f"{first}\n\n---\n\n> Sleep?\n\nYes.",), task="summary"), index)
    assert (first, later) == ("- Honey.\n- Water.", "- Honey.\n- Water.\n- Sleep.")


def test_product_marks_its_tasks_as_the_simulator_expects():
    from chat import summaries, titles

    assert {titles.MARK: "title", summaries.MARK: "summary"} == TASKS


@pytest.mark.parametrize("messages", [[], [{"role": "system", "content": "x"}], [{}]])
def test_conversation_without_a_question_is_refused(messages):
    with pytest.raises(ValueError, match="role 'user'"):
        read_conversation(messages)
