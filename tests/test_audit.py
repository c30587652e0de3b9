"""`fetch audit` on real sites: weights, what is broken and who links there, budgets, and what CI reads."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import fetcher
from tests.servers import nginx
from tests.webs import NOTHING, Answer, Web, html, moved, text, web

FETCH = [sys.executable, "-m", "fetcher"]
MANUAL = Path("/usr/share/doc/python3.11/html")
CACHED = {"Cache-Control": "max-age=60"}


def run(*words: object, **env: str) -> subprocess.CompletedProcess[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FETCH_", "GITHUB_"))}
    return subprocess.run(
        [*FETCH, "audit", *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        env=kept | env,
        check=False,
    )


def audit(*words: object, code: int | None = None) -> dict[str, Any]:
    done = run("--json", *words)
    assert done.returncode in ((0, 1) if code is None else (code,)), done.stderr
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def paths(entries: list[dict[str, Any]], site: Web) -> list[str]:
    return [entry["url"].removeprefix(site.url) for entry in entries]


STYLE = "@import 'more.css'; @font-face { src: url(font.woff2) } body { background: url('back.png') }"
SITE: dict[str, Answer] = {
    "/": html("a", "/b", "old", title="Home", more="<link rel=stylesheet href=style.css><img src=big.png>"),
    "/a": html("/missing", "/#here", "/b#there", more="<img src=/big.png><img src=/gone.png><p id=x>"),
    "/b": html("/missing", "/send", more='<p id="there"></p><script src="/app.js"></script>'),
    "/old": moved("/older"),
    "/older": moved("/b"),
    "/send": html(title="same"),
    "/copy": html(title="same"),
    "/style.css": text(STYLE, "text/css", **CACHED),
    "/more.css": text("p { color: red }", "text/css"),
    "/font.woff2": text(b"f" * 3000, "font/woff2"),
    "/back.png": text(b"b" * 5000, "image/png"),
    "/big.png": text(b"p" * 70_000, "image/png"),
    "/app.js": text("let x = 1;\n" * 3000, "text/javascript"),
}


def test_what_pages_weigh_with_all_they_need() -> None:
    with web(SITE) as site:
        record = audit(site.url, "--no-external")
        weights = {entry["url"]: entry for entry in record["heaviest"]}
        home = weights[site.url]
        parts = ("/", "/style.css", "/more.css", "/font.woff2", "/back.png", "/big.png")
        assert home["requests"] == len(parts)
        assert home["wire"] == sum(len(SITE[part][2]) for part in parts)
        assert home["title"] == "Home"
        # What came for the image that is gone was transferred all the same.
        assert weights[f"{site.url}a"]["wire"] == len(SITE["/a"][2]) + 70_000 + len(NOTHING[2])
        assert weights[f"{site.url}b"]["wire"] == len(SITE["/b"][2]) + len(SITE["/app.js"][2])
        assert record["by_type"]["image"] == {"count": 2, "wire": 75_000, "decoded": 75_000}
        assert record["by_type"]["css"]["count"] == 2
        assert record["pages"] == 4
        assert sum(entry["count"] for entry in record["by_type"].values()) == 10
        assert next(entry for entry in record["by_directory"] if entry["path"] == "/")["count"] == 10
        assert site.paths.count("/big.png") == 1  # two pages need it; it is fetched once
        assert record["requests"] == len(site.paths) - 1  # but for robots.txt


def test_what_is_broken_and_who_links_there() -> None:
    with web(SITE) as site:
        record = audit(site.url, "--no-external", code=1)
        broken = {entry["url"].removeprefix(site.url): entry for entry in record["broken"]}
        assert sorted(broken) == ["gone.png", "missing"]
        assert paths([{"url": url} for url in broken["missing"]["referrers"]], site) == ["a", "b"]
        assert broken["missing"]["linked"] == 2
        assert [(e["fragment"], e["linked"]) for e in record["fragments"]] == [("here", 1)]
        (chain,) = record["redirects"]
        assert [(step["url"].removeprefix(site.url), step["status"]) for step in chain["chain"]] == [
            ("old", 301),
            ("older", 301),
            ("b", 200),
        ]
        assert chain["referrers"] == [site.url]
        (saving,) = record["uncompressed"]
        assert saving["url"] == f"{site.url}app.js"
        assert saving["gzip"] == pytest.approx(len(gzip.compress(SITE["/app.js"][2], 6)), abs=10)
        assert "style.css" not in paths(record["uncached"], site)
        assert "app.js" in paths(record["uncached"], site)


def test_the_same_content_under_several_urls() -> None:
    with web({**SITE, "/": html("send", "copy", "send?utm_source=x")}) as site:
        (same,) = audit(site.url, "--no-external")["duplicates"]
    assert paths([{"url": url} for url in same["urls"]], site) == ["send", "copy"]


def test_links_that_leave_are_asked_once_and_no_secret_goes_there() -> None:
    away = {"/ok": html("/deeper"), "/img.png": text(b"x", "image/png"), "/robots.txt": text("")}
    with web(away) as other:
        page = html(f"{other.url}ok", f"{other.url}ok#part", f"{other.url}dead", "http://nowhere.invalid/")
        table = {"/": page, "/two": html(), "/robots.txt": text("")}
        with web(table) as site:
            record = audit(
                *(site.url, "--header", "X-Key: secret", "--auth", "me:secret", "--retries", "0"), code=1
            )
            assert {entry["url"] for entry in record["broken"]} == {
                f"{other.url}dead",
                "http://nowhere.invalid/",
            }
            kinds = {entry["url"]: entry["kind"] for entry in record["entries"]}
            assert kinds[f"{other.url}ok"] == "external"
            asked = [(method, path) for method, path, _ in other.log]
            assert ("HEAD", "/ok") in asked
            assert ("GET", "/dead") in asked  # a 404 for HEAD is asked again with GET
            assert not any("deeper" in path for _, path in asked)
            assert not any({"X-Key", "Authorization"} & set(fields) for _, _, fields in other.log)
            assert any("X-Key" in fields for _, _, fields in site.log)
            other.log.clear()
            none = audit(site.url, "--no-external", code=0)
            assert other.log == []
            assert none["not_fetched"]["scope"] == 3


def test_budgets_hold_or_fail_closed(tmp_path: Path) -> None:
    rules = tmp_path / "budgets.toml"
    with web(SITE) as site:
        rules.write_text('"/**" = ["html wire <= 150kB", "image decoded <= 60kB", "broken <= 2"]\n')
        record = audit(site.url, "--no-external", "--budget", rules, code=1)
        verdicts = {verdict["rule"]: verdict for verdict in record["budgets"]}
        assert verdicts["html wire <= 150kB"]["ok"]
        assert verdicts["broken <= 2"]["ok"]
        assert not verdicts["image decoded <= 60kB"]["ok"]
        assert verdicts["image decoded <= 60kB"]["worst"] == 70_000
        assert audit(site.url, "--no-external", "--budget", rules, "--exit-zero", code=0)
        rules.write_text('"/nothing/**" = ["page total <= 2MB"]\n')
        (missing,) = audit(site.url, "--no-external", "--budget", rules, code=1)["budgets"]
        assert not missing["ok"]
        assert missing["worst"] is None
        rules.write_text('"/**" = ["html weird <= 1"]\n')
        site.log.clear()
        done = run(site.url, "--budget", rules)
        assert done.returncode == 2
        assert done.stderr.count(b"\n") == 1
        assert site.log == []  # before the first request


def test_every_form_for_people_and_for_ci(tmp_path: Path) -> None:
    names = ("a.json", "a.html", "a.md", "a.xml", "a.sarif", "records.jsonl", "records.csv")
    outputs = [word for name in names for word in ("-o", tmp_path / name)]
    with web(SITE) as site:
        done = run(site.url, "--no-external", *outputs, GITHUB_ACTIONS="true")
        assert done.returncode == 1
        said = done.stdout.decode()
        assert "4 pages, " in said
        assert "\n::error " in said
        again = run(site.url, "--no-external", *outputs)
        assert again.returncode == 2  # nothing is replaced unasked
    record = json.loads((tmp_path / "a.json").read_text())
    assert {entry["url"] for entry in record["broken"]} == {f"{site.url}missing", f"{site.url}gone.png"}
    assert "<h1" in (tmp_path / "a.html").read_text()
    assert "missing" in (tmp_path / "a.md").read_text()
    assert json.loads((tmp_path / "a.sarif").read_text())["version"] == "2.1.0"
    suite = next(ElementTree.parse(tmp_path / "a.xml").iter("testsuite"))
    assert int(suite.attrib["failures"]) >= 2
    assert len((tmp_path / "records.jsonl").read_text().splitlines()) == record["requests"]
    page = subprocess.run(
        [*FETCH, "report", tmp_path / "records.jsonl", "-o", tmp_path / "r.html"],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert page.returncode == 0, page.stderr
    same = subprocess.run(
        [*FETCH, "diff", tmp_path / "records.jsonl", tmp_path / "records.csv"],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert same.returncode == 0, same.stdout


def test_the_python_manual_end_to_end(tmp_path: Path) -> None:
    if not (MANUAL / "index.html").is_file():
        pytest.skip("needs the Python manual: apt install python3.11-doc")
    with nginx(f"location / {{ root {MANUAL}; }}\n", {}) as server:
        record = audit(f"{server.url}index.html", "--no-external", "-e", "asyncio")
    assert record["pages"] > 500
    assert [entry["url"].removeprefix(server.url) for entry in record["broken"]] == [
        "whatsnew/changelog.html"
    ]
    assert record["broken"][0]["linked"] > 5
    html_files = record["by_type"]["html"]
    assert html_files["wire"] == html_files["decoded"]
    assert sum(entry["saved"] for entry in record["uncompressed"]) > record["bytes"]["wire"] / 2


def test_an_interrupted_audit_is_no_clean_bill(tmp_path: Path) -> None:
    def slow(path: str) -> Answer:
        time.sleep(0.2)
        number = int(path.strip("/") or 0) if path.strip("/").isdigit() or path == "/" else 0
        return text("") if path == "/robots.txt" else html(*(f"/{number * 3 + n}" for n in range(1, 4)))

    with web(slow) as site:
        words = [*FETCH, "audit", site.url, "--no-external", "-c", "2", "-o", tmp_path / "a.xml"]
        child = subprocess.Popen([*map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(2.5)
        child.send_signal(signal.SIGINT)
        said, _ = child.communicate(timeout=20)
    assert child.returncode == 130
    assert b"interrupted: this is what was seen by then" in said
    suite = next(ElementTree.parse(tmp_path / "a.xml").iter("testsuite"))
    assert int(suite.attrib["failures"]) >= 1


def test_without_a_network_links_to_elsewhere_are_not_called_broken() -> None:
    names = [f"http://made-up-{n}.invalid/" for n in range(4)]
    with web({"/": html(*names)}) as site:
        done = run(site.url, "--retries", "0")
    assert done.returncode == 0
    assert b"no name outside of the site could be looked up" in done.stdout
    assert b"perhaps broken" in done.stdout


def test_of_a_srcset_one_counts() -> None:
    page = html(more='<img src="/1.png" srcset="/1.png 1x, /2.png 2x">')
    images = {f"/{n}.png": text(b"x" * 1000 * n, "image/png") for n in (1, 2)}
    with web({"/": page, **images}) as site:
        record = audit(site.url, "--no-external", code=0)
    assert record["heaviest"][0]["wire"] == len(page[2]) + 1000
    assert record["by_type"]["image"]["count"] == 2  # the other one is checked, too


def test_the_library(leaves_nothing: None) -> None:
    with web(SITE) as site:
        record = fetcher.audit(site.url, external=False)
    assert record["pages"] == 4
    assert "weights" not in record


@pytest.mark.parametrize("width", [40, 100])
def test_a_full_disk_and_a_closed_pipe(width: int) -> None:
    with web(SITE) as site:
        full = run(site.url, "--no-external", "-o", "/dev/full", "--overwrite")
        assert full.returncode in (2, 4)
        assert full.stderr.count(b"\n") <= 2
        command = f"{sys.executable} -m fetcher audit {site.url} --no-external | head -n 1"
        done = subprocess.run(
            ["/bin/bash", "-c", command],
            capture_output=True,
            timeout=60,
            env=os.environ | {"COLUMNS": str(width)},
            check=False,
        )
        assert done.stdout.startswith(b"4 pages, ")
        assert b"Traceback" not in done.stderr
