"""The page and its forms."""

from django.urls import path

from chat.web import views

app_name = "chat"
urlpatterns = [
    path("", views.home, name="home"),
    path("send", views.send, name="send"),
    path("c/<uuid:conversation_uuid>/", views.conversation, name="conversation"),
    path("c/<uuid:conversation_uuid>/delete", views.delete, name="delete"),
    path("streams/<uuid:stream_uuid>", views.stream, name="stream"),
    path("streams/<uuid:stream_uuid>/poll", views.poll, name="poll"),
    path("streams/<uuid:stream_uuid>/stop", views.stop, name="stop"),
    path("streams/<uuid:stream_uuid>/pause", views.pause, name="pause"),
    path("streams/<uuid:stream_uuid>/resume", views.resume, name="resume"),
    path("messages/<uuid:message_uuid>/feedback", views.rate, name="feedback"),
    path("messages/<uuid:message_uuid>/retry", views.retry, name="retry"),
]
