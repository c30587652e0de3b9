"""`--workers`: the same records as from one process, and none lost or there twice, whatever dies."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import fetcher
from fetcher import urls
from fetcher.comparison.arms import installed
from fetcher.errors import Fault, UsageError
from fetcher.feeds.rows import Row, Rows
from fetcher.model import PARITY, Options, Request, Result
from fetcher.partition import split, worker
from fetcher.partition.carried import line, piece
from fetcher.partition.hosts import Hosts
from fetcher.pump import Ready
from fetcher.records import read
from fetcher.sources import Bad
from fetcher.tally import HOSTS, Tally
from tests.ledgers import FETCH, clean, fetch, is_prompt, processes, rows_of, runs, start, until
from tests.towns import Town, listed, town

QUICK = ("-e", "asyncio", "--retries", "0")


@pytest.fixture(scope="module")
def place() -> Iterator[Town]:
    with town() as there:
        yield there


# Which process has a host.


def test_a_place_is_the_same_in_every_run() -> None:
    texts = ("http://example.org/", "https://www.example.org/a", "http://[::1]:8080/", "no url at all")
    places = [("example.org", 54), ("example.org", 54), ("[::1]", 27), ("no url at all", 23)]
    assert [Hosts(64).of(text) for text in texts] == places


SPELLINGS = (
    r"""http://example.com http://EXAMPLE.com:80/x HTTP://u:p@Example.Com/ example.com //example.com/a?b#c
    http:\\example.com\@other/ http:/example.com http:///example.com/ http://example.com:080/
    http://%65xample.com http://example.com:/ http://other@example.com/@third""",
    "http://127.0.0.1 http://127.1/ http://0x7f.1/a http://2130706433/ http://0177.0.0.1:80",
    "http://b\u00fcc.example http://xn--bc-xka.example/ http://B\u00dcC.example:80/x http://b%C3%BCc.example/",
    "https://[::1]/ https://[0:0::1]:443/x HTTPS://u@[::1]#x",
    "http://example.com./ http://EXAMPLE.com.:80/x https://www.example.com http://example.com:8080/",
)


@pytest.mark.parametrize("spellings", SPELLINGS)
def test_the_spelling_does_not_matter(spellings: str) -> None:
    for count in (2, 3, 64):
        hosts = Hosts(count)
        assert len({hosts.of(url) for url in spellings.split()}) == 1


NAMES = st.sampled_from(
    [
        "a.b",
        "A.b",
        "127.1",
        "127.0.0.1",
        "b\u00fc",
        "xn--b-xga",
        "[::1]",
        "a.b.",
        "%61.b",
        "",
        "x..y",
        "www.a.b",
        "www.b",
        "a.0x1",
        "a.b-1",
        "-.b",
    ]
)
URLS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(
            ["http://", "https://", "HTTP://", "", "//", "http:", "http:\\\\", " http://", "ftp://"]
        ),
        st.sampled_from(["", "u@", "u:p@", "a.b@", "@", "a.b\\@", "a.b/@", ":80@"]),
        NAMES,
        st.sampled_from(["", ":", ":80", ":443", ":0080", ":8080", ":99999", ":x"]),
        st.sampled_from(["", "/", "/x", "?q", "#f", "\\", "/..", "/@y", "\n", ":1/", "/\x01"]),
    ),
)


@given(st.lists(st.one_of(URLS, st.text(max_size=12)), max_size=30), st.integers(1, 64))
@example(["http://a.b\n", "http://a.b:80\\@c/"], 64)
def test_the_place_follows_from_the_host_alone(texts: list[str], count: int) -> None:
    hosts, alone = Hosts(count), {}
    for text in texts:
        request = Request(text)
        try:
            urls.aim(request, urls.wire(text))
        except Fault:  # it gets its record wherever it is
            assert 0 <= hosts.of(text)[1] < count
            continue
        assert hosts.of(text) == hosts.of(Request(text)) == Hosts(count).of(text)
        name, where = hosts.of(text)
        assert name == request.host.rpartition(":")[0].rstrip(".").removeprefix("www.")
        assert alone.setdefault(name, where) == where


def test_hosts_are_spread_and_remembered_ones_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fetcher.partition.hosts.KEPT", 50)
    hosts = Hosts(4)
    found = Counter(hosts.of(f"http://host{n}.example/x")[1] for n in range(2000))
    assert min(found.values()) > 400
    assert len(hosts._known) <= 50
    again = Hosts(4, level=1)
    assert (
        Counter(
            again.of(f"http://host{n}.example/")[1] == hosts.of(f"http://host{n}.example/")[1]
            for n in range(2000)
        )[True]
        < 700
    )


# What crosses.

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
ODD = st.one_of(
    st.none(), st.integers(), st.binary(max_size=4), TEXT, st.lists(TEXT, max_size=2), st.tuples(TEXT)
)
FIELDS = st.one_of(
    st.lists(
        st.tuples(st.sampled_from(["X-A", "x-b", "Cookie"]), st.text("abc \u00e9", max_size=5)), max_size=3
    ).map(tuple),
    ODD,
)
REQUESTS = st.builds(
    Request,
    st.one_of(URLS, URLS.map(lambda url: f"http://u:p@h.example/{len(url)}"), ODD),
    method=st.one_of(st.sampled_from(["GET", "post", "HEAD", "P T"]), ODD),
    data=st.one_of(st.none(), st.binary(max_size=9), TEXT),
    headers=FIELDS,
    readers=st.one_of(
        st.sampled_from([("count",), ("hash", "count"), ("links",), ("no",), "text", ["hash"]]), ODD
    ),
    depth=st.one_of(st.none(), st.integers()),
    referrer=st.one_of(st.none(), TEXT),
    fresh=st.booleans(),
)
KEPT = (
    *(
        "url",
        "row",
        "input",
        "method",
        "data",
        "wire",
        "host",
        "headers",
        "own",
        "login",
        "origin",
        "readers",
    ),
    *("depth", "referrer", "fresh", "purpose"),
)


def asked(pieces: list[Any]) -> list[Any]:
    """What a list becomes in the process that asks it."""
    feed, found = Rows(Ready(pieces), Options(header=(("X-Run", "1"),))), []
    while (one := feed.take(0.0)) is not None:
        names = KEPT if isinstance(one, Request) else ("row", "input", "url", "error", "message")
        found.append([type(one), *(getattr(one, name) for name in names)])
    return found


@given(st.lists(st.one_of(URLS, TEXT, REQUESTS, ODD, st.builds(Bad, TEXT, TEXT)), max_size=6), TEXT)
@example(["\ud83d\ude00.example", "http://h/\udc80", "a\u2028b\n", Bad("\x00", "why")], "in\nput")
@example([Request("http://h/", headers=(("X", "\u00e9"),), data=b"\xff\x00", method="put")], "")
@example(
    [Request("http://h/", headers={"X": "y"}), Request(b"http://u:p@h/"), Request("http://h/", depth=1)], ""
)
def test_a_row_arrives_as_it_was(items: list[Any], source: str) -> None:
    rows = Rows(Ready([(source, item) for item in items]), Options())
    carried = []
    while (row := rows.numbered()) is not None:
        assert isinstance(row, Row)
        data = line(row)
        assert data.count(b"\n") == 1
        carried.append(piece(data))
    assert asked(carried) == asked([(source, item) for item in items])


def test_the_request_of_a_result_crosses_with_its_secrets_for_its_own_origin_only() -> None:
    first = next(iter(asking([Request("http://u:p@h.example/", headers=(("X-Key", "s"),))])))
    for again in (first, replace(first, url="http://other.example/")):
        assert asked([piece(line(Row(1, "", again)))]) == asked([("", again)])


def asking(items: list[Any]) -> list[Any]:
    feed = Rows(Ready([("", item) for item in items]), Options())
    return [feed.take(0.0) for _ in items]


RESULTS = st.builds(
    Result,
    status=st.one_of(st.none(), st.sampled_from([200, 301, 404])),
    error=st.one_of(st.none(), st.sampled_from(["reset", "robots_denied"])),
    size=st.one_of(st.none(), st.integers(0, 9)),
    wire_size=st.one_of(st.none(), st.integers(0, 9)),
    attempts=st.integers(0, 3),
    elapsed=st.integers(0, 8).map(float),
    depth=st.one_of(st.none(), st.just(1)),
    request=st.one_of(st.none(), st.sampled_from("ab").map(lambda host: Request("", host=host))),
)


@given(st.lists(st.lists(RESULTS, max_size=5), max_size=5))
def test_totals_that_are_merged_are_those_that_are_added(batches: list[list[Result]]) -> None:
    one, other = Tally(), Tally()
    for batch in batches:
        one.add(batch)
        part = Tally()
        part.add(batch)
        other.merge(json.loads(json.dumps(part.record())))
    assert one == other


def test_merged_totals_keep_a_bounded_number_of_hosts() -> None:
    tally = Tally()
    for part in range(3):
        hosts = {f"{part}-{n}": [1, 1.0] for n in range(HOSTS // 2)}
        tally.merge(Tally().record() | {"hosts": hosts})
    assert len(tally.hosts) == HOSTS


# The same records.


def inputs(folder: Path, place: Town) -> list[str]:
    """Three inputs with all that may stand in them."""
    accents = place.url(9, "b%C3%BC?\u00e9")
    (folder / "a.txt").write_text(
        "# a comment\n\n"
        + "".join(f"{place.url(n, f'bytes/{n}')}\n" for n in range(40))
        + "".join(f"{place.url(n, f'gzip/{n}00')}\r\n" for n in range(5))
        + f"no url at all\nhttp://u:p@{place.hosts[1]}:{place.port}/status/404\nftp://x/\nhttp://127.0.0.1:1/\n"
        + f"{place.url(3, 'to/4/bytes/9')}\n{place.url(5, 'to/5/to/6/status/500')}\n{place.url(6, 'short')}\n"
        + f"\n  # another\nHTTP://127.1:{place.port}/bytes/1#again\n{accents}\n"
        + f"{place.url(1, 'bytes/1')}\nhttp://b\udcff/\n",
        errors="surrogateescape",
    )
    (folder / "b.csv").write_text(
        f"name,link\nx,{place.url(2, 'chunked')}\ny,\n"
        f"z,{place.url(2, 'bytes/2')}\nw,{place.url(7, 'status/204')}\n"
    )
    (folder / "c.jsonl").write_text(
        f'{{"link": "{place.url(8, "bytes/8")}"}}\nnot json\n'
        f'{{"link": "=1+1"}}\n{{"link": "{place.url(8, "x")}"}}\n'
    )
    return ["a.txt", "b.csv", "c.jsonl"]


OUT = ("out.jsonl", "out.csv", "out.parquet", "out.md")
MORE = (*PARITY, "headers", "saved", "input", "url", "attempts", "message")


def told(folder: Path, place: Town, *words: str) -> dict[str, Any]:
    """What a run says in each of its outputs, but for times and order; and its files."""
    names = inputs(folder, place)
    outs = [word for name in OUT for word in ("-o", name)]
    alike = ("--column", "link", "--field", "link", "--unique", "--hash", "--save", "saved", "--retries", "0")
    done = fetch(*names, *outs, *alike, "--headers", "content-type,location", *words, cwd=folder)
    assert done.returncode == 1, done.stderr
    files = {path.name: path.read_bytes() for path in (folder / "saved").iterdir()}
    found: dict[str, Any] = {"files": files, "skipped": done.stderr.splitlines()[-1]}
    for name in OUT[:3]:
        records = {record["row"]: record for record in read(str(folder / name))}
        assert rows_of(folder / name) == sorted(records)  # none is there twice
        found[name] = {row: {field: record.get(field) for field in MORE} for row, record in records.items()}
    cells = [one.split(" | ") for one in (folder / "out.md").read_text().splitlines()]
    numbers = [n for n, name in enumerate(cells[0]) if name in ("elapsed", "attempts")]
    found["out.md"] = sorted(str([cell for n, cell in enumerate(row) if n not in numbers]) for row in cells)
    if "--json" in words:
        records = [json.loads(one) for one in done.stdout.splitlines()]
        found["stdout"] = sorted(str([record["row"], *(record[name] for name in MORE)]) for record in records)
    else:
        parts = [one.split("\t") for one in done.stdout.decode("utf-8", "replace").splitlines()]
        found["stdout"] = sorted(str([row[0], row[1], *row[3:]]) for row in parts)
    return found


@pytest.fixture(scope="module")
def single(place: Town, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What one process says of the inputs, by engine and words."""

    class Once(dict[Any, Any]):
        def __missing__(self, words: tuple[str, ...]) -> dict[str, Any]:
            self[words] = told(tmp_path_factory.mktemp("single"), place, *words)
            return dict(self[words])

    return Once()


SHAPES = (("2", ()), ("3", ("--json",)), ("2", ("--errors",)), ("3", ("--json", "--errors")))
SOON = {("asyncio", *SHAPES[1]), ("processes", *SHAPES[2])}
ALL = [(engine, *shape) for engine in installed() for shape in SHAPES]


@pytest.mark.parametrize(
    ("engine", "workers", "words"),
    [pytest.param(*one, marks=() if one in SOON else pytest.mark.long) for one in ALL],
)
def test_the_union_is_what_one_process_says(
    tmp_path: Path, place: Town, single: Any, engine: str, workers: str, words: tuple[str, ...]
) -> None:
    found = told(tmp_path, place, "-e", engine, *words, "--workers", workers)
    alone = single["-e", engine, *words]
    for name, what in alone.items():
        assert found[name] == what, name
    listing = ("--column", "link", "--field", "link", "--unique")
    done = fetch("verify", "a.txt", "b.csv", "c.jsonl", "out.jsonl", *listing, cwd=tmp_path)
    assert done.stdout.startswith(b"complete"), done


def test_every_output_has_the_lines_of_one_process_and_no_process_is_left(
    tmp_path: Path, place: Town
) -> None:
    out, sums = tmp_path / "out.csv", tmp_path / "sums.json"
    done = fetch(
        *(place.url(n, "bytes/1") for n in (1, 2)), "-o", out, "--workers", "5", "--summary", sums, *QUICK
    )
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)
    assert b"2 URLs in " in done.stderr
    assert b"2 lines read = 2 ok + 0 failed + 0 skipped + 0 left" in done.stderr
    with out.open(newline="") as file:
        assert [row["row"] for row in sorted(csv.DictReader(file), key=lambda row: row["row"])] == ["1", "2"]
    assert json.loads(sums.read_text())["statuses"] == {"200": 2}


def test_a_host_is_asked_within_its_limit_by_one_process(tmp_path: Path, place: Town) -> None:
    place.most.clear()
    words = ("--workers", "3", "--per-host", "2", "-c", "60", "-q", *QUICK)
    assert fetch(listed(tmp_path, place, 240, "slow/0.02/{n}"), *words).returncode == 0
    assert set(place.most.values()) == {2}


def test_the_rate_is_that_of_all(tmp_path: Path, place: Town) -> None:
    place.times.clear()
    assert fetch(listed(tmp_path, place, 24), "--workers", "2", "--rate", "20", "-q", *QUICK).returncode == 0
    times = sorted(place.times)
    for first, began in enumerate(times):
        for last in range(first, len(times)):
            # Each process may begin with one, and catch up with 0.1 s; a slow server sees them late, too.
            assert last - first + 1 <= 20 * (times[last] - began + 0.4) + 2
    assert times[-1] - times[0] > 0.5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--workers", "0"], "--workers 0: give a number from 1 to 64"),
        (["--workers", "65"], "--workers 65: give a number from 1 to 64"),
        (["--workers", "two"], "--workers: 'two' is not a whole number"),
        (["--workers", "3", "-c", "2"], "--workers 3 with -c 2: each process"),
        (["--workers", "2", "-e", "asynchio"], "there is no engine named 'asynchio': did you mean asyncio?"),
        (
            ["--workers", "2", "-e", "curl"],
            "curl needs pycurl, which is not installed: pip install '.[curl]'",
        ),
        (["--workers", "2", "--http", "2"], "--http 2: asyncio speaks HTTP/1.1 only"),
        (["--workers", "2", "-o", "there.jsonl"], "there.jsonl exists: use --resume"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, words: list[str], said: str) -> None:
    """A library that is missing is only missed in the processes: they say it, and it is said once."""
    (tmp_path / "there.jsonl").write_text("mine\n")
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['pycurl'] = None\n")
    done = stubbed(tmp_path, "http://127.0.0.1:1/", *words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(f"fetch: {said}".encode())
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "there.jsonl").read_text() == "mine\n"


def stubbed(folder: Path, *words: object) -> subprocess.CompletedProcess[bytes]:
    """The command, in a folder whose `sitecustomize` every process of it runs first."""
    env = clean() | {"PYTHONPATH": f"{folder}{os.pathsep}{Path(__file__).parents[1]}"}
    run = [*FETCH, *map(str, words)]
    return subprocess.run(run, capture_output=True, timeout=50, cwd=folder, env=env, check=False)


@pytest.mark.long
def test_what_the_processes_warn_of_is_said_once(tmp_path: Path, place: Town) -> None:
    run = [*FETCH, str(listed(tmp_path, place, 10)), "--workers", "2", "-c", "200", *QUICK]
    words = ["bash", "-c", 'ulimit -n 100; "$@"', "bash", *run]
    done = subprocess.run(words, capture_output=True, timeout=50, env=clean(), check=False)
    assert done.returncode == 0
    assert done.stderr.count(b"in each process at most 100 files may be open here, so ") == 1


# What dies.


def test_a_process_that_is_killed_loses_nothing_and_doubles_nothing(tmp_path: Path, place: Town) -> None:
    out, rows = tmp_path / "out.jsonl", 400
    urls_of = listed(tmp_path, place, rows, "slow/0.05/{n}")
    words = (urls_of, "--workers", "2", "-c", "16", "-o", out, "-o", tmp_path / "out.md", *QUICK)
    with start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        until(lambda: out.exists() and out.read_bytes().count(b"\n") > 60)
        os.kill(processes(run.pid)[0], signal.SIGKILL)
        printed, said = run.communicate(timeout=40)
    assert run.returncode == 0, said
    assert rows_of(out) == list(range(1, rows + 1))
    assert len(printed.splitlines()) == rows
    assert len((tmp_path / "out.md").read_text().splitlines()) == rows + 2
    assert b"of 2 died (it was ended by SIGKILL); another asked the " in said
    assert f"{rows} lines read = {rows} ok + 0 failed".encode() in said
    assert b"complete" in fetch("verify", urls_of, out).stdout


@pytest.mark.long
@pytest.mark.parametrize("engine", installed())
def test_a_process_that_is_killed_with_processes_of_its_own(tmp_path: Path, place: Town, engine: str) -> None:
    out = tmp_path / "out.jsonl"
    words = (
        listed(tmp_path, place, 60, "slow/0.1/{n}"),
        "--workers",
        "2",
        "-c",
        "4",
        "-o",
        out,
        "-e",
        engine,
    )
    words = words if engine != "sequential" else (*words[:3], *words[5:])
    with start(*words, stderr=subprocess.PIPE) as run:
        until(lambda: out.exists() and out.read_bytes().count(b"\n") > 5)
        os.kill(processes(run.pid)[1], signal.SIGKILL)
        said = run.communicate(timeout=40)[1]
    assert (run.returncode, rows_of(out)) == (0, list(range(1, 61))), said
    assert b"process " in said


def test_where_the_parent_is_killed_nothing_is_left_and_any_run_goes_on(tmp_path: Path, place: Town) -> None:
    out, rows = tmp_path / "out.jsonl", 300
    listing = listed(tmp_path, place, rows, "slow/0.05/{n}")
    for workers in ("2", "1"):
        words = (listing, "--workers", workers, "-c", "8", "-o", out, "--resume", *QUICK)
        had = out.read_bytes() if out.exists() else b""
        with start(*words, stderr=subprocess.DEVNULL) as run:
            until(lambda had=had: out.exists() and out.read_bytes().count(b"\n") > had.count(b"\n") + 30)
            left = processes(run.pid)
            assert len(left) == (int(workers) if workers != "1" else 0)
            run.kill()
        until(lambda left=left: not any(map(runs, left)), 2.0)
        assert out.read_bytes().startswith(had)
        assert len(set(rows_of(out))) == len(rows_of(out)) > had.count(b"\n")
    done = fetch(listing, "--workers", "2", "-o", out, "--resume", *QUICK)
    assert (done.returncode, rows_of(out)) == (0, list(range(1, rows + 1)))
    assert b" done before" in done.stderr
    assert fetch("verify", listing, out).returncode == 0


def test_a_process_that_always_dies_ends_the_run(tmp_path: Path, place: Town) -> None:
    """One after its start, before it has said anything; the other after each answer, or at one URL."""
    killed = "import os, sys\nif 'fetcher.partition' in sys.orig_argv:\n    os.kill(os.getpid(), 9)\n"
    (tmp_path / "sitecustomize.py").write_text(killed)
    done = stubbed(tmp_path, listed(tmp_path, place, 50), "--workers", "2", *QUICK)
    assert (done.returncode, done.stdout) == (4, b"")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(b"fetch: process ")
    assert b" of 2 died 4 times (it was ended by SIGKILL); the " in done.stderr
    assert b" that it had not answered got no record" in done.stderr


@pytest.mark.long
def test_a_url_that_kills_ends_the_run_and_not_the_records_before(tmp_path: Path, place: Town) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'fetcher.partition' in sys.orig_argv:\n"
        "    import fetcher.feeds.rows as rows\n"
        "    asked = rows.Rows._asked\n"
        "    def kills(self, row, now):\n"
        "        if 'poison' in str(row.item):\n"
        "            import time; time.sleep(0.2); os.kill(os.getpid(), 11)\n"
        "        return asked(self, row, now)\n"
        "    rows.Rows._asked = kills\n"
    )
    listing, out = listed(tmp_path, place, 60), tmp_path / "out.jsonl"
    lines = listing.read_text().splitlines()
    listing.write_text("\n".join([*lines[:30], place.url(3, "poison"), *lines[30:]]))
    done = stubbed(tmp_path, listing, "--workers", "2", "-c", "4", "-o", out, "-q", *QUICK)
    assert done.returncode == 4
    assert b" died 4 times (it was ended by SIGSEGV)" in done.stderr
    assert len(set(rows_of(out))) == len(rows_of(out)) >= 10


@pytest.mark.parametrize(
    ("signals", "code"), [((signal.SIGINT,), 130), ((signal.SIGTERM, signal.SIGINT), 143)]
)
def test_a_signal_drains_and_a_second_one_does_not(
    tmp_path: Path, place: Town, signals: tuple[int, ...], code: int
) -> None:
    """A terminal sends it to the whole group, and so does `timeout`."""
    out = tmp_path / "out.jsonl"
    pause = 1.0 if len(signals) == 1 else 30.0
    listing = listed(tmp_path, place, 20)
    listing.write_text(
        listing.read_text() + "".join(f"{place.url(n, f'slow/{pause}/{n}')}\n" for n in range(80))
    )
    words = (listing, "--workers", "2", "-c", "8", "-o", out, *QUICK)
    with start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as run:
        until(lambda: out.exists() and out.read_bytes().count(b"\n") >= 20)
        left = processes(run.pid)
        time.sleep(0.3)
        began = time.monotonic()
        for number in signals:
            os.killpg(run.pid, number)
            time.sleep(0.2)
        printed, said = run.communicate(timeout=20)
    assert time.monotonic() - began < 4.0
    assert run.returncode == code, said
    count = len(rows_of(out))
    assert count == len(printed.splitlines()) == (28 if len(signals) == 1 else 20)
    assert all(record["ok"] for record in read(str(out)))
    assert b"interrupted after " in said
    assert f"{count} ok + 0 failed".encode() in said
    assert not any(map(runs, left))


@pytest.mark.long
def test_ctrl_c_before_the_processes_can_hear_it(tmp_path: Path, place: Town) -> None:
    for pause in (0.15, 0.25, 0.4):
        words = (listed(tmp_path, place, 50, "slow/9/{n}"), "--workers", "2", *QUICK)
        with start(*words, stderr=subprocess.PIPE, start_new_session=True) as run:
            until(lambda run=run: bool(processes(run.pid)))
            time.sleep(pause - 0.15)
            os.killpg(run.pid, signal.SIGINT)
            time.sleep(0.1)
            os.killpg(run.pid, signal.SIGINT)
            said = run.communicate(timeout=20)[1]
        assert run.returncode == 130, said
        assert b"Traceback" not in said


@pytest.mark.long
def test_a_process_that_hangs_is_not_waited_for_after_a_stop(tmp_path: Path, place: Town) -> None:
    out = tmp_path / "out.jsonl"
    words = (listed(tmp_path, place, 200, "slow/0.05/{n}"), "--workers", "2", "-c", "4", "-o", out, *QUICK)
    with start(*words, stderr=subprocess.PIPE) as run:
        until(lambda: out.exists() and out.read_bytes().count(b"\n") >= 20)
        left = processes(run.pid)
        os.kill(left[0], signal.SIGSTOP)
        run.send_signal(signal.SIGINT)
        time.sleep(0.3)
        run.send_signal(signal.SIGINT)
        said = run.communicate(timeout=20)[1]
    assert run.returncode == 130
    assert f"{len(rows_of(out))} ok + 0 failed".encode() in said
    assert not any(map(runs, left))


@pytest.mark.long
def test_a_process_that_takes_no_rows_is_not_waited_for_after_a_stop(tmp_path: Path, place: Town) -> None:
    """It was halted while the parent sends it more than a pipe holds."""
    words = (listed(tmp_path, place, 60_000, "slow/0.5/{n}"), "--workers", "2", "-c", "4", *QUICK)
    with start(*words, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        until(lambda: len(processes(run.pid)) == 2)
        left = processes(run.pid)
        os.kill(left[0], signal.SIGSTOP)
        time.sleep(2.0)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=30)
    assert run.returncode == 130
    assert not any(map(runs, left))


# Who reads, and who writes.


def test_a_reader_that_leaves(tmp_path: Path, place: Town) -> None:
    listing = listed(tmp_path, place, 5000)
    script = f"{' '.join(FETCH)} {listing} --workers 2 | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=50, env=clean(), check=False)
    assert done.stdout.splitlines()[-1] == b"141"
    assert done.stderr == b""


def test_a_slow_reader_is_waited_for_with_bounded_memory(tmp_path: Path, place: Town) -> None:
    place.asked.clear()
    listing = listed(tmp_path, place, 30_000)
    words = (listing, "--workers", "2", "--timeout", "2", "--json", "--headers", "content-type", *QUICK)
    with start(*words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        assert run.stdout is not None
        fcntl.fcntl(run.stdout, fcntl.F_SETPIPE_SZ, 4096)
        first = run.stdout.readline()
        before = -1
        while before != (before := sum(place.asked.values())):  # until nothing more is asked
            time.sleep(1.0)
        assert before < 27_000, "it went on although nobody read"
        memory = [
            int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in (run.pid, *processes(run.pid))
        ]
        assert max(memory) * resource.getpagesize() < 200 << 20
        rest = run.stdout.read().splitlines()
    assert run.returncode == 0
    records = [json.loads(one) for one in (first, *rest)]
    assert sorted(record["row"] for record in records) == list(range(1, 30_001))
    assert all(record["ok"] and record["elapsed"] < 2 for record in records)


def test_each_record_comes_within_a_second_of_its_line(tmp_path: Path, place: Town) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with start(fifo, "--json", "-q", "--workers", "2", stdout=subprocess.PIPE) as run:
        firsts = [place.url(n, "bytes/0") for n in (0, 1)]  # one for each process
        is_prompt(run, fifo, firsts, [place.url(n, f"bytes/{n}") for n in range(1, 4)])


def test_an_empty_list() -> None:
    done = fetch("-", "--workers", "2", stdin=b"")
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"0 lines read = 0 ok" in done.stderr


@pytest.mark.long
def test_one_url_under_the_c_locale(tmp_path: Path, place: Town) -> None:
    env = {name: value for name, value in clean().items() if not name.startswith(("LC_", "PYTHON"))}
    env |= {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    said = []
    for workers in ("1", "2"):
        run = [*FETCH, place.url(2, "\u00e9"), "http://x\udcff/", "--workers", workers, *QUICK]
        done = subprocess.run(run, capture_output=True, env=env, timeout=50, check=False)
        rows = sorted(row.split(b"\t") for row in done.stdout.splitlines())
        said.append((done.returncode, [(row[0], row[1], *row[3:]) for row in rows]))
    assert said[0] == said[1]
    assert len(said[0][1]) == 2


@pytest.mark.parametrize(
    "words",
    [
        ["-o", "full.md"],
        pytest.param(["-o", "full.jsonl"], marks=pytest.mark.long),
        pytest.param(["--summary", "full.jsonl"], marks=pytest.mark.long),
    ],
)
def test_a_full_disk_is_one_line(tmp_path: Path, place: Town, words: list[str]) -> None:
    (tmp_path / words[1]).symlink_to("/dev/full")
    done = fetch(listed(tmp_path, place, 50), "--workers", "2", *words, *QUICK, cwd=tmp_path)
    assert done.returncode == 4
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr


SMALL = """
mount -t tmpfs -o size=96k none disk
"$@"
code=$?
ls -A disk > saved
exit $code
"""


def test_a_full_disk_under_save_ends_the_run(tmp_path: Path, place: Town) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["sh", "-c", f"unshare -rm mount -t tmpfs none {disk}"], check=False).returncode:
        pytest.skip("unshare -rm does not work here")
    listed(tmp_path, place, 200, "bytes/3000")
    run = [*FETCH, "urls.txt", "--workers", "2", "-c", "4", "--save", "disk", "-o", "out.jsonl", "-q"]
    words = ["unshare", "-rm", "sh", "-c", SMALL, "sh", *run]
    env = clean() | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(words, capture_output=True, timeout=50, cwd=tmp_path, env=env, check=False)
    assert done.returncode == 4, done.stderr
    said = b"fetch: --save disk: No space left on device; what was saved and recorded so far stays; free"
    assert done.stderr.startswith(said), done.stderr
    assert len(done.stderr.splitlines()) == 1
    records = [json.loads(one) for one in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(done.stdout.splitlines()) == len(records)
    kept = (tmp_path / "saved").read_text().split()
    assert sorted(kept) == sorted(Path(record["saved"]).name for record in records)


# From Python.


def test_a_caller_who_leaves_early_leaves_nothing(leaves_nothing: None, place: Town) -> None:
    def endless() -> Iterator[str]:
        n = 0
        while True:
            n += 1
            yield place.url(n, f"bytes/{n}")

    found = []
    for result in fetcher.fetch(endless(), workers=2):
        found.append(result)
        if len(found) == 30:
            break
    assert all(result.ok for result in found)
    assert len({result.row for result in found}) == 30


def test_what_the_list_raises_comes_after_its_results(leaves_nothing: None, place: Town) -> None:
    def broken() -> Iterator[str]:
        for n in range(30):
            yield place.url(n, f"slow/0.05/{n}")
        raise ZeroDivisionError("mine")

    found = []
    with pytest.raises(ZeroDivisionError, match="mine"):
        for result in fetcher.fetch(broken(), workers=2):
            found.append(result.row)
    assert sorted(found) == list(range(1, 31))


def test_a_request_with_headers_data_and_readers_arrives(leaves_nothing: None, place: Town) -> None:
    place.heads.clear()
    place.bodies.clear()
    items = [
        Request(
            place.url(1, "a"),
            headers=(("X-Key", "\u00e9"),),
            data=b"\xff\x00",
            method="post",
            readers=("hash", "count"),
            depth=3,
        ),
        Request(place.url(2, "b").replace("//", "//u:p@"), headers=(("Cookie", "a=b"),)),
        Request(place.url(3, "c"), headers=(("Bad\n", "x"),)),
        b"http://x/",
    ]
    found = {result.row: result for result in fetcher.fetch(items, workers=2, retries=0)}
    assert [found[row].error for row in (1, 2, 3, 4)] == [None, None, "invalid_url", "invalid_url"]
    assert found[1].sha256
    assert (found[1].depth, found[2].url) == (3, place.url(2, "b").replace("//", "//***@"))
    assert found[4].url == "http://x/"
    assert place.bodies == [b"\xff\x00"]
    heads = sorted(place.heads)
    assert heads[0].startswith(b"GET /b ")
    assert b"Authorization: Basic dTpw" in heads[0]
    assert b"X-Key: \xe9" in heads[1]


def test_wrong_words_from_python(leaves_nothing: None) -> None:
    for words, said in (({"workers": 0}, "--workers 0"), ({"engine": "nonsense"}, "nonsense")):
        with pytest.raises(UsageError, match=said):
            list(fetcher.fetch(["http://127.0.0.1:1/"], **{"workers": 2, **words}))


def test_a_list_of_one_host_is_told(tmp_path: Path, place: Town) -> None:
    given = tmp_path / "urls.txt"
    given.write_text("".join(f"{place.url(3, f'bytes/{n}')}\n" for n in range(5)))
    words = ("-e", "asyncio", "--workers", "2", "-o", tmp_path / "out.jsonl")
    said = b"one of the 2 processes asked all: a host is asked by one of them"
    assert said in fetch(given, *words).stderr
    given.write_text("".join(f"{place.url(n, 'bytes/1')}\n" for n in range(50)))
    assert said not in fetch(given, *words, "--overwrite").stderr


def test_a_list_with_one_large_host_is_read_no_further_than_its_process_can_take(
    leaves_nothing: None, place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "AHEAD", 20)
    items = [place.url(1, f"slow/0.05/{n}") for n in range(60)] + [
        place.url(n, "bytes/1") for n in range(100)
    ]
    rows, tally = Rows(Ready([("", item) for item in items]), Options(per_host=2)), Tally()
    with split.Split(rows, "asyncio", Options(per_host=2), 2, tally) as run:
        began = time.monotonic()
        found = [result.row for result in run]
        said = run.limited_by(time.monotonic() - began)
    assert said.endswith(f"the list waited for {place.hosts[1]}: all URLs of a host are asked by one process")
    assert sorted(found) == list(range(1, 161))
    assert tally.ok == 160


def test_a_process_that_cannot_be_started_leaves_no_other(
    leaves_nothing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    def command(module: str) -> list[str]:
        begun.append(module)
        return ["/nonexistent/python"] if len(begun) == 3 else [sys.executable, "-m", module]

    monkeypatch.setattr("fetcher.menu.command", command)
    with pytest.raises(fetcher.LocalFault, match="no further process can be started: No such file"):
        list(fetcher.fetch(["http://127.0.0.1:1/"], workers=3))
    assert len(begun) == 3


@pytest.mark.long
def test_retry_by_several_processes(tmp_path: Path, place: Town) -> None:
    out = tmp_path / "out.jsonl"
    listing = listed(tmp_path, place, 40)
    listing.write_text(listing.read_text() + "".join(f"{place.url(n, 'status/503')}\n" for n in range(12)))
    assert fetch(listing, "-o", out, *QUICK, "--workers", "2").returncode == 1
    done = fetch("retry", out, "--workers", "2", *QUICK)
    assert done.returncode == 1
    assert b"12 records of " in done.stderr
    assert rows_of(out) == list(range(1, 53))


@pytest.mark.long
@pytest.mark.timeout(300)
def test_processes_are_killed_again_and_again(tmp_path: Path, place: Town) -> None:
    out, rows, ended = tmp_path / "out.csv", 60_000, threading.Event()
    listing = listed(tmp_path, place, rows)

    with start(listing, "--workers", "3", "-o", out, *QUICK, stderr=subprocess.PIPE) as run:

        def kill() -> None:
            for n in range(9):
                if ended.wait(0.7) or not (left := processes(run.pid)):
                    return
                os.kill(left[n % len(left)], signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        said = run.communicate(timeout=250)[1]
        ended.set()
        thread.join()
    if run.returncode == 4:  # four of one place
        assert b" died 4 times" in said
        assert len(set(rows_of(out))) == len(rows_of(out))
        assert fetch(listing, "--workers", "2", "-o", out, "--resume", "-q", *QUICK).returncode == 0
    assert rows_of(out) == list(range(1, rows + 1))
