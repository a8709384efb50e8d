"""One line in the log when a service goes away, and one when it is back, however many requests find it so."""

import logging

logger = logging.getLogger(__name__)


class Outage:
    """Of `what`; told of each failure and of each success, and silent about all but the first."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._is_away = False

    def failed(self, error: Exception) -> None:
        if not self._is_away:
            self._is_away = True
            logger.error("%s: %r. More of the same is not logged until it works again.", self._what, error)

    def worked(self) -> None:
        if self._is_away:
            self._is_away = False
            logger.warning("%s: it works again.", self._what)
