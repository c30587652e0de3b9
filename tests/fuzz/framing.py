"""A response as raw bytes: one verdict, however they are cut, and the fast rule is the full rule."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fetcher.errors import Fault
from fetcher.framing import END, Head, Reader
from fetcher.head import FIELDS, HEAD, LINE, fast, full
from tests.fuzz._checks import cuts, kind_of

FAULTS = {"no_response", "bad_status_line", "bad_header", "header_too_large", "bad_framing", "truncated"}
OK = b"HTTP/1.1 200 OK\r\n"
SEEDS = [
    OK + b"Content-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
    OK + b"Content-Length: 5\r\nContent-Length: 5, 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\n",
    OK
    + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;a=b\r\nx\r\n"
    + b"1\r\na\r\n" * 20
    + b"0\r\n\r\n",
    OK + b"transfer-encoding: CHUNKED\r\ntrailer: a\r\n\r\n00a \r\n0123456789\r\n0\r\na: b\r\n c\r\n\r\nrest",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\n" + OK + b"\r\nuntil close",
    b"HTTP/1.0 200\r\nConnection: keep-alive, x\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 204 No Content\nA: b\nC:d\n\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    OK + b"a: b\r\n" * (FIELDS + 1) + b"\r\n",
    OK + b"a: " + b"b" * LINE + b"\r\n\r\n",
    b"HTTP/1.1 100 x\r\n\r\n" * 33 + OK + b"\r\n",
]
WORDS = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\n\n",
    b"HTTP/1.1 ",
    b"HTTP/1.0 200 OK\r\n",
    OK,
    b"100",
    b"304",
    b" ",
]
WORDS += [
    b"Content-Length: ",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"gzip, ",
    b"chunked",
]
WORDS += [
    b"0\r\n\r\n",
    b"1\r\na\r\n",
    b"f" * 16,
    b"8000000000000000",
    b';x="',
    b"\t",
    b":",
    b",",
    b"\0",
    b" fold\r\n",
]


def more(folder: Path) -> list[bytes]:
    cases = json.loads((folder / "http_responses" / "dubious_http.json").read_text("utf-8"))["cases"]
    return [b"".join(map(base64.b64decode, case["parts_b64"])) for case in cases]


def target(data: bytes) -> object:
    same_rule(data)
    method = "HEAD" if data[-1:] == b"~" else "GET"
    whole = verdict([data], method)
    for parts in cuts(data):
        assert verdict(parts, method) == whole, "cut otherwise, it is another response"
    head = whole[1]
    return whole[0], head and (head[1], len(head[3]), *head[4:])


def verdict(parts: Iterable[bytes], method: str) -> tuple[Any, ...]:
    """What it is; of a broken one the fault and, where there was one, the head."""
    reader, body, size = Reader(method), [], 0
    try:
        for part in parts:
            body += reader.feed(part)
            size += len(part)
            if reader.head is None:
                assert len(reader._buffer) <= HEAD + len(part)
        reader.eof()
    except Fault as fault:
        # The message may show what had come by then.
        return kind_of(fault, FAULTS), reader.head and facts(reader.head)
    assert reader.done
    assert reader.head is not None
    joined = b"".join(body)
    assert len(joined) + len(reader.rest) <= size
    assert reader.head.length is None or reader.head.chunked or len(joined) in (0, reader.head.length)
    return "", facts(reader.head), joined, reader.rest


def facts(head: Head) -> tuple[Any, ...]:
    for name, value in head.fields:
        assert not set("\r\n\0") & set(name + value)
        assert head.get(name.lower()) == head.get_all(name.lower())[0]
    assert len(head.fields) <= FIELDS
    return head.version, head.status, head.reason, head.fields, head.length, head.chunked, head.close


def same_rule(data: bytes) -> None:
    """What the fast rule takes, the full rule takes in the same way."""
    end = END.search(data)
    head = data[: end.end() if end else None]
    try:
        found = fast(data)
    except Fault as fault:
        quick: Any = fault.kind
    else:
        if found is None:
            return
        quick = facts(found[0])
        assert found[1] == len(head)
    try:
        slow: Any = facts(full(head))
    except Fault as fault:
        slow = fault.kind
    assert quick == slow
