"""The command as a person or a script meets it: streams, exit codes, signals, pipes, mistakes."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fetcher import engines, menu
from fetcher.cli import COMMANDS, options
from fetcher.cli._settings import settings
from fetcher.comparison.arms import installed
from fetcher.errors import UsageError
from tests.ledgers import FETCH, clean, is_prompt
from tests.servers import hanging


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
        (["urls.txt", "--http", "2"], "HTTP/1.1 only"),
        (["urls.txt", "-H", "no colon"], "NAME: VALUE"),
        (["urls.txt", "-H", "Host: x"], "Host"),
        (["urls.txt", "-o", "out.docx"], ".jsonl"),
        (["urls.txt", "-o", "there.jsonl"], "--overwrite"),
        (["urls.txt", "-o", "nowhere/out.jsonl"], "nowhere"),
        (["urls.txt", "-4", "-6"], "-4 and -6"),
        (["urls.txt", "--timeout", "0"], "--timeout 0: give seconds above 0\n"),
        (["urls.txt", "--timeout", "1e20"], "--timeout 1e+20: give seconds above 0 and below 10,000,000\n"),
        (["urls.txt", "-c", "9" * 20], f"{'9' * 20}: give a whole number from 0 on and below 1,125,899,90"),
        (["urls.txt", "--max-size", "9" * 400], "give less than 1,125,899,906,842,624 bytes"),
        (["urls.txt", "--timeout", "soon"], "--timeout: 'soon' is not a number: see fetch get --help"),
        (["urls.txt", "--retries", "x"], "--retries: 'x' is not a whole number: see fetch get --help"),
        (["urls.txt", "--timeout"], "option '--timeout' requires an argument: see fetch get --help"),
        (["urls.txt", "--enginee", "threads"], "no option --enginee: did you mean --engine? see fetch get"),
        (["urls.txt", "-Z"], "no such option: -Z: see fetch get --help"),
        (["serve", "--port", "abc"], "--port: 'abc' is not a whole number: see fetch serve --help"),
        (["engines", "more"], "(more): see fetch engines --help"),
        (["urls.txt", "--save", ""], "--save: the name is empty: name a directory"),
        (["urls.txt", "--summary", ""], "--summary: the name is empty: name a file"),
        (["urls.txt", "--config="], "--config: the name is empty: name a file"),
        (["urls.txt", "--resolve", "a:1:b"], "b is no IP address"),
        (["urls.txt", "--resolve", "a:99999:1.2.3.4"], "99999 is no port: give a whole number from 1 to"),
        (["urls.txt", "--resolve", "a:0:[::1]"], "0 is no port"),
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
    assert done.stderr.startswith(b"fetch: ")
    assert len(done.stderr.splitlines()) == 1
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
        is_prompt(child, fifo, [f"{site}/bytes/0"], [f"{site}/bytes/{n}" for n in range(1, 4)])


@pytest.mark.parametrize("engine", installed())
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_it_cleanly(tmp_path: Path, site: str, engine: str, number: int, code: int) -> None:
    """The first signal drains for at most 5 s; the second does not wait. What was fetched is whole."""
    out = tmp_path / "out.jsonl"
    with hanging() as silent:
        listed = tmp_path / "urls.txt"
        listed.write_text(f"{site}/bytes/1\n" + f"{silent.url}\n" * 3)
        words = [*FETCH, str(listed), "-o", str(out), "-e", engine, "--timeout", "60"]
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
    assert said.startswith(b"interrupted after ")
    (lines, left), *_ = re.findall(rb"(\d) lines read = 1 ok \+ 0 failed \+ 0 skipped \+ (\d) left", said)
    assert int(lines) == 1 + int(left)
    assert int(left) >= 1
    assert b"Traceback" not in said


@pytest.mark.parametrize("name", ["INT", "HUP"])
def test_a_signal_that_was_ignored_from_the_start_stays_ignored(tmp_path: Path, site: str, name: str) -> None:
    listed = tmp_path / "urls.txt"
    listed.write_text(f"{site}/bytes/1\n{site}/delay/1.5\n")
    script = f"trap '' {name}; exec {' '.join(FETCH)} {listed} --json"
    with subprocess.Popen(["bash", "-c", script], stdout=subprocess.PIPE, env=clean()) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(getattr(signal, f"SIG{name}"))
        rest, _ = child.communicate(timeout=20)
    assert child.returncode == 0
    assert json.loads(rest)["ok"]


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


@pytest.mark.parametrize(
    ("rows", "said"),
    [(9, b"waiting for servers, 2 at once: raise --concurrency"), (2, b"every URL was under way at once")],
)
def test_what_limited_a_run_that_was_stopped_before_its_first_answer(
    tmp_path: Path, rows: int, said: bytes
) -> None:
    listed = tmp_path / "urls.txt"
    with hanging() as silent:
        listed.write_text(f"{silent.url}\n" * rows)
        words = [*FETCH, str(listed), "-c", "2"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean()) as child:
            until = time.monotonic() + 20
            while silent.connections < 2 and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(1.0)
            child.send_signal(signal.SIGINT)
            time.sleep(0.3)
            child.send_signal(signal.SIGINT)
            out, words_of_it = child.communicate(timeout=20)
    assert (child.returncode, out) == (130, b"")
    assert said in words_of_it
    assert f"{rows} left".encode() in words_of_it


def test_failures_go_to_standard_output_and_every_record_to_files(tmp_path: Path, listed: Path) -> None:
    done = fetch(listed, "-o", "all.jsonl", "-o", "all.csv", "--errors", "-q", "-e", "Threads", cwd=tmp_path)
    assert done.returncode == 1
    assert sorted(line.split(b"\t")[0] for line in done.stdout.splitlines()) == [b"404", b"dns_not_found"]
    records = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert {record["engine"] for record in records} == {"threads"}
    assert len(records) == 3
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 4


def test_going_on_by_the_commands_of_the_readme(tmp_path: Path, listed: Path) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    section = readme.partition("### Killed, stopped, failed: going on")[2].split("```")[1]
    codes = []
    for line in section.strip().splitlines():
        script = f'fetch() {{ {" ".join(FETCH)} "$@"; }}; {line}'
        done = subprocess.run(
            ["sh", "-c", script], cwd=tmp_path, env=clean(), capture_output=True, check=False
        )
        codes.append((line.split()[1], done.returncode))
    assert codes == [("urls.txt", 1), ("verify", 0), ("retry", 0), ("retry", 0), ("report", 0)]
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 4


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


@pytest.fixture
def many(tmp_path: Path, site: str) -> Callable[[int], Path]:
    def write(count: int) -> Path:
        path = tmp_path / "many.txt"
        path.write_text("".join(f"{site}/bytes/{n}\n" for n in range(count)))
        return path

    return write


@pytest.mark.parametrize(
    ("words", "signals"),
    [
        (["--json"], (signal.SIGINT, signal.SIGINT)),
        (["-o", "/dev/fd/1"], (signal.SIGTERM,)),
        (["-o", "FIFO"], (signal.SIGTERM, signal.SIGINT)),
    ],
)
def test_a_signal_ends_it_although_nobody_reads(
    tmp_path: Path, many: Callable[[int], Path], words: list[str], signals: tuple[int, ...]
) -> None:
    fifo = tmp_path / "fifo.jsonl"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    out = subprocess.DEVNULL if "FIFO" in words else subprocess.PIPE
    words = [str(fifo) if word == "FIFO" else word for word in words]
    with subprocess.Popen(
        [*FETCH, str(many(3000)), *words, "-q"], stdout=out, stderr=subprocess.PIPE, env=clean()
    ) as child:
        time.sleep(2.0)
        assert child.poll() is None
        for number in signals:
            child.send_signal(number)
            time.sleep(0.3)
        assert child.wait(3 if len(signals) > 1 else 9) == 128 + signals[0]
        assert child.stderr is not None
        assert child.stderr.read() == b""
        if child.stdout is not None:
            held = child.stdout.read()
            assert held.endswith(b"\n")
            assert len(held) > 10_000
    os.close(reader)


def test_what_was_given_up_is_told(many: Callable[[int], Path]) -> None:
    with subprocess.Popen(
        [*FETCH, str(many(3000))], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean()
    ) as child:
        time.sleep(2.5)
        child.send_signal(signal.SIGINT)
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        assert child.wait(3) == 130
        assert child.stderr is not None
        said = child.stderr.read().decode()
        assert child.stdout is not None
        printed = len(child.stdout.read().splitlines())
    assert said.startswith("interrupted after ")
    (lost,) = re.findall(r"standard output: nobody read on, so the last ([\d,]+) results are not in it", said)
    done, left = re.findall(r"([\d,]+) ok \+ 0 failed \+ 0 skipped \+ ([\d,]+) left", said)[0]
    numbers = [int(text.replace(",", "")) for text in (lost, done, left)]
    assert printed < numbers[1] <= printed + numbers[0]  # a batch may be there in part
    assert numbers[1] + numbers[2] == 3000


def test_a_slow_reader_of_a_fifo_falsifies_nothing(tmp_path: Path, many: Callable[[int], Path]) -> None:
    fifo, heard = tmp_path / "slow.jsonl", bytearray()
    os.mkfifo(fifo)

    def read() -> None:
        with fifo.open("rb", buffering=0) as stream:
            for pause in (1.6, 1.2, 1.2, 0.0):
                time.sleep(pause)
                heard.extend(stream.read(65536))
            while piece := stream.read(65536):
                heard.extend(piece)

    reader = threading.Thread(target=read)
    reader.start()
    done = fetch(many(600), "-o", fifo, "--timeout", "1", "--retries", "0", "-q")
    reader.join(20)
    assert done.returncode == 0, done.stdout.decode()
    records = [json.loads(line) for line in heard.splitlines()]
    assert sorted(record["size"] for record in records) == list(range(600))
    assert max(record["elapsed"] for record in records) < 1.0  # the reader's pauses are not the server's


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_reader_of_an_output_that_leaves(tmp_path: Path, many: Callable[[int], Path], suffix: str) -> None:
    """The other outputs are completed, and nothing is said; where none is left the run ends, 141."""
    fifo = tmp_path / f"fifo{suffix}"
    os.mkfifo(fifo)
    words = {"fifo": fifo, "fetch": " ".join(FETCH), "listed": many(2000)}
    script = "head -c 200 {fifo} >/dev/null & {fetch} {listed} -o {fifo} | cat; echo ${{PIPESTATUS[0]}} >&2"
    done = subprocess.run(
        ["bash", "-c", script.format(**words)], capture_output=True, timeout=50, env=clean(), check=False
    )
    assert done.stderr.startswith(b"2,000 URLs in ")
    assert done.stderr.splitlines()[-1] == b"0"
    assert len(done.stdout.splitlines()) == 2000
    script = "head -c 200 {fifo} >/dev/null & {fetch} {listed} -o {fifo} | head -n 1; echo ${{PIPESTATUS[0]}}"
    words["listed"] = many(20_000)
    done = subprocess.run(
        ["bash", "-c", script.format(**words)], capture_output=True, timeout=50, env=clean(), check=False
    )
    assert (done.stdout.splitlines()[-1], done.stderr) == (b"141", b"")


def test_one_file_is_not_written_from_two_positions(tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("http://127.0.0.1:1/\n")
    for end, name in ((">>", "standard output"), ("2>>", "standard error")):
        for given in ("x.jsonl", "/dev/stdout" if end == ">>" else "/dev/stderr"):
            (tmp_path / "x.jsonl").write_text("mine\n")
            script = f"{' '.join(FETCH)} urls.txt -o {given} --overwrite {end} x.jsonl"
            done = subprocess.run(
                ["bash", "-c", script],
                capture_output=True,
                cwd=tmp_path,
                env=clean(),
                timeout=20,
                check=False,
            )
            assert done.returncode == 2
            said = done.stderr.decode() + (tmp_path / "x.jsonl").read_text()
            assert f"{given} is where {name} goes" in said or given.startswith("/dev/")
            assert (tmp_path / "x.jsonl").read_text().startswith("mine\n")


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


SMALL = """
mount -t tmpfs -o size=96k none disk
"$@"
code=$?
ls -A disk > saved
exit $code
"""


@pytest.mark.parametrize("engine", installed())
def test_a_full_disk_under_save_ends_the_run(
    tmp_path: Path, many: Callable[[int], Path], engine: str
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["sh", "-c", f"unshare -rm mount -t tmpfs none {disk}"], check=False).returncode:
        pytest.skip("unshare -rm does not work here")
    listed = many(200)
    listed.write_text(listed.read_text().replace("/bytes/", "/bytes/10"))  # 100 to 10199 bytes
    few = ["-c", "4"] if engine != "sequential" else []
    run = [*FETCH, "many.txt", "-e", engine, *few, "--save", "disk", "-o", "out.jsonl", "-q"]
    words = ["unshare", "-rm", "sh", "-c", SMALL, "sh", *run]
    env = clean() | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(words, capture_output=True, timeout=50, cwd=tmp_path, env=env, check=False)
    assert done.returncode == 4, done.stderr
    said = b"fetch: --save disk: No space left on device; what was saved and recorded so far stays; free"
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(done.stdout.splitlines()) == len(records)
    assert 5 < len(records) < 60
    assert all(record["saved"] for record in records)  # what found it full is asked again by a resumed run
    kept = (tmp_path / "saved").read_text().split()
    assert sorted(kept) == sorted(Path(record["saved"]).name for record in records if record["saved"])


def test_a_name_that_is_taken_under_save_does_not_end_the_run(
    tmp_path: Path, many: Callable[[int], Path]
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "000002-127.0.0.1-1").write_bytes(b"mine, and longer")
    done = fetch(many(20), "--save", tmp_path / "disk", "-q")
    assert done.returncode == 1
    first = sorted(line.split(b"\t")[0] for line in done.stdout.splitlines())
    assert first == [b"200"] * 19 + [b"local_disk"]


def test_two_runs_do_not_write_to_one_file(tmp_path: Path, listed: Path, site: str) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("old\n")
    words = [*FETCH, "-", "-q", "-o", str(out), "--overwrite"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean()) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(f"{site}/bytes/1\n".encode())
        child.stdin.flush()
        child.stdout.readline()
        done = fetch(listed, "-o", out, "--overwrite")
        child.stdin.close()
        assert child.wait(10) == 0
    assert (done.returncode, done.stdout) == (2, b"")  # before its first request
    assert done.stderr.startswith(f"fetch: {out} is being written by another run: wait".encode())
    assert [json.loads(line)["size"] for line in out.read_text().splitlines()] == [1]
    assert fetch(listed, "-q", "-o", out, "--overwrite").returncode == 1


@pytest.mark.parametrize("engine", installed())
def test_a_key_log_that_cannot_be_written_is_told_before_the_first_request(engine: str, site: str) -> None:
    done = fetch(f"{site}/bytes/1", "-e", engine, SSLKEYLOGFILE="/nonexistent/x")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"fetch: SSLKEYLOGFILE=/nonexistent/x: No such file or directory: name a")
    assert len(done.stderr.splitlines()) == 1


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


def test_the_summary_follows_the_rules_of_outputs(tmp_path: Path, listed: Path) -> None:
    precious = tmp_path / "precious.json"
    precious.write_text("mine")
    for words in (
        ["--summary", precious],
        ["--summary", tmp_path / "absent" / "x.json"],
        ["--summary", listed, "--overwrite"],
        ["--summary", tmp_path / "x.csv", "-o", tmp_path / "x.csv"],
        ["--summary", "-"],
    ):
        done = fetch(listed, *words)
        assert done.returncode == 2
        assert done.stdout == b""  # before the first request
    assert precious.read_text() == "mine"
    assert not (tmp_path / "x.csv").exists()
    assert fetch(listed, "-q", "--summary", precious, "--overwrite").returncode == 1
    assert json.loads(precious.read_text())["interrupted"] is False


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
    assert fetch(url, "-q", "--config", "fetch.toml", cwd=tmp_path).returncode == 1
    (tmp_path / "fetch.toml").write_text("retrys = 1\n")
    assert b"did you mean retries" in fetch(url, cwd=tmp_path).stderr


@pytest.mark.parametrize(
    "line",
    [
        'data = "@../secret"',
        'summary = "precious"',
        'output = ["precious.jsonl"]',
        "overwrite = true",
        'cacert = "ca.pem"',
        'resolve = ["a:80:127.0.0.1"]',
        'save = "."',
        'method = "DELETE"',
        "insecure = true",
        'proxy = "http://127.0.0.1:1"',
        "debug = true",
    ],
)
def test_a_file_in_the_working_directory_can_do_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    (tmp_path / "fetch.toml").write_text(line)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=f"{line.split()[0]!r} may not be set by a file that happens"):
        settings()
    assert line.split()[0] in settings("fetch.toml")  # what the message advises


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('timeout = "soon"', "fetch.toml: 'timeout' is 'soon', but seconds are wanted"),
        ("concurrency = true", "'concurrency' is True, but a whole number is wanted"),
        ("retries = 1.5", "'retries' is 1.5, but a whole number is wanted"),
        ('rate = "9"', "'rate' is '9', but a number is wanted"),
        ("json = 1", "'json' is 1, but true or false is wanted"),
        ("engine = 1", "'engine' is 1, but text is wanted"),
        ("[engine]\nname = 1", "'engine' is {'name': 1}, but text is wanted"),
        ("timeout = 0", "'timeout' is 0.0: give seconds above 0"),
        ("per-host = -1", "'per-host' is -1: give "),
    ],
)
def test_a_wrong_value_in_a_file_names_file_and_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, said: str
) -> None:
    (tmp_path / "fetch.toml").write_text(line)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=re.escape(said)):
        settings()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("FETCH_TIMEOUT", "soon", "FETCH_TIMEOUT is 'soon', but seconds are wanted"),
        ("FETCH_TIMEOUT", "-1", "FETCH_TIMEOUT is -1.0: give seconds above 0"),
        ("FETCH_JSON", "perhaps", "FETCH_JSON is 'perhaps', but true or false is wanted"),
        ("FETCH_RETRIES", "many", "FETCH_RETRIES is 'many', but a whole number is wanted"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, text: str, said: str) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(UsageError, match=f"^{re.escape(said)}$"):
        settings()


def test_a_variable_that_is_nearly_one_is_warned_of(site: str) -> None:
    done = fetch(f"{site}/bytes/1", "-q", FETCH_CONCURENCY="3", FETCH_SOMETHING="x", FETCH_JSON="no")
    said = "fetch: FETCH_CONCURENCY is no variable of fetch: did you mean FETCH_CONCURRENCY?\n"
    assert (done.returncode, done.stderr.decode()) == (0, said)


def test_what_is_not_used_is_told(site: str) -> None:
    done = fetch(f"{site}/bytes/1", "-e", "sequential", "-c", "8", "-q")
    assert done.stderr == b"fetch: sequential runs one request at a time: -c 8 is not used\n"


def completed(*words: str, cwd: Path) -> list[str]:
    """What bash is told may follow; the last word is the one begun."""
    env = {
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "_FETCH_COMPLETE": "complete_bash",
    }
    done = fetch(cwd=cwd, **env)
    assert done.stderr == b""
    return done.stdout.decode().split()


def test_completion_never_runs_anything(tmp_path: Path) -> None:
    (tmp_path / "urls.txt").touch()
    (tmp_path / "lists").mkdir()
    (tmp_path / "fetch.toml").write_text("broken")
    assert completed("fetch", "", cwd=tmp_path) == [*COMMANDS, "fetch.toml", "lists/", "urls.txt"]
    assert completed("fetch", "engi", cwd=tmp_path) == ["engines"]
    assert completed("fetch", "engines", cwd=tmp_path) == ["engines"]
    assert completed("fetch", "--eng", cwd=tmp_path) == ["--engine"]
    assert completed("fetch", "ur", cwd=tmp_path) == []  # the shell completes files itself
    assert completed("fetch", "urls.txt", "", cwd=tmp_path) == []
    assert completed("fetch", "get", "", cwd=tmp_path) == []
    assert completed("fetch", "get", "--vers", cwd=tmp_path) == ["--version"]
    assert set(completed("fetch", "serve", "--", cwd=tmp_path)) == {"--port", "--host", "--faults", "--help"}
    assert completed("fetch", "serve", "--port", "1", "--ho", cwd=tmp_path) == ["--host"]
    assert completed("fetch", "demo", "--u", cwd=tmp_path) == ["--urls"]
    assert "--help" in completed("fetch", "engines", "-", cwd=tmp_path)
    assert completed("fetch", "-e", "", cwd=tmp_path) == menu.names(engines)
    assert completed("fetch", "urls.txt", "--engine", "as", cwd=tmp_path) == ["asyncio"]


@pytest.mark.parametrize(
    ("line", "names"),
    [("fetch serve --po", ["--port"]), ("fetch -e as", ["asyncio"]), ("fetch engines --he", ["--help"])],
)
def test_completion_in_other_shells(tmp_path: Path, line: str, names: list[str]) -> None:
    done = fetch(cwd=tmp_path, _FETCH_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS=line)
    assert all(name in done.stdout.decode() for name in names)
    assert b"Python" not in done.stdout
    assert done.stderr == b""


def on_a_terminal(words: list[str], columns: int = 80, term: str = "xterm", **streams: object) -> str:
    """What a person sees."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    ends = {"stdin": follower, "stdout": follower, "stderr": follower} | streams
    env = {key: value for key, value in clean().items() if key not in {"COLUMNS", "LINES"}}
    with subprocess.Popen([*FETCH, *words], env=env | {"NO_COLOR": "1", "TERM": term}, **ends) as child:
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
    return seen.decode()


def test_a_terminal_sees_aligned_lines_and_no_raw_escape(tmp_path: Path, site: str) -> None:
    listed = tmp_path / "urls.txt"
    listed.write_text(f"{site}/bytes/246819\nftp://a/\n" + "http://evil\x1b[2J.invalid/\n")
    seen = on_a_terminal([str(listed)])
    assert "246,819 B" in seen
    assert f"{site}/bytes/246819" in seen
    assert "\x1b[2J" not in seen
    assert "invalid_url" in seen
    rows = [line.replace("\x1b[K", "").split("\r")[-1] for line in seen.split("\r\n")]
    shown = [row for row in rows if " s  " in row and "  " in row]
    assert {row.index(" s  ") for row in shown[:3]} == {shown[0].index(" s  ")}
    assert any(row.startswith("unsupported_scheme ") for row in shown)
    results, _, words = "\n".join(rows).partition("\n\n")  # a blank line between results and summary
    assert len(results.splitlines()) == 3
    assert words.startswith("3 URLs in ")


@pytest.mark.parametrize("columns", [40, 80])
def test_the_summary_fits_the_terminal(listed: Path, columns: int) -> None:
    seen = on_a_terminal([str(listed)], columns)
    words = seen.partition("2 URLs in ")[2] or seen.partition("3 URLs in ")[2]
    assert words
    assert all(len(line) <= columns for line in words.split("\r\n"))
    assert "by status: " in words
    assert "by error: " in words
    # A result has no such limit: it is not cut.
    assert "some-made-up-domain.invalid" in seen


def test_no_progress_line_while_another_writes_to_the_terminal(tmp_path: Path, site: str) -> None:
    listed = tmp_path / "urls.txt"
    listed.write_text(f"{site}/delay/0.8\n")
    assert "0/1" in on_a_terminal([str(listed)])
    assert "0/1" in on_a_terminal([str(listed)], stdout=subprocess.DEVNULL)
    assert "0/1" not in on_a_terminal([str(listed)], stdout=subprocess.PIPE)


def test_a_dumb_terminal_sees_no_control_sequence(tmp_path: Path, site: str) -> None:
    listed = tmp_path / "urls.txt"
    listed.write_text(f"{site}/delay/0.5\n")
    seen = on_a_terminal([str(listed)], term="dumb")
    assert "1 URL in " in seen
    assert "\x1b" not in seen
    assert "0/1" not in seen


def test_no_unicode_error_under_the_c_locale(tmp_path: Path, site: str) -> None:
    listed = tmp_path / "urls.txt"
    listed.write_text("http://b\u00fccher.invalid/\u2603\n", encoding="utf-8")
    done = fetch(listed, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"dns_not_found" in done.stdout


@pytest.mark.parametrize(
    ("streams", "words", "code"),
    [
        ("<&- >&-", "{listed}", 2),
        ("<&-", "{listed}", 1),
        ("<&-", "{listed} -e processes", 1),
        ("<&-", "", 2),
        ("<&-", "-", 2),
        ("2>&-", "{listed}", 1),
        ("<&- 2>&-", "{listed} -e threads", 1),
    ],
)
def test_closed_streams_are_no_traceback(listed: Path, streams: str, words: str, code: int) -> None:
    script = f"{' '.join(FETCH)} {words.format(listed=listed)} {streams}; echo $? >&2"
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=50, env=clean(), check=False)
    assert b"Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == str(code).encode()
    assert done.stdout.count(b"\n") == (3 if code == 1 else 0)  # and no summary among the results


def test_version_engines_and_help() -> None:
    for words in (["--version"], ["get", "--version"], ["absent.txt", "--version"]):
        assert fetch(*words).stdout.startswith(b"fetch 0.")
    listing = fetch("engines").stdout.decode()
    for name in menu.names(engines):
        assert name in listing
    shown = fetch("--help", COLUMNS="100", NO_COLOR="1", TERM="dumb").stdout.decode()
    for word in ("--engine", "--per-host", "--version", "fetch serve", "fetch demo", "fetch engines"):
        assert word in shown
    assert "-e curl" not in shown
    assert "on standard output; -o gets all" in shown
    narrow = fetch("--help", COLUMNS="40", NO_COLOR="1").stdout.decode()
    for option in map(options.BY_NAME.get, options.GET):
        assert all(flag in narrow for flag in re.split("[ /]", option.flags)), option.flags


def test_serve_prints_its_address_and_ends_on_a_signal() -> None:
    with subprocess.Popen([*FETCH, "serve", "--port", "0"], stdout=subprocess.PIPE, env=clean()) as child:
        assert child.stdout is not None
        base = child.stdout.readline().decode().strip()
        assert fetch(f"{base}/bytes/5", "-q").stdout.split(b"\t")[1] == b"5"
        child.send_signal(signal.SIGINT)
        assert child.wait(5) == 130
