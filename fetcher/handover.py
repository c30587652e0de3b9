"""Options and requests as JSON, for a process of ours that is told them by a pipe."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fetcher import headers
from fetcher.model import Options, Request, check


def options_record(options: Options) -> dict[str, Any]:
    """The settings as JSON; they cross by a pipe, for there are secrets among them."""
    record = asdict(options)
    record["data"] = None if options.data is None else options.data.decode("latin-1")
    record["unique"] = False  # that is settled where the list is read
    return record


def options_of(record: dict[str, Any]) -> Options:
    """What `options_record` wrote down."""
    if record["data"] is not None:
        record["data"] = record["data"].encode("latin-1")
    record["headers"] = tuple(record["headers"])
    record["allow"] = tuple(record["allow"])
    options = Options(**record)
    check(options)
    headers.check(options)
    return options


def anywhere(options: Options) -> Options:
    """The same with files that a process finds in whatever directory it was started."""

    def absolute(path: str) -> str:
        return str(Path(path).absolute()) if path else path

    return replace(options, cacert=absolute(options.cacert), cert=absolute(options.cert))


def request_record(request: Request, options: Options) -> str | dict[str, Any]:
    """What a caller asks for: a URL, or more where it differs from what the options say."""
    if not request.own and request.data is options.data and request.method == options.method:
        return request.url
    data = None if request.data is None else request.data.decode("latin-1")
    return {"url": request.url, "method": request.method, "headers": list(request.own), "data": data}


def request_of(record: str | dict[str, Any]) -> str | Request:
    """What `request_record` wrote down, as `feeds.rows` takes it."""
    if isinstance(record, str):
        return record
    data = None if record["data"] is None else record["data"].encode("latin-1")
    pairs = tuple((name, value) for name, value in record["headers"])
    return Request(record["url"], method=record["method"], headers=pairs, data=data)
