"""Who a session belongs to, asked in two statements."""

import pytest

from chat.accounts import ByAddress, ByName
from chat.models import Person, User

pytestmark = pytest.mark.django_db
BACKENDS = pytest.mark.parametrize("backend", [ByName(), ByAddress()])


@pytest.fixture
def user():
    return User.objects.create_user("ann", "ann@example.org", "a good secret")


@BACKENDS
def test_the_account_comes_with_its_person(backend, user, django_assert_num_queries):
    person = Person.objects.of_user(user)
    with django_assert_num_queries(2):
        found = backend.get_user(user.pk)
        assert Person.objects.of_user(found) == person
        assert found.person.user is found
    assert (found.username, found.email, found.password) == (user.username, user.email, user.password)


@BACKENDS
def test_an_account_without_a_person_gets_one_at_its_first_visit(backend, user):
    person = Person.objects.of_user(backend.get_user(user.pk))
    assert Person.objects.get() == person


@BACKENDS
def test_nobody_is_found_where_an_account_is_gone_or_closed(backend, user):
    assert backend.get_user(user.pk + 1) is None
    User.objects.update(is_active=False)
    assert backend.get_user(user.pk) is None


def test_both_ways_to_log_in_work(client, user):
    assert client.login(username="ann", password="a good secret")
    client.logout()
    assert client.login(email="ann@example.org", password="a good secret")
    assert not client.login(email="ann@example.org", password="another")
