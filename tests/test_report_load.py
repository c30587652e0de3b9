"""The page of a load test: what it says, that it loads and runs nothing, and how a browser lays it out."""

from __future__ import annotations

import json
import re
from functools import cache
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.report import html, markdown
from fetcher.report.curves import Axis, Line, plot, share
from fetcher.report.explained import explained
from fetcher.report.figures import Scale
from fetcher.report.moments import charts
from tests.loads import EVIL, NAMES, load
from tests.test_report import LOOK, Seen, browse, first_pixel

WIDTHS = (360, 820, 1600)
every_load = pytest.mark.parametrize("name", NAMES)


@cache
def page(name: str) -> str:
    return html(long() if name == "long" else load(name))


def long() -> dict[str, Any]:
    """Ten hours in entries of half a minute, of which the last is the worst."""
    record = load("several")
    row = record["per_second"][0]
    rows = [{**row, "second": 30 * at, "span": 30, "ok": 12_000, "failed": 0} for at in range(1200)]
    rows[-1] |= {"p99": 9.0, "max": 9.5}
    return record | {"per_second": rows, "worst": 1199, "seconds": 36_000.0}


@pytest.mark.parametrize("name", [*NAMES, "long"])
def test_a_page_loads_nothing_runs_nothing_and_is_small(name: str) -> None:
    seen = Seen(page(name))
    assert not {"script", "img", "link", "iframe", "object", "a"} & set(seen.tags)
    loads = {"src", "href", "srcset", "action", "data", "style"}
    assert [key for key, _ in seen.attributes if key in loads or key.startswith(("on", "xlink"))] == []
    assert len(page(name).encode()) < (400_000 if name == "long" else 60_000)


@every_load
def test_the_verdict_the_reason_and_the_sentence_stand_on_top(name: str) -> None:
    record = load(name)
    body = Seen(page(name).partition("<main>")[2].partition("</header>")[0] + "</header>")
    said = [part for part in body.text if part]
    if name == "hostile":
        assert said[0] == "FAIL"
    else:
        assert said == [record["verdict"], record["why"], explained(record)]
        assert ("&nbsp;%" in page(name)) == (" %" in said[2])  # no line is broken there


def test_what_others_said_is_text() -> None:
    shown = "\\u202e\\x1b[31m\\x00\\ud800\\u2028"
    for text in (page("hostile"), markdown(load("hostile"))):
        assert "<script" not in text
        assert not set(EVIL) & {"\u202e", "\x1b", "\x00", "\ud800", "\u2028", "\r"} & set(text)
        text.encode()
    assert unescape(page("hostile")).count(shown) >= 8  # why, limit, notes, target, error, status, engine
    assert "[c](http" not in markdown(load("hostile"))


def test_figures_of_the_record_are_on_the_page() -> None:
    text = Seen(page("timeouts")).text
    for part in (">= 5.00 s", "194/s", "read_timeout", "status 200", "Sent late by"):
        assert part in text
    assert ">=: at least so long" in page("timeouts").replace("&gt;", ">")
    assert "Failed ones" not in text  # timeouts stand among those that took at least so long
    several = Seen(page("several")).text
    assert "Failed ones" in several
    assert several.index("http://127.0.0.1:8000/search?q=a") < several.index("http://127.0.0.1:8000/seldom")
    assert "server at 142&nbsp;% of a core" in page("closed")


def test_a_client_that_was_the_limit_is_told() -> None:
    record = load("invalid")
    assert '<span class="verdict INVALID">INVALID</span>' in page("invalid")
    assert f"the client was the limit: {record['client']['why'][0]}" in Seen(page("invalid")).text


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("closed", [["ok", "failed"], ["half", "response", "worst"], ["service", "response"]]),
        ("stalled", [["asked", "ok"], ["half", "response", "worst"], ["service", "response"]]),
        (
            "searched",
            [["asked", "ok"], ["half", "response", "worst"], ["service", "response"], ["passed", "missed"]],
        ),
        ("refused", [["asked", "ok", "failed"]]),
        ("silent", []),
    ],
)
def test_charts_show_what_there_is(name: str, kinds: list[list[str]]) -> None:
    found = charts(load(name))
    drawn = [*found["over_time"], *found["others"]]
    assert [[kind for kind, _ in one.keys] for one in drawn] == kinds
    for one, named in zip(drawn, kinds, strict=True):
        for kind in named:
            assert re.search(f'class="(line )?{kind}"', one.svg), kind
    assert page(name).count("<svg role=") == len(kinds)


def test_the_worst_second_is_marked_where_it_is() -> None:
    chart = charts(load("stalled"))["over_time"][1]
    at = re.search(r'class="worst" cx="([\d.]+)%" cy="([\d.]+)".*?<title>(.*?)</title>', chart.svg)
    assert at
    assert float(at[1]) == pytest.approx(100 * 18.5 / 60, abs=0.1)
    assert float(at[2]) < 20  # near the top
    assert at[3] == "worst: second 18, 983 ms, 900 ok"


def test_what_is_only_a_lower_bound_is_dotted() -> None:
    def dotted(name: str) -> int:
        return sum(one.svg.count(' bound"') for one in charts(load(name))["others"])

    assert dotted("timeouts") == 2
    assert dotted("stalled") == 0


def test_a_long_run_has_few_points_a_true_rate_and_its_worst() -> None:
    rates, times = charts(long())["over_time"]
    assert rates.hint == "each point stands for 150 seconds: their mean"
    assert times.keys[-1] == ("worst", "worst: second 35,970, 9.00 s")
    assert "600 min" in rates.svg
    ok = re.search(r'class="line ok" d="(.*?)"', rates.svg)
    assert ok
    points = ok[1].split("L")
    assert len(points) < 250
    assert len({point.split(",")[1] for point in points}) == 1  # 400/s all the time, whatever the span
    assert ">400</text>" in rates.svg
    assert "counts are those of 30 seconds" in page("long")


def test_a_line_is_broken_where_nothing_is_known() -> None:
    axis = Axis(Scale(0.0, 10.0), str)
    svg = plot("t", axis, axis, [Line("ok", [(0.0, 0.0), (5.0, 5.0), None, (10.0, 10.0), None, None])])
    path = re.search(r' d="(.*?)"', svg)
    assert path
    assert path[1] == "M0.0,200.0L0.0,200.0L500.0,100.0M1000.0,0.0L1000.0,0.0"


@given(st.floats(1e-6, 1e6), st.floats(1.05, 1e6), st.floats(-1e9, 1e9), st.booleans())
def test_nothing_is_drawn_beyond_its_axis(low: float, times: float, value: float, log: bool) -> None:
    assert 0 <= share(Scale(low, low * times, log=log), value) <= 1


@every_load
def test_markdown_tables_are_whole(name: str) -> None:
    lines = markdown(load(name)).splitlines()
    assert lines[0].startswith(f"# {load(name)['verdict']}: ")
    parts = "\n".join(lines).split("\n\n")
    tables = [list(filter(None, part.split("\n"))) for part in parts if part.startswith("|")]
    assert len(tables) >= (1 if name in ("refused", "silent") else 2)
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1
        assert set(table[1]) <= set("| -:")


def test_a_browser_lays_it_out_without_overlap_from_phone_to_wall(tmp_path: Path) -> None:
    # The numbers of the axis at the left stand beside their chart, within its card.
    assert "chart = box(svg)" in LOOK
    beside = LOOK.replace("chart = box(svg)", 'chart = box(svg.closest("figure"))').replace(
        'querySelectorAll("svg"))', 'querySelectorAll("svg.plot"))'
    )
    frames = []
    for name in [*NAMES, "long"]:
        policy = re.search(r"<meta http-equiv=.Content-Security-Policy.*?>", page(name))
        assert policy, "without it a script could run"
        for width in WIDTHS:
            look = beside.replace("NAME", json.dumps(f"{name} at {width}"))
            inner = escape(page(name).replace(policy[0], look))
            frames.append(f'<iframe srcdoc="{inner}" width="{width}" height="900"></iframe>')
    dom = browse(tmp_path, "<!doctype html><body>" + "".join(frames), "--dump-dom")
    found = sorted(re.findall(r"<pre>(.*?)</pre>", dom))
    assert len(found) == (len(NAMES) + 1) * len(WIDTHS)
    assert [one for one in found if not one.endswith("texts; ")] == []
    assert {one.split()[0] for one in found if " 0 texts" in one} == {"silent"}


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
    browse(tmp_path, page("stalled"), *words)
    assert first_pixel(shot.read_bytes()) == paper
    assert len(shot.read_bytes()) > 20_000  # something is on it
