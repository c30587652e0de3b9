"""Lists that are killed and resumed: a site that counts, the command, and what stands in its outputs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fetcher.comparison.arms import installed as installed
from fetcher.records import read
from tests.webs import Answer, text

FETCH = [sys.executable, "-m", "fetcher"]


def clean() -> dict[str, str]:
    """The environment without options of fetch."""
    return {name: value for name, value in os.environ.items() if not name.startswith("FETCH_")}


def fetch(
    *words: object, cwd: Path | None = None, stdin: bytes | None = None, command: Sequence[str] = FETCH
) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end."""
    return subprocess.run(
        [*command, *map(str, words)],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=120,
        cwd=cwd,
        env=clean(),
        check=False,
    )


def start(
    *words: object, cwd: Path | None = None, command: Sequence[str] = FETCH, **streams: Any
) -> subprocess.Popen[bytes]:
    """Start the command, its output to be dropped unless said otherwise."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **streams}
    return subprocess.Popen([*command, *map(str, words)], cwd=cwd, env=clean(), **streams)


def list_of(folder: Path, base: str, rows: int) -> Path:
    """A list of so many URLs of a site."""
    path = folder / "urls.txt"
    path.write_text("".join(f"{base}{n}\n" for n in range(1, rows + 1)))
    return path


def rows_of(path: Path) -> list[int]:
    """The rows of a file, sorted; a torn or broken line fails."""
    records = read(str(path))
    rows = sorted(record["row"] for record in records)
    assert not records.warnings, records.warnings
    return rows


def slow(seconds: float) -> Callable[[str], Answer]:
    """A site that answers everything, and takes that long."""

    def answer(path: str) -> Answer:
        time.sleep(seconds)
        return text(path)

    return answer


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def survive(words: Sequence[object], moments: int, pause: Callable[[], float], code: int | None = 0) -> int:
    """Start it again and again, killed after a pause, until it ends or was killed so often: how many deaths.

    If it ends, then with that code; None: with any.
    """
    for deaths in range(moments):
        child = start(*words)
        try:
            ended = child.wait(pause())
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
        else:
            assert code in (None, ended)
            return deaths
    return moments


def processes(parent: int) -> list[int]:
    """The processes of partitions that a run has begun."""
    found = []
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        for child in task.read_text().split():
            if b"fetcher.partition" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return sorted(found)


def runs(process: int) -> bool:
    """Whether it has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def is_prompt(run: subprocess.Popen[bytes], fifo: Path, firsts: Sequence[str], urls: Sequence[str]) -> None:
    """Each record comes within a second of its line; the start of a process is not the record's: `firsts`.

    The n-th of `urls` has n bytes.
    """
    assert run.stdout is not None
    with fifo.open("w", buffering=1) as lines:
        for url in firsts:
            lines.write(f"{url}\n")
            run.stdout.readline()
        for size, url in enumerate(urls, 1):
            time.sleep(0.4)
            began = time.monotonic()
            lines.write(f"{url}\n")
            record = json.loads(run.stdout.readline())
            assert time.monotonic() - began < 1.0
            assert record["size"] == size
    assert run.wait(10) == 0
