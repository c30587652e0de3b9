"""The same targets under atheris, guided by coverage: `pip install atheris`, where there is a wheel."""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path


def run(name: str, seed: int, seconds: float, out: Path) -> int:
    """Ends the process itself: libFuzzer does, and prints executions and findings."""
    import atheris  # type: ignore[import-not-found]

    with atheris.instrument_imports(include=["fetcher"]):
        module = importlib.import_module(f"tests.fuzz.{name}")
    from tests.fuzz import _driver

    out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    for number, data in enumerate(_driver.seeds(module)):
        (folder / f"seed{number}").write_bytes(data)
    words = folder.with_suffix(".dict")
    tokens = ["".join(map("\\x{:02x}".format, word)) for word in module.WORDS if word]
    words.write_text("".join(f'"{token}"\n' for token in tokens))
    options = [f"-max_total_time={seconds:.0f}", f"-seed={seed % 2**32}", "-timeout=60", "-max_len=16384"]
    options += [f"-dict={words}", f"-artifact_prefix={out}/{name}-", "-print_final_stats=1", "-verbosity=0"]

    def target(data: bytes) -> None:
        module.target(data)

    atheris.Setup([sys.argv[0], *options, str(folder)], target)
    atheris.Fuzz()
    return 0
