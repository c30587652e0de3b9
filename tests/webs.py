"""Small web sites for crawls: a table or a function of the path, and a log of what was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], bytes]
NOTHING: Answer = (404, {"Content-Type": "text/plain"}, b"nothing here")


def html(*links: str, title: str = "", more: str = "") -> Answer:
    """A page with these links."""
    body = f"<!doctype html><title>{title}</title>" + "".join(f'<a href="{link}">x</a>' for link in links)
    return 200, {"Content-Type": "text/html; charset=utf-8"}, (body + more).encode()


def text(body: str | bytes, kind: str = "text/plain", **fields: str) -> Answer:
    """A file of that type."""
    raw = body.encode() if isinstance(body, str) else body
    return 200, {"Content-Type": kind, **fields}, raw


def moved(place: str, status: int = 301) -> Answer:
    """A redirect."""
    return status, {"Location": place}, b""


class Web:
    """One site: `url` with a slash at its end, and (method, path, headers) of every request."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.log: list[tuple[str, str, dict[str, str]]] = []

    @property
    def paths(self) -> list[str]:
        """What was asked, in order."""
        return [path for _, path, _ in self.log]


@contextmanager
def web(table: Mapping[str, Answer] | Callable[[str], Answer], host: str = "127.0.0.1") -> Iterator[Web]:
    """Serve it on a free port of loopback until the context is left."""
    find = table if callable(table) else lambda path: table.get(path, NOTHING)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site.log.append((self.command, self.path, dict(self.headers.items())))
            status, fields, body = find(self.path)
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *words: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *words: Any) -> None:
            pass  # a client that was killed is what some tests are about

    with Server((host, 0), Handler) as server:
        site = Web(f"http://{host}:{server.server_address[1]}/")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
