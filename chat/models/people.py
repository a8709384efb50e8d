"""Who talks: a person, with an account or as a guest."""

import uuid

from django.contrib.auth import models as auth_models
from django.db import models
from django.db.models import Q


class User(auth_models.AbstractUser):
    """An account: for parents (who sign in by e-mail), reviewers and staff."""


class PersonQuerySet(models.QuerySet["Person"]):
    def of_user(self, user: User) -> "Person":
        """The person behind an account, made at its first visit."""
        known = getattr(user, "person", None)
        return known or self.get_or_create(user=user)[0]

    def of_guest(self, key: uuid.UUID) -> "Person":
        """The person behind a guest's session, made at the first thing worth keeping."""
        return self.get_or_create(guest_key=key)[0]


class Person(models.Model):
    """The owner of conversations and feedback. Guests and accounts are owners of the same kind, so that a
    guest who signs up keeps everything by one change of owner.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, null=True, blank=True, related_name="person")
    guest_key = models.UUIDField(null=True, blank=True, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    timezone = models.CharField(
        max_length=64, blank=True, help_text="An IANA name such as Europe/Berlin; empty counts as UTC."
    )
    country = models.CharField(
        max_length=2, blank=True, help_text="ISO 3166, as the person chose it: whose numbers the cards give."
    )
    quota_day = models.DateField(
        null=True, blank=True, editable=False, help_text="The person's own day that quota_tokens counts."
    )
    quota_tokens = models.PositiveBigIntegerField(default=0, editable=False)

    objects = PersonQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "people"
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False) ^ Q(guest_key__isnull=False),
                name="person_is_account_or_guest",
            )
        ]

    def __str__(self) -> str:
        return f"Guest {self.pk}" if self.is_guest else str(self.user)

    @property
    def is_guest(self) -> bool:
        return self.user_id is None
