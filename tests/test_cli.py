"""The command as a person or a script meets it: streams, exit codes, signals, pipes, mistakes."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fetcher import engines, menu
from fetcher.errors import UsageError
from tests.servers import hanging

FETCH = [sys.executable, "-m", "fetcher"]


def clean() -> dict[str, str]:
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("FETCH_") or key == "FETCH_CORPORA"
    }


def fetch(*words: object, stdin: bytes | None = None, cwd: Path | None = None, **env: str):
    return subprocess.run(
        [*FETCH, *map(str, words)],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=50,
        cwd=cwd,
        env=clean() | env,
        check=False,
    )


def installed() -> list[str]:
    names = []
    for name in menu.names(engines):
        try:
            engines.pick(name)
            names.append(name)
        except UsageError:
            pass
    return names


@pytest.fixture
def listed(tmp_path: Path, site: str) -> Path:
    path = tmp_path / "urls.txt"
    path.write_text(
        f"# a list\n\n{site}/bytes/10\r\n{site}/status/404\nhttp://some-made-up-domain.invalid/\n"
    )
    return path


def test_one_line_per_url_on_stdout_and_a_summary_that_adds_up(listed: Path, site: str) -> None:
    done = fetch(listed)
    assert done.returncode == 1
    rows = sorted(line.split("\t") for line in done.stdout.decode().splitlines())
    assert [len(row) for row in rows] == [5, 5, 5]
    assert [row[0] for row in rows] == ["200", "404", "dns_not_found"]
    assert rows[0][1] == "10"
    assert rows[0][3] == f"{site}/bytes/10"
    assert b"5 lines read = 1 ok + 2 failed + 2 skipped (1 comment, 1 blank) + 0 left" in done.stderr


@pytest.mark.parametrize("engine", installed())
def test_json_has_every_column(listed: Path, engine: str) -> None:
    done = fetch("--json", "-e", engine, listed, "-q")
    assert done.returncode == 1
    assert done.stderr == b""
    records = sorted(map(json.loads, done.stdout.splitlines()), key=lambda record: record["row"])
    from fetcher.model import COLUMNS

    assert [tuple(record) for record in records] == [COLUMNS] * 3
    assert [record["error"] for record in records] == [None, None, "dns_not_found"]
    assert [record["input"] for record in records] == [str(listed)] * 3
    assert [record["engine"] for record in records] == [engine] * 3


def test_get_is_the_default_and_options_stand_anywhere(listed: Path, site: str) -> None:
    outputs = {
        fetch(*words, "-q", "--errors").returncode
        for words in (
            [listed],
            ["get", listed],
            ["-c", "3", listed],
            [listed, "-c", "3"],
            ["--engine=threads", listed],
        )
    }
    assert outputs == {1}
    assert fetch(f"{site}/bytes/1", f"{site}/bytes/2").returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["urls.tx"], "did you mean urls.txt"),
        (["auditt"], "auditt"),
        (["enginees"], "did you mean the command engines"),
        (["urls.txt", "-e", "asynchio"], "did you mean asyncio"),
        (["urls.txt", "--max-size", "many"], "--max-size many"),
        (["urls.txt", "--http", "2"], "needs the curl engine"),
        (["urls.txt", "-H", "no colon"], "NAME: VALUE"),
        (["urls.txt", "-H", "Host: x"], "Host"),
        (["urls.txt", "-o", "out.docx"], ".jsonl"),
        (["urls.txt", "-o", "there.jsonl"], "--overwrite"),
        (["urls.txt", "-o", "nowhere/out.jsonl"], "nowhere"),
        (["urls.txt", "-4", "-6"], "-4 and -6"),
        (["urls.txt", "--timeout", "0"], "--timeout"),
        (["urls.txt", "--timeout", "soon"], "soon"),
        (["urls.txt", "--enginee", "threads"], "--engine"),
        (["urls.txt", "--proxy", "nonsense"], "--proxy"),
        (["table.csv", "--column", "link"], "link"),
        (["example.org"], "http://example.org"),
        (["-", "-"], "-"),
        ([".", "-q"], "."),
    ],
)
def test_mistakes_are_one_clear_line_before_the_first_request(
    tmp_path: Path, words: list[str], said: str
) -> None:
    (tmp_path / "urls.txt").write_text("http://127.0.0.1:1/\n")
    (tmp_path / "there.jsonl").write_text("precious\n")
    (tmp_path / "table.csv").write_text("url,size\nhttp://127.0.0.1:1/,3\n")
    done = fetch(*words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stdout == b""
    assert said in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()
    assert (tmp_path / "there.jsonl").read_text() == "precious\n"


def test_standard_input(site: str) -> None:
    for words in ([], ["-"]):
        done = fetch(*words, "-q", stdin=f"{site}/bytes/3\n".encode())
        assert (done.returncode, done.stdout.split(b"\t")[:2]) == (0, [b"200", b"3"])
    nothing = fetch(stdin=b"")
    assert nothing.returncode == 0
    assert b"0 lines read" in nothing.stderr


def test_each_record_comes_within_a_second_of_its_line(tmp_path: Path, site: str) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen([*FETCH, str(fifo), "--json", "-q"], stdout=subprocess.PIPE, env=clean()) as child:
        assert child.stdout is not None
        with fifo.open("w", buffering=1) as lines:
            lines.write(f"{site}/bytes/0\n")
            child.stdout.readline()  # the start of the interpreter is not the record's
            for n in range(1, 4):
                time.sleep(0.4)
                began = time.monotonic()
                lines.write(f"{site}/bytes/{n}\n")
                record = json.loads(child.stdout.readline())
                assert time.monotonic() - began < 1.0
                assert record["size"] == n
        assert child.wait(10) == 0


@pytest.mark.parametrize("engine", installed())
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_cleanly(tmp_path: Path, site: str, engine: str, number: int, code: int) -> None:
    """The first signal drains for at most 5 s; the second does not wait. What was fetched is whole."""
    out = tmp_path / "out.jsonl"
    with hanging() as silent:
        listed = tmp_path / "urls.txt"
        listed.write_text(f"{site}/bytes/1\n" + f"{silent.url}\n" * 3)
        words = [*FETCH, str(listed), "-o", str(out), "-e", engine, "--timeout", "60", "-c", "4"]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=clean()) as child:
            until = time.monotonic() + 20
            while not (out.exists() and out.stat().st_size) and time.monotonic() < until:
                time.sleep(0.05)
            child.send_signal(number)
            time.sleep(0.5)
            assert child.poll() is None
            began = time.monotonic()
            child.send_signal(number)
            _, said = child.communicate(timeout=20)
            assert time.monotonic() - began < 3.0
    assert child.returncode == code
    assert [json.loads(line)["size"] for line in out.read_text().splitlines()] == [1]
    (lines, left), *_ = re.findall(rb"(\d) lines read = 1 ok \+ 0 failed \+ 0 skipped \+ (\d) left", said)
    assert int(lines) == 1 + int(left)
    assert int(left) >= 1
    assert b"Traceback" not in said


def test_one_signal_waits_for_what_is_in_flight(tmp_path: Path, site: str) -> None:
    listed = tmp_path / "urls.txt"
    listed.write_text(f"{site}/bytes/1\n{site}/delay/1.5\n" + f"{site}/delay/1.5\n" * 50)
    words = [*FETCH, str(listed), "-c", "2", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean()) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(signal.SIGINT)
        rest, said = child.communicate(timeout=20)
    assert child.returncode == 130
    assert all(json.loads(line)["ok"] for line in rest.splitlines())
    assert len(rest.splitlines()) <= 3
    assert b" left" in said


def test_a_reader_that_leaves_ends_it_quietly(tmp_path: Path, site: str) -> None:
    listed = tmp_path / "urls.txt"
    listed.write_text(f"{site}/bytes/1\n" * 20_000)
    script = f"{' '.join(FETCH)} {listed} | head -n 1; echo ${{PIPESTATUS[0]}}"
    began = time.monotonic()
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=50, env=clean(), check=False)
    assert time.monotonic() - began < 15
    assert done.stdout.splitlines()[-1] == b"141"
    assert done.stderr == b""
    out = tmp_path / "out.jsonl"
    listed.write_text(f"{site}/bytes/1\n" * 3000)
    script = f"{' '.join(FETCH)} {listed} -o {out} | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=50, env=clean(), check=False)
    assert done.stdout.splitlines()[-1] == b"0"
    assert len(out.read_text().splitlines()) == 3000


def test_a_full_disk_is_one_line_and_exit_4(listed: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*FETCH, str(listed)], stdout=full, stderr=subprocess.PIPE, timeout=50, env=clean(), check=False
        )
    assert done.returncode == 4
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr
    done = fetch(listed, "-o", "/dev/full")
    assert done.returncode == 2 or b"No space left" in done.stderr


def test_outputs_by_suffix(tmp_path: Path, listed: Path) -> None:
    paths = [tmp_path / f"out{suffix}" for suffix in (".jsonl", ".csv", ".md")]
    done = fetch(listed, "-q", *[word for path in paths for word in ("-o", path)])
    assert done.returncode == 1
    assert len(paths[0].read_text().splitlines()) == 3
    assert len(paths[1].read_text().splitlines()) == 4
    again = fetch(listed, "-q", "-o", paths[0])
    assert again.returncode == 2
    assert fetch(listed, "-q", "-o", paths[0], "--overwrite").returncode == 1
    assert len(paths[0].read_text().splitlines()) == 3


def test_the_summary_as_json(tmp_path: Path, listed: Path) -> None:
    fetch(listed, "-q", "--summary", tmp_path / "totals.json")
    totals = json.loads((tmp_path / "totals.json").read_text())
    assert (totals["lines"], totals["ok"], totals["failed"], totals["left"]) == (5, 1, 2, 0)
    assert totals["skipped"] == {"comment": 1, "blank": 1}
    assert totals["cpu"] > 0


def test_settings_from_the_environment_and_fetch_toml(tmp_path: Path, site: str) -> None:
    url = f"{site}/status/503"
    (tmp_path / "fetch.toml").write_text('retries = 0\nengine = "threads"\n')
    record = json.loads(fetch(url, "--json", "-q", cwd=tmp_path).stdout)
    assert (record["attempts"], record["engine"]) == (1, "threads")
    record = json.loads(fetch(url, "--json", "-q", cwd=tmp_path, FETCH_ENGINE="sequential").stdout)
    assert record["engine"] == "sequential"
    record = json.loads(
        fetch(url, "--json", "-q", "-e", "asyncio", cwd=tmp_path, FETCH_ENGINE="sequential").stdout
    )
    assert record["engine"] == "asyncio"
    (tmp_path / "fetch.toml").write_text("insecure = true\n")
    refused = fetch(url, cwd=tmp_path)
    assert refused.returncode == 2
    assert b"--config" in refused.stderr
    (tmp_path / "fetch.toml").write_text("retrys = 1\n")
    assert b"did you mean retries" in fetch(url, cwd=tmp_path).stderr


def test_a_terminal_sees_aligned_lines_and_no_raw_escape(tmp_path: Path, site: str) -> None:
    listed = tmp_path / "urls.txt"
    listed.write_text(f"{site}/bytes/246819\n" + "http://evil\x1b[2J.invalid/\n")
    leader, follower = pty.openpty()
    words = [*FETCH, str(listed)]
    with subprocess.Popen(
        words, stdin=follower, stdout=follower, stderr=follower, env=clean() | {"NO_COLOR": "1"}
    ) as child:
        os.close(follower)
        seen = b""
        until = time.monotonic() + 20
        while time.monotonic() < until and select.select([leader], [], [], 5)[0]:
            try:
                seen += os.read(leader, 4096)
            except OSError:
                break
        child.wait(10)
    os.close(leader)
    assert b"246,819 B" in seen
    assert f"{site}/bytes/246819".encode() in seen
    assert b"\x1b[2J" not in seen
    assert b"invalid_url" in seen


def test_no_unicode_error_under_the_c_locale(tmp_path: Path, site: str) -> None:
    listed = tmp_path / "urls.txt"
    listed.write_text("http://b\u00fccher.invalid/\u2603\n", encoding="utf-8")
    done = fetch(listed, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"dns_not_found" in done.stdout


def test_closed_streams_are_no_traceback(listed: Path) -> None:
    script = f"{' '.join(FETCH)} {listed} <&- >&-; echo $? >&2"
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=50, env=clean(), check=False)
    assert b"Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == b"2"


def test_version_engines_and_help() -> None:
    assert fetch("--version").stdout.startswith(b"fetch 0.")
    listing = fetch("engines").stdout.decode()
    for name in menu.names(engines):
        assert name in listing
    shown = fetch("--help", COLUMNS="100", NO_COLOR="1", TERM="dumb").stdout.decode()
    for word in ("--engine", "--per-host", "fetch serve", "fetch demo", "fetch engines"):
        assert word in shown
    assert fetch("--help", COLUMNS="40", NO_COLOR="1").returncode == 0


def test_serve_prints_its_address_and_ends_on_a_signal() -> None:
    with subprocess.Popen([*FETCH, "serve", "--port", "0"], stdout=subprocess.PIPE, env=clean()) as child:
        assert child.stdout is not None
        base = child.stdout.readline().decode().strip()
        assert fetch(f"{base}/bytes/5", "-q").stdout.split(b"\t")[1] == b"5"
        child.send_signal(signal.SIGINT)
        assert child.wait(5) == 130
