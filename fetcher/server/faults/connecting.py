"""Ports where nobody listens, nobody answers, or somebody speaks who should not; each a port of its own."""

from __future__ import annotations

from typing import Final

from fetcher.server.faults import BRIEF, End, wrong
from fetcher.server.raw import response

_ALERT: Final = b"\x15\x03\x03\x00\x02\x02\x28"  # TLS: handshake_failure, fatal
_BANNER: Final = (b"SSH-2.0-OpenSSH_9.2\r\n", End.HANG)

FAULTS: Final = [
    wrong("refused", "A port where nothing listens.", (), "connect_refused", place="closed"),
    wrong(
        "full",
        "A port whose queue is full.",
        (),
        "connect_timeout",
        place="full",
        settings=BRIEF,
        at_least=1.0,
    ),
    wrong(
        "silent",
        "Accepts, and never speaks.",
        (End.HANG,),
        "read_timeout",
        place="port",
        settings=BRIEF,
        at_least=1.0,
    ),
    wrong("closed", "Accepts, and closes.", (), "no_response", place="port"),
    wrong("reset", "Accepts, and resets.", (0.1, End.RESET), "no_response", place="port"),
    wrong(
        "ssh",
        "An SSH server, which speaks first.",
        _BANNER,
        "bad_status_line",
        place="port",
    ),
    wrong(
        "smtp",
        "A mail server, which speaks first.",
        (b"220 mail.test ESMTP\r\n",),
        "bad_status_line",
        place="port",
    ),
    wrong("tls-alert", "The alert of a TLS server.", (_ALERT,), "no_response", place="port"),
    wrong("binary", "Binary data without a line.", (b"\0\x01\x02\xff" * 9,), "no_response", place="port"),
    wrong("http", "HTTP, asked by https.", (response(),), "tls_protocol", place="port", scheme="https"),
    wrong(
        "ssh-tls",
        "An SSH server, asked by https.",
        _BANNER,
        "tls_protocol",
        place="port",
        scheme="https",
    ),
    wrong(
        "tls-closed", "Closes inside the TLS handshake.", (0.1,), "tls_other", place="port", scheme="https"
    ),
    wrong(
        "tls-reset",
        "Resets inside the TLS handshake.",
        (0.1, End.RESET),
        "connect_reset",
        place="port",
        scheme="https",
    ),
    wrong(
        "tls-silent",
        "Never ends the TLS handshake.",
        (End.HANG,),
        "connect_timeout",
        place="port",
        scheme="https",
        settings=BRIEF,
        at_least=1.0,
    ),
    wrong(
        "tls-refused",
        "An alert as the answer to the TLS handshake.",
        (_ALERT,),
        "tls_protocol",
        place="port",
        scheme="https",
    ),
]
