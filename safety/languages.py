"""In which language somebody is answered who did not say: the one of the rules that understood them."""

from collections.abc import Sequence
from functools import cache

from safety.rules.loader import load_rules
from safety.rules.ruleset import ruleset
from safety.verdict import Finding
from safety.views import FOLDER, fold_pattern


def language_of(findings: Sequence[Finding], text: str) -> str | None:
    """The language of the findings that more words of the text are in, else of the gravest; "zh-Hant" for
    traditional characters in the text. None without a finding that has a language.
    """
    spoken = ruleset().words.languages_in(fold_pattern(text.lower())).words
    languages = [(language_of_rule(f.rule_id), f) for f in findings]
    told = [(name, spoken.get(name, 0), f) for name, f in languages if name is not None]
    found = max(told, key=lambda one: (one[1], *_gravity(one[2])), default=(None,))[0]
    return "zh-Hant" if found == "zh" and is_traditional(text) else found


def _gravity(finding: Finding) -> tuple[float, ...]:
    """Of two alike the one that understood more of the text counts: related languages share words."""
    start, end = finding.span
    return finding.severity.rank, finding.action.rank, finding.score, end - start


def language_of_rule(rule_id: str) -> str | None:
    """None for what all languages share, such as repetition or an emergency that is carried on."""
    name = rule_id.partition(".")[0]
    return name if name in load_rules().lexicons else None


def is_traditional(text: str) -> bool:
    """Whether it holds a character that simplified Chinese writes otherwise."""
    return not _traditional().isdisjoint(text)


@cache
def _traditional() -> frozenset[str]:
    pairs = (FOLDER / "variants.txt").read_text("utf-8").split()
    return frozenset(pair[0] for pair in pairs if pair[0] != pair[1])
