"""Everything a run may be told: one flat set of settings, the same for the library and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fetcher.errors import UsageError

Pairs = tuple[tuple[str, str], ...]  # header fields in the order they are sent


@dataclass(slots=True, weakref_slot=True)
class Options:
    """Everything a run may be told. Every field has the name and the meaning of its `--option`.

    Durations are seconds, sizes bytes, rates requests per second. `check` refuses what cannot be meant, and
    takes lists where tuples stand here, a dictionary as `header`, and a number as `http`.
    """

    concurrency: int = 0  # 0: what the engine says is right for it
    per_host: int | None = None  # None: 8, but unlimited on loopback
    rate: float = 0.0  # 0: no limit
    host_rate: float = 0.0
    timeout: float = 30.0  # one attempt, from lookup to last byte
    connect_timeout: float = 10.0  # lookup, TCP and TLS together
    deadline: float = 0.0  # one URL, from its first attempt on, waits and retries included; 0: none
    retries: int = 2
    max_size: int = 0  # decoded body bytes; 0: 1 GiB, or 64 MiB where a reader keeps the body
    max_redirects: int = 10  # 0: a redirect is the answer
    header: Pairs = field(default=(), repr=False)  # repr=False: a secret must not reach a log by print()
    header_for: tuple[tuple[str, str, str], ...] = field(default=(), repr=False)  # (origin, name, value)
    method: str = "GET"
    data: bytes | None = field(default=None, repr=False)
    auth: str = field(default="", repr=False)  # "user:password"
    user_agent: str = ""
    proxy: str = field(default="", repr=False)
    cacert: str = ""
    cert: str = ""
    insecure: bool = False
    robots: bool = False
    deny_private: bool = False
    private_only: bool = False  # a load test: no public address, but of the hosts in `allow`
    allow: tuple[str, ...] = ()
    resolve: tuple[tuple[str, int, str], ...] = ()  # (host, port, address)
    family: int = 0  # 4 or 6; 0: both
    http: str = "1.1"
    hash: bool = False
    save: str = ""  # a directory
    unique: bool = False
    headers: tuple[str, ...] = ()  # response fields that go into the record, lower case


@dataclass(slots=True)
class Crawl:
    """What a crawl follows, beside Options. Every field has the name and the meaning of its `--option`."""

    depth: int | None = None  # links away from a start; None: any
    max_pages: int = 0  # 0: no limit
    scope: str = "host"  # "host", "path", "subdomains" or "any"
    include: tuple[str, ...] = ()  # regular expressions searched in the URL
    exclude: tuple[str, ...] = ()
    sitemap: tuple[str, ...] = ()  # URLs of sitemaps to begin with
    sitemaps: bool = True  # those that robots.txt names, too
    assets: str = "none"  # "none", "same-site" or "all": images, scripts, style sheets ...
    max_chain: int = 100  # pages of one form that lead to each other; 0: no limit
    max_alike: int = 1000  # URLs that differ in query values or tokens only; 0: no limit


def check_crawl(crawl: Crawl) -> None:
    """Raise UsageError for a setting that cannot be meant, whoever gave it; bring the rest into one form."""
    for name in ("depth", "max_pages", "max_chain", "max_alike"):
        value = getattr(crawl, name)
        if value is None and name == "depth":
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < LARGEST:
            raise UsageError(f"--{name.replace('_', '-')} {value!r}: give a whole number from 0 on")
    if crawl.assets not in ASSETS:
        raise UsageError(f"--assets {crawl.assets!r}: give {', '.join(ASSETS[:-1])} or {ASSETS[-1]}")
    for name in ("include", "exclude", "sitemap"):
        value = getattr(crawl, name)
        if not isinstance(value, (list, tuple)) or not all(isinstance(text, str) for text in value):
            raise UsageError(f"{name} {value!r}: give a list of texts")
        setattr(crawl, name, tuple(value))


def check(options: Options) -> None:
    """Raise UsageError for a setting that cannot be meant, whoever gave it; bring the rest into one form."""
    for name, kinds, least, what in RANGES:
        value = getattr(options, name)
        if value is None and name == "per_host":
            continue
        most = LONGEST if "time" in name or name == "deadline" else LARGEST
        number = isinstance(value, kinds) and not isinstance(value, bool)
        if not number or not least <= value < most:
            below = f" and below {most:,.0f}" if number and value >= most else ""
            raise UsageError(f"--{name.replace('_', '-')} {value!r}: give {what}{below}")
    for name in ("timeout", "connect_timeout"):
        if not getattr(options, name):
            raise UsageError(f"--{name.replace('_', '-')} 0: give seconds above 0")
    if options.data is not None and not isinstance(options.data, bytes):
        raise UsageError(f"--data is {type(options.data).__name__}: give bytes")
    if options.family not in (0, 4, 6):
        raise UsageError(f"family {options.family!r}: give 4, 6, or 0 for both")
    options.http = _http(options.http)
    options.headers = _names(options.headers)
    for name, form in FORMS.items():
        setattr(options, name, _rows(name, getattr(options, name), form))
    for fixed in options.resolve:
        _check_resolve(*fixed)


def _names(given: Any) -> tuple[str, ...]:
    if not isinstance(given, (list, tuple)) or not all(isinstance(name, str) for name in given):
        raise UsageError(f"headers {given!r}: give a list of names, such as ['etag']")
    return tuple(given)


def _http(given: Any) -> str:
    text = f"{given:g}" if type(given) in (int, float) else given
    if text not in ("1.1", "2", "3"):
        raise UsageError(f"--http {given!r}: give 1.1, 2 or 3")
    return str(text)


def _rows(name: str, given: Any, form: tuple[str, ...]) -> tuple[tuple[Any, ...], ...]:
    """The setting as a tuple of tuples; its values are not shown where it is refused: they may be secrets."""
    rows = list(given.items()) if name == "header" and isinstance(given, Mapping) else given
    if not isinstance(rows, (list, tuple)) or any(
        not isinstance(row, (list, tuple)) or len(row) != len(form) for row in rows
    ):
        also = " or a dict" if name == "header" else ""
        raise UsageError(f"{name} {type(given).__name__}: give a list of ({', '.join(form)}){also}")
    return tuple(tuple(row) for row in rows)


def _check_resolve(host: Any, port: Any, address: Any) -> None:
    from ipaddress import ip_address

    given = f"--resolve {host}:{port}:{address}"
    if not isinstance(host, str):
        raise UsageError(f"{given}: the host is {type(host).__name__}: give a name")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 1 << 16:
        raise UsageError(f"{given}: {port} is no port: give a whole number from 1 to 65535")
    try:
        ip_address(str(address).strip("[]"))
    except ValueError as error:
        raise UsageError(
            f"{given}: {address} is no IP address: give one, such as 127.0.0.1 or [::1]"
        ) from error


# (field, types, least value, in words)
RANGES: Final[tuple[tuple[str, Any, float, str], ...]] = (
    *((name, int, 0, "a whole number from 0 on") for name in ("concurrency", "per_host", "retries")),
    *((name, int, 0, "a whole number from 0 on") for name in ("max_size", "max_redirects")),
    *((name, (int, float), 0, "a number from 0 on") for name in ("rate", "host_rate", "deadline")),
    *((name, (int, float), 0, "seconds above 0") for name in ("timeout", "connect_timeout")),
)
FORMS: Final = {
    "header": ("name", "value"),
    "header_for": ("origin", "name", "value"),
    "resolve": ("host", "port", "address"),
}
ASSETS: Final = ("none", "same-site", "all")
LARGEST: Final = 1 << 50
LONGEST: Final = 1e7  # seconds: what every timer of every engine bears
