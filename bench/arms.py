"""Who runs: this project's engines and the peers, each as one command for one list of URLs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from bench.manual import Crawled

ROOT = Path(__file__).parents[1]
GENUINE = ("-m", "bench.scripts.genuine")
OUT = "out"  # the file that stdout goes to

CURL, ASYNCIO, UVLOOP, THREADS = (
    "fetch -e curl",
    "fetch -e asyncio",
    "fetch -e asyncio, uvloop",
    "fetch -e threads",
)
CURL_Z, WGET2, ARIA2C, SCRAPY = "curl -Z", "wget2", "aria2c", "Scrapy"
SCRIPT, SCRIPT_UVLOOP = "aiohttp script", "aiohttp script, uvloop"
ARTICLE, SESSIONS = "requests, the article's way", "requests, a Session per thread"

CURL_MOST = 300  # what the --parallel-max of a curl before 8.16 is cut to, silently

# A guess of CPU per URL in us, only to say beforehand how long all this takes.
GUESS = {CURL: 50, ASYNCIO: 100, UVLOOP: 80, THREADS: 600, CURL_Z: 45, WGET2: 30, ARIA2C: 300, SCRAPY: 3000}
GUESS |= {SCRIPT: 150, SCRIPT_UVLOOP: 130, ARTICLE: 1700, SESSIONS: 1400}


class Arm(NamedTuple):
    """One command of one table; `urls` of them, which take about `guess` us each."""

    name: str
    words: tuple[str, ...]
    urls: int
    guess: float
    env: tuple[tuple[str, str], ...] = ()
    piped: bool = False  # stdout is a pipe, and the time of its first byte counts; otherwise it is a file
    mute: bool = False  # stdout has the bodies, and is /dev/null
    bell: bool = False  # what counts is when the server hears of it
    crawled: Crawled | None = None  # it finds its URLs itself: held to the pages that there are
    code: int = 0  # the exit code when all is as it should be


class Missing(NamedTuple):
    """An arm that cannot run here, and why."""

    name: str
    why: str


def fetch() -> tuple[str, ...]:
    """The installed command of this Python's environment."""
    installed = Path(sys.executable).with_name("fetch")
    return (str(installed),) if installed.exists() else (sys.executable, "-m", "fetcher")


def arm(name: str, listed: Path, count: int, width: int) -> Arm | Missing:
    """The command of this name for this list, `width` at once."""
    words = _OURS[name](listed, width) if name in _OURS else _PEERS[name](listed, width)
    if isinstance(words, str):
        return Missing(name, words)
    env = (("FETCH_NO_UVLOOP", "1"),) if name == ASYNCIO else ()
    return Arm(name, words, count, GUESS[name], env, mute=name == CURL_Z)


def lacking(engine: str, needs: str) -> str:
    """Why our engine cannot run; empty if it can."""
    if not (ROOT / f"fetcher/engines/{engine}.py").exists():
        return f"no engine {engine} yet"
    return "" if find_spec(needs) else f"{needs} is not installed"


def _ours(engine: str, needs: str) -> Callable[[Path, int], tuple[str, ...] | str]:
    """The whole command with its defaults, JSON Lines to stdout."""

    def words(listed: Path, width: int) -> tuple[str, ...] | str:
        if why := lacking(engine, needs):
            return why
        if engine == "threads" and (why := _false_urllib3(sys.executable)):
            return why
        options = ["-e", engine, "-c", str(width), "--per-host", "0", "--insecure", "--json", "-q"]
        return (*fetch(), str(listed), *options)

    return words


def _curl(listed: Path, width: int) -> tuple[str, ...] | str:
    if not shutil.which("curl"):
        return "curl is not installed"
    if width > CURL_MOST and _curl_version() < (8, 16):
        return f"this curl runs at most {CURL_MOST} at once"
    config = listed.with_suffix(".curl")
    lines = listed.read_text().split()
    # An `output` for each URL would be opened and closed for each: a fifth of its CPU time.
    config.write_text("".join(f'url = "{line}"\n' for line in lines))
    words = ["--parallel-max", str(width), "--no-progress-meter", "--insecure", "--config", str(config)]
    return ("curl", "--disable", "--parallel", *words)


def _curl_version() -> tuple[int, ...]:
    said = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(int(part) for part in said.split()[1].split(".")[:2] if part.isdigit())


def _wget2(listed: Path, width: int) -> tuple[str, ...] | str:
    if not shutil.which("wget2"):
        return "wget2 is not installed"
    words = ["--config=/dev/null", "--no-robots", "--no-check-certificate", f"--max-threads={width}"]
    return ("wget2", "-q", *words, "-O", "/dev/null", "-i", str(listed))


def _aria2c(listed: Path, width: int) -> tuple[str, ...] | str:
    """It writes files: there is no way to throw bodies away."""
    if not shutil.which("aria2c"):
        return "aria2c is not installed"
    given, folder = listed.with_suffix(".aria2c"), listed.with_suffix(".files")
    lines = listed.read_text().split()
    given.write_text("".join(f"{line}\n  out={n}\n" for n, line in enumerate(lines)))
    words = ["--no-conf", f"-j{width}", "-d", str(folder), "--allow-overwrite", "--file-allocation=none"]
    return ("aria2c", "-q", *words, "--check-certificate=false", "-i", str(given))


def _script(name: str, needs: str, *more: str) -> Callable[[Path, int], tuple[str, ...] | str]:
    def words(listed: Path, width: int) -> tuple[str, ...] | str:
        python = python_with(needs)
        if python is None:
            return f"{needs} is not installed, nor in the Python of BENCH_PYTHON"
        if needs == "requests" and (why := _false_urllib3(python)):
            return why
        return (python, "-m", f"bench.scripts.{name}", str(listed), str(width), *more)

    return words


@lru_cache
def python_with(module: str) -> str | None:
    """This Python, or that of BENCH_PYTHON, if it has the module."""
    if find_spec(module):
        return sys.executable
    other = os.environ.get("BENCH_PYTHON")
    if other is None:
        return None
    tried = subprocess.run([other, "-c", f"import {module}"], capture_output=True, check=False)
    return other if tried.returncode == 0 else None


@lru_cache
def _false_urllib3(python: str) -> str:
    """Why no figure of requests may be taken with this Python; empty if one may."""
    tried = subprocess.run([python, *GENUINE], capture_output=True, text=True, cwd=ROOT, check=False)
    return tried.stderr.strip()


_OURS = {
    CURL: _ours("curl", "pycurl"),
    ASYNCIO: _ours("asyncio", "aiohttp"),
    UVLOOP: _ours("asyncio", "uvloop"),
    THREADS: _ours("threads", "requests"),
}
_PEERS = {
    CURL_Z: _curl,
    WGET2: _wget2,
    ARIA2C: _aria2c,
    SCRIPT: _script("bare_aiohttp", "aiohttp"),
    SCRIPT_UVLOOP: _script("bare_aiohttp", "uvloop", "uvloop"),
    ARTICLE: _script("article", "requests"),
    SESSIONS: _script("sessions", "requests"),
    SCRAPY: _script("bare_scrapy", "scrapy"),
}


def other_version(module: str) -> str:
    """The version of a peer's library in the Python that has it."""
    python = python_with(module)
    if python is None:
        return "(not installed)"
    code = f"from importlib.metadata import version; print(version({module!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=False).stdout.strip()
