import io
import json
from types import SimpleNamespace

from django.core.management import call_command


def answers(monkeypatch, *lines):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO("\n".join(lines).encode())))
    out = io.StringIO()
    call_command("safety_check", stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_safety_check_answers_each_line(monkeypatch):
    line = {"id": "a", "text": "fever of 38.5", "profile": {"child_ages_days": [20]}}
    assert answers(monkeypatch, json.dumps(line)) == [
        {
            "id": "a",
            "action": "escalate_card",
            "severity": "emergency",
            "categories": ["infant_emergency"],
            "rules": ["en.infant.newborn_fever"],
            "card": "newborn_fever",
        }
    ]


def test_safety_check_shows_what_the_guard_released(monkeypatch):
    line = {"id": 1, "text": "Hello. Give your baby honey.", "direction": "output"}
    answer = answers(monkeypatch, json.dumps(line))[0]
    assert (answer["released"], answer["rules"], answer["card"]) == (
        "Hello. ",
        ["en.out.honey"],
        "correct_honey",
    )


def test_safety_check_goes_on_after_a_bad_line(monkeypatch):
    found = answers(monkeypatch, "{bad", '{"id": 1}', "", '{"id": 2, "text": "hello"}')
    assert [a.get("line", a.get("id")) for a in found] == [1, 2, 2]
    assert found[2] == {"id": 2, "action": "allow", "severity": "info", "categories": [], "rules": []}


def test_safety_test_explains_a_verdict():
    out = io.StringIO()
    call_command("safety_test", "No rash, but my baby is not breathing", "--country=US", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("card_only, emergency, score 0.95, rules 2026-11-23+")
    assert (
        lines[2] == "- en.infant.not_breathing: emergency, 0.95, at (24, 37), in “my baby is not breathing”"
    )
    assert lines[-1] == "[Call 911] tel:911"
