"""Due times of a load test: exact, without drift, the same however many workers share them."""

from __future__ import annotations

import random
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, pairwise
from math import ceil, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.errors import UsageError
from fetcher.loadtest.schedule import (
    constant,
    parse_rate,
    parse_seconds,
    parse_stages,
    poisson,
    schedule,
    stages,
)

rates = st.floats(0.01, 1e6)
parts = st.lists(
    st.tuples(st.floats(0.1, 60.0), st.one_of(st.just(0.0), st.floats(0.1, 100.0))), min_size=1, max_size=4
)


def integral(shape, seconds, steps=20_000):
    """The rate summed up in small steps, where `asked` is solved."""
    total, first = 0.0, 0.0
    for length, last in shape:
        used = min(length, seconds)
        for step in range(steps):
            at = (step + 0.5) * used / steps
            total += (first + (last - first) * at / length) * used / steps
        first = last
        seconds -= used
        if seconds <= 0:
            break
    return total


@given(rates, st.integers(1, 9), st.integers(1, 50))
def test_constant_workers_together_are_the_whole_schedule(rate, workers, count):
    made = constant(rate)
    whole = list(islice(made.offsets(), count * workers))
    shares = [list(islice(made.offsets(one, workers), count)) for one in range(workers)]
    assert sorted(offset for share in shares for offset in share) == whole
    assert whole == [number / rate for number in range(count * workers)]


@given(parts, st.integers(1, 7))
def test_workers_of_stages_together_are_the_whole_schedule(shape, workers):
    made = stages(shape)
    whole = list(made.offsets())
    assert sorted(offset for one in range(workers) for offset in made.offsets(one, workers)) == whole
    assert whole == sorted(whole)
    assert all(0 <= offset <= made.total * (1 + 1e-9) for offset in whole)


@given(parts)
def test_the_number_of_requests_of_stages_is_the_integral_of_the_rate(shape):
    made = stages(shape)
    firsts = [0.0, *(last for _, last in shape)]
    area = sum(length * (first + last) / 2 for (length, last), first in zip(shape, firsts, strict=False))
    assert made.asked(made.total) == pytest.approx(area)
    assert made.asked(2 * made.total) == pytest.approx(area)
    assert len(list(made.offsets())) in {ceil(area - 1e-4), ceil(area + 1e-4)}


@given(parts)
def test_the_nth_request_is_due_when_n_have_been_asked_for(shape):
    made = stages(shape)
    for number, offset in enumerate(made.offsets()):
        assert made.asked(offset) == pytest.approx(number, rel=1e-6, abs=1e-5)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 5.0, 10.0, 12.5, 25.0, 40.0])
def test_asked_is_what_small_steps_add_up_to(seconds):
    shape = [(10.0, 100.0), (5.0, 100.0), (10.0, 0.0), (5.0, 0.0), (10.0, 7.0)]
    assert stages(shape).asked(seconds) == pytest.approx(integral(shape, seconds), rel=1e-6)


def test_stages_begin_at_zero_and_rise_evenly():
    offsets = list(stages([(10.0, 100.0)]).offsets())
    assert len(offsets) == 500
    assert offsets[0] == 0.0
    assert offsets[125] == pytest.approx(5.0)  # a quarter of the requests in half of the time


def test_nothing_is_due_while_the_rate_is_zero():
    offsets = list(
        stages([(5.0, 0.0), (1.0, 10.0), (1e-9, 0.0), (10.0, 0.0), (1e-9, 10.0), (1.0, 10.0)]).offsets()
    )
    assert len(offsets) == 15
    assert not [offset for offset in offsets if offset < 5.0 or 6.0 < offset < 15.99]


def test_ten_million_requests_do_not_drift():
    made = constant(3333.3)
    last = deque(islice(made.offsets(2, 3), 10_000_000 // 3), maxlen=1).pop()
    number = 2 + 3 * (10_000_000 // 3 - 1)
    assert last == number / 3333.3
    rising = stages([(2000.0, 10_000.0)])
    *_, last = deque(islice(rising.offsets(999_999, 1_000_000), 10), maxlen=1)
    assert last == pytest.approx(sqrt(2 * 9_999_999 / (10_000 / 2000)), rel=1e-12)


@pytest.mark.parametrize("workers", [1, 3])
def test_poisson_comes_by_chance_at_the_rate_asked_for(workers):
    made, rate, count = poisson(200.0, 7), 200.0, 60_000
    shares = [list(islice(made.offsets(one, workers), count // workers)) for one in range(workers)]
    end = min(share[-1] for share in shares)
    whole = sorted(offset for share in shares for offset in share if offset < end)
    assert len(whole) == pytest.approx(rate * end, abs=5 * sqrt(count))
    gaps = [after - before for before, after in pairwise(whole)]
    # Exponential: their standard deviation is their mean, and a share of 1/e is longer than that.
    mean = sum(gaps) / len(gaps)
    assert sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) == pytest.approx(mean, rel=0.05)
    assert sum(gap > mean for gap in gaps) / len(gaps) == pytest.approx(0.3679, abs=0.02)


def test_poisson_is_the_same_for_the_same_seed_and_another_for_each_worker():
    made = poisson(10.0, 1)
    first = list(islice(made.offsets(0, 2), 20))
    assert first == list(islice(poisson(10.0, 1).offsets(0, 2), 20))
    assert first != list(islice(made.offsets(1, 2), 20))
    assert first != list(islice(poisson(10.0, 2).offsets(0, 2), 20))


def test_stages_come_by_chance_too():
    shape = [(50.0, 100.0), (50.0, 100.0)]
    offsets = list(stages(shape, seed=3).offsets())
    assert len(offsets) == pytest.approx(7500, abs=5 * sqrt(7500))
    assert sum(offset < 50 for offset in offsets) == pytest.approx(2500, abs=5 * sqrt(2500))
    assert offsets == sorted(offsets)


def test_what_a_schedule_says_of_itself():
    assert constant(5.0).total is None
    assert constant(5.0).asked(3.0) == 15.0
    assert constant(5.0).asked(-1.0) == 0.0
    made = stages([(10.0, 50.0), (20.0, 20.0)])
    assert (made.total, made.peak) == (30.0, 50.0)


@dataclass
class Load:
    rate: float = 0.0
    poisson: bool = False
    stages: tuple = ()
    seed: int = 0


def test_the_schedule_of_a_load():
    assert schedule(Load()) is None
    assert schedule(Load(rate=2.0)) == constant(2.0)
    assert schedule(Load(rate=2.0, poisson=True, seed=4)) == poisson(2.0, 4)
    assert schedule(Load(stages=((1.0, 2.0),))) == stages([(1.0, 2.0)])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10", 10.0),
        ("0.5", 0.5),
        (".5s", 0.5),
        ("30s", 30.0),
        ("500ms", 0.5),
        ("20us", 2e-5),
        ("1m30s", 90.0),
        ("2h", 7200.0),
        ("1 min", 60.0),
        ("0", 0.0),
    ],
)
def test_times(text, seconds):
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "s", "10x", "-1s", "1m30", "1,5s", "nan", "inf", "1e999", "30 sec", "1e400h"]
)
def test_what_is_no_time_says_what_to_write(text):
    with pytest.raises(UsageError, match=r"write|use|give"):
        parse_seconds(text)


def test_rates_and_stages():
    assert parse_rate("100") == parse_rate("100/s") == parse_rate("6000/m") == 100.0
    assert parse_stages("30s:100,1m:500") == ((30.0, 100.0), (60.0, 500.0))
    assert parse_stages(" 10:5/s , 500ms:0 ") == ((10.0, 5.0), (0.5, 0.0))


@pytest.mark.parametrize(
    "text", ["", "30s", "30s:", ":5", "30s:100,", "30s:x", "30s:-5", "0s:5", "10s:0", "10s:5/day", "100:30s"]
)
def test_what_is_no_stage_says_what_to_write(text):
    with pytest.raises(UsageError, match="write"):
        parse_stages(text)


@given(st.text(alphabet="0123456789.smhu:,/e+- ", max_size=12))
def test_any_text_is_parsed_or_refused(text):
    for parse in (parse_seconds, parse_rate, parse_stages):
        with suppress(UsageError):
            assert parse(text) is not None


def test_a_random_walk_through_stages_never_goes_back():
    rng = random.Random(5)
    for _ in range(50):
        shape = [(rng.uniform(0.01, 5), rng.choice([0.0, rng.uniform(0, 500)])) for _ in range(8)]
        offsets = list(stages(shape, seed=rng.randrange(9)).offsets(1, 3))
        assert all(one <= other for one, other in pairwise(offsets))
