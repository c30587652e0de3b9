"""A server with scripted faults and known right answers, in a process of its own, that logs what it did.

    with faulty(delay=0.02, slow=(100, 0.2)) as server:      # every request 20 ms, each 100th 200 ms more
        ... ask server.url ...
        truth = server.truth()
        assert truth.percentile(99.5) == pytest.approx(0.22, abs=0.001)

Requests are numbered from 1 in the order in which they arrive, so what befalls which is known beforehand;
times of the script begin with the first of them. It knows GET without a body, HTTP/1.1 and keep-alive.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import heapq
import itertools
import json
import math
import os
import socket
import struct
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

NEVER = math.nan


@dataclass
class Script:
    """What befalls the requests. `every` n means requests n, 2n, 3n ...; times are seconds."""

    delay: float = 0.0  # each takes so long, however many there are
    size: int = 2  # bytes of the body
    stall: tuple[float, float] | None = None  # (at, for): nothing is answered then; after it, all at once,
    in_turn: float = 0.0  # or the ones that waited so long apart, the others behind them
    slow: tuple[int, float] | None = None  # (every, for): these take so much longer
    cold: tuple[float, float] | None = None  # (until, for): all that come before take so much longer
    paths: dict[str, float] = field(default_factory=dict)  # path -> takes so much longer
    cap: float = 0.0  # answers a second: one queue in front of a server that does no more
    hang: int = 0  # every so many-th is never answered
    reset: int = 0  # ... has its connection reset before the answer
    torn: int = 0  # ... in the middle of the body
    error: int = 0  # ... is answered with 500 at once, whatever else holds
    log: bool = True  # False: for speed alone

    _first: float = field(default=NEVER, repr=False)
    _free: float = field(default=0.0, repr=False)

    def fate(self, number: int, target: str, arrived: float) -> tuple[str, float]:
        """What becomes of this request, and when."""
        if number == 1:
            self._first = arrived
        if self.error and number % self.error == 0:
            return "error", arrived
        if self.hang and number % self.hang == 0:
            return "hang", NEVER
        what, due = "ok", arrived + self.delay
        if self.paths:
            due += self.paths.get(target, 0.0)
        if self.slow and number % self.slow[0] == 0:
            what, due = "slow", due + self.slow[1]
        if self.cold and arrived < self._first + self.cold[0]:
            what, due = "slow", due + self.cold[1]
        if self.cap:
            due = self._free = max(due, self._free) + 1 / self.cap
        if self.stall:
            due = self._stalled(due)
        if self.reset and number % self.reset == 0:
            what = "reset"
        elif self.torn and number % self.torn == 0:
            what = "torn"
        return what, due

    def _stalled(self, due: float) -> float:
        assert self.stall
        begins, ends = self._first + self.stall[0], self._first + sum(self.stall)
        if begins <= due < ends:
            due = ends
        if self.in_turn and due >= ends:
            due = self._free = max(due, self._free + self.in_turn)
        return due


class Seen(NamedTuple):
    """One request as the server saw it: CLOCK_MONOTONIC of its last byte, and of its answer."""

    number: int
    connection: int
    target: str
    arrived: float
    answered: float | None  # None: not yet, or never
    what: str  # ok slow error hang reset torn; gone: the client had left when its answer was due

    @property
    def service(self) -> float:
        """Seconds from its arrival to its answer."""
        assert self.answered is not None
        return self.answered - self.arrived


class Truth(NamedTuple):
    """All that the server did so far."""

    requests: list[Seen]  # in the order of their arrival
    connections: int  # accepted

    def count(self, *what: str) -> int:
        """How many came to that end."""
        return sum(one.what in what for one in self.requests)

    def services(self, *what: str) -> list[float]:
        """Seconds, sorted, of those that got an answer (of these kinds)."""
        what = what or ("ok", "slow")
        return sorted(one.service for one in self.requests if one.what in what and one.answered is not None)

    def percentile(self, percent: float, *what: str) -> float:
        """Of `services`."""
        return percentile(self.services(*what), percent)

    def lateness(self, rate: float) -> list[float]:
        """Seconds from due to arrival, in order, where one was due each 1/rate seconds.

        The schedule's beginning is taken from the request that came most promptly.
        """
        after = [one.arrived - index / rate for index, one in enumerate(self.requests)]
        return [one - min(after) for one in after]

    def responses(self, rate: float) -> list[float]:
        """Seconds from due to answer, in order, of those that got one."""
        late = self.lateness(rate)
        return [
            behind + one.service
            for one, behind in zip(self.requests, late, strict=True)
            if one.answered is not None
        ]


def percentile(values: list[float], percent: float) -> float:
    """The least of the sorted values that so many percent do not exceed."""
    return values[max(math.ceil(len(values) * percent / 100 - 1e-9) - 1, 0)]


class Faulty:
    """A running one."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child
        self.pid = child.pid
        self.port = int(self._read())
        self.url = f"http://127.0.0.1:{self.port}/"

    def truth(self) -> Truth:
        """What it has done until now."""
        assert self._child.stdin
        self._child.stdin.write("truth\n")
        self._child.stdin.flush()
        said = json.loads(self._read())
        rows = zip(
            *(said[name] for name in ("connection", "target", "arrived", "answered", "what")), strict=True
        )
        return Truth([Seen(number, *row) for number, row in enumerate(rows, 1)], said["connections"])

    def _read(self) -> str:
        assert self._child.stdout
        line = self._child.stdout.readline()
        assert line, "the faulty server has ended; what it said is on stderr"
        return line


@contextmanager
def faulty(**script: Any) -> Iterator[Faulty]:
    """Run it on a free port of 127.0.0.1; see `Script`. It ends with the context, or with us."""
    words = [sys.executable, "-P", __file__, json.dumps(asdict(Script(**script)))]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin
    assert child.stdout
    try:
        yield Faulty(child)
    finally:
        child.stdin.close()
        child.stdout.close()
        try:
            child.wait(2)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


# From here on: the server's own process.


class Alarm:
    """Calls at a moment, some 0.1 ms late: the timers of the loops are of whole milliseconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._next = math.inf
        self._timer = -1
        with contextlib.suppress(OSError, AttributeError):  # Linux has it; Python from 3.13 on
            self._libc = ctypes.CDLL(None)
            flags = os.O_NONBLOCK | os.O_CLOEXEC
            self._timer = self._libc.timerfd_create(time.CLOCK_MONOTONIC, flags)
            loop.add_reader(self._timer, self._ring)

    def at(self, when: float, call: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (when, next(self._numbers), call))
        if when < self._next:
            self._arm(when)

    def _arm(self, when: float) -> None:
        self._next = when
        if self._timer < 0:
            self._loop.call_later(max(when - time.monotonic(), 0.0), self._ring)
            return
        once = (ctypes.c_long * 4)(0, 0, int(when), int(when % 1 * 1e9))
        self._libc.timerfd_settime(self._timer, 1, once, None)  # 1: an absolute time

    def _ring(self) -> None:
        if self._timer >= 0:
            with contextlib.suppress(BlockingIOError):
                os.read(self._timer, 8)
        self._next = math.inf
        while self._heap and self._heap[0][0] <= time.monotonic():
            heapq.heappop(self._heap)[2]()
        if self._heap:
            self._arm(self._heap[0][0])


class Server:
    """What all connections share: the script, the log, and when to answer what."""

    def __init__(self, script: Script, loop: asyncio.AbstractEventLoop) -> None:
        self.script = script
        self.alarm = Alarm(loop)
        self.connections = 0
        self.number = 0
        # Columns, not rows: a million small objects would make the server itself stall.
        self.connection, self.arrived, self.answered = array("l"), array("d"), array("d")
        self.target: list[str] = []
        self.what: list[str] = []
        self.ok = _answer("200 OK", script.size)
        self.error = _answer("500 Internal Server Error", script.size)

    def asked(self, peer: Peer, target: str, now: float) -> None:
        self.number += 1
        what, when = self.script.fate(self.number, target, now)
        if self.script.log:
            self.connection.append(peer.number)
            self.target.append(target)
            self.arrived.append(now)
            self.answered.append(NEVER)
            self.what.append(what)
        if when <= now:
            self._answer(peer, self.number, what)
        elif what != "hang":
            number = self.number
            self.alarm.at(when, lambda: self._answer(peer, number, what))

    def _answer(self, peer: Peer, number: int, what: str) -> None:
        if peer.transport.is_closing():
            if self.script.log:
                self.what[number - 1] = "gone"
            return
        if self.script.log:
            self.answered[number - 1] = time.monotonic()
        if what in {"reset", "torn"}:
            half = len(self.ok) - (self.script.size + 1) // 2
            peer.reset(self.ok[:half] if what == "torn" else b"")
        else:
            peer.transport.write(self.error if what == "error" else self.ok)

    def truth(self) -> str:
        columns = {name: getattr(self, name) for name in ("target", "what")}
        columns |= {name: list(getattr(self, name)) for name in ("connection", "arrived")}
        columns["answered"] = [None if math.isnan(one) else one for one in self.answered]
        return json.dumps({"connections": self.connections, **columns})


class Peer(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.rest = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.server.connections += 1
        self.number = self.server.connections

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        data = self.rest + data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            target = data[: data.find(b"\r\n")].split(b" ")[1].decode("ascii")
            data = data[end + 4 :]
            self.server.asked(self, target, now)
        self.rest = data

    def reset(self, first: bytes) -> None:
        """Send that, then RST instead of FIN."""
        if first:
            self.transport.write(first)
            # What a peer has not read yet an RST may take from it.
            self.server.alarm.at(time.monotonic() + 0.02, lambda: self.reset(b""))
            return
        if self.transport.is_closing():
            return
        peer: socket.socket = self.transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


def _answer(status: str, size: int) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n\r\n".encode("ascii") + b"x" * size


async def _serve(script: Script) -> None:
    loop = asyncio.get_running_loop()
    server = Server(script, loop)
    listener = await loop.create_server(lambda: Peer(server), "127.0.0.1", 0, backlog=4096)
    print(listener.sockets[0].getsockname()[1], flush=True)
    stopped = loop.create_future()

    def heard() -> None:
        orders = os.read(0, 4096)
        if not orders:  # whoever started us closed its end, or has ended
            loop.remove_reader(0)
            stopped.set_result(None)
        for _ in orders.splitlines():
            print(server.truth(), flush=True)

    loop.add_reader(0, heard)
    await stopped
    os._exit(0)  # with whatever connections there are


def main() -> None:
    gc.disable()
    with contextlib.suppress(ImportError):
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    given = json.loads(sys.argv[1])
    script = Script(**{name: value for name, value in given.items() if not name.startswith("_")})
    with contextlib.suppress(ImportError):
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(script))
    asyncio.run(_serve(script))


if __name__ == "__main__":
    main()
