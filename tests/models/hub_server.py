"""A hub on this machine that speaks the Hugging Face hub's protocol for one repository, and counts what it sends.

As on the real one, files are redirected to another host, which wants no token."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

REPO = "acme/tiny"
COMMIT = "c0ffee" + 34 * "0"
LFS_FROM = 1024
"""Bytes from which the server keeps a file as LFS."""
BLOCK = 64 * 1024


@dataclass
class Hub:
    """The repository and how the server misbehaves."""

    folder: Path
    licence: Any = "apache-2.0"
    token: str = ""
    """What it asks for, if anything."""
    break_after: int = 0
    """Bytes after which each connection is cut; 0 for never."""
    refuse: list[int] = field(default_factory=list)
    """Status codes of the next answers to file requests."""
    hold: dict[str, int] = field(default_factory=dict)
    """Byte of a file before which the server waits until `go` is set."""
    lies: dict[str, str] = field(default_factory=dict)
    """SHA-256 by file that the API states instead of the true one."""
    ignore_ranges: bool = False
    elsewhere: str = ""
    """Where files are redirected to, if not to the other host."""
    first: dict[str, bytes] = field(default_factory=dict)
    """What the first request for a file gets in its place."""
    go: threading.Event = field(default_factory=threading.Event)
    sent: dict[str, int] = field(default_factory=dict)
    """Bytes sent by file."""
    starts: dict[str, list[int]] = field(default_factory=dict)
    """Where each answered request for a file began."""
    cdn_tokens: list[str] = field(default_factory=list)
    """Authorization headers that reached the other host."""
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def document(self) -> dict[str, Any]:
        files = sorted(each for each in self.folder.rglob("*") if each.is_file())
        return {
            "id": REPO,
            "sha": COMMIT,
            "cardData": {"license": self.licence} if self.licence else None,
            "siblings": [self._sibling(each) for each in files],
        }

    def _sibling(self, path: Path) -> dict[str, Any]:
        name, content = path.relative_to(self.folder).as_posix(), path.read_bytes()
        blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()  # noqa: S324 - git's
        found: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob}
        if len(content) >= LFS_FROM or name in self.lies:
            sha256 = self.lies.get(name, hashlib.sha256(content).hexdigest())
            found["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
        return found

    def forget(self) -> None:
        self.sent.clear()
        self.starts.clear()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        if path.startswith("/cdn/"):
            self._file(path.removeprefix("/cdn/"))
        elif hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            self._answer(401, b"{}")
        elif path in (f"/api/models/{REPO}/revision/main", f"/api/models/{REPO}/revision/{COMMIT}"):
            self._answer(200, json.dumps(hub.document()).encode())
        elif path.startswith(f"/{REPO}/resolve/{COMMIT}/"):
            name = path.removeprefix(f"/{REPO}/resolve/{COMMIT}/")
            self.send_response(302)
            self.send_header("Location", f"{hub.elsewhere or f'http://localhost:{hub.port}'}/cdn/{name}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._answer(404, b"{}")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _file(self, name: str) -> None:
        hub = self.hub
        if "Authorization" in self.headers:
            hub.cdn_tokens.append(self.headers["Authorization"])
        if hub.refuse:
            self._answer(hub.refuse.pop(0), b"")
            return
        if name in hub.first:
            self._answer(200, hub.first.pop(name))
            return
        path = hub.folder / name
        if not path.is_file():
            self._answer(404, b"")
            return
        size = path.stat().st_size
        asked = self.headers.get("Range", "") if not hub.ignore_ranges else ""
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start, end = (int(first), min(int(last) + 1, size)) if asked else (0, size)
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(end - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.end_headers()
        with hub.lock:
            hub.starts.setdefault(name, []).append(start)
        self._body(name, path, start, end)

    def _body(self, name: str, path: Path, start: int, end: int) -> None:
        hub, given = self.hub, 0
        with path.open("rb") as opened:
            opened.seek(start)
            while start + given < end:
                if name in hub.hold and start + given >= hub.hold[name]:
                    hub.go.wait(60)
                block = opened.read(min(BLOCK, end - start - given))
                try:
                    self.wfile.write(block)
                except OSError:
                    self.close_connection = True
                    return
                given += len(block)
                with hub.lock:
                    hub.sent[name] = hub.sent.get(name, 0) + len(block)
                if hub.break_after and given >= hub.break_after and start + given < end:
                    self.close_connection = True
                    return


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serves until the block ends."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.go.set()
        server.shutdown()
        server.server_close()
