"""From a conversation to an answer: quotes of the passages that fit it, and no word of our own advice."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from streaming.providers.seam import CONTINUE
from streaming.simulator.index import Hit, Index
from streaming.simulator.passages import Passage
from streaming.simulator.question import Question, foreign_notice, read_question

DEMONSTRATION = (
    "*This is a demonstration: it quotes public guidance and is not an AI model. "
    "For advice about you or your baby, ask your midwife, doctor or health visitor.*"
)
CALL_NOW = "Call now, using the number on the card above."
EMERGENCY_MARKS = (
    "An emergency card",
    "Se acaba de mostrar una tarjeta de emergencia",
    "Une carte d'urgence",
    "Um cartão de emergência",
    "eine Notfallkarte",
    "紧急卡片",
    "بطاقة طوارئ",
    "आपातकालीन कार्ड",
)
"""The product's system prompt holds one of them when it has shown the number to call."""
TASKS = {"[nightlight:title]": "title", "[nightlight:summary]": "summary"}
"""What a system prompt that asks for no answer begins with."""
TITLE_WORDS = 6
SUMMARY_WORDS = 12
ALSO_SCORE = 0.8
"""A second passage, of the same topic, is quoted when it ranks nearly as high as the first."""

_GREETING = re.compile(r"(hi|hiya|hello|hey|good (morning|evening|night|afternoon|day))\b", re.IGNORECASE)
_THANKS = re.compile(r"(thanks|thank you|thx|ty|ta|cheers|bye|goodbye|good ?night)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a request's messages say. `turns`: the person's messages, at least one.

    `so_far`: the answer that broke off, where the request is to go on with it. `task`: "title" or "summary",
    where no answer is asked for.
    """

    turns: tuple[str, ...]
    emergency: bool = False
    length: int = 0
    so_far: str = ""
    task: str = ""

    @property
    def last(self) -> str:
        return self.turns[-1]


def read_conversation(messages: Sequence[Mapping[str, Any]]) -> Conversation:
    """Raises ValueError when nobody asks anything."""
    said = [(message.get("role"), text_of(message.get("content"))) for message in messages]
    length = sum(len(text) for _, text in said)
    so_far = ""
    if said[-1:] == [("user", CONTINUE)] and said[-2:-1] and said[-2][0] == "assistant":
        so_far = said[-2][1]
        said = said[:-2]
    turns = tuple(text for role, text in said if role == "user")
    if not turns:
        raise ValueError("'messages' must contain a message of role 'user'.")
    rules = "\n".join(text for role, text in said if role in ("system", "developer"))
    emergency = any(mark in rules for mark in EMERGENCY_MARKS)
    task = next((task for mark, task in TASKS.items() if rules.startswith(mark)), "")
    return Conversation(turns, emergency, length, so_far, task)


def text_of(content: object) -> str:
    """A message's text, written plainly or as a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def answer(conversation: Conversation, index: Index) -> str:
    """Markdown. It always ends by saying that it is a demonstration; a title and a summary are bare."""
    match conversation.task:
        case "title":
            return _title(conversation.last, index)
        case "summary":
            return _summary(conversation.last)
    parts = [CALL_NOW] if conversation.emergency else []
    return "\n\n".join([*parts, *_body(conversation, index), DEMONSTRATION])


def _body(conversation: Conversation, index: Index) -> Iterator[str]:
    notice = foreign_notice(conversation.last)
    question = read_question(conversation.turns)
    if notice is not None:
        yield from filter(None, [notice, "This demonstration only knows English."])
    elif not question.asked and (greeting := _greeting(conversation.last, index)):
        yield greeting
    else:
        yield from _found(question, index, most=1 if conversation.emergency else 2)


def _found(question: Question, index: Index, most: int) -> Iterator[str]:
    unknown, question = _without_unknown(question, index)
    hits = index.search(question)[:most]
    if hits and unknown:
        yield f"I have nothing on “{unknown}” in particular. This is on the same subject:"
    yield from _quotes(hits) if hits else _nothing(index)


def _greeting(text: str, index: Index) -> str | None:
    if _THANKS.match(text.strip()):
        return "You are welcome. I am here whenever you want to ask something else."
    if _GREETING.match(text.strip()):
        return f"Hello, it is good that you are here. You can ask me about {_topics(index.passages)}."
    return None


def _without_unknown(question: Question, index: Index) -> tuple[str, Question]:
    """A second question whose own words no passage knows becomes the first one, and says which words."""
    own = [term for term in question.terms if term.word in question.asked]
    rest = tuple(term for term in question.terms if term.word not in question.asked)
    if not own or not rest or any(index.knows(term) for term in own):
        return "", question
    return " ".join(term.word for term in own), replace(question, terms=rest)


def _quotes(hits: Sequence[Hit]) -> Iterator[str]:
    return (_quote(hit) for hit in hits if hit == hits[0] or _belongs_beside(hits[0], hit))


def _belongs_beside(first: Hit, second: Hit) -> bool:
    alike = (first.passage.topic, first.meant) == (second.passage.topic, second.meant)
    return alike and second.score >= ALSO_SCORE * first.score


def _quote(hit: Hit) -> str:
    passage = hit.passage
    aside = "" if hit.fits else f" ({_meant_for(passage)})"
    return f"**{passage.title}**{aside}\n\n{passage.text}\n\n{_source_line(passage)}"


def _meant_for(passage: Passage) -> str:
    if passage.ages_months:
        start, end = passage.ages_months
        return f"this is for {start} to {end} months of age"
    start, end = passage.weeks or (0, 42)
    return f"this is for weeks {start} to {end} of pregnancy"


def _source_line(passage: Passage) -> str:
    source = passage.source
    return f'*Source: {source.organisation}, "{source.title}" — {source.url} (reviewed {source.reviewed})*'


def _nothing(index: Index) -> Iterator[str]:
    yield "I have nothing on that."
    yield (
        f"This is a small collection of public guidance about {_topics(index.passages)}. "
        "Try naming one of these, with your baby's age or your week of pregnancy. If something worries you, "
        "do not wait for an answer here: call your midwife, doctor or health visitor."
    )


def _topics(passages: Sequence[Passage]) -> str:
    names = [topic.replace("_", " ") for topic in dict.fromkeys(passage.topic for passage in passages)]
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names) or "nothing yet"


# --- Title and summary --------------------------------------------------------------------------------------


def _title(material: str, index: Index) -> str:
    """That of the passage which fits the question, else its first words. The question stands before the
    rule.
    """
    question = material.partition("\n---\n")[0].strip()
    hits = [] if foreign_notice(question) is not None else index.search(read_question((question,)))
    if hits:
        return hits[0].passage.title
    return " ".join(question.split()[:TITLE_WORDS]).rstrip("?.!؟？。")


def _summary(material: str) -> str:
    """A line for each question with its first words, after those of an earlier summary."""
    before = "" if material.startswith("> ") else material.partition("\n---\n")[0]
    asked = [line[2:].split()[:SUMMARY_WORDS] for line in material.splitlines() if line.startswith("> ")]
    known = [line for line in before.splitlines() if line.startswith("- ")]
    return "\n".join([*known, *(f"- {' '.join(words).rstrip('?.!')}." for words in asked)])
