"""What is made of a body: each reader takes the decoded bytes where they arrive and keeps what it is for.

The contract. `readers/NAME.py` offers

    KEEPS: bool                                          True if it holds the whole body in memory
    def reader(request: Request, options: Options) -> Reader

and, where only some media types concern it, `TYPES`: a tuple of them ("" is that of a body without one).
Nothing else is edited. A reader is made once the head of a final answer has come, fed the decoded body in
pieces, and ended by exactly one of `done` (the body was whole: write your finding into the result) or `drop`
(it was not, or the run was stopped: leave nothing behind). It runs in the engine's thread, process or loop,
and may raise `Fault("local_disk", ...)`, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from fetcher.model import Options, Request, Result


class Reader(Protocol):
    """One body on its way through."""

    def feed(self, piece: bytes) -> None:
        """The next decoded bytes."""

    def done(self, result: Result) -> None:
        """The body was whole: put what was found into the result."""

    def drop(self) -> None:
        """The body was not whole: leave nothing behind."""


class Module(Protocol):
    """What a file of this folder offers."""

    KEEPS: bool

    def reader(self, request: Request, options: Options) -> Reader:
        """A reader for the body of this request."""


@cache
def pick_all(names: tuple[str, ...]) -> tuple[tuple[Maker, Types, bool], ...]:
    """What makes the readers of these names, for which types, and whether they keep whole bodies."""
    modules = [pick(name) for name in names]
    return tuple((module.reader, getattr(module, "TYPES", None), module.KEEPS) for module in modules)


Maker = Callable[[Request, Options], Reader]
Types = tuple[str, ...] | None  # None: whatever the body is


@cache
def pick(name: str) -> Module:
    """The reader of that name; asked for every body, so it is kept. Names come from us, never from a user."""
    return cast(Module, import_module(f"fetcher.readers.{name}"))
