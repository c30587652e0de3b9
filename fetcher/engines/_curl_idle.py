"""Which pooled connections may serve again: libcurl itself does not look at one used a second ago.

Bytes that wait on an idle connection are surplus of its last answer, and would be taken for the next one;
an end of file means that the server has gone. Neither is found out by libcurl before it sends. So every
connection that has served is looked at, by its two ends, just before it serves again. By its local port alone
it would not do: connections to different addresses may have the same one.

In one step libcurl may end a transfer and begin the next on its connection, before we hear of that end. So
whoever asked there last is kept in mind until its answer has been judged.
"""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fetcher.engines._curl_slot import Slot

Look = Callable[[int], object]  # is given a timeout; truthy where something waits
Ends = tuple[object, ...]  # address there, address here, port there, port here

RECEIVED: Final = slice(128, 136)  # tcpi_bytes_received in struct tcp_info (linux/tcp.h)
DATA: Final = b"\x17"  # a TLS record of application data; in TLS 1.3 of anything but a handshake's begin
ALERT: Final = 32  # bytes that one with an alert has at the most: 2, its type, a tag of 16
STIRRED: Final[Look] = lambda _timeout: True  # noqa: E731


class Idle:
    """The connections of HTTP/1 that have served; which of them are idle just now is libcurl's affair."""

    __slots__ = ("_descriptors", "_ends", "_http", "_looks", "_users")

    def __init__(self, http: str = "1.1") -> None:
        self._http = http
        self._users: dict[Ends, Slot] = {}  # whose answers were not judged yet
        self._looks: dict[Ends, Look] = {}
        self._ends: dict[int, Ends] = {}  # by descriptor: it may have been closed and opened anew
        self._descriptors: dict[Ends, int] = {}

    def keep(self, ends: Ends, descriptor: int) -> None:
        """A new connection has served for the first time."""
        if descriptor < 0:  # libcurl has closed it already
            return
        before = self._ends.get(descriptor)
        if before is not None and self._descriptors.get(before) == descriptor:
            self._looks.pop(before, None)
            del self._descriptors[before]
        self._ends[descriptor] = ends
        self._descriptors[ends] = descriptor
        self._looks[ends] = _look_at(descriptor)

    def distrust(self, ends: Ends) -> None:
        """That connection shall not serve again."""
        self._looks[ends] = STIRRED

    def stirs(self, ends: Ends) -> bool:
        """Whether the connection with these ends has served, and is not quiet."""
        look, user = self._looks.get(ends), self._users.get(ends)
        if user is not None and not self._shares(user) and not (look and user.leaves()):
            return True  # not to be trusted, or nobody has looked there yet: for once, a new connection
        return look is not None and bool(look(0))

    def begin(self, ends: Ends, user: Slot) -> None:
        """A request goes out there."""
        self._users[ends] = user

    def end(self, ends: Ends, user: Slot) -> None:
        """Its answer has been judged, or will not come."""
        if self._users.get(ends) is user:
            del self._users[ends]

    def _shares(self, user: Slot) -> bool:
        """Whether the connection has room for others while it is at that request: HTTP/2 or 3."""
        line = user.lines[0] if user.lines else b"HTTP/2"
        return self._http != "1.1" and line.startswith((b"HTTP/2", b"HTTP/3"))

    def received(self, ends: Ends) -> int:
        """Bytes that have come over the connection with these ends; -1 where it is new, or no Linux."""
        if not sys.platform.startswith("linux"):
            return -1
        facts = self._asked(
            ends, lambda one: one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, RECEIVED.stop)
        )
        return int.from_bytes(facts[RECEIVED], sys.byteorder) if facts else -1

    def speaks(self, ends: Ends) -> bool:
        """Whether what waits there is no end, but data of TLS, longer than an alert: surplus, it seems.

        What came with it may have been decrypted, and taken for an answer, unseen.
        """
        head = self._asked(ends, lambda one: one.recv(5, socket.MSG_PEEK))
        return head[:1] == DATA and int.from_bytes(head[3:5], "big") > ALERT

    def _asked(self, ends: Ends, ask: Callable[[socket.socket], bytes]) -> bytes:
        """What the system says of a connection of libcurl's; nothing where it has been closed."""
        descriptor = self._descriptors.get(ends, -1)
        if descriptor < 0:
            return b""
        try:
            borrowed = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, descriptor)
        except OSError:  # closed meanwhile
            return b""
        try:
            return ask(borrowed)
        except OSError:
            return b""
        finally:
            borrowed.detach()  # it is libcurl's

    def forget(self, ends: Ends) -> None:
        """It will be closed; its ports may come again."""
        self._looks.pop(ends, None)


def _look_at(descriptor: int) -> Look:
    """Asks the system without reading, raising, or owning the descriptor, which is libcurl's."""
    if not hasattr(select, "poll"):  # Windows
        return lambda timeout: select.select([descriptor], [], [], timeout)[0]
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return poll.poll
