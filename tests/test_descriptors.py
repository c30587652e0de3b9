"""The limit of open files: raised where it can be, else fewer requests at once, with one warning."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from fetcher.comparison.arms import installed


def fetch(listed: Path, soft: int, hard: int, engine: str, width: int) -> subprocess.CompletedProcess[bytes]:
    words = [listed, "-e", engine, "-c", str(width), "--json", "--retries", "2"]
    return subprocess.run(
        [sys.executable, "-m", "fetcher", *words],
        capture_output=True,
        timeout=60,
        check=False,
        env={key: value for key, value in os.environ.items() if not key.startswith("FETCH_")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
    )


@pytest.mark.parametrize("engine", installed())
def test_a_hard_limit_lowers_the_concurrency_with_one_warning(tmp_path: Path, site: str, engine: str) -> None:
    listed = tmp_path / "urls.txt"
    listed.write_text("".join(f"{site}/delay/0.01/{n}\n" for n in range(300)))
    done = fetch(listed, 128, 128, engine, 100 if engine == "processes" else 500)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert {record["error"] for record in records} == {None}, done.stderr
    assert len(records) == 300
    assert done.returncode == 0
    assert done.stderr.count(b"ulimit -n") == 1
    assert b"Traceback" not in done.stderr


def test_a_soft_limit_is_raised_silently(tmp_path: Path, site: str) -> None:
    listed = tmp_path / "urls.txt"
    listed.write_text("".join(f"{site}/delay/0.05/{n}\n" for n in range(1500)))
    done = fetch(listed, 256, 4096, "asyncio", 600)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1500
    assert b"ulimit" not in done.stderr


@pytest.mark.parametrize("engine", installed())
def test_too_few_even_for_one_request_are_said_first(tmp_path: Path, site: str, engine: str) -> None:
    listed = tmp_path / "urls.txt"
    listed.write_text(f"{site}/bytes/1\n{site}/bytes/2\n")
    refused = fetch(listed, 10, 10, engine, 2)
    assert (refused.returncode, refused.stdout) == (2, b""), refused.stderr
    (line,) = refused.stderr.splitlines()
    assert line.startswith(b"fetch: at most 10 files may be open here")
    told = re.search(rb"to (\d+) or more with ulimit -n", line)
    assert told, line
    least = int(told[1])
    assert fetch(listed, least - 1, least - 1, engine, 2).returncode == 2
    enough = fetch(listed, least, least, engine, 2)
    assert enough.returncode == 0, enough.stdout + enough.stderr
