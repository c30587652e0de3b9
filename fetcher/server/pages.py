"""The small linked site as data: each page, its links and its exact size, so that a crawl can be checked.

From `/` every page can be reached. `BROKEN` is linked and not there, `MOVED` answers with a redirect, and
`PRIVATE` is linked but forbidden to robots.
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from typing import Final, NamedTuple

BROKEN: Final = "/docs/missing.html"
MOVED: Final = ("/manual.html", "/docs/")
PRIVATE: Final = "/private/notes.html"
ROBOTS: Final = "User-agent: *\nDisallow: /private/\nDisallow: /hang\n\nSitemap: {base}/sitemap.xml\n"

_HTML: Final = "text/html; charset=utf-8"
_FILLER: Final = "A page of the embedded test site says little, but says it to the byte. "


class Page(NamedTuple):
    """A page as it is served."""

    type: str
    body: bytes


def sizes() -> dict[str, int]:
    """The path of every page, style sheet, script and image, and its size in bytes."""
    return {path: len(page.body) for path, page in pages().items()}


@lru_cache(maxsize=1)
def pages() -> dict[str, Page]:
    """All of the site by path."""
    made = {path: _html(path, size, links) for path, (size, links) in _plan().items()}
    made["/style.css"] = _text("text/css", "body { background: url(img/paper.png) }\n", 2_000, "/* {} */\n")
    made["/app.js"] = _text("text/javascript", "document.title += '.';\n", 12_000, "/* {} */\n")
    made["/img/logo.png"] = Page("image/png", _png(64, 64))
    made["/img/paper.png"] = Page("image/png", _png(256, 256))
    return made


@lru_cache(maxsize=8)
def article(size: int) -> bytes:
    """An HTML page of exactly that many bytes, at least 100: a list of links with some words to each."""
    start, end = b"<!doctype html>\n<title>An article</title>\n<ul>\n", b"</ul>\n"
    pieces, room = [], size - len(start) - len(end)
    for number in range(room):
        piece = f'<li><a href="/docs/{number % 10 + 1}.html">Page {number}</a> {_FILLER}</li>\n'.encode(
            "ascii"
        )
        if len(piece) > room:
            break
        pieces.append(piece)
        room -= len(piece)
    return b"".join((start, *pieces, b" " * room, end))


def _plan() -> dict[str, tuple[int, tuple[str, ...]]]:
    """Path -> (size, links) of the HTML pages; some links are relative, one has a query, one a fragment."""
    docs = [f"/docs/{n}.html" for n in range(1, 11)]
    posts = [f"/blog/{n}.html" for n in range(1, 13)]
    goods = [f"/shop/{n}.html" for n in range(1, 7)]
    plan: dict[str, tuple[int, tuple[str, ...]]] = {
        "/": (4_000, ("docs/", "blog/", "shop/", "about.html", MOVED[0], PRIVATE)),
        "/about.html": (1_500, ("/", "#top", "mailto:nobody@invalid")),
        PRIVATE: (1_000, ("/",)),
        "/docs/": (3_000, tuple(path.removeprefix("/docs/") for path in docs)),
        "/blog/": (3_000, (posts[0], "../about.html")),
        "/shop/": (3_000, tuple(goods)),
    }
    for number, path in enumerate(docs, 1):
        plan[path] = (5_000 + 1_000 * number, ("./", "../", BROKEN if number == 3 else "/docs/#top"))
    for number, path in enumerate(posts):  # a chain: the last post is 13 links from /
        plan[path] = (2_000 + 500 * number, ("/blog/", posts[min(number + 1, len(posts) - 1)]))
    for number, path in enumerate(goods, 1):
        plan[path] = (100_000 if number == 6 else 8_000, ("/shop/", "/img/logo.png"))
    return plan


def _html(path: str, size: int, links: tuple[str, ...]) -> Page:
    anchors = "".join(f'<li><a href="{link}">{link}</a></li>\n' for link in links)
    start = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<title>{path}</title>\n'
        '<link rel="stylesheet" href="/style.css">\n<script src="/app.js" defer></script>\n</head>\n'
        f'<body id="top">\n<img src="/img/logo.png" alt="">\n<ul>\n{anchors}</ul>\n'
    )
    return _text(_HTML, start, size, "<p>{}</p>\n</body>\n</html>\n")


def _text(kind: str, start: str, size: int, frame: str) -> Page:
    """`start`, then as much filler in its frame as makes `size` bytes."""
    room = size - len(start) - len(frame.format(""))
    assert room >= 0, "a page is too small for its links"
    filler = (_FILLER * (room // len(_FILLER) + 1))[:room]
    return Page(kind, (start + frame.format(filler)).encode("ascii"))


def _png(width: int, height: int) -> bytes:
    """A grey image; stored, not compressed, so that its size does not depend on the zlib at hand."""
    rows = b"".join(b"\0" + bytes((x ^ y) & 255 for x in range(width)) for y in range(height))
    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
