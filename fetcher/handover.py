"""The options of a run as JSON, for a process of ours that is told them by a pipe."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fetcher import headers
from fetcher.model import Options, check


def options_record(options: Options) -> dict[str, Any]:
    """The settings as JSON; they cross by a pipe, for there are secrets among them."""
    record = asdict(options)
    record["data"] = None if options.data is None else options.data.decode("latin-1")
    del record["save"]
    record["unique"] = False  # the warm-up and --repeat ask again what the plan has kept
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
