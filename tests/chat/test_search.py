"""Search: what it finds, whose it is, what it shows of it, and that it reads an index to do so."""

import pytest
from django.db import connection
from django.utils import timezone

from chat import access, search
from chat.models import Conversation, Message, Role

pytestmark = pytest.mark.django_db

SAID = {
    "Colic": "What helps with colic? She cries at 38.5 every evening.",
    "Crèche": "Is the crèche open on Friday? It's 5 o'clock.",
    "夜间": "宝宝夜间哭闹，怎么办？配方奶可以吗？",
    "الرضاعة": "كم مرة أحتاج إلى الرضاعة في الليل؟",
    "बच्चा": "मेरा बच्चा रात में रोता है। क्या करूँ?",
    "": "[My plan](https://example.org/x) is **swaddling**, see `notes_for_me`.",
}


def make(owner, said=SAID):
    for title, text in said.items():
        row = Conversation.objects.create(owner=owner, title=title, updated_at=timezone.now())
        Message.objects.create(conversation=row, role=Role.USER, author=owner, content=text)


def found(person, query):
    return [row.title for row in search.matching(access.conversations(person), query)]


@pytest.mark.parametrize(
    "query, titles",
    [
        ("colic", ["Colic"]),
        ("COLIC helps", ["Colic"]),
        ("evening coli", ["Colic"]),  # the last word as far as it is typed
        ("coli evening", ["Colic"]),  # not the first, but parts count where the index has nothing
        ("38.5", ["Colic"]),
        ("5 o'clock", ["Crèche"]),
        ("Crèche", ["Crèche"]),
        ("配方奶", ["夜间"]),
        ("夜间 可以", ["夜间"]),
        ("رضاعة", ["الرضاعة"]),
        ("बच्च", ["बच्चा"]),
        ("रोता", ["बच्चा"]),
        ("waddl", [""]),
        ("sw", [""]),
        ("colic friday", []),
        ("nothing of it", []),
        ("%", []),
        ("__", []),
    ],
)
def test_search_finds(query, titles, alice):
    make(alice)
    assert found(alice, query) == titles


@pytest.mark.parametrize(
    "query",
    [
        '"', "'", '"""', "''", "colic AND", "NOT", "OR", "NEAR(", "content:", "colic*", "^colic", "-colic",
        "a:*", "& |", "!colic", "(colic", "colic:*", "\\", "\\'", "<->", "colic \\", "x" * 300, "\u200b",
        "👶", "(' & '):*b", "colic\x00", "- - -", "... colic", "'; DROP TABLE chat_message; --",
    ],
)  # fmt: skip
def test_no_query_is_an_error(query, alice):
    make(alice)
    assert set(found(alice, query)) <= set(SAID)


def test_operators_are_words_like_others(alice):
    make(alice, {"one": "this or that", "two": "this and not that"})
    assert found(alice, "this OR") == ["one"]
    assert found(alice, "this NOT that") == ["two"]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL keeps accents without an extension")
def test_accents_do_not_matter_to_sqlite(alice):
    make(alice)
    assert found(alice, "creche") == ["Crèche"]


def test_search_is_in_one_s_own_and_not_in_what_was_deleted(alice, bob):
    make(alice)
    make(bob, {"Bob's colic": "colic", "More": "Also about colic"})
    assert found(alice, "colic") == ["Colic"]
    Conversation.objects.filter(owner=alice).update(deleted_at=timezone.now())
    assert (found(alice, "colic"), found(bob, "colic")) == ([], ["More", "Bob's colic"])
    assert found(None, "colic") == []


def test_index_follows_what_is_changed_and_removed(alice):
    make(alice, {"Sleep": "first words"})
    row = Conversation.objects.get()
    row.title = "Feeding"
    row.save()
    Message.objects.update(content="second thoughts")
    assert [found(alice, words) for words in ("sleep", "first", "feeding", "second")] == [
        [],
        [],
        ["Feeding"],
        ["Feeding"],
    ]
    row.delete()
    make(alice, {"Other": "third idea"})
    assert (found(alice, "second"), found(alice, "third")) == ([], ["Other"])


def test_latest_message_with_the_words_is_the_hit(alice):
    make(alice, {"Sleep": "naps in the morning"})
    row = Conversation.objects.get()
    say = {"conversation": row, "role": Role.USER, "author": alice}
    later = Message.objects.create(content="More about **naps** & <b>bold</b>", is_shown=False, **say)
    Message.objects.create(content="Something else", **say)
    (hit,) = search.hits(list(search.matching(access.conversations(alice), "naps")), "naps")
    assert (hit.message, hit.is_shown) == (later.uuid, False)
    assert [(part.text, part.is_hit) for part in hit.snippet] == [
        ("More about ", False),
        ("naps", True),
        (" & <b>bold</b>", False),
    ]


def test_title_alone_is_a_hit_without_a_message(alice):
    make(alice, {"All about sleep": "something"})
    (hit,) = search.hits(list(search.matching(access.conversations(alice), "sleep")), "sleep")
    assert (hit.message, hit.snippet) == (None, [])
    assert [part.text for part in hit.title if part.is_hit] == ["sleep"]


@pytest.mark.parametrize(
    "text, query, pieces",
    [
        ("Le bébé dort", "bebe", ["Le ", "*bébé", " dort"]),
        ("Catnap, nap, naps", "nap", ["Catnap, ", "*nap", ", ", "*nap", "s"]),
        ("宝宝夜间哭闹", "夜间", ["宝宝", "*夜间", "哭闹"]),
        ("İstanbul ﬁne", "fine", ["İstanbul ", "*ﬁne"]),
        ("heard", "ear", ["h", "*ear", "d"]),
        ("nothing", "%", ["nothing"]),
        ("", "x", []),
    ],
)
def test_words_are_marked(text, query, pieces):
    told = search.marked(text, search.words_of(query))
    assert [("*" if part.is_hit else "") + part.text for part in told] == pieces


def test_snippet_is_a_stretch_around_the_words_and_whole_where_it_is_short():
    text = "word " * 100 + "colic " + "after " * 100
    stretch = search.snippet(text, ["colic"])
    assert (stretch[:7], stretch[-7:], stretch.count("colic"), len(stretch) < 180) == (
        "… word ",
        "after …",
        1,
        True,
    )
    assert search.snippet(SAID[""], ["plan"]) == "My plan is swaddling, see notes_for_me."


def plan_of(query):
    """How the database reads what is found by the index."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE chat_message")
            cursor.execute("ANALYZE chat_conversation")
    return query.explain()


def test_search_reads_the_index(alice, bob):
    make(alice)
    row = Conversation.objects.filter(owner=alice).first()
    more = (f"number{n} " + "lots of other words " * 10 for n in range(3000))
    Message.objects.bulk_create(
        Message(conversation=row, role=Role.USER, author=alice, content=text) for text in more
    )
    rows = search.matching(access.conversations(alice), "number2900")
    assert [row.uuid for row in rows] == [row.uuid]
    plan = plan_of(rows)
    used = (
        "chat_message_words"
        if connection.vendor == "postgresql"
        else "SCAN chat_message_words VIRTUAL TABLE INDEX"
    )
    assert plan.count(used) >= 1, plan


def test_index_of_sqlite_has_its_triggers():
    """Lost where a migration makes a table anew: see 0011_search."""
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
        names = [name for (name,) in cursor.fetchall()]
    assert names == [
        f"chat_{table}_words_{when}"
        for table in ("conversation", "message")
        for when in ("added", "changed", "removed")
    ]
