"""Which pooled connections may serve again: libcurl itself does not look at one used a second ago.

Bytes that wait on an idle connection are surplus of its last answer, and would be taken for the next one;
an end of file means that the server has gone. Neither is found out by libcurl before it sends. So every
connection that has served is looked at, by its local port, just before it serves again.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Final

Look = Callable[[int], object]  # is given a timeout; truthy where something waits

STIRRED: Final[Look] = lambda _timeout: True  # noqa: E731


class Idle:
    """The connections of HTTP/1 that have served; which of them are idle just now is libcurl's affair."""

    __slots__ = ("_looks", "_ports")

    def __init__(self) -> None:
        self._looks: dict[int, Look] = {}  # by local port
        self._ports: dict[int, int] = {}  # by descriptor: it may have been closed and opened anew

    def keep(self, port: int, descriptor: int) -> None:
        """A new connection has served for the first time."""
        if descriptor < 0:  # libcurl has closed it already
            return
        before = self._ports.get(descriptor)
        if before is not None:
            self._looks.pop(before, None)
        self._ports[descriptor] = port
        self._looks[port] = _look_at(descriptor)

    def distrust(self, port: int) -> None:
        """That connection shall not serve again."""
        self._looks[port] = STIRRED

    def stirs(self, port: int) -> bool:
        """Whether the connection of that local port has served, and is not quiet."""
        look = self._looks.get(port)
        return look is not None and bool(look(0))

    def has_served(self, port: int) -> bool:
        """Whether the connection of that local port has served before."""
        return port in self._looks

    def forget(self, port: int) -> None:
        """It will be closed; the port may come again."""
        self._looks.pop(port, None)


def _look_at(descriptor: int) -> Look:
    """Asks the system without reading, raising, or owning the descriptor, which is libcurl's."""
    if not hasattr(select, "poll"):  # Windows
        return lambda timeout: select.select([descriptor], [], [], timeout)[0]
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return poll.poll
