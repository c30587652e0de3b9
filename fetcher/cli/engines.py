"""Every engine: is it installed, which version, what is it good at? `fetch engines`."""

from __future__ import annotations

import platform
import ssl
from importlib.metadata import PackageNotFoundError, version

from fetcher import engines, menu
from fetcher.errors import UsageError


def command() -> None:
    """List the engines with their versions, their usual concurrency, and the cure for what is missing."""
    for name in menu.names(engines):
        print(f"{name:<12}{menu.sentence(engines, name)}")
        print(f"{'':<12}{_state(name)}")
    print(f"\nPython {platform.python_version()}, {ssl.OPENSSL_VERSION}, {platform.platform()}")


def _state(name: str) -> str:
    """The engine's usual concurrency and what it stands on; or what is missing, and the cure."""
    try:
        module = engines.pick(name)
    except UsageError as error:
        return str(error).removeprefix(f"{name} ")
    stands = filter(None, (_version(library) for library in module.LIBRARIES))
    inside = getattr(module, "INSIDE", ())  # what is built into those libraries, and matters
    return "; ".join((f"concurrency {module.CONCURRENCY}", *stands, *inside))


def _version(library: str) -> str:
    try:
        return f"{library} {version(library)}"
    except PackageNotFoundError:
        return ""
