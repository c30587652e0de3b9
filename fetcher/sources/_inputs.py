"""What the words on the command line mean, checked before the first request: a URL, a file, or stdin.

Opening waits until an input's turn has come, so a FIFO loses nothing here. A regular file is opened twice:
now, as far as its first item, which finds a wrong format or column; and when it is read.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, cast

import fetcher.sources as folder
from fetcher import menu
from fetcher.errors import LocalFault, UsageError
from fetcher.logins import mask
from fetcher.sources import Bad, Input, Item, Module, Reading, read_all
from fetcher.sources._bytes import BrokenGzip, chunks, gunzip, joined

__all__ = ["read_all", "resolve"]

BUFFER: Final = 65_536
MAGIC: Final = (
    (b"PAR1", "a Parquet file: name it .parquet"),
    (b"\x1f\x8b", "gzip data: add .gz to its name"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet: unpack it, or save it as .csv"),
    (b"\x28\xb5\x2f\xfd", "zstd data: unpack it, `zstd -dc FILE | fetch -`"),
    (b"\xfd7zXZ\0", "xz data: unpack it, `xz -dc FILE | fetch -`"),
    (b"BZh91AY&SY", "bzip2 data: unpack it, `bzip2 -dc FILE | fetch -`"),
    (b"SQLite format 3\0", "a database: export its URLs as .csv"),
    (b"%PDF-", "a PDF: copy its URLs into a .txt"),
    (b"\x89PNG\r\n", "a picture"),
    (b"\x7fELF", "a program"),
)
# `http:/x`, `http//x`; or what may be a host, with or without a port and a path.
SLIP: Final = re.compile(r"(?P<scheme>https?)(?::/?|/{1,2})(?=\w)", re.IGNORECASE)
HOST: Final = re.compile(
    r"(?:localhost|\[[\da-f:.]+\]|[\w-]+(?:\.[\w-]+)+)(?::\d+)?(?:[/?#].*)?", re.IGNORECASE | re.DOTALL
)


def resolve(
    inputs: Sequence[str], stdin: BinaryIO | None, options: Reading, commands: Sequence[str] = ()
) -> list[Input]:
    """Every input, in order. Raises UsageError for the first that cannot be meant or read."""
    if list(inputs).count("-") > 1:
        raise UsageError("- is given twice: standard input can be read only once")
    return [_input(name, stdin, options, commands) for name in inputs]


def _input(name: str, stdin: BinaryIO | None, options: Reading, commands: Sequence[str]) -> Input:
    if "://" in name:
        return Input(mask(name), partial(iter, (name,)))
    if name == "-":
        if stdin is None:
            raise UsageError("-: standard input is closed; give a file or a URL")
        return Input(name, partial(_stdin, stdin, options))
    path, mode = Path(name), _mode(name, commands)
    items = partial(_items, path, name, options)
    if stat.S_ISREG(mode):
        _check(path, name)
        _first(items)
    elif not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        what = "a folder: give a file in it" if stat.S_ISDIR(mode) else "neither a file nor a pipe"
        raise UsageError(f"{name} is {what}")
    elif not os.access(path, os.R_OK):
        raise UsageError(f"{name}: cannot be read: Permission denied")
    return Input(name, items)


def _mode(name: str, commands: Sequence[str]) -> int:
    try:
        return os.stat(name).st_mode  # noqa: PTH116  (Path takes an empty name for this folder)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a NUL in the name
        shown = mask(name) if name and name.isprintable() else repr(mask(name))
        raise UsageError(f"{shown}: there is no such file; {_hint(name, commands)}") from error
    except OSError as error:
        raise UsageError(f"{name}: cannot be read: {error.strerror}") from error


def _hint(name: str, commands: Sequence[str]) -> str:
    """What was meant, most likely: a file with nearly that name, a command, or a URL."""
    path = Path(name.replace("\0", ""))
    known = {command: f"the command {command}" for command in commands if "/" not in name}
    if path.parent.is_dir():
        known |= {entry.name.lower(): str(path.parent / entry.name) for entry in os.scandir(path.parent)}
    url = _url(name, path)
    close = get_close_matches(path.name.lower(), known, 1, 0.8 if url else 0.6)
    if close:
        return f"did you mean {known[close[0]]}?"
    if url:
        return f"if it is a URL, write {url}"
    if not path.parent.is_dir():
        return f"nor is there a folder {mask(str(path.parent))}"
    return "give a file, a URL with ://, or - for standard input"


def _url(name: str, path: Path) -> str:
    """The URL that was meant, if it looks like one."""
    if path.parent != Path() and path.parent.is_dir():
        return ""
    if slip := SLIP.match(name):
        return mask(f"{slip['scheme'].lower()}://{name[slip.end() :]}")
    if not HOST.fullmatch(name) or ("/" not in name and _format(path)[0] in _suffixes()):
        return ""  # urls.txt is no host
    return f"http://{name}"


def _suffixes() -> dict[str, str]:
    """Suffix -> the source that reads it."""
    found: dict[str, str] = {}
    for name in menu.names(folder):
        found |= dict.fromkeys(_module(name).SUFFIXES, name)
    return found


def _module(name: str) -> Module:
    return cast(Module, menu.pick(folder, name))


def _format(path: Path) -> tuple[str, bool]:
    """The suffix that says the format, and whether the file is compressed."""
    packed = path.suffix.lower() == ".gz"
    return (path.with_suffix("") if packed else path).suffix.lower(), packed


def _check(path: Path, name: str) -> None:
    """Look at the first bytes of a regular file. Raises UsageError for what is surely no list."""
    suffix, packed = _format(path)
    try:
        with path.open("rb") as file:
            head = file.read(512)
            if packed and head.startswith(b"\x1f\x8b"):
                file.seek(0)
                head = joined(gunzip(chunks(file))).read(512)
            elif packed and head:
                raise UsageError(f"{name} is no gzip data, as its name says: take .gz off its name")
    except BrokenGzip:
        return  # what can be read of it will be
    except OSError as error:
        raise UsageError(f"{name}: cannot be read: {error.strerror}") from error
    for magic, what in MAGIC:
        if head.startswith(magic) and not (suffix == ".parquet" and magic == b"PAR1"):
            raise UsageError(f"{name} is {what}")
    if head[257:262] == b"ustar":
        raise UsageError(f"{name} is a tar archive: unpack it")
    if suffix not in _suffixes() and head.lstrip().startswith((b"<", b"{", b"[")):
        xml = head.lstrip().startswith(b"<")
        what = "XML or HTML; name a sitemap .xml" if xml else "JSON; name JSON Lines .jsonl"
        raise UsageError(f"{name} is not one URL a line: it looks like {what}")


def _first(items: partial[Iterator[Item]]) -> None:
    """Read as far as the first item, to find a wrong format or column."""
    try:
        next(found := items(), None)
        found.close()  # type: ignore[attr-defined]  # a generator
    except LocalFault as error:
        raise UsageError(str(error)) from error


def _items(path: Path, name: str, options: Reading) -> Iterator[Item]:
    suffix, packed = _format(path)
    source = _module(_suffixes().get(suffix, "text"))
    try:
        with path.open("rb", BUFFER) as file:
            yield from source.read(joined(gunzip(chunks(file))) if packed else file, options)
    except BrokenGzip as error:
        yield Bad("", f"{name}: {error}")
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from error
    except OSError as error:
        raise LocalFault(f"{name}: cannot be read: {error.strerror or error}") from error


def _stdin(stdin: BinaryIO, options: Reading) -> Iterator[Item]:
    with ExitStack() as opened:
        with suppress(OSError, ValueError):  # no descriptor behind it: it is read as it stands
            # Not `stdin` itself: a thread that waits inside its lock aborts the interpreter at its end.
            stdin = opened.enter_context(open(stdin.fileno(), "rb", BUFFER, closefd=False))
        yield from _module("text").read(stdin, options)
