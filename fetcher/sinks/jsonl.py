"""JSON Lines: one record a line, always UTF-8, each line there as soon as its URL was answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from json.encoder import encode_basestring as quoted
from typing import BinaryIO, Final

from fetcher.model import COLUMNS, Result
from fetcher.sinks import Write
from fetcher.sinks._row import dumps, micro, row

SUFFIXES: Final = (".jsonl",)
APART: Final = True

# What JSON lets through and a terminal acts on: C1 controls, and marks that turn the direction of text.
ACTING: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@contextmanager
def sink(out: BinaryIO, columns: tuple[str, ...], *, terminal: bool = False) -> Iterator[Write]:
    """Each batch as lines of JSON, in one write; on a `terminal` with nothing that it would act on."""
    line = liner(columns)

    def write(results: Sequence[Result]) -> None:
        if results:
            text = "".join([line(result) for result in results])
            out.write(encoded(ACTING.sub(_coded, text) if terminal else text))

    yield write


def _coded(match: re.Match[str]) -> str:
    """Only strings hold such characters, and there they may be written as codes."""
    return f"\\u{ord(match[0]):04x}"


def encoded(text: str) -> bytes:
    r"""The text as UTF-8. A lone surrogate stands inside a string, where JSON reads `\udXXX` as it."""
    return text.encode("utf-8", "backslashreplace")


def liner(columns: tuple[str, ...]) -> Callable[[Result], str]:
    """What turns a result into a line of these columns, newline included."""
    if columns[: len(COLUMNS)] != COLUMNS:
        return lambda result: _object(result, columns) + "\n"
    more = columns[len(COLUMNS) :]
    if not more:
        return lambda result: _usual(result) + "}\n"
    return lambda result: f"{_usual(result)},{_object(result, more)[1:]}\n"


def _object(result: Result, columns: tuple[str, ...]) -> str:
    return dumps(dict(zip(columns, row(result, columns), strict=True)))


def _usual(r: Result) -> str:
    """The columns that every record has, without the closing brace.

    By hand and without a call for each value: json.dumps of the same dictionary takes twice as long, and the
    tests hold both to the same bytes.
    """
    final, status, error, message = r.final_url, r.status, r.error, r.message
    size, wire, kind, encoding = r.size, r.wire_size, r.content_type, r.encoding
    length, version, ip, redirects = r.content_length, r.http_version, r.ip, r.redirects
    dns, connect, tls, ttfb = r.dns, r.connect, r.tls, r.ttfb
    url = quoted(r.url)
    return (
        f'{{"row":{r.row},"input":{quoted(r.input)},"url":{url}'
        f',"final_url":{url if final == r.url else "null" if final is None else quoted(final)}'
        f',"ok":{"true" if r.ok else "false"},"status":{"null" if status is None else status}'
        f',"error":{"null" if error is None else quoted(error)}'
        f',"message":{"null" if message is None else quoted(message)}'
        f',"size":{"null" if size is None else size},"wire_size":{"null" if wire is None else wire}'
        f',"content_type":{"null" if kind is None else quoted(kind)}'
        f',"encoding":{"null" if encoding is None else quoted(encoding)}'
        f',"content_length":{"null" if length is None else length}'
        f',"http_version":{"null" if version is None else quoted(version)}'
        f',"ip":{"null" if ip is None else quoted(ip)},"elapsed":{micro(r.elapsed)}'
        f',"dns":{"null" if dns is None else micro(dns)}'
        f',"connect":{"null" if connect is None else micro(connect)}'
        f',"tls":{"null" if tls is None else micro(tls)},"ttfb":{"null" if ttfb is None else micro(ttfb)}'
        f',"attempts":{r.attempts},"redirects":{dumps(redirects) if redirects else "[]"}'
        f',"started":{quoted(r.started)},"engine":{quoted(r.engine)}'
    )
