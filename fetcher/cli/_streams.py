"""The two standard streams: results on one, words on the other, and neither can hold a stopped run."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, BinaryIO, Final, cast

from fetcher.cli._descriptors import width
from fetcher.errors import LocalFault, UsageError
from fetcher.outputs import Output, Whole
from fetcher.sinks import Write, jsonl, lines

NARROWEST: Final = 20  # columns that words are wrapped to
# What JSON lets through and a terminal acts on: C1 controls, and marks that turn the direction of text.
ACTING: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def stdout(values: dict[str, Any], shown: tuple[str, ...]) -> Output:
    """Standard output with the sink that --json and --errors ask for. Raises UsageError if it is closed."""
    if sys.stdout is None or sys.stdout.closed:
        raise UsageError("standard output is closed: open it, or send it to /dev/null")
    raw = Whole(sys.stdout.fileno(), "standard output")
    if values["json"]:
        sink = jsonl.sink(cast(BinaryIO, _Terminal(raw)) if sys.stdout.isatty() else raw, shown)
    else:
        tty = sys.stdout.isatty()
        color = tty and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        sink = lines.sink(raw, shown, terminal=tty, color=color, encoding=sys.stdout.encoding or "utf-8")
    return Output(_failures(sink) if values["errors"] else sink, raw)


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


class _Terminal:
    """JSON on its way to a terminal: the same values, but nothing in them that the terminal would act on."""

    def __init__(self, raw: Whole) -> None:
        self._raw = raw

    def write(self, data: bytes) -> int:
        """Whole lines of JSON: only its strings hold such characters, and they may be written as codes."""
        text = ACTING.sub(lambda one: f"\\u{ord(one[0]):04x}", data.decode("utf-8"))
        return self._raw.write(text.encode("utf-8"))


@contextmanager
def _failures(sink: AbstractContextManager[Write]) -> Iterator[Write]:
    with sink as write:
        yield lambda results: write([result for result in results if not result.ok])
