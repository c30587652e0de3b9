"""What a reader needs to know of this machine to judge the figures."""

from __future__ import annotations

import os
import platform
import ssl
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from fetcher import __version__
from fetcher.comparison.arms import pick

LIBRARIES: Final = ("uvloop", "msgspec")  # beside those of the engines, where they are installed


def environment(names: Sequence[str]) -> dict[str, Any]:
    """Machine, versions and load; `names` are the engines that take part."""
    libraries = [library for name in names for library in pick(name).LIBRARIES]
    return {
        "fetch": __version__,
        "python": platform.python_version(),
        "tls": ssl.OPENSSL_VERSION,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor() or platform.processor() or platform.machine(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "libraries": {name: found for name in (*libraries, *LIBRARIES) if (found := _version(name))},
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""
