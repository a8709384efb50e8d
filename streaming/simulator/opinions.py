"""Content Safety, Prompt Shields, moderations and Llama Guard, as their makers document them. No I/O.

What they find is decided by a few words, or by `[[simulate filter category=… deployment=llama_guard]]`.
"""

import re
import time
from collections.abc import Iterator, Mapping
from uuid import uuid4

from streaming.simulator.answer import read_conversation
from streaming.simulator.faults import (
    HEADER,
    Fault,
    Refusal,
    UnknownFault,
    parse_fault,
    split_directives,
    together,
)
from streaming.simulator.request import Refused, read_object
from streaming.simulator.script import Act, Pace, Step, paced
from streaming.simulator.wire import Frames, Json, Usage, encode, error

CONTENT_SAFETY, PROMPT_SHIELD = "azure_content_safety", "azure_prompt_shield"
MODERATION, LLAMA_GUARD = "openai_moderation", "llama_guard"
"""What `deployment=` calls them."""

PATHS = {
    "/contentsafety/text:analyze": CONTENT_SAFETY,
    "/contentsafety/text:shieldPrompt": PROMPT_SHIELD,
    "/v1/moderations": MODERATION,
    "/openai/v1/moderations": MODERATION,
}
DATED = frozenset({CONTENT_SAFETY, PROMPT_SHIELD})
"""Whose address must name a version."""

_WORDS = {
    "self_harm": re.compile(r"\b(?:kill|hurt|harm) myself\b|\bend (?:it all|my life)\b", re.IGNORECASE),
    "violence": re.compile(r"\bbuild (?:a|the) bomb\b|\bmurder\b", re.IGNORECASE),
    "jailbreak": re.compile(r"\bignore (?:all|your|the) (?:\w+ )?instructions\b", re.IGNORECASE),
}
_AZURE = (("Hate", "hate"), ("SelfHarm", "self_harm"), ("Sexual", "sexual"), ("Violence", "violence"))
_MODERATION = (
    ("harassment", ""),
    ("harassment/threatening", ""),
    ("hate", "hate"),
    ("hate/threatening", ""),
    ("illicit", ""),
    ("illicit/violent", ""),
    ("self-harm", "self_harm"),
    ("self-harm/instructions", ""),
    ("self-harm/intent", "self_harm"),
    ("sexual", "sexual"),
    ("sexual/minors", ""),
    ("violence", "violence"),
    ("violence/graphic", ""),
)
_LLAMA = (("violence", "S1"), ("hate", "S10"), ("self_harm", "S11"), ("sexual", "S12"))
_SURE, _UNSURE = 0.97, 0.0001


def is_guard(data: bytes) -> bool:
    """Whether a chat completion is asked of a model that judges instead of answering, by its name."""
    return b"guard" in data and "guard" in str(read_object(data).get("model")).lower()


def read_text(engine: str, body: Json) -> str:
    """What is to be judged. Raises `Refused`."""
    field = {CONTENT_SAFETY: "text", PROMPT_SHIELD: "userPrompt", MODERATION: "input"}.get(engine)
    if field is None:
        try:
            return read_conversation(body.get("messages") or []).last
        except ValueError as wrong:
            raise Refused(Refusal(400, error("InvalidRequestBody", str(wrong)))) from None
    if not isinstance(body.get(field), str):
        raise Refused(Refusal(400, error("InvalidRequestBody", f"The field {field} must be text.")))
    return str(body[field])


def read_fault(engine: str, text: str, headers: Mapping[str, str]) -> Fault:
    """Only what names this engine: other directives are meant for the model. Raises `Refused`."""
    _text, directives = split_directives(text)
    try:
        faults = [parse_fault(one) for one in ([headers[HEADER]] if headers.get(HEADER) else directives)]
    except UnknownFault as unknown:
        raise Refused(Refusal(400, error("InvalidRequestBody", str(unknown)))) from None
    return together(one for one in faults if one.words.get("deployment") == engine)


def judgement(engine: str, model: str, text: str, fault: Fault) -> Iterator[Step]:
    """The script of one reply, which is JSON."""
    yield paced(Pace(0, 0), fault).first
    body = encode(_opinion(engine, model, _found(text, fault)))
    if fault.name == "stall":
        yield Act.STALL
    yield body[: len(body) // 2] if fault.name == "garbage" else body


def _found(text: str, fault: Fault) -> frozenset[str]:
    """The categories of a text, as the filter of answers names them."""
    plain, _directives = split_directives(text)
    found = {name for name, words in _WORDS.items() if words.search(plain)}
    return frozenset(found | {fault.category} if fault.name == "filter" else found)


def _opinion(engine: str, model: str, found: frozenset[str]) -> Json:
    match engine:
        case "azure_content_safety":
            levels = [{"category": name, "severity": 6 if ours in found else 0} for name, ours in _AZURE]
            return {"blocklistsMatch": [], "categoriesAnalysis": levels}
        case "azure_prompt_shield":
            return {"userPromptAnalysis": {"attackDetected": "jailbreak" in found}, "documentsAnalysis": []}
        case "openai_moderation":
            return _moderation(found)
        case _:
            frames = Frames(f"chatcmpl-{uuid4().hex}", model, int(time.time()))
            return frames.whole(_guard_words(found), "stop", Usage(200, 4))


def _moderation(found: frozenset[str]) -> Json:
    flags = {name: ours in found for name, ours in _MODERATION}
    result: Json = {
        "flagged": any(flags.values()),
        "categories": flags,
        "category_scores": {name: _SURE if flag else _UNSURE for name, flag in flags.items()},
        "category_applied_input_types": {name: ["text"] for name in flags},
    }
    return {"id": f"modr-{uuid4().hex}", "model": "omni-moderation-latest", "results": [result]}


def _guard_words(found: frozenset[str]) -> str:
    """With the blank lines that it begins with."""
    codes = [code for name, code in _LLAMA if name in found]
    return "\n\nunsafe\n" + ",".join(codes) if codes else "\n\nsafe"
