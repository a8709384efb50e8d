"""One answer, many doors: they all say the same, and only to whom it belongs."""

import asyncio
import html
import re

import pytest
from django.test import AsyncClient
from django.urls import URLPattern, get_resolver

from chat.markdown import render
from chat.models import Conversation, Feedback, Message, Suggestion
from chat.work import in_thread
from streaming.events import ErrorCode
from streaming.providers.base import ProviderError
from streaming.sse import DataSplitter
from tests.chat.scripted import (
    CRISIS,
    FEVER,
    HONEY,
    STOP,
    answer,
    ask,
    begin,
    logged,
    received,
    saved,
    send,
)

pytestmark = pytest.mark.django_db(transaction=True)

HTMX = {"HX-Request": "true"}
MARKDOWN = ("Three **steps**:\n\n1. Hold her.\n", "2. Hum <b>softly</b>.\n\n", "That is *all*.", STOP)
ANSWERS = {
    "text": ("Hello?", ("One. ", "Two. ", STOP)),
    "markdown": ("Hello?", MARKDOWN),
    "card and text": (FEVER, ("Call now. ", STOP)),
    "card only": (CRISIS, ()),
    "withheld": ("Honey?", HONEY),
    "failed": ("Hello?", ("Good evening ", ProviderError(ErrorCode.PROVIDER_UNAVAILABLE, ""))),
}
OF_EACH = pytest.mark.parametrize("name", ANSWERS)


# --- The same words by every door ---------------------------------------------------------------------------


@OF_EACH
async def test_api_doors_fold_to_the_saved_message(name, says, alice_client):
    question, script = ANSWERS[name]
    says(*script)
    told = (await ask(alice_client, question)).transcript
    row = await in_thread(lambda: Message.objects.select_related("generation").get(role="assistant"))
    followed = await received(await alice_client.get(f"/api/v1/ai/streams/{row.generation.stream_uuid}"))
    waited = (await send(alice_client, question, path="/api/v1/ai/chat")).json()
    listed = (await alice_client.get(f"/api/v1/conversations/{told.opening.conversation_id}/messages")).json()
    assert {row.content, told.text, followed.transcript.text, waited["content"]} == {told.text}
    assert listed["items"][1]["content"] == told.text
    assert listed["items"][1]["notices"] == row.notices == waited["notices"]
    assert [notice.content for notice in told.notices] == [card["content"] for card in row.notices]


PARTIAL = re.compile(r'<hx-partial hx-target="#([^"]+)" hx-swap="(\w+)">(.*?)</hx-partial>', re.DOTALL)


class Page:
    """What the patches of a stream make of an answer."""

    def __init__(self, answer):
        self.answer = str(answer)
        self.finished = self.live = self.cards = self.last = ""

    def patch(self, frame):
        for target, swap, content in PARTIAL.findall(frame):
            part = target.removesuffix(f"-{self.answer}")
            if part == "body":
                self.finished, self.live = self._parts(content)
            elif part == "blocks":
                assert swap == "beforeend"
                self.finished += content
            elif part == "live":
                self.live = content
            elif part == "notices":
                self.cards = content
            else:
                assert (part, swap) == ("m", "outerHTML")
                self.last = content

    def _parts(self, content):
        opening = f'<div id="blocks-{self.answer}">', f'</div><div id="live-{self.answer}" class="live">'
        assert content.startswith(opening[0]) and content.endswith("</div>")
        finished, live = content[len(opening[0]) : -len("</div>")].split(opening[1])
        return finished, live

    def body(self):
        return body_of(self.last, self.answer)


def body_of(page, answer):
    prose = rf'<div id="body-{answer}" class="prose" dir="auto">(.*?)</div>\s*<div id="foot-'
    found = re.search(prose, page, re.DOTALL)
    assert found is not None
    return found.group(1)


def words(markup):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


async def latest_answer():
    return await in_thread(lambda: Message.objects.select_related("generation").get(role="assistant"))


@OF_EACH
async def test_page_shows_the_saved_message_live_and_afterwards(name, says, alice_client):
    question, script = ANSWERS[name]
    says(*script)
    response = await alice_client.post("/send", {"message": question}, headers=HTMX)
    row = await latest_answer()
    assert response.content.decode().count(f'<article id="m-{row.uuid}"') == 1
    stream = await received(await alice_client.get(f"/streams/{row.generation.stream_uuid}"))
    row = await latest_answer()
    page = Page(row.uuid)
    for data in DataSplitter().feed(stream.raw):
        page.patch(data.decode())
    assert words(page.finished + page.live) == words(render(row.content))
    assert page.body() == render(row.content)
    again = (await alice_client.get(response["HX-Push-Url"])).content.decode()
    assert body_of(again, row.uuid) == render(row.content)
    for card in row.notices:
        for shown in (page.cards, page.last, again):
            assert words(render(card["content"])) in words(shown)
            assert all(f'href="{action["href"]}"' in shown for action in card["actions"])


@OF_EACH
async def test_page_that_asks_from_time_to_time_is_shown_the_saved_message(name, says, alice_client):
    question, script = ANSWERS[name]
    says(*script)
    await alice_client.post("/send", {"message": question}, headers=HTMX)
    row = await latest_answer()
    page, after = Page(row.uuid), 0
    while not page.last:
        reply = await alice_client.get(f"/streams/{row.generation.stream_uuid}/poll?wait=5&after={after}")
        html = (await received(reply)).raw.decode()
        page.patch(html)
        if number := re.match(r"<!-- (\d+) -->", html):
            assert int(number[1]) > after
            after = int(number[1])
    assert page.body() == render((await latest_answer()).content)


async def test_poll_grows_with_the_answer_and_is_empty_where_nothing_came(says, alice, alice_client):
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    turn = await begin(alice)
    await logged(turn.stream, 2)

    async def poll(after):
        reply = await alice_client.get(f"/streams/{turn.stream}/poll?wait=0&after={after}")
        return (await received(reply)).raw.decode().strip()

    first = await poll(0)
    page = Page(turn.answer)
    page.patch(first)
    assert (first.startswith("<!-- 2 -->"), words(page.live)) == (True, "One.")
    assert await poll(2) == ""
    go_on.set()
    await received(await alice_client.get(f"/streams/{turn.stream}"))
    page.patch(await poll(2))
    assert words(page.body()) == "One. Two."


@pytest.mark.parametrize("query", ["?after=x&wait=-1", "?after=99&wait=0", "?wait=999999999999", ""])
async def test_poll_takes_any_number(query, says, alice, alice_client):
    turn = await answer(alice)
    page = Page(turn.answer)
    page.patch((await received(await alice_client.get(f"/streams/{turn.stream}/poll{query}"))).raw.decode())
    assert page.body() == render((await saved(turn)).content)


async def test_withheld_text_is_in_no_frame_of_the_page(says, alice_client):
    says(*HONEY)
    bubbles = (await alice_client.post("/send", {"message": "Some?"}, headers=HTMX)).content
    stream = await received(
        await alice_client.get(f"/streams/{(await latest_answer()).generation.stream_uuid}")
    )
    shown = bubbles + stream.raw
    assert (b"honey from six months" in shown, b"Never shown" in shown) == (False, False)


async def test_emergency_card_stands_in_the_reply_to_the_form(says, alice_client):
    says(asyncio.Event())
    html = (await alice_client.post("/send", {"message": FEVER}, headers=HTMX)).content.decode()
    assert html.count('class="card"') == 1


async def test_form_without_javascript_leads_to_the_page_with_the_answer(says, alice_client):
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    response = await alice_client.post("/send", {"message": "Hello?"})
    row = await in_thread(lambda: Message.objects.select_related("conversation").get(role="assistant"))
    assert (response.status_code, response["Location"]) == (302, f"/c/{row.conversation.uuid}/#m-{row.uuid}")
    meanwhile = (await alice_client.get(f"/c/{row.conversation.uuid}/")).content.decode()
    assert meanwhile.count('<meta http-equiv="refresh" content="2') == 1
    go_on.set()
    stream = (await in_thread(lambda: Message.objects.get(pk=row.pk).generation)).stream_uuid
    await received(await alice_client.get(f"/streams/{stream}"))
    afterwards = (await alice_client.get(f"/c/{row.conversation.uuid}/")).content.decode()
    assert words(body_of(afterwards, row.uuid)) == "One. Two."
    assert afterwards.count('<meta http-equiv="refresh"') == 0


async def test_page_s_stream_ends_with_the_saved_answer_and_done(says, alice, alice_client):
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    turn = await begin(alice)
    await logged(turn.stream, 2)
    response = await alice_client.get(f"/streams/{turn.stream}")
    go_on.set()
    stream = await received(response)
    page = Page(turn.answer)
    for data in DataSplitter().feed(stream.raw):
        page.patch(data.decode())
    assert words(page.body()) == "One. Two."
    assert stream.raw.endswith(b"event: done\ndata: \n\n")


async def test_page_s_stream_of_a_deleted_conversation_just_ends(says, alice, alice_client):
    says("One. ", asyncio.Event())
    turn = await begin(alice)
    await logged(turn.stream, 2)
    reading = asyncio.create_task(received(await alice_client.get(f"/streams/{turn.stream}")))
    await asyncio.sleep(0.02)
    await alice_client.post(f"/c/{turn.conversation}/delete")
    assert (await reading).raw.endswith(b"event: done\ndata: \n\n")


async def test_form_that_is_sent_twice_is_answered_once(says, alice_client):
    form = {"message": "Hello?", "client_message_id": "m1"}
    first = await alice_client.post("/send", form, headers=HTMX)
    again = await alice_client.post("/send", form, headers=HTMX)
    row = await latest_answer()
    articles = [re.findall(r'<article id="m-([^"]+)"', reply.content.decode()) for reply in (first, again)]
    assert articles[0] == articles[1]
    assert (len(articles[0]), articles[0][1]) == (2, str(row.uuid))


@pytest.mark.parametrize("client_id", ["x" * 500, "a\x00b", "\x00", ""])
async def test_strange_client_id_of_a_form_is_no_error(client_id, says, alice_client):
    response = await alice_client.post("/send", {"message": "Hello?", "client_message_id": client_id})
    assert response.status_code == 302


@pytest.mark.parametrize("conversation", ["not-a-uuid", "00000000-0000-4000-8000-000000000000"])
async def test_form_for_an_unknown_conversation_keeps_the_draft(conversation, says, alice_client):
    form = {"message": "My draft", "conversation": conversation}
    response = await alice_client.post("/send", form)
    assert (response.status_code, response.context["draft"]) == (404, "My draft")


async def test_rating_by_the_page_is_kept_changed_and_cleared(says, alice, alice_client):
    turn = await answer(alice)
    path = f"/messages/{turn.answer}/feedback"

    async def rate(**form):
        response = await alice_client.post(path, form)
        assert response.status_code == 302
        return await in_thread(lambda: list(Feedback.objects.values_list("rating", "comment")))

    assert await rate(rating="up") == [("up", "")]
    assert await rate(rating="down", comment=" Too\x00 long ") == [("down", "Too long")]
    assert await rate(rating="clear") == []


async def test_unknown_rating_by_the_page_is_refused(says, alice, alice_client):
    turn = await answer(alice)
    response = await alice_client.post(f"/messages/{turn.answer}/feedback", {"rating": "five"})
    assert (response.status_code, await in_thread(Feedback.objects.count)) == (422, 0)


async def test_stop_by_the_page_leads_back_to_it(says, alice, alice_client):
    says("One. ", asyncio.Event())
    turn = await begin(alice)
    await logged(turn.stream, 2)
    response = await alice_client.post(f"/streams/{turn.stream}/stop")
    assert (response.status_code, response["Location"]) == (
        302,
        f"/c/{turn.conversation}/#m-{turn.answer}",
    )
    assert (await saved(turn)).status == "stopped"


async def test_pause_by_the_page_is_kept_and_taken_back(says, alice, alice_client):
    go_on = asyncio.Event()
    says("One. ", go_on, "Two. ", STOP)
    turn = await begin(alice)
    await logged(turn.stream, 2)
    address = f"/c/{turn.conversation}/#m-{turn.answer}"
    response = await alice_client.post(f"/streams/{turn.stream}/pause", {"after": "2"})
    assert (response.status_code, response["Location"]) == (302, address)
    go_on.set()
    await received(await alice_client.get(f"/api/v1/ai/streams/{turn.stream}"))
    page = (await alice_client.get(f"/c/{turn.conversation}/")).content.decode()
    assert (page.count("data-paused"), "One." in page, "Two." in page) == (1, True, False)
    response = await alice_client.post(f"/streams/{turn.stream}/resume")
    assert (response.status_code, response["Location"]) == (302, address)
    page = (await alice_client.get(f"/c/{turn.conversation}/")).content.decode()
    assert (page.count("data-paused"), words(body_of(page, turn.answer))) == (0, "One. Two.")


async def test_pause_never_keeps_a_card_back(says, alice, alice_client):
    says(*HONEY)
    turn = await begin(alice)
    await alice_client.post(f"/streams/{turn.stream}/pause", {"after": "1"})
    await received(await alice_client.get(f"/api/v1/ai/streams/{turn.stream}"))
    page = (await alice_client.get(f"/c/{turn.conversation}/")).content.decode()
    assert (page.count("data-paused"), page.count('class="card"')) == (0, 1)


async def test_forms_need_the_csrf_token(says, alice):
    turn = await answer(alice)
    strict = AsyncClient(enforce_csrf_checks=True)
    await in_thread(lambda: strict.force_login(alice.user))
    for path in ("/send", f"/c/{turn.conversation}/delete", f"/messages/{turn.answer}/feedback"):
        response = await strict.post(path, {"message": "Forged", "rating": "up"})
        assert response.status_code == 403
    counts = [await in_thread(model.objects.count) for model in (Message, Conversation, Feedback)]
    assert counts == [2, 1, 0]


async def test_api_needs_no_csrf_token(says, alice):
    strict = AsyncClient(enforce_csrf_checks=True)
    await in_thread(lambda: strict.force_login(alice.user))
    assert (await ask(strict)).types[-1] == "done"


# --- No door for anybody else -------------------------------------------------------------------------------

SECRETS = (
    "Alice's secret question",
    "Alice's secret answer",
    "Alice's secret title",
    "Alice's opinion",
    "Alice's secret child",
)


def routes(patterns=None, prefix=""):
    """Every route of the site that takes a uuid, from the URL configuration itself."""
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            if "<uuid" in route:
                yield route
        else:
            yield from routes(entry.url_patterns, route)


def body_for(path):
    if path.endswith("/feedback"):
        return {"rating": "up"}
    if path.endswith("/pause"):
        return {"after": 1}
    return {"title": "Mine"} if "/api/v1/conversations/" in path else {}


@pytest.mark.parametrize("who", ["bob", "guest", "a guest of some time"])
async def test_no_route_tells_anything_of_another_person(who, says, alice, bob_client, guest_client):
    says("Alice's secret answer. ", STOP)
    turn = await answer(alice, "Alice's secret question?")

    def make():
        Conversation.objects.update(title="Alice's secret title")
        told = Message.objects.get(uuid=turn.answer)
        Feedback.objects.create(message=told, person=alice, rating="up", comment="Alice's opinion")
        return Suggestion.objects.create(message=told.question, fact="name", value="Alice's secret child")

    suggestion = await in_thread(make)
    client = bob_client if who == "bob" else guest_client
    if who == "a guest of some time":
        await ask(client, "Something else?")
    ids = {
        "conversation": turn.conversation,
        "stream": turn.stream,
        "message": turn.answer,
        "suggestion": suggestion.uuid,
    }
    found = sorted(set(routes()))
    assert len(found) >= 12
    for route in found:
        path = "/" + re.sub(r"<uuid(?:str)?:(\w+?)_(?:id|uuid)>", lambda m: str(ids[m.group(1)]), route)
        statuses = set()
        for method in ("get", "post", "put", "patch", "delete"):
            more = {"data": body_for(path)} if method != "get" else {}
            kind = {} if method in ("get",) or "/api/" not in path else {"content_type": "application/json"}
            if method in ("put", "patch") and not kind:
                kind = {"content_type": "application/json"}
            response = await getattr(client, method)(path, **more, **kind)
            assert response.streaming is False, (method, path)
            shown = response.content.decode()
            assert [secret for secret in SECRETS if secret in html.unescape(shown)] == [], (method, path)
            statuses.add(response.status_code)
        assert 404 in statuses and statuses <= {404, 405}, (path, statuses)
    assert await in_thread(lambda: Conversation.objects.get(owner=alice).title) == "Alice's secret title"
    assert await in_thread(lambda: Feedback.objects.get().comment) == "Alice's opinion"


async def test_lists_and_pages_tell_nothing_of_another_person(says, alice, bob_client, guest_client):
    says("Alice's secret answer. ", STOP)
    await answer(alice, "Alice's secret question?")
    for client in (bob_client, guest_client):
        for path in ("/", "/api/v1/conversations", "/api/v1/conversations?q=secret", "/readyz", "/healthz"):
            response = await client.get(path)
            assert response.status_code == 200
            assert "secret" not in response.content.decode(), path
