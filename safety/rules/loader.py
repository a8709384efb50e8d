"""Reads rules and lexicons from their folders, checks them, and names the version of the whole set."""

import hashlib
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from safety import overrides
from safety.rules.lexicon import Lexicon, read_lexicon
from safety.rules.rule import OutputRule, Rule
from safety.verdict import Category

FOLDER = Path(__file__).parent
LEAST_EXAMPLES = 3
_REFUSAL = "refusal"
_UNSOURCED = frozenset(
    {Category.ABUSE, Category.OFF_TOPIC, Category.SPAM, Category.INJECTION, Category.PROMPT_LEAK}
)


class BadRule(ValueError):
    """A rule file that cannot be used; the message names the file and the rule."""


@dataclass(frozen=True, slots=True)
class RuleData:
    """All rules of all languages. `version` is the newest review date and a hash of every file."""

    rules: tuple[Rule, ...]
    output_rules: tuple[OutputRule, ...]
    lexicons: dict[str, Lexicon]
    version: str


@cache
def load_rules(folder: Path = FOLDER) -> RuleData:
    """Raises BadRule on the first file that breaks the recipe in `docs/safety.md`."""
    lexicons = {path.parent.name: read_lexicon(path.parent) for path in sorted(folder.glob("*/lexicon.toml"))}
    rules = _with_overrides(_read(folder, "rule", Rule), "rule", Rule, lexicons)
    output_rules = _with_overrides(
        _read(folder, "output_rule", OutputRule), "output_rule", OutputRule, lexicons
    )
    _check_ids([*rules, *output_rules])
    newest = max([rule.reviewed_on for rule in rules] + [rule.reviewed_on for rule in output_rules])
    folders = [folder, *filter(None, [overrides.rules()])]
    return RuleData(rules, output_rules, lexicons, f"{newest.isoformat()}+{_content_hash(folders)}")


def _read[T: (Rule, OutputRule)](folder: Path, table: str, kind: type[T]) -> Iterator[T]:
    for path, raw in _tables(folder, table):
        yield _parse(path, raw, kind)


def _tables(folder: Path, table: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(folder.glob("*/*.toml")):
        try:
            content = tomllib.loads(path.read_text("utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise BadRule(f"{path}: {error}") from error
        yield from ((path, raw) for raw in content.get(table, ()))


def _with_overrides[T: (Rule, OutputRule)](
    ours: Iterator[T], table: str, kind: type[T], lexicons: dict[str, Lexicon]
) -> tuple[T, ...]:
    """Our rules with those of a clinic in their places (see `safety.overrides`)."""
    rules = {rule.id: rule for rule in _once(ours)}
    folder = overrides.rules()
    for path, raw in _tables(folder, table) if folder else ():
        if raw.get("disabled"):
            if rules.pop(str(raw.get("id")), None) is None:
                raise BadRule(f"{path}: there is no rule {raw.get('id')} to disable")
            continue
        if path.parent.name not in lexicons:
            raise BadRule(f"{path}: there is no language {path.parent.name}; known: {', '.join(lexicons)}")
        rule = _parse(path, raw, kind)
        rules[rule.id] = rule
    return tuple(rules.values())


def _once[T: (Rule, OutputRule)](rules: Iterator[T]) -> list[T]:
    found = list(rules)
    _check_ids(found)
    return found


def _parse[T: (Rule, OutputRule)](path: Path, raw: dict[str, Any], kind: type[T]) -> T:
    name = f"{path.parent.name}/{path.name}: {raw.get('id', 'a rule without id')}"
    try:
        rule = msgspec.convert({**raw, "language": path.parent.name}, kind)
    except msgspec.ValidationError as error:
        raise BadRule(f"{name}: {error}") from error
    if unknown := set(raw) - set(kind.__slots__):
        raise BadRule(f"{name}: unknown keys {sorted(unknown)}")
    _check_evidence(name, rule)
    return rule


def _check_evidence(name: str, rule: Rule | OutputRule) -> None:
    if rule.source is None and not _makes_no_clinical_claim(rule):
        raise BadRule(f"{name}: a rule of {rule.category.value} must name its source")
    if rule.source is not None and not rule.source.startswith("https://"):
        raise BadRule(f"{name}: source must be an https address")
    if len(rule.examples) < LEAST_EXAMPLES or len(rule.near_misses) < LEAST_EXAMPLES:
        raise BadRule(f"{name}: at least {LEAST_EXAMPLES} examples and as many near misses")
    if isinstance(rule, Rule) and not 0 < rule.score <= 1:
        raise BadRule(f"{name}: score must be above 0 and at most 1")


def _makes_no_clinical_claim(rule: Rule | OutputRule) -> bool:
    """Conduct, not medicine; a request that is refused rests on no evidence either."""
    return rule.category in _UNSOURCED or rule.card == _REFUSAL


def _check_ids(rules: Sequence[Rule | OutputRule]) -> None:
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            raise BadRule(f"{rule.id}: the id is used twice")
        seen.add(rule.id)


def _content_hash(folders: list[Path]) -> str:
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.glob("**/*.toml")):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
