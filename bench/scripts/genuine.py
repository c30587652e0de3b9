"""Whether `urllib3` is urllib3: urllib3-future installs itself under the same name, and is slower."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def check() -> None:
    """End the program unless the genuine urllib3 is the one that requests would use."""
    import urllib3

    found = urllib3.__version__  # type: ignore[attr-defined]
    patch = found.split(".")[-1]
    if find_spec("urllib3.backend") or not patch.isdigit() or int(patch) >= 900:
        sys.exit(f"urllib3 {found} is not the genuine one: pip install --force-reinstall urllib3")


if __name__ == "__main__":
    check()
