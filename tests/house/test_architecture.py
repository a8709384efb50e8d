"""The pure core stays pure: each module is imported in a process of its own, and what came along is seen."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE = [
    "safety.check",
    "safety.guard",
    "safety.sanitize",
    "streaming.events",
    "streaming.sse",
    "chat.reply",
    "chat.context",
]
HEAVY = ["django", "ninja", "channels", "openai", "asgiref", "redis", "psycopg", "uvicorn"]


def imported_by(code):
    """The top-level packages in a fresh process after this code."""
    script = f"{code}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("module", PURE)
def test_pure_module_brings_no_framework_along(module):
    assert imported_by(f"import {module}") & set(HEAVY) == set()


@pytest.mark.parametrize("package", ["chat", "safety", "streaming", "config"])
def test_package_itself_brings_nothing_along(package):
    assert imported_by(f"import {package}") & {"django", "ninja", "openai", "msgspec", "regex"} == set()


@pytest.mark.parametrize(
    "room, others", [("safety", {"streaming", "chat"}), ("streaming", {"safety", "chat"})]
)
def test_rooms_below_do_not_know_each_other(room, others):
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((ROOT / room).rglob("*.py"))
        if not {"management", "remote", "simulator"} & set(path.parts) and path.name != "apps.py"
    ]
    assert len(modules) >= 10
    assert imported_by("\n".join(f"import {module}" for module in modules)) & others == set()
