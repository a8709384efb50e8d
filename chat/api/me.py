"""Who is calling, their time zone and country, and how much of their day's tokens is left."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Router, Schema
from pydantic import ConfigDict, StringConstraints, model_validator

from chat import access, doors, places, quota
from chat.api.schemas import CountryCode
from chat.errors import Invalid, NotAllowed
from chat.models import Person
from chat.work import unit_of_work

router = Router()


class QuotaOut(Schema):
    limit: int
    used: int
    left: int
    resetsAt: datetime  # noqa: N815  as on the wire


class MeOut(Schema):
    guest: bool
    country: str
    timezone: str
    quota: QuotaOut | None


class MeIn(Schema):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    country: CountryCode | Literal[""] | None = None
    timezone: Annotated[str, StringConstraints(max_length=64)] | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.country is None and self.timezone is None:
            raise ValueError("country or timezone must be given")
        return self


@router.get("", response=MeOut, summary="Who is calling, and what is left of their day's tokens")
async def get_me(request: HttpRequest) -> dict[str, Any]:
    return await doors.with_visitor(request, _told)


@router.patch(
    "", response=MeOut, summary="Choose a country, for the cards, or a time zone, for the day's tokens"
)
async def change_me(request: HttpRequest, body: MeIn) -> dict[str, Any]:
    def change() -> dict[str, Any]:
        if body.timezone is not None:
            _check_timezone(access.visitor(request), body.timezone)
        person = access.person(request)
        if body.timezone is not None:
            person.timezone = body.timezone
        if body.country is not None:
            person.country = places.as_code(body.country)
        person.save(update_fields=["timezone", "country"])
        return _told(person)

    return await unit_of_work(change)


def _check_timezone(person: Person | None, name: str) -> None:
    if person is None or person.is_guest:
        raise NotAllowed(_("A guest's day is counted in UTC. Log in to choose a time zone."))
    if name and not quota.is_timezone(name):
        raise Invalid(
            _("There is no time zone of this name. Send one like Europe/Berlin, or nothing for UTC."),
            errors=[{"loc": ["body", "timezone"], "msg": "must be a name of the IANA time zone database"}],
        )


def _told(person: Person | None) -> dict[str, Any]:
    day = quota.account(person)
    return {
        "guest": person is None or person.is_guest,
        "country": person.country if person else "",
        "timezone": str(quota.zone_of(person)),
        "quota": day
        and {
            "limit": day.limit,
            "used": day.used,
            "left": day.left,
            "resetsAt": day.resets_at.astimezone(UTC),
        },
    }
