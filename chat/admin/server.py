"""The processes that serve, and how the deployments they talk to are doing."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as now_
from django.utils.translation import gettext_lazy as _

from chat.admin.base import FactAdmin, short
from chat.models import Worker

BEATS_MISSED = 3
"""A process that has said nothing for so many of its rounds is taken for dead."""


def state_of(worker: Worker) -> tuple[str, str]:
    """A word for the style, and one for people."""
    silent = timezone.now() - worker.beat_at
    if silent > timedelta(seconds=BEATS_MISSED * settings.SWEEP_SECONDS):
        return "bad", now_("silent for %(time)s") % {"time": timesince(worker.beat_at)}
    return ("soft", now_("draining")) if worker.is_draining else ("good", now_("serving"))


def _deployment(health: dict[str, Any], worker: Worker) -> dict[str, Any]:
    """When an open breaker lets a request pass again: `retry_in` counts from the worker's last word."""
    state = health.get("state", "")
    again = worker.beat_at + timedelta(seconds=health.get("retry_in") or 0)
    return health | {"state": state, "again_at": again if state == "open" else None}


@admin.register(Worker)
class WorkerAdmin(FactAdmin):
    """Each process by its own account; the sweep removes those that died."""

    list_display = ["__str__", "state", "running", "deployment_states", "started"]
    list_display_links = ["__str__"]
    ordering = ["host", "pid"]
    fields = [
        ("host", "pid"),
        "state",
        "running",
        "deployment_states",
        ("started_at", "beat_at"),
        "uuid",
    ]
    readonly_fields = ["state", "deployment_states", "uuid"]

    class Media:
        css = {"all": ["css/admin-facts.css"]}

    @admin.display(description=_("started"), ordering="started_at")
    def started(self, worker: Worker) -> str:
        return short(worker.started_at)

    @admin.display(description=_("state"))
    def state(self, worker: Worker) -> SafeString:
        return format_html('<span class="state {}">{}</span>', *state_of(worker))

    @admin.display(description=_("deployments"))
    def deployment_states(self, worker: Worker) -> SafeString:
        deployments = [_deployment(health, worker) for health in worker.deployments]
        return render_to_string("admin/chat/deployments.html", {"deployments": deployments})
