"""Redirects that lead nowhere, in circles, on for ever, or where nobody may be led."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fetcher.server.faults import Asked, End, Script, Step, right, wrong
from fetcher.server.raw import good, head, moved, response

_BAD: Final[dict[str, tuple[str, bytes]]] = {
    "half-ipv6": ("To half of an IPv6 address.", b"http://[::1"),
    "no-host": ("To //, which names no host.", b"//"),
    "long-label": ("To a host with a label of 64 letters.", b"http://" + b"a" * 64 + b".test/"),
    "empty-label": ("To a..b.", b"http://a..b/"),
    "leading-dot": ("To .a.", b"http://.a/"),
    "port-99999": ("To port 99999.", b"http://127.0.0.1:99999/"),
    "port-x": ("To port x.", b"http://127.0.0.1:x/"),
    "percent-host": ("To a host that is %.", b"http://%/"),
    "raw-host": ("To a host in raw bytes.", b"http://\xff\xfe/"),
}
_BLOCKED: Final = {
    "file": ("To a file of the client.", b"file:///etc/passwd"),
    "ftp": ("To ftp.", b"ftp://127.0.0.1/"),
    "gopher": ("To gopher, by which other protocols were reached.", b"gopher://127.0.0.1:25/_HELO"),
    "data": ("To a data: URL.", b"data:text/plain,hello"),
    "javascript": ("To a script.", b"javascript:alert(1)"),
    "mailto": ("To an address of mail.", b"mailto:nobody@example.org"),
}
_ODD: Final[dict[str, tuple[str, bytes, str]]] = {
    "latin-1": ("To a path in Latin-1.", b"/good/caf\xe9", "/good/caf%E9"),
    "raw-bytes": ("To a path in raw bytes.", b"/good/\xff\xfe", "/good/%FF%FE"),
    "utf-8": ("To a path in UTF-8.", "/good/é\U0001f600".encode(), "/good/%C3%A9%F0%9F%98%80"),
    "blanks": ("To a path with blanks.", b"/good/a b", "/good/a%20b"),
    "backslash": ("To a path with a backslash, which browsers turn.", b"\\good\\a", "/good/a"),
    "relative": ("To ../ and a name.", b"../good/./x/../a", "/good/a"),
    "fragment": ("With a fragment, which is not sent.", b"/good/a#top", "/good/a"),
    "9kB": ("To a URL of 9 kB.", b"/good/" + b"a" * 9000, "/good/" + "a" * 9000),
    "60kB": ("To a URL of 60 kB.", b"/good/" + b"a" * 60_000, "/good/" + "a" * 60_000),
}
_SEE: Final = "Location: /good/seen"


def _left(asked: Asked, first: int) -> int:
    """The number behind the path."""
    return int(asked.rest) if asked.rest.isdecimal() and len(asked.rest) < 9 else first


def _round(asked: Asked) -> Iterator[Step]:
    yield moved("/redirects/two" if asked.rest else "/redirects/two/back")


def _on(asked: Asked) -> Iterator[Step]:
    yield moved(f"/redirects/on/{_left(asked, 0) + 1}")


def _hops(name: str, first: int) -> Script:
    """So many redirects, each to the next; then a good page."""

    def script(asked: Asked) -> Iterator[Step]:
        left = _left(asked, first)
        yield moved(f"/redirects/{name}/{left - 1}" if left > 1 else f"/good/after-{name}")

    return script


def _cookie(asked: Asked) -> Iterator[Step]:
    """Only who sends the cookie back is let through."""
    known = b"pass=yes" in asked.head
    yield response(good("/in")) if known else moved("/redirects/cookie", "Set-Cookie: pass=yes; Path=/")


def _dead(asked: Asked) -> Iterator[Step]:
    yield moved(asked.urls["/connecting/refused"])


FAULTS: Final = [
    *(wrong(name, says, moved(place), "bad_redirect", 302, body=b"") for name, (says, place) in _BAD.items()),
    *(
        wrong(name, says, moved(place), "redirect_blocked", 302, body=b"")
        for name, (says, place) in _BLOCKED.items()
    ),
    *(right(name, says, moved(place), good(seen), attempts=2) for name, (says, place, seen) in _ODD.items()),
    wrong("itself", "To itself.", moved("/redirects/itself"), "redirect_loop", 302, body=b""),
    wrong("two", "Two URLs that lead to each other.", _round, "redirect_loop", 302, body=b""),
    wrong("on", "To a new URL, again and again.", _on, "too_many_redirects", 302, body=b""),
    wrong("eleven", "Eleven hops: one too many.", _hops("eleven", 11), "too_many_redirects", 302, body=b""),
    right("ten", "Ten hops.", _hops("ten", 10), good("/good/after-ten"), attempts=11),
    wrong(
        "differing",
        "Two Location fields that differ.",
        moved("/good/a", "Location: /good/b"),
        "bad_redirect",
        302,
        body=b"",
    ),
    right("equal", "Two Location fields that do not differ.", moved("/good/seen", _SEE), good("/good/seen")),
    wrong("megabyte", "To a URL of 1 MB.", moved("/" + "a" * 1_000_000), "header_too_large"),
    wrong("nul", "To a URL with a NUL.", moved(b"/good/a\0b"), "bad_header"),
    wrong("port-0", "To port 0, which some take for 80.", moved("http://127.0.0.1:0/"), "connect_refused"),
    wrong("dead", "To a port where nothing listens.", _dead, "connect_refused"),
    wrong(
        "cut",
        "A redirect whose body is cut.",
        (head(_SEE, "Content-Length: 9", status="302 x") + b"cut",),
        "truncated",
        302,
    ),
    wrong(
        "reset",
        "A redirect whose body ends in a reset.",
        (head(_SEE, "Content-Length: 9", status="302 x"), 0.05, End.RESET),
        "reset",
        302,
    ),
    right(
        "no-location", "A 302 without Location: it is the answer.", response(status="302 Found"), status=302
    ),
    right(
        "empty",
        "A 302 with an empty Location: likewise.",
        response(b"x", "Location:", status="302 Found"),
        b"x",
        302,
    ),
    right(
        "300", "A 300 with a Location: not followed.", response(b"x", _SEE, status="300 Choices"), b"x", 300
    ),
    right("304", "A 304 with a Location: not followed.", head(_SEE, status="304 Unchanged"), b"", 304),
    right("399", "A 399 with a Location: not followed.", response(b"x", _SEE, status="399 Odd"), b"x", 399),
    right("refresh", "A Refresh field: not followed.", response(b"x", "Refresh: 0; url=/good/seen"), b"x"),
    right("200", "A 200 with a Location: not followed.", response(b"x", _SEE), b"x"),
    *(
        right(f"{n}", f"A {n}.", moved("/good/seen", status=f"{n} Moved"), good("/good/seen"), attempts=2)
        for n in (301, 303, 307, 308)
    ),
    right(
        "body",
        "A redirect with a body of its own.",
        response(b"see there" * 999, _SEE, status="302 Found"),
        good("/good/seen"),
    ),
    right(
        "closing",
        "A redirect that closes the connection.",
        (moved("/good/seen", "Connection: close"),),
        good("/good/seen"),
    ),
    right(
        "surplus",
        "A redirect with another answer behind it.",
        moved("/good/seen") + response(b"wrong"),
        good("/good/seen"),
    ),
    right("cookie", "To itself, with a cookie that opens it.", _cookie, good("/in")),
]
