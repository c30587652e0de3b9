"""Faults of this machine: a defined exit code, an output that a run can go on with, and no traceback."""

from __future__ import annotations

import csv
import json
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.ledgers import FETCH, clean, fetch, installed, list_of, rows_of, slow, start, until
from tests.servers import hanging
from tests.webs import web

# Runs the jobs of a file, each in a process of its own (forked, for the imports are most of a short run).
# From the Nth write to its file on a job's disk is dead: EIO or ENOSPC, at once ("clean"), after half of a
# batch ("short"), after half that cannot be taken back either ("stuck"), or only in the end ("close").
RUNNER = """if True:
    import errno, json, os, shutil, sys
    from importlib import import_module
    for name in sys.argv[2:]:
        import_module(name)
    from fetcher.cli import main

    def torture(job):
        write, cut, close, seen = os.write, os.ftruncate, os.close, [0]

        def ours(fd):
            try:
                return os.path.samestat(os.fstat(fd), os.stat(job["path"]))
            except OSError:
                return False

        def dead(*_):
            raise OSError(getattr(errno, job["error"]), os.strerror(getattr(errno, job["error"])))

        def failing(fd, data):
            if job["how"] == "close" or not ours(fd):
                return write(fd, data)
            seen[0] += 1
            if seen[0] < job["at"]:
                return write(fd, data)
            if job["how"] == "clean" or seen[0] > job["at"]:
                dead()
            return write(fd, data[: len(data) // 2])

        def closing(fd):
            mine = ours(fd)
            close(fd)
            if mine:
                dead()

        os.write = failing
        if job["how"] == "stuck":
            os.ftruncate = lambda fd, at: dead() if seen[0] and ours(fd) else cut(fd, at)
        if job["how"] == "close":
            os.close = closing

    codes = []
    for job in json.load(open(sys.argv[1])):
        if "copy" in job:
            shutil.copy(*job["copy"])
            continue
        child = os.fork()
        if not child:
            for fd in (1, 2):
                os.dup2(os.open(job["said"] + str(fd), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), fd)
            if "at" in job:
                torture(job)
            main([str(word) for word in job["words"]])
            sys.exit(0)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print(json.dumps(codes))
"""
LOADED = ["fetcher.cli.get", "fetcher.cli._watch", "fetcher.cli.verify"]
LOADED += [f"fetcher.engines.{name}" for name in installed()]
DEATHS = [("EIO", "clean"), ("ENOSPC", "short"), ("EIO", "stuck"), ("ENOSPC", "clean"), ("EIO", "close")]


def some(values: list[Any], *default: Any) -> list[Any]:
    """These by default, the others where there is time."""
    return [value if value in default else pytest.param(value, marks=pytest.mark.long) for value in values]


def forked(folder: Path, jobs: list[dict[str, Any]]) -> list[int]:
    listed = folder / "jobs.json"
    listed.write_text(json.dumps(jobs, default=str))
    words = [sys.executable, "-c", RUNNER, str(listed), *LOADED]
    done = subprocess.run(words, capture_output=True, timeout=800, env=clean(), check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def whole(path: Path, *, torn: bool) -> list[int]:
    """The rows of a file that was left behind: each of its lines is a record, but for a torn last one."""
    data = path.read_bytes()
    assert data.endswith(b"\n") or not data or torn
    lines = data[: data.rfind(b"\n") + 1].decode().splitlines()
    if path.suffix == ".csv":
        table = list(csv.DictReader(lines))
        assert all(None not in row and None not in row.values() for row in table)
        return [int(row["row"]) for row in table]
    return [json.loads(line)["row"] for line in lines]


def dies_at(folder: Path, site: str, moments: list[int], rows: int) -> None:
    """The disk of the output dies at each of these writes; then `--resume` on a sound one, and `verify`."""
    names, jobs, cases = installed(), [], []
    listed = list_of(folder, f"{site}/bytes/", rows)
    for at in moments:
        engine, (error, how) = names[at % len(names)], DEATHS[(at + at // len(names)) % len(DEATHS)]
        out = folder / f"{at}{('.jsonl', '.csv')[at // 2 % 2]}"
        left, said = folder / f"left{out.name}", folder / f"said{at}-"
        run = [listed, "-e", engine, "-o", out, "--resume", "-q", "--errors"]
        jobs += [
            {"words": [*run, "-c", 1], "said": said, "path": out, "at": at, "error": error, "how": how},
            {"copy": [out, left]},
            {"words": run, "said": folder / f"again{at}-"},
            {"words": ["verify", listed, out], "said": folder / f"verify{at}-"},
        ]
        cases.append((at, how, left, said))
    codes = forked(folder, jobs)
    for index, (at, how, left, said) in enumerate(cases):
        about = f"write {at}, {how}: {said.name}"
        assert codes[3 * index : 3 * index + 3] == [4, 0, 0], about
        message = Path(f"{said}2").read_text()
        assert message.count("\n") == 1, message
        assert f"{left.name.removeprefix('left')}: " in message, about
        cure = "free space there" if "No space left" in message else "check that disk"
        assert message.endswith(f": {cure} and run again\n"), message
        assert ("its last line is torn" in message) == (how == "stuck"), message
        kept = whole(left, torn=how == "stuck")
        head = left.suffix == ".csv"
        assert len(kept) == (rows if how == "close" else max(at - 1 - head, 0)), about
        assert len(set(kept)) == len(kept)
        assert Path(f"{folder / f'verify{at}-'}1").read_text().startswith(f"complete: each of {rows} rows")


def test_a_disk_that_dies_at_the_nth_write(tmp_path: Path, site: str) -> None:
    dies_at(tmp_path, site, [1, 2, 3, 4, 5, 7, 9, 12], 13)


@pytest.mark.long
@pytest.mark.parametrize("first", range(1, 201, 50))
def test_a_disk_that_dies_at_each_of_200_writes(first: int, tmp_path: Path, site: str) -> None:
    dies_at(tmp_path, site, list(range(first, first + 50)), 205)


def test_standard_output_on_a_disk_that_dies(tmp_path: Path, site: str) -> None:
    listed = list_of(tmp_path, f"{site}/bytes/", 12)
    jobs, cases = [], []
    for at, (error, how) in enumerate(DEATHS[:4], 3):
        out = f"{tmp_path}/{at}-1"
        words = [listed, "-e", "sequential", *(["--json"] if at % 2 else [])]
        jobs.append({"words": words, "said": out[:-1], "path": out, "at": at, "error": error, "how": how})
        cases.append((at, how, Path(out).with_name(f"{at}-2")))
    assert forked(tmp_path, jobs) == [4] * len(cases)
    for at, how, said in cases:
        assert said.read_text().count("\n") == 1
        assert "fetch: standard output: " in said.read_text()
        text = (tmp_path / f"{at}-1").read_text()
        assert text.count("\n") == at - 1
        assert text.endswith("\n") or how == "stuck"


def test_a_retry_whose_disk_dies_leaves_the_old_records(tmp_path: Path, site: str) -> None:
    listed, out = tmp_path / "urls.txt", tmp_path / "out.jsonl"
    asked = ["status/503", "bytes/1", "status/502", "bytes/2", *["status/504"] * 4]
    listed.write_text("".join(f"{site}/{path}\n" for path in asked))
    assert fetch(listed, "-o", out, "-q", "--retries", "0").returncode == 1
    before = out.read_bytes()
    new = tmp_path / "out.jsonl.retry.jsonl"
    dead = {"path": new, "error": "EIO"}
    words = ["retry", out, "--retries", "0", "-q", "-c", "1"]
    jobs: list[dict[str, Any]] = []
    for at, how in ((1, "clean"), (2, "short"), (2, "stuck")):
        jobs += [dead | {"words": words, "said": tmp_path / f"{how}-", "at": at, "how": how}]
        jobs += [{"copy": [out, tmp_path / f"kept-{how}"]}]
    jobs += [{"words": words, "said": tmp_path / "sound-"}]
    assert forked(tmp_path, jobs) == [4, 4, 4, 1]
    for how in ("clean", "short", "stuck"):
        assert (tmp_path / f"kept-{how}").read_bytes() == before
        assert (tmp_path / f"{how}-2").read_text().count("\n") == 1
    assert rows_of(out) == list(range(1, 9))
    assert not new.exists()


@pytest.mark.parametrize("blocks", some([8, 200], 200))
def test_a_crawl_whose_state_finds_the_disk_full_goes_on(blocks: int, tmp_path: Path, site: str) -> None:
    words = ["crawl", f"{site}/links/40/0", "--state", str(tmp_path / "state"), "-q"]
    script = f"ulimit -f {blocks}; exec {' '.join(FETCH)} {' '.join(words)}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=50, env=clean(), check=False)
    assert done.returncode == 4, done.stderr
    assert done.stderr.count(b"\n") == 1
    assert b"free space there and run again" in done.stderr
    again = fetch(*words)
    assert again.returncode in (0, 1), again.stderr
    urls = [line.split(b"\t")[3] for line in again.stdout.splitlines()]
    assert len(set(urls)) == len(urls) >= 39


# What a machine may lack.

FEW_THREADS = """if True:
    import _thread, sys, threading
    most, real, begun = int(sys.argv[1]), _thread.start_new_thread, [0]

    def start(*args, **named):
        begun[0] += 1
        if begun[0] > most:
            raise RuntimeError("can't start new thread")
        return real(*args, **named)

    for name in ("start_new_thread", "start_joinable_thread"):
        if hasattr(_thread, name):
            real = getattr(_thread, name)
            setattr(_thread, name, start)
            setattr(threading, f"_{name}", start)
    from fetcher.cli import main
    main(sys.argv[2:])
"""


@pytest.mark.parametrize("engine", some(installed(), "processes"))
def test_too_few_threads(engine: str, tmp_path: Path, site: str) -> None:
    listed, out = list_of(tmp_path, f"{site}/bytes/", 20), tmp_path / "out.jsonl"
    for most in (1, 2, 3, 9):
        words = ["-c", FEW_THREADS, str(most), str(listed), "-e", engine, "-q", "-o", str(out), "--overwrite"]
        words = [sys.executable, *words]
        done = subprocess.run(words, capture_output=True, timeout=30, env=clean(), check=False)
        assert b"Traceback" not in done.stderr, done.stderr
        if most < 2:  # the list is read in one, the loop runs in another
            assert (done.returncode, out.read_bytes()) == (4, b"")
            assert done.stderr.startswith(b"fetch: can't start new thread: end other programs, or raise the")
            continue
        assert rows_of(out) == list(range(1, 21))
        kinds = {json.loads(line)["error"] for line in out.read_text().splitlines()}
        assert kinds in ({None}, {"local_memory"})
        assert done.returncode == int(kinds != {None})
        assert most < 9 or kinds == {None}


@pytest.mark.long
@pytest.mark.parametrize("engine", installed())
@pytest.mark.parametrize("mebibytes", [70, 80, 100, 150, 300])
def test_too_little_memory(engine: str, mebibytes: int, tmp_path: Path, site: str) -> None:
    """Of address space; where there is hardly any, Python or libcurl itself may give up: the file goes on."""
    listed, out = list_of(tmp_path, f"{site}/bytes/", 200), tmp_path / "out.jsonl"
    words = [listed, "-e", engine, "-q", "-o", out, "--resume", "--errors"]
    limit = mebibytes << 20
    done = subprocess.run(
        [*FETCH, *map(str, words)],
        capture_output=True,
        timeout=60,
        env=clean(),
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    if done.returncode not in (-signal.SIGABRT, -signal.SIGSEGV) or mebibytes >= 150:
        assert done.returncode in (0, 1, 4), done.stderr
        assert b"Traceback" not in done.stderr
        assert b"a bug in fetch" not in done.stderr
    for record in map(json.loads, out.read_text().splitlines() if out.exists() else ()):
        assert record["error"] in (None, "local_memory"), record
    assert fetch(*words).returncode in (0, 1)
    assert fetch("verify", listed, out).returncode in (0, 1)
    assert rows_of(out) == list(range(1, 201))


STEPPING = """if True:
    import sys, threading, time
    real, real_ns, begun = time.time, time.time_ns, time.monotonic()

    def off():  # an hour ahead, an hour behind, in turns of 0.1 s
        return (0, 3600, -3600)[int((time.monotonic() - begun) * 10) % 3]

    time.time = lambda: real() + off()
    time.time_ns = lambda: real_ns() + off() * 10**9
    from fetcher.cli import main
    main(sys.argv[1:])
"""


@pytest.mark.parametrize("engine", some(installed(), "asyncio"))
def test_a_clock_that_jumps_an_hour(engine: str, tmp_path: Path, site: str) -> None:
    listed, out, totals = tmp_path / "urls.txt", tmp_path / "out.jsonl", tmp_path / "totals.json"
    with hanging() as silent:
        listed.write_text("".join(f"{site}/delay/0.25/{n}\n" for n in range(4)) + f"{silent.url}\n")
        words = [str(listed), "-e", engine, "-o", str(out), "--timeout", "1", "--retries", "0", "-q"]
        words += ["--summary", str(totals), "--host-rate", "5"]
        began = time.monotonic()
        words = [sys.executable, "-c", STEPPING, *words]
        done = subprocess.run(words, capture_output=True, timeout=40, env=clean(), check=False)
        took = time.monotonic() - began
    assert (done.returncode, done.stderr) == (1, b"")
    records = sorted((json.loads(line) for line in out.read_text().splitlines()), key=lambda one: one["row"])
    assert [record["error"] for record in records] == [None] * 4 + ["read_timeout"]
    for record in records:
        times = [record[name] or 0 for name in ("dns", "connect", "tls", "ttfb")]
        assert all(0 <= one <= record["elapsed"] + 0.001 for one in times), record
        assert 0.24 < record["elapsed"] < 3.0
    assert records[4]["elapsed"] > 0.9
    assert 0 < json.loads(totals.read_text())["seconds"] < took < 20


# What it says, and to whom.

URLS = "http://b\u00fccher.invalid/\u2603\n"


@pytest.mark.parametrize("encoding", some(["ascii", "latin-1", "utf-16"], "ascii"))
def test_no_encoding_is_too_poor(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text(URLS, encoding="utf-8")
    env = clean() | {
        "LC_ALL": "C",
        "PYTHONIOENCODING": encoding,
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }
    words = [*FETCH, "urls.txt", "--json", "-o", "out.csv", "-o", "out.jsonl", "-o", "out.md"]
    env["PYTHONPATH"] = str(Path(__file__).parents[1])
    done = subprocess.run(words, capture_output=True, timeout=50, cwd=tmp_path, env=env, check=False)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert json.loads(done.stdout)["url"] == URLS.strip()  # JSON is UTF-8 whatever the terminal is
    assert (tmp_path / "out.jsonl").read_bytes() == done.stdout
    for name in ("out.csv", "out.md"):
        assert URLS.strip() in (tmp_path / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("unbuffered", some(["", "1"], ""))
def test_standard_output_that_takes_nothing(unbuffered: str, tmp_path: Path, site: str) -> None:
    """Full: 4. Without a reader: 141, in silence. Closed: 2. Of the commands that print when all is done."""
    listed, out = list_of(tmp_path, f"{site}/bytes/", 3), tmp_path / "out.jsonl"
    assert fetch(listed, "-o", out, "-q").returncode == 0
    commands = [f"verify {listed} {out}", f"report {out}", "--version"]
    commands += [f"diff {out} {out} --json", "engines"] if unbuffered else []
    full = " >/dev/full; echo $? >&2" if Path("/dev/full").exists() else "; echo standard output 4 >&2"
    for words in commands:
        run = f"{' '.join(FETCH)} {words}"
        script = f"{run}{full}; {run} | true; echo ${{PIPESTATUS[0]}} >&2; {run} >&-; echo $? >&2"
        env = clean() | {"PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=50, env=env, check=False)
        said = done.stderr.decode().splitlines()
        assert said[0].startswith("fetch: standard output: No space left on device"), said
        told = ["fetch: standard output is closed: open it, or send it to /dev/null", "2"]
        assert said[1:] == ["4", "141", *(["0"] if words == "--version" else told)], words


INTERRUPTED = """if True:
    import os, signal, sys

    class Hook:
        def find_spec(self, name, *_):
            if name == sys.argv[1]:
                os.kill(os.getpid(), signal.SIGINT)

    from fetcher.cli import main
    sys.meta_path.insert(0, Hook())
    main(sys.argv[2:])
"""


@pytest.mark.parametrize("module", ["typer", "fetcher.cli.get", "fetcher.run"])
def test_ctrl_c_while_it_is_loaded(module: str, site: str) -> None:
    words = [sys.executable, "-c", INTERRUPTED, module, f"{site}/bytes/1"]
    done = subprocess.run(words, capture_output=True, timeout=30, env=clean(), check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def signalled(folder: Path, engine: str, number: int, times: int, moment: Callable[[], float]) -> None:
    """Stopped by a signal, again and again at any moment, until it ends: every row once."""
    out = folder / f"{engine}{number}{times}{('.jsonl', '.csv')[times - 1]}"
    with web(slow(0.02)) as site:
        listed = list_of(folder, site.url, 60)
        words = [listed, "-o", out, "--resume", "-e", engine, "-c", 1 if engine == "sequential" else 3]
        for _ in range(4):
            seen = len(site.log)
            child = start(*words, stderr=subprocess.PIPE)
            until(lambda seen=seen, child=child: len(site.log) > seen or child.poll() is not None)
            time.sleep(moment())
            for _ in range(times):
                child.send_signal(number)
                time.sleep(0.01)
            _, said = child.communicate(timeout=8)
            assert child.returncode in (128 + number, 0, -number), said  # it may have come to its end
            assert b"Traceback" not in said
            rows_of(out)
        assert fetch(*words).returncode == 0
        assert fetch("verify", listed, out).returncode == 0
    assert rows_of(out) == list(range(1, 61))


@pytest.mark.long
@pytest.mark.parametrize("engine", installed())
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 2])
def test_stopped_at_any_moment_it_goes_on(engine: str, number: int, times: int, tmp_path: Path) -> None:
    order = random.Random(f"{engine}{number}{times}")
    signalled(tmp_path, engine, number, times, lambda: order.random() * 0.3)
