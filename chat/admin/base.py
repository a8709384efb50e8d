"""What happened is never edited in the admin, and no long table is read as a whole to show a page of it."""

from datetime import datetime
from functools import cached_property
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest
from django.utils import timezone

MOST_COUNTED = 10_000


def short(moment: datetime | None) -> str:
    """A moment as a narrow column shows it."""
    return "–" if moment is None else f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that can be read, and by those who may, deleted; not added, not changed."""

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:  # noqa: ARG002
        return False


class FactAdmin(ReadOnlyAdmin):
    """Rows that the server writes and removes by itself."""

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:  # noqa: ARG002
        return False


class ShortPaginator(Paginator):
    """Counts no further than the first ten thousand rows: nobody leafs through more."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows[:MOST_COUNTED].count())
