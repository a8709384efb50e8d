"""Two deployments of one model, and one of them fails: the answer is whole all the same, on every worker."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from streaming.events import Outcome, fold
from tests.journeys.cluster import start_cluster
from tests.journeys.network import scissors
from tests.journeys.product import first, opening, start_product

pytestmark = [pytest.mark.database, pytest.mark.once]

SLEEP = "Tell me about baby sleep patterns"
SHOW_TRACE = """
g = Generation.objects.get(stream_uuid=stream)
print(json.dumps([g.deployment, g.failovers, g.retries, g.attempts]))
"""
SHOW_FAILOVERS = """
print(sum(generation.failovers + generation.retries > 0 for generation in Generation.objects.all()))
"""
ANSWERS = 40


def models_file(folder, **addresses):
    """A catalogue of one model, with a deployment for each address."""
    lines = ["[[model]]", 'id = "night"', "context_window = 128_000"]
    for name, address in addresses.items():
        lines += ["[[model.deployment]]", f'name = "{name}"', f'deployment = "{name}"', 'kind = "azure"']
        lines += [f'endpoint = "{address}"', 'api_key_env = "AZURE_OPENAI_API_KEY"']
    path = folder / "models.toml"
    path.write_text("\n".join(lines))
    return {"MODELS_FILE": str(path), "BREAKER_FAILURES": "1000"}


@pytest.fixture(scope="module")
def simulator(swift):
    return swift.simulator


@pytest.fixture(scope="module")
def cluster(simulator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("failover")
    settings = models_file(folder, east=simulator.url, west=simulator.url)
    with start_cluster(simulator, folder / folder.name, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def whole(cluster):
    events = cluster.guest().ask(f"{SLEEP} [[simulate none tokens=90 delay=0]]")
    return fold(events).text


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("cut", "stream_interrupted"),
        ("eof", "stream_interrupted"),
        ("error_event", "provider_unavailable"),
        ("stall", "provider_timeout"),
    ],
)
def test_answer_that_breaks_off_is_finished_by_the_other_deployment(cluster, whole, fault, error):
    guest = cluster.guest()
    question = f"{SLEEP} [[simulate {fault} at=40 deployment=east]] [[simulate none tokens=90 delay=10]]"
    with guest.asking(question) as stream:
        entries = [next(stream) for _ in range(3)]
        begun = opening([event for _seq, event in entries])
        there = guest.at(cluster.workers[1])
        with there.following(begun.stream_id, 2) as following:
            entries += list(stream)
            assert list(following) == entries[2:]
    said = fold(event for _seq, event in entries)
    assert (said.text, said.outcome) == (whole, Outcome.COMPLETE)
    assert there.saved(begun)["content"] == whole
    deployment, failovers, retries, attempts = json.loads(
        there.product.shell(SHOW_TRACE, stream=begun.stream_id)
    )
    assert (deployment, failovers, retries) == ("west", 1, 0)
    assert [(one["deployment"], one["kind"], one["error"]) for one in attempts] == [
        ("east", "stream", error),
        ("west", "continue", None),
    ]
    assert attempts[0]["began_at"] == 0
    assert 0 < attempts[1]["began_at"] < len(whole), "where the seam is"


def test_deployment_that_refuses_is_passed_over(cluster, whole):
    guest = cluster.guest()
    events = guest.ask(f"{SLEEP} [[simulate 404 deployment=east]] [[simulate none tokens=90 delay=0]]")
    assert fold(events).text == whole
    trace = json.loads(guest.product.shell(SHOW_TRACE, stream=opening(events).stream_id))
    assert (trace[0], [one["deployment"] for one in trace[3]]) == ("west", ["east", "west"])


def test_stop_during_the_second_half_is_saved_as_shown(cluster, whole):
    guest = cluster.guest()
    question = f"{SLEEP} [[simulate cut at=10 deployment=east]] [[simulate none tokens=90 delay=40]]"
    with guest.asking(question) as stream:
        events = first(stream, 2)
        while len(fold(events).text) < 150:
            events += first(stream, 1)
        stopped = guest.at(cluster.workers[1]).stop(opening(events))
        events += [event for _seq, event in stream]
    assert (stopped["status"], stopped["content"]) == ("stopped", fold(events).text)
    assert whole.startswith(fold(events).text)
    assert guest.saved(opening(events))["content"] == fold(events).text


def test_line_to_the_provider_that_is_cut_anywhere_changes_no_letter(simulator, whole, tmp_path):
    with scissors([simulator.url], seed=7, least=25_000, most=120_000) as network:
        settings = models_file(tmp_path, east=network.url, west=network.url)
        with start_product(simulator, tmp_path / tmp_path.name, **settings) as product:
            question = f"{SLEEP} [[simulate none tokens=90 delay=5]]"
            guests = [product.guest() for _ in range(ANSWERS)]
            with ThreadPoolExecutor(8) as threads:
                said = [fold(events) for events in threads.map(lambda guest: guest.ask(question), guests)]
            broken = int(product.shell(SHOW_FAILOVERS))
    complete = [one.text for one in said if one.outcome is Outcome.COMPLETE]
    assert set(complete) == {whole}
    assert all(whole.startswith(one.text) for one in said)
    assert broken > ANSWERS / 4
    assert len(complete) > ANSWERS * 3 / 4, "only who is cut off three times is not finished"
