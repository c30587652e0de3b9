"""The decoded body as a file of its own in --save DIR, under a name that no server can choose.

A body is written to a private name and gets its own when it is whole and its status below 400. Nothing that
exists is replaced and no link is followed; a file left by an earlier run is taken for ours if it is equal.
"""

from __future__ import annotations

import errno
import filecmp
import os
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from fetcher.errors import Fault, UsageError
from fetcher.model import Options, Request, Result
from fetcher.readers import Reader

KEEPS = False

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_ENDING: Final = re.compile(r"(.*[^.])(\.[A-Za-z0-9]{1,10})", re.DOTALL)
_ODD: Final = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)


class _Save:
    __slots__ = ("_directory", "_fd", "_path", "_request")

    def __init__(self, request: Request, directory: str) -> None:
        self._request = request
        self._directory = directory
        self._path = Path(directory, f".{request.row:06d}-{secrets.token_hex(8)}.part")
        try:
            self._fd = os.open(self._path, _NEW, 0o666)
        except OSError as error:
            raise _fault(error, directory) from error

    def feed(self, piece: bytes) -> None:
        view = memoryview(piece)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            raise _fault(error, self._directory) from error

    def done(self, result: Result) -> None:
        """Give the file its name. What goes wrong becomes the result's error: the body itself was whole."""
        if result.ok:
            try:
                os.close(self._fd)
                self._fd = -1
                path = Path(self._directory, name(self._request))
                _publish(self._path, path)
                result.saved = str(path)
            except OSError as error:
                fault = _fault(error, self._directory)
                result.error, result.message = fault.kind, fault.message
        self.drop()

    def drop(self) -> None:
        if self._fd >= 0:
            with suppress(OSError):
                os.close(self._fd)
            self._fd = -1
        with suppress(OSError):
            self._path.unlink()


def reader(request: Request, options: Options) -> Reader:
    """A file in `options.save`."""
    return _Save(request, options.save)


def prepare(directory: str) -> None:
    """Make DIR if need be. Raises UsageError, before the first request, where nothing could be saved."""
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
        probe = Path(directory, f".{secrets.token_hex(8)}.part")
        os.close(os.open(probe, _NEW, 0o600))
        probe.unlink()
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"--save {directory}: {what}: choose a directory that can be written to") from error


def name(request: Request) -> str:
    """`000042-example.org-page.html`: the row, then what is harmless of the URL that the user asked for.

    Not of the one it was redirected to, which the server chooses (CVE-2016-4971). The row comes first, so the
    name is unique and begins with a digit: no hidden file, no `..`, no option, no CON or NUL of Windows.
    """
    asked = request.hops[0][0] if request.hops else request.wire or request.url
    _, _, rest = asked.rpartition("://")
    authority, *path = re.split(r"[/\\?#]", rest, maxsplit=1)
    host = re.sub(r":\d*$", "", authority.rpartition("@")[2])
    *folders, last = re.split(r"[?#]", path[0] if path else "", maxsplit=1)[0].replace("\\", "/").split("/")
    ending = ""
    if not last and (folder := next(filter(None, reversed(folders)), "")):
        last, ending = folder, "-index"
    elif sane := _ENDING.fullmatch(last):
        last, ending = sane.groups()
    parts = [f"{request.row:06d}", _harmless(host, 100), _harmless(last, 60)]
    return "-".join(filter(None, parts)) + ending


def _harmless(text: str, most: int) -> str:
    return re.sub(r"\.{2,}", ".", _ODD.sub("_", text))[:most].strip(".")


def _publish(private: Path, path: Path) -> None:
    """Give a whole file its name, unless that is taken by something else."""
    try:
        os.link(private, path)
    except FileExistsError:
        if not (stat.S_ISREG(path.lstat().st_mode) and filecmp.cmp(private, path, shallow=False)):
            raise
    except OSError:  # a file system without hard links: take the name first, then replace what is ours
        os.close(os.open(path, _NEW, 0o666))
        private.replace(path)


def _fault(error: OSError, directory: str) -> Fault:
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return Fault("local_fd_limit", f"{directory}: {error.strerror}")
    if isinstance(error, FileExistsError):
        taken = error.filename2 or error.filename
        return Fault("local_disk", f"{taken} exists and is not replaced: use an empty --save DIR")
    return Fault("local_disk", f"{directory}: {error.strerror}")
