"""Every way it can fail, as one closed list: whose fault, and is asking again worth it?

A URL or a server never raises out of the loop: its failure is a value, `Result.error`, one of `KINDS`.
Inside an engine that value travels as a `Fault`. The two other exceptions here end a run:
`UsageError` before the first request (exit 2), `LocalFault` on the way (exit 4).
"""

from __future__ import annotations

from typing import Final, NamedTuple


def first_line(error: BaseException) -> str:
    """The first line of what an exception says, or its name if it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


class Kind(NamedTuple):
    """One way to fail: whose fault it is, whether it may pass by itself, and what it means."""

    whose: str  # "url", "name", "network", "tls", "server", "limit", "user" or "here"
    transient: bool
    means: str


KINDS: Final[dict[str, Kind]] = {
    # the URL itself
    "invalid_url": Kind("url", False, "not a URL that can be asked"),
    "unsupported_scheme": Kind("url", False, "neither http nor https"),
    "blocked_address": Kind("user", False, "an address that --deny-private refuses"),
    "robots_denied": Kind("user", False, "robots.txt forbids it"),
    # the name
    "dns_not_found": Kind("name", False, "the name does not exist"),
    "dns_no_address": Kind("name", False, "the name exists, but has no address"),
    "dns_temporary": Kind("name", True, "the name could not be looked up now, or not in time"),
    # the connection
    "connect_refused": Kind("network", False, "nothing listens at that port"),
    "connect_timeout": Kind("network", True, "no connection in time (lookup, TCP and TLS together)"),
    "connect_unreachable": Kind("network", False, "no route to that address"),
    "connect_reset": Kind("network", True, "the connection was reset before the request was sent"),
    # TLS
    "tls_expired": Kind("tls", False, "the certificate has expired, or is not yet valid"),
    "tls_self_signed": Kind("tls", False, "the certificate is signed by itself"),
    "tls_unknown_issuer": Kind("tls", False, "the certificate's issuer is not trusted"),
    "tls_hostname": Kind("tls", False, "the certificate is for another name"),
    "tls_protocol": Kind("tls", False, "no common TLS version or cipher, or no TLS at all"),
    "tls_client_cert": Kind("tls", False, "the server wants a client certificate"),
    "tls_other": Kind("tls", False, "the TLS handshake failed otherwise"),
    "proxy_error": Kind("network", False, "the proxy refused or failed"),
    # the head of the response
    "no_response": Kind("server", True, "closed before one whole line of a response"),
    "bad_status_line": Kind("server", False, "the first line is no HTTP/1 status line"),
    "bad_header": Kind("server", False, "a header field that RFC 9110 forbids"),
    "header_too_large": Kind("server", False, "a head over 64 KiB a line, 256 KiB or 1,000 fields"),
    "bad_framing": Kind("server", False, "length or chunks that contradict RFC 9112"),
    # time
    "read_timeout": Kind("server", True, "no whole status line in time"),
    "total_timeout": Kind("server", True, "the answer began, but did not end in time"),
    "deadline_exceeded": Kind("limit", False, "the time that --deadline gives one URL ran out"),
    # the body
    "reset": Kind("server", True, "the connection was reset inside the response"),
    "truncated": Kind("server", True, "the response ended too early"),
    "bad_encoding": Kind("server", False, "the content coding is broken"),
    "truncated_encoding": Kind("server", False, "the content coding was cut short"),
    "too_many_encodings": Kind("server", False, "more than five content codings"),
    "body_too_large": Kind("limit", False, "a body over --max-size"),
    "decoded_too_large": Kind("limit", False, "a body over --max-size once decoded"),
    # redirects
    "too_many_redirects": Kind("server", False, "more than --max-redirects hops"),
    "redirect_loop": Kind("server", False, "a redirect to a URL that was already asked"),
    "bad_redirect": Kind("server", False, "a redirect to something that is no URL"),
    "redirect_blocked": Kind("server", False, "a redirect to a scheme that is neither http nor https"),
    "host_backoff": Kind("server", False, "the host asked for a longer pause than this run waits"),
    # this machine
    "local_fd_limit": Kind("here", True, "this process has no file descriptor left"),
    "local_disk": Kind("here", False, "a file could not be written here"),
    "local_memory": Kind("here", False, "no memory left here"),
    "worker_died": Kind("here", False, "the worker process died twice over this URL"),
    "cancelled": Kind("user", False, "stopped before it was done"),
    "internal": Kind("here", False, "a bug in fetch: please report it"),
}

TRANSIENT: Final = frozenset(name for name, kind in KINDS.items() if kind.transient)


class FetchError(Exception):
    """The base of everything this package raises on purpose."""


class Fault(FetchError):
    """The failure of one URL, on its way into its record: `kind` is a key of `KINDS`."""

    def __init__(self, kind: str, message: str = "") -> None:
        super().__init__(kind, message)  # both in `args`, so that it pickles
        self.kind = kind
        self.message = message or KINDS[kind].means

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class UsageError(FetchError):
    """Asked wrongly: one line that says what, why and what to do. The command ends with exit code 2."""


class LocalFault(FetchError):
    """This machine failed the run (disk, memory, descriptors). The command ends with exit code 4."""
