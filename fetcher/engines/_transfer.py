"""An attempt over a blocking socket: sent while the answer is listened for, read in slices of its clock."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import threading
from typing import Any, Final

from urllib3.util.wait import wait_for_socket

from fetcher.engines._exchange import Exchange
from fetcher.engines._network import Attempt

PIECE: Final = 1 << 16
LOCAL: Final = threading.local()
CLOSED: Final = (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError)
BLOCKED: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def send(sock: socket.socket, attempt: Attempt, data: bytes | bytearray) -> int:
    """Send all, unless the answer makes it vain; how many bytes were not sent.

    What has come meanwhile is in the exchange. That the peer takes no more is not raised: an answer, or a TLS
    alert, may be waiting to be read.
    """
    view = memoryview(data)
    sock.settimeout(0)
    while view and not _is_answered(attempt.exchange):
        write = True
        try:
            view = view[sock.send(view) :]
        except ssl.SSLWantReadError:
            write = False
        except BLOCKED:
            pass
        except CLOSED:
            break
        if view and wait_for_socket(sock, read=True, write=write, timeout=attempt.left()):
            _listen(sock, attempt)
    return len(view)


def receive(sock: socket.socket, attempt: Attempt) -> bytes:
    """What has come, waited for; empty at the end."""
    buffer = _buffer()
    size = patiently(sock, attempt, "recv_into", buffer)
    return bytes(buffer[:size])


def take(attempt: Attempt, data: bytes) -> None:
    """Hand on what was received."""
    if data:
        more = attempt.exchange.feed(data)
        if more is not None:
            for _ in more:
                attempt.left()
    else:
        attempt.exchange.eof()


def patiently(sock: socket.socket, attempt: Attempt, call: str, *args: object) -> Any:
    """What this method of the socket gives, waited for in slices: a cancel is heard between two."""
    while True:
        sock.settimeout(attempt.left())
        try:
            return getattr(sock, call)(*args)
        except TimeoutError as error:
            if error.errno:  # the system's own, not that of this slice
                raise
        except ssl.SSLEOFError as error:
            if not error.reason and _was_reset(sock):
                raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)) from None
            raise


def _was_reset(sock: socket.socket) -> bool:
    """Whether it was no end of file but a reset, which Python before 3.11.9 does not tell (gh-115627).

    Not to be asked where OpenSSL gave a reason: its alert to a peer that has closed is answered by a reset.
    """
    try:
        sock.getpeername()
    except OSError:
        return True
    return False


def _is_answered(exchange: Exchange) -> bool:
    """Whether the rest of the request need not be sent (RFC 9112 9.5); 100 and 102 are no answer."""
    head = exchange.reader.head
    return exchange.done or (head is not None and head.status >= 300)


def _listen(sock: socket.socket, attempt: Attempt) -> None:
    """Take what there is, without waiting: maybe nothing, or only what is between the TLS layers."""
    exchange, buffer = attempt.exchange, _buffer()
    while exchange.phase == "sent" and not exchange.done:
        attempt.left()
        try:
            size = sock.recv_into(buffer)
        except BLOCKED:
            return
        take(attempt, bytes(buffer[:size]))


def _buffer() -> memoryview:
    """Where this thread receives: a new buffer for each piece, cut to its size, leaves holes in the heap."""
    buffer: memoryview | None = getattr(LOCAL, "buffer", None)
    if buffer is None:
        buffer = LOCAL.buffer = memoryview(bytearray(PIECE))
    return buffer
