"""Second opinions on a question: engines asked while the model begins, heard before its first word is shown.

Off unless SAFETY_ENGINES names some. An engine that is late, broken or resting changes nothing: the local
verdict stands. `docs/safety.md` says what an opinion can do.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic
from typing import Literal

import httpx2
from django.conf import settings
from django.utils.module_loading import import_string

from chat.models import SafetyEvent
from chat.outage import Outage
from chat.reply import Progress
from safety.remote.azure_content_safety import AzureContentSafety, AzurePromptShield
from safety.remote.base import Engine, EngineError, findings_of
from safety.remote.llama_guard import LlamaGuard
from safety.remote.local import LocalClassifier
from safety.remote.openai_moderation import OpenAIModeration
from safety.remote.raising import raised
from safety.verdict import Action, Finding, Verdict
from streaming.events import Event, FinishReason, Notice
from streaming.providers import transport
from streaming.providers.breaker import Breaker, BreakerState

Failure = Literal["timeout", "error", "resting"]

MOST_DETAIL = 200


@dataclass(frozen=True, slots=True)
class Heard:
    """What an engine said; `error` where it said nothing. `detail` is for operators, `ms` its time."""

    engine: str
    findings: tuple[Finding, ...] = ()
    error: Failure | None = None
    detail: str = ""
    ms: int = 0

    @property
    def attempt(self) -> dict[str, object]:
        """As `Generation.attempts` keeps it, beside the requests to the model."""
        return {
            "deployment": self.engine,
            "kind": "opinion",
            "began_at": 0,
            "ms": self.ms,
            "error": self.error,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class _Seat:
    engine: Engine
    breaker: Breaker
    outage: Outage

    def succeeded(self) -> None:
        self.breaker.succeeded()
        self.outage.worked()

    def failed(self, failure: EngineError) -> None:
        """One late answer is no news; an engine that is left alone is."""
        self.breaker.failed(failure.detail, at_once=failure.is_lasting, rest=failure.rest)
        if self.breaker.state is BreakerState.OPEN:
            self.outage.failed(failure)


def _failure_of(error: Exception) -> EngineError:
    match error:
        case EngineError():
            return error
        case TimeoutError():
            return EngineError("", reason="timeout")
        case _:
            # Not its repr, which may hold a key that a header cannot.
            return EngineError(f"{type(error).__name__}: {error}"[:MOST_DETAIL])


class Panel:
    """The engines of this process, each with a breaker. `deadline` and `open_seconds` are in seconds.

    `client` is owned, and closed, by the panel.
    """

    def __init__(
        self,
        engines: Sequence[Engine],
        *,
        deadline: float,
        failures: int = 5,
        open_seconds: float = 30.0,
        clock: Callable[[], float] = monotonic,
        client: httpx2.AsyncClient | None = None,
    ) -> None:
        self._seats = [
            _Seat(
                engine,
                Breaker(failures=failures, open_seconds=open_seconds, clock=clock),
                Outage(f"No second opinions from {engine.name}"),
            )
            for engine in engines
        ]
        self._deadline = deadline
        self._clock = clock
        self._client = client

    @property
    def is_empty(self) -> bool:
        return not self._seats

    async def ask(self, text: str) -> list[Heard]:
        """What each says of a text without personal data: asked at once, waited for until the deadline."""
        return list(await asyncio.gather(*(self._ask(seat, text) for seat in self._seats)))

    async def _ask(self, seat: _Seat, text: str) -> Heard:
        name, breaker = seat.engine.name, seat.breaker
        if not breaker.admit():
            return Heard(name, error="resting")
        began = self._clock()
        try:
            async with asyncio.timeout(self._deadline):
                signs = await seat.engine.signs(text)
        except Exception as error:  # whatever an engine or a classifier does, the answer goes on
            failure = _failure_of(error)
            seat.failed(failure)
            return Heard(name, error=failure.reason, detail=failure.detail, ms=self._ms_since(began))
        except BaseException:  # the answer was stopped
            breaker.left()
            raise
        seat.succeeded()
        return Heard(name, findings_of(name, signs, text), ms=self._ms_since(began))

    def _ms_since(self, began: float) -> int:
        return round((self._clock() - began) * 1000)

    async def close(self) -> None:
        for seat in self._seats:
            if isinstance(seat.engine, LocalClassifier):
                seat.engine.close()
        if self._client:
            await self._client.aclose()


def panel() -> Panel:
    """The engines that SAFETY_ENGINES names; an empty panel where it names none."""
    if not settings.SAFETY_ENGINES:
        return Panel((), deadline=settings.SAFETY_DEADLINE)
    client = transport.http_client(connect=settings.SAFETY_DEADLINE, idle=settings.SAFETY_DEADLINE)
    return Panel(
        [engine for name in dict.fromkeys(settings.SAFETY_ENGINES) for engine in _MAKERS[name](client)],
        deadline=settings.SAFETY_DEADLINE,
        failures=settings.BREAKER_FAILURES,
        open_seconds=settings.BREAKER_SECONDS,
        client=client,
    )


def _azure(client: httpx2.AsyncClient) -> list[Engine]:
    endpoint, key = settings.AZURE_CONTENT_SAFETY_ENDPOINT, settings.AZURE_CONTENT_SAFETY_KEY
    return [AzureContentSafety(client, endpoint, key), AzurePromptShield(client, endpoint, key)]


def _openai(client: httpx2.AsyncClient) -> list[Engine]:
    return [OpenAIModeration(client, settings.OPENAI_MODERATION_URL, settings.OPENAI_MODERATION_KEY)]


def _llama_guard(client: httpx2.AsyncClient) -> list[Engine]:
    url, model = settings.LLAMA_GUARD_URL, settings.LLAMA_GUARD_MODEL
    return [LlamaGuard(client, url, model, settings.LLAMA_GUARD_KEY)]


def _local(_client: httpx2.AsyncClient) -> list[Engine]:
    return [LocalClassifier(import_string(settings.SAFETY_CLASSIFIER))]


_MAKERS: Mapping[str, Callable[[httpx2.AsyncClient], list[Engine]]] = {
    "azure": _azure,
    "openai": _openai,
    "llama_guard": _llama_guard,
    "local": _local,
}


async def after_opinions(
    events: AsyncGenerator[Event],
    panel: Panel,
    local: Verdict,
    *,
    shown: Sequence[Notice],
    cards: Callable[[Verdict], Sequence[Notice]],
    progress: Progress,
    heard: list[Heard],
) -> AsyncGenerator[Event]:
    """The events of `chat.reply.reply`; the first beyond its opening waits until the panel was heard.

    `shown` are the notices of its opening; those that a graver verdict adds come next. Where it leaves the
    model out, the answer ends there. `heard` is filled. The model begins while the panel is asked.
    """
    async with aclosing(events):
        for _ in range(1 + len(shown)):
            yield await anext(events)
        first = asyncio.create_task(_first(events))
        try:
            heard.extend(await panel.ask(local.masked_text))
            verdict = raised(local, [finding for one in heard for finding in one.findings])
            for notice in _news(cards(verdict), shown):
                yield notice
            if verdict.action in (Action.CARD_ONLY, Action.BLOCK):
                progress.finish_reason = FinishReason.REFUSED
                progress.released.clear()
                return
            event = await first
        finally:
            await _cancelled(first)
        if progress.released:
            progress.released[0] = progress.clock()
        if event is not None:
            yield event
            async for event in events:
                yield event


def _news(notices: Sequence[Notice], shown: Sequence[Notice]) -> list[Notice]:
    """Without cards that stand there already; a card of which only a reminder does is news."""
    seen = {(notice.card, notice.severity) for notice in shown}
    return [notice for notice in notices if (notice.card, notice.severity) not in seen]


async def _first(events: AsyncGenerator[Event]) -> Event | None:
    return await anext(events, None)


async def _cancelled(task: asyncio.Task[Event | None]) -> None:
    """Ends a task, whatever comes of it; nothing happens where it has ended already."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # seen: what the model failed with no longer matters


def opinion_events(question_pk: int, local: Verdict, heard: Sequence[Heard]) -> list[SafetyEvent]:
    """For reviewers: a row per category of what engines found in a question."""
    findings = raised(local, [finding for one in heard for finding in one.findings]).findings
    remote = [finding for finding in findings if finding not in local.findings]
    return [
        _event(question_pk, [f for f in remote if f.category is category], local.ruleset_version)
        for category in dict.fromkeys(finding.category for finding in remote)
    ]


def _event(question_pk: int, findings: Sequence[Finding], ruleset_version: str) -> SafetyEvent:
    gravest = findings[0]
    return SafetyEvent(
        message_id=question_pk,
        direction=SafetyEvent.Direction.INPUT,
        category=gravest.category,
        severity=gravest.severity,
        action=gravest.action,
        rule_ids=[finding.rule_id for finding in findings],
        card=gravest.card or "",
        score=gravest.score,
        text=gravest.clause,
        ruleset_version=ruleset_version,
    )
