"""The page of an audit and of recorded runs: what it says, that it loads nothing, and that it works."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tracemalloc
from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.media import TYPES, is_text, kind_of
from fetcher.report import html, markdown, recorded
from fetcher.report.histogram import EDGES, bins
from fetcher.report.page import visible
from fetcher.report.recorded import site
from fetcher.report.tables import tables
from fetcher.report.units import seconds, size, tick
from tests.audits import EVIL, SITE, clean, entry, rich
from tests.test_report import Seen, browse

DOCS = {
    "a.html": 40_000,
    "lib/b.html": 30_000,
    "lib/c.css": 20_000,
    "lib/deep/d.js": 10_000,
    "e.html?q=1": 5_000,
}


@cache
def docs(count: int = 0) -> dict[str, Any]:
    """An audit of a few pages whose weights are known, and of so many more."""
    record = clean()
    more = {f"more/{n % 97}/{n}.html": 100 + n for n in range(count)}
    weights = {**DOCS, **more}
    types = {"css": "css", "js": "script"}
    record["entries"] = [
        {**entry(f"{SITE}/{path}"), "wire": wire, "type": types.get(path.rpartition(".")[2], "html")}
        for path, wire in weights.items()
    ]
    record["entries"].append(entry(f"{SITE}/gone", "page", 404))
    record["entries"].append(entry(f"{SITE}/away", "page", None, "reset"))
    return record


def data(page: str) -> list[dict[str, Any]]:
    """The tables as the page's script reads them."""
    found = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def ask(folder: Path, page: str, probe: str, width: int = 1200) -> Any:
    """What a function (doc, map, table) => says in a browser without a network, under the page's policy."""
    script = f"""addEventListener("load", () => {{
      const doc = document.querySelector("iframe").contentDocument, map = doc.getElementById("map")
      const table = name => doc.getElementById(name)
      const said = ({probe})(doc, map, table)
      const told = document.createElement("pre")
      told.textContent = JSON.stringify(said)
      document.body.append(told)
    }})"""
    frame = f'<iframe srcdoc="{escape(page)}" width="{width}" height="900"></iframe>'
    dom = browse(folder, f"<!doctype html><body><script>{script}</script>{frame}", "--dump-dom")
    told = re.search(r"<pre>(.*?)</pre>", dom, re.DOTALL)
    assert told, dom[-2000:]
    return json.loads(told[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


@pytest.mark.parametrize("record", [clean(), rich(), docs()], ids=["clean", "rich", "docs"])
def test_a_page_loads_nothing_and_runs_only_its_own_script(record: dict[str, Any]) -> None:
    page = html(record)
    seen = Seen(page)
    assert not {"img", "link", "iframe", "object"} & set(seen.tags)
    assert seen.tags.count("script") == 2
    loads = {"src", "srcset", "action", "style", "integrity"}
    assert [key for key, _ in seen.attributes if key in loads or key.startswith(("on", "xlink"))] == []
    addresses = [value for key, value in seen.attributes if key == "href"]
    assert all(re.match(r"#\w+$|https?://", value or "") for value in addresses)
    css = page.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in css
    assert "@import" not in css
    script = page.rpartition("<script>")[2].partition("</script>")[0]
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'\"" in page
    assert len(page.encode()) < 120_000


def test_what_others_said_is_text() -> None:
    page, text = html(rich()), markdown(rich())
    shown = visible(" ".join(EVIL.split()))
    assert shown in " ".join(Seen(page).text)
    assert page.count("<script") == 2  # the two of ours
    assert "<script" not in text
    for words in (page, text):
        assert not {"\u202e", "\u2028", "\x1b", "\x00", "\ud800"} & set(words)
        words.encode()
    block = page.partition('<script type="application/json"')[2].partition(">")[2].partition("</script>")[0]
    assert not {"<", ">", "&"} & set(block)
    broken = next(one for one in data(page) if one["key"] == "broken")
    assert broken["rows"][1][0] == shown


def test_the_headline_the_budgets_and_every_table() -> None:
    page = html(rich())
    said = " ".join(Seen(page).text)
    assert "3 of 4 budgets" not in said
    assert "2 of 4 budgets exceeded" in said
    assert "site.example: 64 pages, 1,300 requests, 12.3 kB transferred; 32 URLs broken" in said
    assert "nothing to judge: no URL matches" in said
    assert "150 kB" in said
    titles = re.findall(r"<h2>([^<]*)</h2>", page)
    assert len(titles) == len(set(titles))
    for title in ("Budgets", "Broken links", "Heaviest pages", "Not fetched", "All URLs", "By type"):
        assert title in titles
    assert "the first 35 of 40" in said  # `entries_cut` is told
    assert markdown(rich()).startswith("# site.example: 64 pages")
    assert "within all budgets" not in said
    assert "nothing broken" in " ".join(Seen(html(clean())).text)


def test_what_is_not_known_is_left_out() -> None:
    record = {"by_type": {}, "entries": [{"url": "http://h/", "status": 200, "wire": None}], "requests": 1}
    (only,) = tables(record)
    assert [column.key for column in only.columns] == ["url", "what"]
    page = html(record)
    assert "<svg" not in page
    assert "Transferred</" not in page
    assert html({"by_type": {}})


def test_markdown_tables_hold_together() -> None:
    text = markdown(rich())
    found = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    assert len(found) >= 10
    for one in found:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in one}) == 1
        assert set(one[1]) <= set("| -:")
        assert len(one) <= 2 + 20
    assert "the first 20 of 32" in text


@given(st.lists(st.integers(0, 10**12), min_size=1))
def test_every_file_stands_in_one_column_of_the_histogram(sizes: list[int]) -> None:
    found = bins(sizes)
    assert sum(many for _, _, many in found) == len(sizes)
    for low, high, many in found:
        assert many == sum(low <= one < high for one in sizes)
    assert [high for _, high, _ in found[:-1]] == [low for low, _, _ in found[1:]]
    assert found[0][2]
    assert found[-1][2]
    assert list(EDGES) == sorted(set(EDGES))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (999_600, "1.00 MB"),
        (12_345_678, "12.3 MB"),
    ],
)
def test_sizes_have_three_digits(value: int | None, text: str) -> None:
    assert size(value) == text


def test_times_and_ticks() -> None:
    assert [seconds(one) for one in (None, 0, 0.00005, 0.0123, 0.9999, 12.3456)] == [
        *("-", "0 s", "50 us", "12.3 ms", "1.00 s", "12.3 s")
    ]
    assert [tick(one) for one in (0, 20, 2000, 50e6)] == ["0 B", "20 B", "2 kB", "50 MB"]


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("text/html; charset=utf-8", "html"),
        ("Application/XHTML+XML", "html"),
        ("text/css", "css"),
        ("application/javascript", "script"),
        ("application/wasm", "script"),
        ("image/svg+xml", "image"),
        ("font/woff2", "font"),
        ("video/mp4", "media"),
        ("application/rss+xml", "data"),
        ("application/ld+json", "data"),
        ("application/pdf", "document"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "document"),
        ("text/x-python", "document"),
        ("application/zip", "other"),
        ("<script>", "other"),
        (None, "image"),
        ("application/octet-stream", "image"),
    ],
)
def test_the_type_is_what_the_server_said(content_type: str | None, kind: str) -> None:
    assert kind_of(content_type, "http://h/a.PNG?x=b.css#c.js") == kind
    assert kind in TYPES


def test_text_is_what_a_coding_makes_smaller() -> None:
    assert all(map(is_text, ["text/html", "image/svg+xml", "application/json", "text/plain; charset=x"]))
    assert not any(map(is_text, ["image/png", "application/wasm", "application/zip", None]))


def row(url: str, **more: Any) -> dict[str, Any]:
    usual = {"url": url, "final_url": url, "status": 200, "error": None, "size": 3000, "wire_size": 2000}
    return {**usual, "content_type": "text/html", "encoding": None, "elapsed": 0.1, "redirects": [], **more}


def test_records_alone_tell_much_of_an_audit() -> None:
    same = {"sha256": "ab", "encoding": "gzip"}
    found = site(
        [
            row("http://h/", depth=0, **same),
            row("http://h/a/b/c.html", referrer="http://h/", depth=1, elapsed=0.4, **same),
            row("http://h/a/x.png", content_type="image/png", wire_size=9000),
            row("http://h/a/gone", status=404, size=10, wire_size=10, referrer="http://h/", message="no"),
            row("http://h/old", final_url="http://h/a/", redirects=[{"url": "http://h/old", "status": 301}]),
            row("http://h/away", status=302, size=0, wire_size=0, referrer="http://h/"),
            row(
                "h/x",
                status=None,
                error="reset",
                size=None,
                wire_size=None,
                content_type=None,
                final_url=None,
            ),
        ]
    )
    assert (found["pages"], found["requests"], found["failed"]) == (3, 7, 2)
    assert found["start"] == ["http://h/"]
    sums = {one["path"]: (one["count"], one["wire"]) for one in found["by_directory"]}
    assert sums == {"/": (6, 15_010), "/a/": (4, 13_010), "/a/b/": (1, 2000)}
    assert found["bytes"]["wire"] == sum(one["wire"] for one in found["by_type"].values()) == 15_010
    assert [one["url"] for one in found["broken"]] == ["http://h/a/gone", "h/x"]
    assert found["broken"][0]["referrers"] == ["http://h/"]
    assert found["files"][0]["url"] == "http://h/a/x.png"
    assert found["slow"][0]["url"] == "http://h/a/b/c.html"
    assert [one["urls"] for one in found["duplicates"]] == [["http://h/", "http://h/a/b/c.html"]]
    assert [one["url"] for one in found["uncompressed"]] == ["http://h/old"]
    assert [one["final"] for one in found["redirects"]] == ["http://h/a/", None]
    assert "budgets" not in found
    assert "Budgets" not in html(found)
    assert "h: 3 pages" in markdown(found)


def test_directories_of_several_hosts_stay_apart() -> None:
    found = site([row("http://h/a/"), row("https://other:8/a/"), row("nothing")])
    assert [one["path"] for one in found["by_directory"]] == ["h/", "h/a/", "other:8/", "other:8/a/"]
    assert site([])["requests"] == 0
    assert "no page" not in html(site([]))


def many(count: int, hosts: int = 1_000) -> Iterator[dict[str, Any]]:
    """Records of so many hosts; of ten of them each has as many as all others together have, by tens."""
    for n in range(count):
        host = f"big{n // 2 % 10}" if n % 2 else f"h{n // 2 % hosts}"
        more = {"status": 404} if n % 3 == 0 else {"redirects": [{"url": f"http://{host}/r", "status": 301}]}
        yield row(f"http://{host}/d{n % 7}/{n}.html", wire_size=1500 + n, sha256=f"{n // 2:064x}", **more)


def test_all_records_are_counted_and_lists_say_what_they_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, limit in {"ENTRIES": 20, "LIST": 5, "DIRECTORIES": 6}.items():
        monkeypatch.setattr(recorded, name, limit)
    rows = list(many(300, hosts=30))
    found = site(rows)
    assert (found["requests"], found["failed"], found["hosts"], found["dropped"]) == (300, 100, 40, [])
    sums = {one["host"]: (one["count"], one["failed"]) for one in found["by_host"]}
    assert sums == {f"big{n}": (15, 5) for n in range(5)}
    assert found["by_host_cut"] == 35
    assert sum(number for _, _, number in found["sizes"]) == 300
    assert found["sizes"] == bins(one["wire_size"] for one in rows)
    assert [one["wire"] for one in found["entries"]] == [1799 - n for n in range(20)]
    assert (len(found["broken"]), found["broken_cut"]) == (20, 80)
    assert (len(found["redirects"]), found["redirects_cut"]) == (20, 180)
    assert (len(found["uncompressed"]), found["uncompressed_cut"]) == (20, 180)
    assert (len(found["duplicates"]), found["duplicates_cut"]) == (6, 44)
    assert len(found["by_directory"]) == 6
    names = {one["url"].partition("://")[2].rpartition("/")[0] for one in rows} | set(names_of(rows))
    assert found["by_directory_cut"] == len(names) - 6
    page, text = " ".join(Seen(html(found)).text), markdown(found)
    for words in (page, text):
        assert "40 hosts: 200 pages, 300 requests" in words
        assert "100 broken" in words
        assert "the first 20 of 100" in words  # broken
        assert "the first 5 of 40" in words  # hosts
        assert f"the heaviest 6 of {len(names)}" in words
        assert "more than 40" not in words
    assert "Of all URLs the first 20 of 300; the table by directory counts all." in page
    assert "1 kB to 2 kB: 300 files" in html(found), "the histogram is of all"


def names_of(rows: list[dict[str, Any]]) -> Iterator[str]:
    return (one["url"].split("/")[2] for one in rows)


def test_of_too_many_names_the_heavy_ones_are_right_and_the_rest_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recorded, "NAMES", 200)
    rows = list(many(6_000, hosts=3_000))
    found = site(rows)
    assert found["dropped"] == ["by_host", "by_directory", "duplicates"]
    assert [(one["host"], one["count"]) for one in found["by_host"][:10]] == [
        (f"big{n}", 300) for n in range(10)
    ]
    assert (found["hosts"], found["requests"], found["bytes"]["wire"]) == (
        200,
        6_000,
        sum(one["wire_size"] for one in rows),
    )
    page, text = " ".join(Seen(html(found)).text), markdown(found)
    for words in (page, text):
        assert "more than 200 hosts: 4,000 pages" in words
        assert "the first 100 of more than 200, where a sum may be too low" in words
        assert "copies that are far apart in the run may be missing" in words
    assert "By host more than 200" in page
    assert "directory counts all" not in page


def test_memory_does_not_grow_with_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, limit in {"ENTRIES": 50, "LIST": 20, "DIRECTORIES": 20, "NAMES": 200}.items():
        monkeypatch.setattr(recorded, name, limit)

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            site(many(count, hosts=count))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(8_000) < 1.2 * peak(1_000)


def report(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fetcher", "report", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=50, check=False)


def test_the_command_writes_what_was_asked(tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text(json.dumps(docs()), encoding="utf-8")
    (tmp_path / "run.jsonl").write_text(json.dumps(row("http://h/")) + '\n{"torn', encoding="utf-8")
    ran = report("audit.json", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("# site.example: 1 page")
    ran = report("run.jsonl", "-o", "a.html", "-o", "a.md", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "cut off" in ran.stderr
    assert ran.stdout == ""
    assert "h: 1 page" in (tmp_path / "a.html").read_text(encoding="utf-8")
    assert (tmp_path / "a.md").read_text(encoding="utf-8").startswith("# h: 1 page")
    ran = report("audit.json", "-o", "a.html", cwd=tmp_path)
    assert ran.returncode == 2
    assert "--overwrite" in ran.stderr
    assert report("audit.json", "-o", "a.html", "--overwrite", cwd=tmp_path).returncode == 0
    assert "site.example" in (tmp_path / "a.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "content", "words", "why"),
    [
        ("no.json", None, [], "No such file"),
        ("no.jsonl", None, [], "No such file"),
        ("a.json", "{", [], "is no JSON"),
        ("a.json", "[" * 100_000, [], "is no JSON"),
        ("a.json", "[1]", [], "holds no run"),
        ("a.json", '{"x": 1}', [], "no page can be made of this"),
        ("a.json", '{"by_type": {"html": 1}}', [], "no page can be made of this"),
        ("a.jsonl", "{}\n", [], "holds no records"),
        ("a.json", '{"by_type": {}}', ["-o", "a.pdf"], ".html, .md"),
    ],
)
def test_what_is_no_run_is_told_in_a_line(
    name: str, content: str | None, words: list[str], why: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    ran = report(name, *words, cwd=tmp_path)
    assert ran.returncode == 2, ran.stderr
    assert ran.stdout == ""
    assert ran.stderr.startswith("fetch: ")
    assert ran.stderr.count("\n") == 1
    assert why in ran.stderr


def test_a_browser_draws_the_treemap_true_to_scale(tmp_path: Path) -> None:
    probe = """(doc, map, table) => {
      const all = map.querySelector(".map")
      const boxes = () => [...all.children].map(one => {
        const box = one.getBoundingClientRect()
        return {tag: one.tagName, text: one.textContent, title: one.title, area: box.width * box.height,
                left: box.left, right: box.right, top: box.top, bottom: box.bottom}
      })
      const path = () => [...map.querySelectorAll(".crumbs button")].map(one => one.textContent)
      const first = boxes(), whole = all.clientWidth * all.clientHeight, start = path()
      all.querySelector("button").click()
      const inside = boxes().map(one => one.text), there = path()
      const told = map.querySelector(".told").textContent
      const focus = doc.activeElement.textContent
      map.querySelector(".crumbs button").click()
      const back = boxes().length
      const choice = map.querySelector("select")
      choice.value = "count"
      choice.dispatchEvent(new Event("change"))
      const counts = boxes().map(one => one.title)
      return {hidden: map.hidden, first, whole, start, inside, there, told, focus, back, counts}
    }"""
    said = ask(tmp_path, html(docs()), probe)
    assert not said["hidden"]
    boxes = {one["text"]: one for one in said["first"]}
    assert [one["text"] for one in said["first"] if one["tag"] == "BUTTON"] == ["lib/", "deep/"]
    assert boxes["a.html"]["area"] / said["whole"] == pytest.approx(40 / 105, rel=0.02)
    assert boxes["lib/"]["area"] / said["whole"] == pytest.approx(60 / 105, rel=0.02)
    assert boxes["e.html?q=1"]["area"] / boxes["a.html"]["area"] == pytest.approx(1 / 8, rel=0.05)
    inner = [boxes[name] for name in ("b.html", "c.css", "deep/")]
    assert inner[0]["area"] / inner[1]["area"] == pytest.approx(1.5, rel=0.02)
    for one in inner:
        assert one["left"] >= boxes["lib/"]["left"]
        assert one["bottom"] <= boxes["lib/"]["bottom"]
    tops = [boxes[name] for name in ("a.html", "lib/", "e.html?q=1")]
    for at, one in enumerate(tops):
        for other in tops[at + 1 :]:
            apart = min(one["right"], other["right"]) - max(one["left"], other["left"])
            down = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
            assert apart < 0.1 or down < 0.1, "two boxes lie upon each other"
    assert said["start"] == ["site.example/"]
    assert said["inside"] == ["b.html", "c.css", "deep/", "d.js"]
    assert said["there"] == ["site.example/", "lib/"]
    assert said["focus"] == "lib/"
    assert said["told"] == "lib/: 60.0 kB in 3 files"
    assert said["back"] == len(said["first"])
    assert f"{SITE}/gone: 1 file" in said["counts"]  # it weighs nothing, but it is one


def test_a_browser_sorts_and_searches(tmp_path: Path) -> None:
    probe = """(doc, map, table) => {
      const one = table("entries"), lines = () => [...one.querySelectorAll("tbody tr")]
      const rows = () => lines().map(row => [...row.cells].map(cell => cell.innerText))
      const heads = [...one.querySelectorAll("th")], names = heads.map(head => head.textContent)
      const input = one.querySelector("input")
      const find = text => { input.value = text; input.dispatchEvent(new Event("input")) }
      const click = name => heads[names.indexOf(name)].querySelector("button").click()
      const column = name => rows().map(row => row[names.indexOf(name)])
      const hovers = () => [...one.querySelectorAll("td[title]")].map(td => td.title)
      const before = one.querySelector("tbody").innerText, titles = hovers()
      find(" ")
      const drawn = one.querySelector("tbody").innerText, again = hovers()
      click("Transferred")
      const down = column("Transferred"), said = heads[names.indexOf("Transferred")].getAttribute("aria-sort")
      click("Transferred")
      const up = column("Transferred")
      click("Status or error")
      click("Status or error")
      const status = column("Status or error")[0]
      find("LIB css")
      const found = rows().map(row => row[0]), told = one.querySelector(".bar span").textContent
      find("nothing like this")
      const none = rows().length
      find("")
      const shown = rows().length, more = one.querySelector("button.more")
      more.click()
      const left = more.textContent, hidden = more.hidden
      return {before, drawn, titles, again, down, said, up, status, found, told, none, shown, left, hidden,
              all: rows().length}
    }"""
    said = ask(tmp_path, html(docs(110)), probe)
    assert said["before"] == said["drawn"]  # the script's words are the server's words
    assert said["titles"] == said["again"]
    assert said["down"][:4] == ["40.0 kB", "30.0 kB", "20.0 kB", "10.0 kB"]
    assert said["said"] == "descending"
    assert said["up"][0] == "100 B"
    assert said["status"] == "reset"  # after all the numbers
    assert said["found"] == ["/lib/c.css"]
    assert said["told"] == "1 of 117 rows"
    assert said["none"] == 0
    assert said["shown"] == 10
    assert said["all"] == 110
    assert (said["left"], said["hidden"]) == ("Show 7 more", False)


def test_a_browser_keeps_hostile_text_as_text(tmp_path: Path) -> None:
    record = rich()
    record["entries"][0]["title"] = "<b onclick=alert(1)>bold</b></script><script>alert(2)</script><!--"
    record["entries"] += [
        {**entry(f"{SITE}/<img src=x onerror=alert(3)>/{EVIL}"), "type": "<b>", "wire": 10**7},
        entry("javascript:alert(4)"),
    ]
    probe = """(doc, map, table) => {
      const one = table("entries"), input = one.querySelector("input")
      const redraw = text => { input.value = text; input.dispatchEvent(new Event("input")) }
      for (const table of doc.querySelectorAll("section.table")) table.querySelector("th button")?.click()
      redraw("bold")
      const title = one.querySelector("tbody").innerText
      redraw("javascript")
      const links = one.querySelectorAll("tbody a").length
      for (let at = 0; at < 5; at++) map.querySelector(".map button")?.click()
      const names = [...doc.querySelectorAll("*")].flatMap(one => one.getAttributeNames())
      const odd = names.filter(name => name.startsWith("on")).length
      const tags = doc.querySelectorAll("b:not(nav b), img").length
      return {title, links, odd, tags, scripts: doc.scripts.length}
    }"""
    said = ask(tmp_path, html(record), probe)
    assert "<b onclick=alert(1)>bold</b></script><script>alert(2)</script><!--" in said["title"]
    assert said["links"] == 0  # nothing but http and https is a link
    assert (said["odd"], said["tags"], said["scripts"]) == (0, 0, 2)


@pytest.mark.parametrize("width", [375, 820, 1600])
def test_a_browser_lays_it_out_from_phone_to_wall(width: int, tmp_path: Path) -> None:
    probe = """(doc, map, table) => {
      const wide = doc.documentElement.scrollWidth, odd = []
      for (const one of doc.querySelectorAll("svg text, td, .tiles div, nav a")) {
        const box = one.getBoundingClientRect(), scroll = one.closest(".scroll")
        const whole = scroll ? scroll.getBoundingClientRect().left + scroll.scrollWidth : wide
        if (box.left < -1 || box.right > whole + 1) odd.push(one.textContent)
      }
      return {wide, odd, boxes: map.querySelectorAll(".map > *").length}
    }"""
    said = ask(tmp_path, html(rich()), probe, width)
    assert said["wide"] <= width
    assert said["odd"] == []
    assert said["boxes"] > 0


def test_ten_thousand_urls_stay_data_and_do_not_become_elements(tmp_path: Path) -> None:
    page = html(docs(10_000))
    assert len(page.encode()) < 2_000_000
    probe = """(doc, map, table) => {
      const one = table("entries"), before = doc.querySelectorAll("*").length
      one.querySelectorAll("th button")[4].click()
      const input = one.querySelector("input")
      input.value = "/9999.html"
      input.dispatchEvent(new Event("input"))
      const found = one.querySelectorAll("tbody tr").length
      return {before, found, told: one.querySelector(".bar span").textContent}
    }"""
    said = ask(tmp_path, page, probe)
    assert said["before"] < 6000
    assert (said["found"], said["told"]) == (1, "1 of 10,007 rows")


def test_a_directory_of_many_files_shows_the_heaviest_and_the_rest_as_one(tmp_path: Path) -> None:
    record = docs()
    record = {**record, "entries": [{**entry(f"{SITE}/{n}"), "wire": 1000 + n} for n in range(1500)]}
    probe = """(doc, map) => {
      const all = [...map.querySelectorAll(".map > *")]
      return [all.length, all[0].title, map.querySelectorAll(".map button").length]
    }"""
    assert ask(tmp_path, html(record), probe) == [1001, "500 more: 625 kB", 0]
