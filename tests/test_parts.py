"""`-o DIR/`: a list in parts by host, each there wholly or not at all, whatever ends the run."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetcher.child import Child
from fetcher.cli import main
from fetcher.cli.status import look
from fetcher.comparison.arms import installed
from fetcher.errors import LocalFault, UsageError
from fetcher.feeds.rows import Rows
from fetcher.ledger.proof import prove
from fetcher.model import PARITY, Options, columns
from fetcher.partition import MODULE, parted, parts, store
from fetcher.partition.begun import begin
from fetcher.partition.carried import piece
from fetcher.partition.places import Heard
from fetcher.partition.spool import _sort, digest_of, spool
from fetcher.partition.turns import Turns
from fetcher.pump import Ready
from fetcher.records import read
from fetcher.sources import Bad, Skip
from tests.ledgers import clean, fetch, processes, rows_of, runs, start, until
from tests.test_cli import on_a_terminal
from tests.towns import Town, listed, town

ROOT = Path(__file__).parents[1]
# The command, with parts of a few rows: so that a short list has many.
SMALL = [
    sys.executable,
    "-c",
    "from fetcher.partition import spool; spool.LEAST = 20; from fetcher.cli import main; main()",
]
QUICK = ("-q", "-e", "asyncio", "--retries", "0")


small = partial(fetch, command=SMALL)
started = partial(start, command=SMALL, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def place() -> Iterator[Town]:
    with town() as there:
        yield there


def done(out: Path) -> list[str]:
    """The names of finished parts."""
    return sorted(one.name for one in out.glob("part-*"))


def state(folder: Path) -> dict[str, Any]:
    """All that lies in a folder: what it holds, and when it was written."""
    return {
        str(one.relative_to(folder)): (one.read_bytes(), one.stat().st_mtime_ns)
        for one in folder.rglob("*")
        if one.is_file()
    }


# The list in parts.


def spooled(
    items: Sequence[Any], folder: Path, workers: int = 1, part: int = 25_000
) -> tuple[list[Any], str]:
    """Each part as (its only host if it says so, its rows), and the digest."""
    made, digest = spool(
        Rows(Ready([("list", item) for item in items]), Options()), folder, workers, print, part
    )
    found = []
    for one in made:
        rows = [piece(line)[1] for line in one.path.read_bytes().splitlines()]
        assert len(rows) == one.rows
        found.append((one.host, rows))
    return found, digest


HOSTS = [f"h{n}.test" for n in range(60)]


@settings(max_examples=100)
@given(st.integers(0, 400), st.integers(), st.integers(1, 60), st.integers(1, 4), st.integers(1, 40))
def test_parts_are_the_list_by_host(
    tmp_path_factory: pytest.TempPathFactory, size: int, seed: int, part: int, workers: int, least: int
) -> None:
    hosts = random.Random(seed).choices([*HOSTS, "giant.test"], [1] * len(HOSTS) + [seed % 90], k=size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fetcher.partition.spool.LEAST", least)
        patch.setattr(_sort, "__defaults__", (0, 8))  # level and count
        items = [f"http://{host}/{n}" for n, host in enumerate(hosts)]
        folder = tmp_path_factory.mktemp("spool")
        found, digest = spooled(items, folder / "a", workers, part)
        again = spooled(items, folder / "b", workers, part)
        shutil.rmtree(folder)
    assert again == (found, digest)
    assert sorted((row.row, row.item) for _, rows in found for row in rows) == list(enumerate(items, 1))
    where: dict[str, int] = {}
    count = Counter(hosts)
    most = min(part, max(len(items) // (4 * workers), least))
    for number, (alone, rows) in enumerate(found):
        assert [row.row for row in rows] == sorted(row.row for row in rows)  # the order of the list
        there = {row.item.split("/")[2] for row in rows}
        assert len(rows) <= (part if alone else 2 * part)
        assert alone == (there.pop() if len(there) == 1 and count[next(iter(there))] >= most else "")
        for row in rows:  # each host in one part, or in several that have no other
            assert alone or where.setdefault(row.item.split("/")[2], number) == number


def test_a_list_that_is_sorted_can_be_stopped(tmp_path: Path) -> None:
    """Also while it is sorted once more, joined, and put into its place: for a long list that takes long."""
    rows = [("list", f"http://h{n % 100}.test/{n}") for n in range(3000)]
    calls: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fetcher.partition.spool.BUCKETS", 2)
        patch.setattr(_sort, "__defaults__", (0, 2))
        made, _ = spool(Rows(Ready(rows), Options()), tmp_path / "a", 1, calls.append, 50)
    assert calls.count(3000) == len(made)
    assert len(calls) > len(made) + 1  # the second sort
    there, before = store.at(str(tmp_path / "out")), len(calls)
    parts.begun(there, parts.Manifest(".jsonl", [], "", {}), made, calls.append)
    assert len(calls) == before + len(made)
    manifest = parts.Manifest(".jsonl", [], "", {})
    with pytest.raises(ZeroDivisionError):
        parts.begun(there, manifest, made, lambda count: count // 0)
    assert not manifest.rows


def test_what_is_no_url_and_the_name_of_the_input(tmp_path: Path) -> None:
    items = [
        "",
        "no url",
        Bad("{", "is no JSON"),
        Skip("blank"),
        "http://[::1",
        "http://a/\x01\ud800\udfff",
        "http://\u00fc/",
    ]
    found, digest = spooled(items, tmp_path / "a")
    kept = [item for item in items if item != Skip("blank")]
    assert [row.item for _, rows in found for row in rows] == kept
    assert digest_of(Rows(Ready([("./list", item) for item in items]), Options()), print) == digest
    assert digest_of(Rows(Ready([("list", item) for item in items[1:]]), Options()), print) != digest


MILLION = """
import resource, sys
from pathlib import Path
from fetcher.feeds.rows import Rows
from fetcher.model import Options
from fetcher.partition.spool import spool
from fetcher.pump import Pump

urls = (f"http://host{n * 7919 % 300_007}.example/some/path/of/it/{n}" for n in range(int(sys.argv[2])))
pieces = (("list", url) for url in urls)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = Rows(Pump(pieces, 20_000), Options())
parts, _ = spool(rows, Path(sys.argv[1]), 2, lambda count: None, int(sys.argv[3]))
used = resource.getrusage(resource.RUSAGE_SELF)
print(len(parts), sum(part.rows for part in parts), max(part.rows for part in parts),
      used.ru_maxrss - before, used.ru_utime + used.ru_stime)
"""


@pytest.mark.long
@pytest.mark.xdist_group("quiet")
@pytest.mark.parametrize(("million", "part"), [(1_000_000, 25_000), (400_000, 100)], ids=["once", "twice"])
def test_a_million_rows_take_no_more_memory_than_they_may(million: int, part: int, tmp_path: Path) -> None:
    """300,000 hosts: what is held are 32 MiB of rows, and some names. Small parts: they are sorted twice."""
    found = []
    for rows in (million, 2 * million):
        run = subprocess.run(
            [sys.executable, "-c", MILLION, tmp_path / str(rows), str(rows), str(part)],
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
            cwd=ROOT,
        )
        count, total, largest, grown, seconds = map(float, run.stdout.split())
        each = f"+{grown / 1024:.0f} MiB, {seconds / rows * 1e6:.1f} us CPU a row"
        print(f"\n{rows:,} rows: {count:.0f} parts, {each}")
        assert total == rows
        assert largest <= 2 * part
        found.append(grown / 1024)
    assert found[0] < 130
    assert found[1] - found[0] < 10


# What a directory holds.


BY_DEFAULT = {("", "asyncio"), (".jsonl", "curl")}


@pytest.mark.parametrize(
    ("suffix", "engine"),
    [
        pytest.param(
            suffix, engine, marks=() if (suffix == "") == (engine == "asyncio") else pytest.mark.long
        )
        for suffix in ("", ".jsonl")
        for engine in ("threads", "asyncio", "curl")
        if engine in installed()
    ],
)
def test_the_union_of_parts_is_what_one_process_finds(
    suffix: str, engine: str, place: Town, tmp_path: Path
) -> None:
    paths = [
        "bytes/9",
        "gzip/5000",
        "chunked",
        "short",
        "to/3/bytes/7",
        "status/404",
        "status/500",
        "x",
        "to/4/to/5/y",
    ]
    lines = [place.url(n, paths[n % len(paths)]) for n in range(90)]
    lines[10:10] = [
        "",
        "# a comment",
        "no url",
        "ftp://a/",
        "http://[::1",
        f"HTTP://127.0.0.1:{place.port}/bytes/9",
    ]
    lines += [lines[0], "http://127.0.0.1:1/refused"]
    (tmp_path / "urls.txt").write_text("".join(f"{line}\n" for line in lines))
    given = ["urls.txt", "-q", "-e", engine, "--retries", "0", "--hash", "--unique"]
    one = fetch(*given, "-o", "one.jsonl", "--summary", "one.json", cwd=tmp_path)
    many = small(*given, "-o", f"out{suffix}/", "--workers", "2", "--summary", "sums.json", cwd=tmp_path)
    assert (one.returncode, many.returncode, many.stdout, many.stderr) == (1, 1, b"", b"")
    out = tmp_path / f"out{suffix}"
    assert len(done(out)) > 2
    assert {Path(name).suffix for name in done(out)} == {suffix or ".parquet"}

    def facts(path: Path) -> list[tuple[Any, ...]]:
        return sorted(
            (record["row"], *(record[name] for name in (*PARITY, "sha256", "input")))
            for record in read(str(path))
        )

    assert facts(out) == facts(tmp_path / "one.jsonl")
    assert fetch("verify", "urls.txt", out, "--unique", cwd=tmp_path).returncode == 0
    sums, alone = (json.loads((tmp_path / name).read_text()) for name in ("sums.json", "one.json"))
    for name in sums.keys() - {"seconds", "cpu", "limit"}:
        assert sums[name] == alone[name], name
    assert sums["lines"] == len(lines)
    manifest = json.loads((out / "_manifest").read_text())
    assert sum(manifest["rows"]) == len(facts(out))
    assert sorted(one.name for one in out.iterdir()) == [
        "_SUCCESS",
        "_manifest",
        "_progress",
        "_told",
        *done(out),
    ]


def test_an_empty_list_is_complete(tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("# nothing\n")
    ran = fetch("urls.txt", "-o", "out/", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert b"0 rows sorted by host into 0 parts" in ran.stderr
    assert (tmp_path / "out/_SUCCESS").exists()
    assert fetch("verify", "urls.txt", "out/", cwd=tmp_path).returncode == 0
    assert b"0 of 0 parts" in fetch("status", "out", cwd=tmp_path).stdout
    assert fetch("urls.txt", "-o", "out", "--resume", "-q", cwd=tmp_path).returncode == 0


@pytest.fixture(scope="module")
def whole(place: Town, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with urls.txt and out/, which is complete; nobody may change it."""
    folder = tmp_path_factory.mktemp("whole")
    listed(folder, place, 120)
    ran = small("urls.txt", "-o", "out/", *QUICK, "--headers", "content-type", cwd=folder)
    assert (ran.returncode, ran.stderr) == (0, b"")
    return folder


def test_other_programs_read_it_as_one_table(whole: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    dataset = pytest.importorskip("pyarrow.dataset")
    with duckdb.connect() as session:
        query = f"select count(*), count(distinct row), sum(size), min(status) from '{whole}/out/*.parquet'"
        sizes = sum(range(1, 121))
        assert session.sql(query).fetchall() == [(120, 120, sizes, 200)]
        folder = f"from read_parquet('{whole}/out/*.parquet') where headers['content-type'] is not null"
        assert session.sql(f"select count(*) {folder}").fetchall() == [(120,)]
    table = dataset.dataset(whole / "out").to_table()  # names with _ are none of it
    assert sorted(table["row"].to_pylist()) == list(range(1, 121))


def test_our_own_commands_read_it_as_one_table(whole: Path, tmp_path: Path) -> None:
    said = fetch("verify", "urls.txt", "out/", cwd=whole)
    assert said.stdout == b"complete: each of 120 rows has one record in out/ (120 ok, 0 failed)\n"
    assert fetch("diff", "out", "out/", cwd=whole).returncode == 0
    for name in ("page.html", "all.csv"):
        assert fetch("report", "out", "-o", tmp_path / name, cwd=whole).returncode == 0
    assert rows_of(tmp_path / "all.csv") == list(range(1, 121))
    assert [one["row"] for one in read(f"{whole}/out/")] == [one["row"] for one in read(str(whole / "out"))]
    refused = fetch("retry", "out/", cwd=whole)
    assert refused.returncode == 2
    assert refused.stderr.count(b"\n") == 1
    assert (
        b"out/ is a directory of parts, which stay as they are: make one file of it first" in refused.stderr
    )
    with pytest.raises(UsageError, match="has no _manifest"):
        read(str(tmp_path))


def test_a_directory_that_is_not_complete(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "out", tmp_path / "out")
    lost = sorted(record["row"] for record in read(str(tmp_path / "out/part-00001.parquet")))
    (tmp_path / "out/part-00001.parquet").unlink()
    shutil.copy(whole / "urls.txt", tmp_path)
    said = fetch("verify", "urls.txt", "out/", cwd=tmp_path)
    assert said.returncode == 1
    lines = said.stdout.decode().splitlines()
    assert lines[0] == f"not complete: 120 rows in urls.txt, {120 - len(lost)} records in out/"
    assert lines[1].startswith(f"  missing {len(lost)}: rows ")
    assert lines[2:] == [
        "  unfinished 1: part 1",
        "  what is missing is asked by: fetch urls.txt -o out/ --resume",
    ]
    records = read(str(tmp_path / "out"))
    assert len(list(records)) == 120 - len(lost)
    assert records.warnings == [
        f"{tmp_path}/out: 1 of {len(done(whole / 'out'))} parts are not finished: left out"
    ]
    again = ("urls.txt", "-o", "out/", "--resume", "--headers", "content-type", *QUICK)
    refused = fetch(*again, cwd=tmp_path)  # its rows have gone with it, and parts of another size have others
    assert refused.returncode == 2
    assert b"part-00001 was there and is missing: somebody took it out; --overwrite fetches" in refused.stderr
    before = parts_of(tmp_path / "out")
    assert small(*again, cwd=tmp_path).returncode == 0
    assert before.items() < parts_of(tmp_path / "out").items()
    assert fetch("verify", "urls.txt", "out/", cwd=tmp_path).returncode == 0


def test_a_part_that_is_torn_is_a_damaged_one(place: Town, tmp_path: Path) -> None:
    given, out = listed(tmp_path, place, 60), tmp_path / "out.jsonl"
    assert small(given, "-o", f"{out}/", *QUICK).returncode == 0
    part = out / "part-00001.jsonl"
    lost = part.read_bytes().splitlines(keepends=True)[-1]
    part.write_bytes(part.read_bytes()[: -len(lost) // 2])
    said = fetch("verify", given, f"{out}/")
    assert said.returncode == 1
    assert b"  missing 1: row" in said.stdout
    assert b"  damaged 1: part 1\n" in said.stdout


def test_a_part_that_is_damaged(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "out", tmp_path / "out")
    shutil.copy(whole / "urls.txt", tmp_path)
    part = tmp_path / "out/part-00002.parquet"
    lost = len(list(read(str(part))))
    part.write_bytes(part.read_bytes()[:-100])
    said = fetch("verify", "urls.txt", "out/", cwd=tmp_path)
    assert said.returncode == 1
    lines = said.stdout.decode().splitlines()
    assert lines[0] == f"not complete: 120 rows in urls.txt, {120 - lost} records in out/"
    assert lines[2:4] == [
        "  damaged 1: part 2",
        "  damaged: these files are not whole: remove them, and --resume asks their rows again",
    ]
    part.unlink()
    again = ("urls.txt", "-o", "out/", "--resume", "--headers", "content-type", *QUICK)
    assert small(*again, cwd=tmp_path).returncode == 0
    assert fetch("verify", "urls.txt", "out/", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    "where", [pytest.param("file://{}/out/", marks=pytest.mark.long), "local://{}/out.jsonl"]
)
def test_a_url_of_fsspec(where: str, place: Town, tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    url = where.format(tmp_path)
    given = listed(tmp_path, place, 60)
    assert small(given, "-o", url, *QUICK).returncode == 0
    assert prove([("list", line) for line in given.read_text().split()], url).complete
    assert look(url)["complete"]
    out = tmp_path / Path(url).name
    assert len(done(out)) > 1
    before = state(out)
    ran = small(given, "-o", url, *QUICK)
    assert (ran.returncode, state(out)) == (2, before)
    assert small(given, "-o", url, *QUICK, "--resume").returncode == 0
    ran = small(given, "-o", "nix://a/out/", *QUICK)
    assert (ran.returncode, ran.stderr) == (
        2,
        b"fetch: nix://a/out/ cannot be used: Protocol not known: nix\n",
    )


@pytest.mark.long
def test_an_object_store(place: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 as moto serves it: no folders, no renaming; a copy and a removal."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        port = server.get_host_and_port()[1]
        for name, value in {
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        }.items():
            monkeypatch.setenv(name, value)
        import boto3

        boto3.client("s3").create_bucket(Bucket="here")
        url, given = "s3://here/some/out/", listed(tmp_path, place, 60, "slow/0.05/{n}")
        words = [given, "-o", url, *QUICK, "-c", "4", "--workers", "2"]
        with started(*words) as child:
            until(lambda: bool(_s3_parts("here")), 60)
            child.kill()
        before = _s3_parts("here")
        time.sleep(2)
        assert fetch("verify", given, url).returncode == 1
        assert fetch(*words).returncode == 2
        ran = small(*words, "--resume")
        assert ran.returncode == 0, ran.stderr
        after = _s3_parts("here")
        assert before.items() <= after.items()
        assert fetch("verify", given, url).stdout.startswith(b"complete: each of 60 rows")
        assert b" complete" in fetch("status", url).stdout
        left = {one["Key"] for one in boto3.client("s3").list_objects_v2(Bucket="here")["Contents"]}
        names = {f"some/out/{name}" for name in ("_SUCCESS", "_manifest", "_progress")}
        assert left == {*names, *after, *(f"some/out/_told/{n:05}" for n in range(len(after)))}
    finally:
        server.stop()


def _s3_parts(bucket: str) -> dict[str, Any]:
    import boto3

    found = boto3.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
    return {one["Key"]: one["LastModified"] for one in found if "/part-" in one["Key"]}


# What ends a run, and what goes on with it.


def slowly(folder: Path, place: Town, rows: int = 72, seconds: float = 0.1) -> list[object]:
    """A run of some seconds, and several parts."""
    given = listed(folder, place, rows, f"slow/{seconds}/{{n}}")
    return [given, "-o", f"{folder}/out/", *QUICK, "-c", "6", "--workers", "2"]


def completes(words: list[object], before: dict[str, Any] | None = None) -> None:
    """With --resume it is whole; what was finished stays as it was."""
    given, out = Path(str(words[0])), Path(str(words[2]))
    ran = small(*words, "--resume")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")
    now = state(out)
    for name, one in (before or {}).items():
        assert now[name] == one
    assert fetch("verify", given, out).returncode == 0
    assert rows_of(out) == list(range(1, len(given.read_text().split()) + 1))
    assert not {"_fetching", "_spool", "_lock"} & {one.name for one in out.iterdir()}


def parts_of(out: Path) -> dict[str, Any]:
    return {name: one for name, one in state(out).items() if name.startswith("part-")}


def test_the_driver_is_killed(place: Town, tmp_path: Path) -> None:
    words, out = slowly(tmp_path, place), tmp_path / "out"
    with started(*words) as child:
        until(lambda: len(done(out)) > 1 and bool(processes(child.pid)))
        left = processes(child.pid)
        child.kill()
    until(lambda: not any(map(runs, left)), 2)
    before = parts_of(out)
    assert 1 < len(before) < len(json.loads((out / "_manifest").read_text())["rows"])
    assert b"goes on" in fetch("status", out).stdout or b"at work" in fetch("status", out).stdout
    asked = Counter(place.asked)
    completes(words, before)
    finished = sum(len(list(read(str(out / name)))) for name in before)
    assert (Counter(place.asked) - asked).total() == 72 - finished  # nothing of them was asked again


def test_a_process_of_a_part_is_killed(place: Town, tmp_path: Path) -> None:
    words, out = slowly(tmp_path, place, seconds=0.4), tmp_path / "out"

    def under_way() -> bool:
        return (out / "_progress").exists() and any(
            one["records"] for one in json.loads((out / "_progress").read_text())["running"]
        )

    with started(*[word for word in words if word != "-q"], stderr=subprocess.PIPE) as child:
        until(under_way)
        for one in processes(child.pid):
            os.kill(one, signal.SIGKILL)
        said = child.communicate(timeout=60)[1].decode()
    assert child.returncode == 0
    assert re.search(r"part \d was begun anew: its process or its worker had died\n", said), said
    assert re.search(r"\d+ answers? w\w+ dropped with parts that were cut off", said), said
    assert rows_of(out) == list(range(1, 73))
    completes(words, parts_of(out))


@pytest.mark.long
def test_parts_that_fail_do_not_keep_others_from_being_fetched(place: Town, tmp_path: Path) -> None:
    words, out = slowly(tmp_path, place, 160, 0.02), tmp_path / "out"
    with started(*words) as child:
        until(lambda: (out / "_manifest").exists() and bool(processes(child.pid)))
        child.kill()
    whole = {one: one.read_bytes() for one in sorted((out / "_spool").iterdir())}
    assert len(whole) > 5
    assert not any(one.stat().st_mode & 0o077 for one in whole)  # there may be logins in it
    rows = json.loads((out / "_manifest").read_text())["rows"]
    first = sorted(whole, key=lambda one: -rows[int(one.stem)])[:3]
    for one in first:
        one.write_bytes(whole[one].partition(b"\n")[0] + b"\n")
    words[words.index("--workers") + 1] = "1"
    ran = small(*[word for word in words if word != "-q"], "--resume")
    assert ran.returncode == 4
    assert f"part {int(first[0].stem)} failed: 1 records for {rows[int(first[0].stem)]} rows" in (
        ran.stderr.decode()
    )
    before = len(done(out))
    assert before < len(rows) - 3  # all three failed, one after the other: it gave up
    assert small(*words, "--resume").returncode == 4
    assert len(done(out)) == len(rows) - 3
    for one in first:
        one.write_bytes(whole[one])
    completes(words, parts_of(out))


@pytest.mark.long
def test_a_process_that_is_halted_does_not_hold_up_the_end(place: Town, tmp_path: Path) -> None:
    words, out = slowly(tmp_path, place), tmp_path / "out"
    with started(*words) as child:
        until(lambda: len(done(out)) > 0 and bool(processes(child.pid)))
        left = processes(child.pid)
        os.kill(left[0], signal.SIGSTOP)
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130
    assert not any(map(runs, left))
    completes(words, parts_of(out))


def test_a_process_that_outlived_its_run_puts_nothing_into_the_next(place: Town, tmp_path: Path) -> None:
    """Its machine was cut off, say, and comes back when the directory is of another list."""
    out = tmp_path / "out"
    given = Rows(Ready([("list", place.url(n, f"slow/1/{n}")) for n in range(4)]), Options())
    manifest = parts.Manifest(".jsonl", list(columns(Options())), "", {})
    made = begin(store.at(str(out)), given, manifest, None, 1, lambda _: None)
    job = next(parted._jobs(made, made.left, "asyncio", Options(concurrency=1)))
    child, asked = Child(MODULE), place.asked.total()
    try:
        child.tell(dict(job))
        until(lambda: place.asked.total() > asked)
        manifest.run = "another"
        made.store.write("_manifest", json.dumps(asdict(manifest)).encode())
        child.stdout.read()
        assert "begun anew" in str(child.failure())
    finally:
        child.close()
    assert not done(out)
    assert not list(out.glob("_told/*"))


def test_what_cannot_be_taken_out_is_said(
    place: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = listed(tmp_path, place, 30)
    words = [str(given), "-o", f"{tmp_path}/out.jsonl/", *QUICK]
    main(words)
    monkeypatch.setattr(store.Local, "remove", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        main([*words, "--overwrite"])
    assert ended.value.code == 4


def test_what_was_begun_anew_while_a_part_was_uploaded_is_left_alone(tmp_path: Path) -> None:
    def begun_anew() -> None:
        raise LocalFault("begun anew")

    for where in ("memory://anew/out/", str(tmp_path / "out")):
        there = store.at(where)
        (tmp_path / "new").write_bytes(b"of the old list")
        with pytest.raises(LocalFault, match="begun anew"):
            there.put(tmp_path / "new", "part-00000.jsonl", begun_anew)
        assert not there.has("part-00000.jsonl")
        assert not there.names("_fetching")


def test_a_share_of_what_is_for_the_whole_run_is_that_of_parts_at_once(tmp_path: Path) -> None:
    class Wide:
        workers, most, each = 40, -1, -1

        def fetch(self, turns: Turns, most: int = 0) -> Iterator[Heard | None]:
            job = turns.next()
            assert job is not None
            self.most, self.each = most, job["options"]["concurrency"]
            yield from ()

        def stop(self) -> None:
            raise AssertionError

    rows = [("list", f"http://h{n}.test/") for n in range(60)]
    for width, most, each in ((0, 0, 0), (1, 1, 1), (10, 10, 1), (90, 40, 2)):
        options, place = Options(concurrency=width), Wide()
        manifest = parts.Manifest(".jsonl", list(columns(options)), "", {})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("fetcher.partition.spool.LEAST", 1)
            there = store.at(str(tmp_path / str(width)))
            made = begin(there, Rows(Ready(rows), options), manifest, None, 40, lambda _: None)
        assert list(parted.fetch(made, place, "asyncio", options)) == []
        assert (place.most, place.each) == (most, each)


def test_a_login_of_a_store_is_not_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("")
    for words in (["verify", f"{tmp_path}/urls.txt"], ["report"], ["retry"], ["status"]):
        with pytest.raises(SystemExit):
            main([*words, "memory://me:secret@none/out/"])
        said = str(capsys.readouterr())
        assert "memory://***@none/out" in said
        assert "secret" not in said
    there = store.at("memory://me:secret@store/out/")
    assert there.where == "memory://me:secret@store/out/"
    assert there.url == "memory://***@store/out/"


def test_killed_while_the_list_is_sorted(place: Town, tmp_path: Path) -> None:
    """An input that stays open: there are rows on the disk, but no manifest."""
    out = tmp_path / "out"
    given = listed(tmp_path, place, 60)
    with started("-", "-o", f"{out}/", *QUICK, stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        child.stdin.write(given.read_bytes()[:500])
        child.stdin.flush()
        until(lambda: any(out.glob("_fetching/*/list/00000")) or any(out.glob("_fetching/*/list")))
        time.sleep(0.3)
        said = fetch("status", out)
        child.kill()
    assert said.returncode == 2
    assert b"has no _manifest: its list is still being sorted, or" in said.stderr
    completes([given, "-o", f"{out}/", *QUICK])


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_a_signal_leaves_whole_parts(number: int, place: Town, tmp_path: Path) -> None:
    """One part is finished, of the other five rows are answered."""
    given, out = tmp_path / "urls.txt", tmp_path / "out"
    quick = [place.url(1, f"bytes/3/{n}") for n in range(20)] + [
        place.url(2, f"bytes/3/{n}") for n in range(5)
    ]
    slow = [place.url(2, f"slow/6/{number}-{n}") for n in range(15)]
    there = [url.removeprefix("http://").replace(f":{place.port}", "") for url in slow]
    given.write_text("".join(f"{url}\n" for url in (*quick, *slow)))
    words = [given, "-o", f"{out}/", *QUICK, "-c", "40", "--workers", "2"]
    with started(*[word for word in words if word != "-q"], stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        until(lambda: len(done(out)) > 0 and all(place.asked[one] for one in there))
        time.sleep(0.3)
        child.send_signal(number)
        said = child.stderr.read().decode()
        assert child.wait(20) == 128 + number
    before = parts_of(out)
    assert [len(list(read(str(out / name)))) for name in before] == [20]
    assert "1 of 2 parts, 1 left: the same with --resume goes on" in said
    assert "5 answers were dropped with parts that were cut off: their rows are asked again" in said
    assert not list(out.glob("_fetching/*"))
    completes(words, before)


def test_a_signal_while_the_list_is_sorted(place: Town, tmp_path: Path) -> None:
    given = listed(tmp_path, place, 30)
    assert small(given, "-o", f"{tmp_path}/out/", *QUICK).returncode == 0
    before = state(tmp_path / "out")
    words = ["-", "-o", f"{tmp_path}/out/", "--overwrite", "-e", "asyncio"]
    with started(*words, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        until(lambda: (tmp_path / "out/_fetching").exists())
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=20)
    assert child.returncode == 130
    assert said == b"fetch: interrupted while the list was sorted by host: nothing was asked\n"
    assert state(tmp_path / "out") == before  # --overwrite replaces what it can replace


def test_mistakes_change_nothing(
    place: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given, out = listed(tmp_path, place, 30), tmp_path / "out"
    assert small(given, "-o", "out/", *QUICK, cwd=tmp_path).returncode == 0
    (out / "part-00001.parquet").unlink()  # as if it had been stopped: with its rows
    rows = b"".join(f'[{n},"x","http://127.0.0.1:1/"]\n'.encode() for n in range(10))
    (out / "_spool").mkdir()
    (out / "_spool/00001.jsonl").write_bytes(rows)
    (tmp_path / "other.txt").write_text(given.read_text().replace("bytes/7", "bytes/8", 1))
    (tmp_path / "spark").mkdir()
    (tmp_path / "spark/part-00000-4f2c.c000.snappy.parquet").write_bytes(b"theirs")
    (tmp_path / "spark/_SUCCESS").touch()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/part-00000.parquet").write_bytes(b"theirs")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/_manifest").write_text("{}")
    before = state(tmp_path)
    monkeypatch.chdir(tmp_path)
    for words, why in {
        ("urls.txt", "-o", "out/"): "out holds parts: use --resume to go on",
        ("urls.txt", "-o", "out"): "out holds parts: use --resume to go on",
        ("other.txt", "-o", "out/", "--resume"): "out is of another list: resume with the same list",
        ("urls.txt", "urls.txt", "-o", "out/", "--resume"): "out is of another list: resume with",
        ("urls.txt", "-o", "out/", "--resume", "--hash"): "other columns than this run (sha256): ",
        ("urls.txt", "-o", "out/", "--resume", "--overwrite"): "--resume keeps what -o DIR/ holds, ",
        ("urls.txt", "-o", "b/", "--save", "c"): "--save does not go with -o DIR/: a part that",
        ("urls.txt", "-o", "out/", "--json"): "--json is for records on standard output; with -o DIR/",
        ("urls.txt", "-o", "out/", "--errors"): "--errors is for records on standard output; with -o DIR/",
        ("urls.txt", "-o", "x.jsonl", "-o", "b/"): "-o b/ is a directory of parts: it is the only output; ",
        ("urls.txt", "-o", "b.csv/"): "b.csv/: parts are Parquet or JSON Lines: name it out/, ",
        ("urls.txt", "-o", "b/", "--workers", "0"): "--workers 0: give a number from 1 to",
        (
            "urls.txt",
            "-o",
            "b/",
            "--workers",
            "4",
            "-c",
            "3",
        ): "each process asks at least one at a time: give",
        ("urls.txt", "-o", "b/", "--summary", "-"): "--summary -: name a file",
        ("urls.txt", "-o", "b/", "--summary", "other.txt"): "other.txt exists: use --overwrite",
        ("urls.txt", "-o", "b/", "-e", "nix"): "there is no engine named 'nix'",
        ("nix.txt", "-o", "out/", "--overwrite"): "there is no such file",
        ("urls.txt", "-o", "urls.txt/"): "parts are Parquet or JSON Lines",
        ("urls.txt", "-o", "spark/", "--overwrite"): "spark holds other files (part-00000-4f2c.c000.snappy.",
        ("urls.txt", "-o", "./", "--overwrite"): " holds other files (mine): choose another directory",
        ("urls.txt", "-o", "theirs/"): "theirs holds parts, but no _manifest, which says of what: use",
        ("urls.txt", "-o", "theirs/", "--resume"): "theirs holds parts, but no _manifest, which says of",
        ("urls.txt", "-o", "mine/", "--overwrite"): "mine has a _manifest that is none of fetch: choose",
        ("urls.txt", "--cluster", "local"): "--cluster writes parts: give -o DIR/",
    }.items():
        monkeypatch.setattr("sys.argv", ["fetch", *words, *([] if "-e" in words else ["-e", "asyncio"])])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert (ended.value.code, said.out, said.err.count("\n")) == (2, "", 1), (words, said.err)
        assert why in said.err, (words, said.err)
        assert state(tmp_path) == before, words
    assert not (tmp_path / "b").exists()
    assert small("other.txt", "-o", "out/", *QUICK, "--overwrite", cwd=tmp_path).returncode == 0
    assert fetch("verify", "other.txt", "out", cwd=tmp_path).returncode == 0


FULL = """
mount -t tmpfs -o size=160k none disk
"$@" && exit 9
echo $?
ls disk/out > seen
mount -o remount,size=9m disk
"$@" --resume
echo $?
"""


def test_a_full_disk_then_a_larger_one(place: Town, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    if subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("unshare -rm does not work here")
    given = listed(tmp_path, place, 120, "status/404?{n}" + "x" * 400)
    run = [*SMALL, given, "-o", "disk/out.jsonl/", "-e", "asyncio", "--no-progress", "--retries", "0"]
    words = ["unshare", "-rm", "sh", "-c", FULL + "cp -r disk/out.jsonl .", "sh", *map(str, run)]
    words[4] = words[4].replace("disk/out ", "disk/out.jsonl ")
    env = clean() | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(words, capture_output=True, timeout=60, cwd=tmp_path, env=env, check=False)
    assert ran.stdout.split() == [b"4", b"1"], ran.stdout + ran.stderr
    assert b"No space left on device" in ran.stderr
    assert b"Traceback" not in ran.stderr
    seen = (tmp_path / "seen").read_text().split()
    assert "_manifest" in seen
    assert fetch("verify", given, tmp_path / "out.jsonl").returncode == 0


# What a person sees.


def test_status(whole: Path, tmp_path: Path) -> None:
    never = fetch("status", tmp_path / "out")
    assert (never.returncode, never.stderr.count(b"\n")) == (2, 1)
    assert b"has no _manifest: it is no directory that -o DIR/ has made" in never.stderr
    after = fetch("status", "out", cwd=whole)
    count = len(done(whole / "out"))
    assert after.returncode == 0
    counts = f"{count} of {count} parts, 120 of 120 rows (100%): 120 ok, 0 failed"
    assert after.stdout.decode() == f"out: {counts}\n  complete\n"
    record = json.loads(fetch("status", whole / "out", "--json").stdout)
    assert record["complete"] is True
    assert record["parts"] == {"done": count, "all": count}
    assert record["rows"] == {"done": 120, "all": 120}
    assert (record["ok"], record["failed"], record["running"], record["failed_parts"]) == (120, 0, [], {})


def test_status_of_a_run_and_a_second_one(place: Town, tmp_path: Path) -> None:
    words, out = slowly(tmp_path, place, seconds=10), tmp_path / "out"
    with started(*words) as child:
        until(lambda: (out / "_manifest").exists() and bool(look(str(out))["running"]))
        now = fetch("status", out)
        for flag in ("--resume", "--overwrite"):
            ran = small(*words, flag)
            assert (ran.returncode, ran.stderr.count(b"\n")) == (2, 1)
            assert b"out is being written by another run: wait until that has ended" in ran.stderr
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130
    assert now.returncode == 1
    lines = now.stdout.decode().splitlines()
    assert " parts, 0 of 72 rows (0%): 0 ok, 0 failed" in lines[0]
    assert any(line.startswith(("  worker 1: part ", "  worker 2: part ")) for line in lines)
    assert lines[-1].startswith("  at work (heard ")
    assert b"nobody is at work: the same command with --resume goes on" in fetch("status", out).stdout


def test_the_lines_on_a_narrow_terminal(place: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [word for word in slowly(tmp_path, place, 36) if word != "-q"]
    monkeypatch.setattr("tests.test_cli.FETCH", SMALL)
    seen = on_a_terminal(list(map(str, words)), 40)
    drawn = [line for frame in seen.split("\x1b[J") for line in frame.split("\r\n") if "\x1b" not in line]
    bars = [line for line in drawn if line.startswith(("worker 1  part ", "worker 2  part "))]
    totals = [line for line in drawn if " parts  " in line and "/36" in line]
    assert bars
    assert totals
    assert all(len(line) < 40 for line in (*bars, *totals))
    last = seen.rpartition("\x1b[J")[2]  # the lines have gone; what stays is the summary
    assert last.lstrip("\r").startswith("36 URLs in ")
    assert all(len(line) <= 40 or "/" in line for line in last.split("\r\n"))
    plain = small(*words, "--overwrite")
    assert b"\x1b" not in plain.stderr
    assert b"worker 1" not in plain.stderr


def test_a_host_that_is_a_part_of_its_own_is_told(place: Town, tmp_path: Path) -> None:
    given = listed(tmp_path, place, 40)
    given.write_text(
        given.read_text() + "".join(f"http://127.0.0.1:{place.port}/bytes/{n}\n" for n in range(60))
    )
    command = [*SMALL[:2], SMALL[2].replace("LEAST = 20", "LEAST, spool.PART = 20, 25")]
    ran = fetch(given, "-o", "out/", "-e", "asyncio", cwd=tmp_path, command=command)
    said = (
        "fetch: 127.0.0.1 has 3 parts, which are fetched one after the other: a host is asked by one worker"
    )
    assert said in ran.stderr.decode()
    hosts: dict[str, set[str]] = defaultdict(set)
    for name in done(tmp_path / "out"):
        for record in read(str(tmp_path / "out" / name)):
            hosts[record["url"].split("/")[2]].add(name)
    assert sorted(len(names) for names in hosts.values()) == [1] * 11 + [3]


def test_names_that_are_ours(tmp_path: Path) -> None:
    there = store.at(str(tmp_path / "out"))
    assert parts.opened(there, resume=True, overwrite=False) is None
    for name in (".DS_Store", "_lock", "_progress", "_spool/00000.jsonl", "_told/00000", "part-00000.jsonl"):
        there.write(name, b"{}")
    parts.opened(there, resume=False, overwrite=True)
    parts.cleared(there)
    assert there.names() == {".DS_Store", "_lock", "_fetching"}
