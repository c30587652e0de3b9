"""Certificates for the fault server, good and bad, by an authority of its own that is new at each start."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import warnings
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from trustme import LeafCert

NAMES: Final = ("127.0.0.1", "::1", "localhost")
DAY: Final = datetime.timedelta(days=1)


class Authority:
    """Makes the context of a server with a certificate of that name; `pem` is what clients are to trust."""

    def __init__(self) -> None:
        import trustme  # a library of the tests: certificates are served where it is

        self._new = trustme.CA
        self._ca = trustme.CA(organization_name="the fault server")
        self.pem = self._ca.cert_pem.bytes()

    def client(self) -> bytes:
        """Key and certificate of a client that this authority knows, as PEM."""
        made: bytes = self._ca.issue_cert(
            "client@fetch.test", common_name="client"
        ).private_key_and_cert_chain_pem.bytes()
        return made

    def context(self, certificate: str) -> ssl.SSLContext:
        """What a server with this certificate needs."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        match certificate:
            case "self-signed":
                _load(made, _alone())
            case "unknown-root":
                stranger = self._new(organization_name="nobody knows")
                leaf = stranger.issue_cert(*NAMES)
                _load(made, leaf.private_key_and_cert_chain_pem.bytes() + stranger.cert_pem.bytes())
            case "missing-link":
                leaf = self._ca.create_child_ca().issue_cert(*NAMES)
                _load(made, leaf.private_key_pem.bytes() + leaf.cert_chain_pems[0].bytes())
            case _:
                self._leaf(certificate).configure_cert(made)
        self._set(made, certificate)
        return made

    def _leaf(self, certificate: str) -> LeafCert:
        now = datetime.datetime.now(datetime.UTC)
        match certificate:
            case "expired":
                return self._ca.issue_cert(*NAMES, not_before=now - 30 * DAY, not_after=now - DAY)
            case "not-yet-valid":
                return self._ca.issue_cert(*NAMES, not_before=now + DAY, not_after=now + 30 * DAY)
            case "unknown-issuer":
                return self._new(organization_name="nobody knows").issue_cert(*NAMES)
            case "other-name":
                return self._ca.issue_cert("other.test")
            case "no-address":
                return self._ca.issue_cert("localhost")
            case "common-name":
                return self._ca.issue_cert(common_name="old.test")
            case "wildcard":
                return self._ca.issue_cert("*.wild.test")
        return self._ca.issue_cert(*NAMES)

    def _set(self, made: ssl.SSLContext, certificate: str) -> None:
        match certificate:
            case "client-wanted" | "client-wanted-1.2":
                made.verify_mode = ssl.CERT_REQUIRED
                self._ca.configure_trust(made)
                if certificate.endswith("1.2"):
                    made.maximum_version = ssl.TLSVersion.TLSv1_2
            case "tls-1.1":
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)
                    made.set_ciphers("ALL:@SECLEVEL=0")  # at which OpenSSL 3 still speaks it
                    made.minimum_version = ssl.TLSVersion.TLSv1
                    made.maximum_version = ssl.TLSVersion.TLSv1_1
            case "no-cipher":
                made.maximum_version = ssl.TLSVersion.TLSv1_2
                made.set_ciphers("eNULL:@SECLEVEL=0")
            case "by-name":
                self._choose(made)
            case "unnamed":
                made.sni_callback = lambda _conn, name, _made: (
                    ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME if name else None
                )

    def _choose(self, made: ssl.SSLContext) -> None:
        """One certificate for who asks for named.test, and for all others one that is of no use."""
        named = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert("named.test").configure_cert(named)

        def choose(conn: ssl.SSLSocket | ssl.SSLObject, name: str | None, _made: ssl.SSLContext) -> None:
            if name == "named.test":
                conn.context = named

        made.sni_callback = choose


def _alone() -> bytes:
    """Key and certificate of somebody who signs for himself; trustme makes no such leaf."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.datetime.now(datetime.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "itself")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - DAY).not_valid_after(now + 30 * DAY)
    signed = made.add_extension(names, critical=False).sign(key, hashes.SHA256())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form) + signed.public_bytes(serialization.Encoding.PEM)


def _load(made: ssl.SSLContext, pem: bytes) -> None:
    """OpenSSL reads a chain from a file only."""
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(pem)
        file.flush()
        made.load_cert_chain(file.name)
