"""What the fault server does wrong, one entry a fault: what is sent, and what any client must make of it.

A module of this folder is one group, and offers `FAULTS`, a list of Fault values; to add one, nothing else is
edited. The outcome stands beside what is sent, so it is nobody's opinion who asks. What is sent is data where
it can be: see `Sends`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from fetcher import menu
from fetcher.server.raw import BODY


class End(Enum):
    """How a script ends."""

    KEEP = "the connection serves the next request"
    EOF = "an end of file, and the client may still speak"
    CLOSE = "closed at once, whatever the client says"
    RESET = "closed with a reset"
    HANG = "nothing more comes, until the client leaves"
    RAGGED = "closed without the end that TLS has"


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that a script answers."""

    target: str
    head: bytes  # of the request
    rest: str = ""  # of the path, behind the fault's own
    times: int = 1  # how often this target has been asked
    urls: Mapping[str, str] = field(default_factory=dict)  # of every fault, by its path


Step = bytes | float | End  # bytes to send in one write; seconds to wait; how it ends
Script = Callable[[Asked], Iterable[Step]]
# The last step may be an End. Without one, bytes or a function keep the connection, and steps have an end of
# file behind them.
Sends = bytes | tuple[Step, ...] | Script


BRIEF: Final = {"timeout": 1.0}  # for what hangs
SMALL: Final = {"max_size": 4 << 20}  # for what is too large


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that a server may do, and the record that must come of it; see `wrong` and `right`."""

    name: str
    says: str  # one sentence, for /help
    sends: Sends
    error: str | None  # the kind (errors.KINDS); None: a success
    status: int | None  # of the record; None: no head came whole
    body: bytes | None = None  # decoded; None: it is not whole
    settings: Mapping[str, Any] = field(default_factory=dict)  # what the client is told, beside the usual
    at_least: float = 0.0  # seconds that it must take
    attempts: int | None = None  # requests that it must take; None: whatever it takes
    host: str = ""  # a name of its own: for its certificate, or because it makes its whole host wait
    place: str = "path"  # or a port of its own: "port" (played on connecting), "closed", "full"
    certificate: str = ""  # a port of its own that speaks TLS, with this certificate (see `certificates`)
    scheme: str = ""  # to be asked with this one, though it is not the right one
    needs: str = ""  # a library without which it cannot be sent
    group: str = ""  # its module

    @property
    def path(self) -> str:
        """Where it is served."""
        return f"/{self.group}/{self.name}"


def wrong(
    name: str, says: str, sends: Sends, error: str | None, status: int | None = None, **more: Any
) -> Fault:
    """A fault that must be told as this kind; `status` where a whole head came before it."""
    return Fault(name, says, sends, error, status, **more)


def right(name: str, says: str, sends: Sends, body: bytes = BODY, status: int = 200, **more: Any) -> Fault:
    """Something odd that is a success all the same, with this body."""
    return Fault(name, says, sends, None, status, body, **more)


def every() -> Iterator[Fault]:
    """All faults that can be served here, group by group."""
    yield from (fault for fault in table() if not fault.needs or can_import(fault.needs))


@cache
def table() -> tuple[Fault, ...]:
    """All faults, also those for which a library is missing."""
    import fetcher.server.faults as folder

    found = []
    for group in menu.names(folder):
        faults = import_module(f"{folder.__name__}.{group}").FAULTS
        found += [replace(fault, group=group) for fault in faults]
    return tuple(found)


def can_import(name: str) -> bool:
    """Whether this library is installed."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # the package it would be in
        return False
