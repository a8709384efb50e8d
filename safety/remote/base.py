"""What an engine of second opinions is: text in, signs out, one typed error when it fails."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any, Literal, Protocol

import aiohttp
import httpx2
import msgspec

from safety.verdict import Action, Category, Finding, Severity

OPERATOR_NEEDED = (401, 403, 404)
"""HTTP errors for a wrong key or address: they go on until somebody corrects it."""
_SHOWN = 200
"""Characters of the text that a reviewer sees beside the finding; an engine judges all of it."""


class Sign(Enum):
    """What an engine may have seen, and what it comes to: category, severity, action, score, card."""

    SELF_HARM = (Category.SELF_HARM, Severity.EMERGENCY, Action.CARD_ONLY, 0.9, "self_harm_crisis")
    SELF_HARM_LOW = (Category.SELF_HARM, Severity.URGENT, Action.ESCALATE_CARD, 0.6, "self_harm_support")
    SEXUAL_MINORS = (Category.CHILD_ABUSE, Severity.URGENT, Action.BLOCK, 0.95, "refusal")
    VIOLENCE = (Category.ABUSE, Severity.URGENT, Action.BLOCK, 0.9, "refusal")
    ATTACK = (Category.INJECTION, Severity.NOTICE, Action.ALLOW_WITH_NOTICE, 0.8, "injection_refusal")
    # Only a local classifier knows these.
    INFANT_EMERGENCY = (
        Category.INFANT_EMERGENCY, Severity.EMERGENCY, Action.ESCALATE_CARD, 0.7, "infant_unwell",
    )  # fmt: skip
    MATERNAL_EMERGENCY = (
        Category.MATERNAL_EMERGENCY, Severity.EMERGENCY, Action.ESCALATE_CARD, 0.7, "maternal_emergency",
    )  # fmt: skip
    CAREGIVER_HARM = (
        Category.CAREGIVER_HARM, Severity.EMERGENCY, Action.CARD_ONLY, 0.8, "caregiver_losing_control",
    )  # fmt: skip
    DOMESTIC_ABUSE = (Category.DOMESTIC_ABUSE, Severity.URGENT, Action.ESCALATE_CARD, 0.7, "domestic_abuse")
    CHILD_ABUSE = (Category.CHILD_ABUSE, Severity.EMERGENCY, Action.ESCALATE_CARD, 0.7, "child_abuse")


class Engine(Protocol):
    """`name` is the first part of its rule ids, as in `azure_content_safety.self_harm`."""

    name: str

    async def signs(self, text: str) -> frozenset[Sign]:
        """What it sees in a text without personal data. Raises `EngineError`."""
        ...


class EngineError(Exception):
    """The engine gave no opinion. `detail` is for operators; `rest`: seconds that it asked to be left alone.

    `is_lasting`: it fails until somebody corrects a setting.
    """

    def __init__(
        self,
        detail: str,
        *,
        reason: Literal["error", "timeout"] = "error",
        rest: float | None = None,
        is_lasting: bool = False,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.reason = reason
        self.rest = rest
        self.is_lasting = is_lasting


def findings_of(engine: str, signs: Iterable[Sign], text: str) -> tuple[Finding, ...]:
    """A finding for each sign, in the order of `Sign`; an engine points at no place in the text."""
    seen = frozenset(signs)
    return tuple(_finding(engine, sign, text) for sign in Sign if sign in seen)


def _finding(engine: str, sign: Sign, text: str) -> Finding:
    category, severity, action, score, card = sign.value
    return Finding(
        category=category,
        severity=severity,
        action=action,
        rule_id=f"{engine}.{sign.name.lower()}",
        score=score,
        span=(0, len(text)),
        clause=text[:_SHOWN],
        card=card,
    )


@dataclass(frozen=True, slots=True)
class Address:
    """Where an engine is asked, and the header with its key. `client` belongs to whoever made it."""

    client: httpx2.AsyncClient
    url: str
    headers: dict[str, str]

    async def ask(self, body: dict[str, Any]) -> bytes:
        """POST a body of JSON; the body of the reply. Raises `EngineError` for all but a 200."""
        try:
            reply = await self.client.post(self.url, json=body, headers=self.headers)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise EngineError(repr(error), reason="timeout") from error
        except (httpx2.HTTPError, aiohttp.ClientError, OSError) as error:
            raise EngineError(repr(error)) from error
        if reply.status_code != HTTPStatus.OK:
            raise EngineError(
                f"HTTP {reply.status_code} {_code_of(reply.content)}".rstrip(),
                rest=_seconds(reply.headers.get("retry-after")),
                is_lasting=reply.status_code in OPERATOR_NEEDED,
            )
        return reply.content


def bearer(key: str) -> dict[str, str]:
    """The header with a key, where there is one: local servers ask for none."""
    return {"Authorization": f"Bearer {key}"} if key else {}


def decoded[T](data: bytes, kind: type[T]) -> T:
    """JSON of a known shape. Raises `EngineError` for anything else."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EngineError(f"unreadable reply: {error}") from None


class _Failure(msgspec.Struct):
    code: str | int | None = None


class _FailureBody(msgspec.Struct):
    error: _Failure


def _code_of(data: bytes) -> str:
    try:
        return str(decoded(data, _FailureBody).error.code or "")[:60]
    except EngineError:
        return ""


def _seconds(header: str | None) -> float | None:
    """Of `Retry-After`; a date instead of a number counts as unknown."""
    return float(header) if header and header.isascii() and header.isdigit() else None
