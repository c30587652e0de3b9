"""A directory of parts behind a URL of fsspec: what is uploaded gets its name when it is whole."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fetcher.errors import LocalFault, first_line
from fetcher.logins import mask
from fetcher.partition import SCRATCH


class Remote:
    """A Store (`store`): uploaded under another name, then renamed."""

    def __init__(self, url: str, system: Any, path: str) -> None:
        self.where, self.url = url, mask(url)
        self._system, self._path = system, path.rstrip("/")

    def read(self, name: str) -> bytes | None:
        """The content of a file."""
        try:
            return bytes(self._system.cat_file(f"{self._path}/{name}"))
        except FileNotFoundError:
            return None
        except Exception as error:
            raise self._fault(name, error) from error

    def write(self, name: str, data: bytes) -> None:
        """Make or replace a file."""
        self._appear(name, lambda path: self._system.pipe_file(path, data))

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        try:
            self._system.invalidate_cache()
            return bool(self._system.exists(f"{self._path}/{name}"))
        except Exception as error:
            raise self._fault(name, error) from error

    def names(self, folder: str = "") -> set[str]:
        """What lies there."""
        try:
            self._system.invalidate_cache()
            found = self._system.ls(f"{self._path}/{folder}".rstrip("/"), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return set()
        except Exception as error:
            raise self._fault(folder, error) from error
        return {name.rstrip("/").rpartition("/")[2] for name in found}

    def put(self, path: Path, name: str, check: Callable[[], object] = bool) -> None:
        """Move a local file to there."""
        self._appear(name, lambda there: self._system.put_file(str(path), there), check)
        path.unlink()

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """A local path with its content."""
        with tempfile.TemporaryDirectory(prefix="fetch-") as folder:
            path = Path(folder) / "file"
            try:
                self._system.get_file(f"{self._path}/{name}", str(path))
            except Exception as error:
                raise self._fault(name, error) from error
            yield path

    def scratch(self) -> Path:
        """An empty local directory."""
        return Path(tempfile.mkdtemp(prefix="fetch-"))

    def remove(self, name: str) -> None:
        """Remove a file or a folder."""
        with suppress(Exception):
            self._system.rm(f"{self._path}/{name}", recursive=True)

    def _appear(self, name: str, make: Any, check: Callable[[], object] = bool) -> None:
        there, beside = f"{self._path}/{name}", f"{self._path}/{SCRATCH}/{uuid.uuid4().hex}"
        try:
            for path in (there, beside):  # object stores have no folders, and take no notice
                self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
            make(beside)
            check()
            self._system.mv(beside, there)
        except LocalFault:
            self.remove(f"{SCRATCH}/{beside.rpartition('/')[2]}")
            raise
        except Exception as error:
            raise self._fault(name, error) from error

    def _fault(self, name: str, error: Exception) -> LocalFault:
        return LocalFault(f"{self.url.rstrip('/')}/{name}: {first_line(error)}")
