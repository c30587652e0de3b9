"""What a libcurl error code means, where the bytes that came say nothing themselves."""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress
from typing import Any, Final

import pycurl

from fetcher.engines._exchange import Exchange
from fetcher.engines._faults import CERTIFICATE, kind_of
from fetcher.errors import Fault
from fetcher.resolve import descriptors_left

# Codes of curl/curl.h that pycurl has no name for, or another one.
PROXY: Final = 97
TOO_LARGE: Final = 100
HTTP2: Final = (16, 92)
HTTP3: Final = 95
QUIC: Final = 96
WEIRD: Final = 8
UNSENT: Final = (7, 35, 60, QUIC)  # no connection, or no TLS over it
# Reason numbers of OpenSSL (openssl/sslerr.h) that mean: no version or cipher in common, or no TLS.
PROTOCOL: Final = frozenset(
    {0x42E, 0x410, 0x10B, 0x102, 0x42F, 0x9C, 0xC1, 0xB5, 0x10A, 0xC6, 0xBF, 0x9B, 0x155}
)
CLIENT_CERT: Final = 1116
EOF_IN_TLS: Final = 0x126
OPENSSL: Final = re.compile(r"error:0A([0-9A-F]{6})", re.IGNORECASE)
HOSTNAME: Final = (0, 1)  # SSL_VERIFYRESULT where the chain is fine, but the name is not
# Words with which libcurl refuses a line that it does not hand over -> a line of that kind, to judge instead.
REFUSALS: Final = (
    ("nul byte", b"libcurl: \0\r\n"),
    ("carriage return", b"libcurl: \r \r\n"),
    ("without colon", b"libcurl\r\n"),
    ("content-length", b"Content-Length: libcurl\r\n"),
    ("encoding", b"Transfer-Encoding: libcurl\r\n"),
    ("version", b"HTTP/libcurl\r\n"),
    ("response code", b"HTTP/libcurl\r\n"),
)
IN_TRAILER: Final = ("nul byte", "carriage return", "without colon")
LARGE: Final = ("large", "too many", "too long")


def fault_of(code: int, message: str, handle: Any, exchange: Exchange, lines: list[bytes]) -> Fault:
    """The Fault of a transfer that ended with this code before its response was whole."""
    number = handle.getinfo(pycurl.OS_ERRNO)
    if code in UNSENT:  # though it may have been sent before, on a pooled connection that was closed
        exchange.phase = "connect"
    proxied = _proxied(code, message, exchange)
    if proxied is not None:
        return proxied
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return kind_of(TimeoutError(), phase=exchange.phase, started=exchange.started)
    if code == pycurl.E_OUT_OF_MEMORY:
        return Fault("local_memory")
    if code == pycurl.E_ABORTED_BY_CALLBACK:
        return Fault("no_response", "the kept connection had been closed, and this method is sent once only")
    if exchange.phase != "sent":
        return _unconnected(code, number, message, handle, exchange)
    return _cut(code, number, message, exchange) or _refused(code, message, exchange, lines)


def _proxied(code: int, message: str, exchange: Exchange) -> Fault | None:
    """What is the proxy's: everything up to the tunnel, or to the connection that an http request goes to."""
    if not exchange.options.proxy or exchange.phase == "sent":
        return None
    unreached = code in (pycurl.E_COULDNT_RESOLVE_PROXY, pycurl.E_COULDNT_CONNECT, PROXY)
    tunnelled = exchange.request.scheme == "https" and code in (
        *(pycurl.E_OPERATION_TIMEDOUT, pycurl.E_GOT_NOTHING, WEIRD, pycurl.E_RECV_ERROR, pycurl.E_SEND_ERROR),
        TOO_LARGE,
    )
    if not (unreached or tunnelled) or OPENSSL.search(message):
        return None
    return Fault("proxy_error", _short(message))


def _unconnected(code: int, number: int, message: str, handle: Any, exchange: Exchange) -> Fault:
    """No connection, or no TLS over it."""
    if code in (6, 7) and not number and not descriptors_left():
        return Fault("local_fd_limit")
    if code in (pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CERTPROBLEM):
        return _certificate(code, message, handle)
    if reason := OPENSSL.search(message):
        return _tls(int(reason[1], 16) & 0xFFF, message, "connect", started=False)
    if code == pycurl.E_SSL_CONNECT_ERROR and number not in (errno.ECONNRESET, errno.EPIPE):
        return Fault("tls_other", _short(message))
    if number:
        return kind_of(OSError(number, os.strerror(number)), phase=exchange.phase, started=False)
    if code in (pycurl.E_COULDNT_CONNECT, QUIC):
        return Fault("connect_unreachable", _short(message))
    if code == pycurl.E_COULDNT_RESOLVE_HOST:
        return Fault("dns_temporary", _short(message))
    if code == pycurl.E_URL_MALFORMAT:
        return Fault("invalid_url", _short(message))
    return Fault("internal", f"libcurl error {code}: {message}")


def _cut(code: int, number: int, message: str, exchange: Exchange) -> Fault | None:
    """The connection ended, was reset, or its TLS broke; None: it did not."""
    started = exchange.started
    if reason := OPENSSL.search(message):
        return _tls(int(reason[1], 16) & 0xFFF, message, "sent", started=started)
    if number and code in (pycurl.E_RECV_ERROR, pycurl.E_SEND_ERROR):
        return kind_of(OSError(number, os.strerror(number)), phase="sent", started=started)
    if code == pycurl.E_PARTIAL_FILE:
        return Fault("truncated", _short(message))
    if code in (*HTTP2, HTTP3, pycurl.E_SEND_ERROR, pycurl.E_GOT_NOTHING):
        return Fault("reset" if started else "no_response", _short(message))
    if code == pycurl.E_RECV_ERROR and not any(word in message.lower() for word in (*LARGE, "chunk")):
        return Fault("reset" if started else "no_response", _short(message))
    return None


def _refused(code: int, message: str, exchange: Exchange, lines: list[bytes]) -> Fault:
    """libcurl has refused a line, and kept it. Ours is the rule that says what is wrong, and what first."""
    text = message.lower()
    if exchange.reader.head is not None:
        trailer = any(words in text for words in IN_TRAILER)
        return Fault("bad_header" if trailer else "bad_framing", _short(message))
    if code == TOO_LARGE or any(words in text for words in LARGE):
        return Fault("header_too_large", _short(message))
    if "location" in text:  # a second one, and different: the rest of the head is lost
        with suppress(Fault):
            exchange.feed(b"\r\n")  # so that the record has what came before it
        return Fault("bad_redirect", "two Location fields that differ")
    instead = next((line for words, line in REFUSALS if words in text), b"")
    if not lines or lines[-1] in (b"\r\n", b"\n"):
        instead = b"libcurl\r\n"  # a first line
    try:
        exchange.feed(instead)
        exchange.eof()
    except Fault as fault:
        if fault.kind not in ("truncated", "no_response"):
            return fault if "libcurl" not in fault.message else Fault(fault.kind, _short(message))
    return Fault("bad_header", _short(message))


def _certificate(code: int, message: str, handle: Any) -> Fault:
    if code == pycurl.E_SSL_CERTPROBLEM:
        return Fault("tls_client_cert", _short(message))
    verdict = handle.getinfo(pycurl.SSL_VERIFYRESULT)
    if verdict in HOSTNAME:
        return Fault("tls_hostname", _short(message))
    return Fault(CERTIFICATE.get(verdict, "tls_other"), _short(message))


def _tls(reason: int, message: str, phase: str, *, started: bool) -> Fault:
    if reason == EOF_IN_TLS:
        if phase != "sent":
            return Fault("tls_other", "the connection was closed in the TLS handshake")
        return Fault("truncated" if started else "no_response", "the connection was closed without a TLS end")
    if reason == CLIENT_CERT:
        return Fault("tls_client_cert", _short(message))
    return Fault("tls_protocol" if reason in PROTOCOL else "tls_other", _short(message))


def _short(message: str) -> str:
    return message[:200]
