"""What went wrong, as one table for all engines: from an exception of any library to a Fault.

Our own Fault anywhere in the chain wins, then the deepest cause that the table knows: libraries wrap the
system's error, and their own words say less. What no row knows is `internal`: a bug to be reported.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from typing import Final

from fetcher.errors import Fault
from fetcher.resolve import descriptors_left, lookup_fault

LOCAL: Final = {
    errno.EMFILE: "local_fd_limit",
    errno.ENFILE: "local_fd_limit",
    errno.ENOMEM: "local_memory",
    errno.ENOBUFS: "local_memory",
    errno.ENOSPC: "local_disk",
    errno.EROFS: "local_disk",
    getattr(errno, "EDQUOT", -1): "local_disk",
}
# connect(2): "all port numbers in the ephemeral port range are currently in use"; also ::1 without IPv6
NO_PORT: Final = (
    "no local port is free for one more connection there, or this machine has no address of that family: "
    "ask with fewer connections at once (-c), or later"
)
# X509_V_ERR_* of OpenSSL
CERTIFICATE: Final = {
    9: "tls_expired",  # not yet valid
    10: "tls_expired",
    18: "tls_self_signed",
    2: "tls_unknown_issuer",
    19: "tls_unknown_issuer",  # a root that is not ours, in the chain
    20: "tls_unknown_issuer",
    21: "tls_unknown_issuer",
    62: "tls_hostname",
    64: "tls_hostname",  # the address is not in the certificate
}
# Parts of ssl.SSLError.reason that mean: no version or cipher in common, or no TLS at all.
PROTOCOL: Final = (
    *("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "WRONG_VERSION", "HANDSHAKE_FAILURE", "NO_SHARED"),
    *("HTTP_REQUEST", "RECORD_LAYER", "PACKET_LENGTH", "NO_PROTOCOLS", "NO_CIPHERS", "PROXY_REQUEST"),
)
LINKS: Final = ("__cause__", "os_error", "_os_error", "certificate_error", "reason")


def kind_of(error: BaseException, *, phase: str, started: bool) -> Fault:
    """The Fault of an attempt that ended with this exception.

    `phase` is "lookup", "connect" (TCP and TLS) or "sent"; `started`: a whole status line had come.
    """
    whole = list(_chain(error, contexts=True))
    for link in whole:
        if isinstance(link, Fault):
            return link
    # Only outermost: asyncio's own timeouts have a CancelledError as their cause. By name, for asyncio and
    # concurrent.futures have one each, and importing asyncio takes a tenth of a start.
    if any(kind.__name__ == "CancelledError" for kind in type(error).__mro__):
        return Fault("cancelled")
    for chain in (list(_chain(error, contexts=False)), whole):
        for link in reversed(chain):
            fault = _known(link, phase, started)
            if fault is not None:
                return fault
    if isinstance(error, OSError) and phase != "sent" and not descriptors_left():
        return Fault("local_fd_limit")
    return Fault("internal", repr(error))


def _chain(error: BaseException, *, contexts: bool) -> Iterator[BaseException]:
    """The exception and what it was made of, outermost first."""
    seen: set[int] = set()
    todo = [error]
    while todo:
        link = todo.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        inner = [getattr(link, name, None) for name in LINKS] + list(link.args[-1:])
        if contexts and not link.__suppress_context__:
            inner.append(link.__context__)
        todo += [one for one in inner if isinstance(one, BaseException)]


def _known(error: BaseException, phase: str, started: bool) -> Fault | None:
    """The row of the table for one exception; None: the table does not know it."""
    name = type(error).__name__
    if isinstance(error, MemoryError):
        return Fault("local_memory")
    if isinstance(error, TimeoutError):
        return _late(phase, started)
    if isinstance(error, ssl.SSLError):
        return _tls(error, phase, started)
    if name in ("ClientHttpProxyError", "ClientProxyConnectionError", "ProxyError"):
        return Fault("proxy_error", str(error))
    if isinstance(error, socket.gaierror):
        return lookup_fault(error)
    if phase == "lookup" and isinstance(error, OSError | UnicodeError):
        return lookup_fault(error)
    if isinstance(error, ConnectionError | EOFError) or name == "ServerDisconnectedError":
        return _closed(error, phase, started)
    if isinstance(error, OSError) and error.errno is not None:
        return _system(error, phase, started)
    return None


def _late(phase: str, started: bool) -> Fault:
    if phase == "lookup":
        return Fault("dns_temporary", "the name could not be looked up in time")
    if phase == "connect":
        return Fault("connect_timeout")
    return Fault("total_timeout" if started else "read_timeout")


def _closed(error: BaseException, phase: str, started: bool) -> Fault:
    """The peer has closed or reset the connection."""
    words = _words(error)
    if phase != "sent":
        if getattr(error, "errno", None) is None:  # how asyncio reports an end of file inside the handshake
            return Fault("tls_other", "the connection was closed in the TLS handshake")
        if isinstance(error, ConnectionRefusedError):
            return Fault("connect_refused", words)
        return Fault("connect_reset", words)
    return Fault("reset" if started else "no_response", words)


def _tls(error: ssl.SSLError, phase: str, started: bool) -> Fault:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Fault(CERTIFICATE.get(error.verify_code, "tls_other"), error.verify_message)
    reason = error.reason or ""
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or reason.startswith("UNEXPECTED_EOF"):
        if phase != "sent":
            return Fault("tls_other", "the connection was closed in the TLS handshake")
        return Fault("truncated" if started else "no_response", "the connection was closed without a TLS end")
    words = reason.replace("_", " ").lower() or _words(error)
    if "CERTIFICATE_REQUIRED" in reason:
        return Fault("tls_client_cert", words)
    return Fault("tls_protocol" if any(part in reason for part in PROTOCOL) else "tls_other", words)


def _system(error: OSError, phase: str, started: bool) -> Fault:
    """A code of the system that is neither a timeout nor a closed connection."""
    if (kind := LOCAL.get(error.errno or 0)) is not None:
        return Fault(kind, _words(error))
    if phase != "sent":  # EHOSTUNREACH, ENETUNREACH, or any other reason why connect will not
        return Fault("connect_unreachable", _words(error))
    return Fault("reset" if started else "no_response", _words(error))


def _words(error: BaseException) -> str:
    """The system's own words, but for the one code whose words say nothing to most people."""
    if isinstance(error, OSError) and error.errno:
        return NO_PORT if error.errno == errno.EADDRNOTAVAIL else os.strerror(error.errno)
    return str(error)
