"""The child process of `site()`: serves on loopback until its standard input closes."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable

from fetcher.errors import UsageError
from fetcher.server import listen, troubled

TICK = 0.5  # seconds between two looks at who our parent is


def leash(stop: Callable[[], None]) -> None:
    """Call `stop` once the parent has gone: its end of our stdin closes, or we are somebody else's child.

    The second sign is for a parent whose other children have inherited that end of the pipe.
    """
    gone = threading.Event()
    parent = os.getppid()

    def read() -> None:
        while os.read(0, 4096):  # not sys.stdin: a thread inside its lock aborts the interpreter at exit
            pass
        gone.set()

    def watch() -> None:
        while not gone.wait(TICK) and os.getppid() == parent:
            pass
        stop()

    threading.Thread(target=read, daemon=True).start()
    threading.Thread(target=watch, daemon=True).start()


def main() -> int:
    """Serve; the first line on stdout is the base URL."""
    # Ctrl-C reaches the whole process group; the parent may still want to drain what it has asked us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        words = sys.argv[1:]
        server = troubled if "--faults" in words else listen
        server.run("127.0.0.1", int(words[0]) if words else 0, announce, leash)
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def announce(base: str) -> None:
    """Tell the parent."""
    sys.stdout.write(f"{base}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
