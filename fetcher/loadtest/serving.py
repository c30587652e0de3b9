"""The server under test, started by us for `--serve`: awaited, watched, and never left behind."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from secrets import token_hex
from typing import IO, Final

from fetcher.errors import UsageError
from fetcher.loadtest import leash
from fetcher.usage import usage

PATIENCE: Final = 30.0  # seconds it has until its port accepts
TRY: Final = 1.0  # seconds that one connection may take
TICK: Final = 0.05
LINE: Final = 4096  # bytes of a line of its output that are kept


class Served:
    """A running server of ours: `pid`, what it and all below it use, whether it still runs."""

    def __init__(self, child: subprocess.Popen[bytes], name: str) -> None:
        self.pid = child.pid
        self.name = name
        self.peak = 0  # the most memory that `usage` has seen
        self._child = child
        self._cpu = 0.0
        self._last = self._rest = b""  # of its output: the last line that says something, and what follows
        assert child.stdout is not None
        # Read all along: a server that logs each request stands still once the pipe is full.
        self._reader = threading.Thread(target=self._read, args=(child.stdout,), daemon=True)
        self._reader.start()

    def usage(self) -> dict[str, float]:
        """ "cpu": seconds since its start, "rss": bytes held now, of the whole tree."""
        now = usage(self.pid)
        self.peak = max(self.peak, now.rss)
        self._cpu = max(self._cpu, now.cpu)  # what a process used goes with it if nobody waited for it
        return {"cpu": self._cpu, "rss": now.rss}

    def ended(self) -> str:
        """How it ended, in words; nothing while it runs."""
        code = self._child.poll()
        if code is None:
            return ""
        self._reader.join(TRY)  # its last words may still be in the pipe
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}{self.said()}"
        return f"ended with code {code}{self.said()}"

    def said(self) -> str:
        """The last line of its output, for the end of a message."""
        line = (self._rest.strip() or self._last.strip()).decode("utf-8", "replace")
        return f": {line}" if line else ""

    def leave(self) -> None:
        """Once it has been ended: free what it held here."""
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(TRY)
        self._reader.join(TRY)

    def _read(self, output: IO[bytes]) -> None:
        with output, suppress(OSError):
            while piece := os.read(output.fileno(), 1 << 16):
                *lines, rest = (self._rest + piece).split(b"\n")
                self._rest = rest[-LINE:]
                self._last = next((line[-LINE:] for line in reversed(lines) if line.strip()), self._last)


@contextmanager
def serving(
    command: str,
    host: str,
    port: int,
    patience: float = PATIENCE,
    stopped: Callable[[], bool] = bool,
) -> Iterator[Served]:
    """Run a command, which no shell reads, until the context ends; it begins once host:port accepts.

    The server has a session of its own: Ctrl-C does not reach it. It is ended with TERM and, 5 s later, KILL;
    by a process that watches us, should we be killed. Raises UsageError where it does not start, and
    KeyboardInterrupt where `stopped` says meanwhile that a signal has come.
    """
    words = _words(command)
    if _accepts(host, port):
        raise UsageError(
            f"--serve: something listens at {_where(host, port)} already: stop it, or leave --serve away to "
            "test that"
        )
    mark = token_hex(16)
    child = served = None
    watcher = subprocess.Popen(  # noqa: S603 - this interpreter; the file needs no library, so this is quick
        [sys.executable, "-I", "-S", leash.__file__, mark], stdin=subprocess.PIPE, start_new_session=True
    )
    assert watcher.stdin is not None
    try:
        child = _start(words, mark)
        served = Served(child, words[0])
        _tell(watcher, b"%d\n" % child.pid)
        _await(served, host, port, patience, stopped)
        yield served
    finally:
        try:
            leash.end(mark, child.pid if child else 0, child.poll if child else int)
            _tell(watcher, leash.DONE)
        finally:  # whatever has gone wrong: without that word the watcher looks once more
            if served is not None:
                served.leave()
            with suppress(OSError):
                watcher.stdin.close()
            watcher.wait(2 * leash.LEAVE)


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--serve {command!r}: {error}; quote it as for a shell") from error
    if not words:
        raise UsageError("--serve: no command; write for example --serve 'python3 -m http.server 8000'")
    return words


def _start(words: list[str], mark: str) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - the user's own command
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,  # our own stdout is for results
            stderr=subprocess.STDOUT,
            bufsize=0,
            env=os.environ | {leash.MARK: mark},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = (isinstance(error, OSError) and error.strerror) or str(error)
        raise UsageError(
            f"--serve: cannot run {words[0]!r}: {why}; name a program (no shell reads this: for one, "
            "write sh -c '...')"
        ) from error


def _tell(watcher: subprocess.Popen[bytes], line: bytes) -> None:
    assert watcher.stdin is not None
    with suppress(OSError):  # it has been killed: then there is one guard less
        watcher.stdin.write(line)
        watcher.stdin.flush()


def _await(served: Served, host: str, port: int, patience: float, stopped: Callable[[], bool]) -> None:
    """Return once it accepts connections; raise UsageError if it ends before that, or never does."""
    where = _where(host, port)
    until = time.monotonic() + patience
    while not stopped():
        accepts = _accepts(host, port)
        if ended := served.ended():
            cure = "run it by itself to see all that it says"
            if "code 0" in ended:
                cure = "if it went into the background, start it in the foreground (nginx -g 'daemon off;')"
            raise UsageError(f"--serve: {served.name} {ended} (nothing of ours listens at {where}); {cure}")
        if accepts:
            return
        if time.monotonic() > until:
            raise UsageError(
                f"--serve: {served.name} runs, but nothing listens at {where} after {patience:g} s"
                f"{served.said()}; let it listen where the target is"
            )
        time.sleep(TICK)
    raise KeyboardInterrupt


def _where(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), TRY).close()
    except OSError:
        return False
    return True
