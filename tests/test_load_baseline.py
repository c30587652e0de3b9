"""A run kept as a baseline, and later runs held against it."""

from __future__ import annotations

import json
import random

import pytest

from fetcher import __version__
from fetcher.errors import UsageError
from fetcher.loadtest.baseline import compare, content, load, mismatches, notes, parse_fail_on, save

FIGURES = ("p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "max", "mean", "min")


def run(p99=0.05, goodput=1000.0, failed=0, **more):
    latency = dict.fromkeys(FIGURES, p99 / 2) | {"p99": p99, "max": 2 * p99, "bounds": []}
    return {
        "verdict": "PASS",
        "why": "",
        "targets": 1,
        "engine": "asyncio",
        "concurrency": 64,
        "model": "open",
        "asked": 1000.0,
        "requests": 10_000,
        "failed": failed,
        "rate": goodput,
        "goodput": goodput,
        "service": dict(latency),
        "response": dict(latency),
        "cpu_per_request": 5e-5,
        "per_second": [{"second": 0, "p99": p99}],
        "worst": 0,
        "max_rate": None,
        "environment": {"fetch": "0.1", "python": "3.11.9", "cpus": 2, "processor": "A"},
        **more,
    }


def around(value, share=0.01):
    return {"median": value, "low": value * (1 - share), "high": value * (1 + share)}


def judged(text, old, new):
    (found,) = compare(old, new, parse_fail_on(text))
    return found


# The file.


def test_what_was_saved_is_loaded_without_its_seconds(tmp_path):
    path = tmp_path / "base.json"
    save(run(), path)
    assert load(path) == run() | {"per_second": [], "worst": None, "baseline": {"version": __version__}}
    assert path.read_bytes().endswith(b"}\n")


def test_a_record_without_its_machine_gets_it():
    made = json.loads(content(run(environment=None)))
    assert made["environment"]["cpus"] >= 1
    assert made["environment"]["fetch"] == __version__


def test_an_existing_file_is_only_replaced_if_asked(tmp_path):
    path = tmp_path / "base.json"
    save(run(p99=0.2), path)
    with pytest.raises(UsageError, match=r"base\.json exists: use --overwrite"):
        save(run(), path)
    assert load(path)["response"]["p99"] == 0.2
    save(run(), path, overwrite=True)
    assert load(path)["response"]["p99"] == 0.05


def test_an_invalid_run_is_no_baseline(tmp_path):
    path = tmp_path / "base.json"
    with pytest.raises(
        UsageError, match=r"an INVALID run is no baseline .the client was the limit.: repeat it"
    ):
        save(run(verdict="INVALID", why="the client was the limit"), path)
    assert not path.exists()
    path.write_text(json.dumps(run(verdict="INVALID")))
    with pytest.raises(UsageError, match="holds an INVALID run"):
        load(path)


def test_the_json_of_a_run_serves_as_a_baseline(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(run()))
    assert load(path) == run()


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "no",
            "[]",
            "3",
            "null",
            "{}",
            '{"verdict": "ok"}',
            "[" * 100_000,
            "\x00",
            '{"verdict": 1e999}',
        ),
        *(json.dumps(run(**{name: None})) for name in ("service", "response", "rate", "failed")),
        json.dumps(run(requests="many")),
    ],
)
def test_what_is_no_baseline_is_refused(text, tmp_path):
    path = tmp_path / "base.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="give a file that --save-baseline wrote"):
        load(path)


def test_a_missing_baseline_says_how_to_make_one(tmp_path):
    with pytest.raises(UsageError, match="No such file or directory: make a baseline with --save-baseline"):
        load(tmp_path / "none.json")
    with pytest.raises(UsageError, match="Is a directory"):
        load(tmp_path)
    with pytest.raises(UsageError, match="does not exist: create it first"):
        save(run(), tmp_path / "no" / "base.json")


# The rules.


def test_rules():
    rules = parse_fail_on(" p99>+10% , goodput<-5%,errors>+0.1%,service.p99.9>5ms,response.max>+1s,")
    assert [(rule.name, rule.relative) for rule in rules] == [
        ("p99", True),
        ("goodput", True),
        ("errors", False),
        ("service.p99.9", False),
        ("max", False),
    ]
    assert [rule.limit for rule in rules] == pytest.approx([0.1, -0.05, 0.001, 0.005, 1.0])
    assert rules[0].text == "p99>+10%"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"has no rule: write --fail-on 'p99>\+10%"),
        ("p99", "'p99' is no rule: write --fail-on"),
        ("p99>+10%;goodput<-5%", "is no rule"),
        ("p98>+10%", "no figure 'p98': did you mean p9"),
        ("latency>+10%", "no figure 'latency'"),
        ("speed>+10%", "choose one of p50, p75"),
        ("service.goodput<-1%", "no figure 'service.goodput'"),
        ("p99<-10%", r"of p99 less is better: write p99>\+10%"),
        ("p99>-10%", r"write p99>\+10%"),
        ("goodput>+5%", "of goodput more is better: write goodput<-5%"),
        ("goodput<5%", "write goodput<-5%"),
        ("p99>+10", r"needs a unit .%, s, ms or us.: write p99>\+10%"),
        ("p99>+10h", "needs a unit"),
        ("goodput<-5ms", r"needs a unit .%.: write goodput<-5%"),
    ],
)
def test_a_wrong_rule_says_what_to_write(text, says):
    with pytest.raises(UsageError, match=says):
        parse_fail_on(text)


# The judgement.


@pytest.mark.parametrize(
    ("rule", "new", "ok", "change"),
    [
        ("p99>+10%", run(p99=0.055), True, 0.1),  # at the limit, and not by the last digit beyond it
        ("p99>+10%", run(p99=0.0551), False, 0.102),
        ("p99>+10%", run(p99=0.01), True, -0.8),
        ("service.p99>+5ms", run(p99=0.0549), True, 0.0049),
        ("service.p99>+5ms", run(p99=0.0551), False, 0.0051),
        ("max>+10%", run(p99=0.1), False, 1.0),
        ("goodput<-5%", run(goodput=950.0), True, -0.05),
        ("goodput<-5%", run(goodput=949.0), False, -0.051),
        ("goodput<-0%", run(goodput=999.0), False, -0.001),
        ("goodput<-5%", run(goodput=2000.0), True, 1.0),
        ("errors>+0.1%", run(failed=10), True, 0.001),
        ("errors>+0.1%", run(failed=11), False, 0.0011),
        ("cpu_per_request>+10%", run(cpu_per_request=1e-4), False, 1.0),
    ],
)
def test_a_change_is_judged(rule, new, ok, change):
    found = judged(rule, run(), new)
    assert (found["rule"], found["ok"], found["same"]) == (rule, ok, False)
    assert found["change"] == pytest.approx(change)
    assert json.loads(json.dumps(found)) == found


def test_overlapping_intervals_are_no_difference():
    old, new = run(p99_interval=around(0.05, 0.15)), run(p99=0.06, p99_interval=around(0.06, 0.15))
    found = judged("p99>+10%", old, new)
    assert (found["ok"], found["same"]) == (True, True)
    assert found["note"].startswith("~ no difference")
    apart = judged("p99>+10%", old, run(p99=0.08, p99_interval=around(0.08, 0.15)))
    assert (apart["ok"], apart["same"]) == (False, False)
    # The interval is that of the response, and of p99 alone.
    for other in ("service.p99>+10%", "p50>+10%", "max>+10%"):
        assert not judged(other, old, new)["ok"]
    assert not judged("p99>+10%", old, run(p99=0.06))["ok"], "one interval alone says nothing"


def test_goodput_has_the_interval_of_the_rate_only_where_nothing_failed():
    old = run(rate_interval=around(1000.0, 0.1))
    slower = {"rate_interval": around(900.0, 0.1)}
    assert judged("goodput<-5%", old, run(goodput=900.0, **slower))["same"]
    assert judged("rate<-5%", old, run(goodput=900.0, **slower))["same"]
    assert not judged("goodput<-5%", old, run(goodput=900.0, failed=5, **slower))["ok"]
    own = run(goodput=900.0, failed=5, goodput_interval=around(900.0, 0.1), **slower)
    assert judged("goodput<-5%", old, own)["same"]


def test_what_is_not_known_fails():
    unknown = run()
    unknown["response"]["p99"] = None
    assert judged("p99>+10%", run(), unknown)["note"] == "not known of the new run"
    assert judged("p99>+10%", unknown, run())["note"] == "not known of the baseline"
    assert judged("max_rate<-5%", run(), run())["note"] == "not known of the baseline"
    assert not judged("p99>+10%", run(), unknown)["ok"]


def bounded(p99):
    made = run(p99=p99, p99_interval=around(p99, 0.5))
    made["response"]["bounds"] = ["p99"]
    return made


@pytest.mark.parametrize(
    ("old", "new", "ok", "note"),
    [
        (run(), bounded(0.05), False, "not known: the new value is only a lower bound"),
        (run(p99_interval=around(0.05, 0.5)), bounded(0.06), False, ""),  # worse by 20 % at least
        (bounded(0.05), run(p99=0.04), True, ""),  # better by 20 % at least
        (bounded(0.05), run(p99=0.06), False, "not known: the old value is only a lower bound"),
        (bounded(0.05), bounded(0.05), False, "not known: the old and new value is only a lower bound"),
    ],
)
def test_lower_bounds_of_a_latency(old, new, ok, note):
    found = judged("p99>+10%", old, new)
    assert (found["ok"], found["same"], found["note"]) == (ok, False, note)


def maximum(rate, at_least=False):
    return run(max_rate={"rate": rate, "at_least": at_least, "curve": []})


@pytest.mark.parametrize(
    ("old", "new", "ok", "known"),
    [
        (maximum(1000), maximum(960), True, True),
        (maximum(1000), maximum(940), False, True),
        (maximum(1000), maximum(None), False, False),
        (maximum(1000), maximum(960, at_least=True), True, True),
        (maximum(1000), maximum(800, at_least=True), False, False),
        (maximum(1000, at_least=True), maximum(800), False, True),
        (maximum(1000, at_least=True), maximum(2000), False, False),
    ],
)
def test_the_highest_rate_and_its_lower_bounds(old, new, ok, known):
    found = judged("max_rate<-5%", old, new)
    assert (found["ok"], not found["note"]) == (ok, known)


def test_two_searches_are_compared_by_what_they_found():
    old, new = maximum(1000) | {"asked": 1000.0}, maximum(980) | {"asked": 980.0}
    assert judged("max_rate<-5%", old, new)["ok"]
    found = judged("p99>+10%", old, new)  # further up a curve p99 is another one
    assert (found["ok"], found["change"]) == (False, None)
    assert "measured at another rate" in found["note"]
    assert "rate asked for" in judged("max_rate<-5%", old, run(asked=980.0))["note"]


def test_from_nothing_to_something():
    found = judged("cpu_per_request>+10%", run(cpu_per_request=0.0), run())
    assert (found["ok"], found["change"]) == (False, None)
    assert judged("cpu_per_request>+10%", *[run(cpu_per_request=0.0)] * 2)["ok"]
    assert not judged("rate<-5%", run(), run(goodput=0.0))["ok"]


# What cannot be compared.


@pytest.mark.parametrize(
    ("new", "says"),
    [
        (run(targets=2), "targets 1, now 2"),
        (run(model="closed"), "model open, now closed"),
        (run(concurrency=32), "concurrency 64, now 32"),
        (run(asked=500.0), "rate asked for 1,000, now 500"),
        (run(asked=None), "rate asked for 1,000, now none"),
        (run(engine="curl"), "engine asyncio, now curl"),
        (run(verdict="INVALID"), "this run is INVALID"),
        (run(by_target=[{"url": "http://b/"}]), "other URLs"),
    ],
)
def test_other_configurations_are_not_compared(new, says):
    found = compare(run(by_target=[{"url": "http://a/"}]), new, parse_fail_on("p99>+10%,goodput<-5%"))
    assert [one["rule"] for one in found] == ["p99>+10%", "goodput<-5%"]
    for one in found:
        assert (one["ok"], one["change"]) == (False, None)
        assert one["note"] == f"not compared: {says}"


def test_what_may_differ():
    assert mismatches(run(), run(asked=1004.0)) == []
    assert mismatches(run(asked=None), run(asked=None)) == []
    assert (
        mismatches(run(targets=200, by_target=[{"url": "a"}]), run(targets=200, by_target=[{"url": "b"}]))
        == []
    )
    assert notes(run(), run()) == notes(run(), run(environment=None)) == []
    other = run(environment={"fetch": "0.1", "python": "3.12.1", "cpus": 8, "processor": "A"})
    assert notes(run(), other) == [
        "the baseline was made elsewhere: cpus 2, now 8; python 3.11.9, now 3.12.1"
    ]


def test_equal_runs_with_noise_pass_and_slower_ones_fail():
    chance = random.Random(3)
    rules = parse_fail_on("p99>+10%,goodput<-5%")

    def noisy(p99, goodput):
        p99, goodput = p99 * chance.gauss(1, 0.05), goodput * chance.gauss(1, 0.01)
        return run(p99, goodput, p99_interval=around(p99, 0.1), rate_interval=around(goodput, 0.02))

    equal = sum(all(one["ok"] for one in compare(noisy(1, 1e3), noisy(1, 1e3), rules)) for _ in range(500))
    slower = sum(all(one["ok"] for one in compare(noisy(1, 1e3), noisy(1.6, 900), rules)) for _ in range(500))
    assert equal >= 475
    assert slower <= 25
