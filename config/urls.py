"""Where every door is."""

from django.contrib import admin
from django.urls import include, path

from chat.api import api
from chat.web import health

urlpatterns = [
    path("", include("chat.web.urls")),
    path("api/v1/", api.urls),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
]
handler404 = "chat.web.errors.page_not_found"
