"""Which fault a request asks for, by header or by directives in the question.

x-simulator-fault: 429 retry_after=2
Tell me about sleep [[simulate cut at=12]] [[simulate 503 deployment=west]]
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from streaming.simulator.wire import ATTACKS, CATEGORIES, Json, error, prompt_blocked

HEADER = "x-simulator-fault"
NONE = "none"
"""No fault, for a directive that only sets `tokens`, `delay` or the like."""

REFUSALS = frozenset({"401", "404", "429", "500", "503", "prompt_filter", "no_stream"})
TEXTS = frozenset({"unsafe", "markdown", "long", "refusal", "empty"})
MID_STREAM = frozenset(
    {"filter", "async_filter", "filter_outage", "stall", "cut", "eof", "error_event", "garbage", "length"}
)
TRANSPORT = frozenset({"slow_start", "no_done", "split", "crlf"})
NAMES = REFUSALS | TEXTS | MID_STREAM | TRANSPORT | {NONE}

NUMBERS = frozenset({"retry_after", "retry_after_ms", "ms", "at", "delay", "tokens", "fail_first", "restate"})
WORDS = frozenset({"category", "key", "topic", "code", "deployment", "only"})
TASKS = ("title", "summary")
ONLY = ("stream", "whole", *TASKS)
OF_THE_ANSWER = frozenset({"tokens", "delay", "restate"})
MOST_TOKENS = 100_000

_DIRECTIVE = re.compile(r"\s*\[\[\s*simulate\b([^\]]*)\]\]")


class UnknownFault(ValueError):
    """The request asks for a fault, or with an option, that does not exist; the message says which."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault with its options: numbers are not negative, `delay` and `ms` are milliseconds."""

    name: str = NONE
    numbers: Mapping[str, int] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)

    def strikes_at(self, count: int) -> int:
        """Before which of `count` tokens a fault in mid-stream strikes: the middle unless told."""
        return min(self.numbers.get("at", count // 2), count)

    @property
    def category(self) -> str:
        return self.words.get("category", "violence")

    def concerns(self, deployment: str, *, stream: bool, task: str = "") -> bool:
        """Whether a request to this deployment, streamed or not, is meant; one for a title or a summary only
        where it is named, since it holds the question with its directives, too.
        """
        only = "stream" if self.name == "no_stream" else self.words.get("only")
        if self.words.get("deployment", deployment) != deployment:
            return False
        if task or only in TASKS:
            return only == task
        return only is None or only == ("stream" if stream else "whole")

    def for_request(self, deployment: str, *, stream: bool, task: str = "") -> "Fault":
        """This fault or, where it is not meant, what it says of the answer, which is the same everywhere."""
        if self.concerns(deployment, stream=stream, task=task):
            return self
        if task or self.words.get("only") in TASKS:
            return Fault()
        return Fault(NONE, {name: number for name, number in self.numbers.items() if name in OF_THE_ANSWER})


def split_directives(text: str) -> tuple[str, tuple[str, ...]]:
    """The text without its directives, and what each of them says."""
    said = tuple(directive.strip() for directive in _DIRECTIVE.findall(text))
    return _DIRECTIVE.sub("", text).strip(), said


def together(faults: Iterable[Fault]) -> Fault:
    """Several faults as one: of the names the last counts, and of each option the last."""
    name = NONE
    numbers: dict[str, int] = {}
    words: dict[str, str] = {}
    for fault in faults:
        name = name if fault.name == NONE else fault.name
        numbers |= fault.numbers
        words |= fault.words
    return Fault(name, numbers, words)


def parse_fault(said: str) -> Fault:
    """`NAME key=value …`; without a name it sets options only. Raises `UnknownFault`."""
    first, *rest = said.split() or [NONE]
    if "=" in first:
        first, rest = NONE, [first, *rest]
    if first not in NAMES:
        raise UnknownFault(f"No fault is called {first!r}. There are: {', '.join(sorted(NAMES))}.")
    numbers: dict[str, int] = {}
    words: dict[str, str] = {}
    for option in rest:
        _read_option(option, numbers, words)
    return Fault(first, numbers, words)


def _read_option(option: str, numbers: dict[str, int], words: dict[str, str]) -> None:
    key, _, value = option.partition("=")
    if key == "only" and value not in ONLY:
        raise UnknownFault(f"only= takes {', '.join(ONLY)}, not {value!r}.")
    if key in WORDS and value:
        words[key] = _known_category(value) if key == "category" else value
    elif key in NUMBERS and value.isascii() and value.isdigit():
        numbers[key] = min(int(value), MOST_TOKENS) if key == "tokens" else int(value)
    else:
        raise UnknownFault(f"No fault has the option {option!r}. Numbers: {', '.join(sorted(NUMBERS))}.")


def _known_category(value: str) -> str:
    if value in (*CATEGORIES, *ATTACKS, "profanity", "protected_material_text", "protected_material_code"):
        return value
    raise UnknownFault(f"The filter has no category {value!r}.")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP error instead of an answer."""

    status: int
    body: Json
    headers: Mapping[str, str] = field(default_factory=dict)


NO_KEY = Refusal(
    401,
    error(
        "401",
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid"
        " key for an active subscription and use a correct regional API endpoint for your resource.",
    ),
)
NO_DEPLOYMENT = Refusal(
    404,
    error(
        "DeploymentNotFound",
        "The API deployment for this resource does not exist. If you created the deployment within the "
        "last 5 minutes, please wait a moment and try again.",
    ),
)
BROKEN = Refusal(
    500,
    error("InternalServerError", "Backend returned unexpected response. Please contact Microsoft for help."),
)
NO_STREAM = Refusal(
    400,
    error(
        "unsupported_value",
        "Unsupported value: 'stream' does not support true with this deployment.",
        type="invalid_request_error",
        param="stream",
    ),
)
OVERLOADED = Refusal(
    503, error("ServiceUnavailable", "The service is temporarily unable to process your request.")
)


def refusal_of(fault: Fault) -> Refusal | None:
    """The HTTP error a fault asks for, if it is one."""
    if fault.name == "429":
        return _too_many(fault.numbers)
    if fault.name == "prompt_filter":
        return Refusal(400, prompt_blocked(fault.category))
    plain = {"401": NO_KEY, "404": NO_DEPLOYMENT, "500": BROKEN, "503": OVERLOADED, "no_stream": NO_STREAM}
    return plain.get(fault.name)


def _too_many(numbers: Mapping[str, int]) -> Refusal:
    headers = {}
    if "retry_after" in numbers or "retry_after_ms" not in numbers:
        headers["retry-after"] = str(numbers.get("retry_after", 1))
    if "retry_after_ms" in numbers:
        headers["retry-after-ms"] = str(numbers["retry_after_ms"])
    message = "Requests have exceeded the token rate limit of your current pricing tier. Please retry later."
    return Refusal(429, error("429", message), headers)


class FirstFailures:
    """Counts requests by key, so that `fail_first=N` can fail the first N of them and no more."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def still_failing(self, fault: Fault) -> bool:
        """Whether this request, which counts, is to fail. Without `fail_first` all do."""
        if "fail_first" not in fault.numbers:
            return True
        key = f"{fault.name} {fault.words.get('key', '')}"
        self._seen[key] = self._seen.get(key, 0) + 1
        return self._seen[key] <= fault.numbers["fail_first"]
