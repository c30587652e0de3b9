"""INPUT: what a word on the command line means, its mistakes, pipes, and what .gz adds."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path
from typing import BinaryIO

import pytest

from fetcher.errors import LocalFault, UsageError
from fetcher.sources import Bad, Input, Item, Reading, Skip, read_all, resolve

COMMANDS = ["get", "compare", "crawl", "audit", "load", "report", "retry", "serve"]
READING = Reading()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def one(name: str, stdin: BinaryIO | None = None, options: Reading = READING) -> Input:
    (given,) = resolve([name], stdin, options, COMMANDS)
    return given


def items(name: str, options: Reading = READING) -> list[Item]:
    return list(one(name, None, options).items())


def refused(name: str, options: Reading = READING) -> str:
    with pytest.raises(UsageError) as caught:
        resolve([name], None, options, COMMANDS)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_url_is_one_item_and_its_name_is_masked() -> None:
    given = one("https://user:secret@example.org/a")
    assert "secret" not in given.name
    assert given.name.endswith("@example.org/a")
    assert list(given.items()) == list(given.items()) == ["https://user:secret@example.org/a"]


def test_inputs_follow_each_other_in_order() -> None:
    Path("a.txt").write_text("http://a/\n# no\n")
    Path("b.csv").write_text("url\nhttp://b/\n")
    given = resolve(["a.txt", "http://c/", "./b.csv", "-"], io.BytesIO(b"d\n"), READING)
    assert list(read_all(given)) == [
        ("a.txt", "http://a/"),
        ("a.txt", Skip("comment")),
        ("http://c/", "http://c/"),
        ("./b.csv", "http://b/"),
        ("-", "d"),
    ]


def test_the_suffix_says_the_format_and_anything_else_is_text() -> None:
    Path("A.CSV").write_text("n\tURL\n1\thttp://a/\n")
    Path("b.list").write_text("url\n")
    Path("load").write_text("http://c/")
    Path("d.ndjson.gz").write_bytes(gzip.compress(b'{"url": "http://d/"}'))
    assert items("A.CSV") == ["http://a/"]
    assert items("b.list") == ["url"]
    assert items("./load") == ["http://c/"]
    assert items("d.ndjson.gz") == ["http://d/"]


def test_nearly_a_file_or_a_command_is_named() -> None:
    Path("urls.txt").touch()
    Path("lists").mkdir()
    Path("lists/Sites.csv").touch()
    assert refused("urls.tx") == "urls.tx: there is no such file; did you mean urls.txt?"
    assert refused("url.txt.gz").endswith("did you mean urls.txt?")
    assert refused("auditt") == "auditt: there is no such file; did you mean the command audit?"
    assert refused("lists/sites.csv").endswith("did you mean lists/Sites.csv?")
    assert refused("urls.txt/x").startswith("urls.txt/x: there is no such file")
    assert refused("nowhere/urls.txt").endswith("nor is there a folder nowhere")
    assert refused("zzz").endswith("give a file, a URL with ://, or - for standard input")
    assert refused("") == "'': there is no such file; give a file, a URL with ://, or - for standard input"
    assert refused("a\0\x1b[31m").startswith(r"'a\x00\x1b[31m': there is no such file")
    assert refused("x" * 5000).startswith("xxx")


@pytest.mark.parametrize(
    ("word", "url"),
    [
        ("example.org", "http://example.org"),
        ("example.org/path?q=1", "http://example.org/path?q=1"),
        ("example.org/sitemap.xml", "http://example.org/sitemap.xml"),
        ("localhost:8000", "http://localhost:8000"),
        ("127.0.0.1:8000/x", "http://127.0.0.1:8000/x"),
        ("[::1]:80", "http://[::1]:80"),
        ("https:/example.org", "https://example.org"),
        ("HTTP:example.org", "http://example.org"),
    ],
)
def test_what_looks_like_a_host_is_told_how_to_be_one(word: str, url: str) -> None:
    Path("urls.txt").touch()
    assert refused(word) == f"{word}: there is no such file; if it is a URL, write {url}"


def test_a_password_is_not_shown_even_in_a_slip() -> None:
    assert "secret" not in refused("https:/user:secret@example.org/")


def test_files_that_are_no_list_are_refused() -> None:
    Path("folder").mkdir()
    assert refused("folder") == "folder is a folder: give a file in it"
    Path("loop").symlink_to("loop")
    assert refused("loop").startswith("loop: cannot be read: Too many levels")
    for name, head, why in [
        ("a", b"PK\x03\x04rest", "a zip archive"),
        ("b.txt", b"PAR1rest", "a Parquet file: name it .parquet"),
        ("c.csv", gzip.compress(b"url\n"), "gzip data: add .gz to its name"),
        ("d.tar", b"a.txt".ljust(257, b"\0") + b"ustar\0", "a tar archive"),
        ("e.tar.gz", gzip.compress(b"a.txt".ljust(257, b"\0") + b"ustar\0"), "a tar archive"),
        ("f.xlsx", b"PK\x03\x04rest", "a spreadsheet"),
        ("g.json", b' {"urls": []}', "looks like JSON"),
        ("h.html", b"<!doctype html>", "looks like XML or HTML"),
        ("i.parquet", b"url\n", "no whole Parquet file"),
        ("j.gz", b"http://a/\n", "no gzip data"),
        ("k.xml", b"http://a/\n", "no sitemap"),
        ("l.csv", b"link,title\nhttp://a/,x\n", "no column 'url'; say --column NAME with one of: link"),
    ]:
        Path(name).write_bytes(head)
        assert why in refused(name)
        assert refused(name).startswith(name)


def test_a_missing_permission_is_found_at_once() -> None:
    Path("a.txt").write_text("http://a/\n")
    os.mkfifo("pipe")
    script = (
        "import os\n"
        "from fetcher import menu, sources\n"
        "from fetcher.sources import Reading, _inputs, resolve\n"
        "from fetcher.errors import UsageError\n"
        "for name in menu.names(sources): menu.pick(sources, name)\n"  # another user may not read them
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "for name in ['a.txt', 'pipe']:\n"
        "    try: resolve([name], None, Reading())\n"
        "    except UsageError as error: print(error)\n"
    )
    Path("a.txt").chmod(0)
    Path("pipe").chmod(0)
    Path().chmod(0o755)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    run = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=30)
    assert run.stdout.splitlines() == [
        "a.txt: cannot be read: Permission denied",
        "pipe: cannot be read: Permission denied",
    ], run.stderr


def test_stdin_is_read_once_and_must_be_open() -> None:
    assert list(one("-", io.BytesIO(b"http://a/\n")).items()) == ["http://a/"]
    assert "standard input is closed" in refused("-")
    with pytest.raises(UsageError, match="given twice"):
        resolve(["-", "http://a/", "-"], io.BytesIO(), READING)


def test_nothing_is_opened_after_a_mistake() -> None:
    os.mkfifo("pipe")
    with pytest.raises(UsageError, match=r"no\.txt: there is no such file"):
        resolve(["pipe", "no.txt"], None, READING)  # would wait for a writer for ever


def test_a_file_that_vanishes_or_fails_is_a_local_fault() -> None:
    Path("a.txt").write_text("http://a/\n")
    given = one("a.txt")
    Path("a.txt").unlink()
    with pytest.raises(LocalFault, match=r"a\.txt: cannot be read: No such file"):
        list(given.items())


def test_leaving_early_closes_the_file() -> None:
    Path("a.txt.gz").write_bytes(gzip.compress(b"http://a/\n" * 1000))
    found = read_all([one("a.txt.gz")])
    assert next(found) == ("a.txt.gz", "http://a/")
    before = descriptors()
    found.close()
    assert not before or descriptors() == before - 1


def descriptors() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


# .gz


def test_gzip_members_padding_and_bombs() -> None:
    parts = gzip.compress(b"http://a/\nhttp://b") + gzip.compress(b"/\n")
    parts += b"\0" * 100 + gzip.compress(b"http://c/")
    Path("a.gz").write_bytes(parts + b"\0" * 70_000)
    assert items("a.gz") == ["http://a/", "http://b/", "http://c/"]
    Path("bomb.txt.gz").write_bytes(gzip.compress(b"x" * 100_000_000, 6))
    assert items("bomb.txt.gz") == [Bad("x" * 200, "a line of 100,000,000 bytes; the limit is 65,536")]
    Path("empty.gz").touch()
    assert items("empty.gz") == []


@pytest.mark.parametrize("damage", ["cut", "checksum", "middle", "junk"])
def test_broken_gzip_keeps_what_was_read_and_says_so(damage: str) -> None:
    urls = [f"http://host{number * 7919 % 100_003}.example/" for number in range(20_000)]
    data = bytearray(gzip.compress("\n".join([*urls, ""]).encode()))
    if damage == "cut":
        del data[-5000:]
    elif damage == "checksum":
        data[-6] ^= 1
    elif damage == "middle":
        data[len(data) // 2 :] = b"\xff" * 1000
    else:
        data += b"junk"
    Path("a.txt.gz").write_bytes(data)
    found = items("a.txt.gz")
    last = found.pop()
    assert isinstance(last, Bad)
    assert last.why.startswith("a.txt.gz: the gzip data ")
    sure = 9_900 if damage == "middle" else len(found)  # what zlib made of noise may follow
    assert found[:sure] == urls[:sure]
    assert len(found) == 20_000 if damage in {"checksum", "junk"} else 9_000 < len(found) < 20_000


def test_a_parquet_file_may_be_compressed_too() -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    out = io.BytesIO()
    parquet.write_table(arrow.table({"link": ["http://a/"]}), out)
    Path("a.parquet.gz").write_bytes(gzip.compress(out.getvalue()))
    assert items("a.parquet.gz", Reading(column="link")) == ["http://a/"]
    assert "no column 'url'; say --column NAME with one of: link" in refused("a.parquet.gz")


# Pipes


def stamped(given: Input, times: list[tuple[float, Item]]) -> None:
    for item in given.items():
        times.append((time.monotonic(), item))


@pytest.mark.parametrize("coding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    ("name", "first", "line"),
    [
        ("pipe", "# list\n", "http://a/{}\n"),
        ("pipe.csv", "n,url\n", "1,http://a/{}\n"),
        ("pipe.jsonl", "\n", '{{"url": "http://a/{}"}}\n'),
        ("pipe.xml", "<urlset>", "<url><loc>http://a/{}</loc></url>"),
        ("pipe.txt.gz", "# list\n", "http://a/{}\n"),
    ],
)
def test_each_line_of_a_pipe_comes_at_once(name: str, first: str, line: str, coding: str) -> None:
    os.mkfifo(name)
    times: list[tuple[float, Item]] = []
    reader = threading.Thread(target=stamped, args=(one(name), times), daemon=True)
    reader.start()
    sent = []
    packer = zlib.compressobj(wbits=31)
    with Path(name).open("wb", 0) as pipe:
        for number in range(4):
            text = line.format(number) if number else first + line.format(number)
            data = text.encode(coding if number == 0 or coding == "utf-8" else "utf-16-le")
            if name.endswith(".gz"):
                data = packer.compress(data) + packer.flush(2)
            sent.append(time.monotonic())
            pipe.write(data)
            time.sleep(0.15)
        got = [(at, item) for at, item in times if isinstance(item, str)]  # before the pipe is closed
    reader.join(5)
    assert [item for _, item in got] == [f"http://a/{number}" for number in range(4)]
    assert all(at - when < 1.1 for (at, _), when in zip(got, sent, strict=True))


def test_a_thread_that_waits_for_stdin_does_not_abort_the_end() -> None:
    script = (
        "import sys, threading, time\n"
        "from fetcher.sources import Reading, read_all, resolve\n"
        "given = resolve(['-'], sys.stdin.buffer, Reading())\n"
        "def work():\n"
        "    for each in read_all(given): print(*each, flush=True)\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "time.sleep(1)\n"
    )
    root = Path(__file__).parents[1]
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdin
        assert child.stdout
        assert child.stderr
        child.stdin.write(b"http://a/\n")
        child.stdin.flush()
        assert child.stdout.read() == b"- http://a/\n"
        assert child.wait(5) == 0
        assert child.stderr.read() == b""
