"""Where a redirect leads, and what of the request may go there (RFC 9110 15.4)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from fetcher import headers, logins, urls
from fetcher.errors import Fault
from fetcher.feeds._cookies import kept
from fetcher.model import FOLLOWED, Options, Request, Result

HIGH: Final = re.compile("[\x80-\xff]")  # bytes of a Location, which are to be percent-encoded


def next_hop(request: Request, result: Result, given: Options | headers.Plan) -> Request | Fault | None:
    """Where this result sends its request: a new Request, a Fault, or None if it is the answer itself."""
    plan = headers.planned(given)
    options = plan.options
    if result.status not in FOLLOWED or not options.max_redirects:
        return None
    places = {value for name, value in result.fields if name.lower() == "location"}
    place = next(iter(places), "").strip(" \t")
    if not place and len(places) < 2:
        return None
    shown = logins.mask(HIGH.sub("?", place))[:200]
    if len(places) > 1:
        return Fault("bad_redirect", f"{len(places)} Location fields that differ")
    if len(request.hops) >= options.max_redirects:
        return Fault("too_many_redirects", f"more than {options.max_redirects} redirects; the next: {shown}")
    try:
        href = urls.join(request.wire, HIGH.sub(lambda byte: f"%{ord(byte[0]):02X}", place))
    except Fault as fault:
        if fault.kind == "unsupported_scheme":
            return Fault("redirect_blocked", f"Location leads to another scheme: {shown}")
        return Fault("bad_redirect", f"Location is no URL: {shown}")
    return _hop(request, result, plan, href)


def _hop(request: Request, result: Result, plan: headers.Plan, href: str) -> Request | Fault:
    assert result.status is not None
    method = _method(request.method, result.status)
    data = request.data if method == request.method else None
    if data is not None and urls.origin(href) != urls.origin(request.wire):
        return Fault(
            "redirect_blocked", f"Location would send the body to another origin: {urls.origin(href)}"
        )
    hop = replace(
        request,
        method=method,
        data=data,
        cookies=kept(request, result),
        hops=(*request.hops, (request.wire, result.status)),
        asked=(*request.asked, _key(request)),
        tries=0,
        fresh=False,
    )
    urls.aim(hop, href)
    if _key(hop) in hop.asked:
        return Fault("redirect_loop", f"Location leads to a URL that was asked before: {href[:200]}")
    hop.headers = headers.sent(hop, plan)
    return hop


def _method(method: str, status: int) -> str:
    """RFC 9110 15.4: 303 asks with GET; 301 and 302 turn POST into GET, as browsers do."""
    if status == 303:
        return "HEAD" if method == "HEAD" else "GET"
    return "GET" if method == "POST" and status in (301, 302) else method


def _key(request: Request) -> tuple[str, str, int]:
    """What makes two requests of a chain the same: a page may set a cookie and redirect to itself.

    So it may come back once for each state of the cookies that it gets, of which the hash is enough.
    """
    site = f"{request.scheme}://{request.authority}"
    state = frozenset((name, value) for at, name, value in request.cookies if at == site)
    return request.method, request.wire, hash(state) if state else 0
