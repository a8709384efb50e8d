"""The load tools count properly: on real servers over loopback, and on answers written by hand."""

import json
from dataclasses import replace

import pytest

from benchmarks import meter, report, servers
from benchmarks.__main__ import arguments
from benchmarks.load import Load, Reading, Response, read_answer, read_response, tokens_in
from benchmarks.upstream import Knobs, Request, answer, frames, take_request

STREAMS, TOKENS = 3, 20


@pytest.fixture(scope="module")
def upstream():
    with servers.upstream() as running:
        yield running


@pytest.fixture(scope="module")
def passthrough(upstream):
    with servers.passthrough(upstream) as side:
        yield side


@pytest.fixture(params=["direct", "passthrough"])
def side(request, upstream):
    return servers.direct(upstream) if request.param == "direct" else request.getfixturevalue("passthrough")


async def ran(side, upstream, fault=""):
    servers.turn(upstream, Knobs(tokens=TOKENS, delay=1, fault=fault))
    return await Load(side.target, STREAMS, TOKENS, ramp=0.02).run(limit=20)


async def test_every_token_the_upstream_sent_is_counted(side, upstream):
    before = servers.counts(upstream)
    tally = await ran(side, upstream)
    sent = servers.counts(upstream)["tokens"] - before["tokens"]
    assert (tally.complete, tally.failures, tally.tokens, tally.events) == (STREAMS, {}, sent, sent)
    assert sent == STREAMS * TOKENS
    assert 0 < tally.first_p50 <= tally.total_p50 <= tally.seconds


async def test_a_stream_cut_in_the_middle_is_a_failure_of_which_its_tokens_count(side, upstream):
    tally = await ran(side, upstream, fault="cut")
    assert (tally.complete, tally.failures) == (0, {"no terminal event at the end": STREAMS})
    assert 0 < tally.tokens < STREAMS * TOKENS
    assert tally.first_p50 is None


async def test_a_refusing_upstream_is_a_failure(upstream):
    tally = await ran(servers.direct(upstream), upstream, fault="refuse")
    assert (tally.complete, tally.tokens, tally.failures) == (0, 0, {"status 500": STREAMS})


async def test_a_server_that_is_not_there_is_a_failure(upstream):
    side = servers.direct(upstream)
    gone = replace(side, target=replace(side.target, port=servers.free_port()))
    tally = await ran(gone, upstream)
    assert (tally.complete, tally.failures) == (0, {"ConnectionRefusedError": STREAMS})


async def test_a_stream_that_does_not_end_in_time_is_a_failure(upstream):
    servers.turn(upstream, Knobs(tokens=TOKENS, delay=10_000))
    tally = await Load(servers.direct(upstream).target, STREAMS, TOKENS, ramp=0).run(limit=0.3)
    assert (tally.complete, tally.failures, tally.most_open) == (0, {"not over in time": STREAMS}, STREAMS)


def test_the_meter_sees_a_running_server_and_nothing_of_one_that_has_gone(upstream):
    seen = meter.Meter(upstream.pid).look()
    assert seen.threads >= 1
    assert seen.memory > 1_000_000
    assert meter.cpu_seconds(upstream.pid) > 0
    assert meter.tree(2**22 + 1) == []


def test_a_server_that_does_not_start_says_why():
    command = ["uvicorn", "benchmarks.nowhere:app"]
    with (
        pytest.raises(servers.BenchmarkError, match=r"product did not start:\n.*benchmarks\.nowhere"),
        servers.running("product", command, servers.free_port(), servers.environment()),
    ):
        pass


# --- Reading answers --------------------------------------------------------------------------------------


def event(**fields):
    return f"id: 1\ndata: {json.dumps(fields)}\n\n"


DONE = event(type="done")


@pytest.mark.parametrize(
    ("body", "reading"),
    [
        (event(type="token", content="Newborns sleep") + DONE, Reading("Newborns sleep", 1)),
        (
            event(type="metadata", model="m") + ": keep-alive\n\n" + event(type="token", content="a") + DONE,
            Reading("a", 1),
        ),
        (
            event(type="token", content="abc") + event(type="notice", replaceFrom=1) + DONE,
            Reading("a", 1),
        ),
        (event(type="token", content="a"), Reading("a", 1, "no terminal event at the end")),
        (DONE + event(type="token", content="a"), Reading("a", 1, "no terminal event at the end")),
        (DONE + DONE, Reading("", 0, "no terminal event at the end")),
        (event(type="error", code="internal"), Reading("", 0, "error event internal")),
        ("data: {oops\n\n", Reading("", 0, "not events: JSONDecodeError")),
    ],
)
def test_an_answer_in_the_products_shape_is_read(body, reading):
    assert read_answer("events", body.encode()) == reading


def test_azures_answer_says_its_tokens():
    response = read_response(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"".join(frames(9, True))
    )
    assert (response.status, response.whole) == (200, True)
    assert read_answer("azure", response.body) == Reading("".join(answer(9)), 9)


def test_a_body_that_is_cut_anywhere_is_not_whole():
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    assert read_response(raw) == Response(200, b"abc", whole=True)
    assert [cut for cut in range(len(raw)) if read_response(raw[:cut]).whole] == []


def test_tokens_are_counted_by_text_however_it_was_joined():
    text = "".join(answer(TOKENS))
    assert tokens_in(text, TOKENS) == TOKENS
    assert tokens_in(text[: len(text) - 1], TOKENS) == TOKENS - 1
    assert tokens_in("", TOKENS) == 0
    assert tokens_in("Another text", TOKENS) == 0


def test_a_request_is_taken_only_when_whole():
    first = b"POST /openai/v1/chat/completions?x=1 HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
    assert [cut for cut in range(len(first)) if take_request(bytearray(first[:cut]))] == []
    received = bytearray(first + b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert take_request(received) == Request("POST", "/openai/v1/chat/completions", b"{}", last=False)
    assert take_request(received) == Request("GET", "/", b"", last=True)
    assert received == bytearray()


# --- The report -------------------------------------------------------------------------------------------


def figures(side, cpu_us, threads=5, complete=10):
    return report.Figures(
        side=side, streams=10, complete=complete, most_open=10, tokens=100, events=100, cpu_us=cpu_us,
        database_cpu_us=0.0, busy=50.0, first_p50=10.0, first_p95=20.0, total_p50=100.0, seconds=1.0,
        memory_mb=100.0, idle_memory_mb=90.0, threads=threads, connections=2,
        failures={} if complete == 10 else {"status 500": 10 - complete},
    )  # fmt: skip


def verdicts(bars):
    return [bar.met for bar in bars]


def test_the_cpu_bar_is_half_of_the_passthrough_by_the_median_round():
    def rounds(*products):
        return [[figures("passthrough", 200), figures("product", cpu)] for cpu in products]

    assert verdicts(report.cpu_bars(rounds(90, 100, 500))) == [True, True]
    assert verdicts(report.cpu_bars(rounds(90, 101, 500))) == [False, True]
    assert report.ratio(rounds(90, 100, 500), "product", "passthrough", "cpu_us") == 0.5


def test_a_failed_stream_misses_a_bar_and_is_named():
    runs = [[figures("passthrough", 200), figures("product", 50, complete=9)]]
    assert verdicts(report.cpu_bars(runs)) == [True, False]
    assert report.failure_lines(runs) == "round 1, product: 1 x status 500"


def test_the_worst_round_decides_about_threads():
    runs = [[figures("product", 50, threads=20)], [figures("product", 50, threads=21)]]
    assert verdicts(report.hold_bars(runs[:1])) == [True, True, True, True]
    assert verdicts(report.hold_bars(runs)) == [False, True, True, True]


def test_without_the_product_no_bar_of_its_own_is_met():
    runs = [[figures("direct", 20), figures("passthrough", 200)]]
    assert verdicts(report.cpu_bars(runs)) == [None, True]
    assert verdicts(report.hold_bars(runs)) == [None, None, None, True]


def test_the_plan_is_bounded(capsys):
    plan, _ = arguments(["hold"])
    assert (plan.streams, plan.sides) == (500, ("direct", "passthrough", "product"))
    for argv in (["--streams", "100000"], ["--rate", "0.01"], ["--rounds", "0"]):
        with pytest.raises(SystemExit):
            arguments(argv)
    assert "must be from 1 to 5000" in capsys.readouterr().err
