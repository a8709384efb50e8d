"""The parts that stream answers, put together from the settings, once per process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from django.conf import settings

from chat.asides import Asides
from chat.checkpoints import paused_among, save_checkpoint
from chat.second_opinion import Panel, panel
from streaming.log.base import Log
from streaming.log.memory import MemoryLog
from streaming.producer import Producer
from streaming.providers.breaker import DeploymentHealth
from streaming.providers.catalogue import ModelSpec, default_model, route_of
from streaming.providers.routing import Route


def _log() -> Log:
    if not settings.REDIS_URL:
        return MemoryLog(ttl=settings.STREAM_LOG_TTL)
    from streaming.log.redis import RedisLog

    # No answer lives longer than the total deadline; what saving it may take comes on top.
    live = settings.PROVIDER_TOTAL_TIMEOUT + settings.STREAM_LOG_TTL
    return RedisLog(settings.REDIS_URL, ttl=settings.STREAM_LOG_TTL, live_ttl=live)


@dataclass
class Engine:
    """Log, producer and models. Made when first needed, since not every ASGI server speaks lifespan."""

    log: Log = field(default_factory=_log)
    models: Mapping[str, ModelSpec] = field(
        default_factory=lambda: {model.id: model for model in settings.MODELS}
    )
    draining: bool = False
    asides: Asides = field(default_factory=Asides)

    @property
    def is_shared(self) -> bool:
        """Whether other processes may write and read the same streams."""
        return not isinstance(self.log, MemoryLog)

    @cached_property
    def producer(self) -> Producer:
        return Producer(
            self.log,
            deadline=settings.PROVIDER_TOTAL_TIMEOUT,
            save=save_checkpoint,
            every=settings.CHECKPOINT_SECONDS,
            unread=settings.STREAM_UNREAD_SECONDS,
            wanted=paused_among,
        )

    @property
    def default_model(self) -> str:
        return default_model(tuple(self.models.values())).id

    @cached_property
    def routes(self) -> dict[str, Route]:
        """The way to each model; made together, so that health is known of all of them."""
        return {
            name: route_of(
                spec,
                connect=settings.PROVIDER_CONNECT_TIMEOUT,
                idle=settings.PROVIDER_IDLE_TIMEOUT,
                attempts=settings.PROVIDER_ATTEMPTS,
                failures=settings.BREAKER_FAILURES,
                open_seconds=settings.BREAKER_SECONDS,
            )
            for name, spec in self.models.items()
        }

    @cached_property
    def panel(self) -> Panel:
        """Who is asked for a second opinion on a question."""
        return panel()

    def route(self, model: str) -> Route:
        return self.routes[model]

    def health(self) -> dict[str, list[DeploymentHealth]]:
        """How the deployments of each model are doing, by what happened to answers; never by a paid probe."""
        return {name: route.health() for name, route in self.routes.items()}

    async def drain(self, seconds: float) -> None:
        """Take no new work, let answers go on for `seconds`, end and save the rest."""
        self.draining = True
        self.asides.end()
        await self.producer.drain(seconds)

    async def close(self) -> None:
        """End and save what runs, and let go of all connections."""
        await self.drain(0)
        await self.asides.ended()
        for route in self.routes.values():
            await route.close()
        await self.panel.close()
        await self.log.close()


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
    if _engine:
        await _engine.close()  # what it ends is saved by functions that ask for it
        _engine = None
