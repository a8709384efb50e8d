"""Every refusal of the API as application/problem+json (RFC 9457)."""

from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError
from ninja.errors import ValidationError as NinjaValidationError

from chat.errors import Invalid, Refusal


def problem(refusal: Refusal) -> HttpResponse:
    """The reply that a refusal means."""
    body: dict[str, Any] = {
        "type": f"urn:nightlight:problem:{refusal.code}",
        "title": refusal.title,
        "status": refusal.status,
        "code": refusal.code,
        "detail": refusal.detail,
    }
    response = HttpResponse(
        msgspec.json.encode(body | refusal.extra),
        status=refusal.status,
        content_type="application/problem+json",
    )
    if refusal.retry_after is not None:
        response["Retry-After"] = str(refusal.retry_after)
    return response


def add_problem_handlers(api: NinjaAPI) -> None:
    @api.exception_handler(Refusal)
    def refused(_request: HttpRequest, refusal: Refusal) -> HttpResponse:
        return problem(refusal)

    @api.exception_handler(NinjaValidationError)
    def invalid(_request: HttpRequest, error: NinjaValidationError) -> HttpResponse:
        found = [{"loc": _location(e["loc"]), "msg": e["msg"]} for e in error.errors]
        return problem(Invalid("Some fields are missing or wrong; see `errors`.", errors=found))

    @api.exception_handler(HttpError)
    def unreadable(_request: HttpRequest, error: HttpError) -> HttpResponse:
        return problem(Invalid(str(error), errors=[{"loc": ["body"], "msg": str(error)}]))


def _location(loc: Any) -> list[str | int]:
    """Where the value stands in the request, without the name of our own Python parameter."""
    return [part for index, part in enumerate(loc) if index != 1 or loc[0] != "body"] or ["body"]
