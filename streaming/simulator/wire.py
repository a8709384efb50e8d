"""Azure OpenAI's chat-completions replies, as Microsoft documents them: plain objects, no I/O.

Source: learn.microsoft.com, "Content streaming" and "Content filtering" for Azure OpenAI (2026-01-15).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

type Json = dict[str, Any]

CATEGORIES = ("hate", "self_harm", "sexual", "violence")
ATTACKS = ("jailbreak", "indirect_attack")
SAFE: Json = {category: {"filtered": False, "severity": "safe"} for category in CATEGORIES}
SAFE_PROMPT: Json = {**SAFE, "jailbreak": {"filtered": False, "detected": False}}
NOT_FILTERED: Json = {"error": {"code": "content_filter_error", "message": "The contents are not filtered"}}
NAMELESS: Json = {"created": 0, "id": "", "model": "", "object": ""}
"""What stands for the answer's name in frames that come from the filter and not from the model."""

DONE = b"data: [DONE]\n\n"


def event(payload: Mapping[str, Any]) -> bytes:
    """One frame of the stream. Text stays UTF-8, as Azure sends it, so that reads can cut a character."""
    return b"data: " + encode(payload) + b"\n\n"


def encode(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def filtered(category: str, results: Json = SAFE) -> Json:
    """`results`, with one category found. Attacks are detected; the others have a severity."""
    if category in CATEGORIES:
        return {**results, category: {"filtered": True, "severity": "medium"}}
    return {**results, category: {"filtered": True, "detected": True}}


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written."""

    prompt: int
    completion: int

    def body(self) -> Json:
        return {
            "completion_tokens": self.completion,
            "completion_tokens_details": {
                "accepted_prediction_tokens": 0,
                "audio_tokens": 0,
                "reasoning_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
            "prompt_tokens": self.prompt,
            "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0},
            "total_tokens": self.prompt + self.completion,
        }


@dataclass(frozen=True, slots=True)
class Frames:
    """Makes the frames of one answer. `with_usage`: the request asked for `include_usage`."""

    id: str
    model: str
    created: int
    with_usage: bool = False

    def prompt_filter(self) -> Json:
        """The first frame: nothing but what the filter thinks of the prompt."""
        results = [{"content_filter_results": SAFE_PROMPT, "prompt_index": 0}]
        return {"choices": [], **NAMELESS, "prompt_filter_results": results, **self._no_usage()}

    def role(self) -> Json:
        return self.choice({"content": "", "refusal": None, "role": "assistant"}, {})

    def content(self, text: str) -> Json:
        return self.choice({"content": text}, SAFE)

    def unfiltered(self, text: str) -> Json:
        """A frame while the filter is out of order: note the singular name."""
        return self._frame({**_choice({"content": text}), "content_filter_result": NOT_FILTERED})

    def unannotated(self, text: str) -> Json:
        """A frame in asynchronous filter mode: the filter speaks in frames of its own."""
        return self._frame(_choice({"content": text}))

    def refusal(self, text: str) -> Json:
        return self.choice({"refusal": text}, {})

    def finish(self, reason: str = "stop", results: Json | None = None) -> Json:
        return self.choice({}, results or {}, reason)

    def annotation(self, start: int, end: int, results: Json = SAFE, reason: str | None = None) -> Json:
        """The asynchronous filter's frame, without `delta`. Offsets count from the prompt's start."""
        choice = {
            "content_filter_offsets": {"check_offset": end, "end_offset": end, "start_offset": start},
            "content_filter_results": results,
            "finish_reason": reason,
            "index": 0,
        }
        return {"choices": [choice], **NAMELESS, **self._no_usage()}

    def usage(self, usage: Usage) -> Json:
        return {"choices": [], **self._name(), "usage": usage.body()}

    def choice(self, delta: Json, results: Json, reason: str | None = None) -> Json:
        return self._frame({"content_filter_results": results, **_choice(delta, reason)})

    def whole(
        self,
        text: str | None,
        reason: str,
        usage: Usage,
        results: Json = SAFE,
        refusal: str | None = None,
    ) -> Json:
        """The answer to a request that did not ask to stream."""
        message: Json = {"annotations": [], "content": text, "refusal": refusal, "role": "assistant"}
        choice = {
            "content_filter_results": results,
            "finish_reason": reason,
            "index": 0,
            "logprobs": None,
            "message": message,
        }
        return {
            "choices": [choice],
            **self._name("chat.completion"),
            "prompt_filter_results": [{"content_filter_results": SAFE_PROMPT, "prompt_index": 0}],
            "usage": usage.body(),
        }

    def _frame(self, choice: Json) -> Json:
        return {"choices": [choice], **self._name(), **self._no_usage()}

    def _name(self, kind: str = "chat.completion.chunk") -> Json:
        return {
            "created": self.created,
            "id": self.id,
            "model": self.model,
            "object": kind,
            "system_fingerprint": "fp_simulator",
        }

    def _no_usage(self) -> Json:
        # With include_usage every other frame says that it has none.
        return {"usage": None} if self.with_usage else {}


def _choice(delta: Json, reason: str | None = None) -> Json:
    return {"delta": delta, "finish_reason": reason, "index": 0, "logprobs": None}


def error(code: str | None, message: str, **more: Any) -> Json:
    return {"error": {"code": code, "message": message, **more}}


def invalid_request(message: str, param: str | None = None) -> Json:
    return error(None, message, type="invalid_request_error", param=param)


def prompt_blocked(category: str) -> Json:
    """The body of the 400 with which the filter turns a prompt away."""
    message = (
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. "
        "Please modify your prompt and retry."
    )
    inner = {
        "code": "ResponsibleAIPolicyViolation",
        "content_filter_result": filtered(category, SAFE_PROMPT),
    }
    return error("content_filter", message, type=None, param="prompt", status=400, innererror=inner)
