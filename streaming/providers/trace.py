"""What it took to give one answer: which deployments were asked, and how each did."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

type Kind = Literal["stream", "complete", "continue"]


@dataclass(slots=True)
class Attempt:
    """One request. `began_at`: code points of the answer before it, the seam; `ms`: how long it took.

    `error` is an `ErrorCode`, or None where it gave what it should or was stopped; `detail` is for operators.
    """

    deployment: str
    began_at: int = 0
    error: str | None = None
    detail: str = ""
    ms: int = 0
    kind: Kind = "stream"


@dataclass(slots=True)
class Trace:
    """The attempts of one answer, in order; filled while it streams.

    `deployment` gave the last text, or was asked last. `uncounted_attempts` gave text but did not say what
    they charged: each read the prompt, and together they wrote `uncounted_pieces`, which are about tokens.
    """

    attempts: list[Attempt] = field(default_factory=list)
    deployment: str = ""
    uncounted_attempts: int = 0
    uncounted_pieces: int = 0

    @property
    def retries(self) -> int:
        """How often the same deployment was asked again."""
        return max(0, len(self.attempts) - 1 - self.failovers)

    @property
    def failovers(self) -> int:
        """How often another deployment was asked than the time before."""
        return sum(before.deployment != after.deployment for before, after in pairwise(self.attempts))
