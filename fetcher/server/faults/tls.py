"""Certificates that are not to be believed, versions not to be spoken, ends that are none; a port each."""

from __future__ import annotations

from typing import Any, Final

from fetcher.server.faults import End, Fault, right, wrong
from fetcher.server.raw import BODY, LAST, chunks, head, response

_REFUSED: Final = {
    "expired": ("A certificate that has expired.", "tls_expired"),
    "not-yet-valid": ("A certificate that is not valid yet.", "tls_expired"),
    "self-signed": ("A certificate that is signed by itself.", "tls_self_signed"),
    "unknown-issuer": ("A certificate of an authority that nobody knows.", "tls_unknown_issuer"),
    "unknown-root": ("The same, with that authority sent along.", "tls_unknown_issuer"),
    "missing-link": ("The certificate in between is not sent.", "tls_unknown_issuer"),
    "other-name": ("A certificate for another name.", "tls_hostname"),
    "no-address": ("A certificate for localhost, asked by address.", "tls_hostname"),
    "client-wanted": ("A client certificate is wanted.", "tls_client_cert"),
    "client-wanted-1.2": ("The same under TLS 1.2, whose alert does not say so.", "tls_protocol"),
    "tls-1.1": ("TLS 1.0 and 1.1 only.", "tls_protocol"),
    "no-cipher": ("Ciphers that do not encipher only.", "tls_protocol"),
}


def _odd(name: str, says: str, sends: Any, certificate: str = "good", **more: Any) -> Fault:
    return right(name, says, sends, certificate=certificate, needs="trustme", **more)


def _bad(name: str, says: str, sends: Any, error: str, **more: Any) -> Fault:
    return wrong(name, says, sends, error, **({"certificate": "good", "needs": "trustme"} | more))


FAULTS: Final = [
    *(_bad(name, says, response(), error, certificate=name) for name, (says, error) in _REFUSED.items()),
    _bad(
        "two-deep",
        "*.wild.test does not go for a.b.wild.test.",
        response(),
        "tls_hostname",
        certificate="wildcard",
        host="a.b.wild.test",
    ),
    _bad(
        "ragged-close",
        "No length, and an end that TLS has not signed.",
        (head(), BODY, 0.05, End.RAGGED),
        "truncated",
        status=200,
    ),
    _bad(
        "ragged-short",
        "Half of the body, and such an end.",
        (response()[:-9], 0.05, End.RAGGED),
        "truncated",
        status=200,
    ),
    _bad("ragged-at-once", "Such an end instead of an answer.", (End.RAGGED,), "no_response"),
    _bad("reset", "A reset inside the body.", (response()[:-9], 0.05, End.RESET), "reset", status=200),
    _bad(
        "short", "Half of the body, and an end that is signed.", (response()[:-9],), "truncated", status=200
    ),
    _odd("good", "A certificate as it should be.", response()),
    _odd("wildcard", "*.wild.test goes for a.wild.test.", response(), "wildcard", host="a.wild.test"),
    _odd(
        "by-name",
        "The right certificate, to who says which name he wants.",
        response(),
        "by-name",
        host="named.test",
    ),
    _odd("unnamed", "No name is said of an address; who says one is refused.", response(), "unnamed"),
    _odd("close", "No length, and an end that is signed.", (head(), BODY)),
    _odd("ragged-length", "A length, then an end that is not signed.", (response(), 0.05, End.RAGGED)),
    _odd(
        "ragged-chunked",
        "The last chunk, then such an end.",
        (head("Transfer-Encoding: chunked") + chunks() + LAST, End.RAGGED),
    ),
    _odd("silently", "An end after the answer, unannounced.", (response(), End.CLOSE)),
    _odd("surplus", "A second answer behind the first.", response() + response(b"wrong")),
]
