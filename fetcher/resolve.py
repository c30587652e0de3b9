"""Names to addresses for every engine: single flight, short cache, address policy.

`Resolver.ask` gives a Future, because getaddrinfo can neither be given a limit nor be stopped: whoever asks
waits as long as his attempt may, and a lookup that nobody waits for any more ends by itself in its daemon
thread (the one thing that may outlive a run). The addresses in the answer have passed `--deny-private`;
engines connect to exactly those, so a name whose answer changes gains nothing.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections import deque
from concurrent.futures import Future
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final

from fetcher.addresses import local
from fetcher.addresses import private as private
from fetcher.errors import Fault, UsageError
from fetcher.model import Options

Address = tuple[int, tuple[Any, ...]]  # family and sockaddr, as socket.connect takes them
Answer = Future[tuple[Address, ...]]

KEPT: Final = 60.0  # seconds an answer is kept; failures are not
NAMES: Final = 10_000  # names in the cache
THREADS: Final = (32, 512)  # lookups at once: as many as attempts, but at least and at most so many
NO_DESCRIPTOR: Final = (errno.EMFILE, errno.ENFILE)
FAMILIES: Final = {0: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}

# EAI_NODATA and EAI_ADDRFAMILY are missing on some systems. glibc: NXDOMAIN is NONAME; SERVFAIL, REFUSED and
# a dropped query are AGAIN; an answer without an address is NODATA.
LOOKUP: Final = {
    socket.EAI_NONAME: "dns_not_found",
    getattr(socket, "EAI_NODATA", -5): "dns_no_address",
    getattr(socket, "EAI_ADDRFAMILY", -9): "dns_no_address",
    socket.EAI_AGAIN: "dns_temporary",
    socket.EAI_FAIL: "dns_temporary",
    socket.EAI_MEMORY: "local_memory",
}


def descriptors_left() -> bool:
    """Whether this process may open one more file: without, getaddrinfo fails in misleading ways."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno not in NO_DESCRIPTOR
    return True


def lookup_fault(error: BaseException) -> Fault:
    """The Fault of a failed lookup, in the system's own words."""
    if getattr(error, "errno", None) in NO_DESCRIPTOR or not descriptors_left():
        return Fault("local_fd_limit")
    if isinstance(error, socket.gaierror):
        return Fault(LOOKUP.get(error.errno or 0, "dns_temporary"), error.strerror or "")
    if isinstance(error, MemoryError):
        return Fault("local_memory")
    if isinstance(error, OSError):
        return Fault("dns_temporary", error.strerror or str(error))
    if isinstance(error, ValueError):  # UnicodeError, or a NUL in the name
        return Fault("invalid_url", "the host is not a name that can be looked up")
    return Fault("internal", repr(error))


PUBLIC: Final = "a public address: load goes to loopback and private ones (--allow HOST)"


class Resolver:
    """Answers for one engine. Any thread may ask."""

    def __init__(self, options: Options) -> None:
        if options.proxy and options.deny_private:
            raise UsageError("--deny-private cannot hold behind --proxy, which connects itself: drop one")
        self.family = FAMILIES[options.family]
        self.deny_private = options.deny_private
        self.private_only = options.private_only
        self.allow = frozenset(host.lower().strip("[]") for host in options.allow)
        self.most = min(max(options.concurrency, THREADS[0]), THREADS[1])
        self.fixed = {(host.lower().strip("[]"), port): address for host, port, address in options.resolve}
        self._kept: dict[str, tuple[float, tuple[Address, ...]]] = {}
        self._asked: dict[str, list[tuple[Answer, int, str]]] = {}  # name -> who waits, which port and host
        self._todo: deque[str] = deque()
        self._change = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._closed = False

    def ask(self, host: str, port: int) -> Answer:
        """The addresses of this host, in the system's order. The Future may end in a Fault."""
        answer: Answer = Future()
        name = host.lower().strip("[]")
        literal = self.fixed.get((name, port), name).strip("[]")
        if port == 0:
            self._give(answer, Fault("connect_refused", "nothing can listen at port 0"), port, name)
        elif _literal(literal):
            self._give(answer, _look_up(literal, self.family), port, name)
        else:
            with self._change:
                kept = self._kept.get(literal)
                if kept is None or kept[0] < time.monotonic():
                    self._enqueue(literal, answer, port, name)
                    return answer
            self._give(answer, kept[1], port, name)
        return answer

    def close(self) -> None:
        """End the idle threads. Whoever still waits is told `cancelled`."""
        with self._change:
            self._closed = True
            left = [waiting for asked in self._asked.values() for waiting in asked]
            self._asked.clear()
            self._todo.clear()
            self._change.notify_all()
        for answer, port, host in left:
            self._give(answer, Fault("cancelled"), port, host)
        until = time.monotonic() + 0.2  # an idle thread ends in a moment; one inside getaddrinfo is left
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0))

    def _enqueue(self, name: str, answer: Answer, port: int, host: str) -> None:
        """Have the name looked up, once for all who ask at the same time. Called with the lock held."""
        if self._closed:
            answer.set_exception(Fault("cancelled"))
            return
        if (asked := self._asked.get(name)) is not None:
            asked.append((answer, port, host))
            return
        if self._idle <= len(self._todo) and len(self._threads) < self.most:
            thread = threading.Thread(target=self._work, name="fetch-lookup", daemon=True)
            try:
                thread.start()
                self._threads.append(thread)
            except RuntimeError as error:  # the system's thread limit: those that run will do
                if not self._threads:
                    answer.set_exception(Fault("local_memory", str(error)))
                    return
        self._asked[name] = [(answer, port, host)]
        self._todo.append(name)
        self._change.notify()

    def _work(self) -> None:
        while True:
            with self._change:
                self._idle += 1
                self._change.wait_for(lambda: self._todo or self._closed)
                self._idle -= 1
                if self._closed:
                    return
                name = self._todo.popleft()
            found = _look_up(name, self.family)
            with self._change:
                if isinstance(found, tuple):
                    self._kept.pop(name, None)
                    if len(self._kept) >= NAMES:
                        del self._kept[next(iter(self._kept))]  # the oldest
                    self._kept[name] = (time.monotonic() + KEPT, found)
                waiting = self._asked.pop(name, [])
            for answer, port, host in waiting:
                self._give(answer, found, port, host)

    def _give(self, answer: Answer, found: tuple[Address, ...] | Fault, port: int, host: str) -> None:
        if not answer.set_running_or_notify_cancel():
            return  # nobody waits any more
        if isinstance(found, tuple):
            allowed = [(f, at) for f, at in found if self._permits(at[0], host)]
            if allowed:
                answer.set_result(tuple((family, (at[0], port, *at[2:])) for family, at in allowed))
                return
            why = "not a public address (--deny-private)" if self.deny_private else PUBLIC
            found = Fault("blocked_address", f"{found[0][1][0]} is {why}")
        answer.set_exception(found)

    def _permits(self, address: str, host: str) -> bool:
        if self.deny_private:
            return not private(address)
        return not self.private_only or host in self.allow or local(address)


@lru_cache(1024)  # a tenth of what a new connection of the asyncio engine costs is to ask this twice
def _literal(host: str) -> bool:
    """Whether the host is an address already."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _look_up(name: str, family: int) -> tuple[Address, ...] | Fault:
    flags = socket.AI_NUMERICHOST if _literal(name) else 0
    try:
        # As bytes: a str would go through the idna codec, which the URL has passed already.
        rows = socket.getaddrinfo(name.encode("ascii"), None, family, socket.SOCK_STREAM, 0, flags)
        return tuple(dict.fromkeys((int(row[0]), row[4]) for row in rows))
    except Exception as error:  # noqa: BLE001
        if flags and isinstance(error, socket.gaierror):
            return Fault("dns_no_address", f"{name} is not of the address family asked for")
        return lookup_fault(error)
