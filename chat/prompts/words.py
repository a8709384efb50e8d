"""The shipped words, read once from a file per language. Pure."""

import hashlib
import tomllib
from functools import cache
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent / "shipped"
LANGUAGES = ("en", "es", "fr", "pt", "de", "zh", "ar", "hi")
DEFAULT_LANGUAGE = "en"


class Words(msgspec.Struct, frozen=True):
    """`system` begins every prompt; the next four are added where a verdict asks for them. `about`,
    `earlier` and `mark` hold a place for what they say. `summary` and `title` are tasks of their own.
    """

    system: str
    escalated: str
    still_open: str
    guarded: str
    off_topic: str
    about: str
    mark: str
    earlier: str
    summary: str
    title: str

    @property
    def additions(self) -> tuple[str, ...]:
        return (self.escalated, self.still_open, self.guarded, self.off_topic)


@cache
def words(language: str) -> Words:
    """Of one of `LANGUAGES`."""
    text = (FOLDER / f"{language}.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), Words)


def prompt_language(tag: str) -> str:
    """The language of ours that a tag such as "zh-Hant" or "pt-BR" means; English where there is none."""
    base = tag.replace("_", "-").partition("-")[0].lower()
    return base if base in LANGUAGES else DEFAULT_LANGUAGE


def digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]
