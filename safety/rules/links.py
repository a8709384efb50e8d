"""Links in an answer: only those to hosts of `trusted_hosts.toml` may be shown, only those become links."""

import tomllib
from functools import cache

import regex

from safety.rules.candidate import Candidate
from safety.rules.loader import FOLDER
from safety.verdict import Category, Severity

# Markdown takes ":" also as "\:", "&colon;" and "&#58;", and a browser adds slashes that are missing.
_URL = regex.compile(r"(?:https?[:&\\]|www\.)[^\s<>)\]\"'`]+", regex.IGNORECASE)
_CLEAN = regex.compile(r"https?://([a-z0-9.-]+)(?::\d+)?(?:[/?#].*)?", regex.IGNORECASE | regex.DOTALL)
_MARKS = ".,;:!?*_~"  # around an address, no part of it


def links() -> list[tuple[str, Candidate]]:
    link = Candidate(
        rule_id="untrusted_link",
        category=Category.UNTRUSTED_LINK,
        severity=Severity.NOTICE,
        card="correct_link",
        patterns=(lambda: _URL,),
        ends_at_match=True,
        is_fine=_is_fine,
    )
    return [(word, link) for word in ("http", "https", "www")]


def is_trusted(href: str) -> bool:
    """Whether a link, as a browser is handed it, leads to a host that we know: written plainly, or not at
    all, since browsers read a backslash, a name before "@" and missing slashes in their own way.
    """
    match = _CLEAN.fullmatch(href)
    host = match.group(1).lower().rstrip(".") if match else ""
    return any(host == known or host.endswith("." + known) for known in _trusted_hosts())


def _is_fine(url: str) -> bool:
    plain = url.rstrip(_MARKS)
    return is_trusted(f"https://{plain}" if plain[:4].lower() == "www." else plain)


@cache
def _trusted_hosts() -> frozenset[str]:
    return frozenset(tomllib.loads((FOLDER / "trusted_hosts.toml").read_text("utf-8"))["hosts"])
