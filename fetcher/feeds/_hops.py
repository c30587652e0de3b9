"""Where a redirect leads, and what of the request may go there (RFC 9110 15.4)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from fetcher import headers, urls
from fetcher.errors import Fault
from fetcher.model import Options, Request, Result

FOLLOWED: Final = frozenset({301, 302, 303, 307, 308})
HIGH: Final = re.compile("[\x80-\xff]")  # bytes of a Location, which are to be percent-encoded


def next_hop(request: Request, result: Result, options: Options) -> Request | Fault | None:
    """Where this result sends its request: a new Request, a Fault, or None if it is the answer itself."""
    if result.status not in FOLLOWED or not options.max_redirects:
        return None
    places = {value for name, value in result.fields if name.lower() == "location"}
    place = next(iter(places), "").strip(" \t")
    if not place and len(places) < 2:
        return None
    shown = urls.mask(HIGH.sub("?", place))[:200]
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
    return _hop(request, result, options, href)


def _hop(request: Request, result: Result, options: Options, href: str) -> Request | Fault:
    assert result.status is not None
    method = _method(request.method, result.status)
    data = request.data if method == request.method else None
    if data is not None and urls.origin(href) != urls.origin(request.wire):
        return Fault(
            "redirect_blocked", f"Location would send the body to another origin: {urls.origin(href)}"
        )
    cookies = headers.kept(request, result)
    hop = replace(
        request,
        method=method,
        data=data,
        cookies=cookies,
        hops=(*request.hops, (request.wire, result.status)),
        tries=0,
        fresh=False,
    )
    urls.aim(hop, href)
    if _asked(hop, options.method) > sum(cookie[0] == urls.origin(href) for cookie in cookies):
        return Fault("redirect_loop", f"Location leads to a URL that was asked before: {href[:200]}")
    hop.headers = headers.sent(hop, options)
    return hop


def _method(method: str, status: int) -> str:
    """RFC 9110 15.4: 303 asks with GET; 301 and 302 turn POST into GET, as browsers do."""
    if status == 303:
        return "HEAD" if method == "HEAD" else "GET"
    return "GET" if method == "POST" and status in (301, 302) else method


def _asked(hop: Request, method: str) -> int:
    """How often this very request was made in its chain.

    A page may set a cookie and redirect to itself, so a URL may come back once for each cookie it now gets.
    """
    count = 0
    for url, status in hop.hops:
        count += url == hop.wire and method == hop.method
        method = _method(method, status)
    return count
