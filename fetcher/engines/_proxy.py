"""Where --proxy is, and how it wants to be greeted."""

from __future__ import annotations

from base64 import b64encode
from typing import NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

from fetcher.errors import UsageError


class Proxy(NamedTuple):
    """An HTTP proxy, and the header fields that it is to be sent."""

    host: str
    port: int
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, url: str) -> Proxy:
        """Read the value of --proxy; its login is sent as UTF-8 (RFC 7617 2.1). Raises UsageError."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, port = parts.hostname, parts.port or 80
        except ValueError:
            host = None
        if not host or parts.scheme != "http":
            raise UsageError(
                f"--proxy: {url.rpartition('@')[2]} is not the http:// URL of a proxy: give http://HOST:PORT"
            )
        if parts.username is None:
            return cls(host, port, ())
        login = unquote_to_bytes(parts.username) + b":" + unquote_to_bytes(parts.password or "")
        return cls(host, port, (("Proxy-Authorization", f"Basic {b64encode(login).decode()}"),))
