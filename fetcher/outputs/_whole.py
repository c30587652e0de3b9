"""An unbuffered stream that takes each batch wholly, and can be given up while its reader sleeps."""

from __future__ import annotations

import errno
import io
import os
import select
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from fetcher.errors import LocalFault

GLANCE: Final = 0.1  # seconds between two looks at whether a sleeping reader is worth the wait
ATOM: Final = getattr(select, "PIPE_BUF", 512)  # what a pipe that is ready takes at once (POSIX)


class GivenUp(BrokenPipeError):
    """Nobody read on, and the user did not want to wait for it any longer."""


class Whole(io.RawIOBase, BinaryIO):
    """An unbuffered file that takes each batch wholly or, as far as it can be taken back, not at all.

    A pipe or terminal is written in whole lines of at most `ATOM` bytes, each when it is ready: so no write
    waits inside the system, where no signal could end it, and writers who share a pipe tear no usual line.
    """

    def __init__(self, fd: int, name: str, *, owned: bool = False) -> None:
        self._name = name
        self.total = 0  # bytes written so far
        self.waits = _waits(fd)  # whether a write may have to wait for a reader
        self.gives_up: Callable[[float], bool] | None = None  # asked in a wait, with the seconds it has taken
        self._fd = fd
        self._goes_on = False  # whether it held something before, which another run would go on with, too
        self._owned = owned  # whether closing this closes the descriptor; not for stdout
        self._fault: LocalFault | BrokenPipeError | None = None

    def write(self, data: Any) -> int:
        """Write all of it. Raises, then and ever after, LocalFault if the disk fails; or BrokenPipeError."""
        if self._fault is not None:
            raise self._fault
        view = memoryview(data).cast("B")
        sent = 0
        try:
            while sent < len(view):
                if self.waits:
                    self._ready()
                with suppress(BlockingIOError):  # somebody made it non-blocking, and somebody else was faster
                    sent += os.write(self._fd, view[sent : self._end(view, sent)])
        except BrokenPipeError as error:
            self._fault = error
            raise
        except OSError as error:
            whole = not sent or self._take_back(sent)
            self._fault = self._failed(error, whole)
            raise self._fault from error
        self.total += sent
        return sent

    def _end(self, view: memoryview, start: int) -> int:
        """Where the next write ends: after the last line that fits, where this may have to wait."""
        if not self.waits or len(view) - start <= ATOM:
            return len(view)
        return start + (bytes(view[start : start + ATOM]).rfind(b"\n") + 1 or ATOM)

    def _ready(self) -> None:
        """Wait until a write does not block. Raises GivenUp."""
        began = time.monotonic()
        while not select.select((), (self._fd,), (), GLANCE)[1]:
            if self.gives_up is not None and self.gives_up(time.monotonic() - began):
                raise GivenUp(f"{self._name}: nobody reads it")

    def _take_back(self, torn: int) -> bool:
        """Cut a torn batch off: in a regular file, and only if its end is what we have just written."""
        with suppress(OSError):
            end = os.lseek(self._fd, 0, os.SEEK_CUR)
            facts = os.fstat(self._fd)
            if stat.S_ISREG(facts.st_mode) and facts.st_size == end:
                os.ftruncate(self._fd, end - torn)
                os.lseek(self._fd, end - torn, os.SEEK_SET)
                return True
        return False

    def _failed(self, error: OSError, whole: bool) -> LocalFault:
        kept = "what was written is whole" if whole else "its last line is torn"
        again = "run again with --overwrite" if self._owned and not self._goes_on else "run again"
        cure = "check that disk" if error.errno == errno.EIO else "free space there"
        return LocalFault(
            f"{self._name}: {error.strerror} after {self.total:,} bytes; {kept}: {cure} and {again}"
        )

    def go_on(self, at: int) -> None:
        """Cut the file there and write on behind that: the bytes before count as written."""
        if os.fstat(self._fd).st_size != at:
            os.ftruncate(self._fd, at)
        self.total = os.lseek(self._fd, at, os.SEEK_SET)
        self._goes_on = True

    @property
    def name(self) -> str:
        """What messages call it."""
        return self._name

    @property
    def mode(self) -> str:
        """As `open` would have it."""
        return "wb"

    def writable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Bytes written so far, counted: so Parquet, which asks, can go through a pipe."""
        return self.total

    def fileno(self) -> int:
        """The descriptor."""
        return self._fd

    def close(self) -> None:
        """Close it. Raises LocalFault if the system says only now that it could not keep what was written."""
        if self.closed:
            return
        super().close()
        if self._owned:
            try:
                os.close(self._fd)
            except OSError as error:
                raise self._failed(error, True) from error


def _waits(fd: int) -> bool:
    """Whether a write there may have to wait for a reader: all but files and /dev/null."""
    facts = os.fstat(fd)
    return not stat.S_ISREG(facts.st_mode) and not os.path.samestat(facts, Path(os.devnull).stat())
