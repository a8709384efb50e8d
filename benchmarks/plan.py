"""What to run."""

from dataclasses import dataclass

from benchmarks.upstream import Knobs


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `rate` is tokens per second and stream, 0 for as fast as it goes; `ttft` milliseconds."""

    mode: str
    streams: int
    rate: float
    tokens: int
    sides: tuple[str, ...]
    rounds: int = 1
    ramp: float = 2.0
    database: str = "sqlite"
    ttft: float = 0.0
    guests: bool = False

    @property
    def delay(self) -> float:
        return 1000 / self.rate if self.rate else 0.0

    @property
    def ideal(self) -> float:
        """Seconds that a stream takes which nobody holds up."""
        return (self.ttft + (self.tokens - 1) * self.delay) / 1000

    @property
    def limit(self) -> float:
        """Seconds after which one run is given up: four times what it should take at the upstream's pace."""
        return self.ramp + 60 + 4 * self.ideal

    @property
    def knobs(self) -> Knobs:
        return Knobs(self.tokens, self.delay, self.ttft)

    @property
    def people(self) -> int:
        return 0 if self.guests else self.streams
