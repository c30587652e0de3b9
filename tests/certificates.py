"""TLS servers of every kind, good and bad: certificates are made once a run, by an authority of our own."""

from __future__ import annotations

import atexit
import datetime
import ipaddress
import shutil
import ssl
import tempfile
import warnings
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

KINDS = (
    *("good", "expired", "not_yet_valid", "self_signed", "unknown_issuer", "wrong_host"),
    *("client_cert", "old_tls", "ragged"),
)
NAMES = ("127.0.0.1", "::1", "localhost")
DAY = datetime.timedelta(days=1)


class ServerContext(ssl.SSLContext):
    """A server's context; `ragged`: it closes without close_notify."""

    ragged = False


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
    now = datetime.datetime.now(datetime.UTC)
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.ragged = kind == "ragged"
    match kind:
        case "expired":
            leaf = _authority().issue_cert(*NAMES, not_before=now - 30 * DAY, not_after=now - DAY)
        case "not_yet_valid":
            leaf = _authority().issue_cert(*NAMES, not_before=now + DAY, not_after=now + 30 * DAY)
        case "unknown_issuer":
            leaf = trustme.CA(organization_name="nobody knows").issue_cert(*NAMES)
        case "wrong_host":
            leaf = _authority().issue_cert("other.example")
        case _:
            leaf = _authority().issue_cert(*NAMES)
    if kind == "self_signed":
        context.load_cert_chain(_self_signed(now))
    else:
        leaf.configure_cert(context)
    if kind == "client_cert":
        context.verify_mode = ssl.CERT_REQUIRED
        _authority().configure_trust(context)
    if kind == "old_tls":
        _only_old(context)
    return Tls(context, str(_folder() / "ca.pem"), str(_folder() / "client.pem"))


def _only_old(context: ssl.SSLContext) -> None:
    """TLS 1.0 and 1.1 only; OpenSSL 3 speaks them at security level 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1


@lru_cache(maxsize=1)
def _authority() -> trustme.CA:
    return trustme.CA(organization_name="fetch tests")


@lru_cache(maxsize=1)
def _folder() -> Path:
    """Where the files lie that clients are given."""
    folder = Path(tempfile.mkdtemp(prefix="fetch-tls-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _authority().cert_pem.write_to_path(str(folder / "ca.pem"))
    client = _authority().issue_cert("client@fetch.test", common_name="client")
    client.private_key_and_cert_chain_pem.write_to_path(str(folder / "client.pem"))
    return folder


def _self_signed(now: datetime.datetime) -> Path:
    """A leaf that is its own issuer; trustme makes none."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + 30 * DAY)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    path = _folder() / "self_signed.pem"
    path.write_bytes(key.private_bytes(*form, plain) + made.public_bytes(serialization.Encoding.PEM))
    return path
