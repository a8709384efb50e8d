"""What can go wrong, as doors tell it: refusals before a stream, and the words for errors within one."""

from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from streaming.events import Error, ErrorCode
from streaming.providers.base import ProviderError


class Refusal(Exception):
    """A request that is refused before any stream: an HTTP status, a code for programs, words for people.

    Programs get `title` in English, a page shows it in its own language.
    """

    status = 400
    code = "invalid"
    title = "Bad request"

    def __init__(self, detail: str, *, retry_after: int | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        self.extra = extra


class NotAuthenticated(Refusal):
    status, code, title = 401, "not_authenticated", "Not signed in"


class NotAllowed(Refusal):
    status, code, title = 403, "not_allowed", gettext_noop("Not allowed")


class ConsentNeeded(Refusal):
    status, code, title = 403, "consent_needed", "Before your first message"


class NotFound(Refusal, Http404):
    status, code, title = 404, "not_found", gettext_noop("Not found")


class Conflict(Refusal):
    status, code, title = 409, "conflict", gettext_noop("Conflict")


class MessageTooLarge(Refusal):
    status, code, title = 413, "message_too_large", gettext_noop("Message too large")


class UnsupportedMediaType(Refusal):
    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class Invalid(Refusal):
    status, code, title = 422, "invalid", gettext_noop("Invalid request")


class RateLimited(Refusal):
    status, code, title = 429, "rate_limited", gettext_noop("Too many messages")


class Overloaded(Refusal):
    status, code, title = 503, "overloaded", gettext_noop("Overloaded")


class AnswerFailed(Refusal):
    """An answer that was waited for failed; what was shown of it is saved and comes along."""

    title = "The answer failed"

    def __init__(self, detail: str, *, status: int, code: str, **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.status = status
        self.code = code


def not_found() -> NotFound:
    """The same words for what is missing and for what belongs to another."""
    return NotFound(_("This is not here. It may have been deleted, or it belongs to someone else."))


def words_for(code: str) -> str:
    """What to tell a person about an error within a stream; it names no internals."""
    match code:
        case ErrorCode.RATE_LIMITED:
            return _("Many parents are asking right now. Please try again in a moment.")
        case ErrorCode.QUOTA_EXCEEDED:
            return _("That is all for today. What you see is kept.")
        case ErrorCode.PROVIDER_TIMEOUT:
            return _("The answer took too long. What you see is kept; you can try again.")
        case ErrorCode.CONTENT_FILTERED:
            return _("This answer was stopped by a content filter. Asking in other words often helps.")
        case ErrorCode.CONTEXT_TOO_LONG:
            return _("This conversation has become too long. Please start a new one.")
        case ErrorCode.STREAM_INTERRUPTED:
            return _("The answer was cut off. What you see is kept; you can try again.")
        case ErrorCode.PROVIDER_UNAVAILABLE:
            return _("The assistant cannot be reached right now. Please try again in a moment.")
        case _code:
            return _("Something went wrong on our side. Please try again.")


def as_event(error: ProviderError) -> Error:
    return Error(error.code, words_for(error.code), error.retryable, error.retry_after)
