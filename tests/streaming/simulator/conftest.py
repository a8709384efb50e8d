from collections.abc import Iterator

import pytest

from streaming.simulator.index import Index
from streaming.simulator.passages import load_passages
from tests.streaming.simulator.process import RunningSimulator, start_simulator


@pytest.fixture(scope="session")
def simulator() -> Iterator[RunningSimulator]:
    """A simulator that writes as fast as anyone reads."""
    with start_simulator("--tokens-per-second", "2000", "--first-token-ms", "0") as running:
        yield running


@pytest.fixture(scope="session")
def guidance() -> Iterator[Index]:
    """The passages that ship, ready to be searched."""
    index = Index(load_passages())
    yield index
    index.close()
