"""A list of one URL a line: every line is one item, whatever its bytes and however they come."""

from __future__ import annotations

import codecs
import io
import re

from fetcher.sources import Bad, Item, Reading, text
from fetcher.sources._bytes import WIDE
from fetcher.sources._lines import BLANK, COMMENT, LIMIT, Long, lines
from tests.fuzz._checks import is_item, shape, streams

END = re.compile(rb"\r\n|\r|\n")
SEEDS = [
    b"http://a/\nhttp://b/\r\n\r\n# c\rhttp://d/ \n",
    codecs.BOM_UTF8 + b"http://a/\n\xef\xbb\xbfhttp://b/",
    codecs.BOM_UTF16_LE + "http://a/\r\nhttp://ü/\n".encode("utf-16-le"),
    codecs.BOM_UTF16_BE + "http://a/\nb\ud800".encode("utf-16-be", "surrogatepass"),
    codecs.BOM_UTF32_LE + "http://a/\nhttp://b/".encode("utf-32-le"),
    "http://a/\u2028b\x0chttp://c/\x0b\0\n".encode(),
    b"a" * LIMIT + b"\n" + b"b" * (LIMIT + 1) + b"\r\n" + b"c" * 100,
    b"x" * 15 + b"\r" + b"y" * 16 + b"\r\n" + b"z" * 17 + b"\nlast",
]
WORDS = [
    b"\r\n",
    b"\r",
    b"\n",
    b"\r\r\n",
    b"\n\r",
    b"#",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\0\0\xfe\xff",
]
WORDS += [
    b"\xe2\x80\xa8",
    b"\x85",
    b"\0",
    b"http://",
    b" ",
    b"\xed\xa0\x80",
    b"a" * 16,
    b"b" * 17,
    b"\xff\xfe\0\0",
]


def target(data: bytes) -> object:
    items = list(text.read(io.BytesIO(data), Reading()))
    assert all(map(is_item, items))
    for stream in streams(data):
        assert list(text.read(stream, Reading())) == items
    if not data.startswith(WIDE):
        whole = data.removeprefix(codecs.BOM_UTF8)
        assert items == [wanted(line) for line in split(whole)]
        for limit in (8, 16):
            read = list(lines(io.BytesIO(data), limit))
            assert [plain(line) for line in read] == [
                line if len(line) <= limit else len(line) for line in split(whole)
            ], limit
    return shape(items)


def split(data: bytes) -> list[bytes]:
    """The lines, as the format means them."""
    found = END.split(data)
    return found if found[-1] else found[:-1]


def plain(line: bytes | Long) -> bytes | int:
    return line.size if isinstance(line, Long) else line.rstrip(b"\r\n")


def wanted(line: bytes) -> Item:
    """What the source should make of a line."""
    if len(line) > LIMIT:
        return Bad(line[:800].decode("utf-8", "backslashreplace")[:200], items_why(len(line)))
    line = line.strip().removeprefix(codecs.BOM_UTF8).strip()  # files with byte order marks, joined by `cat`
    if not line:
        return BLANK
    if line.startswith(b"#"):
        return COMMENT
    try:
        return line.decode()
    except UnicodeDecodeError:
        return Bad(line[:800].decode("utf-8", "backslashreplace")[:200], "not UTF-8")


def items_why(size: int) -> str:
    return f"a line of {size:,} bytes; the limit is {LIMIT:,}"
