"""The admin shows what a clinic reviews: rules, cards and numbers, each with its source."""

import pytest
from django.test import Client

from safety.cards.data import countries
from safety.rules.loader import load_rules

pytestmark = pytest.mark.django_db

PAGE = "/admin/chat/safetyevent/rules/"


@pytest.fixture
def root(django_user_model):
    user = django_user_model.objects.create_superuser("root", "root@clinic.example", "x")
    client = Client()
    client.force_login(user)
    return client


def test_page_says_that_no_clinician_reviewed_and_where_own_files_go(root):
    page = root.get(PAGE).content.decode()
    assert "No clinician has reviewed" in page
    assert "SAFETY_DIR" in page
    assert load_rules().version in page


@pytest.mark.parametrize("language", ["en", "ar"])
def test_page_shows_every_rule_of_a_language_with_its_source(root, language):
    page = root.get(PAGE, {"language": language}).content.decode()
    data = load_rules()
    for rule in (*data.rules, *data.output_rules):
        assert (f">{rule.id}<" in page) is (rule.language == language)
    sources = {rule.source for rule in data.rules if rule.language == language and rule.source}
    assert all(f'href="{source}"'.replace("&", "&amp;") in page for source in sources)


def test_page_shows_every_number(root):
    page = root.get(PAGE).content.decode()
    for country in countries().values():
        assert all(number.spoken in page for number in country.number)


def test_unknown_language_shows_the_first(root):
    assert root.get(PAGE, {"language": "<x>"}).status_code == 200


def test_list_of_events_leads_to_the_page(root):
    assert PAGE in root.get("/admin/chat/safetyevent/").content.decode()


def test_only_those_who_may_see_safety_events_see_it(root, django_user_model):
    staff = django_user_model.objects.create_user("staff", "staff@clinic.example", "x", is_staff=True)
    client = Client()
    client.force_login(staff)
    assert client.get(PAGE).status_code == 403
    assert Client().get(PAGE).status_code == 302
