"""Which header fields a request carries, and to which origin its secrets may go.

Secrets (`--header`, `--auth`, cookies and the URL's userinfo) go to the origin they were given for and to no
other: no hop to another scheme, host or port gets them, in any number of fields. User-Agent and Accept* are
no secrets and always travel.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final

from fetcher.errors import Fault, UsageError
from fetcher.model import Options, Pairs, Request

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


class Plan:
    """What can be settled once for a run: the fields of most first requests and most hops among them.

    It holds secrets, so whoever asks for many requests keeps it, and it goes with him.
    """

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


def planned(given: Options | Plan) -> Plan:
    """The plan of these options, if it is not one already."""
    return given if isinstance(given, Plan) else Plan(given)


def sent(request: Request, given: Options | Plan) -> Pairs:
    """The complete fields after Host, in the order in which every engine sends them."""
    plan = planned(given)
    options = plan.options
    own = f"{request.scheme}://{request.authority}" == request.origin
    plain = not (request.cookies or request.own or (own and request.login) or options.header_for)
    if plain and request.data is options.data and request.method == options.method:
        if own:
            return plan.first
        if request.data is None and request.method in ("GET", "HEAD"):
            return plan.common
    fields = [*plan.travelling, *(plan.own if own else ())]
    fields += [(name, value) for site, name, value in options.header_for if _is_at(request, site)]
    if request.own:  # of the run's and the caller's fields of one name, the caller's are meant for this URL
        theirs = [pair for pair in request.own if own or pair[0].lower() in TRAVELLING]
        names = {name.lower() for name, _ in theirs}
        fields = [*(pair for pair in fields if pair[0].lower() not in names), *theirs]
    turned = bool(request.asked) and request.asked[0][0] != request.method
    if request.data is None and (turned or options.data is not None):  # a redirect has dropped the body
        fields = [pair for pair in fields if pair[0].lower() not in ABOUT_DATA]
    return _merged(plan.common, _ours(request, options, own), fields)


def check(options: Options) -> None:
    """Refuse fields, methods and passwords that cannot be sent; bring method and origins into one form."""
    options.method = _method("--method", options.method)
    if options.auth and (":" not in options.auth or not TEXT(options.auth)):
        raise UsageError("--auth needs USER:PASSWORD, with a colon and without control characters")
    _field("--user-agent", "User-Agent", options.user_agent)
    for name, value in options.header:
        _field("--header", name, value)
    for _, name, value in options.header_for:
        _field("--header-for", name, value)
    options.header_for = tuple((_site(site), name, value) for site, name, value in options.header_for)


def check_own(request: Request) -> None:
    """Refuse what a caller's Request cannot be sent with; bring its method into one form. Raises Fault."""
    try:
        request.method = _method("Request.method", request.method)
        pairs = request.own
        if not isinstance(pairs, (tuple, list)) or any(
            not isinstance(pair, (tuple, list)) or len(pair) != 2 for pair in pairs
        ):
            raise UsageError("Request.headers is no tuple of (name, value)")
        for name, value in pairs:
            _field("Request.headers", name, value)
    except UsageError as error:
        raise Fault("invalid_url", str(error)) from error
    if request.data is not None and not isinstance(request.data, bytes):
        raise Fault("invalid_url", f"Request.data is {type(request.data).__name__}, not bytes: encode it")
    request.own = tuple((name, value) for name, value in pairs)


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


def _method(option: str, method: str) -> str:
    if not isinstance(method, str) or not TOKEN(method) or method.upper() == "CONNECT":
        raise UsageError(f"{option} {method!r} cannot be asked: use GET, HEAD, POST ...")
    return method.upper()


def _field(option: str, name: str, value: str) -> None:
    if not isinstance(name, str) or not isinstance(value, str):
        raise UsageError(f"{option} {name!r}: give name and value as str")
    if not TOKEN(name):
        raise UsageError(f"{option} {name!r} is no field name: write 'NAME: VALUE'")
    if name.lower() in REFUSED:
        raise UsageError(f"{option} {name} cannot be set: {REFUSED[name.lower()]}")
    if not VALUE(value):
        raise UsageError(f"{option} {name} has a value with control characters or beyond Latin-1: encode it")


def _site(text: str) -> str:
    from fetcher import logins, urls

    try:
        href = urls.wire(text)
    except Fault as fault:
        raise UsageError(f"--header-for {logins.mask(text)}: {fault.message}") from fault
    if urls.origin(href) + "/" != href:
        raise UsageError(f"--header-for {logins.mask(text)}: give an origin, such as {urls.origin(href)}")
    return urls.origin(href)
