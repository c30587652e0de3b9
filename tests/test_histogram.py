"""Durations in constant space, held against hdrhistogram and against the sorted values themselves."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.histogram import ABOVE, EXACT, LONGEST, Histogram, merged

COUNT = 20_000
# Of 20,000 values each of these falls on a whole rank: two ways to round a rank do not matter.
PERCENTS = (0.5, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95)
SHAPES = {
    "constant": lambda rng: 0.2,
    "uniform": lambda rng: rng.uniform(0.0, 2.0),
    "lognormal": lambda rng: 0.05 * rng.lognormvariate(0.0, 1.0),
    "exponential": lambda rng: rng.expovariate(5.0),
    "heavy": lambda rng: min(0.001 * rng.paretovariate(0.7), 3000.0),
    "two humps": lambda rng: rng.gauss(0.002, 0.0001) if rng.random() < 0.9 else rng.gauss(3.0, 0.1),
    "below the exact ones": lambda rng: rng.randrange(EXACT) / 1e6,
    "everything": lambda rng: 10 ** rng.uniform(-6.0, 3.0),
}
durations = st.floats(-1.0, 1e10, allow_nan=False)


def filled(values):
    made = Histogram()
    for value in values:
        made.add(value)
    return made


def state(one):
    return dict(one.counts), one.total, one.min, one.max


def drawn(shape, seed):
    rng = random.Random(seed)
    return [SHAPES[shape](rng) for _ in range(COUNT)]


@pytest.mark.parametrize("shape", SHAPES)
def test_percentiles_are_those_of_hdrhistogram(shape):
    hdrh = pytest.importorskip("hdrh.histogram", reason="hdrhistogram has no wheel for this machine")
    values = drawn(shape, 1)
    ours, oracle = filled(values), hdrh.HdrHistogram(1, 3_600_000_000, 3)
    for value in values:
        oracle.record_value(round(value * 1e6))
    for percent in PERCENTS:
        theirs = oracle.get_value_at_percentile(percent) / 1e6
        assert ours.percentile(percent) == pytest.approx(theirs, rel=1e-3, abs=1e-6), percent
    assert ours.mean() == pytest.approx(oracle.get_mean_value() / 1e6, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_percentiles_are_those_of_the_sorted_values(shape):
    values = drawn(shape, 2)
    ours = filled(values)
    values.sort()
    for percent in PERCENTS:
        true = values[max(math.ceil(COUNT * percent / 100 - 1e-6), 1) - 1]
        assert ours.percentile(percent) == pytest.approx(true, rel=1.001e-3, abs=1e-6), percent
    assert ours.mean() == pytest.approx(math.fsum(values) / COUNT, rel=1e-3, abs=1e-6)
    assert ours.max == values[-1]
    assert ours.min == values[0]


@given(st.lists(st.lists(durations, max_size=30), max_size=5))
def test_merging_is_adding_all_to_one(parts):
    whole = filled(value for part in parts for value in part)
    assert state(merged(filled(part) for part in parts)) == state(whole)


@given(durations, st.integers(1, 10**6))
def test_many_times_the_same_is_one_call(value, times):
    once = Histogram()
    once.add(value, times)
    assert once.total == times
    assert list(once.counts.values()) == [times]
    assert once.counts.keys() == filled([value]).counts.keys()


@given(st.lists(durations, max_size=60))
def test_a_record_survives_json(values):
    made = filled(values)
    text = json.dumps(made.record(), allow_nan=False)
    assert state(Histogram.from_record(json.loads(text))) == state(made)
    assert state(Histogram.from_record(made.record())) == state(made)


@given(st.lists(durations, min_size=1, max_size=60), st.lists(st.floats(0.0, 100.0), min_size=2, max_size=9))
def test_percentiles_rise_with_the_percent_and_stay_below_the_longest(values, percents):
    made = filled(values)
    made.merge(filled(values[:1] * 100))  # or most percentiles would say nothing
    shown = [made.percentile(percent) for percent in sorted(percents)]
    known = [value for value in shown if value is not None]
    assert known == sorted(known)
    assert all(value <= made.max for value in known)
    assert shown == known + [None] * (len(shown) - len(known)), "once one says nothing, no higher one does"


@pytest.mark.parametrize(
    ("percent", "least"), [(75, 40), (90, 100), (95, 200), (99, 1000), (99.9, 10_000), (99.99, 100_000)]
)
def test_a_percentile_needs_ten_samples_above_it(percent, least):
    assert round(least * (1 - percent / 100)) == ABOVE
    made = Histogram()
    made.add(0.5, least - 1)
    assert made.percentile(percent) is None
    made.add(0.5)
    assert made.percentile(percent) == 0.5


def test_the_median_needs_one_sample():
    made = Histogram()
    assert made.percentile(50) is None
    assert made.mean() is None
    made.add(0.25)
    assert made.percentile(50) == 0.25
    assert made.percentile(0) == 0.25
    assert made.percentile(51) is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (0.0, 0.0),
        (-0.0, 0.0),
        (-3.0, 0.0),
        (float("-inf"), 0.0),
        (1e-9, 1e-9),
        (LONGEST, LONGEST),
        (1e300, LONGEST),
        (float("inf"), LONGEST),
    ],
)
def test_what_cannot_be_a_duration_counts_as_the_nearest_that_can(given, kept):
    made = filled([given])
    assert (made.min, made.max, made.total) == (kept, kept, 1)
    assert made.percentile(50) == pytest.approx(kept, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("micro", [0, 1, 2046, 2047, 2048, 2049, 2050, 4095, 4096, 4097, 1 << 30, 10**15])
def test_no_value_is_off_by_more_than_a_thousandth(micro):
    made = filled([micro / 1e6, 1e9])  # the longest would hide it
    assert micro <= round(made.percentile(50) * 1e6) <= micro * 1.001


@pytest.mark.long
def test_a_million_durations_fit_into_as_many_buckets_as_there_are_widths():
    rng = random.Random(4)
    made = filled(10 ** rng.uniform(-7.0, 9.0) for _ in range(1_000_000))
    assert made.total == 1_000_000
    widths = math.ceil(math.log2(LONGEST * 1e6 / EXACT))
    assert len(made.counts) <= EXACT + widths * EXACT // 2  # 42,000 for 1 us to 30 years
