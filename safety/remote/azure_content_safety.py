"""Azure AI Content Safety: text:analyze for harm, text:shieldPrompt for attacks on the prompt.

Source: learn.microsoft.com, Azure AI Content Safety: "Analyze text content" and "Prompt Shields".
"""

import httpx2
import msgspec

from safety.remote.base import Address, Sign, decoded

ANALYZE_VERSION = "2023-10-01"
SHIELD_VERSION = "2024-09-01"
MOST_CHARS = 10_000
"""Code points of one request. A longer text is judged by its beginning."""
LOW, MEDIUM, HIGH = 2, 4, 6
"""Of the four severity levels, beside 0."""


class _Category(msgspec.Struct):
    category: str
    severity: int | None = None


class _Analysis(msgspec.Struct):
    categories: list[_Category] = msgspec.field(name="categoriesAnalysis")


class _Attack(msgspec.Struct):
    detected: bool = msgspec.field(name="attackDetected")


class _Shield(msgspec.Struct):
    prompt: _Attack = msgspec.field(name="userPromptAnalysis")


def read_analysis(data: bytes) -> frozenset[Sign]:
    """Self-harm from low on, and violence where it is high: accidents and births are told of below that.

    Hate counts for nothing here, nor does Sexual, which does not know minors. Raises `EngineError`.
    """
    levels = {one.category: one.severity or 0 for one in decoded(data, _Analysis).categories}
    signs = set()
    if levels.get("SelfHarm", 0) >= LOW:
        signs.add(Sign.SELF_HARM if levels["SelfHarm"] >= MEDIUM else Sign.SELF_HARM_LOW)
    if levels.get("Violence", 0) >= HIGH:
        signs.add(Sign.VIOLENCE)
    return frozenset(signs)


def read_shield(data: bytes) -> frozenset[Sign]:
    """Raises `EngineError`."""
    return frozenset({Sign.ATTACK}) if decoded(data, _Shield).prompt.detected else frozenset()


class AzureContentSafety:
    name = "azure_content_safety"

    def __init__(self, client: httpx2.AsyncClient, endpoint: str, key: str) -> None:
        self._address = _address(client, endpoint, key, f"text:analyze?api-version={ANALYZE_VERSION}")

    async def signs(self, text: str) -> frozenset[Sign]:
        body = {
            "text": text[:MOST_CHARS],
            "categories": ["SelfHarm", "Violence"],
            "outputType": "FourSeverityLevels",
        }
        return read_analysis(await self._address.ask(body))


class AzurePromptShield:
    name = "azure_prompt_shield"

    def __init__(self, client: httpx2.AsyncClient, endpoint: str, key: str) -> None:
        self._address = _address(client, endpoint, key, f"text:shieldPrompt?api-version={SHIELD_VERSION}")

    async def signs(self, text: str) -> frozenset[Sign]:
        return read_shield(await self._address.ask({"userPrompt": text[:MOST_CHARS], "documents": []}))


def _address(client: httpx2.AsyncClient, endpoint: str, key: str, operation: str) -> Address:
    return Address(client, f"{endpoint}/contentsafety/{operation}", {"Ocp-Apim-Subscription-Key": key})
