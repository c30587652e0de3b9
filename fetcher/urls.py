"""The wire form of a URL (WHATWG), and its parts by slicing.

A line is parsed once, by ada-url: `wire` gives the normalised href, and everything after that slices it. That
is safe because an href always has a scheme, an authority and a path, and fragment and userinfo are gone. What
`PLAIN` takes is such an href already, and is spared the parser: most lines of most lists (0.7 us for 2.9).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import ada_url

from fetcher.errors import Fault
from fetcher.model import Request

BLANKS: Final = " \t\n\r\f\v"
CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*").fullmatch
NO_HOSTS: Final = frozenset({"about", "blob", "data", "file", "javascript", "mailto", "tel", "urn"})
LONGEST: Final = 64 * 1024  # characters of a URL: what a request line may take
HOST: Final = 253  # RFC 1035 2.3.4
LABEL: Final = 63
CODED: Final = 12  # characters that one character of a host may take when percent-encoded
AUTHORITY: Final = re.compile(r"\s*(?:https?:[/\\]*|[/\\]{2,})([^/?#\\]*)", re.IGNORECASE).match

# No character that WHATWG would change, lower or drop: no IDNA, no number that is not plain decimal, no
# default port, no segment that may mean `.` or `..`. tests/test_urls.py holds it against ada-url.
PLAIN: Final = re.compile(
    r"""https?://
    (?: (?:(?!xn--)[a-z0-9-]{1,63}\.)*+ (?!xn--)[a-z][a-z0-9-]{0,62}+
      | (?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?=[0-9])|(?=[:/]))){4} )
    (?: :(?!80/|443/)(?:[1-9][0-9]{0,3}|[1-5][0-9]{4})(?=/) )?+
    (?: /(?![.%])[A-Za-z0-9._~!$&()*+,;=:@%-]*+ )++
    (?: \?[A-Za-z0-9._~!$&()*+,;=:@%/?-]*+ )?+""",
    re.VERBOSE,
).fullmatch


def wire(text: str) -> str:
    """The URL that is asked for this text, without fragment and userinfo. Raises Fault.

    A text without a scheme means http. Control characters inside are refused, where WHATWG drops some.
    """
    if len(text) <= HOST and PLAIN(text):
        return text
    text = text.strip(BLANKS)
    if not text.isprintable() and CONTROLS.search(text):
        raise Fault("invalid_url", "a control character inside the URL: percent-encode it, or remove it")
    full = text if text.startswith(("http://", "https://")) else schemed(text)
    if len(full) > HOST:
        _bounded(full)
    try:
        href = ada_url.normalize_url(full)
    except ValueError:
        raise Fault("invalid_url", _why(full)) from None
    return _bare(href)


def join(base: str, reference: str) -> str:
    """A reference found at `base` as a wire URL, read as browsers do. Raises Fault."""
    if len(reference) > HOST:
        _bounded(reference)
    try:
        href = ada_url.join_url(base, reference)
    except ValueError:
        raise Fault("invalid_url", _why(reference)) from None
    return _bare(href)


def aim(request: Request, href: str) -> str:
    """Point a request at this wire URL: sets wire, scheme, authority, target and host. Gives the origin."""
    slash = href.find("/", 8)
    request.wire = href
    request.target = href[slash:]
    origin, request.scheme, request.authority, request.host = _site(href[:slash])
    return origin


@lru_cache(1024)
def _site(origin: str) -> tuple[str, str, str, str]:
    """An origin, its scheme, authority and host:port: the same strings for all its URLs, to save memory."""
    scheme, _, authority = origin.partition("://")
    if ":" in authority and authority[-1] != "]":
        return origin, scheme, authority, authority
    return origin, scheme, authority, f"{authority}:{443 if scheme == 'https' else 80}"


def origin(href: str) -> str:
    """scheme://authority of a wire URL."""
    return href[: href.find("/", 8)]


def key(href: str) -> str:
    """What `--unique` and seen-sets compare: exactly the wire form, so no two resources are taken for one.

    So the fragment, the userinfo, the default port and the host's case do not count; the order of a query,
    a trailing slash, and http against https do.
    """
    return href


def is_loopback(host: str) -> bool:
    """Whether this host (with or without a port) is this machine, by its name alone."""
    name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") and host != "::1" else host
    if name.startswith("127."):
        return name.replace(".", "").isdigit()
    return name.rstrip(".") == "localhost" or name in ("[::1]", "::1")


def schemed(text: str) -> str:
    """The text with a scheme in front; raises Fault if that is neither http nor https."""
    at = text.find("://")
    if at >= 0:
        scheme = text[:at]
        if scheme in ("https", "http") or scheme.lower() in ("https", "http"):
            return text
        if SCHEME(scheme):
            raise Fault("unsupported_scheme", f"{scheme[:40]}: is neither http nor https")
    if text.startswith("//"):
        return f"http:{text}"
    scheme, colon, _ = text.partition(":")
    if colon and scheme.lower() in ("http", "https"):
        return text  # "https:example.org" is a URL to WHATWG
    if is_other(text):
        raise Fault("unsupported_scheme", f"{scheme[:40]}: is neither http nor https")
    if not text:
        raise Fault("invalid_url", "there is nothing to ask: the URL is empty")
    return f"http://{text}"


def is_other(text: str) -> bool:
    """Whether this begins with a scheme that has no host, as `mailto:` does; `data:80` is host and port."""
    scheme, colon, rest = text.partition(":")
    return bool(colon) and scheme.lower() in NO_HOSTS and not rest[:1].isdigit()


def _bare(href: str) -> str:
    """A normalised href without fragment and userinfo, its host's labels judged (ada-url does not)."""
    if href[:5] == "http:":
        start = 7
    elif href[:6] == "https:":
        start = 8
    else:
        raise Fault("unsupported_scheme", f"{href.partition(':')[0][:40]}: is neither http nor https")
    if "#" in href:
        href = href[: href.find("#")]
    slash = href.find("/", start)
    at = href.rfind("@", start, slash) + 1
    if at:
        href = href[:start] + href[at:]
        slash -= at - start
    if href[start] == "." or slash - start > LABEL or href.find("..", start, slash) >= 0:
        _labels(href[start:slash])
    return href


def _labels(authority: str) -> None:
    host = authority.partition(":")[0].removesuffix(".")
    if authority[0] == "[":
        return
    if len(host) > HOST:
        raise Fault("invalid_url", f"the host has more than {HOST} characters")
    for label in host.split("."):
        if not 0 < len(label) <= LABEL:
            what = f"has a label of {len(label)} characters" if label else "has an empty label"
            raise Fault("invalid_url", f"the host {what} (1 to {LABEL} are allowed)")


def _bounded(text: str) -> None:
    """Lengths are judged before IDNA, which is quadratic in a label (CVE-2024-3651)."""
    if len(text) > LONGEST:
        raise Fault("invalid_url", f"a URL of {len(text):,} characters; {LONGEST:,} are the most")
    match = AUTHORITY(text)
    host = match[1].rpartition("@")[2] if match else ""
    if len(host) > HOST * CODED or (not host.isascii() and len(host) > HOST + LABEL):
        raise Fault("invalid_url", f"the host has more than {HOST} characters")


def _why(text: str) -> str:
    """What is wrong with a text that ada-url refused, where that can be told without showing it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "the URL is not UTF-8"
    authority = re.split(r"[/?#\\]", text.partition("://")[2], maxsplit=1)[0].rpartition("@")[2]
    port = authority.rpartition(":")[2] if ":" in authority and not authority.endswith("]") else ""
    if not authority:
        return "the URL has no host"
    if port and not (port.isdigit() and int(port[:9]) < 65536):
        return "the port is not a number below 65536"
    return "the host is no name and no address that WHATWG's URL rules allow"
