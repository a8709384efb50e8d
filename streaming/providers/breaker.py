"""A circuit breaker: a deployment that keeps failing is left alone for a while. The clock is passed in."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

MOST_SECONDS = 300.0
"""The longest rest, in seconds; each failed trial doubles the one before."""


class BreakerState(StrEnum):
    """CLOSED: requests pass. OPEN: none does. HALF_OPEN: one may try whether it works again."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class DeploymentHealth:
    """How a deployment stands in this process. `retry_in`: seconds until it is tried again, 0 unless open."""

    name: str
    state: BreakerState
    failures: int
    last_error: str
    retry_in: float


class Breaker:
    """Opens after `failures` in a row, for `open_seconds`; then lets one request through.

    Whoever was admitted says exactly once how it went: `succeeded`, `failed` or `left`.
    """

    def __init__(self, *, failures: int, open_seconds: float, clock: Callable[[], float]) -> None:
        self._most_failures = failures
        self._open_seconds = open_seconds
        self._clock = clock
        self._failures = 0
        self._last_error = ""
        self._rest = open_seconds
        self._opens_at: float | None = None
        self._on_trial = False

    @property
    def state(self) -> BreakerState:
        if self._opens_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._clock() < self._opens_at else BreakerState.HALF_OPEN

    @property
    def retry_in(self) -> float:
        """Seconds until a request may try, 0 where one may now."""
        return 0.0 if self._opens_at is None else max(0.0, self._opens_at - self._clock())

    def admit(self) -> bool:
        """Whether a request may pass; the one trial of a half-open breaker is taken by asking."""
        state = self.state
        if state is BreakerState.HALF_OPEN and not self._on_trial:
            self._on_trial = True
            return True
        return state is BreakerState.CLOSED

    def succeeded(self) -> None:
        self._failures, self._rest = 0, self._open_seconds
        self._opens_at, self._on_trial = None, False

    def failed(self, error: str, *, at_once: bool = False, rest: float | None = None) -> None:
        """`at_once`: do not wait for more failures. `rest`: seconds that the deployment itself asked for."""
        was = self.state
        self._failures += 1
        self._last_error = error
        self._on_trial = False
        if was is BreakerState.HALF_OPEN:
            self._rest = min(2 * self._rest, MOST_SECONDS)
        if at_once or rest or was is BreakerState.HALF_OPEN or self._failures >= self._most_failures:
            self._open(was, min(rest or self._rest, MOST_SECONDS))

    def _open(self, was: BreakerState, seconds: float) -> None:
        # A request that was under way when it opened, or the last resort, does not put the trial off.
        if was is not BreakerState.OPEN:
            self._opens_at = self._clock() + seconds

    def left(self) -> None:
        """Nobody knows how it would have gone: somebody stopped the answer, or the request was at fault."""
        self._on_trial = False

    def health(self, name: str) -> DeploymentHealth:
        return DeploymentHealth(name, self.state, self._failures, self._last_error, round(self.retry_in, 1))
