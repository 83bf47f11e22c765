"""A real HTTP server on loopback that misbehaves when told to, and a small forward proxy.

Other tests reach both through the fixtures ``http_server`` and ``http_proxy``.
"""

from __future__ import annotations

import http.client
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from support.loopback import Loopback

DEADLINE_S = 30.0
"""Longest wait for another thread before a test is given up."""


@dataclass(frozen=True)
class Answer:
    """How one request for a path is answered."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = None
    ranges: bool = True
    """Whether ``Range`` is honoured."""
    cut_after: int | None = None
    """Close the connection after so many bytes of the body of this answer."""
    declared_bytes: int | None = None
    """A Content-Length that lies."""
    chunked: bool = False
    framed: bool = True
    """False: neither Content-Length nor chunks; the body ends with the connection."""
    content_range: str | None = None
    """A Content-Range that lies."""
    hang_after: int | None = None
    """After so many bytes of the body, say nothing more until the test releases the server or the client goes."""
    meet: threading.Barrier | None = None
    """Wait for other requests before answering."""

    @staticmethod
    def redirect(to: str, *, status: int = 302) -> Answer:
        """Send the client elsewhere."""
        return Answer(status=status, headers={"location": to})


@dataclass
class Seen:
    """A request that the server got, and what it sent back."""

    method: str
    path: str
    headers: dict[str, str]
    query: str = ""
    status: int = 0
    body_bytes: int = 0

    @property
    def range(self) -> str | None:
        """The Range header."""
        return self.headers.get("range")


class HttpServer(Loopback):
    """Serve answers by path; the n-th request for a path gets its n-th answer, the last one from then on."""

    Answer = Answer

    def __init__(self, *, tls: tuple[Path, Path] | None = None) -> None:
        self.log: list[Seen] = []
        self.release = threading.Event()
        self.hanging = threading.Event()
        self.most_at_once = 0
        self._at_once = 0
        self._answers: dict[str, list[Answer]] = {}
        self._count: dict[str, int] = {}
        self._folder: Path | None = None
        self._lock = threading.Lock()
        server = _QuietServer(("127.0.0.1", 0), _handler(self))
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        self.serve(server, scheme="http" if tls is None else "https")

    def put(self, path: str, *answers: Answer | bytes) -> str:
        """Say how a path is answered, request by request; return its URL."""
        self._answers[path] = [Answer(item) if isinstance(item, bytes) else item for item in answers]
        self._count[path] = 0
        return f"{self.url}{quote(path)}"

    def serve_folder(self, folder: Path) -> str:
        """Serve every file below a folder; return the base URL. Paths given to :meth:`put` go first."""
        self._folder = folder
        return self.url

    def requests(self, path: str) -> list[Seen]:
        """Return the requests for a path, in order."""
        return [seen for seen in self.log if seen.path == path]

    def wait_until_hanging(self) -> None:
        """Wait until an answer has come to its ``hang_after``."""
        assert self.hanging.wait(DEADLINE_S), "no request came so far"

    def close(self) -> None:
        """Release whoever hangs and stop."""
        self.release.set()
        super().close()

    def _next(self, path: str) -> Answer:
        """Return the answer whose turn it is."""
        with self._lock:
            answers = self._answers.get(path)
            if answers is not None:
                number = self._count[path]
                self._count[path] += 1
                return answers[min(number, len(answers) - 1)]
        if self._folder is not None:
            file = (self._folder / path.lstrip("/")).resolve()
            if file.is_relative_to(self._folder.resolve()) and file.is_file():
                return Answer(file.read_bytes())
        return Answer(b"no such file", status=404)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield
        finally:
            with self._lock:
                self._at_once -= 1


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are part of the tests."""


def _handler(server: HttpServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = DEADLINE_S

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

        def do_HEAD(self) -> None:
            self._serve(with_body=False)

        def do_GET(self) -> None:
            self._serve(with_body=True)

        def _serve(self, *, with_body: bool) -> None:
            target = urlsplit(self.path)
            path = unquote(target.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen = Seen(self.command, path, headers, target.query)
            server.log.append(seen)
            with server._counted(), suppress(BrokenPipeError, ConnectionResetError):
                answer = server._next(path)
                if answer.meet is not None:
                    try:
                        answer.meet.wait(DEADLINE_S)
                    except threading.BrokenBarrierError:
                        answer = Answer(b"the others did not come", status=500)
                self._send(answer, seen, with_body=with_body)

        def _send(self, answer: Answer, seen: Seen, *, with_body: bool) -> None:
            body, status, headers = answer.body, answer.status, dict(answer.headers)
            if answer.etag is not None:
                headers["etag"] = answer.etag
            if status == 200 and answer.ranges:
                headers["accept-ranges"] = "bytes"
                body, status = self._part(answer, headers)
            seen.status = status
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if answer.chunked:
                self.send_header("transfer-encoding", "chunked")
            elif answer.framed:
                length = len(body) if answer.declared_bytes is None else answer.declared_bytes
                self.send_header("content-length", str(length))
            else:
                self.send_header("connection", "close")
                self.close_connection = True
            self.end_headers()
            if with_body:
                self._write(answer, body, seen)

        def _part(self, answer: Answer, headers: dict[str, str]) -> tuple[bytes, int]:
            """Cut the body to the range that was asked for, unless the client's validator is out of date."""
            asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("range", ""))
            condition = self.headers.get("if-range")
            current = {headers.get("etag"), headers.get("last-modified")} - {None}
            if asked is None or (condition is not None and condition not in current):
                return answer.body, 200
            size = len(answer.body)
            if asked[1]:
                start, stop = int(asked[1]), min(int(asked[2]) + 1 if asked[2] else size, size)
            else:
                start, stop = max(size - int(asked[2]), 0), size
            if start >= size:
                headers["content-range"] = f"bytes */{size}"
                return b"", 416
            headers["content-range"] = answer.content_range or f"bytes {start}-{stop - 1}/{size}"
            return answer.body[start:stop], 206

        def _write(self, answer: Answer, body: bytes, seen: Seen) -> None:
            stops = [item for item in (answer.cut_after, answer.hang_after) if item is not None]
            first = body[: min(stops)] if stops else body
            self._put(answer, first, seen)
            if answer.hang_after is not None:
                server.hanging.set()
                server.release.wait(DEADLINE_S)
                self._put(answer, body[len(first) :], seen)
            if answer.cut_after is not None:
                self.close_connection = True
                return
            if answer.chunked:
                self.wfile.write(b"0\r\n\r\n")
            if answer.declared_bytes is not None:
                self.close_connection = True

        def _put(self, answer: Answer, data: bytes, seen: Seen) -> None:
            for start in range(0, len(data), 1 << 16):
                block = data[start : start + (1 << 16)]
                if answer.chunked:
                    block = b"%x\r\n%s\r\n" % (len(block), block)
                self.wfile.write(block)
                seen.body_bytes += len(data[start : start + (1 << 16)])
            self.wfile.flush()

    return Handler


class HttpProxy(Loopback):
    """A forward proxy for plain HTTP: it does what it is asked and remembers it."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.serve(_QuietServer(("127.0.0.1", 0), _proxy_handler(self)))


def _proxy_handler(proxy: HttpProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = DEADLINE_S

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

        def do_GET(self) -> None:
            proxy.log.append(self.path)
            target = urlsplit(self.path)
            onward = http.client.HTTPConnection(target.hostname or "", target.port or 80, timeout=DEADLINE_S)
            try:
                headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
                onward.request("GET", target.path, headers=headers)
                answer = onward.getresponse()
                body = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in {"connection", "transfer-encoding", "date", "server"}:
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            finally:
                onward.close()

    return Handler
