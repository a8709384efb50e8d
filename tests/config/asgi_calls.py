"""Calls to an ASGI application as a server makes them."""

import asyncio
import json

PATIENCE = 10


class Call:
    """One HTTP request: what was sent back, and when."""

    def __init__(self, application, method, path, body=b"", *, headers=(), chunks=None, length=True):
        self.application = application
        chunks = [body] if chunks is None else chunks
        given = [(name.lower().encode(), value.encode()) for name, value in dict(headers).items()]
        if length:
            given.append((b"content-length", str(sum(map(len, chunks))).encode()))
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"testserver"), *given],
            "client": ("127.0.0.1", 50000),
            "server": ("testserver", 80),
        }
        self._chunks = list(chunks)
        self._gone = asyncio.Event()
        self.started = asyncio.Event()
        self.got_body = asyncio.Event()
        self.status = None
        self.headers = {}
        self.body = b""

    async def _receive(self):
        if self._chunks:
            chunk = self._chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(self._chunks)}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
            self.started.set()
        else:
            self.body += message.get("body", b"")
            if self.body:
                self.got_body.set()

    def leave(self):
        """The client closes the connection."""
        self._gone.set()

    async def done(self):
        async with asyncio.timeout(PATIENCE):
            await self.application(self.scope, self._receive, self._send)
        return self

    def begin(self):
        self.task = asyncio.create_task(self.done())
        return self

    def json(self):
        return json.loads(self.body)


def post_json(application, path, body, **more):
    headers = {"Content-Type": "application/json"} | more.pop("headers", {})
    return Call(application, "POST", path, json.dumps(body).encode(), headers=headers, **more)
