"""The two standard streams: results on one, words on the other, and neither can hold a stopped run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from fetcher.cli._descriptors import width
from fetcher.errors import LocalFault, UsageError
from fetcher.outputs import Output, Whole
from fetcher.sinks import Form

NARROWEST: Final = 20  # columns that words are wrapped to


def stdout(values: dict[str, Any], shown: tuple[str, ...]) -> Output:
    """Standard output with the sink that --json and --errors ask for. Raises UsageError if it is closed."""
    if sys.stdout is None or sys.stdout.closed:
        raise UsageError("standard output is closed: open it, or send it to /dev/null")
    raw = Whole(sys.stdout.fileno(), "standard output")
    tty = sys.stdout.isatty()
    form = Form("jsonl", {"terminal": tty}, values["errors"])
    if not values["json"]:
        color = tty and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        shape = {"terminal": tty, "color": color, "encoding": sys.stdout.encoding or "utf-8"}
        form = Form("lines", shape, values["errors"])
    return Output(form, raw, shown)


def live() -> bool:
    """Whether a progress line may be drawn: nothing else may write to its terminal but fetch itself."""
    return sys.stderr.isatty() and (
        sys.stdout.isatty() or not Whole(sys.stdout.fileno(), "standard output").waits
    )


def wrapped() -> int | None:
    """Columns of the terminal that words go to; None where they go elsewhere."""
    return max(width(sys.stderr.fileno()), NARROWEST) if sys.stderr.isatty() else None


def say(text: str, gives_up: Callable[[float], bool] | None = None) -> None:
    """Words for the user on standard error; where nobody hears them the run's result stands all the same."""
    stream = Whole(sys.stderr.fileno(), "standard error")
    stream.gives_up = gives_up
    with suppress(BrokenPipeError, LocalFault):
        stream.write(f"{text}\n".encode(sys.stderr.encoding or "utf-8", "backslashreplace"))
