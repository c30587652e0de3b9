"""The search for the highest rate, against servers whose true answer is known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from fetcher.loadtest.findmax import LONG, LONGEST, Answer, Probe, Search, needed
from fetcher.loadtest.probed import Tried, behind

World = Callable[[Probe], tuple[str, dict[str, Any]]]
P99 = math.log(100)  # of an exponential, in means: the time in an M/M/1 queue is exponential (Kleinrock 1975)
NAMED = "numpy is not installed"  # the reason of a skip


def record(p99: float = 0.01, cpu: float = 0.35) -> dict[str, Any]:
    """As little of a record as the search reads."""
    return {
        "seconds": 10.0,
        "requests": 1000,
        "cut": 0,
        "unsent": 0,
        "goodput": 100.0,
        "service": {"mean": 0.001},
        "response": {"p50": p99 / 5, "p99": p99, "max": 2 * p99, "bounds": []},
        "client": {"cpu": cpu, "saturated": cpu > 0.85},
    }


def by_rate(truth: float) -> World:
    return lambda probe: ("PASS" if probe.rate <= truth else "FAIL", record(probe.rate / truth / 100))


def queue(capacity: float, truth: float, noise: float, chance: random.Random) -> World:
    """An M/M/1 server with an SLO that it meets up to `truth`; `noise`: of log p99, from probe to probe."""
    limit = P99 / (capacity - truth)

    def probe(asked: Probe) -> tuple[str, dict[str, Any]]:
        p99 = P99 / max(capacity - asked.rate, 1e-3) * math.exp(chance.gauss(0, noise))
        return "PASS" if p99 <= limit else "FAIL", record(p99)

    return probe


def run(world: World, **how: Any) -> tuple[Answer, list[Probe]]:
    search, probes = Search(**how), []
    while isinstance(step := search.next(), Probe):
        assert search.next() == step, "asking twice changes nothing"
        probes.append(step)
        assert len(probes) <= search.probes
        search.tell(step.rate, *world(step))
    assert step.probes == len(probes)
    return step, probes


def within(answers: list[tuple[float, float]], share: float = 0.05) -> float:
    """The share of answers so near the truth; whole requests per second cannot be nearer than one."""
    near = sum(abs(found - truth) <= max(share * truth, 1) for found, truth in answers)
    return near / len(answers)


@pytest.mark.parametrize(("noise", "least", "most"), [(0.0, 0.5, 0.98), (0.1, 0.8, 0.98), (0.2, 0.9, 0.98)])
def test_a_thousand_searches_find_the_truth(noise, least, most, capsys):
    chance = random.Random(7)
    answers, counts = [], []
    for _ in range(1000):
        capacity = math.exp(chance.uniform(math.log(60), math.log(50_000)))
        truth = capacity * chance.uniform(least, most)
        answer, probes = run(queue(capacity, truth, noise, chance))
        assert not answer.at_least
        answers.append((answer.rate or 0, truth))
        counts.append(len(probes))
    counts.sort()
    with capsys.disabled():
        print(f" noise {noise:.0%}: {within(answers):.1%} within 5 %, ", end="")
        print(f"probes: median {counts[500]}, 95 % {counts[950]}, most {counts[-1]}", end="")
    assert within(answers) >= (0.95 if noise else 1.0)
    assert counts[500] <= 20


def simulated(capacity: float, limit: float, seed: int) -> World:
    """A real M/M/1 queue, request by request, from empty (Lindley 1952)."""
    numpy = pytest.importorskip("numpy", reason=NAMED)
    chance = numpy.random.default_rng(seed)

    def probe(asked: Probe) -> tuple[str, dict[str, Any]]:
        count = round(asked.rate * asked.seconds)
        due = numpy.cumsum(chance.exponential(1 / asked.rate, count))
        due = due[due <= asked.seconds]
        work = chance.exponential(1 / capacity, len(due))
        walk = numpy.concatenate(([0.0], numpy.cumsum(work[:-1] - numpy.diff(due))))
        response = walk - numpy.minimum.accumulate(walk) + work
        cut = int((due + response > asked.seconds).sum())
        p99 = float(numpy.quantile(response, 0.99))
        made = record(p99) | {"seconds": asked.seconds, "requests": len(due) - cut, "cut": cut}
        made["service"] = {"mean": float(response.mean())}
        return "PASS" if p99 <= limit else "FAIL", made

    return probe


@pytest.mark.parametrize("searches", [40, pytest.param(1000, marks=pytest.mark.long)])
def test_a_real_queue_is_found_too(searches, capsys):
    chance = random.Random(8)
    answers, counts, seconds = [], [], []
    for seed in range(searches):
        capacity = math.exp(chance.uniform(math.log(300), math.log(5000)))
        truth = capacity * chance.uniform(0.7, 0.95)
        answer, probes = run(simulated(capacity, P99 / (capacity - truth), seed), samples=needed(99))
        answers.append((answer.rate or 0, truth))
        counts.append(len(probes))
        seconds.append(sum(probe.seconds + probe.cooldown for probe in probes))
    with capsys.disabled():
        print(f" {within(answers):.1%} within 5 %, probes: median {sorted(counts)[searches // 2]}, ", end="")
        print(f"seconds: median {sorted(seconds)[searches // 2]:.0f}", end="")
    assert within(answers) >= (0.95 if searches == 1000 else 0.9)  # of so few, chance has its share
    assert within(answers, 0.15) == 1


@pytest.mark.parametrize("truth", [1, 2, 7, 49, 50, 51, 908, 1000, 12_345, 99_999])
@pytest.mark.parametrize("start", [1, 50, 3000])
def test_without_noise_it_is_exact_to_the_resolution(truth, start):
    answer, _ = run(by_rate(truth), start=start)
    assert truth - max(0.02 * truth, 1) <= (answer.rate or 0) <= truth
    assert (answer.verdict, answer.at_least, answer.notes) == ("PASS", False, [])
    edge = [point for point in answer.curve if point["rate"] == answer.rate]
    assert edge[0]["held"] == edge[0]["probes"] == 2, "confirmed"
    above = min((point for point in answer.curve if point["verdict"] == "FAIL"), key=lambda one: one["rate"])
    assert (above["probes"], above["held"]) == (2, 0), "so is the one above"


def test_the_curve_and_the_words():
    answer, probes = run(by_rate(1900))
    assert [point["rate"] for point in answer.curve] == sorted({probe.rate for probe in probes})
    assert answer.words == f"{answer.rate:,}/s (client at 35%)"
    for point in answer.curve:
        assert point["verdict"] == ("PASS" if point["rate"] <= 1900 else "FAIL")
        assert point["p99"] == pytest.approx(point["rate"] / 190_000)
    assert set(answer.record()) >= {"rate", "at_least", "curve", "notes"}


@pytest.mark.parametrize("client", [120, 8000, 40_000])
def test_a_limited_client_gives_a_lower_bound(client):
    tried = []

    def world(probe):
        tried.append(probe.rate)
        return ("PASS", record()) if probe.rate <= client else ("INVALID", record(1.0, cpu=0.99))

    answer, _ = run(world)
    assert answer.at_least
    assert answer.verdict == "PASS"
    assert client * 0.9 <= (answer.rate or 0) <= client
    assert answer.words == f"at least {answer.rate:,}/s: client-limited"
    first = next(at for at, rate in enumerate(tried) if rate > client)
    assert max(tried[first + 1 :]) <= tried[first], "nothing above a rate at which the client was the limit"


def test_a_server_that_gives_up_below_the_clients_limit_has_a_true_answer():
    def world(probe):
        if probe.rate > 10_000:
            return "INVALID", record(1.0, cpu=0.99)
        return ("PASS" if probe.rate <= 7000 else "FAIL"), record()

    answer, _ = run(world)
    assert not answer.at_least
    assert 6860 <= (answer.rate or 0) <= 7000


def test_nobody_looks_again_where_the_client_was_the_limit():
    def world(probe):
        if probe.rate > 8000:
            return "INVALID", record(1.0, cpu=0.99)
        return ("PASS" if probe.rate <= 7000 else "FAIL"), record()

    answer, probes = run(world)
    assert 6860 <= (answer.rate or 0) <= 7000
    beyond = [probe.rate for probe in probes if probe.rate > 8000]
    assert beyond
    assert len(beyond) == len(set(beyond))


def test_a_client_that_is_always_the_limit_says_so():
    answer, _ = run(lambda probe: ("INVALID", record(cpu=1.0)))
    assert (answer.rate, answer.verdict, answer.at_least) == (None, "INVALID", False)
    assert answer.words == "no rate: the client was the limit even at 1/s"


def test_a_client_that_something_else_keeps_from_working_is_tried_twice_and_not_ever_slower():
    answer, probes = run(lambda probe: ("INVALID", record(cpu=0.05)), samples=needed(99))
    assert [probe.rate for probe in probes] == [50, 50]
    assert answer.words == "no rate: the client was the limit even at 50/s"
    again, probes = run(lambda probe: ("INVALID" if not probe.cooldown else "PASS", record()), highest=200.0)
    assert again.rate == 200, "once may be chance"


def test_a_search_that_is_stopped_says_what_it_knows():
    search, world = Search(), by_rate(300)
    assert search.stopped().words == "no rate: the search was stopped by hand after 0 probes"
    for _ in range(4):  # 50, 100, 200, 400
        probe = search.next()
        assert isinstance(probe, Probe)
        search.tell(probe.rate, *world(probe))
    answer = search.stopped()
    assert (answer.rate, answer.at_least, answer.verdict) == (200, True, "PASS")
    assert answer.words == (
        "at least 200/s: the search was stopped by hand after 4 probes, and 400/s is too much"
    )
    assert [point["rate"] for point in answer.curve] == [50, 100, 200, 400]


def test_one_hiccup_of_the_client_does_not_end_it():
    seen = []

    def world(probe):
        seen.append(probe.rate)
        return ("INVALID", record()) if len(seen) == 3 else by_rate(1000)(probe)

    answer, _ = run(world)
    assert not answer.at_least
    assert 980 <= (answer.rate or 0) <= 1000


def test_a_server_too_slow_at_any_rate():
    answer, probes = run(lambda probe: ("FAIL", record(3.0)))
    assert (answer.rate, answer.verdict) == (None, "FAIL")
    assert answer.words == "no rate: the SLO is missed even at 1/s"
    assert [probe.rate for probe in probes].count(1) == 2
    assert len(probes) <= 6


def test_the_highest_rate_is_a_lower_bound():
    answer, probes = run(by_rate(1e9), highest=3000)
    assert answer.words == "at least 3,000/s: the highest rate that was to be tried"
    assert max(probe.rate for probe in probes) == 3000
    assert [probe.rate for probe in probes].count(3000) == 2


def test_flapping_ends_and_is_noted():
    noted = counts = 0
    for seed in range(300):
        chance = random.Random(seed)
        answer, probes = run(lambda probe, chance=chance: (chance.choice(("PASS", "FAIL")), record()))
        for point in answer.curve:
            if point["rate"] == answer.rate:
                assert 2 * point["held"] > point["probes"]
        noted += bool(answer.notes)
        counts += len(probes)
    assert noted > 200  # by chance alone, some look like a steady server
    assert counts / 300 < 30


def test_a_rate_missed_below_one_that_held_is_the_limit():
    def world(probe):  # slow from 300 to 700/s, and well again up to 1000/s
        return ("FAIL" if 300 < probe.rate <= 700 or probe.rate > 1000 else "PASS"), record()

    answer, _ = run(world, start=1000)
    assert 980 <= (answer.rate or 0) <= 1000, "what was not tried is not known"
    search = Search()
    for rate, verdict in [(100, "PASS"), (200, "PASS"), (400, "PASS"), (800, "PASS"), (400, "FAIL")]:
        search.tell(rate, verdict, record())
    step = search.next()
    assert isinstance(step, Probe)
    assert step.rate == 400, "a tie is decided first"
    while isinstance(step := search.next(), Probe):
        search.tell(step.rate, *world(step))
    assert 290 <= (step.rate or 0) <= 300
    assert "800/s held in 1 of 1 probes, though 301/s was missed" in step.notes


def test_flapping_is_called_by_its_name():
    search = Search(probes=6)
    for rate, verdict in [(100, "FAIL"), (200, "FAIL"), (400, "FAIL"), (800, "PASS"), (1600, "PASS")]:
        search.tell(rate, verdict, record())
    search.tell(1600, "PASS", record())
    answer = search.next()
    assert isinstance(answer, Answer)
    assert answer.rate == 1600
    assert answer.notes[0] == "100/s was missed in 1 of 1 probes, though 1,600/s held"
    assert "contradict each other" in answer.notes[-1]


@pytest.mark.parametrize("unlucky", range(1, 14))
@pytest.mark.parametrize("truth", [60, 1000, 7777])
def test_one_wrong_probe_costs_time_and_not_the_truth(unlucky, truth):
    told = []

    def world(probe):
        verdict, made = by_rate(truth)(probe)
        told.append(probe)
        if len(told) == unlucky:
            verdict = "FAIL" if verdict == "PASS" else "PASS"
        return verdict, made

    answer, _ = run(world)
    assert truth - max(0.025 * truth, 1) <= (answer.rate or 0) <= truth


def test_a_server_that_tires_is_caught_at_the_edge():
    told = []

    def world(probe):
        told.append(probe)
        return by_rate(1000 if len(told) < 11 else 700)(probe)

    answer, _ = run(world)
    assert 680 <= (answer.rate or 0) <= 700
    assert any("held in 1 of" in note for note in answer.notes), answer.notes


def test_the_limit_of_probes():
    answer, _ = run(by_rate(1000), probes=7)
    assert answer.words == "at least 800/s: the search ended after 7 probes, and 1,131/s is too much"
    assert run(by_rate(1000), probes=3)[0].words == "at least 200/s: the search ended after 3 probes"
    assert run(by_rate(1), start=4000, probes=2)[0].rate is None
    told = run(by_rate(1000))[1]
    short, _ = run(by_rate(1000), probes=len(told) - 1)
    assert not short.at_least
    assert "before the edge was confirmed" in short.notes[-1]


def test_a_rest_between_probes_and_a_longer_one_after_a_backlog():
    search = Search(cooldown=2.0)
    first = search.next()
    assert isinstance(first, Probe)
    assert first.cooldown == 0
    for verdict, p99, rest in [("PASS", 0.01, 2.0), ("FAIL", 4.0, 8.0), ("FAIL", 400.0, 20.0)]:
        search.tell(search.next().rate or 0, verdict, record(p99))
        after = search.next()
        assert isinstance(after, Probe)
        assert after.cooldown == rest


def test_probes_gather_the_samples_of_the_percentile():
    assert (needed(99), needed(99.9), needed(50)) == (1000, 10_000, 20)
    answer, probes = run(by_rate(30), start=500, samples=needed(99))
    for probe in probes:
        assert probe.rate * probe.seconds >= 1000
        assert probe.seconds <= LONGEST
    assert answer.rate in (29, 30)
    assert run(lambda probe: ("FAIL", record()), samples=1000)[0].words == (
        "no rate: the SLO is missed even at 10/s (lower ones give too few samples in 120 s)"
    )
    at = [probe.seconds for probe in run(by_rate(300), samples=needed(99))[1] if 290 <= probe.rate <= 310]
    assert sum(seconds > 30 for seconds in at) >= 4, "those that decide"
    assert max(at) <= LONG


def test_a_growing_backlog_is_no_pass():
    def world(probe):
        # An SLO on errors alone: every answer is right, the server does 500/s and the rest waits.
        done = min(probe.rate, 500) * probe.seconds
        left = probe.rate * probe.seconds - done
        made = record() | {"seconds": probe.seconds, "requests": done, "cut": left / 2, "unsent": left / 2}
        return "PASS", made

    answer, _ = run(world)
    assert 490 <= (answer.rate or 0) <= 515
    assert "a backlog grew" in answer.notes[-1]


def test_what_is_in_flight_anyhow_is_no_backlog():
    slow = record() | {"seconds": 10.0, "requests": 800, "cut": 200, "service": {"mean": 2.0}}
    assert not behind(slow)  # 100/s at 2 s each
    assert behind(slow | {"service": {"mean": 0.2}})
    assert not behind({})


def test_votes():
    tried = Tried(["PASS", "FAIL"], [])
    assert (tried.settled, tried.tied, tried.verdict) == (False, True, "FAIL")
    assert Tried(["PASS", "FAIL", "PASS"], []).verdict == "PASS"
    split = Tried(["FAIL", "INVALID", "PASS"], [])
    assert (split.settled, split.tied, split.verdict) == (True, False, "INVALID")
    assert Tried(["FAIL", "INVALID", "FAIL"], []).verdict == "FAIL"
    with pytest.raises(KeyError):
        Search().tell(10, "passed", {})
