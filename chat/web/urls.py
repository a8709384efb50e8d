"""The page and its forms."""

from django.urls import path

from chat.web import (
    controls,
    conversations,
    countries,
    following,
    language,
    me,
    page,
    phone,
    reading,
    sending,
    transcript,
)

app_name = "chat"

JSON, MARKDOWN = {"ending": "json"}, {"ending": "md"}

urlpatterns = [
    path("", page.home, name="home"),
    path("send", sending.send, name="send"),
    path("country", countries.choose, name="country"),
    path("language", language.choose, name="language"),
    path("consent", me.agree, name="consent"),
    path("me/", me.profile, name="me"),
    path("me/lines", me.lines, name="my_lines"),
    path("me/erase", me.erase, name="erase_profile"),
    path("me/data/", me.data, name="my_data"),
    path("me/data/export", me.export, name="export_me"),
    path("me/data/delete", me.delete, name="delete_me"),
    path("me/deleted", me.deleted, name="me_deleted"),
    path("memory/<uuid:suggestion_uuid>", me.remember, name="memory"),
    path("c/<uuid:conversation_uuid>/profile", me.use_profile, name="use_profile"),
    path("c/<uuid:conversation_uuid>/", page.conversation, name="conversation"),
    path("c/<uuid:conversation_uuid>/title", following.title, name="title"),
    path("c/<uuid:conversation_uuid>/earlier", transcript.earlier, name="earlier"),
    path("show", transcript.show, name="show"),
    path("c/<uuid:conversation_uuid>/options", conversations.options, name="options"),
    path("c/<uuid:conversation_uuid>/rename", conversations.rename, name="rename"),
    path("c/<uuid:conversation_uuid>/pin", conversations.pin, name="pin"),
    path("c/<uuid:conversation_uuid>/share", conversations.share, name="share"),
    path("c/<uuid:conversation_uuid>/unshare", conversations.unshare, name="unshare"),
    path("c/<uuid:conversation_uuid>/delete", conversations.delete, name="delete"),
    path("c/<uuid:conversation_uuid>/restore", conversations.restore, name="restore"),
    path("c/<uuid:conversation_uuid>/print", reading.print_page, name="print"),
    path("c/<uuid:conversation_uuid>/export.json", conversations.export_one, JSON, "export_json"),
    path("c/<uuid:conversation_uuid>/export.md", conversations.export_one, MARKDOWN, "export_markdown"),
    path("conversations/", conversations.index, name="conversations"),
    path("conversations/export.json", conversations.export_all, JSON, "export_all_json"),
    path("conversations/export.md", conversations.export_all, MARKDOWN, "export_all_markdown"),
    path("s/<uuid:key>/", reading.shared, name="shared"),
    path("manifest.webmanifest", phone.manifest, name="manifest"),
    path("worker.js", phone.worker, name="worker"),
    path("offline", phone.offline, name="offline"),
    path("streams/<uuid:stream_uuid>", following.stream, name="stream"),
    path("streams/<uuid:stream_uuid>/poll", following.poll, name="poll"),
    path("streams/<uuid:stream_uuid>/stop", controls.stop, name="stop"),
    path("streams/<uuid:stream_uuid>/pause", controls.pause, name="pause"),
    path("streams/<uuid:stream_uuid>/resume", controls.resume, name="resume"),
    path("messages/<uuid:message_uuid>/feedback", controls.rate, name="feedback"),
    path("messages/<uuid:message_uuid>/retry", sending.retry, name="retry"),
]
