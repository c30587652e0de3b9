"""What the fault server replies to a request: a fault's script, a page about the faults, or a good answer."""

from __future__ import annotations

import json
import ssl
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from fetcher.menu import cure
from fetcher.server.faults import Asked, Fault, Step, table
from fetcher.server.raw import good, response

if TYPE_CHECKING:
    from fetcher.server.certificates import Authority

COUNTED: Final = 10_000  # targets whose requests are counted
USUALLY: Final = "\nWhat must come of each, with --retries 0 --timeout 5 and what stands behind it:\n"
MISSING: Final = "It is not served here, or at a port of its own: /help says what there is, and where.\n"
PAGES: Final = {
    "/help": "Lists the faults.",
    "/faults": "The same as JSON: where each is, and the record that must come of it.",
    "/urls": "Their URLs alone, one a line.",
    "/ca.pem": "The authority of those that speak TLS, for --cacert.",
    "/good/ANYTHING": "A well-behaved answer that names what was asked.",
}


class Replies:
    """The faults that are served, where, and how often each was asked."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}  # by path
        self._urls: dict[str, str] = {}
        self._times: Counter[str] = Counter()
        self._authority: Authority | None = None

    def add(self, fault: Fault, url: str) -> None:
        """This one is served there."""
        self._faults[fault.path] = fault
        self._urls[fault.path] = url

    def context(self, certificate: str) -> ssl.SSLContext:
        """What a port with this certificate needs."""
        if self._authority is None:
            from fetcher.server.certificates import Authority

            self._authority = Authority()
        return self._authority.context(certificate)

    def to(self, head: bytes, own: Fault | None) -> tuple[bytes | Iterable[Step], bool]:
        """What to send, and whether the connection is kept behind it; `own`: the fault whose port it is."""
        words = head.split(b"\r\n")[0].decode("latin-1").split(" ")
        if len(words) != 3:
            return response(b"That is no request.\n", status="400 Bad Request"), True
        method, target, _ = words
        path = target.partition("?")[0]
        body = self._page(path, target)
        if body is not None:
            whole = response(body, "Content-Type: text/plain; charset=utf-8")
            return (whole[: -len(body) or None] if method == "HEAD" else whole), True
        known, _, rest = path, "", ""
        while known and known not in self._faults:
            known, _, last = known.rpartition("/")
            rest = f"{last}/{rest}" if rest else last
        fault = self._faults.get(known)
        if fault is None or (own is None and (fault.certificate or fault.place != "path")):
            return response(MISSING.encode(), status="404 Not Found"), True
        if not callable(fault.sends):
            return fault.sends, isinstance(fault.sends, bytes)
        if len(self._times) > COUNTED:
            self._times.clear()
        self._times[target] += 1
        return fault.sends(Asked(target, head, rest, self._times[target], self._urls)), True

    def _page(self, path: str, target: str) -> bytes | None:
        if path.startswith("/good/"):
            return good(target)
        if path == "/ca.pem" and self._authority is not None:
            return self._authority.pem
        if path == "/urls":
            return "".join(f"{url}\n" for url in self._urls.values()).encode()
        if path == "/faults":
            return json.dumps([self._about(fault) for fault in self._faults.values()], indent=1).encode()
        return self._help() if path in ("/", "/help") else None

    def _about(self, fault: Fault) -> dict[str, str | int | None]:
        about = {"path": fault.path, "url": self._urls[fault.path], "says": fault.says}
        return {**about, "error": fault.error, "status": fault.status}

    def _asked_with(self, fault: Fault) -> str:
        """The options that it takes, beside those for all."""
        words = [f"--{name.replace('_', '-')} {value}" for name, value in fault.settings.items()]
        if fault.host:
            port = urlsplit(self._urls[fault.path]).port
            words.append(f"--resolve {fault.host}:{port}:127.0.0.1")
        return f" ({' '.join(words)})" if words else ""

    def _help(self) -> bytes:
        rows = [(path, "", says) for path, says in PAGES.items()]
        for path, fault in self._faults.items():
            shown = path if fault.place == "path" and not fault.certificate else self._urls[path]
            rows.append((shown, fault.error or str(fault.status), fault.says + self._asked_with(fault)))
        wide, kind = (max(len(row[at]) for row in rows) for at in (0, 1))
        lines = [f"{path:{wide}}  {what:{kind}}  {says}\n" for path, what, says in rows]
        lines.insert(len(PAGES), USUALLY)
        needs = Counter(fault.needs for fault in table() if fault.needs and fault.path not in self._faults)
        lines += [f"{count} more: {cure(library)}\n" for library, count in needs.items()]
        return "".join(lines).encode()
