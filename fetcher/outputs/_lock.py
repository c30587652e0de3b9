"""One run per output: an advisory lock on a regular file, held for as long as its descriptor is open."""

from __future__ import annotations

import sys

from fetcher.errors import UsageError

if sys.platform == "win32":

    def lock(fd: int, path: str) -> None:
        """There is no such lock."""

else:
    import fcntl

    def lock(fd: int, path: str) -> None:
        """Take the file for this run. Raises UsageError where another run has it."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            cure = "wait until that has ended, or choose another file"
            raise UsageError(f"{path} is being written by another run: {cure}") from error
        except OSError:  # a file system without locks: nothing tells there that another run has it
            pass
