"""What every sink promises: whole batches at once, and the same records back, whatever they hold."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fetcher.sinks as folder
from fetcher import menu
from fetcher.model import COLUMNS, Result
from fetcher.outputs import open_outputs, suffixes

NAMES = [name for name in menu.names(folder) if name in suffixes().values()]
SUFFIX = {name: suffix for suffix, name in suffixes().items()}
AT_THE_END = {"parquet", "html"}  # formats that can be read only when the run is over
EXTRA = ("sha256", "depth", "referrer", "headers")

FULL = Result(
    row=1,
    input="http://example.org/",
    url="http://example.org/",
    final_url="http://example.org/ü?a=1,2",
    status=200,
    size=246_819,
    wire_size=50_000,
    content_type='text/html; charset="utf-8"',
    encoding="gzip",
    content_length=50_000,
    http_version="1.1",
    ip="127.0.0.1",
    elapsed=0.3141592653,
    dns=0.001,
    connect=0.002,
    tls=1e-6,
    ttfb=0.25,
    attempts=2,
    redirects=[{"url": "http://example.org/a,b", "status": 301}],
    started="2026-01-02T03:04:05.678Z",
    engine="asyncio",
    sha256="00ff",
    depth=3,
    referrer="http://example.org/",
    headers={"etag": 'W/"x"', "vary": "ü"},
)
FAILED = Result(
    row=2, input="no.example", url="http://no.example", error="dns_not_found", message="Name unknown"
)
ODD_TEXTS = [
    "日本語 \U0001f600",
    'a "b", c',
    "line\nbreak\r\nand\ttab",
    "\x00\x07\x1b[31m",
    "|<b>&amp;|`x`",
    "\ud800x",
]
ODD = [
    Result(row=3 + n, input=text, url=text, error="bad_header", message=text)
    for n, text in enumerate(ODD_TEXTS)
]
ODD.append(
    Result(
        row=20, content_length=10**30, redirects=[{"url": "\udfff", "status": 302}], headers={"a": "\udc80"}
    )
)


def clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().decode("utf-8").split("\n")[:-1]]


def read_csv(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def read_parquet(path: Path) -> list[dict[str, Any]]:
    rows = pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    for one in rows:
        if one.get("headers") is not None:
            one["headers"] = dict(one["headers"])
    return rows


def read_markdown(path: Path) -> list[dict[str, Any]]:
    head, _, *rows = [line[2:-2] for line in path.read_text(encoding="utf-8").splitlines()]
    return [dict(zip(head.split(" | "), row.split(" | "), strict=True)) for row in rows]


READ: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    "jsonl": read_jsonl,
    "csv": read_csv,
    "parquet": read_parquet,
    "markdown": read_markdown,
}
every_sink = pytest.mark.parametrize("name", NAMES)
readable = pytest.mark.parametrize("name", sorted(READ))


def written(name: str, folder: Path, *batches: list[Result], columns: tuple[str, ...] = COLUMNS) -> Path:
    path = folder / f"out{SUFFIX[name]}"
    with open_outputs([str(path)], columns, overwrite=True) as (write,):
        for batch in batches:
            write(batch)
    return path


@every_sink
def test_a_batch_is_in_the_file_when_write_returns(name: str, tmp_path: Path) -> None:
    if name in AT_THE_END:
        return
    path = tmp_path / f"out{SUFFIX[name]}"
    with open_outputs([str(path)], COLUMNS, overwrite=False) as (write,):
        write([FULL])
        one = path.read_bytes()
        write([FAILED])
        both = path.read_bytes()
        assert both.startswith(one)
        assert b"no.example" not in one
        assert b"no.example" in both
        assert both.endswith(b"\n")
    assert path.read_bytes() == both


@every_sink
def test_the_file_does_not_depend_on_the_batches(name: str, tmp_path: Path) -> None:
    results = [FULL, FAILED, *ODD]
    whole = written(name, tmp_path, results).read_bytes()
    apart = written(name, tmp_path, *[[one] for one in results]).read_bytes()
    assert whole == apart


@every_sink
def test_an_empty_batch_writes_nothing(name: str, tmp_path: Path) -> None:
    assert (
        written(name, tmp_path, [], [FULL], []).read_bytes() == written(name, tmp_path, [FULL]).read_bytes()
    )


@every_sink
def test_a_stopped_run_leaves_a_file_that_can_be_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{SUFFIX[name]}"

    def stopped() -> None:
        with open_outputs([str(path)], COLUMNS, overwrite=False) as (write,):
            write([FULL])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert path.read_bytes() == written(name, tmp_path, [FULL]).read_bytes()


@readable
def test_an_empty_run_can_be_read(name: str, tmp_path: Path) -> None:
    assert READ[name](written(name, tmp_path)) == []


@readable
def test_a_row_for_each_result_in_order(name: str, tmp_path: Path) -> None:
    results = [FULL, FAILED, *ODD]
    rows = READ[name](written(name, tmp_path, results[:2], results[2:], columns=(*COLUMNS, *EXTRA)))
    assert [int(row["row"]) for row in rows] == [result.row for result in results]


@pytest.mark.parametrize("name", ["jsonl", "parquet"])
def test_typed_records_come_back_equal(name: str, tmp_path: Path) -> None:
    columns = (*COLUMNS, *EXTRA)
    rows = READ[name](written(name, tmp_path, [FULL, FAILED, *ODD[:5]], columns=columns))
    for row, result in zip(rows, [FULL, FAILED, *ODD[:5]], strict=True):
        assert tuple(row) == columns
        assert row == {**result.record(columns), "elapsed": pytest.approx(result.elapsed, abs=1e-6)}


def test_csv_records_come_back_as_text(tmp_path: Path) -> None:
    full, failed, *odd = read_csv(written("csv", tmp_path, [FULL, FAILED, *ODD], columns=(*COLUMNS, *EXTRA)))
    assert tuple(full) == (*COLUMNS, *EXTRA)
    assert full["ok"] == "true"
    assert full["elapsed"] == "0.314159"
    assert full["content_type"] == FULL.content_type
    assert json.loads(full["redirects"]) == FULL.redirects
    assert json.loads(full["headers"]) == FULL.headers
    assert (failed["ok"], failed["status"], failed["error"]) == ("false", "", "dns_not_found")
    assert [row["message"] for row in odd[:-1]] == [clean(text) for text in ODD_TEXTS]


def test_csv_ends_its_lines_as_the_rfc_says(tmp_path: Path) -> None:
    raw = written("csv", tmp_path, [FULL]).read_bytes()
    assert raw.count(b"\r\n") == raw.count(b"\n") == 2


def test_a_number_that_parquet_cannot_hold_is_null(tmp_path: Path) -> None:
    row = read_parquet(written("parquet", tmp_path, [ODD[-1]], columns=(*COLUMNS, "headers")))[0]
    assert row["content_length"] is None
    assert row["redirects"] == [{"url": "\\udfff", "status": 302}]
    assert row["headers"] == {"a": "\\udc80"}


def test_parquet_has_the_same_types_with_nothing_in_it(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = (*COLUMNS, *EXTRA)
    empty = parquet.read_schema(written("parquet", tmp_path, columns=columns))
    nulls = parquet.read_schema(written("parquet", tmp_path, [Result()], columns=columns))
    assert empty == nulls == parquet.read_schema(written("parquet", tmp_path, [FULL], columns=columns))
    types = {field.name: str(field.type) for field in empty}
    assert types["redirects"].startswith("list<")
    assert (types["row"], types["elapsed"], types["ok"]) == ("int64", "double", "bool")


def test_parquet_writes_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("fetcher.sinks.parquet.GROUP", 10)
    batches = [[Result(row=batch * 4 + n) for n in range(4)] for batch in range(7)]
    path = written("parquet", tmp_path, *batches)
    facts = parquet.read_metadata(path)
    assert facts.num_rows == 28
    assert facts.num_row_groups >= 2
    assert [row["row"] for row in read_parquet(path)] == list(range(28))
