"""How many messages a person, a guest and an address may send, by whatever door."""

import pytest
from django.core.cache.backends.base import BaseCache
from django.test import AsyncClient

from chat.models import Message
from streaming.events import ErrorCode
from streaming.providers.base import ProviderError
from tests.chat.scripted import answer, count, received, send
from tests.conftest import async_client_of

pytestmark = pytest.mark.django_db(transaction=True)

STREAM, WHOLE, FORM = "/api/v1/ai/chat/stream", "/api/v1/ai/chat", "/send"
HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


class ClientAt(AsyncClient):
    """A browser at an address."""

    def __init__(self, address):
        super().__init__()
        self.address = address

    def _base_scope(self, **request):
        return super()._base_scope(**request) | {"client": [self.address, 50000]}


class AwayCache(BaseCache):
    """A cache whose server is down."""

    def __init__(self, _location, params):
        super().__init__(params)

    def add(self, *_, **__):
        raise ConnectionError("the cache is away")

    get = set = incr = touch = delete = add

    def clear(self):
        pass


async def status(client, path=STREAM, message="Hello?", **fields):
    """Send a message; its status, 200 for one that was taken."""
    if path == FORM:
        response = await client.post(FORM, {"message": message})
        return 200 if response.status_code == 302 else response.status_code
    response = await send(client, message, path=path, **fields)
    if response.streaming:
        await received(response)
    return response.status_code


async def test_person_is_limited_and_another_is_not(says, alice_client, bob_client, settings):
    settings.RATE_LIMIT_MESSAGES = "2/d"
    assert [await status(alice_client) for _ in range(4)] == [200, 200, 429, 429]
    assert await status(bob_client) == 200
    assert await count(Message, role="user") == 3


@pytest.mark.parametrize("doors", [(STREAM, WHOLE, FORM), (WHOLE, FORM, STREAM), (FORM, STREAM, WHOLE)])
async def test_all_doors_count_alike(doors, says, alice_client, settings):
    settings.RATE_LIMIT_MESSAGES = "2/d"
    assert [await status(alice_client, door) for door in doors] == [200, 200, 429]


async def test_all_devices_of_a_person_count_together(says, alice_client, alice, settings):
    from chat.work import in_thread

    settings.RATE_LIMIT_MESSAGES = "1/d"
    other_device = await in_thread(lambda: async_client_of(alice))
    assert [await status(alice_client), await status(other_device)] == [200, 429]


async def test_person_is_not_counted_by_address(says, alice, alice_client, bob_client, settings):
    settings.RATE_LIMIT_GUEST_MESSAGES = "1/d"
    assert [await status(client) for client in (alice_client, bob_client, alice_client)] == [200] * 3


async def test_new_guest_from_the_same_address_is_limited_too(says, settings):
    settings.RATE_LIMIT_GUEST_MESSAGES = "2/d"
    assert [await status(ClientAt(HERE)) for _ in range(3)] == [200, 200, 429]
    assert await status(ClientAt(ELSEWHERE)) == 200


async def test_guest_who_changes_the_address_is_limited_too(says, settings):
    settings.RATE_LIMIT_GUEST_MESSAGES = "1/d"
    guest = ClientAt(HERE)
    assert await status(guest) == 200
    guest.address = ELSEWHERE
    assert await status(guest) == 429


async def test_limited_guest_leaves_no_row(says, settings):
    from chat.models import Person

    settings.RATE_LIMIT_GUEST_MESSAGES = "1/d"
    assert [await status(ClientAt(HERE)) for _ in range(2)] == [200, 429]
    assert await count(Person) == 1


async def test_rates_of_guests_and_accounts_are_two(says, alice_client, guest_client, settings):
    settings.RATE_LIMIT_MESSAGES, settings.RATE_LIMIT_GUEST_MESSAGES = "2/d", "1/d"
    assert [await status(alice_client) for _ in range(3)] == [200, 200, 429]
    assert [await status(guest_client) for _ in range(2)] == [200, 429]


async def test_off_is_no_limit(says, alice_client, guest_client, settings):
    settings.RATE_LIMIT_MESSAGES = settings.RATE_LIMIT_GUEST_MESSAGES = None
    for client in (alice_client, guest_client):
        assert [await status(client, WHOLE) for _ in range(12)] == [200] * 12


@pytest.mark.parametrize("rate, longest", [("1/m", 60), ("1/h", 3600), ("1/5m", 300)])
async def test_time_to_wait_is_told_in_seconds(rate, longest, says, alice_client, settings):
    settings.RATE_LIMIT_MESSAGES = rate
    replies = [await send(alice_client, path=WHOLE) for _ in range(3)]  # two may fall into two windows
    last = replies[-1]
    assert (last.status_code, last.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(last["Retry-After"]) <= longest


async def test_page_tells_the_time_to_wait_and_keeps_the_message(says, alice_client, settings):
    settings.RATE_LIMIT_MESSAGES = "1/d"
    await status(alice_client, FORM)
    response = await alice_client.post(FORM, {"message": "My draft, still here"})
    assert (response.status_code, response.templates[0].name) == (429, "chat/page.html")
    assert int(response["Retry-After"]) > 0
    assert response.context["draft"] == "My draft, still here"
    assert "My draft, still here" in response.content.decode()


async def test_message_sent_again_counts_once(says, alice_client, settings):
    settings.RATE_LIMIT_MESSAGES = "2/d"
    again = [await status(alice_client, clientMessageId="m1") for _ in range(5)]
    assert again == [200] * 5
    assert [await status(alice_client) for _ in range(2)] == [200, 429]


async def test_new_try_counts(says, alice, alice_client, settings):
    says(ProviderError(ErrorCode.PROVIDER_UNAVAILABLE, ""))
    settings.RATE_LIMIT_MESSAGES = "1/d"
    turn = await answer(alice)
    path = f"/api/v1/messages/{turn.answer}/retry"
    first = await alice_client.post(path, content_type="application/json")
    told = await received(first)
    second_path = f"/api/v1/messages/{told.opening['messageId']}/retry"
    second = await alice_client.post(second_path, content_type="application/json")
    assert (second.status_code, second.json()["code"]) == (429, "rate_limited")


@pytest.mark.parametrize("path", [STREAM, WHOLE, FORM])
async def test_counter_that_is_away_lets_messages_through(path, says, alice_client, guest_client, settings):
    settings.CACHES = {"default": {"BACKEND": "tests.chat.test_limits.AwayCache"}}
    settings.RATE_LIMIT_MESSAGES = settings.RATE_LIMIT_GUEST_MESSAGES = "1/d"
    for client in (alice_client, guest_client):
        assert [await status(client, path) for _ in range(2)] == [200, 200]
