"""System checks: what would let Nightlight start, and then fail people."""

import os
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

ENGINES = {
    "azure": ("AZURE_CONTENT_SAFETY_ENDPOINT", "AZURE_CONTENT_SAFETY_KEY"),
    "openai": ("OPENAI_MODERATION_URL", "OPENAI_MODERATION_KEY"),
    "llama_guard": ("LLAMA_GUARD_URL", "LLAMA_GUARD_MODEL"),
    "local": ("SAFETY_CLASSIFIER",),
}
"""The engines of second opinions, and the settings without which each cannot be asked."""


@register("nightlight")
def check_workers(**_: Any) -> Sequence[CheckMessage]:
    """Several processes need a log that they share. uvicorn takes their number from WEB_CONCURRENCY, too."""
    workers = os.environ.get("WEB_CONCURRENCY", "1")
    if settings.REDIS_URL or not workers.isdecimal() or int(workers) <= 1:
        return []
    return [
        Error(
            f"WEB_CONCURRENCY asks for {workers} processes, and there is no REDIS_URL for them to share.",
            hint="Set REDIS_URL to a Redis or Valkey server, or unset WEB_CONCURRENCY to run one process.",
            id="nightlight.E001",
        )
    ]


@register("nightlight")
def check_engines(**_: Any) -> Sequence[CheckMessage]:
    """An engine that is named and cannot be asked would look like one that never finds anything."""
    named = settings.SAFETY_ENGINES
    errors = [
        Error(
            f"SAFETY_ENGINES names {name!r}, which is no engine.",
            hint=f"There are: {', '.join(ENGINES)}.",
            id="nightlight.E002",
        )
        for name in named
        if name not in ENGINES
    ]
    is_simulated = settings.DEMO and not (settings.AZURE_OPENAI_ENDPOINT or settings.OPENAI_BASE_URL)
    for name in [] if is_simulated else named:  # `manage.py demo` gives the server the simulator's addresses
        if missing := [setting for setting in ENGINES.get(name, ()) if not getattr(settings, setting)]:
            errors.append(
                Error(
                    f"SAFETY_ENGINES names {name}, and there is no {' and no '.join(missing)}.",
                    hint=f"Set {' and '.join(missing)}, or take {name} out of SAFETY_ENGINES.",
                    id="nightlight.E003",
                )
            )
    return [*errors, *_classifier_errors()]


def _classifier_errors() -> Sequence[CheckMessage]:
    path = settings.SAFETY_CLASSIFIER
    if "local" not in settings.SAFETY_ENGINES or not path:
        return []
    try:
        if callable(import_string(path)):
            return []
        reason = "it is not a function"
    except ImportError as error:
        reason = str(error)
    return [
        Error(
            f"SAFETY_CLASSIFIER names {path}, which cannot be used: {reason}.",
            hint="Give the dotted path of a function, as in clinic.classifier.scores.",
            id="nightlight.E004",
        )
    ]
