"""What people read of a load test on a terminal: the words at its end, and the picture while it goes on."""

from __future__ import annotations

import fcntl
import io
import os
import re
import struct
import termios
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.cli._load_frame import LEVELS, PLAIN, frame, sparks
from fetcher.cli._load_shape import latency
from fetcher.cli._load_view import Followed, View
from fetcher.cli._load_words import words
from fetcher.histogram import Histogram
from fetcher.loadtest.schedule import constant
from fetcher.loadtest.sums import Sum
from fetcher.report.explained import explained, growth, peak
from fetcher.report.latency import bins, legend, said
from tests.loads import EVIL, NAMES, load, opened, told

every_load = pytest.mark.parametrize("name", NAMES)
ENDS = {
    "closed": "With 16 at once the server answered 1,568/s, half of them within 10.0 ms; client at 35 %, "
    "server at 142 % of a core, so the server was the limit",
    "stalled": "The server kept up with 500/s, but for second 18, when p99 was 983 ms; client at 35 %",
    "overrun": "Asked for 100/s the server answered 19.9/s, and waiting grew by 727 ms every second; "
    "client at 35 %",
    "invalid": "The client was the limit at 2,976/s, so what was missed says nothing about the server: "
    "ask for less, or give more --workers; client at 97 %",
    "searched": "The server kept up to 2,200/s (client at 35%)",
    "several": "The server kept up with 400/s, but 9.90/s of it failed; client at 35 %",
    "timeouts": "The server kept up with 200/s, but 5.00/s of it failed; client at 35 %",
    "refused": "No request was ok: 500 of 500 ended as connect_refused; client at 35 %",
    "silent": "No request had ended after 1.00 s; client at 35 %",
}


@pytest.mark.parametrize("name", ENDS)
def test_the_verdict_comes_first_and_one_sentence_last(name: str) -> None:
    record = load(name)
    lines = words(record).splitlines()
    assert lines[0] == f"{record['verdict']}: {record['why']}"
    assert lines[-2:] == ["", ENDS[name]]
    limits = [line for line in lines[1:4] if line.startswith("  ")]
    assert [line.split()[:2] for line in limits] == [
        ["PASS" if rule["ok"] else "FAIL", rule["rule"]] for rule in record["slo"]
    ]


def test_a_sentence_for_each_way_a_search_can_end() -> None:
    record = load("searched")
    record["max_rate"] |= {"at_least": True, "why": "client-limited"}
    assert explained(record) == "The server kept at least 2,200/s (client-limited); client at 35 %"
    record["max_rate"] |= {"rate": None, "at_least": False, "why": "the SLO is missed even at 1/s"}
    assert explained(record).startswith(
        "No rate that was tried kept the limits (the SLO is missed even at 1/s)"
    )


def test_a_busy_client_that_kept_its_limits_may_hide_a_faster_server() -> None:
    record = load("searched") | {"max_rate": None}
    record["client"] |= {"cpu": 0.97, "saturated": True}
    assert (
        explained(record)
        == "The server kept up with 2,200/s; client at 97 % and the limit, so the server may do more"
    )
    record["rate"] = 1000.0
    assert explained(record).startswith("Of the 2,200/s that were asked for the client sent 1,000/s")


@every_load
@pytest.mark.parametrize("width", [100, 80, 40, 20])
def test_lines_fit_and_numbers_keep_their_units(name: str, width: int) -> None:
    lines = words(load(name), width, blocks=True).splitlines()
    # What cannot be broken may be longer: a URL, and in a very narrow place a row of a table.
    long = [line for line in lines if len(line) > width and " " in line.strip()]
    assert [line for line in long if "://" not in line and width > 40] == []
    assert [line for line in long if not re.search(r"://|  |[a-z]_", line)] == []
    for line, following in pairwise(lines):
        assert not (re.search(r"\d$|>=$", line) and re.match(r"\s*([um]?s|%|[kM]?B)\b", following)), line


def test_lower_bounds_and_what_is_refused() -> None:
    text = words(load("timeouts"), 100)
    assert re.search(r"^  p99 +>= 5\.00 s +>= 5\.00 s", text, re.MULTILINE)
    assert re.search(r"^  p99\.9 +- +-", text, re.MULTILINE)
    assert "  >=: at least so long: what timed out or was cut counts at its age\n" in text
    assert "  -: too few samples: fewer than 10 lie above\n" in text
    assert "  FAIL  p99.99<1s  >= 5.00 s\n" in text
    assert "too few requests for p99.99: the" in text
    assert "by error: read_timeout 200" in text
    assert legend(load("stalled")) == ["-: too few samples: fewer than 10 lie above"]
    assert said({"p99": 0.05, "bounds": []}, "p99") == "50.0 ms"
    assert said({"p99": 30.0, "bounds": ["p99"]}, "p99") == ">= 30.0 s"


def test_nothing_is_said_of_latencies_that_nobody_knows() -> None:
    assert "latency" not in words(load("refused"), 80)


def test_targets_and_rates_are_tables() -> None:
    lines = words(load("several"), 80).splitlines()
    at = next(at for at, line in enumerate(lines) if "target, the slowest first" in line)
    assert lines[at + 1].split()[-1] == "http://127.0.0.1:8000/search?q=a"
    assert lines[at + 2].split() == [
        *("1.04", "ms", "-", "901", "99"),
        "http://127.0.0.1:8000/api/items/1",
    ]
    many = load("several")
    many["by_target"] = [{**many["by_target"][0], "url": f"http://h/{number}"} for number in range(25)]
    assert "\n  ... and 15 more\n" in words(many, 80)
    text = words(load("searched"), 40)
    assert "  4,000/s  2,240/s  >= 3.10 s  FAIL\n" in text
    assert text.index("    500/s") < text.index("  4,000/s")


@pytest.mark.parametrize("width", [None, 100, 40])
def test_what_others_said_is_text_and_no_command(width: int | None) -> None:
    text = words(load("hostile"), width, blocks=True)
    assert all(one.isprintable() for line in text.split("\n") for one in line)
    assert not re.search(r"^\s*::|##\[", text, re.MULTILINE)
    assert "\\u202e\\x1b[31m\\x00\\ud800" in text
    assert "\x1b[31m" in EVIL
    text.encode()


def test_only_verdicts_are_painted() -> None:
    record = load("stalled")
    record["notes"] = ["FAIL in a text is a word"]
    plain, painted = words(record, 80), words(record, 80, color=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == plain
    assert re.findall(r"\x1b\[1;3(\d)m(\w+)\x1b\[0m", painted) == [
        ("1", "FAIL"),
        ("1", "FAIL"),
        ("2", "PASS"),
    ]
    assert "\x1b" not in plain


def test_bars_are_as_long_as_their_counts_and_few_still_show() -> None:
    lines = latency(load("stalled"), 60, blocks=False)
    rows = [re.fullmatch(r" +(.+?) +([\d,]+)  (=+)", line.replace("\u00a0", " ")) for line in lines]
    found = [(int(row[2].replace(",", "")), len(row[3])) for row in rows if row]
    assert sum(many for many, _ in found) == 30_000
    most, longest = max(found)
    assert longest >= 30
    assert all(size == max(round(many / most * longest), 1) for many, size in found)


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=60))
def test_bins_hold_every_value_once(values: list[float]) -> None:
    found = Histogram()
    for value in values:
        found.add(value)
    made = bins(found)
    assert sum(many for _, _, many in made) == len(values)
    assert all(low < high for low, high, _ in made)
    assert all(one[1] == other[0] for one, other in pairwise(made))
    assert made[0][0] <= max(min(values), 1e-6) * (1 + 1e-9)
    assert made[-1][1] > max(values) * (1 - 1e-9)
    assert len(made) <= 12


def test_the_worst_of_a_second_and_a_slope() -> None:
    rows: list[dict[str, Any]] = [
        {"second": at, "p50": 0.01 * at, "p99": None, "max": 1.0 if at else None} for at in range(5)
    ]
    assert growth(rows) == pytest.approx(0.01)
    assert growth(rows[:2]) == 0.0
    assert peak(rows) == "max"
    assert peak(load("stalled")["per_second"]) == "p99"
    assert peak([{"p99": None}]) == ""


@given(st.sampled_from(NAMES), st.integers(19, 200), st.integers(3, 60), st.integers(0, 60), st.booleans())
def test_a_frame_fits_into_any_terminal(
    name: str, width: int, height: int, passed: int, blocks: bool
) -> None:
    record = load(name)
    rows = record["per_second"] = record["per_second"][:passed]
    text = frame({**record, "total": 60.0, "seconds": len(rows)}, width, height, blocks=blocks)
    lines = text.split("\n")
    assert 1 <= len(lines) <= height
    assert max(map(len, lines)) <= width
    assert all(one.isprintable() for line in lines for one in line)
    assert name == "hostile" or blocks or text.isascii()


def test_a_frame_says_where_the_test_is() -> None:
    record = load("timeouts") | {"total": 80.0}
    assert frame(record, 79, 30).split("\n")[:4] == [
        "load test  40 s of 80 s  [====================                    ]",
        "now        200/s asked   192/s ok   8/s failed   0 in flight",
        "so far     7,772 ok   200 failed   client at 35 % of a core",
        "",
    ]
    lines = frame(record, 79, 30).split("\n")
    assert lines[4].split() == ["latency", "p50", "p90", "p99", "p99.9", "max"]
    assert lines[6].split()[-7:] == [">=", "5.00", "s", "-", ">=", "5.00", "s"]
    assert "errors     200 read_timeout" in lines
    assert lines[-1].startswith("in flight  ")
    assert "the last 40 s" in frame(record, 79, 30)
    assert frame({"seconds": -2.0}, 79, 30).startswith("load test  warming up, 2 s more")


def test_sparks_show_most_least_and_nothing() -> None:
    assert sparks([0, 50, None, 100]) == PLAIN[0] + PLAIN[4] + " " + PLAIN[-1]
    assert sparks([0, 0], blocks=True) == LEVELS[0] * 2
    assert sparks([0.001, 0.1], log=True) == PLAIN[0] + PLAIN[-1]
    assert sparks([0.1, 0.105], log=True) == PLAIN[-1] * 2  # no noise is blown up
    assert sparks([None]) == " "


def plan(seconds: float, warmup: float = 0.0) -> Any:
    return SimpleNamespace(seconds=seconds, load=SimpleNamespace(warmup=warmup))


def test_the_view_follows_the_sums_of_a_test_and_begins_anew_with_the_next() -> None:
    asked = opened(200, 6)
    for one in asked[::100]:
        one.status, one.error = None, "read_timeout"
    followed = Followed(plan(6.0))
    for _ in range(2):  # --find-max: one probe after the other
        sums = Sum(1, constant(200.0))
        for snapshot in told(asked, 6):
            sums.add(0, snapshot)
            followed.hear(sums, snapshot)
        seen, whole = followed.record(), sums.record()
        assert seen["response"] == whole["response"]
        assert seen["service"] == whole["service"]
        assert seen["per_second"] == whole["per_second"]
        assert (seen["ok"], seen["failed"], seen["seconds"]) == (1188, 12, 6)
        assert "errors     12 read_timeout" in frame(seen, 80, 40)


def test_a_second_that_has_only_begun_is_not_shown() -> None:
    sums, followed = Sum(1), Followed(plan(6.0))
    for snapshot in list(told(opened(200, 6), 6))[:3]:
        snapshot["meter"]["at"] += 0.01
        snapshot["meter"]["seconds"][3] = {"started": 1}
        sums.add(0, snapshot)
        followed.hear(sums, snapshot)
    assert [row["second"] for row in followed.record()["per_second"]] == [0, 1, 2]


def on_a_terminal(columns: int, lines: int, *, blocks: bool) -> tuple[str, str]:
    """What the view writes on a real terminal of that size, when drawing twice and when it goes."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    with os.fdopen(master, "rb", 0) as screen, os.fdopen(slave, "wb", 0) as out:
        view = View(cast(Any, out), blocks=blocks)
        record = load("timeouts") | {"total": 40.0}
        parts = []
        for act in (lambda: view.draw(lambda: record), lambda: view.draw(lambda: 1 / 0), view.clear):
            act()
            os.set_blocking(master, False)
            parts.append((screen.read(1 << 16) or b"").decode())
        assert parts[1] == ""  # too soon: nobody is asked for anything
    return parts[0], parts[2]


def test_it_is_drawn_in_place_and_goes_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    drawn, gone = on_a_terminal(60, 24, blocks=True)
    rows = drawn.removesuffix("\x1b[J").split("\x1b[K\r\n")
    assert rows[-1] == ""
    assert len(rows) - 1 <= 23
    assert max(map(len, rows)) <= 59
    assert "\u2588" in drawn
    assert gone == f"\r\x1b[{len(rows) - 1}A\x1b[J"
    assert on_a_terminal(60, 24, blocks=False)[0].isascii()
    monkeypatch.setenv("TERM", "dumb")
    assert on_a_terminal(60, 24, blocks=True) == ("", "")


def test_nothing_is_drawn_where_there_is_no_terminal() -> None:
    out = io.BytesIO()
    view = View(out)
    view.draw(lambda: load("closed"))
    view.clear()
    assert out.getvalue() == b""
