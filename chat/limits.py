"""What a person may spend. Requests are counted with django-ratelimit, in the cache that workers share."""

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django_ratelimit import ALL
from django_ratelimit.core import get_usage

from chat.errors import RateLimited
from chat.models import Person
from chat.outage import Outage

_outage = Outage("Rates cannot be counted; messages go on without")


def count_message(request: HttpRequest, person: Person) -> None:
    """Count one message of this person, streaming or not. Raises `RateLimited` with the seconds to wait.

    Guests are counted twice, as a guest and by address, since a new guest costs nothing to make.
    """
    if person.is_guest:
        rate = settings.RATE_LIMIT_GUEST_MESSAGES
        waits = [
            _count(request, "guest", str(person.guest_key), rate),
            _count(request, "address", "ip", rate),
        ]
    else:
        waits = [_count(request, "account", str(person.pk), settings.RATE_LIMIT_MESSAGES)]
    if wait := max(waits):
        raise RateLimited(
            _("That were many messages in a short time. Please wait a little; your message is kept."),
            retry_after=wait,
        )


def _count(request: HttpRequest, group: str, key: str, rate: str | None) -> int:
    """Seconds to wait, 0 where the message is within the rate."""
    if rate is None:
        return 0
    try:
        usage = get_usage(
            request,
            group=f"messages-{group}",
            key=key if key == "ip" else lambda _group, _request: key,
            rate=rate,
            method=ALL,
            increment=True,
        )
    except Exception as error:
        # A parent at night matters more than a counter: with Redis away /readyz fails, and messages go on.
        _outage.failed(error)
        return 0
    _outage.worked()
    return max(1, usage["time_left"]) if usage and usage["should_limit"] else 0
