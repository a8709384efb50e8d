"""Many requests, few threads; many open streams, no database connection; bounded waiting and bodies."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async
from django.db import connection
from django.test import AsyncClient

from chat.models import Message
from chat.work import WorkThreads, in_thread
from config.handler import SharedThreads, StreamingASGIHandler
from tests.chat.scripted import LULLABY_TEXT, PATIENCE, STOP, Received, count, until
from tests.config.asgi_calls import Call, post_json
from tests.conftest import close_connections_of

pytestmark = pytest.mark.django_db(transaction=True)

STREAM, WHOLE = "/api/v1/ai/chat/stream", "/api/v1/ai/chat"
THREADS = 3


@pytest.fixture
async def handler(settings, engine):
    settings.REQUEST_THREADS = THREADS
    made = StreamingASGIHandler()
    yield made
    await asyncio.to_thread(close_connections_of, made._threads)
    made._threads.shutdown()


async def all_done(calls):
    async with asyncio.timeout(PATIENCE):
        return await asyncio.gather(*(call.task for call in calls))


# --- Threads ------------------------------------------------------------------------------------------------


async def test_parallel_requests_share_a_few_threads(handler):
    calls = [Call(handler, "GET", "/accounts/login/").begin() for _ in range(20)]
    await all_done(calls)
    assert [call.status for call in calls] == [200] * 20
    assert 1 <= len(handler._threads._threads) <= THREADS


async def test_sync_work_runs_in_the_shared_threads():
    pool = WorkThreads(1, thread_name_prefix="shared")
    async with SharedThreads(pool):
        thread = await sync_to_async(threading.current_thread)()
    assert thread.name.startswith("shared")
    pool.shutdown()


async def test_pool_outlives_the_request():
    pool = WorkThreads(1)
    for _ in range(2):
        async with SharedThreads(pool):
            await sync_to_async(int)()
    assert pool.submit(int).result(timeout=5) == 0
    pool.shutdown()


async def test_asgiref_would_shut_the_pool_down():
    """Pins what `SharedThreads` prevents: if this fails, asgiref changed, and it needs another look."""
    pool = ThreadPoolExecutor(1)
    async with ThreadSensitiveContext() as context:
        SyncToAsync.context_to_thread_executor[context] = pool
        await sync_to_async(int)()
    with pytest.raises(RuntimeError):
        pool.submit(int)


async def test_requests_after_requests_are_served(handler):
    for _ in range(3):
        assert (await Call(handler, "GET", "/accounts/login/").done()).status == 200
    assert handler._threads._shutdown is False


# --- Streams ------------------------------------------------------------------------------------------------


async def test_open_streams_hold_no_thread_and_no_connection(handler, says):
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    streams = [post_json(handler, STREAM, {"message": "Hello?"}).begin() for _ in range(12)]
    async with asyncio.timeout(PATIENCE):
        for stream in streams:
            await stream.got_body.wait()
    if connection.vendor == "postgresql":
        stats = connection.pool.get_stats()
        assert stats["pool_available"] == stats["pool_size"]
    assert len(handler._threads._threads) <= THREADS
    assert (await Call(handler, "GET", "/accounts/login/").done()).status == 200
    go_on.set()
    await all_done(streams)
    assert {Received(stream.body).transcript.text for stream in streams} == {"One. Two. "}


async def test_stream_arrives_while_it_is_written(handler, says):
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    stream = post_json(handler, STREAM, {"message": "Hello?"}).begin()

    async def first_words():
        return b'"One. "' in stream.body

    await until(first_words)
    assert b'"Two. "' not in stream.body
    go_on.set()
    await all_done([stream])
    assert (stream.status, "sessionid=" in stream.headers["set-cookie"]) == (200, True)


async def test_reader_who_leaves_ends_the_request_and_not_the_answer(handler, says):
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    stream = post_json(handler, STREAM, {"message": "Hello?"}).begin()
    await asyncio.wait_for(stream.got_body.wait(), PATIENCE)
    stream.leave()
    await all_done([stream])
    go_on.set()

    async def is_saved():
        return await count(Message, content="One. Two. ", status="complete") == 1

    await until(is_saved)


async def test_reader_who_leaves_while_the_turn_opens_leaves_no_question_unanswered(handler, says):
    call = post_json(handler, STREAM, {"message": "Hello?"}).begin()
    await asyncio.sleep(0)
    call.leave()
    await all_done([call])

    async def nothing_or_all():
        asked, told = await count(Message), await count(Message, content=LULLABY_TEXT, status="complete")
        return (asked, told) in [(0, 0), (2, 1)]

    await until(nothing_or_all)


# --- Waiting ------------------------------------------------------------------------------------------------


async def test_request_beyond_the_queue_is_503(handler, says, settings):
    settings.REQUEST_QUEUE = 2
    go_on = asyncio.Event()
    says("One. ", go_on, STOP)
    waiting = [post_json(handler, WHOLE, {"message": "Hello?"}).begin() for _ in range(2)]

    async def both_wait():
        return handler._waiting == 2

    await until(both_wait)
    refused = await post_json(handler, WHOLE, {"message": "Too late?"}).done()
    assert (refused.status, refused.headers["retry-after"]) == (503, "2")
    assert refused.headers["content-type"] == "application/problem+json"
    assert (refused.json()["code"], await count(Message, content="Too late?")) == ("overloaded", 0)
    go_on.set()
    await all_done(waiting)
    assert [call.status for call in waiting] == [200, 200]
    assert (await post_json(handler, WHOLE, {"message": "Now?"}).done()).status == 200


async def test_open_streams_are_not_waiting(handler, says, settings):
    settings.REQUEST_QUEUE = 1
    go_on = asyncio.Event()
    says("One. ", go_on, STOP)
    streams = []
    for _ in range(3):
        streams.append(post_json(handler, STREAM, {"message": "Hello?"}).begin())
        await asyncio.wait_for(streams[-1].started.wait(), PATIENCE)
    go_on.set()
    await all_done(streams)
    assert [stream.status for stream in streams] == [200] * 3


# --- Bodies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [STREAM, "/send"])
async def test_body_that_says_it_is_too_long_is_413(path, handler, says, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 500
    call = await post_json(handler, path, {"message": "x" * 600}).done()
    assert (call.status, call.json()["code"], await count(Message)) == (413, "message_too_large", 0)


@pytest.mark.parametrize("path", [STREAM, "/send"])
async def test_chunked_body_that_becomes_too_long_is_413(path, handler, says, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 500
    chunks = [b'{"message": "', *[b"x" * 100] * 6, b'"}']
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    call = await Call(handler, "POST", path, headers=headers, chunks=chunks, length=False).done()
    assert (call.status, call.json()["code"], await count(Message)) == (413, "message_too_large", 0)


async def test_chunked_body_within_the_limit_is_taken(handler, says):
    chunks = [b'{"mess', b'age": "Hello?', b'"}']
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    call = await Call(handler, "POST", STREAM, headers=headers, chunks=chunks, length=False).done()
    assert Received(call.body).transcript.text == LULLABY_TEXT


async def test_chunked_body_of_another_kind_is_415(handler, says):
    headers = {"Content-Type": "text/plain", "Transfer-Encoding": "chunked"}
    chunks = [b'{"message": ', b'"Hello?"}']
    call = await Call(handler, "POST", STREAM, headers=headers, chunks=chunks, length=False).done()
    assert (call.status, await count(Message)) == (415, 0)


# --- Middleware ---------------------------------------------------------------------------------------------


async def test_stock_middleware_sets_the_same_headers(handler, alice, settings):
    names = list(settings.MIDDLEWARE)
    for path in ("/", "/accounts/login/", "/api/v1/models", "/admin/", "/nothing"):
        ours, stock = await Call(handler, "GET", path).done(), await AsyncClient().get(path)
        expected = {name.lower(): value for name, value in stock.items()}
        found = {name: value for name, value in ours.headers.items() if name != "set-cookie"}
        for changing in ("content-length", "set-cookie", "expires"):
            expected.pop(changing, None), found.pop(changing, None)
        assert (ours.status, found) == (stock.status_code, expected), path
    assert names == settings.MIDDLEWARE


async def test_session_of_a_guest_lasts_from_request_to_request(handler, says):
    first = await post_json(handler, WHOLE, {"message": "One?"}).done()
    cookie = first.headers["set-cookie"].split(";")[0]
    listed = await Call(handler, "GET", "/api/v1/conversations", headers={"Cookie": cookie}).done()
    assert [item["title"] for item in listed.json()["items"]] == ["One?"]
    assert await in_thread(Message.objects.count) == 2
