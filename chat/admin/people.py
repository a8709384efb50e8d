"""Accounts, and the people behind conversations."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from chat.admin.base import ReadOnlyAdmin
from chat.models import Person, User

admin.site.register(User, UserAdmin)


@admin.register(Person)
class PersonAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "user", "created_at"]
    list_filter = [("user", admin.EmptyFieldListFilter), "created_at"]
    list_select_related = ["user"]
    search_fields = ["user__email", "user__username"]
