"""`fetch verify INPUT OUT`: complete is complete, and all that is not is told."""

from __future__ import annotations

import gzip
import json
import os
import threading
import time
from pathlib import Path

import pytest

from fetcher.errors import UsageError
from fetcher.feeds import Wait
from fetcher.feeds.rows import Rows, listed
from fetcher.ledger import opened
from fetcher.ledger._entries import TORN, entries, find, line_of
from fetcher.ledger.proof import prove
from fetcher.model import COLUMNS, Options, Request, Result
from fetcher.outputs import open_outputs
from fetcher.pump import Ready
from fetcher.records import read
from fetcher.sources import Bad, Item, Skip
from tests.ledgers import fetch

URLS = [f"http://a/{n}" for n in range(1, 13)]
PIECES: list[tuple[str, Item]] = [("list", url) for url in URLS]


def written(path: Path, rows: list[tuple[int, str]]) -> Path:
    with open_outputs([str(path)], COLUMNS, overwrite=True) as (write,):
        write([Result(row, "list", url, url, 200 if row > 1 else 404) for row, url in rows])
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_complete_and_not(suffix: str, tmp_path: Path) -> None:
    out = tmp_path / f"out{suffix}"
    good = list(enumerate(URLS, 1))
    proof = prove(PIECES, str(written(out, good[::-1])))
    assert proof.complete
    assert (proof.rows, proof.records, proof.ok) == (12, 12, 11)
    bad = [
        *good[:4],
        (6, "http://other/"),
        *good[8:11],
        good[2],
        good[9],
        (40, "http://z/"),
        (13, "http://y/"),
    ]
    found = prove(PIECES, str(written(out, bad))).record()
    assert found == {
        "complete": False,
        "rows": 12,
        "records": 12,
        "ok": 11,
        "failed": 1,
        "torn_bytes": 0,
        "missing": {"count": 4, "first": [[5, 5], [7, 8], [12, 12]]},
        "doubled": {"count": 2, "first": [[3, 3], [10, 10]]},
        "foreign": {"count": 3, "first": [[6, 6], [13, 13], [40, 40]]},
        "broken": {"count": 0, "first": []},
        "unfinished": {"count": 0, "first": []},
        "damaged": {"count": 0, "first": []},
        "differs": [{"row": 6, "there": "http://other/", "listed": URLS[5]}],
    }


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_torn_and_broken(suffix: str, tmp_path: Path) -> None:
    out = written(tmp_path / f"out{suffix}", list(enumerate(URLS, 1)))
    whole = out.read_bytes()
    lines = whole.splitlines(keepends=True)
    out.write_bytes(b"".join([*lines[:5], b"mine\n", *lines[5:]])[:-20])
    proof = prove(PIECES, str(out))
    assert not proof.complete
    assert (proof.missing.first, proof.broken.first) == ([[12, 12]], [[6, 6]])
    assert proof.torn == len(lines[-1]) - 20


def test_a_list_with_duplicates_is_counted_as_it_was_fetched() -> None:
    items: list[Item] = [
        *(
            "http://a/",
            Skip("blank"),
            "HTTP://A:80/",
            "no url",
            "no url",
            "http://a/#x",
            Bad("http://a/", "why"),
        ),
        *("http://u:p@a/", "http://b/", "a", "http://c/%", "http://[::1", "http://a/\x01", "http://\u00fc/"),
    ]
    pieces = [("list", item) for item in items * 2]
    for unique in (False, True):
        feed, rows = Rows(Ready(pieces), Options(unique=unique)), []
        while (taken := feed.take(0.0)) is not None:
            assert not isinstance(taken, Wait)
            assert isinstance(taken, Request | Result)
            rows.append((taken.row, taken.url, taken.input))
        assert rows == list(listed(pieces, unique=unique))
        assert len(rows) == (26 - 12 if unique else 26) or not unique


def test_what_is_said(tmp_path: Path) -> None:
    listed_in = tmp_path / "urls.txt"
    listed_in.write_text("".join(f"{url}\n" for url in URLS))
    out = written(tmp_path / "out.jsonl", list(enumerate(URLS, 1)))
    done = fetch("verify", "urls.txt", "out.jsonl", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"complete: each of 12 rows has one record in out.jsonl (11 ok, 1 failed)\n"
    out.write_bytes(out.read_bytes()[:-1000])
    done = fetch("verify", "-", "out.jsonl", cwd=tmp_path, stdin=listed_in.read_bytes())
    assert done.returncode == 1
    said = done.stdout.decode().splitlines()
    assert said[0] == "not complete: 12 rows in -, 9 records in out.jsonl"
    assert said[1] == "  missing 3: rows 10-12"
    assert said[2].startswith("  torn: its last record was cut off (")
    assert said[3] == "  what is missing is asked by: fetch - -o out.jsonl --resume"
    done = fetch("verify", "urls.txt", "out.jsonl", "--json", cwd=tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stdout)["missing"] == {"count": 3, "first": [[10, 12]]}
    out.write_bytes(b"")
    assert b"missing 12: rows 1-12" in fetch("verify", "urls.txt", "out.jsonl", cwd=tmp_path).stdout
    for words, why in {
        ("urls.txt",): b"verify needs the list as well",
        ("urls.txt", "urls.txt"): b"is no file of records",
        ("urls.txt", "nix.jsonl"): b"'nix.jsonl' cannot be read: No such file",
        ("nix.txt", "out.jsonl"): b"there is no such file",
    }.items():
        done = fetch("verify", *words, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.count(b"\n") == 1
        assert why in done.stderr


def test_swapped_arguments_are_told(tmp_path: Path) -> None:
    texts = {
        "urls.txt": "".join(f"{url}\n" for url in URLS),
        "urls.csv": "".join(f"{url}\n" for url in ["url", *URLS]),
        "urls.jsonl": "".join(f"{json.dumps({'url': url})}\n" for url in URLS),
    }
    for name, words in texts.items():
        (tmp_path / name).write_text(words)
    written(tmp_path / "out.jsonl", list(enumerate(URLS, 1)))
    parted = tmp_path / "parts"
    parted.mkdir()
    (parted / "_manifest").write_text(json.dumps({"suffix": ".jsonl", "rows": [12]}))
    written(parted / "part-00000.jsonl", list(enumerate(URLS, 1)))
    for out in ("out.jsonl", "parts"):
        for name in texts:
            assert fetch("verify", name, out, cwd=tmp_path).returncode == 0
            done = fetch("verify", out, name, cwd=tmp_path)
            said = f"{out} has records and {name} has none: they look swapped: fetch verify {name} {out}"
            assert (done.returncode, done.stderr.decode()) == (2, f"fetch: {said}\n")
    done = fetch("verify", "out.jsonl", "urls.txt", "urls.csv", cwd=tmp_path)
    assert done.stderr.endswith(b"swapped: fetch verify urls.txt urls.csv out.jsonl\n")
    for words in (
        ("out.jsonl", "nix.txt"),
        ("urls.txt", "urls.csv"),
        ("-", "urls.txt"),
        ("parts", "out.jsonl"),
    ):
        done = fetch("verify", *words, cwd=tmp_path, stdin=(tmp_path / "out.jsonl").read_bytes())
        assert (done.returncode, b"swapped" in done.stderr) == (2, False), done.stderr


def test_what_holds_no_records_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("mine\n")
    with pytest.raises(UsageError, match="holds no records of fetch"):
        prove(PIECES, str(out))


def spoiled(suffix: str, folder: Path) -> bytes:
    """What was written, with a fifth record that begins as one and is none."""
    whole = written(folder / f"whole{suffix}", list(enumerate(URLS, 1))).read_bytes()
    lines = whole.splitlines(keepends=True)
    at = 4 if suffix == ".jsonl" else 5
    rest = b'"f#\0 not json}\n' if suffix == ".jsonl" else b"200,,,junk\r\n"
    lines[at] = lines[at][: lines[at].index(b"http://a/5") + 12] + rest
    return b"".join(lines)


@pytest.mark.parametrize("packed", ["", ".gz", "a pipe"])
@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_what_only_begins_as_a_record_is_none(suffix: str, packed: str, tmp_path: Path) -> None:
    content, out = spoiled(suffix, tmp_path), tmp_path / f"out{suffix}{packed}"
    if packed == "a pipe":
        out = tmp_path / f"pipe{suffix}"
        os.mkfifo(out)
        writer = threading.Thread(target=out.write_bytes, args=(content,))
        writer.start()
        proof = prove([*PIECES[:1], ("list", "http://other/"), *PIECES[2:]], str(out))
        writer.join()
        assert proof.differs == [(2, "", "http://other/")]  # it cannot be read again
    else:
        out.write_bytes(gzip.compress(content) if packed else content)
        proof = prove(PIECES, str(out))
    assert not proof.complete
    line = 5 if suffix == ".jsonl" else 6
    assert (proof.records, proof.missing.first, proof.broken.first) == (11, [[5, 5]], [[line, line]])


def test_gzip_data_that_was_cut_off_is_told(tmp_path: Path) -> None:
    whole = written(tmp_path / "out.jsonl", list(enumerate(URLS, 1))).read_bytes()
    packed, out = gzip.compress(whole), tmp_path / "out.jsonl.gz"
    out.write_bytes(packed)
    assert prove(PIECES, str(out)).complete
    for kept in (len(packed) - 4, len(packed) - 8):  # all records are there; the checksum is not
        out.write_bytes(packed[:kept])
        proof = prove(PIECES, str(out))
        assert (proof.missing.count, proof.broken.first) == (0, [[13, 13]])
    out.write_bytes(gzip.compress(whole[:-1] + b"\n" + whole[:99]))
    assert (prove(PIECES, str(out)).torn, prove(PIECES, str(out)).missing.count) == (99, 0)


def test_a_record_without_status_is_none(tmp_path: Path) -> None:
    out = written(tmp_path / "out.jsonl", list(enumerate(URLS, 1)))
    lines = [json.loads(line) for line in out.read_bytes().splitlines()]
    del lines[3]["status"]
    out.write_text("\n".join(map(json.dumps, lines)))
    records = read(str(out))
    assert len(list(records)) == 11
    assert prove(PIECES, str(out)).broken.first == [[4, 4]]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_large_cell_is_one(suffix: str, tmp_path: Path) -> None:
    out, hops = tmp_path / f"out{suffix}", [{"url": "http://a/" + "x" * 60_000, "status": 302}] * 20
    with open_outputs([str(out)], COLUMNS, overwrite=True) as (write,):
        write([Result(1, "list", URLS[0], URLS[0], 200, redirects=hops)])
    assert prove(PIECES[:1], str(out)).complete
    assert next(read(str(out)))["redirects"] == hops


def test_ten_thousand_broken_lines_take_no_time(tmp_path: Path) -> None:
    out = written(tmp_path / "out.jsonl", list(enumerate(URLS, 1)))
    with out.open("ab") as more:
        more.write((b"x" * 500 + b"\n\n") * 20_000)
    began = time.monotonic()
    proof = prove(PIECES, str(out))
    assert time.monotonic() - began < 5
    assert (proof.broken.count, proof.broken.first) == (20_000, [[n, n] for n in range(13, 22, 2)])


def test_what_stands_behind_a_quote_too_many_is_no_torn_end(tmp_path: Path) -> None:
    rows = [(n, f"http://a/{n}") for n in range(1, 40_001)]
    out = written(tmp_path / "out.csv", rows)
    whole = out.read_bytes().replace(b",http://a/7,", b',"http://a/7,', 1)
    out.write_bytes(whole)
    began = time.monotonic()
    proof = prove([("list", url) for _, url in rows], str(out))
    assert (proof.records, proof.broken.first, proof.torn) == (6, [[8, 8]], 0)
    with pytest.raises(UsageError, match="line 8 is no record"), opened(str(out), COLUMNS):
        pass
    assert time.monotonic() - began < 5
    assert out.read_bytes() == whole


def test_a_last_line_without_its_newline_is_a_record_if_it_is_whole(tmp_path: Path) -> None:
    good = list(enumerate(URLS, 1))
    out = written(tmp_path / "out.jsonl", good)
    whole = out.read_bytes()
    for last in (b"", b"  ", b"\r"):
        out.write_bytes(whole[:-1] + last)
        assert prove(PIECES, str(out)).complete
        for parsed in (False, True):
            with out.open("rb") as stream:
                *_, (row, url, _, end) = entries(stream, "out.jsonl", whole=parsed)
            assert (row, url, end) == (12, URLS[-1].encode(), len(whole) - 1 + len(last))
    for cut in range(whole.rindex(b"{"), len(whole) - 1):
        out.write_bytes(whole[:cut])
        with out.open("rb") as stream:
            *_, (row, _, _, end) = entries(stream, "out.jsonl")
        assert row == (TORN if cut > whole.rindex(b"{") else 11)
        assert end == whole.rindex(b"{")
    table = written(tmp_path / "out.csv", good)
    for cut in (1, 2, 3):
        table.write_bytes(whole := written(table, good).read_bytes()[:-cut])
        assert prove(PIECES, str(table)).torn == len(whole) - whole.rindex(b"\n") - 1 > 0


def test_lines_are_counted_with_their_newline_or_without(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"ab\ncd\nef")
    assert [line_of(str(tmp_path / "x"), end) for end in (0, 1, 3, 6, 7, 8)] == [0, 1, 1, 2, 3, 3]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_url_that_is_no_utf_8_can_be_shown(suffix: str, tmp_path: Path) -> None:
    out = written(tmp_path / f"out{suffix}", list(enumerate(URLS, 1)))
    out.write_bytes(out.read_bytes().replace(b"http://a/2", b"http://a/\xfc"))
    assert find(str(out), 2) == "http://a/\\xfc"
    proof = prove(PIECES, str(out))
    assert (proof.records, proof.broken.count) == (11, 1)
