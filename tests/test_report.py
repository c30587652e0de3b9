"""The pages of a comparison: of records that the real judge wrote, in a real browser, without a network."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import zlib
from collections.abc import Sequence
from functools import cache
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.comparison.lap import Lap
from fetcher.comparison.parity import Parity
from fetcher.comparison.plan import Arm, Plan
from fetcher.comparison.verdict import judged
from fetcher.errors import UsageError
from fetcher.model import PARITY
from fetcher.report import html, markdown
from fetcher.report.figures import Scale, around, ticks
from fetcher.report.words import number

HOSTILE = """http://h/"><script>alert(1)</script>'onload='x|`y`\u202e\x1b[31m\ud800&amp;"""
ARMS = [Arm("threads", "threads", 32), Arm("asyncio", "asyncio", 64), Arm("curl", "curl", 64)]
ARMS.append(Arm("threads again", "threads", 32, control=True))
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
VERDICTS = ("ok", "server-bound", "disagree", "invalid")
BLOCKS = 8
WIDTHS = (360, 820, 1600)


def record(verdict: str = "ok", *, times: Sequence[float] = (5.0, 1.0, 1.0)) -> dict[str, Any]:
    """What `judged` makes of laps that were made up: seconds for threads, asyncio and curl."""
    return json.loads(_record(verdict, tuple(times)))  # as it comes back from a file


@cache
def _record(verdict: str, times: Sequence[float]) -> str:
    rng = random.Random(7)
    plan = Plan(ARMS, [("", HOSTILE)] * 1000, BLOCKS, 7, 64)
    parity, laps = Parity(), {}
    for arm, seconds in zip(ARMS, [*times, times[0] * (1.3 if verdict == "invalid" else 1.0)], strict=True):
        status = 404 if verdict == "disagree" and arm.name == "curl" else 200
        parity.add(arm, [{**dict.fromkeys(PARITY), "url": HOSTILE, "status": status, "hash": HOSTILE}])
        laps[arm] = [made_up(seconds * rng.uniform(0.97, 1.03), verdict, at) for at in range(BLOCKS)]
    found = judged(plan, laps, parity, 0.001).record()
    assert found["verdict"] == verdict
    found["control"]["blocks"] = [lap.record() for lap in laps[ARMS[-1]]]
    found["environment"] = {"python": "3.11.2", "processor": HOSTILE, "cpus": 2, "load": [0.5, 0.25, 0.125]}
    return json.dumps(found)


def far() -> dict[str, Any]:
    """Engines that lie far apart, in many blocks."""
    one = record(times=(300.0, 0.02, 0.5))
    for entry in (*one["engines"].values(), one["control"]):
        entry["blocks"] *= 3
    return one


def made_up(wall: float, verdict: str, block: int) -> Lap:
    bound = verdict == "server-bound"
    lap = Lap(
        startup=0.2,
        warmup=0.01,
        wall=wall,
        cpu=wall * (0.1 if bound else 1.0),
        server=wall if bound else None,
        rss=40 << 20,
        connections=64,
        width=64,
        spent={},
        block=block,
        urls=1000,
        ok=998,
        wire=9_000_000,
        errors={"reset": 2},
        statuses={"200": 998},
    )
    for _ in range(200):
        lap.elapsed.add(wall / 50)
    return lap


def experiment() -> dict[str, Any]:
    advice = [
        {"claim": "CPU-bound: processes", "held": True, "why": "0.55 x (0.51-0.59) asyncio"},
        {"claim": "fast I/O: threads", "held": False, "why": HOSTILE},
        {"claim": "slow I/O: asyncio", "held": None, "why": "the server was the limit"},
    ]
    workloads = {"fast": record("ok"), "slow": record("server-bound"), "cpu": record("invalid")}
    for name, one in workloads.items():
        one["title"] = f"the {name} list {HOSTILE}"
        del one["environment"]
    said = {"verdict": "ok", "seed": 7, "blocks": 8, "sentence": "of three, one held", "advice": advice}
    return {
        **said,
        "workloads": workloads,
        "environment": {
            "python": "3.11.2",
            "tls": "OpenSSL 3",
            "libraries": {"aiohttp": "3.14.3", "x": HOSTILE},
        },
    }


@cache
def pages() -> dict[str, str]:
    """One for each kind of record."""
    return {
        **{verdict: html(record(verdict)) for verdict in VERDICTS},
        "far": html(far()),
        "experiment": html(experiment()),
    }


every_page = pytest.mark.parametrize("name", [*VERDICTS, "far", "experiment"])


class Seen(HTMLParser):
    """Tags that open and close as they should, their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(" ".join(data.split()))


@every_page
def test_a_page_loads_nothing_runs_nothing_and_is_small(name: str) -> None:
    page = pages()[name]
    seen = Seen(page)
    assert not {"script", "img", "link", "iframe", "object", "a"} & set(seen.tags)
    loads = {"src", "href", "srcset", "action", "data", "style"}
    assert [key for key, _ in seen.attributes if key in loads or key.startswith(("on", "xlink"))] == []
    css = page.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in css
    assert "@import" not in css
    assert len(page.encode()) < 100_000


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_verdict_and_the_sentence_stand_on_top(verdict: str) -> None:
    body = Seen(pages()[verdict].partition("<main>")[2].partition("</header>")[0] + "</header>")
    said = [part for part in body.text if part]
    assert said[0].startswith(f"{verdict}: ")
    assert said[1:] == [record(verdict)["sentence"]]


def test_what_others_said_is_text() -> None:
    shown = HOSTILE.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b").replace("\ud800", "\\ud800")
    page = pages()["disagree"]
    assert shown in Seen(page).text
    assert str(escape(shown, quote=False)).partition('"')[0] in unescape(page)
    for text in (page, markdown(record("disagree"))):
        assert "<script" not in text
        assert "\u202e" not in text
        text.encode()


def test_charts_and_figures_of_an_ok_comparison() -> None:
    one, page = record(), pages()["ok"]
    seen = Seen(page)
    assert seen.tags.count("svg") == 3
    assert len(re.findall(r'<svg role="img"[^>]*><title>[^<]+</title>', page)) == 3
    # Every lap of every arm, and that of the control hollow.
    assert page.count('class="dot"') == 3 * 8
    assert page.count('class="again"') == 8
    assert page.count('class="interval"') == 3 * 3
    table = page[page.index('aria-label="all figures"') :]
    assert re.findall(r'<th scope="col">(\w+)</th>', table)[:4] == ["Figure", "asyncio", "curl", "threads"]
    for entry in one["engines"].values():
        assert f"<td>{number(entry['urls_per_s']['median'])} <small>" in table
        assert f"<td>{number(entry['cpu_per_url'] * 1e6)}</td>" in table
    assert one["engines"]["curl"]["same"]
    assert f"~ {number(one['engines']['curl']['ratio']['median'])}" in seen.text
    assert "fastest" in seen.text
    assert "this engine itself" in seen.text
    assert "16,000" not in seen.text
    assert "7,984" in seen.text  # 998 ok in 8 laps


@pytest.mark.parametrize("verdict", ["disagree", "invalid"])
def test_nothing_is_ranked_where_nothing_may_be(verdict: str) -> None:
    one = record(verdict)
    one["engines"] = dict(sorted(one["engines"].items(), reverse=True))
    page, text = html(one), markdown(one)
    assert Seen(page).tags.count("svg") == (verdict == "invalid")
    for words in (page, text):
        assert "multiple of" not in words
        assert "~" not in words.partition("</style>")[2] or words is text
        assert not re.search(r"\d x\b", words)
        assert "fastest" not in words
        assert 'class="bar' not in words
    heads = [
        re.findall(r'<th scope="col">(asyncio|curl|threads)</th>', page),
        text.partition("| Figure")[2][:30],
    ]
    assert heads[0][:3] == ["asyncio", "curl", "threads"]
    assert heads[1].startswith(" | asyncio | curl | threads |")


def test_a_server_that_was_the_limit_ranks_by_cpu_alone() -> None:
    page = pages()["server-bound"]
    titles = re.findall(r"<figcaption>([^<]+)<", page)
    assert titles == ["CPU time per URL", "URLs per second", "Time to finish the list"]
    assert "multiple of the fastest" not in page
    assert "multiple of the least" in page
    assert "time ranks nobody" in page
    assert "the server" in Seen(page).text


def test_who_said_what_is_told_field_by_field() -> None:
    text = Seen(pages()["disagree"]).text
    at = text.index("status")
    words = [part for part in text[at:] if part]
    said = record("disagree")["disagree"][0]["fields"]["status"]
    assert said["404"] == ["curl"]
    assert words[:5] == ["status", "200", ", ".join(said["200"]), "404", "curl"]
    assert "hash" not in text  # on that they agree


def test_an_experiment_tells_its_advice_and_every_workload() -> None:
    seen = Seen(pages()["experiment"])
    assert [part for part in seen.text if part in {"yes", "no", "cannot be told"}] == [
        "yes",
        "no",
        "cannot be told",
    ]
    assert seen.tags.count("h2") == 3
    assert seen.tags.count("svg") == 3 + 3 + 1
    assert "OpenSSL 3" in seen.text
    assert any(part.startswith("aiohttp 3.14.3, x http://h/") for part in seen.text)
    text = markdown(experiment())
    assert text.count("\n## the ") == 3
    assert "| CPU-bound: processes | yes |" in text


def test_one_engine_alone_is_compared_with_nobody() -> None:
    one = record()
    one["engines"] = {"asyncio": one["engines"]["asyncio"]}
    assert "multiple of the least" not in html(one).partition("All figures")[2]


@pytest.mark.parametrize("name", VERDICTS)
def test_markdown_tables_are_whole(name: str) -> None:
    lines = markdown(record(name)).splitlines()
    assert lines[0].startswith("# ")
    tables = [
        list(filter(None, part.split("\n")))
        for part in "\n".join(lines).split("\n\n")
        if part.startswith("|")
    ]
    assert len(tables) >= 2
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1
        assert set(table[1]) <= set("| -:")


def test_a_record_of_another_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="no page can be made of this"):
        html({"url": "http://h/"})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0"),
        (0.0234375, "0.0234"),
        (0.99951, "1.00"),
        (9.996, "10.0"),
        (99.96, "100"),
        (25718.4, "25,718"),
        (1234567.8, "1,234,568"),
        (0.0000004, "0.000000"),
    ],
)
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text


@given(st.floats(1e-6, 1e9), st.floats(1.05, 1e6))
def test_ticks_are_few_round_and_within(low: float, times: float) -> None:
    high = low * times
    for scale in (Scale(0.0, high), around([low, high])):
        found = scale.ticks()
        assert 1 <= len(found) <= 8
        places = [float(scale.at(value)[:-1]) for value in found]
        assert places == sorted(set(places))
        assert places[0] >= 0
        assert places[-1] <= 100
    assert 0 <= float(around([low, high]).at(low)[:-1]) < float(around([low, high]).at(high)[:-1]) <= 100


def test_ticks_of_known_ranges() -> None:
    assert ticks(0, 26709.1) == [0, 10000, 20000]
    assert ticks(0, 10) == [0, 2, 4, 6, 8, 10]
    assert Scale(0.04, 30, log=True).ticks() == [0.1, 1.0, 10.0]


# In every frame: does anything stick out of the page, or of its chart, or lie upon other text?
LOOK = """<script>
addEventListener("load", () => {
  const odd = [], wide = document.documentElement.scrollWidth
  if (wide > innerWidth) odd.push("the page is " + wide + " wide")
  for (const svg of document.querySelectorAll("svg")) {
    const box = one => one.getBoundingClientRect()
    const boxes = what => [...svg.querySelectorAll(what)].map(one => [one.textContent, box(one)])
    const across = (a, b) => a.left < b.left - 1 || a.right > b.right + 1
    const beyond = (a, b) => across(a, b) || a.top < b.top - 1 || a.bottom > b.bottom + 1
    const upon = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
    const card = box(svg.closest("figure")), chart = box(svg)
    const texts = boxes("text"), shapes = boxes("rect, circle")
    for (const [, box] of shapes) if (beyond(box, card)) odd.push("a shape is out of its card")
    texts.forEach(([text, box], at) => {
      if (beyond(box, chart)) odd.push("out of its chart: " + text)
      for (const [other, its] of [...texts.slice(at + 1), ...shapes])
        if (upon(box, its)) odd.push(text + " lies upon " + (other || "a shape"))
    })
  }
  const told = parent.document.createElement("pre")
  told.textContent = NAME + ": " + document.querySelectorAll("svg text").length + " texts; " + odd.join(", ")
  parent.document.body.append(told)
})
</script>"""


def browse(folder: Path, page: str, *words: str) -> str:
    """Open a page in a browser that has no network; the console stays empty. Returns its stdout."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("chromium is not installed")
    alone = ["unshare", "-rn"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], capture_output=True).returncode:
        alone = []
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    usual = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--hide-scrollbars",
    ]
    usual += [f"--user-data-dir={folder / 'profile'}", "--no-first-run", "--disable-dev-shm-usage"]
    command = [*alone, browser, *usual, *words, path.as_uri()]
    run = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert run.returncode == 0, run.stderr
    # What the browser's own windows write, who notice that there is no network, is not about the page.
    console = [
        line for line in run.stderr.splitlines() if "CONSOLE" in line and "source: chrome:" not in line
    ]
    assert console == []
    return run.stdout


def test_a_browser_lays_it_out_without_overlap_from_phone_to_wall(tmp_path: Path) -> None:
    frames = []
    for name, page in pages().items():
        policy = re.search(r"<meta http-equiv=.Content-Security-Policy.*?>", page)
        assert policy, "without it a script could run"
        for width in WIDTHS:
            look = LOOK.replace("NAME", json.dumps(f"{name} at {width}"))
            inner = escape(page.replace(policy[0], look))
            frames.append(f'<iframe srcdoc="{inner}" width="{width}" height="900"></iframe>')
    dom = browse(tmp_path, "<!doctype html><body>" + "".join(frames), "--dump-dom")
    told = sorted(re.findall(r"<pre>(.*?)</pre>", dom))
    assert len(told) == len(pages()) * len(WIDTHS)
    assert [one for one in told if not one.endswith("texts; ")] == []
    assert [one for one in told if " 0 texts" in one] == [one for one in told if one.startswith("disagree")]


@pytest.mark.parametrize(
    ("scheme", "paper"), [("0", (0x12, 0x16, 0x1B)), ("1", (255, 255, 255))], ids=["dark", "light"]
)
def test_a_browser_paints_it_light_and_dark(tmp_path: Path, scheme: str, paper: tuple[int, ...]) -> None:
    shot = tmp_path / "page.png"
    words = [
        f"--screenshot={shot}",
        "--window-size=1200,900",
        f"--blink-settings=preferredColorScheme={scheme}",
    ]
    browse(tmp_path, pages()["ok"], *words)
    assert first_pixel(shot.read_bytes()) == paper
    assert len(shot.read_bytes()) > 20_000  # something is on it


def first_pixel(png: bytes) -> tuple[int, ...]:
    """Of the first pixel of the first line every filter of PNG is the value itself."""
    at, data = 8, b""
    while at < len(png):
        size, kind = int.from_bytes(png[at : at + 4], "big"), png[at + 4 : at + 8]
        data += png[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
        at += 12 + size
    return tuple(zlib.decompress(data)[1:4])
