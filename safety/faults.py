"""What is wrong with a clinic's files (see `safety.overrides`): each entry is told, not only the first."""

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import msgspec
import re2
import regex

from safety import overrides
from safety.cards import data
from safety.cards.cards import all_card_ids
from safety.cards.places import country_names
from safety.rules import loader
from safety.rules.index import needs_by_pattern
from safety.rules.lexicon import Lexicon, UnknownSlot, read_lexicon
from safety.rules.output import _expanded
from safety.rules.rule import OutputRule, Rule

_HREF = regex.compile(r"tel:[+*]?\d+#?|sms:\+?\d+(\?body=[^\s&]+)?")
_IN_BRACES = regex.compile(r"\{[^{}]*\}?|\}")
_PLACEHOLDERS = {
    f"{{{name.removeprefix('role_')}}}" for name in data.Words.__slots__ if name.startswith("role_")
}
_RULE_TABLES = ("rule", "output_rule")


# --- Rules ------------------------------------------------------------------------------------------------


def faults_of_rules() -> list[str]:
    """The clinic's rules one by one; ours are tested, and read here as a whole."""
    folder = overrides.rules()
    files = sorted(folder.rglob("*.toml")) if folder else []
    found = [f"rules: {fault}" for path in files if folder for fault in _of_rule_file(path, folder)]
    if not found:
        try:
            loader.load_rules()
        except (ValueError, TypeError, AttributeError) as error:  # also: an id used twice, none to disable
            found = [f"rules: {error}"]
    return found


def _of_rule_file(path: Path, folder: Path) -> Iterator[str]:
    name = path.relative_to(folder).as_posix()
    lexicons = {kind.parent.name for kind in loader.FOLDER.glob("*/lexicon.toml")}
    if path.parent.parent != folder:
        yield f"{name}: is not read; rules stand in a folder for each language, such as en/{path.name}"
        return
    if path.parent.name not in lexicons:
        yield f"{name}: there is no language {path.parent.name}; known: {', '.join(sorted(lexicons))}"
        return
    content = _read(path)
    if isinstance(content, str):
        yield f"{name}: {content}"
        return
    if unknown := sorted(content.keys() - set(_RULE_TABLES)):
        yield f"{name}: unknown tables {unknown}"
    lexicon = read_lexicon(loader.FOLDER / path.parent.name)
    for table in _RULE_TABLES:
        for raw in _tables(content.get(table, [])):
            if not raw.get("disabled"):
                yield from _of_rule(path, raw, table, lexicon)


def _of_rule(path: Path, raw: dict[str, Any], table: str, lexicon: Lexicon) -> Iterator[str]:
    name = f"{path.parent.name}/{path.name}: {raw.get('id', 'a rule without id')}"
    try:
        rule = _parsed(path, raw, table)
    except loader.BadRule as error:
        yield str(error)
        return
    if rule.card and rule.card not in _card_ids():
        yield f"{name}: there is no card {rule.card}"
    if isinstance(rule, Rule):
        patterns = [(sign, sign.removeprefix("!")) for sign in rule.sign]
        patterns += [(written, written) for written in rule.unless]
        patterns += [(slot, f"{{{slot}}}") for slot in rule.needs]
    else:
        patterns = [(written, written) for written in (*rule.pattern, *rule.unless)]
    for written, pattern in patterns:
        if problem := _of_pattern(pattern, lexicon, is_output=isinstance(rule, OutputRule)):
            yield f"{name}: {written!r}: {problem}"


def _parsed(path: Path, raw: dict[str, Any], table: str) -> Rule | OutputRule:
    return loader._parse(path, raw, Rule) if table == "rule" else loader._parse(path, raw, OutputRule)


def _of_pattern(pattern: str, lexicon: Lexicon, *, is_output: bool) -> str | None:
    try:
        if is_output:
            regex.compile(_expanded(pattern, lexicon))
        else:
            options = re2.Options()
            options.log_errors = False
            re2.compile(lexicon.bounded(pattern), options)
        needs_by_pattern([(lexicon, pattern)])
    except UnknownSlot as error:
        return f"there is no slot {error.args[0]}; known: {', '.join(sorted(lexicon.slots))}"
    except Exception as error:  # of two engines and a parser, each with errors of its own
        return f"is no pattern: {error.args[0] if error.args else error!r}"
    return None


def _card_ids() -> set[str]:
    """Of cards that can be read, and of those that a file has yet to spell right: these are told there."""
    try:
        return set(all_card_ids())
    except (ValueError, KeyError, TypeError):
        raw = [_read(folder / "en.toml") for folder in (data.FOLDER, overrides.cards()) if folder]
        files = [content for content in raw if isinstance(content, dict)]
        return {str(card.get("id")) for content in files for card in _tables(content.get("card", []))}


# --- Cards and numbers ------------------------------------------------------------------------------------


def faults_of_cards() -> list[str]:
    folder = overrides.cards()
    files = sorted(folder.rglob("*.toml")) if folder else []
    found = [f"cards: {fault}" for path in files for fault in _of_card_file(path)]
    if not found:
        try:
            known = data.countries()
            for language in data.languages():
                data.card_data(language)
                country_names(language)
            for code in known:
                data.also_own(code)
        except (ValueError, KeyError, TypeError) as error:
            found = [f"cards: {error}"]
    return found


def _of_card_file(path: Path) -> Iterator[str]:
    languages = data.languages()
    if path.stem not in (*languages, "numbers") or path.parent != overrides.cards():
        yield f"{path.name}: there are no cards in {path.stem}; known: {', '.join(languages)}, numbers"
        return
    content = _read(path)
    if isinstance(content, str):
        yield f"{path.name}: {content}"
        return
    faults = _of_numbers(content) if path.stem == "numbers" else _of_cards(content)
    for entry, problems in faults:
        if told := "; ".join(problems):
            yield f"{path.name}: {entry}: {told}"


def _of_cards(content: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    yield "tables", _unknown(content, {"card", "words", "countries"})
    ours = data.as_shipped(data.DEFAULT_LANGUAGE)
    yield "words", [*_unknown(content.get("words", {}), ours["words"]), *_of_words(content, ours["words"])]
    yield "countries", _of_country_names(content.get("countries", {}))
    for raw in _tables(content.get("card", [])):
        said = [raw.get("lead", ""), *_list(raw.get("steps")), raw.get("otherwise", "")]
        named = [piece for text in said for piece in _IN_BRACES.findall(str(text))]
        problems = [
            *_unknown(raw, data.CardData.__slots__),
            *_unfit(raw, data.CardData),
            *(f"unknown placeholder {piece}" for piece in named if piece not in _PLACEHOLDERS),
            *(f"unknown role {role}" for role in _list(raw.get("numbers")) if role not in data.ROLES),
        ]
        yield str(raw.get("id", "a card without id")), problems


def _of_words(content: dict[str, Any], ours: dict[str, Any]) -> Iterator[str]:
    """Phrases are filled in: a placeholder that is none would fail only when a card is shown."""
    for key, text in content.get("words", {}).items():
        if key == "months":
            if len(_list(text)) != 12:
                yield "months must be twelve"
        elif not isinstance(text, str):
            yield f"{key} must be a text"
        elif key in ours:
            try:
                named = {field for _, field, _, _ in Formatter().parse(text) if field is not None}
            except ValueError as error:
                yield f"{key}: {error}"
            else:
                known = {field for _, field, _, _ in Formatter().parse(ours[key]) if field is not None}
                known |= {"name"} if key in ("call_plain", "text") else set()
                if unknown := sorted(named - known):
                    yield f"{key}: unknown placeholders {unknown}"


def _of_country_names(names: dict[str, Any]) -> list[str]:
    return [f"{code} must be a text" for code, name in names.items() if not isinstance(name, str)]


def _of_numbers(content: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for code, raw in content.items():
        if not isinstance(raw, dict):
            yield code, ["is no country"]
            continue
        problems = [] if regex.fullmatch("[A-Z]{2}", code) else ["must be an ISO 3166 alpha-2 code"]
        problems += _unknown(raw, {"languages", "number", "also"})
        numbers, also = list(_tables(raw.get("number", []))), list(_tables(raw.get("also", [])))
        if raw.keys() - {"also"}:
            problems += _unfit({"code": code, "languages": raw.get("languages"), "number": []}, data.Country)
            problems += [] if numbers else ["has no numbers"]
            problems += _unnamed(code)
        for number in numbers:
            problems += [f"{_called(number)}: {told}" for told in _of_number(number)]
        for number in also:
            told = [*_unknown(number, data.OwnNumber.__slots__), *_unfit(number, data.OwnNumber)]
            problems += [f"{_called(number)}: {problem}" for problem in told]
        yield code, problems


def _of_number(raw: dict[str, Any]) -> Iterator[str]:
    yield from _unknown(raw, data.Number.__slots__)
    yield from _unfit(raw, data.Number)
    if "role" in raw and raw["role"] not in data.ROLES:
        yield f"unknown role {raw['role']}; known: {', '.join(sorted(data.ROLES))}"
    if "href" in raw and not _HREF.fullmatch(str(raw["href"])):
        yield f"href must be tel: or sms: and a number, not {raw['href']}"


def _called(number: dict[str, Any]) -> str:
    return " ".join(str(number[key]) for key in ("role", "spoken", "href") if key in number)


def _unnamed(code: str) -> list[str]:
    """Cards say of which country a number is, in each language."""
    without = []
    for language in data.languages():
        names = data.as_shipped(language).get("countries", {}).keys()
        folder = overrides.cards()
        theirs = _read(folder / f"{language}.toml") if folder else {}
        names |= theirs.get("countries", {}).keys() if isinstance(theirs, dict) else set()
        if code not in names:
            without.append(language)
    return (
        [f"has no name under [countries] of {', '.join(f'{one}.toml' for one in without)}"] if without else []
    )


# --- Entries ----------------------------------------------------------------------------------------------


def _read(path: Path) -> dict[str, Any] | str:
    """What is in a file, nothing where there is none; or what is wrong with it."""
    try:
        return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
    except (ValueError, OSError) as error:
        return str(error)


def _tables(raw: object) -> Iterator[dict[str, Any]]:
    return (entry for entry in _list(raw) if isinstance(entry, dict))


def _list(raw: object) -> list[Any]:
    return raw if isinstance(raw, list) else []


def _unknown(raw: dict[str, Any], known: Iterable[str]) -> list[str]:
    unknown = sorted(set(raw) - set(known))
    return [f"unknown keys {unknown}"] if unknown else []


def _unfit(raw: dict[str, Any], kind: type) -> list[str]:
    try:
        msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        return [str(error)]
    return []
