"""`pip install .` into a clean environment of each installed Python, and the command starts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import fetcher

ROOT = Path(__file__).parents[1]

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


def run(*words: str | Path, cwd: Path) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "FETCH_"))}
    done = subprocess.run(
        words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def pythons() -> dict[str, str]:
    """Version -> path, of every Python from 3.11 on that is installed here."""
    lines = run("sh", ROOT / "scripts" / "pythons", cwd=ROOT).splitlines()
    return dict(line.split(" ", 1) for line in lines)


@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_installs_and_starts(version: str, pythons: dict[str, str], tmp_path: Path) -> None:
    if version not in pythons:
        pytest.skip(f"no Python {version} here")
    run(pythons[version], "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    command = tmp_path / "venv" / "bin" / "fetch"
    run(python, "-m", "pip", "install", "--disable-pip-version-check", ROOT, cwd=tmp_path)

    assert run(command, "--version", cwd=tmp_path) == f"fetch {fetcher.__version__}\n"
    where = run(python, "-c", "import fetcher; print(fetcher.__file__)", cwd=tmp_path)
    assert where.startswith(str(tmp_path)), "it runs from the source tree, not from the installation"
    assert Path(where.strip()).with_name("py.typed").exists()
    # With the core alone: what needs an extra is listed with its cure, nothing fails.
    for name in ("sequential", "threads", "processes", "asyncio"):
        assert name in run(command, "engines", cwd=tmp_path)
    assert "--engine" in run(command, "--help", cwd=tmp_path)
