"""Many URLs through libcurl's multi interface: little CPU per URL, HTTP/2 and 3, the time of each phase.

Easy handles are reused, completions come in batches, and what libcurl hands over is raw: header lines and
undecoded, still chunked bodies, judged by the same Exchange as in every engine (`_curl_slot`). One thing
libcurl cannot be made to take: two different Location fields, `bad_redirect` here even if none is followed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from fetcher.errors import Fault, UsageError

try:
    import pycurl
except ModuleNotFoundError:
    raise
except ImportError as broken:  # built for another libcurl or TLS library than the one that is found here
    raise UsageError(
        f"curl: pycurl cannot be loaded ({broken}): pip install --force-reinstall pycurl"
    ) from broken

from fetcher.engines import _curl_setup
from fetcher.engines._curl_idle import Idle
from fetcher.engines._curl_lookups import Lookups
from fetcher.engines._curl_loops import loop_for
from fetcher.engines._curl_setup import Setup
from fetcher.engines._curl_slot import Slot
from fetcher.engines._exchange import Exchange
from fetcher.model import Options, Request, Result
from fetcher.resolve import Answer, Resolver

CONCURRENCY: Final = 64
LIBRARIES = ("pycurl",)
DESCRIPTORS: Final = 1
VERSIONS: Final = ("1.1", "2", "3")
INSIDE: Final = _curl_setup.inside()
LOOK: Final = 0.25  # seconds between two looks at the heads that are on their way
AHEAD: Final = 256  # handles that a load test makes before its clock runs: 0.1 ms each
GLANCE: Final = 0.005  # seconds between two looks at the lookups while transfers are under way


@contextmanager
def engine(options: Options) -> Iterator[_Curl]:
    """An engine for one run. Raises UsageError where this libcurl is too old, or lacks the HTTP version."""
    _curl_setup.check(options)
    running = _Curl(options)
    try:
        yield running
    finally:
        running.leave()


class _Curl:
    """See the contract in `fetcher.engines`."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.width = options.concurrency or CONCURRENCY
        self._setup = Setup(options)
        self._resolver = Resolver(options)
        self._loop = loop_for(self.width, self._look_early)
        self._connections = Idle(options.http)
        self._busy: dict[Any, Slot] = {}  # by easy handle
        self._unpacking: list[Slot] = []  # whose bodies are being decoded, a step at a time
        self._lookups = Lookups()
        self._sent: list[Slot] = []  # whose requests went out in this step, over pooled TLS connections
        self._idle = [self._new_slot() for _ in range(min(self.width, AHEAD) * options.private_only)]
        self._ready: list[Result] = []
        self._look_at = 0.0

    def submit(self, request: Request) -> None:
        """Take this attempt on: at once where no name must be looked up."""
        exchange = Exchange(request, self.options, "curl")
        slot = self._idle.pop() if self._idle else self._new_slot()
        slot.exchange = exchange
        if slot.knows(request):
            self._start(slot)
            return
        host, _, port = request.host.rpartition(":")
        answer = self._resolver.ask(host, int(port))
        if answer.done():
            self._looked_up(slot, answer)
        else:
            limit = min(self.options.connect_timeout, request.timeout)
            self._lookups.add(slot, answer, exchange.began + limit)

    def wait(self, timeout: float) -> list[Result]:
        """What has finished; sleeps where nothing is in flight."""
        now = time.monotonic()
        until = now + timeout
        if now >= self._look_at:
            self._look_at = now + LOOK
            self._end_odd()
        while True:
            if self._lookups:
                self._take_answers(0.0)
            if self._busy and not self._ready:
                left = 0.0 if self._unpack() else until - time.monotonic()
                self._loop.turn(min(left, GLANCE) if self._lookups else left, len(self._busy))
                self._collect()
            if self._ready:
                ready, self._ready = self._ready, []
                return ready
            left = until - time.monotonic()
            if left <= 0:
                return []
            if self._lookups and not self._busy:
                self._take_answers(left)
            elif not self._busy:
                time.sleep(left)

    def cancel(self) -> None:
        """Everything in flight ends as `cancelled`."""
        busy, self._busy = self._busy, {}
        self._unpacking.clear()
        for handle, slot in busy.items():
            self._loop.remove(handle)
            self._end(slot, slot.exchange.failed(Fault("cancelled")))
        for slot in self._lookups.drop():
            self._end(slot, slot.exchange.failed(Fault("cancelled")))

    def leave(self) -> None:
        """Leave no handle, socket or thread."""
        try:
            self.cancel()
            for slot in self._idle:
                slot.handle.close()
            self._loop.close()
        finally:
            self._resolver.close()

    def _new_slot(self) -> Slot:
        return Slot(self._setup, self._connections, self._unpacking, self._sent)

    def _start(self, slot: Slot) -> None:
        try:
            slot.start()
        except Exception as error:  # noqa: BLE001 - a Fault, or what libcurl cannot be set to
            self._end(slot, slot.spoilt(error))
            return
        self._busy[slot.handle] = slot
        self._loop.add(slot.handle)

    def _take_answers(self, timeout: float) -> None:
        """Go on with those whose names are known now, and give up those who have waited too long."""
        for slot, answer in self._lookups.take(timeout):
            if answer is None:
                self._end(slot, slot.exchange.failed(TimeoutError()))
            else:
                self._looked_up(slot, answer)

    def _looked_up(self, slot: Slot, answer: Answer) -> None:
        try:
            addresses = answer.result()
        except Exception as error:  # noqa: BLE001 - a Fault, or a bug; a value from here on
            self._end(slot, slot.exchange.failed(error))
            return
        slot.exchange.dns = time.monotonic() - slot.exchange.began
        slot.address(addresses)
        self._start(slot)

    def _collect(self) -> None:
        more = True
        while more:
            more, good, bad = self._loop.multi.info_read()
            for end in (*((handle, 0, "") for handle in good), *bad):
                self._finish(*end)

    def _look_early(self) -> None:
        """What has an answer that was there before the request is asked again, on a new connection."""
        if self._sent:
            sent = [slot for slot in self._sent if slot.handle in self._busy]
            self._sent[:] = [slot for slot in sent if slot.may_be_early()]
            for slot in sent:
                if slot.is_early():
                    self._finish(slot.handle, 0, "")

    def _unpack(self) -> bool:
        """One step of every body that unpacks into much, so that nobody waits for another's."""
        busy = bool(self._unpacking)
        for slot in [slot for slot in self._unpacking if slot.unpack()]:
            self._unpacking.remove(slot)
            if slot.ended is not None:
                self._finish(slot.handle, *slot.ended)
            elif slot.is_spoilt:
                self._finish(slot.handle, pycurl.E_WRITE_ERROR, "")
            else:
                with suppress(pycurl.error):  # what goes wrong in it is told by the end of the transfer
                    slot.handle.pause(pycurl.PAUSE_CONT)
        return busy

    def _end_odd(self) -> None:
        """End what cannot become a response: libcurl would wait for more of it until the timeout."""
        for handle in [handle for handle, slot in self._busy.items() if slot.odd()]:
            self._finish(handle, pycurl.E_UNSUPPORTED_PROTOCOL, "no HTTP/1 status line")

    def _finish(self, handle: Any, code: int, message: str) -> None:
        slot = self._busy[handle]
        if slot.waits(code, message):
            return
        if slot in self._unpacking:
            self._unpacking.remove(slot)
        if slot.stirred:  # the pooled connection was not quiet: the same attempt, on a new one
            self._loop.remove(handle)
            slot.again()
            self._loop.add(handle)
            return
        result = slot.result(code, message)
        self._loop.remove(handle)
        del self._busy[handle]
        self._end(slot, result)

    def _end(self, slot: Slot, result: Result) -> None:
        slot.rest()
        self._idle.append(slot)
        self._ready.append(result)
