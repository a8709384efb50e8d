"""Llama Guard 3 behind any server with an OpenAI-compatible chat-completions endpoint.

Source: the model card of Llama Guard 3. It answers "safe", or "unsafe" and a line of categories.
"""

import re

import httpx2
import msgspec

from safety.remote.base import Address, EngineError, Sign, bearer, decoded

MOST_TOKENS = 32
# S6, specialised advice, is every question about health. S3, sex crimes, is also how a victim tells of one.
# The others (defamation, privacy, elections, …) are no danger to anybody here.
SIGNS = {
    "S1": Sign.VIOLENCE,
    "S4": Sign.SEXUAL_MINORS,
    "S9": Sign.VIOLENCE,
    "S11": Sign.SELF_HARM,
}
_SAID = re.compile(r"\s*(safe|unsafe)\b(.*)", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(r"\bS(\d{1,2})\b", re.IGNORECASE)


class _Message(msgspec.Struct):
    content: str


class _Choice(msgspec.Struct):
    message: _Message


class _Completion(msgspec.Struct):
    choices: list[_Choice]


def read_completion(data: bytes) -> frozenset[Sign]:
    """Raises `EngineError`, also for an answer that is neither safe nor unsafe."""
    choices = decoded(data, _Completion).choices
    if not choices:
        raise EngineError("unreadable reply: no choice")
    return read_words(choices[0].message.content)


def read_words(said: str) -> frozenset[Sign]:
    """Lenient about blank space, capitals and what stands between the codes. Raises `EngineError`."""
    match = _SAID.match(said)
    if match is None:
        raise EngineError(f"unreadable reply: {said[:60]!r}")
    if match[1].lower() == "safe":
        return frozenset()
    codes = {f"S{int(number)}" for number in _CODE.findall(match[2])}
    return frozenset(sign for code, sign in SIGNS.items() if code in codes)


class LlamaGuard:
    """`url` goes up to and with `/v1`; `key` may be empty."""

    name = "llama_guard"

    def __init__(self, client: httpx2.AsyncClient, url: str, model: str, key: str) -> None:
        self._address = Address(client, f"{url}/chat/completions", bearer(key))
        self._model = model

    async def signs(self, text: str) -> frozenset[Sign]:
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": text}],
            "max_tokens": MOST_TOKENS,
            "temperature": 0,
        }
        return read_completion(await self._address.ask(body))
