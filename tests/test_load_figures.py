"""What a load test reports, held against requests whose truth is known: simulated, without a socket."""

from __future__ import annotations

import json
import random
from heapq import heapify, heapreplace
from itertools import islice, pairwise
from math import ceil, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetcher.histogram import Histogram
from fetcher.loadtest import series
from fetcher.loadtest.bootstrap import FEWEST, joined, of_counts, of_percentile
from fetcher.loadtest.figures import PERCENTS, figures, percentile, ranks, stored
from fetcher.loadtest.meter import Meter
from fetcher.loadtest.schedule import constant
from fetcher.loadtest.sums import Sum
from fetcher.model import Result

BEGIN = 1000.25  # monotonic clocks do not begin at 0, nor at a whole second
TIMEOUT = 30.0
URL = "http://127.0.0.1/"


def answer(status=200, error=None, **facts):
    return Result(url=URL, status=status, error=error, **({"reused": True} | facts))


OK, WRONG, HUNG = answer(wire_size=50, size=100), answer(500), answer(None, "read_timeout")


def told(meter, now):
    """A snapshot as it crosses the pipe."""
    return json.loads(json.dumps(meter.snapshot(now), allow_nan=False))


def measured(requests, *, end=None, rate=None, **more):
    """The record of (result, due, started, finished); a result of None: not ended at `end`."""
    meter = Meter(10, BEGIN, **more)
    for result, due, started, finished in requests:
        if result is None:
            meter.cut(BEGIN + due, None if started is None else BEGIN + started, BEGIN + finished)
        else:
            meter.add(result, BEGIN + due, BEGIN + started, BEGIN + finished, 0.0)
    last = max((one[3] for one in requests), default=0.0)
    sums = Sum(1, constant(rate) if rate else None)
    sums.add(0, told(meter, BEGIN + last))
    return sums.record(end)


def histogram(values):
    made = Histogram()
    for value in values:
        made.add(value)
    return made


def served(due_times, slots, take):
    """What a server with so many slots makes of requests that come at these times."""
    free = [0.0] * slots
    heapify(free)
    for number, due in enumerate(due_times):
        started = max(due, free[0])
        finished = started + take(number, started)
        heapreplace(free, finished)
        yield due, started, finished


# The traps.


@pytest.mark.parametrize("slots", [1, 10])
def test_a_stall_is_felt_by_all_that_were_due_meanwhile(slots):
    """Coordinated omission: 100/s, and the server answers nothing from 5 s to 6 s."""

    def take(_number, started):
        return 0.001 + (6.0 - started if 5.0 <= started < 6.0 else 0.0)

    found = measured(
        [(OK, *one) for one in served(islice(constant(100.0).offsets(), 1000), slots, take)],
        rate=100.0,
        end=10.0,
    )
    waited = sorted(row for row in spread(found["histogram"]["response"]) if row > 0.05)
    assert 85 <= len(waited) <= 110
    steps = [after - before for before, after in pairwise(waited)]
    # Each waited about 10 ms longer than the one before it; less the 1 ms that each then takes of the slot.
    assert sum(steps) / len(steps) == pytest.approx(0.01, abs=0.0015)
    assert max(waited) == pytest.approx(1.0, rel=0.02)
    assert found["response"]["p95"] > 0.05
    # What the server was asked at any moment was a slot's worth: only those saw it stall.
    assert len([row for row in spread(found["histogram"]["service"]) if row > 0.05]) == slots
    assert found["service"]["p95"] == pytest.approx(0.001, rel=0.02)
    assert found["per_second"][5]["ok"] == 0
    assert found["worst"] == 6


def spread(record):
    return [value for value, times in Histogram.from_record(record).values() for _ in range(times)]


def test_a_server_that_does_20_a_second_asked_for_100():
    every = list(served(islice(constant(100.0).offsets(), 1000), 1, lambda *_: 0.05))
    requests = [(OK, *one) for one in every if one[2] <= 10.0]
    requests += [(None, due, started, 10.0) for due, started, done in every if started < 10.0 < done]
    requests += [(None, due, None, 10.0) for due, started, _ in every if started >= 10.0]
    found = measured(requests, end=10.0, rate=100.0)
    assert found["rate"] == pytest.approx(20.0, rel=0.02)
    assert found["asked"] == 100.0
    assert (found["requests"] + found["cut"] + found["unsent"]) == 1000
    assert found["unsent"] == pytest.approx(800, abs=2)
    assert found["service"]["p50"] == pytest.approx(0.05, rel=0.02)
    # The one that is answered at t was due at t / 5.
    for row in found["per_second"][1:-1]:
        assert row["p50"] == pytest.approx(0.8 * (row["second"] + 0.5), abs=0.1)
    # 800 were never sent: their ages are only the least that they would have taken.
    assert {"p50", "p90", "p99"} <= set(found["response"]["bounds"])
    assert found["response"]["max"] <= 10.0


def test_fast_500s_do_not_improve_the_median():
    good = [(OK, n / 100, n / 100, n / 100 + 0.2) for n in range(400)]
    bad = [(WRONG, n / 100, n / 100, n / 100 + 0.001) for n in range(600)]
    alone, both = measured(good, end=10.0), measured(good + bad, end=10.0)
    assert both["service"] == alone["service"]
    assert both["response"] == alone["response"]
    assert both["failed_service"]["p50"] == pytest.approx(0.001, rel=0.01)
    assert (both["ok"], both["failed"], both["requests"]) == (400, 600, 1000)
    assert both["goodput"] == alone["rate"] == 40.0
    assert both["statuses"] == {"200": 400, "500": 600}


def test_a_hanging_percent_is_a_bound_and_never_disappears():
    def run(hung, total):
        fast = [(OK, n / 1000, n / 1000, n / 1000 + 0.005) for n in range(total - hung)]
        slow = [(HUNG, n / 10, n / 10, n / 10 + TIMEOUT) for n in range(hung)]
        return measured(fast + slow)

    found = run(12, 1000)
    for name in ("service", "response"):
        assert found[name]["p99"] == pytest.approx(TIMEOUT, rel=0.002)
        assert found[name]["p99"] <= found[name]["max"] == pytest.approx(TIMEOUT)
        assert {"p99", "max", "mean"} <= set(found[name]["bounds"])
        assert found[name]["p95"] == pytest.approx(0.005, rel=0.01)
        assert "p95" not in found[name]["bounds"]
    assert (found["failed"], found["errors"]) == (12, {"read_timeout": 12})
    assert found["failed_service"]["max"] is None, "each request is in one of both figures, never in two"
    # Of exactly 1 % the p99 is still a fast one, by definition; what is above it is not.
    exact = run(200, 20_000)
    assert exact["response"]["p99"] == pytest.approx(0.005, rel=0.01)
    assert exact["response"]["p99.9"] == pytest.approx(TIMEOUT, rel=0.002)
    assert "p99.9" in exact["response"]["bounds"]


def test_what_hangs_at_the_end_is_there_at_its_age():
    fast = [(OK, n / 100, n / 100, n / 100 + 0.001) for n in range(1000)]
    found = measured([*fast, *[(None, 2.0, 2.0, 10.0)] * 20], end=10.0)
    assert (found["cut"], found["failed"], found["requests"]) == (20, 0, 1000)
    assert found["service"]["p99"] == pytest.approx(8.0, rel=0.002)
    assert {"p99", "max"} <= set(found["service"]["bounds"])
    assert len(found["per_second"]) == 10, "the cut ones make no eleventh second"
    assert [row["in_flight"] for row in found["per_second"]] == [0, 0, *[20] * 7, 0]


def test_a_request_is_in_flight_from_the_second_it_starts_in_to_the_one_it_ends_in():
    found = measured([(OK, 0.5, 1.5, 4.5), (HUNG, 2.5, 2.5, 3.5), (OK, 4.1, 4.1, 4.2)])
    assert [row["started"] for row in found["per_second"]] == [0, 1, 1, 0, 1]
    assert [row["in_flight"] for row in found["per_second"]] == [0, 1, 2, 1, 0]
    assert [row["ok"] for row in found["per_second"]] == [0, 0, 0, 0, 2]


def test_a_few_cut_off_at_the_end_of_many_bound_nothing_that_matters():
    rng = random.Random(2)
    times = [rng.lognormvariate(-7, 0.4) for _ in range(50_000)]
    requests = [(OK, n / 5000, n / 5000, n / 5000 + took) for n, took in enumerate(times)]
    found = measured([*requests, *[(None, 9.9999, 9.9999, 10.0)] * 10], end=10.0)
    assert set(found["service"]["bounds"] + found["response"]["bounds"]) <= {"p99.9"}


def test_a_percentile_is_not_the_word_of_fewer_than_ten():
    found = measured([(OK, n / 100, n / 100, n / 100 + 0.003) for n in range(199)])
    assert found["response"]["p95"] is None
    assert found["response"]["p90"] is not None
    found = measured([(OK, 0.0, 0.0, 0.003)] * 200)
    assert found["response"]["p95"] is not None
    assert found["response"]["p99"] is None
    assert measured([])["response"] == {**dict.fromkeys((*PERCENTS, "max", "mean", "min")), "bounds": []}


@pytest.mark.parametrize("micro", [1, 999, 2047, 2049, 4097, 123_457, 30_000_001])
def test_no_figure_is_rounded_above_the_maximum(micro):
    found = measured([(OK, 0.0, 0.0, micro / 1e6)] * 100_000)["response"]
    assert found["p50"] == found["p99.99"] <= found["max"] == found["min"]
    assert found["max"] == pytest.approx(micro / 1e6, abs=1e-9)


# The laws.

durations = st.one_of(st.floats(0, 1e-3), st.floats(0, 2), st.floats(0, 100))
results = st.sampled_from([OK, OK, OK, WRONG, HUNG, answer(None, "reset"), answer(404, reused=False), None])
requests = st.lists(
    st.tuples(results, st.floats(0, 20), durations, durations, st.integers(0, 2)), max_size=40
)


@settings(deadline=None)
@given(requests, st.data())
def test_any_split_over_workers_and_snapshots_adds_up_to_the_same(made, data):
    def run(workers, snapshots):
        meters = [Meter(10, BEGIN, [URL, "b"]) for _ in range(workers)]
        sums = Sum(workers, constant(50.0), warmup=2.0)
        for result, due, waits, takes, worker in made:
            meter = meters[worker % workers]
            started, finished = BEGIN + due + waits, BEGIN + due + waits + takes
            if result is None:
                meter.cut(BEGIN + due, started if takes > 0.01 else None, finished)
            else:
                meter.add(result, BEGIN + due, started, finished, waits)
            if snapshots and data.draw(st.booleans()):
                sums.add(worker % workers, told(meter, BEGIN + 30.0))
        for number, meter in enumerate(meters):
            sums.add(number, told(meter, BEGIN + 40.0))
        rows = sums.rows()
        record = sums.record(4.0) | {"rows": rows}  # too short for intervals, which take their time
        del record["client"]["slots"], record["in_flight"]
        return record

    whole = run(1, snapshots=False)
    assert run(3, snapshots=True) == whole
    ended = [one for one in made if one[0] is not None]
    assert whole["requests"] == whole["ok"] + whole["failed"] == len(ended)
    assert whole["cut"] + whole["unsent"] == len(made) - len(ended)
    assert sum(whole["statuses"].values()) == len([one for one in ended if one[0].status])
    for rows in (whole["rows"], whole["per_second"]):
        assert sum(row["started"] for row in rows) == whole["requests"] + whole["cut"]
        assert rows[-1]["in_flight"] == 0 if made else not rows
    assert len(whole["per_second"]) <= 4
    shown = Histogram.from_record(whole["histogram"]["response"])
    assert shown.total == len([one for one in made if one[0] is None or one[0].ok or one[0] is HUNG])


@given(st.lists(durations), st.lists(durations))
def test_censoring_never_lowers_a_figure_and_none_exceeds_the_maximum(known, cut):
    many = 3
    exact = figures(histogram(known * many), Histogram())
    found = figures(histogram(known * many), histogram(cut * many))
    names = [name for name in PERCENTS if found[name] is not None]
    assert [found[name] for name in names] == sorted(found[name] for name in names)
    for name in names:
        assert found["min"] <= found[name] <= found["max"]
    assert set(found["bounds"]) <= {*names, "max", "mean"}
    if not cut:
        assert found["bounds"] == []
    if known and cut:
        assert found["max"] >= exact["max"]


@given(st.lists(durations, min_size=1), st.data())
def test_what_is_given_up_earlier_only_lowers_bounds_that_are_marked(true, data):
    """Each value is known, or cut at an age below it: a figure without a mark is right to 1 %, or to a rank
    that is no further away than one standard error."""
    known, cut = [], []
    for value in true * 3:
        share = data.draw(st.sampled_from([None, None, None, 0.0, 0.3, 1.0]))
        (known.append(value) if share is None else cut.append(value * share))
    found, whole = figures(histogram(known), histogram(cut)), figures(histogram(true * 3), Histogram())
    for name in PERCENTS:
        if found[name] is None:
            assert whole[name] is None
        else:
            assert found[name] <= whole[name] * 1.001 + 1e-6
            if name not in found["bounds"]:
                total, share = 3 * len(true), PERCENTS[name] / 100
                rank = ceil(total * share - 1e-9) - int(sqrt(total * share * (1 - share)))
                assert found[name] >= sorted(true * 3)[max(rank - 1, 0)] * 0.988 - 2e-6


def test_the_few_that_are_on_their_way_at_the_end_mark_no_percentile():
    rng = random.Random(3)
    known = [0.02 * rng.lognormvariate(0, 0.3) for _ in range(600)]
    flying = [0.005, 0.01, 0.015]
    assert figures(histogram(known), histogram(flying))["bounds"] == []
    assert "p99" in figures(histogram(known * 4), histogram([4.0] * 40))["bounds"], "these hung"
    many = figures(histogram(known), histogram([0.001] * 60))
    assert {"p50", "p95"} <= set(many["bounds"]), "a tenth may be anything"


@given(st.lists(durations), st.lists(durations), st.sampled_from([1, 50, 90, 99, 99.9]))
def test_any_percentile_comes_from_the_stored_histogram(known, cut, percent):
    one, other = histogram(known * 5), histogram(cut * 5)
    made = json.loads(json.dumps(stored(one, other)))
    value, bound = percentile(made, percent)
    if f"p{percent:g}" in PERCENTS:
        found = figures(one, other)
        assert (value, bound) == (found[f"p{percent:g}"], f"p{percent:g}" in found["bounds"])
    assert Histogram.from_record(made).total == one.total + other.total


def test_the_figures_are_those_of_hdrhistogram():
    hdrh = pytest.importorskip("hdrh.histogram", reason="hdrhistogram has no wheel for this machine")
    rng, oracle = random.Random(3), hdrh.HdrHistogram(1, 3_600_000_000, 3)
    times = [rng.lognormvariate(-5, 1.0) for _ in range(20_000)]
    found = measured([(OK, n / 1000, n / 1000, n / 1000 + took) for n, took in enumerate(times)])
    for took in times:
        oracle.record_value(round(took * 1e6))
    for name, share in PERCENTS.items():
        if found["service"][name] is not None:
            theirs = oracle.get_value_at_percentile(share) / 1e6
            assert found["service"][name] == pytest.approx(theirs, rel=2e-3), name
    assert found["service"]["p99.99"] is None
    assert found["service"]["max"] == max(times) or found["service"]["max"] == pytest.approx(max(times))


@given(st.lists(st.floats(-1.0, 1e6), max_size=50))
def test_the_meter_counts_into_the_buckets_of_the_histogram(values):
    from fetcher.loadtest.meter import Buckets

    made = Buckets()
    for value in values:
        made.add(value)
    ours, theirs = Histogram.from_record(made.record()), histogram(values)
    assert (ours.total, ours.max, ours.min) == (theirs.total, theirs.max, theirs.min)
    for (mine, _), (other, _) in zip(ours.values(), theirs.values(), strict=False):
        assert mine == pytest.approx(other, rel=2e-3, abs=1.1e-6)


def test_bytes_connections_and_targets_are_counted():
    other = Result(url="b", status=200, wire_size=7, size=9)
    refused = Result(url="b", error="connect_refused")
    no_port = Result(url="b", error="connect_unreachable", message="no local port is free for one more")
    found = measured(
        [(one, 0.0, 0.0, 0.5) for one in (OK, OK, other, refused, no_port, WRONG)], targets=[URL, "b"]
    )
    assert found["bytes"] == {"wire": 107, "decoded": 209}
    assert found["connections"] == 1
    assert found["no_port"] == 1
    rows = [(one["url"], one["ok"], one["failed"]) for one in found["by_target"]]
    assert rows == [("b", 1, 2), (URL, 2, 1)]
    hung = measured([(HUNG, 0.0, 0.0, 30.0)] * 20 + [(OK, 0.0, 0.0, 0.1)] * 980, targets=[URL, "b"])
    assert [(one["p99"], one["bounds"]) for one in hung["by_target"]] == [
        (pytest.approx(30.0, rel=1e-3), ["p99"])
    ]
    assert measured([(OK, 0.0, 0.0, 0.5)], targets=[URL])["by_target"] == []


def test_one_that_the_end_cancelled_is_cut_whoever_hears_of_it():
    found = measured([(answer(None, "cancelled"), 0.0, 1.0, 3.0)], end=3.0)
    assert (found["cut"], found["failed"], found["errors"]) == (1, 0, {})
    assert found["service"]["max"] == 2.0
    assert sum(row["started"] for row in found["per_second"]) == 1


def test_what_the_warm_up_began_counts_where_it_ended_and_in_no_time():
    found = measured(
        [
            (OK, -0.6, -0.5, 0.25),  # 0.25 s of it lie behind the warm-up
            (WRONG, -0.5, -0.5, 1.5),
            (HUNG, -9.0, -9.0, 1.75),
            (OK, 0.5, 0.5, 0.75),
        ],
        end=2.0,
        targets=[URL, "b"],
    )
    assert (found["requests"], found["ok"], found["failed"]) == (4, 2, 2)
    assert (found["carried"], found["carried_seconds"]) == (3, pytest.approx(0.25 + 1.5 + 1.75))
    assert (found["rate"], found["goodput"]) == (2.0, 1.0)
    assert found["statuses"] == {"200": 2, "500": 1}
    assert found["errors"] == {"read_timeout": 1}
    assert [row["in_flight"] for row in found["per_second"]] == [2, 0]
    for name in ("service", "response"):
        assert (found[name]["max"], found[name]["bounds"]) == (0.25, [])
    assert found["failed_service"]["max"] is None
    assert [(one["ok"], one["failed"], one["p50"]) for one in found["by_target"]] == [(2, 2, 0.25)]


def test_those_hung_that_took_far_longer_than_any_that_ended():
    ended = [(OK, 0.0, 0.0, 0.7), (WRONG, 0.0, 0.0, 0.8)]

    def hung(*ages):
        return measured([*ended, *((None, 9.0 - age, 9.0 - age, 9.0) for age in ages)])["hung"]

    assert hung(0.5, 1.5) == 0, "twice as long is not out of the ordinary"
    assert hung(0.5, 1.7, 5.0) == 2
    ended = [(OK, 0.0, 0.0, 0.001)]
    assert hung(0.9) == 0, "a second is none too long for anything"
    assert measured([(None, 0.0, None, 9.0)])["hung"] == 0, "it was never sent"


def test_a_worker_s_cpu_and_what_it_has_in_flight():
    sums = Sum(2)
    for second in range(-1, 6):
        for worker in range(2):
            meter = Meter(8, BEGIN)
            used = {"in_flight": 6 + second % 2, "cpu_measured": max(second, 0) * (0.5 + 0.4 * worker)}
            if second == 3:
                meter.add(OK, BEGIN + 2.5, BEGIN + 2.5, BEGIN + 2.6, 0.0)
            sums.add(worker, {"meter": told(meter, BEGIN + second), **used})
    found = sums.record(5.0)
    assert found["client"]["cpu"] == pytest.approx(0.9)
    assert found["client"]["busy"] == 1.0
    assert found["client"]["slots"] == 16
    assert found["cpu_per_request"] == pytest.approx(5 * 1.4 / 2)
    assert found["in_flight"]["mean"] == pytest.approx(13.2)


# A long test.


def test_a_long_test_keeps_a_bounded_number_of_entries(monkeypatch):
    monkeypatch.setattr(series, "MOST", 16)
    made = [(OK, n / 2, n / 2, n / 2 + 0.1 + n % 7 / 100) for n in range(200)]
    meter = Meter(10, BEGIN)
    sums = Sum(1)
    for number, (result, *times) in enumerate(made):
        meter.add(result, *(BEGIN + time for time in times), 0.0)
        sums.add(0, told(meter, BEGIN + number / 2 + 0.5))
    found = sums.record(100.0)
    monkeypatch.undo()
    whole = measured(made, end=100.0)
    assert sums.series.span == 8
    assert [row["second"] for row in found["per_second"]] == list(range(0, 100, 8))
    assert {row["ok"] for row in found["per_second"][:-1]} == {16}
    for name in ("service", "response", "ok", "rate", "histogram"):
        assert found[name] == whole[name]


def test_ten_million_requests_take_no_more_room_than_one_million():
    """By what is kept: entries and buckets, not requests."""
    sums, rng = Sum(1), random.Random(8)
    meter = Meter(10, BEGIN)
    for second in range(2000):
        for _ in range(20):
            at = BEGIN + second + rng.random()
            meter.add(OK, at, at, at + rng.lognormvariate(-6, 0.5), 0.0)
        sums.add(0, meter.snapshot(BEGIN + second + 1))
    assert len(sums.series.entries) <= series.MOST
    loose = [one for one in sums.series.entries.values() if isinstance(one.response, Histogram)]
    assert len(loose) <= series.FRESH + 2


# Intervals.


def test_an_interval_needs_five_seconds():
    assert of_counts([10.0] * (FEWEST - 1)) is None
    assert of_counts([10.0] * FEWEST) == {"median": 10.0, "low": 10.0, "high": 10.0}
    assert of_percentile([Histogram()] * 9, 99) is None
    assert measured([(OK, 0.0, 0.0, 0.1)] * 2000, end=4.5)["p99_interval"] is None


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    rng, hits = random.Random(4), 0
    for seed in range(120):
        counts = [rng.gauss(1000, 50) for _ in range(20)]
        found = of_counts(counts, seed)
        hits += found["low"] <= 1000 <= found["high"]
    assert 106 <= hits <= 120, "95 % of 120 are 114"


def test_the_interval_of_p99_holds_the_truth():
    rng, hits, true = random.Random(5), 0, 2.326347  # of a normal deviate's logarithm
    for seed in range(40):
        parts = [histogram([0.001 * 2.718281828 ** rng.gauss(0, 1) for _ in range(300)]) for _ in range(15)]
        found = of_percentile(parts, 99, seed)
        hits += found["low"] <= 0.001 * 2.718281828**true <= found["high"]
    assert hits >= 33


def test_one_bad_second_widens_the_interval_of_p99():
    even = [histogram([0.01] * 990 + [0.02] * 10) for _ in range(20)]
    bad = [*even[:-1], histogram([3.0] * 1000)]
    assert of_percentile(even, 99)["high"] <= 0.0201
    found = of_percentile(bad, 99)
    assert found["low"] <= 0.0201
    assert found["high"] == pytest.approx(3.0, rel=0.01)
    assert of_percentile(bad, 99, 1) == of_percentile(bad, 99, 1)


def test_a_long_test_is_resampled_in_parts():
    assert [len(joined(range(size))) for size in (0, 5, 120, 121, 1200)] == [0, 5, 120, 61, 120]
    assert sum(map(len, joined(range(1199)))) == 1199


def test_rank_is_the_nearest_one_of_the_sorted_values():
    rng = random.Random(6)
    for count in (1, 2, 9, 10, 99, 250):
        values = sorted(rng.random() for _ in range(count))
        for percent in (50, 90, 99):
            true = values[max(ceil(count * percent / 100 - 1e-9), 1) - 1]
            assert ranks(histogram(values), percent)[0] == pytest.approx(true, rel=1e-3)
    assert ranks(Histogram(), 50, 99) == [None, None]
