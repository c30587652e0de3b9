"""CSV and JSON Lines: one item a row whatever stands there; a wrong first row of a CSV is a UsageError."""

from __future__ import annotations

import io
from typing import BinaryIO

from fetcher.errors import UsageError
from fetcher.sources import Bad, Item, Module, Reading, csv, jsonl
from tests.fuzz._checks import is_item, is_told, shape, streams

SEEDS = [
    b'url,name\nhttp://a/,x\n"http://b/?,""c","y\nz"\n\n,\nhttp://c/\n',
    b"\xef\xbb\xbfname;URL\r\nx;http://a/\r\ny;http://b/;z\r\n",
    b"url\nhttp://a/,b\nhttp://b/\x00\n\xff\n",
    b"a\turl\rb\thttp://a/\r",
    b'"http://a/"\n{"url": "http://b/"}\n{"url": null}\n\n{"page": {"url": "x"}}\n[1]\n7\ntrue\n',
    b'{"url": "http://a/\\u00fc\\ud800", "url": 1e999}\n{"url": "'
    + b"a" * 200
    + b'"}\nnot json\n{"a": '
    + b"[" * 300,
    '﻿{"url": "http://ü/"}\n'.encode("utf-16"),
]
WORDS = [
    b"url",
    b",",
    b";",
    b"\t",
    b'"',
    b'""',
    b"\n",
    b"\r\n",
    b"\r",
    b'{"url": "',
    b'"}',
    b"[",
    b"{",
    b"null",
    b"\\ud800",
]
WORDS += [
    b"\\u0000",
    b"\\n",
    b"NaN",
    b"1e400",
    b"page.url",
    b"\0",
    b"\xff",
    b"\x1f",
    b" ",
    b"|",
    b"-",
    b"\xef\xbb\xbf",
    b":",
]
READINGS = [Reading(), Reading(column="name", field="page.url")]


def target(data: bytes) -> object:
    shapes = []
    for module, reading in (
        (csv, READINGS[0]),
        (csv, READINGS[1]),
        (jsonl, READINGS[0]),
        (jsonl, READINGS[1]),
    ):
        whole = found(module, io.BytesIO(data), reading)
        for stream in streams(data):
            assert found(module, stream, reading) == whole
        shapes.append(shape(whole))
    return tuple(shapes)


def found(module: Module, stream: BinaryIO, reading: Reading) -> list[Item]:
    items: list[Item] = []
    try:
        for one in module.read(stream, reading):
            assert is_item(one), one
            items.append(one)
    except UsageError as error:
        items.append(Bad("", str(error) if module is csv and is_told(error) else ""))
    assert not items or is_item(items[-1])
    return items
