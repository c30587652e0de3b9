"""How libcurl is driven: few handles by select and perform, many by epoll and socket_action.

With few connections the former is cheaper; but it looks at every connection at each turn, so with hundreds of
slow ones the latter is.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import pycurl

from fetcher import descriptors

FEW: Final = 128  # handles; measured: equal somewhere between 64 and 256
FD_SETSIZE: Final = 1024  # of the C library
FINE: Final = 0.05  # seconds; a shorter wait is one for a due time, and epoll is late by up to a millisecond
SPARE: Final = 64  # descriptors that the caller may open meanwhile


def loop_for(width: int, step: Callable[[], None]) -> Few | Many:
    """The loop for so many handles at once; it calls `step` whenever libcurl may have done something."""
    # select leaves out descriptors from FD_SETSIZE on, and then returns at once: idle connections must not
    # take up the numbers below it.
    room = FD_SETSIZE - SPARE - width - descriptors.open_now()
    if hasattr(select, "epoll") and (width > FEW or room < width):
        return Many(_multi(descriptors.idle(width)), step)
    return Few(_multi(max(min(descriptors.idle(width), room), 1)), step)


def _multi(idle: int) -> Any:
    try:
        multi = pycurl.CurlMulti()
    except pycurl.error as error:  # curl_multi_init fails for no other reason
        raise MemoryError(str(error)) from error
    multi.setopt(pycurl.M_MAXCONNECTS, idle)
    return multi


class Few:
    """select and perform."""

    def __init__(self, multi: Any, step: Callable[[], None]) -> None:
        self.multi = multi
        self._step = step
        self.add = self.multi.add_handle  # starts at the next turn
        self.remove = self.multi.remove_handle  # finished or not

    def turn(self, timeout: float, handles: int) -> None:
        """Start what is new, wait at most so long for something to happen, and let it happen.

        `handles`: how many have been added. Where the start alone ends one, nothing is waited for: it would
        be told late, and look slower than it was, by the time that the next answer takes.
        """
        _, active = self.multi.perform()
        self._step()
        if active < handles:
            return
        if timeout > 0:
            self.multi.select(timeout)
        self.multi.perform()
        self._step()

    def close(self) -> None:
        """Close what is idle."""
        self.multi.close()


class Many:
    """epoll and socket_action: work only for sockets that have something to say."""

    def __init__(self, multi: Any, step: Callable[[], None]) -> None:
        self.multi = multi
        self._step = step
        self._poll = select.epoll()
        self._known: set[int] = set()
        self._due: float | None = None
        self.add = self.multi.add_handle  # starts at the next turn
        self.remove = self.multi.remove_handle  # finished or not
        self.multi.setopt(pycurl.M_SOCKETFUNCTION, self._socket)
        self.multi.setopt(pycurl.M_TIMERFUNCTION, self._timer)

    def turn(self, timeout: float, handles: int) -> None:  # noqa: ARG002 - nothing ends before the wait
        """Wait at most so long for something to happen, and let it happen."""
        act = self.multi.socket_action
        if self._due is not None:
            timeout = min(timeout, self._due - time.monotonic())
        timeout = max(timeout, 0)
        if 0 < timeout < FINE and self._poll.fileno() < FD_SETSIZE:
            select.select((self._poll,), (), (), timeout)
            timeout = 0
        for descriptor, events in self._poll.poll(timeout):
            mask = pycurl.CSELECT_IN if events & select.EPOLLIN else 0
            mask |= pycurl.CSELECT_OUT if events & select.EPOLLOUT else 0
            mask |= pycurl.CSELECT_ERR if events & (select.EPOLLERR | select.EPOLLHUP) else 0
            act(descriptor, mask)
        if self._due is not None and time.monotonic() >= self._due:
            self._due = None
            act(pycurl.SOCKET_TIMEOUT, 0)
        self._step()

    def close(self) -> None:
        """Close what is idle."""
        self.multi.close()
        self._poll.close()

    def _socket(self, what: int, descriptor: int, *_: object) -> None:
        if what == pycurl.POLL_REMOVE:
            if descriptor in self._known:
                self._known.discard(descriptor)
                with suppress(OSError):  # closed already: epoll has forgotten it by itself
                    self._poll.unregister(descriptor)
            return
        mask = select.EPOLLIN if what & pycurl.POLL_IN else 0
        mask |= select.EPOLLOUT if what & pycurl.POLL_OUT else 0
        if descriptor in self._known:
            with suppress(FileNotFoundError):
                self._poll.modify(descriptor, mask)
                return
        self._poll.register(descriptor, mask)
        self._known.add(descriptor)

    def _timer(self, milliseconds: int) -> None:
        self._due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000
