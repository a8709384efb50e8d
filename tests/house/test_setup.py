"""A first start: what is said where something is missing, and a demo that starts and ends cleanly."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil
import pytest

from chat.management.commands import demo as demo_command

ROOT = Path(__file__).parents[2]
OURS = ("AZURE_OPENAI_", "OPENAI_", "DATABASE_", "REDIS_URL", "GUEST_ACCESS", "RATE_LIMIT_", "SECRET_KEY")


def clean_environment(**more):
    """As a visitor's shell has it, without what the test suite set."""
    ours = (*OURS, "STATE_DIR", "HTTPS", "ALLOWED_HOSTS", "PYTHONDEVMODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | more


# --- make ---------------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path):
    """A fresh clone as far as make is concerned: no environment, nothing installed."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "package.json", "package-lock.json"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture
def tools(tmp_path):
    """A PATH with what every system has, and neither Python, nor Chromium, nor apt-get."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in (
        "sh",
        "env",
        "printf",
        "test",
        "ls",
        "sort",
        "echo",
        "id",
        "touch",
        "grep",
        "sed",
        "expand",
        "cat",
    ):
        found = shutil.which(name)
        if found:
            (folder / name).symlink_to(found)
    return folder


def make(checkout, *arguments, path, home):
    command = [shutil.which("make") or pytest.skip("no make here"), *arguments]
    environment = {"PATH": str(path), "HOME": str(home), "PYENV_ROOT": str(home / "no-pyenv")}
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("target", ["run", "test", "setup"])
def test_missing_python_is_told_in_one_sentence(checkout, tools, tmp_path, target):
    done = make(checkout, target, path=tools, home=tmp_path)
    assert done.returncode != 0
    assert "Python 3.12 or newer is needed, and none was found on PATH or in pyenv." in done.stderr
    assert "make run PY=/path/to/python3.12" in done.stderr
    assert not (checkout / ".venv").exists()


def test_python_that_is_too_old_counts_as_none(checkout, tools, tmp_path):
    for name in ("python3", "python"):
        old = tools / name
        old.write_text("#!/bin/sh\nexit 1\n")  # what a Python before 3.12 answers to the question
        old.chmod(0o755)
    done = make(checkout, "setup", path=tools, home=tmp_path)
    assert (done.returncode != 0, "Python 3.12 or newer is needed" in done.stderr) == (True, True)


def test_python_that_was_named_is_taken(checkout, tools, tmp_path):
    said = make(checkout, "--dry-run", "setup", "PY=/opt/python3.12", path=tools, home=tmp_path).stdout
    assert '"/opt/python3.12" -m venv .venv' in said


def test_newest_python_of_pyenv_is_found(checkout, tools, tmp_path):
    for version in ("3.9.1", "3.12.4", "3.13.0"):
        python = tmp_path / "no-pyenv" / "versions" / version / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f"#!/bin/sh\nexit {int(version == '3.9.1')}\n")
        python.chmod(0o755)
    said = make(checkout, "--dry-run", "setup", path=tools, home=tmp_path).stdout
    assert "versions/3.13.0/bin/python" in said


def test_missing_chromium_is_told_and_is_no_failure(checkout, tools, tmp_path):
    done = make(checkout, "browser", path=tools, home=tmp_path)
    assert done.returncode == 0
    assert "the tests marked 'browser' will be skipped" in done.stderr
    assert "sudo apt-get install chromium" in done.stderr


def test_chromium_that_is_there_needs_no_words(checkout, tools, tmp_path):
    (tools / "chromium").symlink_to(shutil.which("true"))
    done = make(checkout, "browser", path=tools, home=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_help_lists_the_two_commands(checkout, tools, tmp_path):
    done = make(checkout, "help", path=tools, home=tmp_path)
    assert [line.split()[0] for line in done.stdout.splitlines()][:3] == ["help", "run", "test"]


# --- Settings -----------------------------------------------------------------------------------------------


def manage(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "RATE_LIMIT_MESSAGES",
            "often",
            "RATE_LIMIT_MESSAGES must be a rate such as 20/m, or off; 'often' is not.",
        ),
        ("DATABASE_URL", "foo", "DATABASE_URL must look like postgresql://"),
        ("DRAIN_SECONDS", "soon", "DRAIN_SECONDS must be a number of seconds; 'soon' is not."),
        (
            "AZURE_OPENAI_ENDPOINT",
            "secret",
            "AZURE_OPENAI_ENDPOINT must be a URL starting with https:// or http://",
        ),
        ("GUEST_ACCESS", "maybe", "GUEST_ACCESS must be on or off; 'maybe' is not."),
        ("EMAIL_VERIFICATION", "perhaps", "EMAIL_VERIFICATION must be none, optional or mandatory."),
    ],
)
def test_wrong_setting_names_itself(tmp_path, name, value, sentence):
    done = manage("check", SECRET_KEY="k" * 50, STATE_DIR=str(tmp_path), **{name: value})
    assert done.returncode != 0
    assert sentence in done.stderr
    assert "secret" not in done.stderr.partition(sentence)[2].splitlines()[0]


def test_production_without_a_key_says_what_to_do(tmp_path):
    done = manage("check", STATE_DIR=str(tmp_path))
    assert done.returncode != 0
    assert "SECRET_KEY must be set" in done.stderr


# --- The demo -----------------------------------------------------------------------------------------------


def test_demo_refuses_outside_of_a_demo(tmp_path):
    done = manage("demo", SECRET_KEY="k" * 50, STATE_DIR=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == (
        "CommandError: demo runs only with NIGHTLIGHT_DEMO=on. For production see docs/settings.md.\n"
    )


@pytest.mark.parametrize("port", ["abc", "70000"])
def test_port_that_is_none_names_itself(tmp_path, port):
    done = manage("demo", NIGHTLIGHT_DEMO="on", STATE_DIR=str(tmp_path), PORT=port)
    assert done.returncode == 1
    assert done.stderr == f"CommandError: PORT must be a number from 1 to 65535; '{port}' is not.\n"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_port_that_is_taken_is_told_and_leaves_no_process(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = manage("demo", NIGHTLIGHT_DEMO="on", STATE_DIR=str(tmp_path), PORT=port)
    assert done.returncode == 1
    assert "address already in use" in done.stderr
    assert done.stderr.endswith("CommandError: The server could not start; the lines above say why.\n")
    assert processes_of(tmp_path) == []


def processes_of(state):
    """Every process that was started with this STATE_DIR."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("STATE_DIR") == str(state):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


@contextmanager
def demo(state, **environment):
    """`manage.py demo` in a process group of its own, as a terminal has it; what it says goes to a file."""
    said = state / "said"
    with said.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "demo"],
            cwd=ROOT,
            env=clean_environment(NIGHTLIGHT_DEMO="on", STATE_DIR=str(state), **environment),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process, said
    finally:
        for pid in processes_of(state):
            os.kill(pid, signal.SIGKILL)
        process.wait(timeout=10)


def wait_until_healthy(url, process, said):
    for _ in range(200):
        assert process.poll() is None, said.read_text()
        try:
            if httpx2.get(f"{url}/healthz", timeout=2).json() == {"status": "ok"}:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    raise AssertionError(said.read_text())


def ask(url):
    body = {"message": "Tell me about baby sleep patterns [[simulate none tokens=20 delay=0]]"}
    with httpx2.Client(timeout=20) as http:
        reply = http.post(f"{url}/api/v1/ai/chat/stream", json=body)
    events = [json.loads(line[6:]) for line in reply.text.splitlines() if line.startswith("data: ")]
    return [events[0]["type"], events[1]["type"], events[-1]["type"]]


def test_demo_that_is_interrupted_while_it_starts_ends_without_a_word(tmp_path):
    with demo(tmp_path, PORT=str(free_port())) as (process, said):
        for _ in range(200):
            if len(processes_of(tmp_path)) > 1:  # the simulator is starting
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=15)
        assert processes_of(tmp_path) == []
        assert "Traceback" not in said.read_text()


def test_interruption_while_a_process_is_being_made_leaves_none_behind(monkeypatch):
    made = []

    class Interrupted(subprocess.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            made.append(self)
            os.kill(os.getpid(), signal.SIGINT)  # the child runs; nobody holds it yet

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), demo_command._process(["sleep", "60"], dict(os.environ)):
        raise AssertionError("the interruption was lost")
    assert made[0].poll() == -signal.SIGTERM
    assert signal.getsignal(signal.SIGINT) is before


def test_demo_starts_streams_stops_and_starts_again(tmp_path):
    port = free_port()
    url = f"http://127.0.0.2:{port}"
    for how in (signal.SIGINT, signal.SIGTERM):
        with demo(tmp_path, HOST="127.0.0.2", PORT=str(port), ALLOWED_HOSTS="127.0.0.2") as (process, said):
            wait_until_healthy(url, process, said)
            assert ask(url) == ["metadata", "token", "done"]
            with pytest.raises(httpx2.ConnectError):
                httpx2.get(f"http://127.0.0.1:{port}/healthz", timeout=2)
            assert len(processes_of(tmp_path)) == 3, "demo, simulator, server"
            if how is signal.SIGINT:
                os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal: to all at once
            else:
                process.send_signal(signal.SIGTERM)
            process.wait(timeout=15)
            assert processes_of(tmp_path) == []
            text = said.read_text()
            assert f"Chat page      {url}/" in text
            assert "Traceback" not in text
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0
