"""TLS servers of every kind, good and bad: certificates of the fault server's authority, made once a run."""

from __future__ import annotations

import atexit
import shutil
import ssl
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from fetcher.server.certificates import Authority

KINDS = {  # -> the certificate; `ragged`: the connection closes without close_notify
    "good": "good",
    "expired": "expired",
    "not_yet_valid": "not-yet-valid",
    "self_signed": "self-signed",
    "unknown_issuer": "unknown-issuer",
    "wrong_host": "other-name",
    "client_cert": "client-wanted",
    "old_tls": "tls-1.1",
    "ragged": "good",
}


class Tls(NamedTuple):
    """One kind: the server's context, the CA file that a client should trust, and a client's certificate."""

    context: ssl.SSLContext
    cacert: str
    cert: str  # certificate and key in one file, for --cert


@lru_cache(maxsize=len(KINDS))
def tls(kind: str = "good") -> Tls:
    """A TLS server of this kind. Its `cacert` is always the CA of "good", so that the kind is what fails."""
    if kind not in KINDS:
        raise ValueError(f"no TLS kind {kind!r}: one of {', '.join(KINDS)}")
    context = _authority().context(KINDS[kind])
    context.ragged = kind == "ragged"  # type: ignore[attr-defined]
    return Tls(context, str(_folder() / "ca.pem"), str(_folder() / "client.pem"))


@lru_cache(maxsize=1)
def _authority() -> Authority:
    return Authority()


@lru_cache(maxsize=1)
def _folder() -> Path:
    """Where the files lie that clients are given."""
    folder = Path(tempfile.mkdtemp(prefix="fetch-tls-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "ca.pem").write_bytes(_authority().pem)
    (folder / "client.pem").write_bytes(_authority().client())
    return folder
