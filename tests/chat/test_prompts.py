"""The words that the model is told: in eight languages, in versions, with the clinic's own in force at
once.
"""

import re

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from chat.models import Generation, Prompt, User
from chat.prompts import LANGUAGES, prompt_language, system_prompt, words
from chat.prompts import active as active_prompts
from chat.prompts.active import add_version, in_force, use_version
from chat.work import in_thread
from safety.check import perform_comprehensive_safety_check
from safety.output import guarded
from tests.chat.scripted import INJECTION, QUESTION, STOP, answer, saved
from tests.conftest import client_of

pytestmark = pytest.mark.django_db
PLAIN = perform_comprehensive_safety_check(QUESTION)
OWN = "Be kind and brief.\n"


@pytest.fixture(autouse=True)
def nothing_remembered():
    active_prompts.forget()
    yield
    active_prompts.forget()


@pytest.fixture
def emma(db):
    """Who may change prompts."""
    user = User.objects.create_user("emma", "emma@example.org", "a-long-password", is_staff=True)
    user.groups.add(Group.objects.get(name="prompt editors"))
    return user


def page(language="de"):
    return reverse("admin:chat_prompt_language", args=[language])


# --- The shipped ones ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_shipped_prompt_has_every_rule(language):
    """Told by what every language has: the organisations, the numbers of the rules, and as many lines."""
    text, english = words(language).system, words("en").system
    assert [name for name in ("NHS", "CDC", "AAP", "ACOG", "Nightlight") if name not in text] == []
    assert [number for number in ("12", "6") if not re.search(rf"\b{number}\b", text)] == []
    assert text.count("\n- ") == english.count("\n- ")


@pytest.mark.parametrize("language", LANGUAGES)
def test_shipped_words_hold_their_places(language):
    own = words(language)
    places = [own.escalated, own.still_open, own.about, own.earlier, own.mark]
    assert [re.findall(r"\{\w+\}", text) for text in places] == [
        ["{category}"],
        ["{category}"],
        ["{lines}"],
        ["{summary}"],
        ["{canary}"],
    ]


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("de-AT", "de"), ("pt_BR", "pt"), ("zh-Hant", "zh"), ("zh-hans", "zh"), ("AR", "ar"), ("", "en"),
        ("ja", "en"),
    ],
)  # fmt: skip
def test_tag_finds_its_language(tag, language):
    assert prompt_language(tag) == language


def test_additions_are_in_the_language_of_the_question():
    verdict = perform_comprehensive_safety_check(INJECTION)
    assert words("fr").guarded in system_prompt(verdict, language="fr").text
    assert words("en").guarded not in system_prompt(verdict, language="fr").text


def test_canary_is_each_versions_own_and_held_back():
    prompts = [system_prompt(PLAIN, language=language) for language in LANGUAGES]
    assert len({prompt.canary for prompt in prompts}) == len(LANGUAGES)
    assert all(prompt.canary in prompt.text for prompt in prompts)
    assert max(len(prompt.version) for prompt in prompts) <= 40
    assert guarded("It is calm.")[1] is None


# --- The clinic's -------------------------------------------------------------------------------------------


def test_own_version_takes_the_place_of_the_shipped_one(emma):
    shipped = system_prompt(PLAIN, language="de")
    add_version("de", OWN, note="shorter", by=emma)
    own = system_prompt(PLAIN, language="de")
    assert own.text.startswith(OWN)
    assert (shipped.version[:11], own.version[:5]) == ("de-shipped-", "de-1-")
    assert own.canary != shipped.canary
    assert system_prompt(PLAIN, language="es").version.startswith("es-shipped-")


def test_one_version_is_in_force_and_none_is_lost(emma):
    for text in ("One.\n", "Two.\n"):
        add_version("de", text, note="", by=emma)
    use_version("de", 1)
    rows = Prompt.objects.filter(language="de").order_by("number").values_list("number", "text", "is_active")
    assert list(rows) == [(1, "One.\n", True), (2, "Two.\n", False)]
    assert in_force("de") == ("One.\n", "1")
    assert use_version("de", 9) is False
    use_version("de", None)
    assert in_force("de") == (words("de").system, "shipped")


def test_look_up_costs_no_query_and_is_soon_out_of_date(emma, django_assert_num_queries, monkeypatch):
    in_force("de")
    with django_assert_num_queries(0):
        in_force("de")
        in_force("ar")
    # As another process makes it: this one does not hear of it.
    Prompt.objects.create(language="de", number=1, text=OWN, is_active=True, created_by=emma)
    assert in_force("de")[1] == "shipped"
    monkeypatch.setattr(active_prompts, "monotonic", lambda: active_prompts._kept.until)
    assert in_force("de") == (OWN, "1")


@pytest.mark.django_db(transaction=True)
async def test_answer_records_its_version(says, alice):
    provider = says("Ja. ", STOP)
    turn = await answer(alice, "Wie oft soll mein Baby in der Nacht trinken und was ist mit Wasser?")
    generation = (await saved(turn)).generation
    assert re.fullmatch(r"de-shipped-[0-9a-f]{12}", generation.prompt_version)
    assert provider.prompts[0][0]["content"].startswith(words("de").system)


# --- The admin ----------------------------------------------------------------------------------------------


def test_editor_saves_a_new_version(emma):
    client = client_of(emma)
    assert words("de").system.splitlines()[0] in client.get(page()).content.decode()
    text = words("de").system.replace("200", "100")
    client.post(page(), {"text": text.replace("\n", "\r\n"), "note": "Shorter answers"})
    made = Prompt.objects.get()
    assert (made.text, made.note, made.created_by, made.is_active) == (text, "Shorter answers", emma, True)
    shown = client.get(page()).content.decode()
    assert re.findall(r'class="(added|removed)"', shown) == ["removed", "added"]


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 8001, words("de").system])
def test_empty_endless_or_unchanged_prompt_is_not_saved(emma, text):
    response = client_of(emma).post(page(), {"text": text})
    assert (response.status_code, Prompt.objects.count()) == (200, 0)
    assert 'class="errorlist"' in response.content.decode()


def test_editor_goes_back_to_an_earlier_version(emma):
    client = client_of(emma)
    add_version("de", "One.\n", note="", by=emma)
    add_version("de", "Two.\n", note="", by=emma)
    use = reverse("admin:chat_prompt_use", args=["de"])
    client.post(use, {"number": "1"})
    assert in_force("de")[1] == "1"
    client.post(use, {"number": "shipped"})
    assert in_force("de")[1] == "shipped"
    assert client.post(use, {"number": "7"}).status_code == 404
    assert client.get(use).status_code == 405


def test_list_shows_what_is_in_force(emma):
    add_version("ar", "أجب بلطف.\n", note="من العيادة", by=emma)
    shown = client_of(emma).get(reverse("admin:chat_prompt_changelist")).content.decode()
    assert (shown.count("As shipped"), shown.count("Version 1"), "من العيادة" in shown) == (7, 1, True)


def test_reviewer_neither_reads_nor_changes_prompts(rita, alice):
    for user in (rita, alice.user):
        client = client_of(user)
        refused = 403 if user.is_staff else 302
        use = reverse("admin:chat_prompt_use", args=["de"])
        answers = [
            client.get(reverse("admin:chat_prompt_changelist")),
            client.get(page()),
            client.post(page(), {"text": OWN}),
            client.post(use, {"number": "shipped"}),
        ]
        assert [answer.status_code for answer in answers] == [refused] * 4
    assert Prompt.objects.count() == 0


# --- What was sent ------------------------------------------------------------------------------------------


def sent_page(turn, user):
    row = Generation.objects.get(stream_uuid=turn.stream)
    page = client_of(user).get(reverse("admin:chat_generation_change", args=[row.pk]))
    return page.status_code, re.findall(
        r'<pre class="prompt-shown"[^>]*>(.*?)</pre>', page.content.decode(), re.S
    )


@pytest.mark.django_db(transaction=True)
async def test_what_was_sent_is_kept_by_number_and_shown_whole(says, alice):
    says("It is <normal>. ", STOP)
    first = await answer(alice, "Is hiccups normal?")
    turn = await answer(alice, "And sneezing?", conversation=first.conversation)
    generation = (await saved(turn)).generation
    said = [
        (part["role"], type(part.get("message", part.get("content"))).__name__) for part in generation.sent
    ]
    assert said == [("system", "str"), ("user", "int"), ("assistant", "int"), ("user", "int")]

    def look():
        root = User.objects.create_superuser("root", "root@example.org", "a-long-password")
        return sent_page(turn, root), sent_page(turn, alice.user)[0]

    (status, shown), others = await in_thread(look)
    assert (status, others) == (200, 302)
    assert [text.split()[0] for text in shown[:1]] == ["You"]
    assert shown[1:] == ["Is hiccups normal?", "It is &lt;normal&gt;. ", "And sneezing?"]


@pytest.mark.django_db(transaction=True)
async def test_card_alone_sends_nothing(says, alice):
    provider = says("Never asked. ", STOP)
    turn = await answer(alice, "I want to kill myself")
    assert ((await saved(turn)).generation.sent, provider.prompts) == ([], [])


def test_what_a_person_told_stands_before_the_mark_and_nowhere_else():
    told = system_prompt(PLAIN, language="en", about=["Leo is {3} months old"])
    plain = system_prompt(PLAIN, language="en")
    *_rules, line, _blank, mark = told.text.splitlines()
    assert (line, mark) == ("- Leo is {3} months old", plain.text.splitlines()[-1])
    assert (told.version, told.canary) == (plain.version, plain.canary)
    assert "Leo" not in plain.text
