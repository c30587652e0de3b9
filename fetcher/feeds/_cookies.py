"""The cookies of a chain of hops: set by an answer, sent back to the one origin that set them.

RFC 6265."""

from __future__ import annotations

import re
import time
from typing import Final

from fetcher.model import Request, Result

COOKIES: Final = 50  # in one chain of hops (CVE-2022-32205)
COOKIE_BYTES: Final = 8 * 1024
COOKIE: Final = re.compile(r"[ \t]*([^\x00-\x20\x7f-\xff=;,\"]+)[ \t]*=[ \t]*([^\x00-\x1f\x7f;]*)").match


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
