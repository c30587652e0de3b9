"""Fetch many URLs at once through interchangeable engines, and tell the truth about each.

>>> import fetcher
>>> for result in fetcher.fetch(["http://127.0.0.1:0/"], engine="asyncio"):
...     print(result.url, result.size, result.error)
http://127.0.0.1:0/ None connect_refused
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from fetcher.api import afetch as afetch
    from fetcher.api import audit as audit
    from fetcher.api import compare as compare
    from fetcher.api import crawl as crawl
    from fetcher.api import fetch as fetch
    from fetcher.api import load as load
    from fetcher.errors import KINDS as KINDS
    from fetcher.errors import FetchError as FetchError
    from fetcher.errors import LocalFault as LocalFault
    from fetcher.errors import UsageError as UsageError
    from fetcher.model import Options as Options
    from fetcher.model import Request as Request
    from fetcher.model import Result as Result

# Names are looked up when they are first used, so that `import fetcher` and `fetch --version` stay cheap.
_HOMES = {
    "fetch": "api",
    "afetch": "api",
    "audit": "api",
    "compare": "api",
    "crawl": "api",
    "load": "api",
    "Options": "model",
    "Request": "model",
    "Result": "model",
    "KINDS": "errors",
    "FetchError": "errors",
    "LocalFault": "errors",
    "UsageError": "errors",
}
__all__ = ["KINDS", "FetchError", "LocalFault", "Options", "Request", "Result", "UsageError"]
__all__ += ["afetch", "audit", "compare", "crawl", "fetch", "load"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'fetcher' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"fetcher.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
