"""The words that the model is told beside the conversation, in eight languages. Every answer records the
version it was made with.

    shipped/     our own words, a file per language
    active.py    the clinic's: versions that are edited in the admin and take the place of `system`
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from chat.prompts.active import in_force
from chat.prompts.words import DEFAULT_LANGUAGE, LANGUAGES, digest, prompt_language, words
from safety.latch import FOLLOW_UP
from safety.verdict import Action, Category, Verdict

__all__ = ["DEFAULT_LANGUAGE", "LANGUAGES", "SystemPrompt", "prompt_language", "system_prompt", "words"]


@dataclass(frozen=True, slots=True)
class SystemPrompt:
    """`canary` is a mark that no answer may contain: where it appears, the prompt is leaking."""

    text: str
    version: str
    canary: str


def system_prompt(verdict: Verdict, *, language: str = "", about: Sequence[str] = ()) -> SystemPrompt:
    """The system prompt, with what the safety check of this question adds to it, and what is known `about`
    the person. `language` is a tag such as "pt-BR", empty where it is not known. Sync: may read the database.
    """
    spoken = prompt_language(language)
    text, name = in_force(spoken)
    common = _with(spoken, text, name, _additions(verdict, spoken))
    if not about:
        return common
    # Built anew each time: what somebody told of themselves is remembered nowhere.
    known = words(spoken).about.format(lines="\n".join(f"- {line}" for line in about))
    head, mark = common.text.rsplit("\n", 1)
    return replace(common, text=f"{head}\n{known}\n{mark}")


@lru_cache(maxsize=256)  # so that a thousand open streams share one text
def _with(language: str, text: str, name: str, additions: tuple[str, ...]) -> SystemPrompt:
    version = f"{language}-{name}-{digest(text, *words(language).additions)}"
    canary = f"nightlight-{digest(version)}"
    mark = words(language).mark.format(canary=canary)
    return SystemPrompt("\n".join([text, *additions, mark]), version, canary)


def _additions(verdict: Verdict, language: str) -> tuple[str, ...]:
    own = words(language)
    added: list[str] = []
    if verdict.action is Action.ESCALATE_CARD:
        added.append(own.escalated.format(category=verdict.categories[0].replace("_", " ")))
    elif open_now := [f.category for f in verdict.findings if f.rule_id == FOLLOW_UP]:
        added.append(own.still_open.format(category=open_now[0].replace("_", " ")))
    if Category.INJECTION in verdict.categories:
        added.append(own.guarded)
    if Category.OFF_TOPIC in verdict.categories:
        added.append(own.off_topic)
    return tuple(added)
