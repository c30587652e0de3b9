"""`fetch compare` with real laps: what it refuses, what it finds, what it prints and writes."""

from __future__ import annotations

import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import fetcher
import fetcher.engines
from fetcher import comparison
from fetcher.comparison import lap
from fetcher.comparison.plan import planned
from fetcher.comparison.verdict import Comparison
from fetcher.errors import LocalFault, UsageError
from fetcher.model import Options
from tests.servers import hanging

ROOT = Path(__file__).parents[1]
ARMS = Path(__file__).parent / "arms"
pytestmark = pytest.mark.xdist_group("quiet")


@pytest.fixture
def arms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the engines of tests/arms on the menu, here and in the processes of laps."""
    monkeypatch.setattr(fetcher.engines, "__path__", [*fetcher.engines.__path__, str(ARMS)])
    monkeypatch.setattr(lap, "WORDS", [sys.executable, str(ARMS)])
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def compared(urls: list[str], engines: str, blocks: int = 6, **settings: Any) -> Comparison:
    options = Options(**settings)
    plan = planned([("", url) for url in urls], engines.split(","), options, blocks=blocks, seed=1)
    return comparison.run(plan, options)


def fetch(*words: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("FETCH_")}
    words = (sys.executable, "-m", "fetcher", "compare", *words)
    return subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50, env=env, **more
    )


def listed(folder: Path, *urls: str) -> Path:
    path = folder / "urls.txt"
    path.write_text("\n".join(urls))
    return path


# What it finds.


def test_an_engine_with_a_wrong_size_is_refused(site: str, arms: None) -> None:
    found = compared([f"{site}/bytes/{1000 + n}" for n in range(50)], "asyncio,wrong")
    assert found.verdict == "disagree"
    assert {one.row for one in found.odd} == {n for n in range(1, 51) if (n + 8) % 10 == 0}
    assert all(set(one.fields) == {"size"} for one in found.odd), "and the warm-up of 8 is not in it"
    record = found.record()
    assert record["fastest"] is None
    assert "5 of 50" in record["sentence"]
    assert all(one["ratio"] is None for one in record["engines"].values()), "nobody is ranked"
    assert record["disagree"][0]["fields"]["size"] == {
        "1,001": ["asyncio", "asyncio again"],
        "1,000": ["wrong"],
    }


def test_a_server_that_is_the_limit_is_said_to_be(tmp_path: Path) -> None:
    for _ in range(3):  # an A/A may differ by chance
        with capped() as base:
            found = compared([f"{base}/?{n}" for n in range(70)], "asyncio,threads")
        if found.verdict != "invalid":
            break
    assert found.verdict == "server-bound", [entry.limit for entry in found.entries]
    record = found.record()
    assert record["fastest"] is None
    for one in record["engines"].values():
        assert 120 < one["urls_per_s"]["median"] < 260
    assert record["sentence"].startswith("the server was the limit, at about ")
    assert next(iter(record["engines"])) == "asyncio", "ranked by CPU, which a server cannot falsify"


@contextmanager
def capped() -> Iterator[str]:
    """A server that answers 200 requests a second, and lets the others wait."""
    gate, due = threading.Lock(), [0.0]

    class Answer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while line := self.rfile.readline():
                if line == b"\r\n":
                    with gate:
                        due[0] = max(due[0] + 0.005, time.monotonic())
                        until = due[0]
                    time.sleep(max(until - time.monotonic(), 0.0))
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 100

    with Server(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


# What it prints and writes.


def test_it_says_what_it_will_send_and_then_what_came_of_it(site: str, tmp_path: Path) -> None:
    urls = listed(tmp_path, *(f"{site}/bytes/{n}" for n in range(30)))
    page, data, words = tmp_path / "x.html", tmp_path / "x.json", tmp_path / "x.md"
    done = fetch(
        urls, "--engines", "asyncio,sequential", "--blocks", "6", "--seed", "7", *outputs(page, data, words)
    )
    record = json.loads(data.read_text())
    # One A/A in twenty to thirty differs by chance, more of them where other tests run: that is `invalid`, 3.
    assert done.returncode == (3 if record["verdict"] == "invalid" else 0), done.stderr
    host = site.removeprefix("http://")
    # 3 arms x 6 blocks x (30 + 8 of warm-up), and 1 + 20 of the probe; each may be tried thrice
    assert "3 arms (asyncio, sequential, asyncio again) x 6 blocks x 30 URLs" in done.stderr
    assert f"705 requests; {host} gets at most 2,115, retries included" in done.stderr
    assert "seed 7" in done.stderr
    assert record["seed"] == 7
    assert set(record["engines"]) == {"asyncio", "sequential"}
    for one in record["engines"].values():
        assert set(one["urls_per_s"]) == {"median", "low", "high"}
        assert one["ratio"] is None or set(one["ratio"]) == {"median", "low", "high"}  # None: not ranked
        assert len(one["blocks"]) == 6
        assert {"cpu_per_url", "peak_rss", "startup", "same", "ok", "failed", "connections"} <= set(one)
        assert (one["ok"], one["failed"]) == (30, 0)
        assert one["startup"] > 0.01
        assert one["peak_rss"] > 10e6
    # Every engine once a block, at each place.
    assert sorted(lap["block"] for lap in record["engines"]["asyncio"]["blocks"]) == list(range(6))
    assert len({lap["position"] for lap in record["engines"]["asyncio"]["blocks"]}) > 1
    assert record["environment"]["python"]
    assert done.stdout.splitlines()[-1] == record["sentence"]
    assert record["sentence"] in words.read_text()
    assert "<svg" in page.read_text()


def outputs(*paths: Path) -> list[str]:
    return [word for path in paths for word in ("-o", str(path))]


def test_json_is_one_object_and_failed_urls_are_told(site: str, free_port: int, tmp_path: Path) -> None:
    urls = listed(tmp_path, f"{site}/bytes/10", f"http://127.0.0.1:{free_port}/", "http://a..b/")
    done = fetch(urls, "--engines", "asyncio,threads", "--blocks", "6", "--json", "-q")
    assert done.stderr == ""
    record = json.loads(done.stdout)
    assert record["verdict"] in {"ok", "invalid"}
    assert done.returncode == (3 if record["verdict"] == "invalid" else 1), done.stderr
    for one in record["engines"].values():
        assert (one["ok"], one["failed"]) == (1, 2)
        assert one["errors"] == {"connect_refused": 6, "invalid_url": 6}


@pytest.mark.long
def test_it_reads_a_pipe_and_repeats_the_list(site: str) -> None:
    words = [
        sys.executable,
        "-m",
        "fetcher",
        "compare",
        "-",
        "--engines",
        "asyncio",
        "--blocks",
        "6",
        "--repeat",
        "40",
    ]
    done = subprocess.run(
        words, input=f"{site}/bytes/5\r\n\n# no\n", capture_output=True, text=True, timeout=30
    )
    assert done.returncode in (0, 3), done.stderr  # 3: it may differ from itself by chance
    assert "x 40 URLs" in done.stderr
    if done.returncode == 0:
        assert done.stdout.splitlines()[-1].startswith("asyncio alone was measured")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--blocks", "5", "--engines", "asyncio,threads"], "give 6 or more"),
        (["--blocks", "7", "--engines", "asyncio,threads,processes,sequential,asyncio"], "give 8 or more"),
        (["--blocks", "0"], "give a whole number from 1 on"),
        (["--repeat", "0"], "give a whole number from 1 on"),
        (["--engines", "asynci"], "did you mean asyncio?"),
        (["--engines", ","], "no engine to compare"),
        (["-o", "x.csv"], "a comparison is written as one of .html, .json, .md"),
        (["--http", "2"], "there is no option --http"),
        (["http://93.184.216.34/"], "add --yes"),
        (["--engines", "requests", "--proxy", "http://127.0.0.1:9"], "does not know --proxy"),
        (["--engines", "requests", "--resolve", "a.test:80:127.0.0.1"], "does not know --resolve"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_the_first_request(words: list[str], says: str) -> None:
    with hanging() as server:
        done = fetch(server.url, *words)
        assert server.connections == 0
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stdout == ""


def test_an_empty_list_is_refused(tmp_path: Path) -> None:
    done = fetch(listed(tmp_path, "# nothing"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "the input has no URL" in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_leaves_nothing(number: int, code: int, tmp_path: Path) -> None:
    page = tmp_path / "x.json"
    with hanging() as server:
        words = [sys.executable, "-m", "fetcher", "compare", server.url, "--engines", "processes,asyncio"]
        child = subprocess.Popen(
            [*words, "-o", str(page)], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        until = time.monotonic() + 20
        while not server.connections and time.monotonic() < until:
            time.sleep(0.05)
        os.killpg(child.pid, number)
        began = time.monotonic()
        _, said = child.communicate(timeout=20)
        assert time.monotonic() - began < 5
    assert child.returncode == code
    assert "there is no verdict" in said
    assert "Traceback" not in said
    assert not page.exists(), "an empty file would be in the way of the next try"
    assert not alive(child.pid), "a lap, or a worker of it, is still there"


def test_when_it_is_killed_its_laps_end(tmp_path: Path) -> None:
    with hanging() as server:
        words = [sys.executable, "-m", "fetcher", "compare", server.url, "--engines", "processes,asyncio"]
        child = subprocess.Popen(words, stderr=subprocess.DEVNULL, start_new_session=True)
        until = time.monotonic() + 20
        while not server.connections and time.monotonic() < until:
            time.sleep(0.05)
        child.kill()
        child.wait()
        until = time.monotonic() + 10
        while alive(child.pid) and time.monotonic() < until:
            time.sleep(0.1)
    assert not alive(child.pid)


def alive(group: int) -> list[str]:
    """The processes of that group that are no zombies."""
    found = subprocess.run(
        ["ps", "-A", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True
    )
    rows = [row.split(None, 2) for row in found.stdout.splitlines()]
    return [row[2] for row in rows if row[0] == str(group) and not row[1].startswith("Z")]


def test_a_lap_runs_nothing_that_lies_in_the_working_directory(site: str, tmp_path: Path) -> None:
    (tmp_path / "tenacity.py").write_text("raise SystemExit('taken in')\n")
    installed = Path(sys.executable).with_name("fetch")
    if not installed.exists():
        pytest.skip("the command is not installed beside this Python")
    words = [installed, "compare", f"{site}/bytes/9", "--engines", "asyncio,threads", "--blocks", "6", "-q"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=50)
    assert done.returncode in (0, 3), done.stderr  # 3: it may differ from itself by chance
    assert "taken in" not in done.stderr


@pytest.mark.long
def test_a_limit_per_host_is_named_as_what_held_all_back(site: str) -> None:
    found = compared([f"{site}/delay/0.02?{n}" for n in range(40)], "asyncio,threads", per_host=4, retries=0)
    assert [entry.limit for entry in found.entries] == ["limits", "limits"]
    host = site.removeprefix("http://")
    assert f"at most 4 at once to {host} (--per-host)" in found.warnings


def test_a_lap_that_fails_is_a_local_fault(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lap, "WORDS", [sys.executable, "-c", "import sys; sys.exit('no memory')"])
    with pytest.raises(LocalFault, match="no memory"):
        compared([f"{site}/bytes/1"], "asyncio,threads")


# The library, and the experiment.


@pytest.mark.long
def test_the_library_compares(site: str, tmp_path: Path) -> None:
    found = fetcher.compare(
        [f"{site}/bytes/{n}" for n in range(20)],
        engines=["asyncio", "threads"],
        blocks=6,
        save=str(tmp_path / "bodies"),  # of no lap: the next one would find them there
    )
    assert not (tmp_path / "bodies").exists()
    assert found.record()["urls"] == 20
    assert found.verdict in {"ok", "invalid"}
    with pytest.raises(UsageError, match="iterable of URLs"):
        fetcher.compare("http://127.0.0.1/")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_articles_advice_is_an_experiment(tmp_path: Path) -> None:
    page = tmp_path / "x.html"
    env = {name: value for name, value in os.environ.items() if not name.startswith("FETCH_")}
    words = [sys.executable, "-m", "fetcher", "compare", "--json", "--blocks", "7", "-o", str(page)]
    words += ["--engines", "threads,processes,asyncio"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=550, env=env)
    record = json.loads(done.stdout)
    assert set(record["workloads"]) == {"fast", "slow", "cpu"}
    assert len(record["advice"]) == 3
    assert all(one["claim"] and one["why"] for one in record["advice"])
    assert {one["held"] for one in record["advice"]} <= {True, False, None}
    assert done.returncode == (3 if record["verdict"] in {"disagree", "invalid"} else 0), done.stderr
    slow = record["workloads"]["slow"]["engines"]
    assert slow["asyncio"]["seconds"] < slow["processes"]["seconds"], "200 at once against 32"
    assert "advice" in page.read_text()
