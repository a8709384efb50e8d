"""The documentation says what the code does: names, routes, links, and the clients that it shows."""

import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from chat.api import api
from config.settings import env
from safety.verdict import Action, Category, Severity
from streaming.events import Done, Error, ErrorCode, FinishReason, Metadata, Notice, Outcome, Token, to_wire

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def section_after(text, heading):
    """From a heading to the next of its level or above."""
    level = heading.count("#")
    _before, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"no heading {heading!r}"
    return re.split(rf"^#{{1,{level}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text):
    """The cells of every table row, without headings."""
    without_heads = re.sub(r"^\|.*\n\|[-|]+\|$", "", text, flags=re.MULTILINE)
    return [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in without_heads.splitlines()
        if line.startswith("|")
    ]


def first_cells(text):
    """The code words that table rows begin with."""
    return [row[0].strip("`") for row in rows(text) if re.fullmatch("`[^`]+`", row[0])]


def cells(text, column):
    """The code words of one column, from 0."""
    return {word for row in rows(text) if len(row) > column for word in re.findall(r"`([^`]+)`", row[column])}


def committed_files():
    """What git keeps, or would keep at the next commit."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [path for name in names.split("\0") if name and (path := ROOT / name).is_file()]


# --- Settings ---------------------------------------------------------------------------------------------


SETTINGS = (DOCS / "settings.md").read_text()
ELSEWHERE = section_after(SETTINGS, "## Read elsewhere")


def test_every_setting_is_documented_once_and_no_other():
    documented = first_cells(SETTINGS.replace(ELSEWHERE, ""))
    assert sorted(documented) == sorted(env.declared)


def test_the_kind_of_every_setting_is_told_as_it_is_read():
    short = {
        "comma-separated list": "list",
        "rate such as 20/m, or off": "rate",
        "whole number, or off": "number or off",
    }
    read = {name: short.get(declared.kind, declared.kind) for name, declared in env.declared.items()}
    told = {row[0].strip("`"): row[1] for row in rows(SETTINGS.replace(ELSEWHERE, ""))}
    assert told == read


def test_variables_read_elsewhere_are_read_there():
    files = {"manage.py demo": "chat/management/commands/demo.py"}
    read_by = {row[0].strip("`"): row[1].strip("`") for row in rows(ELSEWHERE)}
    missing = [n for n, where in read_by.items() if n not in (ROOT / files.get(where, where)).read_text()]
    assert missing == []


def test_examples_of_settings_use_settings_that_exist():
    used = set()
    for path in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        for block in re.findall(r"^```\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL):
            used |= set(re.findall(r"^([A-Z][A-Z_]+)=", block, re.MULTILINE))
    assert used - set(env.declared) - set(first_cells(ELSEWHERE)) == set()


# --- The wire ---------------------------------------------------------------------------------------------


EVENTS = (DOCS / "events.md").read_text()
EVERY_EVENT = (Metadata(), Notice("", "", ""), Token(""), Done(), Error("", "", False))


def test_every_event_is_documented_and_no_other():
    table = section_after(EVENTS, "## The events")
    assert set(first_cells(table)) == {to_wire(event)["type"] for event in EVERY_EVENT}


def test_every_error_code_is_documented_and_no_other():
    assert sorted(first_cells(section_after(EVENTS, "## Error codes"))) == sorted(ErrorCode)


def test_every_finish_reason_is_documented_and_no_other():
    assert cells(section_after(EVENTS, "## Finish reasons and outcomes"), 1) == set(FinishReason)


def test_every_outcome_is_documented_and_no_other():
    assert cells(section_after(EVENTS, "## Finish reasons and outcomes"), 2) == set(Outcome)


# --- Safety -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [Category, Action, Severity], ids=lambda words: words.__name__)
def test_every_word_of_a_verdict_is_documented(words):
    documented = set(first_cells((DOCS / "safety.md").read_text()))
    assert set(words) - documented == set()


# --- The API ----------------------------------------------------------------------------------------------


def test_every_route_of_the_api_is_documented_and_no_other():
    schema = api.get_openapi_schema()
    routes = {
        f"{method.upper()} {re.sub(r'{[^}]+}', '{}', path)}"
        for path, methods in schema["paths"].items()
        for method in methods
    }
    headings = re.findall(r"^### `([A-Z]+ /api/v1/[^`]*)`", (DOCS / "api.md").read_text(), re.MULTILINE)
    assert {re.sub(r"{[^}]+}", "{}", heading) for heading in headings} == routes


def test_every_code_of_a_refusal_is_documented():
    from chat.errors import Refusal

    codes = {refusal.code for refusal in Refusal.__subclasses__() if refusal.code != Refusal.code}
    table = section_after((DOCS / "api.md").read_text(), "## Refusals")
    assert codes | {"invalid"} == cells(table, 1)


# --- The files --------------------------------------------------------------------------------------------


def anchors(path):
    """The fragments that a page's headings make, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_broken(page, link):
    target, _hash, fragment = unquote(link).partition("#")
    path = (page.parent / target).resolve() if target else page
    if not path.exists():
        return True
    return bool(fragment) and path.suffix == ".md" and fragment not in anchors(path)


def test_no_relative_link_is_broken():
    broken = []
    for page in committed_files():
        if page.suffix == ".md":
            prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
            links = re.findall(r"\]\(([^)\s]+)\)", prose)
            relative = [link for link in links if not re.match(r"[a-z]+:", link)]
            broken += [f"{page.relative_to(ROOT)}: {link}" for link in relative if is_broken(page, link)]
    assert broken == []


def test_files_that_the_docs_name_exist():
    """Only paths in code marks that begin with one of our folders and end with a file name."""
    ours = r"`((?:config|chat|safety|streaming|tests|templates|static|benchmarks)/[\w./-]+\.\w+)`"
    missing = []
    for page in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        named = re.findall(ours, page.read_text())
        missing += [f"{page.name}: {name}" for name in named if not (ROOT / name).exists()]
    assert missing == []


# In pieces, or this file would find itself.
UNWANTED = re.compile(
    "|".join(("pypi" + r"\.org", "pythonhosted" + r"\.org", "npmjs" + r"\.(?:org|com)", r"\bTO" + r"DO\b"))
)


def test_no_registry_address_and_no_leftover_note_in_any_text_file():
    found = []
    for path in committed_files():
        content = path.read_bytes()
        if b"\0" not in content:
            lines = content.decode(errors="replace").splitlines()
            found += [
                f"{path.relative_to(ROOT)}:{n}" for n, line in enumerate(lines, 1) if UNWANTED.search(line)
            ]
    assert found == []


# --- The clients in docs/events.md ------------------------------------------------------------------------


STREAM = "7d3c0f0e-0000-4000-8000-000000000001"
LOG: list[dict[str, Any]] = [
    {"type": "metadata", "streamId": STREAM, "messageId": "m"},
    {"type": "token", "content": "Hush 🌙, "},
    {"type": "token", "content": "el bebé "},
    {"type": "token", "content": "give honey"},
    {
        "type": "notice",
        "category": "unsafe_advice",
        "severity": "urgent",
        "content": "No.",
        "actions": [],
        "replaceFrom": 16,
    },
    {"type": "metadata", "finishReason": "withheld"},
    {"type": "done"},
]
SAID = "Hush 🌙, el bebé "


def frames(first=1, log=LOG):
    parts = [": keep-alive\n\n"]
    for seq, event in enumerate(log, 1):
        if seq >= first:
            parts.append(f"id: {seq}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n")
    return "".join(parts).encode()


class ScriptedServer(http.server.ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Scripted)
        self.script: list[tuple[bytes, bool]] = []
        self.calls: list[tuple[str, str, str | None]] = []
        self.asked: list[str] = []


class Scripted(http.server.BaseHTTPRequestHandler):
    """Each stream connection takes the next body of `script`, sends it byte by byte, and hangs up."""

    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def do_GET(self):
        if "streams" in self.path:
            self.answer()
        else:
            self.send_response(200)
            self.send_header("Set-Cookie", "sessionid=abc; Path=/")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body["clientMessageId"])
        self.answer()

    def answer(self):
        self.server.calls.append((self.command, self.path, self.headers["Last-Event-ID"]))
        body, is_whole = self.server.script.pop(0)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for byte in body:
            self.wfile.write(b"1\r\n%c\r\n" % byte)
        if is_whole:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ScriptedServer() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def example(language, heading):
    block = rf"^```{language}\n(.*?)^```"
    found = re.search(block, section_after(EVENTS, heading), re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


PYTHON_MAIN = """
import sys
for answer in Nightlight("127.0.0.1", int(sys.argv[1])).ask("hello"):
    pass
print(json.dumps([answer.text, len(answer.notices), answer.last, answer.end["type"]]))
"""
JAVASCRIPT_MAIN = """
let answer;
for await (answer of ask("hello", `http://127.0.0.1:${process.argv[2]}`));
console.log(JSON.stringify([answer.text, answer.notices.length, answer.last, answer.end.type]));
"""


def python_client(folder):
    (folder / "client.py").write_text(
        example("python", "## A client in Python").partition("\nif __name__")[0] + PYTHON_MAIN
    )
    return [sys.executable, str(folder / "client.py")]


def javascript_client(folder):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node here to run the JavaScript example")
    (folder / "client.mjs").write_text(example("javascript", "## A client in JavaScript") + JAVASCRIPT_MAIN)
    return [node, str(folder / "client.mjs")]


@pytest.fixture(params=[python_client, javascript_client], ids=["python", "javascript"])
def client(request, tmp_path, server):
    command = [*request.param(tmp_path), str(server.server_port)]

    def run():
        done = subprocess.run(command, capture_output=True, text=True, timeout=40)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_the_client_reads_a_stream_that_is_cut_at_every_byte(client, server):
    server.script = [(frames(), True)]
    assert client() == [SAID, 1, 7, "done"]
    assert [call[0] for call in server.calls] == ["POST"]


def test_the_client_resumes_after_the_last_event_it_has_seen(client, server):
    whole = frames()
    cut = whole.index(b"el beb") + 3  # in the middle of the third event
    server.script = [(whole[:cut], False), (frames(3), True)]
    assert client() == [SAID, 1, 7, "done"]
    assert server.calls[1] == ("GET", f"/api/v1/ai/streams/{STREAM}", "2")


def test_the_client_forgets_what_it_has_on_reset(client, server):
    rebuilt = [LOG[0] | {"reset": True}, {"type": "token", "content": SAID}, *LOG[4:]]
    whole = frames()
    server.script = [(whole[: whole.index(b"give honey") + 30], False), (frames(1, rebuilt), True)]
    assert client() == [SAID, 1, 5, "done"]


def test_the_client_asks_once_where_the_first_answer_never_came(client, server):
    server.script = [(b"", False), (frames(), True)]
    assert client() == [SAID, 1, 7, "done"]
    assert len(server.asked) == 2
    assert len(set(server.asked)) == 1
