"""Which header fields a request carries, and to which origin its secrets may go.

Secrets (`--header`, `--auth`, cookies and the URL's userinfo) go to the origin they were given for and to no
other: no hop to another scheme, host or port gets them, in any number of fields. User-Agent and Accept* are
no secrets and always travel.
"""

from __future__ import annotations

import re
import time
from base64 import b64encode
from typing import Final

from fetcher.errors import Fault, UsageError
from fetcher.model import Options, Pairs, Request, Result

TRAVELLING: Final = ("user-agent", "accept", "accept-encoding")
ABOUT_DATA: Final = ("content-type", "content-encoding", "content-language", "content-location")
TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch  # RFC 9110 5.6.2
VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch  # RFC 9110 5.5
TEXT: Final = re.compile(r"[^\x00-\x1f\x7f]*").fullmatch
REFUSED: Final = {
    "host": "it follows from the URL",
    "content-length": "it follows from --data",
    "transfer-encoding": "a body is sent with its length: use --data",
    "connection": "connections belong to the engine",
    "keep-alive": "connections belong to the engine",
    "proxy-connection": "connections belong to the engine",
    "upgrade": "no other protocol is spoken",
    "te": "it is about the connection, which belongs to the engine",
    "trailer": "no trailer is sent",
    "expect": "no interim answer is waited for",
    "proxy-authorization": "it would reach the server: give --proxy http://USER:PASSWORD@HOST:PORT",
}
COOKIES: Final = 50  # in one chain of hops (CVE-2022-32205)
COOKIE_BYTES: Final = 8 * 1024
COOKIE: Final = re.compile(r"[ \t]*([^\x00-\x20\x7f-\xff=;,\"]+)[ \t]*=[ \t]*([^\x00-\x1f\x7f;]*)").match


def sent(request: Request, options: Options) -> Pairs:
    """The complete fields after Host, in the order in which every engine sends them."""
    plan = _plan(options)
    own = f"{request.scheme}://{request.authority}" == request.origin
    plain = not request.cookies and not (own and request.login) and not options.header_for
    if plain and request.data is options.data and request.method == options.method:
        if own:
            return plan.first
        if request.data is None and request.method in ("GET", "HEAD"):
            return plan.common
    given = [*plan.travelling, *(plan.own if own else ())]
    given += [(name, value) for site, name, value in options.header_for if _is_at(request, site)]
    if options.data is not None and request.data is None:  # a redirect has dropped the body
        given = [pair for pair in given if pair[0].lower() not in ABOUT_DATA]
    return _merged(plan.common, _ours(request, options, own), given)


def check(options: Options) -> None:
    """Refuse fields, methods and passwords that cannot be sent; bring method and origins into one form."""
    if not TOKEN(options.method) or options.method.upper() == "CONNECT":
        raise UsageError(f"--method {options.method!r} cannot be asked: use GET, HEAD, POST ...")
    options.method = options.method.upper()
    if options.auth and (":" not in options.auth or not TEXT(options.auth)):
        raise UsageError("--auth needs USER:PASSWORD, with a colon and without control characters")
    _field("--user-agent", "User-Agent", options.user_agent)
    for name, value in options.header:
        _field("--header", name, value)
    for _, name, value in options.header_for:
        _field("--header-for", name, value)
    options.header_for = tuple((_site(site), name, value) for site, name, value in options.header_for)


def kept(request: Request, result: Result) -> tuple[tuple[str, str, str], ...]:
    """The cookies of this chain after this result: host-only, each for the one origin that set it."""
    lines = [value for name, value in result.fields if name.lower() == "set-cookie"]
    if not lines:
        return request.cookies
    site = f"{request.scheme}://{request.authority}"
    jar = {(at, name): value for at, name, value in request.cookies}
    for line in lines:
        match = COOKIE(line)
        if match is None:
            continue
        name, value = match[1], match[2].rstrip(" \t")
        facts = _attributes(line)
        if "secure" in facts and request.scheme != "https":
            continue
        if _is_over(facts):
            jar.pop((site, name), None)
        elif (site, name) in jar or len(jar) < COOKIES:
            before = jar.get((site, name))
            jar[site, name] = value
            if sum(len(key[1]) + len(text) + 3 for key, text in jar.items()) > COOKIE_BYTES:
                jar.pop((site, name)) if before is None else jar.update({(site, name): before})
    return tuple((at, name, value) for (at, name), value in jar.items())


class _Plan:
    """What can be settled once for a run: the fields of most first requests and most hops among them."""

    __slots__ = ("common", "first", "options", "own", "travelling")

    def __init__(self, options: Options) -> None:
        from fetcher import __version__, decode

        self.options = options
        ours = (
            ("User-Agent", options.user_agent or f"fetch/{__version__}"),
            ("Accept", "*/*"),
            ("Accept-Encoding", decode.accept_encoding()),
        )
        self.travelling = tuple(pair for pair in options.header if pair[0].lower() in TRAVELLING)
        self.own = tuple(pair for pair in options.header if pair[0].lower() not in TRAVELLING)
        self.common = _merged(ours, [], self.travelling)
        bare = Request("", method=options.method, data=options.data)
        self.first = _merged(self.common, _ours(bare, options, own=True), (*self.travelling, *self.own))


_plans: dict[int, _Plan] = {}  # by identity: Options are not changed once a run has begun


def _plan(options: Options) -> _Plan:
    plan = _plans.get(id(options))
    if plan is None or plan.options is not options:
        if len(_plans) > 8:
            _plans.clear()
        plan = _plans[id(options)] = _Plan(options)
    return plan


def _ours(request: Request, options: Options, own: bool) -> list[tuple[str, str]]:
    pairs = []
    login = (request.login or options.auth) if own else ""
    if login:
        coded = b64encode(login.encode("utf-8", "surrogateescape")).decode("ascii")
        pairs.append(("Authorization", f"Basic {coded}"))
    cookies = [f"{name}={value}" for site, name, value in request.cookies if _is_at(request, site)]
    if cookies:
        pairs.append(("Cookie", "; ".join(cookies)))
    if request.data is not None:
        pairs.append(("Content-Type", "application/x-www-form-urlencoded"))
    if request.data is not None or request.method in ("POST", "PUT", "PATCH"):
        pairs.append(("Content-Length", str(len(request.data or b""))))
    return pairs


def _merged(common: Pairs, ours: list[tuple[str, str]], given: Pairs | list[tuple[str, str]]) -> Pairs:
    """Ours, each replaced in place by the user's of that name; then the user's others; then the body's."""
    by_name: dict[str, list[tuple[str, str]]] = {}
    for pair in given:
        by_name.setdefault(pair[0].lower(), []).append(pair)
    before: list[tuple[str, str]] = []
    after: list[tuple[str, str]] = []
    for pair in (*common, *ours):
        name = pair[0].lower()
        own = by_name.pop(name, None)
        if name == "cookie" and own:  # one field (RFC 6265 5.4): the user's, and those of this chain
            own = [("Cookie", "; ".join(value for _, value in (*own, pair)))]
        (after if name.startswith("content-") else before).extend(own or [pair])
    return (*before, *(pair for pairs in by_name.values() for pair in pairs), *after)


def _is_at(request: Request, site: str) -> bool:
    return site == f"{request.scheme}://{request.authority}"


def _field(option: str, name: str, value: str) -> None:
    if not TOKEN(name):
        raise UsageError(f"{option} {name!r} is no field name: write 'NAME: VALUE'")
    if name.lower() in REFUSED:
        raise UsageError(f"{option} {name} cannot be set: {REFUSED[name.lower()]}")
    if not VALUE(value):
        raise UsageError(f"{option} {name} has a value with control characters or beyond Latin-1: encode it")


def _site(text: str) -> str:
    from fetcher import urls

    try:
        href = urls.wire(text)
    except Fault as fault:
        raise UsageError(f"--header-for {urls.mask(text)}: {fault.message}") from fault
    if urls.origin(href) + "/" != href:
        raise UsageError(f"--header-for {urls.mask(text)}: give an origin, such as {urls.origin(href)}")
    return urls.origin(href)


def _attributes(line: str) -> dict[str, str]:
    parts = (part.partition("=") for part in line.split(";")[1:])
    return {name.strip().lower(): value.strip() for name, _, value in parts}


def _is_over(facts: dict[str, str]) -> bool:
    """Whether a cookie is deleted by its Max-Age, or else by its Expires (RFC 6265 5.3)."""
    age = facts.get("max-age", "")
    if re.fullmatch(r"-?[0-9]+", age):
        return age.startswith("-") or not age.strip("0")
    if "expires" not in facts:
        return False
    from email.utils import mktime_tz, parsedate_tz

    try:
        when = parsedate_tz(facts["expires"])
        return when is not None and mktime_tz(when) <= time.time()
    except (ValueError, OverflowError):
        return False
