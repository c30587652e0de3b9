"""`fetch crawl` as a person or a script meets it: what it asks, what it leaves out, and kill -9."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

import fetcher
from fetcher.comparison.arms import installed
from fetcher.errors import UsageError
from tests.ledgers import survive
from tests.servers import nginx
from tests.webs import Answer, html, moved, text, web

FETCH = [sys.executable, "-m", "fetcher"]
MANUAL = Path("/usr/share/doc/python3.11/html")
PROLOGUE = '<?xml version="1.0" encoding="UTF-8"?>'


def fetch(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*FETCH, *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if not name.startswith("FETCH_")},
        check=False,
    )


def crawl(*words: object) -> tuple[dict[str, dict[str, Any]], str, int]:
    """The records by URL, what was said on stderr, and the exit code."""
    done = fetch("crawl", "--json", *words)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({record["url"] for record in records}) == len(records), "a page came twice"
    return {record["url"]: record for record in records}, done.stderr.decode(), done.returncode


@pytest.mark.parametrize("engine", installed())
def test_every_engine_finds_the_same_pages(engine: str) -> None:
    table = {
        "/": html("a", "b?x=1", "/dir/", more='<img src="i.png"><link rel=stylesheet href=s.css>'),
        "/a": html("/b?x=1", "/#top", "/old"),
        "/b?x=1": html("/missing"),
        "/dir/": html("page", "../a"),
        "/dir/page": html("/"),
        "/old": moved("/new"),
        "/new": html(),
    }
    with web(table) as site:
        records, said, code = crawl(site.url, "-e", engine)
    found = {url.removeprefix(site.url): (r["status"], r["depth"]) for url, r in records.items()}
    assert found == {
        "": (200, 0),
        "a": (200, 1),
        "b?x=1": (200, 1),
        "dir/": (200, 1),
        "old": (301, 2),
        "dir/page": (200, 2),
        "missing": (404, 2),
        "new": (200, 2),
    }
    assert records[f"{site.url}missing"]["referrer"] == f"{site.url}b?x=1"
    assert code == 1  # one is missing
    assert "10 URLs found = 7 ok + 1 failed + 2 skipped (2 assets) + 0 left" in said
    assert Counter(site.paths) == Counter(["/robots.txt", *table, "/missing"])


@pytest.mark.parametrize("engine", installed())
def test_the_python_manual(engine: str) -> None:
    """Every page that links lead to, none twice, and sizes as on the disk."""
    if not (MANUAL / "index.html").is_file():
        pytest.skip("needs the Python manual: apt install python3.11-doc")
    with nginx(f"location / {{ root {MANUAL}; }}\n", {}) as server:
        records, _, _ = crawl(f"{server.url}index.html", "-e", engine, "--assets", "same-site")
    for url, record in records.items():
        path = MANUAL / unquote(url.removeprefix(server.url).partition("?")[0])
        if record["ok"] and path.is_file():
            assert record["size"] == path.stat().st_size, url
    pages = {str(path.relative_to(MANUAL)) for path in MANUAL.rglob("*.html")}
    found = {unquote(url.removeprefix(server.url)) for url, record in records.items() if record["ok"]}
    unlinked = pages - found
    assert unlinked <= {"distributing/index.html", "_static/glossary.html"} or len(unlinked) < 5, unlinked


def test_every_page_that_wget2_finds(tmp_path: Path) -> None:
    wget2 = shutil.which("wget2")
    if not wget2 or not (MANUAL / "index.html").is_file():
        pytest.skip("needs wget2 and the Python manual: apt install wget2 python3.11-doc")
    with nginx(f"location / {{ root {MANUAL}; }}\n", {}) as server:
        start = f"{server.url}index.html"
        words = [wget2, "-q", "-r", "-l", "inf", "-nH", "--no-config", start]
        subprocess.run(words, cwd=tmp_path, timeout=120, stdout=subprocess.DEVNULL, check=False)
        records, _, _ = crawl(start, "--assets", "same-site")
    theirs = {str(path.relative_to(tmp_path)).partition("?")[0] for path in tmp_path.rglob("*.*")}
    ours = {unquote(url.removeprefix(server.url).partition("?")[0]) for url in records}
    assert len(theirs) > 500
    assert theirs <= ours, theirs - ours


def test_robots_are_asked_first_and_obeyed() -> None:
    robots = text("User-agent: *\nDisallow: /private\nCrawl-delay: 0.01\n")
    table = {"/": html("/private/x", "/go", "/a"), "/go": moved("/private/y"), "/robots.txt": robots}
    with web(table) as site:
        records, said, code = crawl(site.url)
        assert site.paths[0] == "/robots.txt"
        assert not any(path.startswith("/private") for path in site.paths)
    denied = records[f"{site.url}private/y"]
    assert (denied["error"], denied["referrer"]) == ("robots_denied", f"{site.url}go")
    assert "Disallow: /private for User-agent: *" in denied["message"]
    assert "skipped (2 robots)" in said
    assert code == 1  # /a is missing; what robots.txt forbids is no failure
    with web(table) as site:
        records, _, _ = crawl(site.url, "--no-robots")
        assert records[f"{site.url}private/y"]["status"] == 404


def test_a_redirect_to_another_host_asks_its_robots_first() -> None:
    robots = {"/robots.txt": text("User-agent: *\nDisallow: /\n"), "/there": html()}
    with web(robots) as other, web({"/": moved(f"{other.url}there")}) as site:
        records, _, code = crawl(site.url)
        assert other.paths == ["/robots.txt"]
    assert records[f"{other.url}there"]["error"] == "robots_denied"
    assert code == 1  # the start itself led there


def test_scope_depth_and_patterns() -> None:
    with web({"/": html()}) as other:
        table = {
            "/docs/": html("a/", "/else", other.url, "b.pdf"),
            "/docs/a/": html("deep/"),
            "/docs/a/deep/": html("deeper/"),
            "/docs/a/deep/deeper/": html(),
            "/else": html(),
            "/docs/b.pdf": text("%PDF", "application/pdf"),
        }
        with web(table) as site:
            start = f"{site.url}docs/"
            everything, said, _ = crawl(start)
            assert len(everything) == 6
            assert "(1 scope)" in said
            below, _, _ = crawl(start, "--scope", "path")
            assert set(everything) - set(below) == {f"{site.url}else"}
            near, said, _ = crawl(start, "--depth", "1", "--exclude", r"\.pdf$")
            assert set(near) == {start, f"{start}a/", f"{site.url}else"}
            assert "1 deeper than asked for (--depth)" in said.replace("\n    ", " ")
            wide, _, _ = crawl(start, "--scope", "any", "--depth", "1")
            assert other.url in wide


@pytest.mark.parametrize("kind", ["calendar", "session", "repeat", "random"])
def test_a_trap_ends_by_itself_and_is_told(kind: str) -> None:
    def trap(path: str) -> Answer:
        if path == "/robots.txt":
            return text("")
        if kind == "calendar":
            month = int(path.rpartition("=")[2] or 0) if "=" in path else 0
            return html(f"/cal?month={month + 1}", f"/cal?month={month - 1}", "/page")
        if kind == "session":
            return html(*(f"/{name}?PHPSESSID={random.getrandbits(128):032x}" for name in "abc"))
        if kind == "repeat":
            return html("a/", "../a/", "b/a/")
        return html(f"/{path.strip('/')}x{random.getrandbits(64)}/")

    words = ["--max-alike", "60", "--max-chain", "20"] if kind == "calendar" else []
    with web(trap) as site:
        records, said, code = crawl(site.url, *words, "--no-sitemaps", "-c", "8")
    assert code == 0
    assert 2 <= len(records) < 300
    if kind != "session":
        assert "a trap: " in said.replace("\n    ", " ")
    else:
        assert len(records) == 4  # a session id makes no new page


def test_sitemaps_of_every_kind() -> None:
    def one(*urls: str, root: str = "urlset", entry: str = "url") -> str:
        inner = "".join(f"<{entry}><loc>{url}</loc></{entry}>" for url in urls)
        return f"{PROLOGUE}<{root} xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>{inner}</{root}>"

    def table(base: str) -> dict[str, Answer]:
        pages = {f"/{name}": html() for name in ("xml", "gz", "plain", "rss", "atom", "kept", "")}
        rss = f"<rss><channel><item><link>{base}rss</link></item></channel></rss>"
        atom = f"<feed xmlns='http://www.w3.org/2005/Atom'><entry><link href='{base}atom'/></entry></feed>"
        parts = ("one.xml", "two.xml.gz", "three.txt", "rss.xml", "atom.xml", "broken.xml", "index.xml")
        return {
            **pages,
            "/robots.txt": text(f"Sitemap: {base}index.xml\nUser-agent: *\n"),
            "/index.xml": text(
                one(*(base + part for part in parts), root="sitemapindex", entry="sitemap"), "text/xml"
            ),
            "/one.xml": text(one(f"{base}xml", "http://other.test/", f"{base}xml?a=1&amp;b=2"), "text/xml"),
            "/two.xml.gz": text(gzip.compress(one(f"{base}gz").encode()), "application/gzip"),
            "/three.txt": text(f"{base}plain\n"),
            "/rss.xml": text(rss, "application/rss+xml"),
            "/atom.xml": text(atom, "application/atom+xml"),
            "/broken.xml": text(one(f"{base}kept")[:-9] + "<url><loc>http://", "text/xml"),
        }

    made: dict[str, Answer] = {}
    with web(lambda path: made.get(path, (404, {}, b""))) as site:
        made |= table(site.url)
        records, said, _ = crawl(site.url)
        found = {url.removeprefix(site.url) for url in records}
        assert found >= {"", "xml", "gz", "plain", "rss", "atom", "kept", "xml?a=1&b=2", "index.xml"}
        assert Counter(site.paths).most_common(1)[0][1] == 1
        assert "1 scope" in said
        without, _, _ = crawl(site.url, "--no-sitemaps")
        assert set(without) == {site.url}
        given, _, _ = crawl(site.url, "--no-sitemaps", "--sitemap", f"{site.url}one.xml")
        assert f"{site.url}xml" in given


def test_mistakes_are_one_clear_line(tmp_path: Path) -> None:
    for words, said in {
        (): "fetch: nothing to crawl: give a URL",
        ("example.org",): "fetch: example.org is no URL: write http://example.org/",
        ("ftp://x/",): "fetch: ftp://x/: ftp: is neither http nor https",
        ("http://127.0.0.1:1/", "--scope", "hots"): "did you mean host?",
        ("http://127.0.0.1:1/", "--exclude", "("): "is no regular expression",
        ("http://127.0.0.1:1/", "--assets", "some"): "give none, same-site or all",
        ("http://127.0.0.1:1/", "--depth", "-1"): "--depth -1: give a whole number from 0 on",
        ("http://127.0.0.1:1/", "--state", str(tmp_path)): "cannot be opened",
    }.items():
        done = fetch("crawl", *words)
        assert done.returncode == 2
        assert done.stderr.decode().count("\n") == 1, done.stderr
        assert said in done.stderr.decode()


def maze(path: str) -> Answer:
    """400 pages, each with ten links."""
    if path == "/robots.txt":
        return text("")
    number = int(path.strip("/") or 0)
    time.sleep(0.01)
    return html(*(f"/{(number * 7 + step * 13 + 1) % 400}" for step in range(10)))


def killed(tmp_path: Path, moments: int, seed: int) -> None:
    """kill -9 at random moments, the same command until it ends: the page set of an undisturbed crawl."""
    order = random.Random(seed)
    with web(maze) as site:
        whole, _, _ = crawl(site.url)
        site.log.clear()
        out = tmp_path / "crawl.jsonl"
        words = ["crawl", site.url, "--state", tmp_path / "crawl.db", "-o", out, "-q", "-c", "4"]
        deaths = survive(words, moments, lambda: 0.3 + order.random() * 0.5, code=None)
        done = fetch(*words)
        assert done.returncode == 0, done.stderr
        asked = Counter(site.paths)
        del asked["/robots.txt"]
    records = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert sorted(record["url"] for record in records) == sorted(whole)
    assert {record["row"] for record in records} == set(range(1, len(whole) + 1))
    assert deaths == moments
    # Asked twice is only what was in flight when it died: four at once.
    assert sum(asked.values()) - len(asked) <= 4 * deaths


def test_killed_and_resumed(tmp_path: Path) -> None:
    killed(tmp_path, 2, 1)


@pytest.mark.long
def test_killed_at_twenty_moments(tmp_path: Path) -> None:
    for seed in range(5):
        folder = tmp_path / str(seed)
        folder.mkdir()
        killed(folder, 4, seed)


def test_a_resumed_crawl_replaces_its_own_outputs_only(tmp_path: Path) -> None:
    with web({"/": html("a"), "/a": html()}) as site:
        db, own, other = tmp_path / "c.db", tmp_path / "own.jsonl", tmp_path / "other.jsonl"
        other.write_text("mine\n")
        words = ["crawl", site.url, "--state", db, "-q"]
        assert fetch(*words, "-o", own).returncode == 0
        first = own.read_bytes()
        assert fetch(*words, "-o", own).returncode == 0
        assert own.read_bytes() == first
        done = fetch(*words, "-o", other)
        assert done.returncode == 2
        assert other.read_text() == "mine\n"
        changed = fetch("crawl", site.url, "--state", db, "--depth", "3")
        assert changed.returncode == 2
        assert b"holds a crawl with depth null, not 3" in changed.stderr
        assert len(site.paths) == 3  # by the first run; the others had nothing left to ask


def test_a_state_clobbers_nothing(tmp_path: Path) -> None:
    precious, out, db = tmp_path / "precious.txt", tmp_path / "o.jsonl", tmp_path / "c.db"
    precious.write_text("mine")
    with web({"/": html()}) as site:
        words = ["crawl", site.url, "--state", db, "-q"]
        assert fetch(*words, "--summary", precious).returncode == 2
        assert precious.read_text() == "mine"
        assert fetch(*words, "-o", db, "--overwrite").returncode == 2
        assert fetch(*words, "-o", out).returncode == 0
        assert fetch(*words, "-o", out, "-o", tmp_path / "o.csv").returncode == 0
        other = fetch("crawl", f"{site.url}other", "--state", db)
        assert b"holds a crawl with starts" in other.stderr


def test_no_password_is_printed_or_kept(tmp_path: Path) -> None:
    with web({"/": html("a"), "/a": html()}) as site:
        start = site.url.replace("http://", "http://joe:s3cret@")
        outputs = [
            word for name in ("a.json", "a.html", "a.md", "r.jsonl") for word in ("-o", tmp_path / name)
        ]
        done = fetch("audit", start, "--state", tmp_path / "c.db", *outputs)
        again = fetch("audit", site.url + "x", "--state", tmp_path / "c.db")
        bare = fetch("crawl", "joe:s3cret@example.org/")
    said = b"".join(run.stdout + run.stderr for run in (done, again, bare))
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"s3cret" not in said + kept
    assert any("Authorization" in fields for _, _, fields in site.log)


def test_a_site_that_lets_nobody_in_is_no_success() -> None:
    with web({"/": html(), "/robots.txt": text("User-agent: *\nDisallow: /\n")}) as site:
        assert fetch("audit", site.url).returncode == 1
        assert fetch("crawl", site.url).returncode == 1
    loop = {"/": moved("/a"), "/a": moved("/b"), "/b": moved("/a")}
    with web(loop) as site:
        done = fetch("audit", site.url)
        assert done.returncode == 1
        assert b"redirect_loop" in done.stdout


def test_the_library(leaves_nothing: None) -> None:
    with web({"/": html("a", "b"), "/a": html("c"), "/b": html(), "/c": html()}) as site:
        results = list(fetcher.crawl(site.url, depth=1))
        assert sorted(result.url for result in results) == [site.url, f"{site.url}a", f"{site.url}b"]
        for _ in fetcher.crawl([site.url]):
            break
        with pytest.raises(UsageError, match="no URL"):
            list(fetcher.crawl("example.org"))


def test_interrupted_it_says_what_is_left() -> None:
    def slow(path: str) -> Answer:
        time.sleep(0.3)
        return maze(path)

    with web(slow) as site:
        child = subprocess.Popen(
            [*FETCH, "crawl", site.url, "-c", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        time.sleep(3)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=20)
    assert child.returncode == 130
    assert b"interrupted after" in said
    assert b" left" in said


def test_a_server_that_ignores_the_end_of_a_path_ends() -> None:
    same = html("a/", "b/", "c/")
    with web(lambda path: text("") if path == "/robots.txt" else same) as site:
        records, said, _ = crawl(site.url)
    assert len(records) < 60
    assert "say the same as ten others" in said.replace("\n    ", " ")
