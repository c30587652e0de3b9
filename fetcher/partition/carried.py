"""A row of a list as a line of JSON, for the process or the part that is to ask it, and back."""

from __future__ import annotations

import json
from json.encoder import encode_basestring as quoted
from typing import Any, Final

from fetcher.feeds.rows import Row, Rows, text_of
from fetcher.model import Options, Request, Result
from fetcher.pump import Ready
from fetcher.sources import Bad, Numbered

PLAIN: Final = Options()


def line(row: Row) -> bytes:
    """`[row, input, URL]`; in the place of a URL an object for what is none, or for a caller's Request."""
    item = row.item
    what = quoted(item) if isinstance(item, str) else json.dumps(_record(item), default=str)
    # Not as ASCII: two lone surrogates would come back as one character, and be another URL.
    # Numbers of one width (JSON allows the blanks): so lines sort as bytes do, in the order of the list.
    return f"[{row.number:12},{quoted(row.source)},{what}]\n".encode("utf-8", "surrogatepass")


def piece(data: bytes) -> tuple[str, Numbered]:
    """What was written as this line, as `feeds.rows` takes it."""
    number, source, what = json.loads(data)
    return source, Numbered(number, what if isinstance(what, str) else _item(what))


def _record(item: Any) -> dict[str, Any]:
    if isinstance(item, Bad):
        return {"text": item.text, "why": item.why}
    answer = Rows(Ready([("", item)]), PLAIN).take(0.0)
    if isinstance(answer, Result) and answer.error == "invalid_url":  # it might not even cross
        return {"text": text_of(item), "why": answer.message}
    return {
        "url": item.url,
        "method": item.method,
        "data": None if item.data is None else item.data.decode("latin-1"),
        "own": item.own if item.wire else item.headers,
        "origin": item.origin,
        "login": item.login,
        "wire": item.wire,
        "readers": item.readers,
        "depth": item.depth,
        "referrer": item.referrer,
        "fresh": item.fresh,
    }


def _item(record: dict[str, Any]) -> Bad | Request:
    if "why" in record:
        return Bad(record["text"], record["why"])
    own = tuple((name, value) for name, value in record["own"])
    return Request(
        record["url"],
        method=record["method"],
        data=None if record["data"] is None else record["data"].encode("latin-1"),
        headers=() if record["wire"] else own,
        own=own if record["wire"] else (),
        wire=record["wire"],
        origin=record["origin"],
        login=record["login"],
        readers=tuple(record["readers"]),
        depth=record["depth"],
        referrer=record["referrer"],
        fresh=record["fresh"],
    )
