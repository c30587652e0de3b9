"""Two recorded runs: read back from every format as they were written, and compared as diff(1) would."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetcher import records
from fetcher.difference import FIELDS, compare
from fetcher.errors import UsageError
from fetcher.model import COLUMNS, Result
from fetcher.outputs import open_outputs

EVERY = (*COLUMNS, "sha256", "depth", "referrer", "headers", "saved")
FORMATS = ("run.jsonl", "run.csv", "run.parquet", "run.jsonl.gz", "run.csv.gz", "run.parquet.gz")
Row = dict[str, Any]


def result(path: str = "/", **facts: Any) -> Result:
    url = f"http://127.0.0.1:8000{path}"
    usual = {"url": url, "final_url": url, "status": 200, "size": 100, "wire_size": 90, "started": "now"}
    return Result(**{**usual, "content_type": "text/html", **facts})


def row(path: str = "/", **facts: Any) -> Row:
    return result(path, **facts).record(EVERY)


def recorded(path: Path, results: Iterable[Result], columns: tuple[str, ...] = EVERY) -> Path:
    """A file as `-o` writes it; packed, if its name says so."""
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    with open_outputs([str(plain)], columns, overwrite=True) as (write,):
        write(list(results))
    if plain is not path:
        path.write_bytes(gzip.compress(plain.read_bytes()))
    return path


def fetch_diff(*words: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    code = "import sys; from fetcher.cli import _run; sys.exit(_run('diff', sys.argv[1:], {}))"
    given = [sys.executable, "-c", code, *map(str, words)]
    usual = {name: value for name, value in os.environ.items() if not name.startswith("FETCH_")}
    usual |= {"PYTHONPATH": str(Path(__file__).parents[1]), **env}
    return subprocess.run(
        given, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, env=usual, timeout=50
    )


# Reading back.

ODD = [
    result("/", redirects=[{"url": "http://127.0.0.1:8000/a", "status": 301}], headers={"server": "x,'\"\n"}),
    result("/=1+1", message="'=HYPERLINK(1)", error="reset", status=None, size=None, wire_size=None),
    result("/ä", message='-1\r\n,"x"', input="=input", content_type="'text", depth=0, referrer=""),
    Result(row=4, url="", input="", error="invalid_url", message="\t not one"),
    result("/big", size=2**53 + 1, elapsed=0.000001, dns=0.0, sha256="0" * 64, saved="'a"),
]


@pytest.mark.parametrize("name", FORMATS)
def test_what_was_written_is_read(name: str, tmp_path: Path) -> None:
    run = records.read(str(recorded(tmp_path / name, ODD)))
    found = list(run)
    wanted = [one.record(EVERY) for one in ODD]
    if ".csv" in name:
        wanted[2]["referrer"] = None  # an empty cell
    assert found == wanted
    assert [list(map(type, one.values())) for one in found] == [
        list(map(type, one.values())) for one in wanted
    ], "True is no 1"
    assert run.warnings == []


SAFE = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@settings(max_examples=60)
@given(st.lists(st.tuples(SAFE, st.none() | SAFE.filter(bool)), max_size=4))
def test_any_text_survives_a_csv(tmp_path_factory: pytest.TempPathFactory, texts: list[Any]) -> None:
    path = tmp_path_factory.mktemp("csv") / "run.csv"
    rows = [result(url, message=message) for url, message in texts]
    run = records.read(str(recorded(path, rows, COLUMNS)))
    assert [(one["url"], one["message"]) for one in run] == [(one.url, one.message) for one in rows]
    assert run.warnings == []


@pytest.mark.parametrize("name", ["run.jsonl", "run.csv"])
def test_a_run_that_was_killed_at_any_byte_is_read_to_there(name: str, tmp_path: Path) -> None:
    results = [result("/", message='a,"b"'), result("/x", redirects=[{"url": "http://a/", "status": 301}])]
    whole = recorded(tmp_path / name, results).read_bytes()
    head = whole.index(b"\n") + 1 if name == "run.csv" else 0
    ends = [end for end in range(head, len(whole) + 1) if whole[:end].endswith(b"\n")]
    for end in range(head, len(whole) + 1):
        (tmp_path / name).write_bytes(whole[:end])
        run = records.read(str(tmp_path / name))
        paths = [one["url"][21:] for one in run]
        complete = sum(head < mark <= end for mark in ends)
        # Without its newline an object of JSON is whole all the same; a row of CSV may be, with its CR.
        spare = whole[end : end + 1] == b"\n"
        assert paths == ["/", "/x"][: complete + spare], whole[:end][-30:]
        assert bool(run.warnings) is (end not in [head, *ends] and not spare)
        if run.warnings:
            assert run.warnings[0].endswith("was cut off: left out")


@pytest.mark.parametrize("name", ["run.jsonl.gz", "run.csv.gz"])
def test_a_cut_gzip_is_read_to_there(name: str, tmp_path: Path) -> None:
    path = recorded(tmp_path / name, [result(f"/{n * n}") for n in range(2000)])
    whole = path.read_bytes()
    counts = []
    for share in (0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        run = records.read(str(path))
        found = [one["url"] for one in run]
        assert found == [result(f"/{n * n}").url for n in range(len(found))]
        assert "cut off" in run.warnings[0]
        counts.append(len(found))
    assert 0 < counts[0] < counts[1] < counts[2] < 2000


def test_lines_inside_that_are_no_records_are_told_and_counted(tmp_path: Path) -> None:
    path = recorded(tmp_path / "run.jsonl", [result("/")])
    line = path.read_bytes()
    path.write_bytes(line + b'\n{"row":1,"ur{"row":2}\n' + b"nonsense\n" * 4 + b"[1]\n\xff\n" + line)
    run = records.read(str(path))
    assert [one["url"] for one in run] == [result("/").url] * 2
    assert len(run.warnings) == 4
    assert run.warnings[0] == f"{path}: line 3 is no record: left out"
    assert run.warnings[3] == f"{path}: 4 more are no whole records: left out"
    table = recorded(tmp_path / "run.csv", [result("/"), result("/x")])
    rows = table.read_bytes().splitlines(keepends=True)
    table.write_bytes(rows[0] + b"1,2\r\n" + rows[1].replace(b"200", b"two") + rows[2])
    run = records.read(str(table))
    assert [one["url"] for one in run] == [result("/x").url]
    assert [one.rpartition(": line ")[2] for one in run.warnings] == [
        "2 is no record: left out",
        "3 is no record: left out",
    ]


def test_what_other_tools_make_of_a_csv_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_bytes(
        b"\xef\xbb\xbfstatus,url,ok,error,size\n200.0,http://a/,TRUE,,\n\n,http://b/,FALSE,reset,7.0\n"
    )
    assert list(records.read(str(path))) == [
        {"status": 200, "url": "http://a/", "ok": True, "error": None, "size": None},
        {"status": None, "url": "http://b/", "ok": False, "error": "reset", "size": 7},
    ]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("urls.txt", b"http://a/\n", "is no file of records: give one of .jsonl, .csv, .parquet"),
        ("urls.jsonl", b'{"url": "http://a/"}\n', "there is no status and no error in it"),
        ("run.jsonl", b"http://a/\n", "holds no records of fetch: line 1"),
        ("run.jsonl", b"http://a/", "holds no records of fetch: line 1"),
        ("run.jsonl", b'{"url": 1, "status": 200, "error": null}\n', "its url is no text"),
        ("run.jsonl", b"PAR1", "holds no records"),
        ("run.jsonl", b"[]\n", "holds no records"),
        ("urls.csv", b"url\nhttp://a/\n", "there is no status and no error in it"),
        ("run.csv", b'"a\n', "its first row is no CSV"),
        ("run.csv", b"\xff\xfe\0\0", "holds no records"),
        ("run.parquet", b"PAR1", "is no whole Parquet file"),
        ("run.parquet", b"", "is no whole Parquet file"),
        ("run.jsonl.gz", b'{"url"', "is no gzip data"),
        ("run.parquet.gz", b"PAR1", "is no"),
    ],
)
def test_what_is_no_file_of_records_is_refused(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as caught:
        records.read(str(tmp_path / name))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    for name in ("nowhere.jsonl", "folder.jsonl", ".", "a\0.jsonl"):
        with pytest.raises(UsageError, match="give"):
            records.read(f"{tmp_path}/{name}")


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_run_is_no_mistake(name: str, tmp_path: Path) -> None:
    assert list(records.read(str(recorded(tmp_path / name, [])))) == []


# Comparing.


def test_equal_runs_have_no_difference() -> None:
    found = compare([row("/"), row("/b", status=404)], [row("/b", status=404), row("/", elapsed=9.0)])
    assert (found.events, found.same, found.lacking) == ([], 2, ())


CHANGES = {
    "ok": ({}, {"error": "reset"}, None),
    "status": ({}, {"status": 204}, [200, 204]),
    "error": ({"error": "reset"}, {"error": "truncated"}, ["reset", "truncated"]),
    "final_url": ({}, {"final_url": "http://a/"}, ["http://127.0.0.1:8000/", "http://a/"]),
    "redirects": ({}, {"redirects": [{"url": "u", "status": 301}]}, [[], [{"url": "u", "status": 301}]]),
    "content_type": ({"content_type": None}, {}, [None, "text/html"]),
    "size": ({}, {"size": None}, [100, None]),
    "wire_size": ({}, {"wire_size": 91}, [90, 91]),
    "sha256": ({"sha256": "ab" * 32}, {"sha256": "cd" * 32}, ["ab" * 32, "cd" * 32]),
}


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_compared_and_can_be_ignored(name: str) -> None:
    before, after, wanted = CHANGES[name]
    (event,) = compare([row(**before)], [row(**after)]).events
    assert event.changes[name] == wanted or (name == "ok" and event.changes[name] == [True, False])
    others = compare([row(**before)], [row(**after)], ignore=[name])
    assert name not in others.compared
    assert all(name not in one.changes for one in others.events)


def test_new_gone_broken_and_repaired_worst_first() -> None:
    old = [row("/gone"), row("/broken"), row("/repaired", status=500), row("/size"), row("/less", size=50)]
    old += [row("/kind"), row("/same"), row("/gone-bad", status=404)]
    new = [row("/new"), row("/broken", status=404), row("/repaired"), row("/size", size=300), row("/less")]
    new += [row("/kind", content_type="text/plain"), row("/same"), row("/new-bad", error="reset")]
    found = compare(old, new)
    assert [(one.word, one.url[21:]) for one in found.events] == [
        ("broken", "/broken"),
        ("new", "/new-bad"),
        ("gone", "/gone"),
        ("changed", "/kind"),
        ("changed", "/size"),
        ("changed", "/less"),
        ("new", "/new"),
        ("gone", "/gone-bad"),
        ("repaired", "/repaired"),
    ]
    record = found.record()
    assert record["same"] == 1
    assert [len(record[name]) for name in ("added", "removed", "changed")] == [2, 2, 5]
    assert record["changed"][0]["changes"] == {"ok": [True, False], "status": [200, 404]}
    assert record["removed"][0] == {"url": row("/gone")["url"], "ok": True, "status": 200} | {
        "error": None,
        "size": 100,
    }
    assert json.loads(json.dumps(record)) == record


def test_the_last_record_of_a_url_counts() -> None:
    found = compare([row("/", status=500), row("/")], [row("/", status=404), row("/x"), row("/")])
    assert [one.word for one in found.events] == ["new"]
    assert (found.old.records, len(found.old.rows), found.new.records, len(found.new.rows)) == (2, 1, 3, 2)


@pytest.mark.parametrize(("percent", "size", "same"), [(0, 101, 0), (1, 101, 1), (1, 102, 0), (10, 90, 1)])
def test_a_tolerance_is_for_sizes_only(percent: float, size: int, same: int) -> None:
    found = compare([row("/")], [row("/", size=size)], tolerance=percent)
    assert found.same == same
    assert compare([row("/")], [row("/", status=201)], tolerance=1000.0).same == 0
    assert compare([row("/", size=0)], [row("/", size=1)], tolerance=100.0).same == 0
    assert compare([row("/")], [row("/", size=None)], tolerance=1000.0).same == 0


def test_a_field_that_only_one_run_has_is_not_compared() -> None:
    plain = {name: value for name, value in row("/").items() if name != "sha256"}
    found = compare([plain], [row("/", sha256="ab" * 32)])
    assert (found.events, found.lacking) == ([], ("sha256",))
    bare = {"url": plain["url"], "status": 404, "error": None}
    (event,) = compare([plain], [bare]).events
    assert (event.word, event.changes) == ("broken", {"status": [200, 404]})
    assert compare([], [plain]).lacking == ()


def test_equal_records_are_kept_once() -> None:
    def run() -> Iterable[Row]:
        for number in range(5000):
            yield json.loads(json.dumps(row(f"/{number}", sha256=f"{number:064x}", size=number * 1000)))

    tracemalloc.start()
    found = compare(run(), run())
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert found.same == 5000
    assert held / 5000 < 800, f"{held / 5000:.0f} bytes per URL of both runs"


# The command.


def two(folder: Path) -> tuple[Path, Path]:
    old = recorded(folder / "old.jsonl", [result("/"), result("/a"), result("/gone"), result("/size")])
    new = [result("/"), result("/a", status=404), result("/size", size=150), result("/new")]
    return old, recorded(folder / "new.csv", new)


def test_the_command_tells_as_diff_does(tmp_path: Path) -> None:
    two(tmp_path)
    done = fetch_diff("old.jsonl", "new.csv", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, b"")
    base = "http://127.0.0.1:8000"
    assert done.stdout.decode().splitlines() == [
        "old.jsonl: 4 URLs; new.csv: 4 URLs",
        "1 broken, 1 gone, 1 changed, 1 new; 1 the same",
        f"broken   {base}/a  status 200 -> 404",
        f"gone     {base}/gone  200, 100 B",
        f"changed  {base}/size  size 100 -> 150 (+50.0%)",
        f"new      {base}/new  200, 100 B",
    ]
    done = fetch_diff("old.jsonl", "old.jsonl", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines()[1] == "no difference; 4 the same"


def test_json_and_files(tmp_path: Path) -> None:
    two(tmp_path)
    outputs = ("-o", "diff.json", "-o", "diff.md")
    done = fetch_diff("old.jsonl", "new.csv", "--json", *outputs, cwd=tmp_path)
    record = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (1, b"")
    assert record == json.loads((tmp_path / "diff.json").read_text())
    assert record["old"] == {"file": "old.jsonl", "records": 4, "urls": 4}
    assert record["changed"][1]["changes"] == {"size": [100, 150]}
    assert (record["same"], record["warnings"]) == (1, [])
    page = (tmp_path / "diff.md").read_text()
    assert "| gone | <http://127.0.0.1:8000/gone> | 200, 100 B |" in page
    again = fetch_diff("old.jsonl", "new.csv", *outputs, cwd=tmp_path)
    assert again.returncode == 2
    assert b"--overwrite" in again.stderr
    assert fetch_diff("old.jsonl", "new.csv", *outputs, "--overwrite", cwd=tmp_path).returncode == 1
    assert (tmp_path / "diff.md").read_text() == page


def test_ignore_and_tolerance_reach_it(tmp_path: Path) -> None:
    recorded(tmp_path / "old.csv", [result("/")])
    recorded(tmp_path / "new.csv", [result("/", size=105, final_url="http://b/")])
    words = ("--ignore", "final_url", "--size-tolerance", "5")
    assert fetch_diff("old.csv", "new.csv", *words, cwd=tmp_path).returncode == 0
    assert fetch_diff("old.csv", "new.csv", *words[:2], cwd=tmp_path).returncode == 1
    assert fetch_diff("old.csv", "new.csv", "--ignore", "size,final_url", cwd=tmp_path).returncode == 0


def test_what_was_left_out_is_said(tmp_path: Path) -> None:
    old = recorded(tmp_path / "old.jsonl", [result("/"), result("/")], COLUMNS)
    with old.open("ab") as file:
        file.write(b'{"row":3,"url":"http:')
    recorded(tmp_path / "new.jsonl", [result("/", sha256="ab" * 32)])
    done = fetch_diff("old.jsonl", "new.jsonl", "--json", cwd=tmp_path)
    said = done.stderr.decode().splitlines()
    assert said == [
        "fetch: old.jsonl: line 3 was cut off: left out",
        "fetch: old.jsonl: of several records of one URL the last counts: 1 left out",
        "fetch: sha256 was not compared: no record of old.jsonl has it",
    ]
    assert json.loads(done.stdout)["warnings"] == [line.removeprefix("fetch: ") for line in said]
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["old.jsonl"], "NEW"),
        ([], "OLD"),
        (["old.jsonl", "nowhere.jsonl"], "nowhere.jsonl"),
        (["old.jsonl", "urls.txt"], "urls.txt is no file of records"),
        (["old.jsonl", "new.csv", "--ignore", "statsu"], "did you mean status?"),
        (["old.jsonl", "new.csv", "--ignore", "elapsed"], "use one of: ok status"),
        (["old.jsonl", "new.csv", "--size-tolerance", "-1"], "--size-tolerance -1.0: give percent"),
        (["old.jsonl", "new.csv", "--size-tolerance", "nan"], "--size-tolerance nan: give percent"),
        (["old.jsonl", "new.csv", "-o", "out.html"], "out.html: a difference is written as one of"),
        (["old.jsonl", "new.csv", "-o", "old.json"], "old.json is an input"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, words: list[str], said: str) -> None:
    old, _ = two(tmp_path)
    (tmp_path / "urls.txt").write_text("http://a/\n")
    (tmp_path / "old.json").hardlink_to(old)
    done = fetch_diff(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("env", [{}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}])
def test_what_a_server_said_cannot_move_the_cursor(tmp_path: Path, env: dict[str, str]) -> None:
    nasty = "\x1b[2J\u202e\x9b\ud800\n ä|<b>"
    recorded(tmp_path / "old.jsonl", [result("/", content_type="x"), result("/" + nasty)])
    recorded(tmp_path / "new.jsonl", [result("/", content_type=nasty, final_url=nasty), result("/b" + nasty)])
    done = fetch_diff("old.jsonl", "new.jsonl", "-o", "diff.md", cwd=tmp_path, **env)
    assert (done.returncode, done.stderr) == (1, b"")
    for text in (done.stdout.decode(), (tmp_path / "diff.md").read_text(encoding="utf-8")):
        assert not [char for char in text if not char.isprintable() and char != "\n"]
    assert len(done.stdout.splitlines()) == 5
    assert json.loads(fetch_diff("old.jsonl", "new.jsonl", "--json", cwd=tmp_path, **env).stdout)


def test_a_pipe_can_be_compared(tmp_path: Path) -> None:
    two(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["sh", "-c", "cat old.jsonl > pipe"], cwd=tmp_path):
        assert fetch_diff("old.jsonl", "pipe", cwd=tmp_path).returncode == 0


def test_nobody_reads_on(tmp_path: Path) -> None:
    recorded(tmp_path / "old.jsonl", [])
    recorded(tmp_path / "new.jsonl", [result(f"/{n}") for n in range(5000)])
    code = "import sys; from fetcher.cli import _run; sys.exit(_run('diff', sys.argv[1:], {}))"
    words = [sys.executable, "-c", code, "old.jsonl", "new.jsonl"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, cwd=tmp_path, env=env, **pipes) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.read(10)
        run.stdout.close()
        assert run.stderr.read() == b""
        assert run.wait(20) == 141
