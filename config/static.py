"""Static files, small and kept: compressed once, and with addresses that change with their content."""

import gzip
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from wsgiref.headers import Headers

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from servestatic.middleware import ServeStaticMiddleware  # type: ignore[import-untyped]
from servestatic.responders import StaticFile  # type: ignore[import-untyped]

FOR_GOOD = "max-age=31536000, public, immutable"
TEXTS = frozenset({".css", ".js", ".svg", ".json"})
WORTH_IT = 0.9
"""A packed file larger than this part of the plain one is not kept."""


@cache
def version(name: str) -> str:
    """A short digest of what the file says; empty where there is none, and for fonts.

    Style sheets name fonts without it, and a page that asked for both addresses would load them twice.
    """
    path = None if name.startswith("fonts/") else finders.find(name)
    return sha256(Path(path).read_bytes()).hexdigest()[:10] if path and Path(path).is_file() else ""


class VersionedStorage(StaticFilesStorage):
    """`{% static %}` with the version in the address: a page never meets the styles of another release."""

    def url(self, name: str | None) -> str:
        address = super().url(name)
        digest = version(name or "")
        return f"{address}?v={digest}" if digest else address


class PackedStaticMiddleware(ServeStaticMiddleware):  # type: ignore[misc]
    """Gives texts packed, from copies made at the first start; versioned addresses may be kept for good."""

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await super().__call__(request)
        asked = request.GET.get("v")
        if asked and request.path_info in self.files and asked == self._version_at(request.path_info):
            response["Cache-Control"] = FOR_GOOD
        return response

    def _version_at(self, address: str) -> str:
        return version(address.removeprefix(self.static_prefix))

    def get_static_file(self, path: str, url: str, stat_cache: Any = None) -> StaticFile:
        packed = _packed(Path(path))
        if packed is None:
            return super().get_static_file(path, url, stat_cache)
        headers = Headers([])
        self.add_mime_headers(headers, path, url)
        self.add_cache_headers(headers, path, url)
        return StaticFile(path, headers.items(), encodings={"gzip": str(packed)})


def _packed(path: Path) -> Path | None:
    """The packed copy of a text, named by its content, so that workers and releases may share the folder."""
    if path.suffix not in TEXTS:
        return None
    plain = path.read_bytes()
    copy = settings.STATE_DIR / "packed" / f"{sha256(plain).hexdigest()[:20]}.gz"
    if not copy.exists():
        packed = gzip.compress(plain, 9, mtime=0)
        if len(packed) > WORTH_IT * len(plain):
            return None
        _write(copy, packed)
    return copy


def _write(path: Path, content: bytes) -> None:
    """At once: another worker may read it meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    Path(file.name).replace(path)
