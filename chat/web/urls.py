"""The page and its forms."""

from django.urls import path

from chat.web import controls, countries, following, page, sending

app_name = "chat"
urlpatterns = [
    path("", page.home, name="home"),
    path("send", sending.send, name="send"),
    path("country", countries.choose, name="country"),
    path("c/<uuid:conversation_uuid>/", page.conversation, name="conversation"),
    path("c/<uuid:conversation_uuid>/delete", controls.delete, name="delete"),
    path("streams/<uuid:stream_uuid>", following.stream, name="stream"),
    path("streams/<uuid:stream_uuid>/poll", following.poll, name="poll"),
    path("streams/<uuid:stream_uuid>/stop", controls.stop, name="stop"),
    path("streams/<uuid:stream_uuid>/pause", controls.pause, name="pause"),
    path("streams/<uuid:stream_uuid>/resume", controls.resume, name="resume"),
    path("messages/<uuid:message_uuid>/feedback", controls.rate, name="feedback"),
    path("messages/<uuid:message_uuid>/retry", sending.retry, name="retry"),
]
