"""The words that every answer begins with, as the clinic has changed them."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Prompt(models.Model):
    """A version of the system prompt in one language. Never edited: a change is a new row. Where none is
    active, the shipped one is used (`chat.prompts`).
    """

    language = models.CharField(max_length=10)
    number = models.PositiveIntegerField(help_text=_("Counted per language."))
    text = models.TextField()
    note = models.CharField(max_length=200, blank=True, help_text=_("Why it was changed."))
    is_active = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["language", "number"], name="prompt_numbered_by_language"),
            models.UniqueConstraint(
                fields=["language"], condition=Q(is_active=True), name="prompt_one_active_per_language"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.language} {self.number}"
