"""Accounts, and the people behind conversations."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.utils.translation import gettext as now_
from django.utils.translation import gettext_lazy as _

from chat import quota
from chat.admin.base import FactAdmin, ReadOnlyAdmin
from chat.models import Consent, Person, User

admin.site.register(User, UserAdmin)


@admin.register(Person)
class PersonAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "user", "country", "tokens_today", "time_zone", "created_at"]
    list_filter = [("user", admin.EmptyFieldListFilter), "created_at"]
    list_select_related = ["user"]
    search_fields = ["user__email", "user__username"]
    fields = ["user", "created_at", "country", "tokens_today", "time_zone"]
    readonly_fields = ["tokens_today", "time_zone"]

    @admin.display(description=_("tokens today"))
    def tokens_today(self, person: Person) -> str:
        """On the person's own day, what running answers have reserved included."""
        day = quota.account(person)
        if day is None:
            return now_("not limited")
        return now_("%(used)s of %(limit)s") % {"used": f"{day.used:,}", "limit": f"{day.limit:,}"}

    @admin.display(description=_("time zone"), ordering="timezone")
    def time_zone(self, person: Person) -> str:
        return str(quota.zone_of(person))


@admin.register(Consent)
class ConsentAdmin(FactAdmin):
    """Who agreed to which words, and when. What a person told of themselves is theirs, and not shown."""

    list_display = ["person", "version", "language", "given_at"]
    list_filter = ["version", "language", "given_at"]
    list_select_related = ["person__user"]
    search_fields = ["person__user__email"]
