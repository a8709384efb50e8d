"""What a request tells of the person: checked, judged by, and kept for a second try."""

import pytest

from chat.turns import reopen_turn
from chat.work import unit_of_work
from safety.verdict import Profile
from streaming.events import ErrorCode
from streaming.providers.base import ProviderError
from tests.chat.scripted import answer, ask, generation_of, send

pytestmark = pytest.mark.django_db(transaction=True)

FEVER = "She has a fever of 38.5"


async def test_fever_at_five_weeks_is_an_emergency_and_at_five_years_is_not(says, alice_client):
    young = await ask(alice_client, FEVER, profile={"childAgesDays": [35]})
    older = await ask(alice_client, FEVER, profile={"childAgesDays": [1900]})
    severities = [[e["severity"] for e in s.events if e["type"] == "notice"] for s in (young, older)]
    assert severities[0][0] == "emergency"
    assert "emergency" not in severities[1]


async def test_profile_is_kept_and_judged_by_again(says, alice, alice_client):
    told = {"pregnant": True, "pregnancyWeek": 30, "postpartumDays": None, "childAgesDays": [700]}
    says(ProviderError(ErrorCode.PROVIDER_UNAVAILABLE, "down"))
    stream = await ask(alice_client, "Hello?", profile=told)
    kept = await generation_of(stream.opening["streamId"])
    assert kept.profile == {"pregnant": True, "pregnancy_week": 30, "child_ages_days": [700]}
    again = await unit_of_work(reopen_turn, alice, kept.message.uuid)
    assert (await generation_of(again.stream)).profile == kept.profile


async def test_nothing_told_is_nothing_kept(says, alice):
    for profile in (None, Profile()):
        turn = await answer(alice, "Hello?", profile=profile)
        assert (await generation_of(turn.stream)).profile == {}


@pytest.mark.parametrize(
    ("profile", "loc", "words"),
    [
        ({"pregnancyWeek": 60}, ["body", "profile", "pregnancyWeek"], "less than or equal to 45"),
        ({"pregnant": "yes"}, ["body", "profile", "pregnant"], "valid boolean"),
        ({"postpartumDays": -1}, ["body", "profile", "postpartumDays"], "greater than or equal to 0"),
        ({"childAgesDays": ["3 weeks"]}, ["body", "profile", "childAgesDays", 0], "valid integer"),
        ({"childAgesDays": 3}, ["body", "profile", "childAgesDays"], "valid list"),
        ({"babyAge": 3}, ["body", "profile", "babyAge"], "Extra inputs are not permitted"),
        (
            {"pregnant": False, "pregnancyWeek": 9},
            ["body", "profile"],
            "pregnancyWeek cannot stand beside pregnant: false",
        ),
    ],
)
async def test_wrong_profile_is_refused_with_what_is_wrong(profile, loc, words, alice_client):
    response = await send(alice_client, "Hello?", profile=profile)
    error = response.json()["errors"][0]
    assert (response.status_code, error["loc"]) == (422, loc)
    assert words in error["msg"]
