"""The load tools count properly: on real servers over loopback, and on answers written by hand."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from benchmarks import bars, measure, meter, plot, report, servers
from benchmarks.__main__ import arguments, show, write
from benchmarks.load import (
    PAGE_STREAM,
    Load,
    Reading,
    Response,
    Target,
    read_answer,
    read_response,
    tokens_in,
)
from benchmarks.modes import MODES, Result
from benchmarks.plan import Plan
from benchmarks.upstream import FIRST, Knobs, Request, answer, frames, take_request
from safety.guard import OutputGuard

STREAMS, TOKENS = 3, 20


@pytest.fixture(scope="module")
def upstream():
    with servers.upstream() as running:
        yield running


@pytest.fixture(scope="module")
def passthrough(upstream):
    with servers.passthrough(upstream) as side:
        yield side


@pytest.fixture(scope="module")
def relay(upstream):
    with servers.relay(upstream) as side:
        yield side


@pytest.fixture(params=["direct", "relay", "passthrough"])
def side(request, upstream):
    return servers.direct(upstream) if request.param == "direct" else request.getfixturevalue(request.param)


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


async def test_streams_can_follow_each_other(upstream):
    servers.turn(upstream, Knobs(tokens=TOKENS, delay=1))
    tally = await Load(servers.direct(upstream).target, 7, TOKENS, at_once=2).run(limit=20)
    assert (tally.complete, tally.most_open, len(tally.firsts)) == (7, 2, 7)


async def test_a_run_gives_figures(upstream, passthrough):
    plan = Plan("compare", STREAMS, 1000, TOKENS, ("direct", "passthrough"), ramp=0)
    runs = await measure.rounds(upstream, [servers.direct(upstream), passthrough], plan)
    assert [(one.side, one.complete, one.tokens) for one in runs[0]] == [
        ("direct", STREAMS, STREAMS * TOKENS),
        ("passthrough", STREAMS, STREAMS * TOKENS),
    ]
    assert runs[0][1].body_bytes > 0


async def test_one_at_a_time_gives_every_first_token(upstream, passthrough):
    plan = Plan("first", 2, 1000, TOKENS, ("direct", "passthrough"))
    seen = await measure.one_at_a_time(upstream, [servers.direct(upstream), passthrough], plan)
    assert {name: len(times) for name, times in seen.items()} == {"direct": 2, "passthrough": 2}


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
        (event(type="token", content="a") + ":   \n\n" + DONE + ":    \n\n", Reading("a", 1)),
    ],
)
def test_an_answer_in_the_products_shape_is_read(body, reading):
    assert read_answer("events", body.encode()) == reading


PAGE = "event: ping\ndata: \n\nid: 2\ndata: <hx-partial>Some</hx-partial>\n\n:   \n\n"
LAST = "data: <p>Some <b>words</b>,\ndata: and more</p>\n\n"


@pytest.mark.parametrize(
    ("body", "reading"),
    [
        (PAGE + LAST + "event: done\ndata: \n\n:    \n\n", Reading("Some words and more", 2)),
        (PAGE + LAST, Reading("", 0, "no terminal event at the end")),
        ("", Reading("", 0, "no terminal event at the end")),
    ],
)
def test_an_answer_on_the_page_is_read(body, reading):
    assert read_answer("page", body.encode()) == reading


def test_the_page_asks_by_a_form_and_reads_by_another_request():
    target = Target(80, "/send", {"message": "a b"}, "page", cookies=["sessionid=1"])
    asked, followed = target.request(0).decode(), target.follow(0, "/streams/1").decode()
    token = re.findall(r"csrftoken=(\w+)|X-CSRFToken: (\w+)", asked)
    assert asked.endswith("\r\n\r\nmessage=a+b")
    assert len({"".join(pair) for pair in token}) == 1
    assert followed.startswith("GET /streams/1 HTTP/1.1\r\n")
    path = "/streams/0189c2a4-0000-4000-8000-000000000000"
    assert PAGE_STREAM.search(f'hx-get="{path}"'.encode())[0] == path.encode()


def test_the_first_word_is_none_that_the_guard_waits_on():
    assert OutputGuard().feed(FIRST).text == FIRST[:-1]


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


def figures(side, cpu_us, threads=5, complete=10, **others):
    known = {
        "streams": 10, "most_open": 10, "tokens": 100, "events": 100, "services_cpu_us": 0.0, "busy": 50.0,
        "first_p50": 10.0, "first_p95": 20.0, "total_p50": 100.0, "total_max": 105.0, "ideal": 100.0,
        "seconds": 1.0, "memory_mb": 100.0, "idle_memory_mb": 99.5, "connections": 2,
        "failures": {} if complete == 10 else {"status 500": 10 - complete},
    }  # fmt: skip
    return report.Figures(side=side, cpu_us=cpu_us, threads=threads, complete=complete, **known | others)


def rounds(*products):
    return [[figures("passthrough", 200), figures("product", cpu)] for cpu in products]


def verdicts(judged):
    return [bar.met for bar in judged]


def test_the_cpu_bars_look_at_the_median_round():
    assert verdicts(bars.compare(rounds(50, 60, 500))) == [True, True, True, True]
    assert verdicts(bars.compare(rounds(50, 65, 500))) == [True, True, False, True]
    assert verdicts(bars.compare(rounds(50, 67, 500))) == [True, False, False, True]
    assert verdicts(bars.compare(rounds(50, 101, 500))) == [False, False, False, True]
    assert report.ratio(rounds(50, 60, 500), "product", "passthrough", "cpu_us") == 0.3


def test_a_failed_stream_misses_a_bar_and_is_named():
    runs = [[figures("passthrough", 200), figures("product", 50, complete=9)]]
    assert verdicts(bars.saturate(runs)) == [True, False]
    assert report.failure_lines(runs) == "round 1, product: 1 x status 500"


def test_what_the_passthrough_loses_is_no_promise_of_ours():
    runs = [[figures("passthrough", 200, complete=1), figures("product", 50)]]
    assert verdicts(bars.only_complete(runs)) == [True]


def test_the_worst_round_decides_about_threads_and_memory():
    runs = [[figures("product", 50, threads=16)], [figures("product", 50, threads=17)]]
    assert verdicts(bars.hold(runs[:1])) == [True, True, True, True, True]
    assert verdicts(bars.hold(runs)) == [False, True, True, True, True]
    assert verdicts(bars.hold([[figures("product", 50, memory_mb=100.2)]])) == [True, True, False, True, True]


def test_the_slowest_stream_decides_whether_all_kept_their_time():
    assert verdicts(bars.many([[figures("product", 50, total_max=110.0)]])) == [True, True]
    assert verdicts(bars.many([[figures("product", 50, total_max=111.0)]])) == [False, True]


def test_without_the_product_no_bar_of_its_own_is_met():
    runs = [[figures("direct", 20), figures("passthrough", 200)]]
    assert verdicts(bars.compare(runs)) == [None, None, None, True]
    assert verdicts(bars.hold(runs)) == [None, None, None, None, True]
    assert verdicts([*bars.many(runs), bars.first(None), bars.leak(None)]) == [None, True, None, None]


def test_the_plan_is_bounded(capsys):
    (plan,), _ = arguments(["hold"])
    assert (plan.streams, plan.sides, plan.database) == (2000, ("product",), "postgres")
    for argv in (["--streams", "100000"], ["--rate", "0.01"], ["--rounds", "0"]):
        with pytest.raises(SystemExit):
            arguments(argv)
    assert "must be from 1 to 50000" in capsys.readouterr().err


def test_all_modes_can_be_asked_for_at_once():
    plans, _ = arguments(["all"])
    assert [plan.mode for plan in plans] == list(MODES)


def test_a_result_is_printed_and_written(tmp_path, capsys):
    plan = MODES["compare"].usual
    result = Result(plan, bars.compare(rounds(60)), rounds(60), {"a <line>": [(1.0, 2.0), (2.0, 1.0)]})
    result.charts = [
        plot.Bars("CPU & more", "us", [("product", 60.0), ("passthrough", 200.0)], limit=100.0),
        plot.Lines("Memory", "streams", "MB", {"a <line>": [(1.0, 2.0), (2.0, 1.0)]}),
    ]
    show(result)
    write("compare", tmp_path, [result])
    assert "bar: at most a third of the passthrough: 0.300  [met]" in capsys.readouterr().out.splitlines()
    kept = json.loads((tmp_path / "compare.json").read_text())["results"]["compare"]
    assert kept["ratios"]["product/passthrough"]["cpu_us"] == 0.3
    assert len(kept["bars"]) == 4
    drawn = ElementTree.fromstring((tmp_path / "compare.svg").read_text())
    words = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"CPU & more", "bar 100", "product", "a <line>"} <= set(words)
