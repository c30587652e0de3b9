"""A process of ours: told what to do by its standard input, heard on its output, and never left behind."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import IO, Any, Final, NoReturn

from fetcher import menu
from fetcher.errors import FetchError, LocalFault, UsageError

LEAVE: Final = 3.0  # seconds that one may take to end, once its input has


class Child:
    """`python -m MODULE`, running, or a command that is given word by word; `close` ends it."""

    def __init__(self, module: str | Sequence[str], env: Mapping[str, str] = MappingProxyType({})) -> None:
        words = menu.command(module) if isinstance(module, str) else module
        try:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise LocalFault(f"a temporary file cannot be made: {error.strerror}: set TMPDIR") from error
        try:
            self.process = subprocess.Popen(  # noqa: S603 - this interpreter, this package
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, **env},
            )
        except OSError as error:
            self._errors.close()
            cure = "raise the limit with ulimit -n" if error.errno == errno.EMFILE else "end others"
            raise LocalFault(f"no further process can be started: {error.strerror}: {cure}") from error
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin: IO[bytes] = self.process.stdin
        self.stdout: IO[bytes] = self.process.stdout

    def tell(self, line: dict[str, Any]) -> None:
        """One line of JSON. If it has ended, its exit code says why."""
        self.send(json.dumps(line).encode() + b"\n")

    def send(self, data: bytes) -> None:
        """These bytes; waits until it has taken them."""
        with suppress(OSError, ValueError):  # the latter: closed meanwhile
            self.stdin.write(data)
            self.stdin.flush()

    def failure(self, who: str = "") -> FetchError | None:
        """Wait for its end; how it failed, and who, or None if it did not."""
        code = self._left()
        if code == 0:
            return None
        self._errors.seek(0)
        words = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        why = words[-1] if words else ended(code)
        return UsageError(why) if code == 2 else LocalFault(f"{who} failed: {why}" if who else why)

    def close(self) -> None:
        """End it: by the end of its input, or by force."""
        with suppress(OSError):
            self.stdin.close()
        self._left()
        self.stdout.close()
        self._errors.close()

    def _left(self) -> int:
        """Its exit code, once it has left; one that has nothing more to say does so soon, or is made to."""
        try:
            return self.process.wait(LEAVE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def ended(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"it ended with exit code {code}"
    with suppress(ValueError):
        return f"it was ended by {signal.Signals(-code).name}"
    return f"it was ended by signal {-code}"


def deaf() -> None:
    """In a child: Ctrl-C and the like are for who started it, and says what to do."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has not all of them
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def orders() -> IO[bytes]:
    """In a child: its standard input, which a thread may be reading while the process ends.

    `sys.stdin` is closed at exit, and Python aborts where a thread still waits in it.
    """
    return open(0, "rb", closefd=False)


def leash(told: IO[bytes], heard: Callable[[], object] = int) -> None:
    """In a child: call `heard` at each further line of its orders, in a thread; their end is its own."""

    def listen() -> None:
        for _ in told:
            heard()
        orphaned()

    threading.Thread(target=listen, name="fetch-leash", daemon=True).start()


def orphaned() -> NoReturn:
    """In a child whose input has ended unexpectedly: who started it has gone, so it ends too, at once."""
    os.kill(os.getpid(), signal.SIGTERM)
    os._exit(128 + signal.SIGTERM)  # it does not listen to that one
