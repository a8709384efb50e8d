"""Who is calling, what they told of themselves, and how much of their day's tokens is left."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from django.contrib.auth import logout
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Router, Schema, Status
from pydantic import ConfigDict, Field, StringConstraints, model_validator

from chat import access, consent, doors, erasure, places, quota
from chat.api.schemas import CountryCode
from chat.errors import Invalid, NotAllowed, not_found
from chat.models import Child, Person
from chat.myself import profile_to_wire
from chat.profile import (
    MOST_CHILDREN,
    NAME_CHARS,
    NOTE_CHARS,
    known_of,
    one_line,
    wrong_birth_date,
    wrong_due_date,
)
from chat.quota import today_of
from chat.work import unit_of_work

router = Router()


class QuotaOut(Schema):
    limit: int
    used: int
    left: int
    resetsAt: datetime  # noqa: N815  as on the wire


class ChildOut(Schema):
    id: UUID
    name: str
    birthDate: date | None  # noqa: N815
    feeding: str
    notes: str


class ConsentOut(Schema):
    """To what is in force now: the page asks for it, the API does not."""

    version: str
    givenAt: datetime | None  # noqa: N815


class MeOut(Schema):
    guest: bool
    country: str
    timezone: str
    language: str
    dueDate: date | None  # noqa: N815
    about: str
    tone: str
    reading: str
    children: list[ChildOut]
    known: list[str]
    consent: ConsentOut
    quota: QuotaOut | None


OwnWords = Annotated[str, StringConstraints(max_length=NOTE_CHARS)]


class ChildIn(Schema):
    """With the `id` of a child that is there: that one, as it is from now on."""

    model_config = ConfigDict(extra="forbid")

    id: UUID | None = None
    name: Annotated[str, StringConstraints(max_length=NAME_CHARS)] = ""
    birthDate: date | None = None  # noqa: N815
    feeding: Literal["", "breast", "formula", "both", "solids"] = ""
    notes: OwnWords = ""


class MeIn(Schema):
    """What is left out stays as it is. `children` are all there are from now on."""

    model_config = ConfigDict(extra="forbid")

    country: CountryCode | Literal[""] | None = None
    timezone: Annotated[str, StringConstraints(max_length=64)] | None = None
    language: Literal["", "en", "es", "fr", "pt", "de", "zh-hans", "ar", "hi"] | None = None
    dueDate: date | None = None  # noqa: N815
    about: OwnWords | None = None
    tone: Literal["", "warm", "plain", "brief"] | None = None
    reading: Literal["", "simple", "plain", "detailed"] | None = None
    children: Annotated[list[ChildIn], Field(max_length=MOST_CHILDREN)] | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if all(getattr(self, name) is None and name != "dueDate" for name in self.model_fields_set):
            raise ValueError("at least one field must be given")
        return self


class GoneIn(Schema):
    """An account says its address, and its password where it has one; a guest `"sure": true`."""

    model_config = ConfigDict(extra="forbid")

    email: str = ""
    password: str = ""
    sure: bool = False


@router.get(
    "", response=MeOut, summary="Who is calling, what they told, and what is left of their day's tokens"
)
async def get_me(request: HttpRequest) -> dict[str, Any]:
    return await doors.with_visitor(request, _told)


@router.patch("", response=MeOut, summary="Change the country, the time zone, or what answers may know")
async def change_me(request: HttpRequest, body: MeIn) -> dict[str, Any]:
    def change() -> dict[str, Any]:
        visitor = access.visitor(request)
        if body.timezone is not None:
            _check_timezone(visitor, body.timezone)
        _check_dates(body, today_of(visitor))
        person = access.person(request)
        _set_fields(person, body)
        if body.children is not None:
            _set_children(person, body.children)
        return _told(person)

    return await unit_of_work(change)


@router.delete("", response={204: None}, summary="Delete the account and all that is kept of the person")
async def delete_me(request: HttpRequest, body: GoneIn) -> Status[None]:
    def checked(person: Person | None) -> Person | None:
        erasure.check_word(person, email=body.email, password=body.password, is_sure=body.sure)
        return person

    person = await doors.with_visitor(request, checked)
    if person is not None:
        await erasure.erase_person(person)
    await unit_of_work(logout, request)
    return Status(204, None)


def _check_dates(body: MeIn, today: date) -> None:
    wrong: list[dict[str, Any]] = []
    if body.dueDate and (words := wrong_due_date(body.dueDate, today)):
        wrong.append({"loc": ["body", "dueDate"], "msg": words})
    for position, child in enumerate(body.children or ()):
        if child.birthDate and (words := wrong_birth_date(child.birthDate, today)):
            wrong.append({"loc": ["body", "children", position, "birthDate"], "msg": words})
    if wrong:
        raise Invalid(_("Some fields are missing or wrong; see `errors`."), errors=wrong)


def _set_fields(person: Person, body: MeIn) -> None:
    told = body.model_fields_set
    for name in ("timezone", "language", "tone", "reading"):
        if getattr(body, name) is not None:
            setattr(person, name, getattr(body, name))
    if body.country is not None:
        person.country = places.as_code(body.country)
    if body.about is not None:
        person.about = one_line(body.about, NOTE_CHARS)
    if "dueDate" in told:
        person.due_date = body.dueDate
    person.save(update_fields=["timezone", *access.PROFILE])


def _set_children(person: Person, told: list[ChildIn]) -> None:
    """Those that are named by their id are changed, those without one are new, and the others go."""
    there = {child.uuid: child for child in person.children.all()}
    if any(child.id and child.id not in there for child in told):
        raise not_found()
    for child in told:
        row = there.pop(child.id) if child.id in there else Child(person=person)
        row.name, row.notes = one_line(child.name, NAME_CHARS), one_line(child.notes, NOTE_CHARS)
        row.birth_date, row.feeding = child.birthDate, child.feeding
        row.save()
    person.children.filter(uuid__in=there).delete()


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
    agreed = person.consents.filter(version=consent.VERSION).first() if person else None
    return {
        **profile_to_wire(person),
        "guest": person is None or person.is_guest,
        "timezone": str(quota.zone_of(person)),
        "known": list(known_of(person, today_of(person)).lines) if person else [],
        "consent": {"version": consent.VERSION, "givenAt": agreed and agreed.given_at},
        "quota": day
        and {
            "limit": day.limit,
            "used": day.used,
            "left": day.left,
            "resetsAt": day.resets_at.astimezone(UTC),
        },
    }
