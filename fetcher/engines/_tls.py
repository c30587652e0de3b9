"""The TLS context of an engine: who is trusted and how strictly, the same with every Python."""

from __future__ import annotations

import os
import ssl
import sys
from pathlib import Path

from fetcher.errors import UsageError
from fetcher.model import Options


def context(options: Options) -> ssl.SSLContext:
    """One context for a run; costly (it reads the authorities), so make it when it is first needed.

    Trusted are the authorities of `--cacert`, else the system's, else certifi's. Raises UsageError for a file
    that cannot be used.
    """
    made = ssl.create_default_context(cafile=authorities(options))
    # As curl does, and the same with every Python (3.13 changed both): an intermediate may be trusted, and
    # RFC 5280's small print is not enforced.
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # An end of file without a TLS end may be an attack on a body that has no length: it must be seen.
    made.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    made.set_alpn_protocols(["http/1.1"])
    if options.insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if options.cert:
        try:
            made.load_cert_chain(options.cert, password=lambda: "")  # never ask on the terminal
        except (OSError, ValueError) as error:
            cure = "it needs the certificate and its key as PEM"
            raise UsageError(f"--cert {options.cert}: {_why(error)}; {cure}") from error
    return made


def authorities(options: Options) -> str | None:
    """The file of trusted authorities; None: the system's own."""
    if options.cacert:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(options.cacert)
        except (OSError, ValueError) as error:
            raise UsageError(f"--cacert {options.cacert}: {_why(error)}; PEM certificates needed") from error
        return options.cacert
    paths = ssl.get_default_verify_paths()
    if paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())):
        return None
    import certifi

    return certifi.where()


def check(options: Options) -> None:
    """Raise UsageError now, not at the first https URL, if a file that was named cannot be used."""
    if options.cacert or options.cert:
        context(options)


def check_keylog() -> None:
    """Raise UsageError if SSLKEYLOGFILE names a file that cannot be written.

    Every context opens it, aiohttp's already while that is imported; so it is asked before an engine is.
    """
    path = os.environ.get("SSLKEYLOGFILE", "")
    if not path or sys.flags.ignore_environment:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).keylog_filename = path
    except (OSError, ValueError) as error:
        cure = "name a file that can be written, or unset the variable"
        raise UsageError(f"SSLKEYLOGFILE={path}: {_why(error)}: {cure}") from error


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "not readable as PEM" if not error.reason else error.reason.replace("_", " ").lower()
    return getattr(error, "strerror", None) or str(error)
