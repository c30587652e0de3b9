"""`-o FILE --resume`: nothing lost, nothing doubled, whatever tore the file; no other list taken for it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from fetcher import sinks
from fetcher.cli._progress import status
from fetcher.errors import UsageError
from fetcher.feeds import Wait
from fetcher.feeds.rows import Rows
from fetcher.ledger import Rows as Words
from fetcher.ledger import opened
from fetcher.model import COLUMNS, Options, Result
from fetcher.outputs import open_outputs
from fetcher.pump import Ready
from fetcher.records import read
from fetcher.tally import Tally
from tests.ledgers import FETCH, clean, fetch, installed, list_of, rows_of, slow, start, survive, until
from tests.webs import html, text, web

NASTY = [
    "http://a/",
    "http://a/",
    'http://a/?q="x"&y=\\',
    "=cmd|' /C calc'!A0",
    "'=already guarded",
    "http://***@host/",
    "http://münchen.example/ü?\u2028",
    'two\nlines, and "quotes"',
    "http://a/\udc80 half a pair",
    "",
    "  http://a/b,c ",
    "http://a/\x1b[31m",
]


def results(urls: list[str]) -> list[Result]:
    made = []
    for row, url in enumerate(urls, 1):
        error = "invalid_url" if row % 3 == 0 else None
        result = Result(row, "list, with a comma", url, error=error, message='a "message",\nin two')
        result.status = None if error else 200
        made.append(result)
    random.Random(4).shuffle(made)
    return made


def written(path: Path, made: list[Result], columns: tuple[str, ...] = COLUMNS) -> bytes:
    with open_outputs([str(path)], columns, overwrite=True) as (write,):
        write(made)
    return path.read_bytes()


@pytest.mark.parametrize("suffix", [pytest.param(".jsonl", marks=pytest.mark.long), ".csv"])
def test_a_tail_torn_at_every_byte_is_cut_and_the_rest_goes_on(suffix: str, tmp_path: Path) -> None:
    made = results(NASTY[1:6])
    path = tmp_path / f"out{suffix}"
    whole = written(path, made)
    urls = {result.row: result.url for result in made}
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        with opened(str(path), COLUMNS) as ledger:
            assert whole.startswith(path.read_bytes())
            done = {row for row, url in urls.items() if ledger.has(row, url, "list")}
            assert done == {result.row for result in made[: len(done)]}
            assert ledger.failed == sum(row % 3 == 0 for row in done)
            with sinks.pick(suffix[1:]).sink(ledger.file, COLUMNS) as write:
                write(made[len(done) :])
        assert path.read_bytes() == whole, cut


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_tail_of_zeros_as_a_power_cut_leaves_it(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    whole = written(path, results(NASTY))
    for tail in (bytes(1), bytes(5000)):
        path.write_bytes(whole + tail)
        with opened(str(path), COLUMNS) as ledger:
            assert (ledger.rows.count, ledger.torn) == (len(NASTY), len(tail))
        assert path.read_bytes() == whole


ONE = '{"row":1,"input":"x","url":"http://a/","status":200,"error":null}\n'
HEAD = ",".join(COLUMNS) + "\r\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", "mine\n"),
        ("a.jsonl", "mine"),
        ("a.jsonl", '{"a":1}\n'),
        ("a.jsonl", '{"a":1}'),
        ("a.jsonl", "\0\0\0"),
        ("a.jsonl", '[1]\n"row"\n'),
        ("a.jsonl", ONE.replace("1,", "0,", 1)),
        ("a.jsonl", ONE.replace("1,", "-1,", 1)),
        ("a.jsonl", ONE.replace("1,", "true,", 1)),
        ("a.jsonl", ONE.replace("1,", '"1",', 1)),
        ("a.jsonl", ONE.replace("1,", "9" * 30 + ",", 1)),
        ("a.jsonl", ONE.replace('"row":1,', "")),
        ("a.jsonl", ONE.replace('"http://a/"', "7")),
        ("a.jsonl", ONE + "mine\n"),
        ("a.jsonl", ONE + "mine"),
        ("a.jsonl", ONE + ONE),
        ("a.jsonl", ONE[:-20] + ONE),
        ("a.csv", "mine\n"),
        ("a.csv", "url,status,error\r\nhttp://a/,200,\r\n"),
        ("a.csv", HEAD + "mine\r\n"),
        ("a.csv", HEAD + "mine"),
        ("a.csv", HEAD + "1,x,http://a/,,true\r\n" * 2),
        ("a.csv", HEAD.replace("engine", "engine,sha256") + "1,x,http://a/,,true,,,,,,,,,,,,,,,,,,,,\r\n"),
        ("a.csv", '"' + HEAD),
        ("a.txt", ONE),
        ("a.jsonl.gz", ONE),
    ],
)
def test_what_is_no_ledger_is_refused_and_left_alone(name: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode())
    with pytest.raises(UsageError) as caught, opened(str(path), COLUMNS):
        pass
    assert path.read_bytes() == content.encode()
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_another_program_wrote_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    made = [{"url": f"http://a/{n}\u00e9", "row": n, "ok": n % 2 == 0} for n in range(1, 9)]
    path.write_text("\n\n".join(json.dumps(one) for one in made) + "\n\n")
    with opened(str(path), COLUMNS) as ledger:
        assert all(ledger.has(one["row"], one["url"], "") for one in made)
        assert ledger.failed == 4
    table = tmp_path / "a.csv"
    whole = written(table, results(["http://a/", "http://b/"]))
    table.write_bytes(whole.replace(b"\r\n", b"\n"))
    with opened(str(table), COLUMNS) as ledger:
        assert ledger.rows.count == 2


def test_rows_far_away_cost_no_memory() -> None:
    words, order = Words(), random.Random(1)
    rows = {order.randrange(1, 1 << order.randrange(1, 59)) for _ in range(3000)}
    assert all(words.add(row, row) for row in rows)
    assert not any(words.add(row, 1) for row in rows)
    assert all(words.get(row) == row for row in rows)
    assert sorted(words.after(1000)) == sorted(row for row in rows if row > 1000)
    assert words.count == len(rows)
    assert words.get(1 << 60) == 0


@pytest.mark.long
@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_every_line_that_has_a_record_is_known_again(suffix: str, tmp_path: Path, free_port: int) -> None:
    """Bad lines, duplicates, passwords, bytes that are no UTF-8: nothing is asked twice, --unique or not."""
    base = f"http://127.0.0.1:{free_port}/"
    lines = [f"{base}{n}".encode() for n in "abcab"]
    lines += [
        b"# no row",
        b"",
        b"two words",
        b"=1+1",
        b"'=1",
        b"\xff\xfe\xfa",
        b"http://u:pw@" + base[7:].encode(),
    ]
    lines += [base.encode() + b"x" * 70_000, b'http://a"b/', "http://\u00fc.\u0639/".encode(), b"\x1b[1m"]
    listed = tmp_path / "l.txt"
    listed.write_bytes(b"\n".join(lines))
    for more in ([], ["--unique"]):
        out = tmp_path / f"out{len(more)}{suffix}"
        words = [
            listed,
            "-o",
            out,
            "--resume",
            "--retries",
            "0",
            "--summary",
            tmp_path / "s.json",
            "--overwrite",
        ]
        words = [word for word in words if word != "--overwrite"]
        (tmp_path / "s.json").unlink(missing_ok=True)
        first = fetch(*words, *more)
        assert first.returncode == 1, first.stderr
        before = out.read_bytes()
        records = len(rows_of(out))
        assert records == len(lines) - 2 - 2 * len(more)
        (tmp_path / "s.json").unlink()
        again = fetch(*words, *more)
        assert (again.returncode, again.stdout) == (1, b""), again.stderr
        assert out.read_bytes() == before
        told = json.loads((tmp_path / "s.json").read_text())
        assert told["done_before"] == told["failed_before"] == records
        assert told["lines"] == len(lines) == sum(told["skipped"].values()) + told["done_before"]
        assert f"+ {records} done before ({records} failed)".encode() in again.stderr
        assert fetch("verify", listed, out, *more).returncode == 0


def test_another_list_is_refused_before_the_first_request(tmp_path: Path) -> None:
    with web(lambda path: text(path)) as site:
        out = tmp_path / "out.jsonl"
        listed = list_of(tmp_path, site.url, 20)
        words = [listed, "-o", out, "--resume", "-q"]
        assert fetch(*words).returncode == 0
        lines = out.read_text().splitlines(keepends=True)
        kept = "".join(line for line in lines if json.loads(line)["row"] <= 15)
        urls = listed.read_text().splitlines(keepends=True)
        asked = len(site.log)
        for changed, why in {
            "".join([*urls[:9], f"{site.url}other\n", *urls[10:]]): f"row 10 is {site.url}10 there, but",
            "".join([*urls[:4], f"{site.url}new\n", *urls[4:]]): "row 5 is",
            "".join(urls[1:]): "row 1 is",
            "".join(urls[:12]): "has records of 3 rows that the list does not have",
            "": "has records of 15 rows",
        }.items():
            out.write_text(kept)
            listed.write_text(changed)
            done = fetch(*words)
            assert done.returncode == 2, why
            assert why in done.stderr.decode()
            assert done.stderr.count(b"\n") == 1
            assert out.read_text() == kept
        assert len(site.log) == asked
        listed.write_text("".join([*urls, f"{site.url}21\n"]))  # a list that has grown is the same list
        assert fetch(*words).returncode == 0
        assert rows_of(out) == list(range(1, 22))
        assert len(site.log) == asked + 6


def test_the_wrong_list_leaves_nothing_in_the_way_of_the_right_one(tmp_path: Path) -> None:
    """Its rows before the first that differs are asked before that is found."""
    with web(text) as site:
        out, listed = tmp_path / "out.jsonl", list_of(tmp_path, site.url, 3)
        assert fetch(listed, "-o", out, "-q").returncode == 0
        kept = "".join(line for line in out.read_text().splitlines(keepends=True) if '"row":1,' not in line)
        out.write_text(kept)
        other = tmp_path / "other.txt"
        other.write_text("".join(f"{site.url}b{n}\n" for n in (1, 2, 3)))
        assert fetch(other, "-o", out, "--resume", "-q").returncode == 2
        assert out.read_text() == kept
        assert fetch(listed, "-o", out, "--resume", "-q").returncode == 0
        assert rows_of(out) == [1, 2, 3]


def test_a_list_that_stays_open_cannot_hold_a_refusal(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    written(out, results(["http://a/"]))
    child = start("-", "-o", out, "--resume", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stderr is not None
    child.stdin.write(b"http://b/\n")
    child.stdin.flush()
    assert child.wait(20) == 2
    assert b"row 1 is http://a/ there, but http://b/ in -" in child.stderr.read()
    child.stdin.close()
    child.stderr.close()


def test_a_changed_line_behind_an_open_row_ends_the_feed() -> None:
    class Odd:
        done = 0

        def has(self, row: int, url: str, source: str) -> bool:
            if row == 3:
                raise UsageError("another list")
            return row == 1

        def finish(self) -> None:
            raise AssertionError("the list is not over")

    feed = Rows(Ready([("", f"http://a/{n}") for n in range(5)]), Options(), Odd())
    first = feed.take(0.0)
    assert not isinstance(first, Wait | None)
    assert first.row == 2
    assert [feed.take(0.0) for _ in range(3)] == [None] * 3
    assert str(feed.error) == "another list"


def test_options_may_change(tmp_path: Path) -> None:
    names = installed()
    with web(lambda path: text(path)) as site:
        listed, out = list_of(tmp_path, site.url, 4 * len(names)), tmp_path / "out.jsonl"
        urls = listed.read_text().splitlines(keepends=True)
        for number, name in enumerate(names, 1):
            listed.write_text("".join(urls[: 4 * number]))
            more = ["--hash"] if number % 2 else ["--retries", "0", "--timeout", "5"]
            done = fetch(listed, "-o", out, "--resume", "-e", name, *more)
            assert done.returncode == 0, done.stderr
            last = f"{4 * number} lines read = 4 ok + 0 failed + 0 skipped + 0 left"
            assert last in done.stderr.decode()
        assert sorted(Counter(record["engine"] for record in read(str(out))).items()) == [
            (name, 4) for name in sorted(names)
        ]
        assert len(site.log) == 4 * len(names)


def test_mistakes_are_one_clear_line(tmp_path: Path) -> None:
    out, table = tmp_path / "out.jsonl", tmp_path / "t.csv"
    written(table, results(["http://a/"]))
    for words, said in {
        ("--resume",): "name it, as -o out.jsonl",
        ("--resume", "-o", out, "-o", table): f"fetch report {out} -o FILE",
        ("--resume", "-o", out, "--overwrite"): "give one of them",
        ("--resume", "-o", tmp_path / "x.parquet"): ".jsonl or .csv only",
        ("--resume", "-o", "-"): ".jsonl or .csv only",
        ("--resume", "-o", tmp_path): ".jsonl or .csv only",
        ("--resume", "-o", tmp_path / "no" / "x.jsonl"): "does not exist",
        ("--resume", "-o", table, "--hash"): "has other columns than this run (sha256)",
        ("--resume", "-o", out, "--summary", out): "is given twice as an output",
        ("--resume", "-o", out, "-e", "asynchio"): "did you mean asyncio",
    }.items():
        done = fetch("http://127.0.0.1:1/", *words)
        assert done.returncode == 2, words
        assert done.stderr.decode().count("\n") == 1, done.stderr
        assert said in done.stderr.decode()
        assert not out.exists()
    assert b"belongs to fetch get" in fetch("crawl", "http://127.0.0.1:1/", "--resume").stderr


def test_an_input_or_a_pipe_is_no_ledger(tmp_path: Path) -> None:
    listed = tmp_path / "l.jsonl"
    listed.write_text('{"url":"http://127.0.0.1:1/"}\n')
    assert b"is an input of this run" in fetch(listed, "-o", listed, "--resume").stderr
    os.mkfifo(tmp_path / "f.jsonl")
    assert b"is no regular file" in fetch(listed, "-o", tmp_path / "f.jsonl", "--resume").stderr


def test_two_runs_on_one_file(tmp_path: Path) -> None:
    with web(slow(0.05)) as site:
        listed, out = list_of(tmp_path, site.url, 40), tmp_path / "out.jsonl"
        words = [listed, "-o", out, "--resume", "-q", "-c", "2"]
        child = start(*words)
        until(lambda: bool(site.log))
        second = fetch(*words)
        assert second.returncode == 2
        assert b"is being written by another run" in second.stderr
        assert child.wait(30) == 0
        assert len(site.log) == 40
    assert rows_of(out) == list(range(1, 41))


def test_stopped_and_resumed(tmp_path: Path) -> None:
    with web(slow(0.03)) as site:
        listed, out = list_of(tmp_path, site.url, 100), tmp_path / "out.csv"
        words = [listed, "-o", out, "--resume", "-c", "3"]
        child = start(*words, stderr=subprocess.PIPE)
        until(lambda: len(site.log) > 10)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=20)
        assert child.returncode == 130
        assert b"the same command goes on from there" in said
        before = len(rows_of(out))
        assert 5 < before < 100
        done = fetch(*words)
        assert done.returncode == 0
        assert f"+ {before} done before".encode() in done.stderr
        assert len(site.log) == 100  # what was in flight had time to end
    assert rows_of(out) == list(range(1, 101))


FULL = """
mount -t tmpfs -o size=16k none disk
"$@"; echo $?
"$@"; echo $?
mount -o remount,size=4m disk
"$@"; echo $?
cp disk/out.jsonl .
"""


def test_a_full_disk_then_a_larger_one(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["sh", "-c", f"unshare -rm mount -t tmpfs none {disk}"], check=False).returncode:
        pytest.skip("unshare -rm does not work here")
    with web(lambda path: text(path)) as site:
        listed = list_of(tmp_path, site.url, 120)
        run = [*map(str, FETCH), str(listed), "-o", "disk/out.jsonl", "--resume", "-q"]
        words = ["unshare", "-rm", "sh", "-c", FULL, "sh", *run, "--errors", "-c", "4"]
        env = clean() | {"PYTHONPATH": str(Path(__file__).parents[1])}
        done = subprocess.run(words, capture_output=True, timeout=60, cwd=tmp_path, env=env, check=False)
        assert done.stdout.split() == [b"4", b"4", b"0"], done.stderr
        assert done.stderr.count(b"free space there and run again\n") == 2
        assert rows_of(tmp_path / "out.jsonl") == list(range(1, 121))
        assert sum(Counter(site.paths).values()) - 120 <= 8


def test_rows_that_found_the_disk_of_save_full_are_asked_again(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["sh", "-c", f"unshare -rm mount -t tmpfs none {disk}"], check=False).returncode:
        pytest.skip("unshare -rm does not work here")
    script = FULL.replace("disk/out.jsonl", "out.jsonl").replace("cp out.jsonl .", "ls disk > saved")
    with web(lambda path: html(title="x" * 2000)) as site:
        listed = list_of(tmp_path, site.url, 60)
        run = [*map(str, FETCH), str(listed), "-o", "out.jsonl", "--resume", "-q"]
        words = ["unshare", "-rm", "sh", "-c", script, "sh", *run, "--save", "disk", "--errors", "-c", "4"]
        env = clean() | {"PYTHONPATH": str(Path(__file__).parents[1])}
        done = subprocess.run(words, capture_output=True, timeout=60, cwd=tmp_path, env=env, check=False)
    assert done.stdout.split() == [b"4", b"4", b"0"], done.stdout + done.stderr
    records = list(read(str(tmp_path / "out.jsonl")))
    assert sorted(record["row"] for record in records) == list(range(1, 61))
    saved = (tmp_path / "saved").read_text().split()
    assert sorted(Path(record["saved"]).name for record in records) == sorted(saved)


def killed(folder: Path, moments: int, seed: int, *, rows: int, suffix: str = ".jsonl", engine: str) -> int:
    """kill -9 at random moments, the same command until it ends: every row once. How often it was killed."""
    order, width = random.Random(seed), 1 if engine == "sequential" else 4
    rows = rows if width > 1 else rows // 5
    out = folder / f"out{suffix}"
    with web(slow(0.01)) as site:
        listed = list_of(folder, site.url, rows)
        words = [listed, "-o", out, "--resume", "-q", "-e", engine, "-c", width]
        deaths = survive(words, moments, lambda: 0.2 + order.random() * 0.9)
        done = fetch(*words)
        assert done.returncode == 0, done.stderr
        asked = Counter(site.paths)
    assert rows_of(out) == list(range(1, rows + 1))
    assert len(asked) == rows
    assert sum(asked.values()) - rows <= width * deaths
    assert fetch("verify", listed, out).returncode == 0
    return deaths


@pytest.mark.parametrize("engine", [name for name in installed() if name in ("asyncio", "curl")])
def test_killed_and_resumed(engine: str, tmp_path: Path) -> None:
    """Two deaths each; a hundred in all engines are in the long tests."""
    suffix = ".csv" if engine in ("threads", "curl") else ".jsonl"
    assert killed(tmp_path, 2, len(engine), rows=400, suffix=suffix, engine=engine) == 2


@pytest.mark.long
def test_killed_at_a_hundred_moments(tmp_path: Path) -> None:
    names, deaths, seed = installed(), 0, 0
    while deaths < 100:
        folder = tmp_path / str(seed)
        folder.mkdir()
        suffix = (".jsonl", ".csv")[seed % 2]
        engine = names[seed % len(names)]
        deaths += killed(folder, min(20, 100 - deaths), seed, rows=2000, suffix=suffix, engine=engine)
        seed += 1
    assert deaths == 100


@pytest.mark.long
@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_million_lines_start_at_once(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, listed, out = 1_000_000, tmp_path / "urls.txt", tmp_path / f"out{suffix}"
    with web({"/last": text("here")}) as site:
        with listed.open("w") as lines, open_outputs([str(out)], COLUMNS, overwrite=False) as (write,):
            for begin in range(1, rows, 1000):
                urls = [f"http://127.0.0.1:8080/bytes/{n}" for n in range(begin, begin + 1000)]
                lines.writelines(f"{url}\n" for url in urls)
                write([Result(n, "urls.txt", url, url, 200) for n, url in enumerate(urls, begin)])
            lines.write(f"{site.url}last\n")
        began = time.monotonic()
        child = start(listed, "-o", out, "--resume", "-q")
        until(lambda: bool(site.log), 60)
        seconds = time.monotonic() - began
        assert child.wait(20) == 0
    with capsys.disabled():
        print(f"\n{suffix}: the first request of a resumed run over {rows:,} lines after {seconds:.1f} s")
    assert seconds < 10
    checked = fetch("verify", listed, out)
    assert checked.stdout.startswith(b"complete: each of 1,000,001 rows"), checked.stdout


def test_the_progress_line_counts_what_was_done_before() -> None:
    tally = Tally(ok=3, failed=1)
    assert (
        status(tally, 8, 2.0, before=4)
        == "[=============       ]  8/12  2/s  4 done before  1 failed  0:02 left"
    )
    assert "done before" not in status(tally, None, 2.0)
