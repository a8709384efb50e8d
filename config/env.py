"""Typed readers for environment variables.

Every setting comes through one `Environment`, so that a wrong value names itself at start-up and the
documentation test can list every variable the project reads.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Declared:
    """A variable that was read: its name, what kind of value it takes, and what it is when unset."""

    name: str
    kind: str
    default: object


class Environment:
    """Reads variables, remembers which, and raises `ImproperlyConfigured` naming the one that is wrong.

    An empty value counts as unset, as in a compose file that passes every variable through.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self.environ = environ
        self.declared: dict[str, Declared] = {}

    def _raw(self, name: str, kind: str, default: object) -> str | None:
        self.declared[name] = Declared(name, kind, default)
        return self.environ.get(name, "").strip() or None

    def text(self, name: str, default: str = "") -> str:
        """Any text."""
        return self._raw(name, "text", default) or default

    def flag(self, name: str, default: bool = False) -> bool:
        """on/off, true/false, yes/no, 1/0."""
        raw = self._raw(name, "on or off", default)
        if raw is None:
            return default
        if raw.lower() in TRUE:
            return True
        if raw.lower() in FALSE:
            return False
        raise _wrong(name, raw, "on or off")

    def whole(self, name: str, default: int, *, least: int = 0) -> int:
        """A whole number of at least `least`."""
        raw = self._raw(name, "whole number", default)
        if raw is None:
            return default
        try:
            value = int(raw)
        except ValueError:
            raise _wrong(name, raw, "a whole number") from None
        if value < least:
            raise _wrong(name, raw, f"at least {least}")
        return value

    def seconds(self, name: str, default: float) -> float:
        """A duration in seconds, above zero, fractions allowed."""
        raw = self._raw(name, "seconds", default)
        if raw is None:
            return default
        try:
            value = float(raw)
        except ValueError:
            raise _wrong(name, raw, "a number of seconds") from None
        if not 0 < value < float("inf"):
            raise _wrong(name, raw, "a number of seconds above zero")
        return value

    def whole_or_off(self, name: str, default: int | None, *, least: int = 1) -> int | None:
        """A whole number of at least `least`, or `off` for None."""
        raw = self._raw(name, "whole number, or off", "off" if default is None else default)
        if raw is None:
            return default
        if raw.lower() == "off":
            return None
        if not raw.isdecimal() or int(raw) < least:
            raise _wrong(name, raw, f"a whole number of at least {least}, or off")
        return int(raw)

    def names(self, name: str, default: tuple[str, ...] = ()) -> list[str]:
        """A comma-separated list; blanks around the items are dropped."""
        raw = self._raw(name, "comma-separated list", ",".join(default))
        return [item.strip() for item in raw.split(",") if item.strip()] if raw else list(default)

    def address(self, name: str, default: str = "", *, schemes: tuple[str, ...] = ("https", "http")) -> str:
        """An absolute URL with one of `schemes`, without a trailing slash."""
        raw = self._raw(name, f"URL ({', '.join(schemes)})", default)
        if raw is None:
            return default
        if urlsplit(raw).scheme not in schemes:
            raise _wrong(
                name, raw, "a URL starting with " + " or ".join(f"{s}://" for s in schemes), hide=True
            )
        return raw.rstrip("/")

    def rate(self, name: str, default: str) -> str | None:
        """A rate such as `20/m` or `100/5m` (s, m, h or d), or `off` for none."""
        raw = self._raw(name, "rate such as 20/m, or off", default) or default
        if raw.lower() == "off":
            return None
        count, slash, period = raw.partition("/")
        if not (slash and count.isdecimal() and int(count) and period[-1:] in ("s", "m", "h", "d")):
            raise _wrong(name, raw, "a rate such as 20/m, or off")
        if period[:-1] and not (period[:-1].isdecimal() and int(period[:-1])):
            raise _wrong(name, raw, "a rate such as 100/5m, or off")
        return raw


def _wrong(name: str, raw: str, wanted: str, *, hide: bool = False) -> ImproperlyConfigured:
    shown = "its value" if hide else repr(raw)
    return ImproperlyConfigured(f"{name} must be {wanted}; {shown} is not. See docs/settings.md.")
