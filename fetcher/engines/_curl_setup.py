"""What all handles of one run are set to: libcurl follows, decodes, remembers and looks up nothing itself.

What is on instead: every answer comes raw (chunks as they are, codings as they are, whatever the first line
is), so that the Exchange judges it as in every engine.
"""

from __future__ import annotations

import ssl
from typing import Any, Final

import pycurl

from fetcher.engines import _tls
from fetcher.engines._proxy import Proxy
from fetcher.errors import Fault, UsageError
from fetcher.model import Options, Pairs
from fetcher.resolve import private

FLOOR: Final = (8, 5, 0)  # libcurl; older ones accept other heads than framing.Reader does
VERSIONS: Final = {"1.1": "CURL_HTTP_VERSION_1_1", "2": "CURL_HTTP_VERSION_2TLS", "3": "CURL_HTTP_VERSION_3"}
NEEDS: Final = {"2": ("VERSION_HTTP2", 1 << 16), "3": ("VERSION_HTTP3", 1 << 25)}  # of curl_version_info
# Seconds that libcurl keeps an address: it looks through all that it keeps at each new one, so that 36,000
# hosts in a minute cost 0.9 ms each.
KEPT: Final = 4
SAME: Final = (
    *(("NOSIGNAL", 1), ("PATH_AS_IS", 1), ("FOLLOWLOCATION", 0), ("TCP_NODELAY", 1), ("NETRC", 0)),
    *(("HTTP_CONTENT_DECODING", 0), ("HTTP_TRANSFER_DECODING", 0), ("NOPROXY", "")),
    ("DNS_CACHE_TIMEOUT", KEPT),
    # Every line begins with nothing: so libcurl hands over any first line, for us to judge, and refuses none.
    ("HTTP200ALIASES", [""]),
)
LISTS: Final = 64  # of header fields that are kept ready


def inside() -> tuple[str, ...]:
    """The libcurl that pycurl was built with, for `fetch engines`."""
    floor = ".".join(map(str, FLOOR))
    facts = pycurl.version_info()
    speaks = [number for number, (name, bit) in NEEDS.items() if facts[4] & getattr(pycurl, name, bit)]
    return f"libcurl {facts[1]} (at least {floor})", "HTTP/" + ", ".join(("1.1", *speaks))


def check(options: Options) -> None:
    """Raise UsageError where this libcurl is too old or lacks the HTTP version, or a file is unusable."""
    facts = pycurl.version_info()
    version, number, features = facts[1], facts[2], facts[4]
    if (number >> 16, number >> 8 & 255, number & 255) < FLOOR:
        floor = ".".join(map(str, FLOOR))
        raise UsageError(f"curl needs libcurl {floor} or newer, this is {version}: pip install -U pycurl")
    if options.http in NEEDS:
        name, bit = NEEDS[options.http]
        if not features & getattr(pycurl, name, bit):
            cure = "pip install -U pycurl, or leave it out"
            raise UsageError(f"--http {options.http}: this libcurl ({version}) was built without it: {cure}")
    _tls.check(options)


class Setup:
    """What all handles of a run share."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.proxy = Proxy.parse(options.proxy) if options.proxy else None
        self.surplus: set[str] = set()  # hosts that sent more than their answer: no connection serves twice
        self._lists: dict[tuple[Pairs, bool], list[bytes]] = {}
        self._settings = self._made()

    def prepare(self, handle: Any) -> None:
        """Set on a new handle what holds for the whole run."""
        set_ = handle.setopt
        for option, value in self._settings:
            set_(option, value)

    def fields(self, headers: Pairs, *, body: bool) -> list[bytes]:
        """The header fields as libcurl takes them; mostly the same few lists again and again."""
        found = self._lists.get((headers, body))
        if found is None:
            if len(self._lists) >= LISTS:
                self._lists.clear()
            found = self._lists[headers, body] = _fields(headers, body=body)
        return found

    def _made(self) -> list[tuple[int, Any]]:
        options = self.options
        made: list[tuple[int, Any]] = [(getattr(pycurl, name), value) for name, value in SAME]
        made.append((pycurl.HTTP_VERSION, getattr(pycurl, VERSIONS[options.http])))
        made.append((pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2))
        if options.http != "1.1":
            made.append((pycurl.PIPEWAIT, 1))  # rather a stream of a connection than one more connection
        if options.family:
            made.append(
                (pycurl.IPRESOLVE, pycurl.IPRESOLVE_V4 if options.family == 4 else pycurl.IPRESOLVE_V6)
            )
        if options.deny_private:
            made.append((pycurl.OPENSOCKETFUNCTION, _public))
        return [*made, *self._trust(), *self._through()]

    def _trust(self) -> list[tuple[int, Any]]:
        options = self.options
        made: list[tuple[int, Any]]
        if options.insecure:
            made = [(pycurl.SSL_VERIFYPEER, 0), (pycurl.SSL_VERIFYHOST, 0)]
        else:
            paths = ssl.get_default_verify_paths()
            file = _tls.authorities(options) or paths.cafile
            folder = None if options.cacert else paths.capath
            made = [(pycurl.CAINFO, file), (pycurl.CAPATH, folder)]
        if options.cert:
            made.append((pycurl.SSLCERT, options.cert))
        return [(option, value) for option, value in made if value is not None]

    def _through(self) -> list[tuple[int, Any]]:
        """The proxy; without one, an empty name, or libcurl would look into the environment."""
        if self.proxy is None:
            return [(pycurl.PROXY, "")]
        host = f"[{self.proxy.host}]" if ":" in self.proxy.host else self.proxy.host
        fields = [*_fields(self.proxy.headers, body=False), b"Proxy-Connection:", b"User-Agent:"]
        return [
            (pycurl.PROXY, f"http://{host}:{self.proxy.port}"),
            (pycurl.HEADEROPT, pycurl.HEADER_SEPARATE),
            (pycurl.PROXYHEADER, fields),
        ]


def _fields(headers: Pairs, *, body: bool) -> list[bytes]:
    """An empty value is written with a semicolon; a bare name and colon keeps libcurl from adding its own."""
    made = []
    for name, value in headers:
        line = f"{name}: {value}" if value else f"{name};"
        if "\r" in line or "\n" in line or "\0" in line:
            raise Fault("invalid_url", "a line break in a header")
        made.append(line.encode("latin-1"))
    given = {name.lower() for name, _ in headers}
    unasked = ("Accept", "Content-Type", "Expect") if body else ("Accept",)
    return made + [f"{name}:".encode() for name in unasked if name.lower() not in given]


def _public(_purpose: int, address: Any) -> Any:
    """A socket, unless the address is private: the last look before a connection is opened."""
    import socket

    family, kind, protocol, where = address
    if private(where[0]):
        return pycurl.SOCKET_BAD
    return socket.socket(family, kind, protocol)
