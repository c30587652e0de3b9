"""`fetch retry OUT`: the new records stand where the old ones stood, all at once, whenever it is killed."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from fetcher.errors import LocalFault
from fetcher.ledger.replaced import replace
from fetcher.records import read
from tests.ledgers import fetch, list_of, rows_of, slow, start, until
from tests.webs import Answer, text, web


def busy(path: str) -> Answer:
    """Every third page has no time just now, every fifth is missing."""
    number = int(path.strip("/"))
    status = 503 if number % 3 == 0 else 404 if number % 5 == 0 else 200
    return status, {}, b"x"


class Site:
    """What a site answers now."""

    def __init__(self, answer: Callable[[str], Answer]) -> None:
        self.answer = answer

    def __call__(self, path: str) -> Answer:
        return self.answer(path)


def first_run(folder: Path, base: str, rows: int, suffix: str = ".jsonl") -> Path:
    out = folder / f"out{suffix}"
    done = fetch(list_of(folder, base, rows), "-o", out, "--retries", "0", "-q")
    assert done.returncode == 1, done.stderr
    return out


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_what_may_have_passed_is_asked_and_replaced(suffix: str, tmp_path: Path) -> None:
    answers = Site(busy)
    with web(answers) as site:
        out = first_run(tmp_path, site.url, 30, suffix)
        out.chmod(0o640)
        before = {record["row"]: record for record in read(str(out))}
        order = list(before)
        site.log.clear()
        answers.answer = lambda path: text("now") if path != "/9" else (503, {}, b"")
        done = fetch("retry", out, "--retries", "0")
        assert done.returncode == 1
        assert sorted(site.paths) == sorted(f"/{n}" for n in range(3, 31, 3))
        said = done.stderr.decode()
        assert "30 records read = 9 ok + 1 failed + 20 skipped (20 not asked again) + 0 left" in said
        assert "10 records of" in said
        after = {record["row"]: record for record in read(str(out))}
        assert list(after) == order
        assert all(after[row] == before[row] for row in before if row % 3)
        assert all(after[row]["size"] == 3 for row in before if row % 3 == 0 and row != 9)
        assert {path.name for path in tmp_path.iterdir()} == {"urls.txt", out.name}
        assert out.stat().st_mode & 0o777 == 0o640
        assert fetch("verify", tmp_path / "urls.txt", out).returncode == 0
        site.log.clear()
        done = fetch("retry", out, "--where", "status in (404, 503) and row < 10", "-q", "--retries", "0")
        assert sorted(site.paths) == ["/5", "/9"]
        assert done.stderr == b""
        site.log.clear()
        assert fetch("retry", out, "--where", "error=reset").returncode == 0
        assert site.paths == []


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    answers = Site(busy)
    with web(answers) as site:
        out = first_run(tmp_path, site.url, 6)
        real = tmp_path / "real.jsonl"
        out.rename(real)
        out.symlink_to("real.jsonl")
        answers.answer = lambda path: text(path)
        assert fetch("retry", out, "-q").returncode == 0
        assert out.is_symlink()
        assert all(record["ok"] for record in read(str(real)) if record["row"] % 3 == 0)


def test_stopped_it_goes_on(tmp_path: Path) -> None:
    answers = Site(busy)
    with web(answers) as site:
        out = first_run(tmp_path, site.url, 240)
        whole = out.read_bytes()
        answers.answer = slow(0.03)
        site.log.clear()
        child = start("retry", out, "-c", "2", stderr=subprocess.PIPE)
        until(lambda: len(site.log) > 6)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=20)
        assert child.returncode == 130
        assert f"{out} is as it was; the same command goes on from {out}.retry.jsonl".encode() in said
        assert out.read_bytes() == whole
        done = fetch("retry", out, "-c", "2")
        assert done.returncode == 0
        assert b" done before" in done.stderr
        assert b"80 records of" in done.stderr
        assert len(site.log) == 80
        assert rows_of(out) == list(range(1, 241))


@pytest.mark.long
def test_killed_at_any_moment_it_is_the_old_file_or_the_new(tmp_path: Path) -> None:
    order, answers = random.Random(3), Site(busy)
    with web(answers) as site:
        out = first_run(tmp_path, site.url, 300)
        old = out.read_bytes()
        answers.answer = slow(0.02)
        site.log.clear()
        deaths = 0
        while deaths < 4:
            child = start("retry", out, "-q", "-c", "2")
            try:
                child.wait(0.3 + order.random() * 0.8)
                break
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
                child.wait()
                deaths += 1
            assert out.read_bytes() == old or not (tmp_path / "out.jsonl.retry.tmp").exists()
            assert rows_of(out) == list(range(1, 301))
        assert fetch("retry", out, "-q", "-c", "2").returncode == 0
        asked = Counter(site.paths)
        assert len(asked) == 100
        assert sum(asked.values()) - 100 <= 2 * deaths
    assert rows_of(out) == list(range(1, 301))
    assert {record["status"] for record in read(str(out)) if record["row"] % 3 == 0} == {200}
    assert {path.name for path in tmp_path.iterdir()} == {"urls.txt", "out.jsonl"}


def test_killed_between_the_new_file_and_the_end(tmp_path: Path) -> None:
    """Then OUT is new already, and its ledger is still there: the same command only tidies up."""
    answers = Site(busy)
    with web(answers) as site:
        out = first_run(tmp_path, site.url, 9)
        answers.answer = lambda path: text(path)
        assert fetch("retry", out, "-q").returncode == 0
        new = out.read_bytes()
        lines = new.splitlines(keepends=True)
        left = tmp_path / "out.jsonl.retry.jsonl"
        left.write_bytes(b"".join(line for line in lines if json.loads(line)["row"] % 3 == 0))
        site.log.clear()
        assert fetch("retry", out, "-q").returncode == 0
        assert site.paths == []
        assert out.read_bytes() == new
        assert not left.exists()


def test_what_cannot_be_asked_from_its_record_stays(tmp_path: Path) -> None:
    with web(busy) as site:
        listed, out = tmp_path / "l.txt", tmp_path / "out.jsonl"
        listed.write_text(f"{site.url.replace('//', '//joe:s3cret@')}3\nno url\n{site.url}6\n")
        fetch(listed, "-o", out, "--retries", "0", "-q")
        site.log.clear()
        done = fetch("retry", out, "--where", "ok=false", "--retries", "0")
        assert site.paths == ["/6"]
        assert re.search(rb"2 skipped \(1 (masked, 1 invalid_url|invalid_url, 1 masked)\)", done.stderr)
        assert b"1 record stays as it is: a masked password" in done.stderr
        assert rows_of(out) == [1, 2, 3]


def test_mistakes_are_one_clear_line(tmp_path: Path) -> None:
    crawled, table, empty = tmp_path / "c.jsonl", tmp_path / "t.csv", tmp_path / "e.jsonl"
    empty.write_bytes(b"")
    with web(busy) as site:
        fetch(f"{site.url}3", "-o", table, "--retries", "0")
        fetch("crawl", f"{site.url}3", "--no-robots", "-o", crawled, "--retries", "0")
        for words, said in {
            (tmp_path / "nix.jsonl",): "there is no such file",
            (tmp_path,): ".jsonl or .csv only",
            (empty,): "holds no records: fetch INPUT -o",
            (table, "--hash"): "has other columns than this run (sha256)",
            (table, "--where", "stauts=503"): "did you mean status?",
            (table, "-o", "x.csv"): "no such option: -o",
            (crawled,): "is of a crawl",
        }.items():
            done = fetch("retry", *words)
            assert done.returncode == 2, words
            assert done.stderr.decode().count("\n") == 1, done.stderr
            assert said in done.stderr.decode()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"c.jsonl", "t.csv", "e.jsonl"}


def test_it_waits_for_no_other_run(tmp_path: Path) -> None:
    answers = Site(busy)
    with web(answers) as site:
        out = first_run(tmp_path, site.url, 60)
        answers.answer = slow(0.05)
        site.log.clear()
        child = start("retry", out, "-q", "-c", "1")
        until(lambda: bool(site.log))
        for words in (["retry", out], [tmp_path / "urls.txt", "-o", out, "--resume"]):
            second = fetch(*words)
            assert second.returncode == 2
            assert b"is being written by another run" in second.stderr
        assert child.wait(30) == 0
        assert len(site.log) == 20


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["sh", "-c", f"unshare -rm mount -t tmpfs none {disk}"], check=False).returncode:
        pytest.skip("unshare -rm does not work here")
    with web(busy) as site:
        out = first_run(tmp_path, site.url, 30)
    code = (
        "import shutil; from fetcher.errors import LocalFault; from fetcher.ledger.replaced import replace\n"
        "shutil.copy('out.jsonl', 'disk'); shutil.copy('out.jsonl', 'disk/new.jsonl')\n"
        "try: replace('disk/out.jsonl', 'disk/new.jsonl')\n"
        "except LocalFault as fault: print(fault)\n"
        "import os; same = open('disk/out.jsonl').read() == open('out.jsonl').read()\n"
        "print(sorted(os.listdir('disk')), same)"
    )
    script = 'mount -t tmpfs -o size=36k none disk; exec "$@"'
    words = ["unshare", "-rm", "sh", "-c", script, "sh", sys.executable, "-c", code]
    env = dict(os.environ) | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        words, capture_output=True, timeout=30, cwd=tmp_path, env=env, check=False, text=True
    )
    assert done.stdout.splitlines() == [
        "disk/out.jsonl: No space left on device: it is as it was, and the new records are in "  # noqa: ISC004
        "disk/new.jsonl: free space there and run again",
        "['new.jsonl', 'out.jsonl'] True",
    ], done.stderr
    assert replace(str(out), str(out)) == 30
    with pytest.raises(LocalFault):
        replace(str(out), str(tmp_path / "nix.jsonl"))


def test_a_retry_that_was_stopped_is_gone_on_with_or_told(tmp_path: Path) -> None:
    """Neither another --where nor a file that has changed since may take its records for its own."""
    with web(lambda _: (503, {}, b"")) as site:
        out = first_run(tmp_path, site.url, 6)
        beside, whole = tmp_path / "out.jsonl.retry.jsonl", out.read_bytes()
        beside.write_bytes(b"".join(whole.replace(b"503", b"502").splitlines(keepends=True)[:3]))
        other = fetch("retry", out, "--where", "row=6", "--retries", "0")
        assert other.returncode == 2
        assert b"go on with the same --where, or remove" in other.stderr
        assert out.read_bytes() == whole
        assert len(beside.read_bytes().splitlines()) == 3, "what was asked meanwhile is taken out again"
        os.utime(out)
        changed = fetch("retry", out, "--retries", "0")
        assert (changed.returncode, out.read_bytes()) == (2, whole)
        assert b"has changed since" in changed.stderr


def test_a_last_record_without_its_line_end_is_a_record(tmp_path: Path) -> None:
    with web(text) as site:
        listed, out = list_of(tmp_path, site.url, 3), tmp_path / "out.jsonl"
        fetch(listed, "-o", out, "-q", "-e", "sequential")
        whole = out.read_bytes()
        out.write_bytes(whole[:-1])
        asked = fetch("retry", out, "--where", "status=418")
        assert (asked.returncode, out.read_bytes()) == (0, whole[:-1])
        again = fetch("retry", out, "--where", "row=1", "-q")
        assert again.returncode == 0
        assert rows_of(out) == [1, 2, 3]
        assert out.read_bytes().endswith(b"}\n")
        out.write_bytes(whole[:-1])
        assert fetch(listed, "-o", out, "--resume", "-q").returncode == 0
        assert out.read_bytes() == whole
