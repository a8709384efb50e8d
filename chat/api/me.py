"""Who is calling, their time zone, and how much of their day's tokens is left."""

from datetime import UTC, datetime
from typing import Annotated, Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Router, Schema
from pydantic import ConfigDict, StringConstraints

from chat import doors, quota
from chat.errors import Invalid, NotAllowed
from chat.models import Person

router = Router()


class QuotaOut(Schema):
    limit: int
    used: int
    left: int
    resetsAt: datetime  # noqa: N815  as on the wire


class MeOut(Schema):
    guest: bool
    timezone: str
    quota: QuotaOut | None


class MeIn(Schema):
    model_config = ConfigDict(extra="forbid")

    timezone: Annotated[str, StringConstraints(max_length=64)]


@router.get("", response=MeOut, summary="Who is calling, and what is left of their day's tokens")
async def get_me(request: HttpRequest) -> dict[str, Any]:
    return await doors.with_visitor(request, _told)


@router.patch("", response=MeOut, summary="Choose a time zone, by which the day's tokens count")
async def change_me(request: HttpRequest, body: MeIn) -> dict[str, Any]:
    def change(person: Person | None) -> dict[str, Any]:
        if person is None or person.is_guest:
            raise NotAllowed(_("A guest's day is counted in UTC. Log in to choose a time zone."))
        if body.timezone and not quota.is_timezone(body.timezone):
            raise Invalid(
                _("There is no time zone of this name. Send one like Europe/Berlin, or nothing for UTC."),
                errors=[
                    {"loc": ["body", "timezone"], "msg": "must be a name of the IANA time zone database"}
                ],
            )
        person.timezone = body.timezone
        person.save(update_fields=["timezone"])
        return _told(person)

    return await doors.with_visitor(request, change)


def _told(person: Person | None) -> dict[str, Any]:
    day = quota.account(person)
    return {
        "guest": person is None or person.is_guest,
        "timezone": str(quota.zone_of(person)),
        "quota": day
        and {
            "limit": day.limit,
            "used": day.used,
            "left": day.left,
            "resetsAt": day.resets_at.astimezone(UTC),
        },
    }
