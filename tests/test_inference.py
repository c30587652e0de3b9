"""What is a difference and what is chance: against scipy, and against simulated blocks of known truth."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetcher.comparison import inference
from fetcher.comparison.inference import differences, holm, interval, middle, permutation, student

NAMED = "scipy is not installed"  # the reason of a skip
FLOOR = math.log(1.01)
SD = 0.05  # of one lap's time
seeded = pytest.mark.parametrize("seed", range(8))


def rng():
    return random.Random(1)


@pytest.fixture
def quick(monkeypatch):
    """A bootstrap of a quarter of the size: its ends are less smooth, not elsewhere."""
    monkeypatch.setattr(inference, "RESAMPLES", 1000)


# The pieces.


@pytest.mark.parametrize("freedom", range(5, 61))
def test_the_quantile_of_student_is_scipys(freedom):
    stats = pytest.importorskip("scipy.stats", reason=NAMED)
    assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.002)


def logs_of(seed):
    chance = random.Random(seed)
    row = [chance.gauss(chance.choice((0.0, 0.03)), 0.05) for _ in range(chance.randrange(5, 13))]
    # Ties and zeros are where exact tests go wrong.
    return [round(one, 2) for one in row] if seed % 2 else row


@seeded
def test_the_permutation_test_is_scipys(seed):
    stats = pytest.importorskip("scipy.stats", reason=NAMED)
    np = pytest.importorskip("numpy", reason="numpy is not installed")
    row = logs_of(seed)
    found = stats.permutation_test(
        (np.array(row),), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert permutation(row, rng()) == pytest.approx(found.pvalue, abs=1e-12)


def test_the_permutation_test_by_hand():
    assert permutation([0.1] * 6, rng()) == 2 / 2**6
    assert permutation([0.1, -0.1], rng()) == 1.0
    assert permutation([0.0, 0.0, 0.0], rng()) == 1.0
    assert permutation([1.0, 2.0, 3.0], rng()) == 0.25
    assert permutation([1.0, 2.0, -3.0], rng()) == 1.0
    # Sums of 4, 2, 2, 0 and their mirrors: 2 of 8 are as far out as 4, and 6 as far as 2.
    assert permutation([2.0, 1.0, 1.0], rng()) == 0.25
    assert permutation([2.0, 1.0, -1.0], rng()) == 0.75


def test_beyond_sixteen_blocks_patterns_are_drawn_and_p_is_never_zero():
    least = permutation([0.1] * 20, rng())
    assert 0.0 < least < 1e-3
    chance = random.Random(3)
    row = [chance.gauss(0.02, 0.05) for _ in range(inference.EXACT + 1)]
    exact = permutation([*row[:-1], 0.0], rng())  # the zero doubles every count
    assert exact == pytest.approx(permutation(row[:-1], rng()), abs=0.01)


def test_holm_by_hand():
    # The usual worked example: of four, the first and the last are rejected at 5 %.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    # R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm")
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


@given(st.lists(st.floats(0.0, 1.0), max_size=8))
def test_holm_adjusts_upwards_and_keeps_the_order(chances):
    found = holm(chances)
    assert all(raw <= one <= 1.0 for raw, one in zip(chances, found, strict=True))
    by_raw = [one for _, one in sorted(zip(chances, found, strict=True))]
    assert by_raw == sorted(by_raw)
    assert not chances or min(found) == min(1.0, len(chances) * min(chances))


@seeded
def test_the_middle_is_the_median_of_the_means_of_all_pairs(seed):
    np = pytest.importorskip("numpy", reason="numpy is not installed")
    row = np.array(logs_of(seed))
    pairs = np.add.outer(row, row)[np.triu_indices(len(row))] / 2
    assert middle(list(row)) == pytest.approx(np.median(pairs), abs=1e-15)


def test_a_wild_block_hardly_moves_the_middle():
    row = [0.98, 0.99, 1.0, 1.0, 1.01, 1.02, 1.0, 0.99]
    assert middle([*row, 100.0]) == pytest.approx(middle(row), abs=0.02)


def test_intervals_of_little():
    assert interval([2.0] * 7, rng()) == pytest.approx((2.0, 2.0, 2.0))
    assert interval([3.0], rng()) == pytest.approx((3.0, 3.0, 3.0))
    two = interval([1.0, 4.0], rng())
    assert two == pytest.approx((2.0, 1.0, 4.0))
    assert two.record() == {"median": 2.0, "low": 1.0, "high": 4.0}


def test_an_interval_is_the_same_for_the_same_seed(quick):
    values = [random.Random(5).lognormvariate(0.0, 0.1) for _ in range(10)]
    values = [value * (1 + n / 50) for n, value in enumerate(values)]
    assert interval(values, random.Random(1)) == interval(values, random.Random(1))
    assert interval(values, random.Random(1)) != interval(values, random.Random(2))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=9), st.integers())
def test_the_middle_lies_inside_its_interval(values, seed):
    old, inference.RESAMPLES = inference.RESAMPLES, 200
    try:
        found = interval(values, random.Random(seed))
    finally:
        inference.RESAMPLES = old
    slack = 1 + 1e-9  # exp(log(x)) is x but for its last digits
    assert min(values) / slack <= found.low <= found.median * slack
    assert found.median <= found.high * slack <= max(values) * slack**2


@seeded
def test_an_interval_follows_the_unit(seed, quick):
    values = [math.exp(one) for one in logs_of(seed)]
    seconds, micros = interval(values, rng()), interval([value * 1e6 for value in values], rng())
    assert micros == pytest.approx([one * 1e6 for one in seconds])


def test_the_same_arm_twice_is_the_same():
    base = [1.0, 1.1, 0.9, 1.05, 0.97, 1.2]
    (found,) = differences(base, [list(base)], FLOOR, rng())
    assert found.same
    assert found.p == 1.0
    assert found.ratio == pytest.approx((1.0, 1.0, 1.0))


def test_what_is_surely_different_but_within_the_floor_is_the_same():
    base = [1.0, 1.1, 0.9, 1.05, 0.97, 1.2, 1.0, 1.3]
    close, far = differences(
        base, [[one * 1.005 for one in base], [one * 1.02 for one in base]], FLOOR, rng()
    )
    assert close.p == far.p == pytest.approx(2 * 2 / 2**8)  # Holm: two comparisons
    assert close.same
    assert not far.same
    assert far.ratio.median == pytest.approx(1.02)


def test_a_small_p_alone_is_no_difference_where_the_interval_includes_none():
    other = [1.6, 1.57, 0.98, 1.02, 1.33, 0.99, 0.98, 1.62, 1.32, 1.56]
    (found,) = differences([1.0] * 10, [other], FLOOR, rng())
    assert found.p <= inference.ALPHA
    assert found.ratio.low < 1.0 < 1.05 < found.ratio.median
    assert found.same


def test_differences_are_taken_block_by_block():
    drift = [1.0, 4.0, 2.0, 8.0, 1.0, 3.0, 9.0]  # a machine that is busy now and then
    (found,) = differences(drift, [[one * 1.1 for one in drift]], FLOOR, rng())
    assert found.ratio == pytest.approx((1.1, 1.1, 1.1))
    assert not found.same
    with pytest.raises(ValueError, match="zip"):
        differences(drift, [drift[:-1]], FLOOR, rng())


def test_twice_and_half_are_equally_far():
    base = [1.0, 1.1, 0.9, 1.05, 0.97, 1.2]
    other = [2.1, 2.0, 2.2, 1.9, 2.0, 2.3]
    (there,) = differences(base, [other], FLOOR, rng())
    (back,) = differences(other, [base], FLOOR, rng())
    assert there.p == back.p
    assert there.ratio.median == pytest.approx(1 / back.ratio.median)


# The promise, on simulated blocks.


def student3(chance):
    """Student's t with 3 degrees of freedom, scaled to a standard deviation of 1."""
    z, *others = (chance.gauss(0.0, 1.0) for _ in range(4))
    return z / math.sqrt(sum(one * one for one in others) / 3) / math.sqrt(3)


def normal(chance):
    return math.exp(SD * chance.gauss(0.0, 1.0))


def heavy(chance):
    """Heavy tails, and one lap in ten that something else slowed by 30 %."""
    return math.exp(SD * student3(chance)) * (1.3 if chance.random() < 0.1 else 1.0)


def simulated(count, noise, ratios, blocks=10, seed=5):
    """So many comparisons of arms that truly take `ratios` of the first's time; what `differences` says."""
    chance = random.Random(seed)
    for _ in range(count):
        drift = [math.exp(chance.gauss(0.0, 0.1)) for _ in range(blocks)]
        arms = [[ratio * one * noise(chance) for one in drift] for ratio in (1.0, *ratios)]
        yield arms, chance


def shares(count, noise, ratio, blocks=10):
    """The shares of comparisons that were called different, and whose interval covers the truth."""
    different = covered = 0
    for (base, other), chance in simulated(count, noise, [ratio], blocks):
        (found,) = differences(base, [other], FLOOR, chance)
        different += not found.same
        covered += found.ratio.low <= ratio <= found.ratio.high
    what = f"{noise.__name__}, {blocks} blocks, x{ratio}"
    print(f"{what}: {different / count:.1%} different, {covered / count:.1%} covered")
    return different / count, covered / count


def test_no_difference_is_seldom_called_one_and_a_fifth_is_found(quick):
    # 100 of each: the full counts are below. Twice the standard error of 4 % of 100 is 4 %.
    for noise, least in ((normal, 0.99), (heavy, 0.85)):
        assert shares(100, noise, 1.0)[0] <= 0.08
        found, covered = shares(100, noise, 1.2)
        assert found >= least
        assert 0.90 <= covered <= 1.0


@pytest.mark.long
@pytest.mark.parametrize("noise", [normal, heavy])
def test_of_1000_comparisons_without_a_difference_at_most_6_percent_find_one(noise, quick):
    different, covered = shares(1000, noise, 1.0)
    assert different <= 0.06
    assert 0.93 <= covered <= 0.97


@pytest.mark.long
@pytest.mark.parametrize("noise", [normal, heavy])
def test_of_1000_comparisons_a_fifth_is_found_in_90_percent(noise, quick):
    found, covered = shares(1000, noise, 1.2)
    assert found >= (0.99 if noise is normal else 0.90)
    assert 0.93 <= covered <= 0.97


@pytest.mark.long
@pytest.mark.parametrize("noise", [normal, heavy])
@pytest.mark.parametrize(("blocks", "count"), [(6, 1000), (7, 1000), (20, 300)])
def test_fewer_and_more_blocks_cover_as_well(noise, blocks, count, quick):
    covered = 0
    for (base, other), chance in simulated(count, noise, [1.2], blocks):
        found = interval([b / a for a, b in zip(base, other, strict=True)], chance)
        covered += found.low <= 1.2 <= found.high
    print(f"{noise.__name__}, {blocks} blocks: {covered / count:.1%} covered")
    # 6 blocks, the fewest that are allowed, cover a little less; the standard error of 300 is 1.3 %.
    least = {6: 0.90, 20: 0.92}.get(blocks, 0.93)
    assert least <= covered / count <= (0.98 if blocks == 20 else 0.97)


@pytest.mark.long
@pytest.mark.parametrize("arms", [3, 5])
def test_of_more_engines_the_fastest_is_chosen_and_that_costs_a_little(arms, monkeypatch):
    monkeypatch.setattr(inference, "RESAMPLES", 300)
    # The base is whoever happened to be fastest, which Holm knows nothing of: more than 5 %, but not much.
    wrong = 0
    for made, chance in simulated(500, normal, [1.0] * (arms - 1)):
        made.sort(key=lambda times: sorted(times)[4] + sorted(times)[5])
        wrong += any(not found.same for found in differences(made[0], made[1:], FLOOR, chance))
    print(f"{arms} equal engines: {wrong / 500:.1%} had one called slower than the fastest")
    assert wrong / 500 <= 0.10
