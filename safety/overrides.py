"""What a clinic changes: files of its own beside ours, in a folder laid out like ours.

`rules/<language>/*.toml`: a rule with an id of ours takes its place, one with `disabled = true` takes it out,
and any other is added. `cards/<language>.toml`: cards by their ids, `cards/numbers.toml`: whole countries.
Words that rules share stay ours. `docs/safety.md` has examples; `use` is called once, at start.
`safety.faults` tells what is wrong with them.
"""

import sys
from pathlib import Path

_folder: Path | None = None


def use(folder: Path | None) -> None:
    """From now on; None: only what is shipped. What was read before is read again."""
    global _folder
    _folder = folder
    _forget()


def faults() -> list[str]:
    """What is wrong with the files as they are: one message for each entry, naming file and entry."""
    from safety.faults import faults_of_cards, faults_of_rules

    if _folder is not None and not _folder.is_dir():
        return [f"SAFETY_DIR names {_folder}, which is not a folder."]
    return [*faults_of_rules(), *faults_of_cards()]


def rules() -> Path | None:
    """The folder with a clinic's rules, if there is one."""
    return _existing("rules")


def cards() -> Path | None:
    return _existing("cards")


def _existing(name: str) -> Path | None:
    folder = _folder / name if _folder else None
    return folder if folder and folder.is_dir() else None


def _forget() -> None:
    """All that this package keeps of its files, or of what it made of them."""
    for name, module in list(sys.modules.items()):
        if name.startswith("safety."):
            for kept in list(vars(module).values()):
                if callable(clear := getattr(kept, "cache_clear", None)):
                    clear()
