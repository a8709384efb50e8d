"""What an aside costs is the person's: it counts in their day, though no answer is ended or refused for
it. And it is counted in the hour's statistics, whoever pays.
"""

from dataclasses import dataclass
from datetime import date

from chat import quota, statistics
from chat.asides import Said, aside_prompt, ask_aside
from chat.engine import engine
from chat.work import unit_of_work
from streaming.events import Usage
from streaming.providers.base import ProviderError
from streaming.providers.trace import Trace


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose day it counts in; None for `day` where nothing limits them."""

    person_pk: int
    day: date | None


async def ask_at_cost(payer: Payer, model: str, task: str, material: str, *, max_tokens: int) -> Said:
    """Ask, and count what was used, of what broke off as well. Raises `ProviderError`, and `TimeoutError`."""
    prompt, trace = aside_prompt(task, material), Trace()
    try:
        said = await ask_aside(engine().route(model), prompt, max_tokens=max_tokens, trace=trace)
    except (ProviderError, TimeoutError):
        if trace.uncounted_attempts:
            lost, _is_estimate = quota.charged(None, trace, prompt, "")
            await unit_of_work(charge, payer, model, lost)
        raise
    usage, _is_estimate = quota.charged(said.usage, trace, prompt, said.text)
    await unit_of_work(charge, payer, model, usage)
    return said


def charge(payer: Payer, model: str, usage: Usage | None) -> None:
    """Sync; the statement that locks the person's row is the last."""
    if usage is None:
        return
    statistics.count_aside(model, usage, quota.cost(engine().models[model], usage))
    if payer.day is not None:
        quota.settle(payer.person_pk, 0, usage.total_tokens, payer.day)
