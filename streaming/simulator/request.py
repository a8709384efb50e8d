"""From the bytes of a request to what it asks for. Raises `Refused`, never anything else. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from streaming.simulator.answer import Conversation, read_conversation
from streaming.simulator.faults import (
    HEADER,
    NO_KEY,
    Fault,
    Refusal,
    UnknownFault,
    parse_fault,
    split_directives,
    together,
)
from streaming.simulator.specimens import UNSAFE
from streaming.simulator.wire import Json, invalid_request


class Refused(Exception):
    """The request gets an HTTP error instead of an answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.status)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Request:
    """A request for an answer, read and found good."""

    conversation: Conversation
    fault: Fault
    model: str
    most_tokens: int | None
    stream: bool
    with_usage: bool


def check_key(headers: Mapping[str, str]) -> None:
    """Any key will do, but there has to be one."""
    keys = (headers.get("api-key", ""), headers.get("ocp-apim-subscription-key", ""))
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    if not (bearer or any(key.strip() for key in keys)):
        raise Refused(NO_KEY)


def read_request(data: bytes, headers: Mapping[str, str], deployment: str | None) -> Request:
    body = read_object(data)
    model = deployment or _typed(body, "model", str, None)
    if not model:
        raise _invalid("you must provide a model parameter", "model")
    messages = _messages(body)
    stream = _typed(body, "stream", bool, False)
    try:
        conversation, directives = _without_directives(read_conversation(messages))
        asked = [parse_fault(said) for said in ([headers[HEADER]] if headers.get(HEADER) else directives)]
    except UnknownFault as unknown:
        raise _invalid(str(unknown)) from None
    except ValueError as wrong:
        raise _invalid(str(wrong), "messages") from None
    fault = together(one.for_request(model, stream=stream, task=conversation.task) for one in asked)
    if fault.words.get("topic", "honey") not in UNSAFE:
        raise _invalid(f"The topics of unsafe are: {', '.join(UNSAFE)}.")
    options = _typed(body, "stream_options", dict, {})
    return Request(
        conversation,
        fault,
        model,
        _most_tokens(body),
        stream=stream,
        with_usage=bool(options.get("include_usage")),
    )


def read_object(data: bytes) -> Json:
    """Raises `Refused` for a body that is no JSON object."""
    try:
        body = json.loads(data)
    except ValueError:  # also bytes that are not UTF-8
        body = None
    if not isinstance(body, dict):
        raise _invalid("We could not parse the JSON body of your request.")
    return body


def _messages(body: Json) -> list[Json]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise _invalid("'messages' must be a list of messages, and not empty.", "messages")
    return messages


def _without_directives(conversation: Conversation) -> tuple[Conversation, tuple[str, ...]]:
    """The conversation without its `[[simulate …]]`, and what those in the last message say."""
    split = [split_directives(turn) for turn in conversation.turns]
    return replace(conversation, turns=tuple(text for text, _ in split)), split[-1][1]


def _most_tokens(body: Json) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        most: int | None = _typed(body, name, int, None)
        if most is not None and most < 1:
            raise _invalid(f"{name} is below the minimum value of 1", name)
        if most is not None:
            return most
    return None


def _typed(body: Json, name: str, kind: type, default: Any) -> Any:
    """A field of the body; null counts as not there."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise _invalid(f"Invalid type for '{name}'.", name)
    return value


def _invalid(message: str, param: str | None = None) -> Refused:
    return Refused(Refusal(400, invalid_request(message, param)))
