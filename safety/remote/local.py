"""A classifier of one's own, in this process: a function from a text to how sure it is of each category."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from safety.remote.base import EngineError, Sign

SURE = 0.5
"""From here on a category counts. A classifier that wants another threshold scales what it gives."""
SIGNS = {
    "self_harm": Sign.SELF_HARM,
    "infant_emergency": Sign.INFANT_EMERGENCY,
    "maternal_emergency": Sign.MATERNAL_EMERGENCY,
    "caregiver_harm": Sign.CAREGIVER_HARM,
    "domestic_abuse": Sign.DOMESTIC_ABUSE,
    "child_abuse": Sign.CHILD_ABUSE,
    "abuse": Sign.VIOLENCE,
    "injection": Sign.ATTACK,
}

Classify = Callable[[str], Mapping[str, float]]
"""From a text to a number between 0 and 1 for the categories it knows, by their names in `safety.verdict`."""


def read_scores(scores: Mapping[str, float]) -> frozenset[Sign]:
    """Raises `EngineError` for a category that no card answers."""
    if unknown := set(scores) - set(SIGNS):
        raise EngineError(f"unknown categories: {', '.join(sorted(map(str, unknown)))}")
    return frozenset(SIGNS[category] for category, score in scores.items() if score >= SURE)


class LocalClassifier:
    """`classify` runs in a thread of its own, one text after another; what it raises comes out of `signs`."""

    name = "local_classifier"

    def __init__(self, classify: Classify) -> None:
        self._classify = classify
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self.name)

    async def signs(self, text: str) -> frozenset[Sign]:
        loop = asyncio.get_running_loop()
        return read_scores(await loop.run_in_executor(self._thread, self._classify, text))

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
