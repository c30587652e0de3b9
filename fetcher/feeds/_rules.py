"""Which rules of a robots.txt are for us (RFC 9309 2.2.1); protego says what they allow.

protego alone answers 427 of Google's 450 RFC 9309 cases as they should be. What it misses is mended here:
groups are found by whole product tokens, unknown lines end no group, and needless escapes are read both ways.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final
from urllib.parse import quote

from protego import Protego

TOKEN: Final = "fetch"  # noqa: S105  (our product token)
LONGEST: Final = 2083 * 8 - 1  # bytes of a line that are read: what Google reads
BOM: Final = b"\xef\xbb\xbf"
LINES: Final = re.compile(rb"\r\n|\r|\n")
UNUSUAL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xff]")
FIELD: Final = re.compile(  # with the misspellings that Google forgives, and with or without a colon
    r"(user-?\s?agent|allow|dis{1,2}al{1,2}ow|diasllow|disallaw|crawl[- ]delay)[ \t]*(?::|[ \t])[ \t]*(.*)",
    re.IGNORECASE,
).fullmatch
SITEMAP: Final = re.compile(rb"[ \t]*sitemap[ \t]*:[ \t]*([^\s#][^\r\n]*)", re.IGNORECASE).match
SITEMAPS: Final = 100  # of one robots.txt that are read
NAMED: Final = 500  # rules among which the one that forbids a page is looked for
PRODUCT: Final = re.compile(r"[A-Za-z_-]+").match
NEEDLESS: Final = re.compile(  # escapes of letters, digits and - . _ ~
    r"%(?=2[DE]|3[0-9]|[46][1-9A-F]|[57][0-9A]|5F|7E)", re.IGNORECASE
)


class Rules:
    """One robots.txt, reduced to what it says to one product token."""

    def __init__(self, data: bytes, token: str = TOKEN) -> None:
        self.agent, lines = _ours(data, token.lower())
        self.sitemaps = _sitemaps(data)
        self._lines = lines
        self.count = sum(not line.startswith("crawl") for line in lines)
        text = "\n".join(["user-agent: *", *lines])
        self._decoded = Protego.parse(text)
        literal = NEEDLESS.sub("%25", text)
        self._literal = Protego.parse(literal) if literal != text else None
        self._text = text

    @property
    def delay(self) -> float:
        """Seconds between two requests (Crawl-delay); 0 if it does not say."""
        return self._decoded.crawl_delay(TOKEN) or 0.0

    def line(self, url: str) -> str:
        """The rule that forbids this URL, as `Disallow: /private`; empty where it cannot be told."""
        found = ""
        for line in self._lines[:NAMED]:
            _, _, value = line.partition(": ")
            if not line.startswith(("dis", "dia")) or len(value) <= len(found):
                continue
            if not Protego.parse(f"user-agent: *\ndisallow: {value}").can_fetch(_shown(url), TOKEN):
                found = value
        return f"Disallow: {found}" if found else ""

    def allows(self, url: str) -> bool:
        """Whether this wire URL may be asked.

        RFC 9309 2.2.2 decodes needless escapes (%7E is ~) before it compares, Google's parser does not: where
        that makes a difference, both must allow it.
        """
        if not self._decoded.can_fetch(_shown(url), TOKEN):
            return False
        escaped = "%" in url and NEEDLESS.search(url) is not None
        if self._literal is None and not escaped and url.isascii():
            return True
        literal = self._literal or Protego.parse(self._text)
        coded = url if url.isascii() else quote(url, safe="".join(map(chr, range(128)))).replace("%", "%25")
        return literal.can_fetch(_shown(NEEDLESS.sub("%25", coded)), TOKEN)


def _sitemaps(data: bytes) -> tuple[str, ...]:
    """What its Sitemap lines name: they belong to no group (RFC 9309 2.2.4, sitemaps.org)."""
    found = (SITEMAP(line[:LONGEST].removeprefix(BOM)) for line in LINES.split(data))
    places = (match[1].strip().decode("utf-8", "replace") for match in found if match)
    return tuple(dict.fromkeys(islice(places, SITEMAPS)))


def _shown(url: str) -> str:
    """The URL, so that protego has no opinion of its own on /robots.txt."""
    return url.replace("/robots.txt", "/robots%2Etxt")


def _ours(data: bytes, token: str) -> tuple[str, list[str]]:
    """The agent that the rules for this token are for, and these rules: of its own groups, or else of `*`."""
    named: list[str] = []
    anyone: list[str] = []
    is_named = ruled = False
    groups: list[list[str]] = []
    for name, value in _fields(data):
        if name.startswith("user"):
            groups, ruled = ([], False) if ruled else (groups, ruled)
            product = PRODUCT(value)
            if value.partition(" ")[0].partition("\t")[0] == "*":
                groups = [*groups, anyone]
            elif product and product[0].lower() == token:
                is_named = True
                groups = [*groups, named]
            continue
        ruled = ruled or not name.startswith("crawl")  # RFC 9309 2.2.4: other lines leave the groups alone
        for group in {id(group): group for group in groups}.values():
            group.append(f"{name}: {value}")
    return (token, named) if is_named else ("*", anyone)


def _fields(data: bytes) -> Iterator[tuple[str, str]]:
    start = next((n for n in range(len(BOM), 0, -1) if data.startswith(BOM[:n])), 0)
    for line in LINES.split(data[start:]):
        plain = UNUSUAL.sub(lambda byte: b"%%%02X" % byte[0][0], line[:LONGEST]).decode("ascii")
        match = FIELD(plain.partition("#")[0].strip(" \t"))
        if match:
            yield match[1].lower(), match[2]
