"""Who talks: a person, with an account or as a guest; what they told of themselves and agreed to."""

import uuid

from django.contrib.auth import models as auth_models
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class User(auth_models.AbstractUser):
    """An account: for parents (who sign in by e-mail), reviewers and staff."""


class Tone(models.TextChoices):
    WARM = "warm", _("Warm")
    PLAIN = "plain", _("Matter-of-fact")
    BRIEF = "brief", _("As short as possible")


class Reading(models.TextChoices):
    SIMPLE = "simple", _("Very simple words")
    PLAIN = "plain", _("Plain words")
    DETAILED = "detailed", _("More detail, with medical terms explained")


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
        max_length=2,
        blank=True,
        help_text=_("ISO 3166, as the person chose it: whose numbers the cards give."),
    )
    language = models.CharField(
        max_length=10, blank=True, help_text="Of the interface, as the person chose it."
    )
    due_date = models.DateField(
        null=True, blank=True, help_text="Where the person is pregnant and has told it."
    )
    about = models.CharField(
        max_length=500, blank=True, help_text="What else answers should know, in the person's words."
    )
    tone = models.CharField(max_length=10, choices=Tone, blank=True)
    reading = models.CharField("reading level", max_length=10, choices=Reading, blank=True)
    told_ai_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the page last said that this is a machine."
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


class Feeding(models.TextChoices):
    BREAST = "breast", _("Breast milk")
    FORMULA = "formula", _("Formula")
    BOTH = "both", _("Both")
    SOLIDS = "solids", _("Solid food, too")


class Child(models.Model):
    """A child as the person tells of it: everything is optional, and nothing is shown to anybody else."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="children")
    name = models.CharField(max_length=60, blank=True, help_text="Or a nickname.")
    birth_date = models.DateField(null=True, blank=True)
    feeding = models.CharField(max_length=10, choices=Feeding, blank=True)
    notes = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name_plural = "children"

    def __str__(self) -> str:
        return self.name or f"Child {self.pk}"


class Suggestion(models.Model):
    """Something that a question told of the person, which they may have remembered: only on their word."""

    class Fact(models.TextChoices):
        DUE_DATE = "due_date", "due date"
        NAME = "name", "a child's name"
        BIRTH_DATE = "birth_date", "a child's birth date"
        FEEDING = "feeding", "how a child is fed"
        NOTE = "note", "a note on a child"
        ABOUT = "about", "a note on the person"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    message = models.ForeignKey("chat.Message", on_delete=models.CASCADE, related_name="suggestions")
    fact = models.CharField(max_length=10, choices=Fact)
    child_name = models.CharField(max_length=60, blank=True)
    value = models.CharField(max_length=200)
    is_kept = models.BooleanField(null=True, blank=True, help_text="Empty until the person has decided.")
    decided_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.fact}: {self.value}"


class Consent(models.Model):
    """What a person agreed to, and when. Never edited; the words of each version are in `chat.consent`."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="consents")
    version = models.CharField(max_length=20)
    language = models.CharField(max_length=10)
    given_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "version"], name="consent_once_per_version"),
        ]

    def __str__(self) -> str:
        return f"{self.version} on {self.given_at:%Y-%m-%d}"
