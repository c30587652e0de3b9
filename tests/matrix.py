"""The fault matrix: every fault of the fault server, asked by every engine, and what must come of it.

`python -m tests.matrix` (which is `make faults`) prints it; tests/contracts/test_fault_matrix.py judges it.

A fault that ends by itself is asked alone, and behind it a well-behaved URL over the same session: whatever
the fault leaves behind would become that one's wrong answer. Those that hang, or make a host wait, are asked
many at once.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import count, groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fetcher
from fetcher import engines, menu
from fetcher.decode import decodable
from fetcher.errors import UsageError
from fetcher.model import Result
from fetcher.server import site
from fetcher.server.faults import SMALL, Fault, table
from fetcher.server.raw import NEEDS, good

USUAL: dict[str, Any] = {"timeout": 5.0, "connect_timeout": 3.0, "retries": 0, **SMALL}
GRACE = 1.0  # seconds after the timeout within which a record must have come
SLACK = 0.05  # clocks, here and there, are not read at the same moment
AT_ONCE = 10
TURNS = count(1)  # so that no target is asked twice of one server, but by redirects and retries


@dataclass
class Row:
    """One fault and what an engine made of it; `wrong` is empty where all is as it must be."""

    fault: Fault
    seen: str = "no record"
    wrong: str = "no record"
    took: float = 0.0


@dataclass
class Served:
    """A running fault server: where everything is, and the file of its authority."""

    base: str
    urls: dict[str, str]  # fault's path -> URL
    cacert: str

    @property
    def faults(self) -> list[Fault]:
        """All that it serves, but for codings that nobody can undo here (a library may be too old)."""
        lost = {library for coding, library in NEEDS.items() if not decodable(coding)}
        return [fault for fault in table() if fault.path in self.urls and fault.needs not in lost]


def look(base: str, folder: Path) -> Served:
    """Ask a fault server what it has."""

    def read(path: str) -> bytes:
        with urllib.request.urlopen(base + path, timeout=20) as answer:
            return answer.read()

    (folder / "ca.pem").write_bytes(read("/ca.pem"))
    return Served(
        base, {one["path"]: one["url"] for one in json.loads(read("/faults"))}, str(folder / "ca.pem")
    )


def ask(served: Served, engine: str, faults: list[Fault] | None = None) -> list[Row]:
    """One engine and all faults (or these): a run for each set of settings."""

    def settings(fault: Fault) -> str:
        return repr(USUAL | dict(fault.settings))

    rows = [Row(fault) for fault in (served.faults if faults is None else faults)]
    for _, alike in groupby(
        sorted(rows, key=lambda row: settings(row.fault)), key=lambda row: settings(row.fault)
    ):
        Run(served, engine, list(alike)).go()
    return rows


class Run:
    """One run of an engine over faults with the same settings."""

    def __init__(self, served: Served, engine: str, rows: list[Row]) -> None:
        self.served = served
        self.engine = engine
        self.rows = rows
        self.settings = USUAL | rows[0].fault.settings
        self.waits = any(row.fault.at_least >= 0.9 for row in rows)
        self.width = AT_ONCE if self.waits else 1
        self.turn = next(TURNS)
        self.items: list[tuple[Row | None, str]] = []  # in the order asked; None: a well-behaved URL
        self.warm = threading.Semaphore(0)

    def go(self) -> None:
        """Ask, and fill in the rows."""
        results: dict[int, list[tuple[Result, float]]] = {}
        fixed = tuple(
            (row.fault.host, urlsplit(self.served.urls[row.fault.path]).port, "127.0.0.1")
            for row in self.rows
            if row.fault.host
        )
        more = {"concurrency": self.width, "hash": True, "cacert": self.served.cacert, "resolve": fixed}
        for result in fetcher.fetch(self.asked(), engine=self.engine, **self.settings, **more):
            results.setdefault(result.row, []).append((result, time.monotonic()))
            self.warm.release()
        behind: Row | None = None
        for number, (row, url) in enumerate(self.items, 1):
            got = results.get(number, [])
            if row is not None:
                behind = row
                self.judge(row, got)
            elif (why := self.harmed(url, got)) and behind is not None:
                behind.wrong = f"{behind.wrong}; {why}".strip("; ")

    def asked(self) -> Iterator[str]:
        """Every fault with a well-behaved URL behind it; first some of these, so that all has started."""
        for number in range(self.width):
            yield self.item(None, f"{self.served.base}/good/first-{self.turn}-{number}")
        for _ in range(self.width):
            assert self.warm.acquire(timeout=30)
        for number, row in enumerate(self.rows):
            fault, url = row.fault, self.served.urls[row.fault.path]
            yield self.item(row, f"{url}?{self.turn}")
            own = fault.certificate and not fault.error
            site = url.removesuffix(fault.path) if own else self.served.base
            yield self.item(None, f"{site}/good/{self.turn}-{number}")

    def item(self, row: Row | None, url: str) -> str:
        self.items.append((row, url))
        return url

    def judge(self, row: Row, got: list[tuple[Result, float]]) -> None:
        """Whether the record is the one that stands in the table."""
        if len(got) != 1:
            row.seen = row.wrong = f"{len(got)} records"
            return
        fault, (result, arrived) = row.fault, got[0]
        row.seen = result.error or str(result.status)
        took = row.took = arrived - result.request.began if result.request else 0.0
        wanted: dict[str, Any] = {"error": fault.error, "status": fault.status}
        wanted |= {"sha256": None if fault.error else sha256(fault.body or b"").hexdigest()}
        if not (fault.error and result.size is None):  # a failure's size need not be known
            wanted |= {"size": None if fault.body is None else len(fault.body)}
        wanted |= {"attempts": fault.attempts} if fault.attempts is not None else {}
        if (fault.body or b"").startswith(good("")) and fault.group == "redirects":
            target = (fault.body or b"").removeprefix(good("")).decode()
            wanted |= {"final_url": self.served.base + (target if target.startswith("/good") else fault.path)}
        found = [
            f"{name} {getattr(result, name)!r}, not {value!r}"
            for name, value in wanted.items()
            if getattr(result, name) != value
        ]
        if (result.wire_size is None) is not (result.size is None):
            found.append(f"wire_size {result.wire_size!r}")
        if fault.error and not (result.message and result.message.isprintable()):
            found.append(f"message {result.message!r}")
        limit = self.settings["timeout"] + GRACE
        if not fault.at_least - SLACK <= took <= limit:
            found.append(f"took {took:.2f} s, not {fault.at_least:g} to {limit:g}")
        row.wrong = "; ".join(found) + (f" ({result.message})" if found and result.message else "")

    def harmed(self, url: str, got: list[tuple[Result, float]]) -> str:
        """What is wrong with a well-behaved answer."""
        body = b"" if self.settings.get("method") == "HEAD" else good(urlsplit(url).path)
        digest = sha256(body).hexdigest()
        seen = [(result.error, result.status, result.sha256 == digest, result.attempts) for result, _ in got]
        return "" if seen == [(None, 200, True, 1)] else f"the next answer: {seen}"


def installed() -> Iterator[str]:
    """The engines whose libraries are there."""
    for name in menu.names(engines):
        try:
            engines.pick(name)
        except UsageError as missing:
            print(f"{name} is left out: {missing}", file=sys.stderr)
            continue
        yield name


def main() -> int:
    """Print the matrix; 1 where something is wrong. Words: faults or groups, such as chunks or /tls/good."""
    words = [word.strip("/") for word in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder, site(faults=True) as base:
        served = look(base, Path(folder))
        faults = [f for f in served.faults if not words or f.group in words or f.path.strip("/") in words]
        if not faults:
            groups = ", ".join(dict.fromkeys(fault.group for fault in served.faults))
            print(f"no fault is called {' or '.join(words)}: name groups ({groups}) or paths, as tls/good")
            return 2
        names = list(installed())
        wide = max(len(fault.path) for fault in faults) + 2
        columns: dict[str, list[Row]] = {}
        for name in names:
            began = time.monotonic()
            columns[name] = ask(served, name, faults)
            print(f"{name}: {time.monotonic() - began:.1f} s", file=sys.stderr)
    print(f"{'fault':{wide}}{'must be':21}{''.join(f'{name:20}' for name in names)}".rstrip())
    for number, fault in enumerate(faults):
        rows = [columns[name][number] for name in names]
        cells = "".join(f"{row.seen + '!' if row.wrong else '✓':20}" for row in rows)
        print(f"{fault.path:{wide}}{fault.error or fault.status or '':<21}{cells}".rstrip())
    bad = [(name, row) for name in names for row in columns[name] if row.wrong]
    for name, row in bad:
        print(f"{name} {row.fault.path}: {row.wrong}")
    groups = Counter(fault.group for fault in faults)
    print(f"{len(faults)} faults in {len(groups)} groups x {len(names)} engines: {len(bad)} wrong")
    left = len(table()) - len(served.urls)
    if left:
        print(f"{left} faults are not served here, for want of a library or of a system that can have them")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
