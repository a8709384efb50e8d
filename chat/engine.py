"""The parts that stream answers, put together from the settings, once per process."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from django.conf import settings

from streaming.events import ErrorCode
from streaming.log.base import Log
from streaming.log.memory import MemoryLog
from streaming.producer import Producer
from streaming.providers.azure import azure_provider, compatible_provider
from streaming.providers.base import Delta, Finish, PromptMessage, Provider, ProviderError

FAILURES_UNTIL_DOWN = 3
PROVIDER_FAILURES = (
    ErrorCode.PROVIDER_UNAVAILABLE,
    ErrorCode.PROVIDER_TIMEOUT,
    ErrorCode.STREAM_INTERRUPTED,
    ErrorCode.RATE_LIMITED,
)


@dataclass(frozen=True, slots=True)
class Model:
    """A model that people may choose, as `/api/v1/models` lists it."""

    id: str
    label: str
    context_window: int


@dataclass(slots=True)
class ProviderHealth:
    """How the last answers went; read by /readyz, which never spends money on a probe of its own."""

    failures: int = 0

    @property
    def ok(self) -> bool:
        return self.failures < FAILURES_UNTIL_DOWN

    def note(self, error: ProviderError | None) -> None:
        if error is None:
            self.failures = 0
        elif error.code in PROVIDER_FAILURES:
            self.failures += 1


@dataclass
class Engine:
    """Log, producer and provider. Made when first needed, since not every ASGI server speaks lifespan."""

    log: Log = field(default_factory=lambda: MemoryLog(ttl=settings.STREAM_LOG_TTL))
    provider_health: ProviderHealth = field(default_factory=ProviderHealth)
    draining: bool = False

    @cached_property
    def producer(self) -> Producer:
        return Producer(self.log, deadline=settings.PROVIDER_TOTAL_TIMEOUT)

    @cached_property
    def provider(self) -> Provider:
        return _provider()

    @cached_property
    def model(self) -> Model:
        name = self.provider.model
        return Model(name, settings.MODEL_LABEL or name, settings.MODEL_CONTEXT_WINDOW)

    async def drain(self, seconds: float) -> None:
        """Take no new work, let answers go on for `seconds`, end and save the rest."""
        self.draining = True
        await self.producer.drain(seconds)

    async def close(self) -> None:
        """End and save what runs, and let go of the provider's connections."""
        await self.drain(0)
        await self.provider.close()


def _provider() -> Provider:
    if settings.AZURE_OPENAI_ENDPOINT:
        return azure_provider(
            settings.AZURE_OPENAI_ENDPOINT,
            settings.AZURE_OPENAI_DEPLOYMENT,
            api_key=settings.AZURE_OPENAI_API_KEY,
            api_version=settings.AZURE_OPENAI_API_VERSION,
            connect=settings.PROVIDER_CONNECT_TIMEOUT,
            idle=settings.PROVIDER_IDLE_TIMEOUT,
        )
    if settings.OPENAI_BASE_URL:
        return compatible_provider(
            settings.OPENAI_BASE_URL,
            settings.OPENAI_MODEL or settings.AZURE_OPENAI_DEPLOYMENT,
            api_key=settings.OPENAI_API_KEY,
            connect=settings.PROVIDER_CONNECT_TIMEOUT,
            idle=settings.PROVIDER_IDLE_TIMEOUT,
        )
    return NoProvider()


class NoProvider:
    """Nothing is configured: cards still work, and every answer says that the assistant cannot be reached."""

    model = "none"

    async def stream(
        self, _messages: Sequence[PromptMessage], *, max_tokens: int
    ) -> AsyncGenerator[Delta | Finish]:
        detail = f"nobody to ask for {max_tokens} tokens: set AZURE_OPENAI_ENDPOINT or OPENAI_BASE_URL"
        raise ProviderError(ErrorCode.PROVIDER_UNAVAILABLE, detail, retryable=False)
        yield

    async def close(self) -> None:
        pass


_engine: Engine | None = None


def engine() -> Engine:
    """This process's engine."""
    global _engine
    if _engine is None:
        _engine = Engine()
    return _engine


async def close_engine() -> None:
    """Close this process's engine; the next call of `engine` makes a new one."""
    global _engine
    closing, _engine = _engine, None
    if closing:
        await closing.close()
