from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register


class SafetyConfig(AppConfig):
    name = "safety"

    def ready(self) -> None:
        from safety import kept, overrides

        kept.use(settings.SAFETY_CACHE_DIR)
        overrides.use(settings.SAFETY_DIR)
        register(check_files)


def check_files(**_: object) -> list[CheckMessage]:
    """Rules, cards and numbers as a start reads them: ours, with what a clinic changed."""
    from safety import overrides

    return [
        Error(
            message, hint="Mend the file, or unset SAFETY_DIR to run with what is shipped.", id="safety.E001"
        )
        for message in overrides.faults()
    ]
