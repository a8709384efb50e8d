"""OpenAI's moderation endpoint.

Source: platform.openai.com, "Moderation", and the types of the openai SDK 3.54.
"""

import httpx2
import msgspec

from safety.remote.base import Address, EngineError, Sign, bearer, decoded

MODEL = "omni-moderation-latest"
HIGH = 0.9
"""Score from which violence blocks: tired parents say a lot of things below that."""
_SELF_HARM = ("self-harm", "self-harm/intent", "self-harm/instructions")
_VIOLENCE = ("violence", "illicit/violent")


class _Result(msgspec.Struct):
    # A category that does not apply to the kind of input may be null.
    categories: dict[str, bool | None]
    scores: dict[str, float | None] = msgspec.field(name="category_scores")


class _Moderation(msgspec.Struct):
    results: list[_Result]


def read_moderation(data: bytes) -> frozenset[Sign]:
    """Raises `EngineError`."""
    results = decoded(data, _Moderation).results
    if not results:
        raise EngineError("unreadable reply: no result")
    return frozenset(sign for result in results for sign in _signs(result))


def _signs(result: _Result) -> set[Sign]:
    signs = set()
    if any(result.categories.get(name) for name in _SELF_HARM):
        signs.add(Sign.SELF_HARM)
    if result.categories.get("sexual/minors"):
        signs.add(Sign.SEXUAL_MINORS)
    if any(result.categories.get(name) and (result.scores.get(name) or 0) >= HIGH for name in _VIOLENCE):
        signs.add(Sign.VIOLENCE)
    return signs


class OpenAIModeration:
    """`url` goes up to and with `/v1`."""

    name = "openai_moderation"

    def __init__(self, client: httpx2.AsyncClient, url: str, key: str) -> None:
        self._address = Address(client, f"{url}/moderations", bearer(key))

    async def signs(self, text: str) -> frozenset[Sign]:
        return read_moderation(await self._address.ask({"model": MODEL, "input": text}))
