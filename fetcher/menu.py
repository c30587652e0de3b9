"""A folder is a menu: `names(folder)` lists it, `pick(folder, name)` opens one entry.

A sibling is found by its file name, which is the word the user types. Files that begin with `_` are not
on the menu. Picking imports; listing does not, so a missing library costs nothing until it is asked for.
"""

from __future__ import annotations

import ast
import pkgutil
import sys
import threading
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Final

from fetcher.errors import LocalFault, UsageError

# Import name -> the extra that brings it. Only libraries outside the core are named here.
EXTRAS: Final = {
    "pycurl": "curl",
    "uvloop": "speed",
    "msgspec": "speed",
    "brotli": "compress",
    "backports": "compress",
    "pyarrow": "parquet",
    "distributed": "dask",
}


# Two threads that import requests by different doors at the same time see it half made.
IMPORTING: Final = threading.RLock()


def names(folder: ModuleType) -> list[str]:
    """The entries of a folder, sorted, without importing them."""
    return sorted(m.name for m in pkgutil.iter_modules(folder.__path__) if not m.name.startswith("_"))


def check(folder: ModuleType, name: str) -> None:
    """Raise UsageError where there is no such entry; imports nothing."""
    known = names(folder)
    if not known:
        raise LocalFault(f"{folder.__name__} cannot be listed: no file can be opened any more (ulimit -n)")
    if name not in known:
        word = folder.__name__.rpartition(".")[2].removesuffix("s")
        close = get_close_matches(name, known, 1)
        hint = f"did you mean {close[0]}?" if close else f"choose one of: {', '.join(known)}"
        raise UsageError(f"there is no {word} named {name!r}: {hint}")


def pick(folder: ModuleType, name: str) -> ModuleType:
    """The module `name` of `folder`. Raises UsageError for an unknown name or a missing library."""
    check(folder, name)
    try:
        with IMPORTING:
            return import_module(f"{folder.__name__}.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("fetcher"):
            raise
        raise UsageError(f"{name} {cure(error.name or '')}") from error


def command(module: str) -> list[str]:
    """The words that run a module of ours in a process of its own.

    `-m` would put the working directory first on the path, and run whatever `secrets.py` lies there; only
    where this process was itself started so, it may be the only way to find us.
    """
    here = {"", str(Path.cwd())} & set(sys.path)
    return [sys.executable, *(() if here else ("-P",)), "-m", module]


def cure(library: str) -> str:
    """What to do about a library that is not installed."""
    root = library.partition(".")[0]
    extra = EXTRAS.get(root)
    install = f"pip install '.[{extra}]'" if extra else f"pip install {root}"
    return f"needs {root}, which is not installed: {install}"


def sentence(folder: ModuleType, name: str) -> str:
    """The sentence a module opens with, read without importing it."""
    spec = find_spec(f"{folder.__name__}.{name}")
    if spec is None or spec.origin is None:
        return ""
    doc = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    return doc.split("\n\n")[0].replace("\n", " ")
