"""The cast, and the doors they come through."""

import shutil
import threading
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.db import connections
from django.test import AsyncClient, Client

from chat.engine import Engine, close_engine
from chat.models import Person, User

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
DATABASE_FIXTURES = {"db", "transactional_db", "django_db_reset_sequences", "django_db_serialized_rollback"}


def pytest_collection_modifyitems(items):
    """Mark what touches the database, or needs a browser, by the fixtures that it uses."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & DATABASE_FIXTURES or item.get_closest_marker("django_db") or "product" in fixtures:
            item.add_marker(pytest.mark.database)
        if "page" in fixtures or "browser" in fixtures:
            item.add_marker(pytest.mark.browser)
            if not shutil.which("chromium"):
                item.add_marker(pytest.mark.skip(reason="no Chromium: sudo apt-get install chromium"))
    # Playwright keeps an event loop running in this thread, which async tests after it would stumble over.
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture
def shared_data():
    """The evaluation sets beside the checkout; tests that read them skip where they are absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no evaluation sets at {SHARED}")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def work_threads_closed():
    yield
    from chat.work import _threads

    close_connections_of(_threads)


def close_connections_of(threads):
    """Close the connections that the threads of a pool keep on SQLite, each in its own thread."""
    count = len(threads._threads)
    everyone = threading.Barrier(count or 1)

    def close():
        everyone.wait(timeout=5)
        connections.close_all()

    for closed in [threads.submit(close) for _ in range(count)]:
        closed.result(timeout=10)


@pytest.fixture(autouse=True)
def cheap_passwords(settings):
    """A good password hash takes half a second, on purpose; tests make hundreds."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def make_parent(name):
    user = User.objects.create_user(name, f"{name}@example.org", "a-long-password")
    return Person.objects.of_user(user)


@pytest.fixture
def alice(db):
    """The owner."""
    return make_parent("alice")


@pytest.fixture
def bob(db):
    """Another parent, who must see nothing of Alice's."""
    return make_parent("bob")


@pytest.fixture
def rita(db):
    """A reviewer."""
    user = User.objects.create_user("rita", "rita@example.org", "a-long-password", is_staff=True)
    user.groups.add(Group.objects.get(name="reviewer"))
    return user


def client_of(person):
    client = Client()
    client.force_login(person.user if isinstance(person, Person) else person)
    return client


def async_client_of(person):
    client = AsyncClient()
    client.force_login(person.user)
    return client


@pytest.fixture
async def engine():
    """This process's engine, fresh, and closed with everything that it started."""
    import chat.engine

    await close_engine()
    chat.engine._engine = Engine()
    yield chat.engine._engine
    await close_engine()
    # `AsyncClient` runs sync middleware in asgiref's thread, and leaves its connection open.
    await sync_to_async(connections.close_all)()
