"""A wrong value names itself; a right one is read as it is meant."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.env import Environment


def test_unset_and_empty_take_the_default():
    env = Environment({"EMPTY": "  "})
    assert (env.text("EMPTY", "x"), env.flag("NO", True), env.whole("NO", 3)) == ("x", True, 3)


@pytest.mark.parametrize("raw, value", [("on", True), ("TRUE", True), ("0", False), ("off", False)])
def test_flag_reads_both_words(raw, value):
    assert Environment({"F": raw}).flag("F", default=not value) is value


@pytest.mark.parametrize(
    "read, raw",
    [
        (lambda e: e.flag("THING"), "perhaps"),
        (lambda e: e.whole("THING", 1), "1.5"),
        (lambda e: e.whole("THING", 1, least=2), "1"),
        (lambda e: e.seconds("THING", 1), "soon"),
        (lambda e: e.seconds("THING", 1), "0"),
        (lambda e: e.seconds("THING", 1), "nan"),
        (lambda e: e.address("THING"), "example.org"),
        (lambda e: e.rate("THING", "1/m"), "20"),
        (lambda e: e.rate("THING", "1/m"), "0/m"),
        (lambda e: e.rate("THING", "1/m"), "20/xm"),
    ],
)
def test_wrong_value_names_the_variable(read, raw):
    with pytest.raises(ImproperlyConfigured, match=r"^THING must be"):
        read(Environment({"THING": raw}))


def test_address_never_repeats_a_password_in_its_error():
    with pytest.raises(ImproperlyConfigured) as caught:
        Environment({"REDIS_URL": "http://user:hunter2@host"}).address("REDIS_URL", schemes=("redis",))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("raw, value", [("20/m", "20/m"), ("100/5m", "100/5m"), ("off", None), ("OFF", None)])
def test_rate_is_a_rate_or_off(raw, value):
    assert Environment({"R": raw}).rate("R", "1/s") == value


def test_names_are_split_and_trimmed():
    assert Environment({"HOSTS": "a.org, b.org ,"}).names("HOSTS") == ["a.org", "b.org"]


def test_every_variable_read_is_remembered():
    env = Environment({})
    env.text("A", "x")
    env.rate("B", "1/m")
    assert sorted(env.declared) == ["A", "B"]
