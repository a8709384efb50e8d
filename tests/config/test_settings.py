"""What the environment makes of the settings, each in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCTION = {"SECRET_KEY": "x" * 60, "ALLOWED_HOSTS": "chat.example.org"}


def settings_of(tmp_path, *names, **environment):
    """The named settings, or the error of a start that was refused."""
    values = f"[getattr(settings, name) for name in {names}]"
    code = f"import json; from config import settings; print(json.dumps({values}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "STATE_DIR": str(tmp_path)} | environment,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def test_without_demo_the_settings_are_production_s(tmp_path):
    names = ["DEMO", "DEBUG", "GUEST_ACCESS", "SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "ALLOWED_HOSTS"]
    assert settings_of(tmp_path, *names, **PRODUCTION) == [
        False,
        False,
        False,
        True,
        True,
        ["chat.example.org"],
    ]


def test_demo_lets_guests_in_and_prints_its_mail(tmp_path):
    guests, mailers = settings_of(tmp_path, "GUEST_ACCESS", "MAILERS", NIGHTLIGHT_DEMO="on")
    assert (guests, mailers["default"]["BACKEND"]) == (
        True,
        "django.core.mail.backends.console.EmailBackend",
    )


def test_demo_makes_a_secret_key_and_keeps_it_for_the_owner_only(tmp_path):
    first = settings_of(tmp_path, "SECRET_KEY", NIGHTLIGHT_DEMO="on")
    second = settings_of(tmp_path, "SECRET_KEY", NIGHTLIGHT_DEMO="on")
    mode = (tmp_path / "secret_key").stat().st_mode & 0o777
    assert (first == second, len(first[0]) >= 50, mode) == (True, True, 0o600)


def test_production_needs_a_secret_key(tmp_path):
    assert "SECRET_KEY must be set" in settings_of(tmp_path, "SECRET_KEY")


def test_sqlite_waits_for_locks_and_writes_ahead(tmp_path):
    (databases,) = settings_of(tmp_path, "DATABASES", **PRODUCTION)
    options = databases["default"]["OPTIONS"]
    assert options["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in options["init_command"]


@pytest.mark.parametrize("mode", ["disable", "prefer", "verify-full"])
def test_postgresql_takes_its_sslmode_and_a_pool(tmp_path, mode):
    url = f"postgresql://u:p@db.example.org:5433/nightlight?sslmode={mode}"
    (databases,) = settings_of(tmp_path, "DATABASES", DATABASE_URL=url, **PRODUCTION)
    database = databases["default"]
    assert (database["HOST"], database["PORT"], database["OPTIONS"]["sslmode"], database["CONN_MAX_AGE"]) == (
        "db.example.org",
        5433,
        mode,
        0,
    )
    assert database["OPTIONS"]["pool"]["max_size"] == 10


def test_redis_becomes_the_cache_that_counts(tmp_path):
    (caches,) = settings_of(tmp_path, "CACHES", REDIS_URL="redis://cache:6379/1", **PRODUCTION)
    assert caches["default"]["LOCATION"] == "redis://cache:6379/1"


@pytest.mark.parametrize(
    "name, value",
    [
        ("DEBUG", "maybe"),
        ("RATE_LIMIT_MESSAGES", "often"),
        ("PROVIDER_IDLE_TIMEOUT", "-1"),
        ("AZURE_OPENAI_ENDPOINT", "my-resource"),
        ("REDIS_URL", "http://cache"),
        ("DATABASE_URL", "mysql-ish"),
        ("EMAIL_VERIFICATION", "always"),
    ],
)
def test_wrong_value_names_itself_and_the_page_that_explains(tmp_path, name, value):
    said = settings_of(tmp_path, "DEBUG", **PRODUCTION | {name: value})
    assert f"ImproperlyConfigured: {name} must" in said
    assert "docs/settings.md" in said
