"""What a load test must keep, and the verdict: PASS, FAIL, or INVALID where the client was the limit."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.errors import UsageError
from fetcher.loadtest.meter import Meter
from fetcher.loadtest.notes import contradiction, full, growing, notes
from fetcher.loadtest.schedule import constant, stages
from fetcher.loadtest.slo import judge, parse, said
from fetcher.loadtest.sums import Sum
from fetcher.loadtest.verdict import broken, conclude, saturation, verdict
from fetcher.model import Result

OK, WRONG = Result(status=200), Result(status=500)
RULES = "p99<50ms,errors<0.1%,rate>=90"


def sums_of(*, rate=100.0, seconds=20, takes=0.01, failing=(), late=0.0, schedule=None, hung=0, answer=OK):
    """A test of so many seconds; `takes` may be a function of the time; `failing`: every nth is this."""
    meter = Meter(64)
    count = int(rate * seconds)
    for number in range(count):
        due = number / rate
        took = takes(due) if callable(takes) else takes
        result = next((one for every, one in failing if number % every == 0), answer)
        meter.add(result, due, due, due + took, late)
    for number in range(hung):
        meter.cut(number / rate, number / rate, float(seconds))
    sums = Sum(1, schedule)
    for second in range(seconds):
        sums.add(0, Meter(64).snapshot(second) | {"in_flight": 1, "cpu_measured": 0.3 * second})
    sums.add(0, meter.snapshot(float(seconds)) | {"cpu_measured": 0.3 * seconds})
    return sums


def record_of(*, cpu=0.3, **more):
    seconds = more.setdefault("seconds", 20)
    record = sums_of(**more).record(float(seconds))
    record["client"]["cpu"] = cpu
    return record


def judged(text, record):
    return {one["rule"]: one["ok"] for one in judge(parse(text), record)}


# Rules.


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("p99<50ms", ("response", "p99", "<", 0.05, "s")),
        ("response.p50 <= 1s", ("response", "p50", "<=", 1.0, "s")),
        ("service.p99.9<20ms", ("service", "p99.9", "<", 0.02, "s")),
        ("p99.5<500us", ("response", "p99.5", "<", 0.0005, "s")),
        ("p98=<1m", ("response", "p98", "<=", 60.0, "s")),
        ("MAX ≤ 2S", ("response", "max", "<=", 2.0, "s")),
        ("lateness.p99<1ms", ("lateness", "p99", "<", 0.001, "s")),
        ("failed_service.mean<1s", ("failed_service", "mean", "<", 1.0, "s")),
        ("errors<0.1%", ("", "errors", "<", 0.001, "share")),
        ("errors=0", ("", "errors", "=", 0.0, "share")),
        ("rate>=1000", ("", "rate", ">=", 1000.0, "/s")),
        ("goodput>600/m", ("", "goodput", ">", 10.0, "/s")),
        ("failed<5", ("", "failed", "<", 5.0, "")),
        ("unsent==0", ("", "unsent", "=", 0.0, "")),
    ],
)
def test_a_rule_is_read(text, rule):
    (found,) = parse(text)
    assert found[1:] == (*rule[:3], pytest.approx(rule[3]), rule[4])
    assert found.percent == (float(rule[1][1:]) if rule[1][0] == "p" else None)


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("", "write FIGURE OP LIMIT"),
        (" , ", "write FIGURE OP LIMIT"),
        ("p99", "write FIGURE OP LIMIT"),
        ("p99<", "write FIGURE OP LIMIT"),
        ("p99<50", "write p99<50ms"),
        ("p99<50%", "write p99<50ms"),
        ("p99!50ms", "use one of: < <= = > >="),
        ("p0<5ms", "did you mean p"),
        ("p100<5ms", "use one of|did you mean"),
        ("lateness.p98<5ms", "did you mean p9"),
        ("servce.p99<5ms", "did you mean service"),
        ("median<5ms", "did you mean p50"),
        ("error<1%", "did you mean errors"),
        ("rps>5", "did you mean rate"),
        ("errors<1", "write errors<1%"),
        ("errors<1ms", "write errors<1%"),
        ("rate>5ms", "write rate>=5"),
        ("failed<5%", "write failed<5"),
        ("<5ms", "the figure is missing"),
    ],
)
def test_what_is_no_rule_says_what_to_write(text, cure):
    with pytest.raises(UsageError, match=cure) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


@given(st.text(alphabet="p9.50<>=ms%,errorsate max", max_size=20))
def test_any_text_is_parsed_or_refused(text):
    with suppress(UsageError):
        assert parse(text)


def test_rules_are_judged():
    record = record_of(failing=[(100, WRONG)])
    assert judged("p99<50ms,errors<0.1%,errors<=1%,rate>=100,goodput>=100,failed=20,max>1s", record) == {
        "p99<50ms": True,
        "errors<0.1%": False,
        "errors<=1%": True,
        "rate>=100": True,
        "goodput>=100": False,
        "failed=20": True,
        "max>1s": False,
    }


def test_what_hung_until_the_end_may_be_an_error_and_so_fails_closed():
    record = record_of(hung=3)
    assert record["hung"] == 3
    assert judged("errors<0.1%,errors<1%,failed=0,failed<4,failed<3", record) == {
        "errors<0.1%": False,  # 3 of 2,003 may fail yet
        "errors<1%": True,
        "failed=0": False,
        "failed<4": True,
        "failed<3": False,
    }
    (one,) = judge(parse("errors<0.1%"), record)
    assert (one["value"], one["bound"], one["note"]) == (
        0.0,
        True,
        "3 more hung until the test ended, and that fails",
    )
    conclude(record, parse("p50<50ms,errors<0.1%"))
    assert record["verdict"] == "FAIL"
    conclude(record)
    assert (record["verdict"], record["why"]) == (
        "FAIL",
        "3 requests hung: they had no answer when the test ended",
    )


def test_a_percentile_that_the_record_does_not_list_is_taken_from_its_histogram():
    record = record_of(takes=lambda due: 0.5 if due % 1 > 0.985 else 0.01)  # 1 in 100
    record2 = record_of(takes=lambda due: 0.5 if due % 1 > 0.975 else 0.01)  # 2 in 100
    assert judged("p98.5<50ms,p98<50ms,service.p98.5<50ms", record2) == {
        "p98.5<50ms": False,
        "p98<50ms": True,
        "service.p98.5<50ms": False,
    }
    assert judged("p98.5<50ms", record) == {"p98.5<50ms": True}


def test_what_is_not_known_fails():
    record = record_of(seconds=1)  # 100 requests
    (one,) = judge(parse("p99<50ms"), record)
    assert one["ok"], "too few for a percentile, but none is above the maximum"
    assert "too few requests for p99: the slowest one is judged" in one["note"]
    assert judged("p99<5ms", record) == {"p99<5ms": False}
    assert judged("p99>50ms,p90<50ms", record) == {"p99>50ms": False, "p90<50ms": True}
    empty = record_of(rate=0.0)
    assert judged("errors<1%,p50<1s,rate<5", empty) == {"errors<1%": False, "p50<1s": False, "rate<5": True}


def test_a_lower_bound_below_the_limit_fails_closed():
    record = record_of(hung=40)  # 2 % that have not ended, the oldest for 20 s
    by_rule = {one["rule"]: one for one in judge(parse("p99<30s,p99<1s,p99>1s,p99>30s,p95<1s"), record)}
    assert {rule: one["ok"] for rule, one in by_rule.items()} == {
        "p99<30s": False,
        "p99<1s": False,
        "p99>1s": True,
        "p99>30s": False,
        "p95<1s": True,
    }
    assert "only known to be at least" in by_rule["p99<30s"]["note"]
    assert by_rule["p99<30s"]["bound"]
    assert by_rule["p99<1s"]["note"] == "", "it is missed for certain"


def test_a_rate_that_was_not_asked_for_cannot_be_reached():
    record = record_of(schedule=constant(100.0), hung=5)
    record["rate"] = 99.7
    (one,) = judge(parse("rate>=100"), record)
    assert "only 100/s were asked" in one["note"]


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (None, "s", "not known"),
        (0.0, "s", "0 s"),
        (0.0000871, "s", "87.1 us"),
        (0.0812, "s", "81.2 ms"),
        (30.0, "s", "30 s"),
        (12345.6, "s", "12,346 s"),
        (0.0234, "share", "2.34 %"),
        (1234.5, "/s", "1,234/s"),
        (3.25, "/s", "3.25/s"),
        (12, "", "12"),
    ],
)
def test_values_are_said(value, unit, words):
    assert said(value, unit) == words
    if value:
        assert said(value, unit, bound=True) == f">= {words}"


# The verdict.


def test_an_slo_that_is_met_passes_also_with_a_busy_client():
    rules = parse(RULES)
    assert verdict(record_of(), rules)[:2] == ("PASS", "all 3 limits were kept")
    found = verdict(record_of(cpu=0.97), rules)
    assert found.verdict == "PASS"
    assert "client-limited: the server can do at least 100/s" in found.why


def test_an_slo_that_is_missed_fails_unless_the_client_was_the_limit():
    rules = parse(RULES)
    found = verdict(record_of(takes=0.08), rules)
    assert found[:2] == ("FAIL", "p99<50ms is missed: 80 ms")
    found = verdict(record_of(takes=0.08, cpu=0.97), rules)
    assert found.verdict == "INVALID"
    assert "97% of a core" in found.why
    assert "p99<50ms is missed" in found.why
    # The same client, at half of the rate.
    assert verdict(record_of(takes=0.01, cpu=0.5), rules).verdict == "PASS"


def test_a_worker_that_was_full_in_some_seconds_was_the_limit_too():
    record = record_of(takes=0.08)
    record["client"]["busy"] = 0.2
    assert verdict(record, parse(RULES)).verdict == "INVALID"
    record["client"]["busy"] = 0.05
    assert verdict(record, parse(RULES)).verdict == "FAIL"


def test_lateness_counts_against_the_tightest_limit():
    assert verdict(record_of(takes=0.08, late=0.006), parse(RULES)).verdict == "INVALID"
    assert verdict(record_of(takes=0.08, late=0.004), parse(RULES)).verdict == "FAIL"
    assert verdict(record_of(takes=0.08, late=0.004), parse("max<60ms,p50<30ms")).verdict == "INVALID"
    # Without a limit: against p99 of response.
    assert saturation(record_of(takes=0.08, late=0.009))
    # It sent 6 ms late: that explains no 2 s. But a worker that was full in some seconds may.
    far = record_of(takes=2.0, late=0.006)
    assert verdict(far, parse(RULES)).verdict == "FAIL"
    far["client"]["busy"] = 0.2
    assert verdict(far, parse(RULES)).verdict == "INVALID"
    assert not saturation(record_of(takes=0.08, late=0.007))


def test_descriptors_and_ports_that_ran_short_are_the_client_s():
    for result, words in (
        (Result(error="local_fd_limit"), "descriptor"),
        (Result(error="connect_unreachable", message="no local port is free"), "local port"),
    ):
        record = record_of(failing=[(10, result)])
        assert words in saturation(record)[0]
        assert verdict(record, parse("errors<1%")).verdict == "INVALID"
        assert verdict(record).verdict == "INVALID"


def test_answers_of_500_are_no_fault_of_a_busy_client():
    record = record_of(failing=[(10, WRONG)], cpu=0.99)
    assert verdict(record, parse("errors<1%")).verdict == "FAIL"
    assert verdict(record, parse("goodput>=95")).verdict == "FAIL"
    assert verdict(record, parse("goodput>=150")).verdict == "INVALID"
    assert verdict(record, parse("failed<5")).verdict == "FAIL"
    assert verdict(record).verdict == "FAIL"
    # Time runs out for one that has no time to look.
    record = record_of(failing=[(10, Result(error="read_timeout"))], cpu=0.99)
    assert verdict(record, parse("errors<1%")).verdict == "INVALID"
    assert verdict(record).verdict == "INVALID"


def test_without_an_slo_nothing_may_fail():
    assert verdict(record_of())[:2] == ("PASS", "none of 2,000 requests failed")
    found = verdict(record_of(failing=[(500, Result(error="reset"))]))
    assert found[:2] == ("FAIL", "4 of 2,000 requests failed (0.2 %): reset")
    found = verdict(record_of(failing=[(500, Result(error="reset")), (100, WRONG)]))
    assert found.why == "20 of 2,000 requests failed (1 %), most of them: status 500"
    assert verdict(record_of(rate=0.0))[:2] == ("FAIL", "no request ended")


def test_the_conclusion_is_written_into_the_record():
    record = record_of(takes=0.08, cpu=0.97) | {"notes": ["one before"]}
    conclude(record, parse(RULES))
    assert record["verdict"] == "INVALID"
    assert record["client"]["saturated"]
    assert record["client"]["why"]
    assert [one["ok"] for one in record["slo"]] == [False, True, True]
    assert record["notes"][0] == "one before"


@given(st.floats(0.0, 1.0), st.floats(0.001, 0.2), st.integers(1, 50), st.sampled_from([RULES, ""]))
def test_a_verdict_says_pass_if_and_only_if_all_is_kept(cpu, takes, every, text):
    record = record_of(seconds=2, takes=takes, cpu=cpu, failing=[(every, WRONG)] if every < 40 else [])
    rules = parse(text) if text else ()
    found = verdict(record, rules)
    kept = all(one["ok"] for one in found.slo) if rules else not record["failed"]
    assert (found.verdict == "PASS") == kept
    assert (found.verdict == "INVALID") <= bool(saturation(record, rules))


# Breaking off.


def test_a_burst_of_failures_ends_the_test():
    assert broken(sums_of(failing=[(1, WRONG)])) == "201 of the last 201 requests failed"
    assert broken(sums_of(answer=WRONG, failing=[(5, OK)])) == ""  # 80 %
    assert broken(sums_of(answer=WRONG, failing=[(5, OK)], rate=1000.0)) == ""
    assert broken(sums_of(rate=60.0, failing=[(1, WRONG)])) == ""  # 180 requests
    assert broken(Sum(1)) == ""
    long_ago = sums_of(failing=[(1, WRONG)])
    meter = Meter(64)
    for number in range(300):
        meter.add(OK, 25.0, 25.0, 25.0 + number / 1000, 0.0)
    long_ago.add(0, meter.snapshot(26.0))
    assert broken(long_ago) == ""


# Notes.


def test_a_queue_that_grows_is_noted():
    overload = record_of(takes=lambda due: 0.01 + due * 0.04, schedule=constant(100.0))
    assert growing(overload) == (
        "response times grow by 38.7 ms every second: 100/s are more than the server keeps up with"
    )
    assert growing(overload) in notes(overload)
    assert "slows down" in growing(record_of(takes=lambda due: 0.01 + due * 0.04))
    rising = record_of(takes=lambda due: 0.01 + due * 0.04, schedule=stages([(20.0, 200.0)]))
    assert growing(rising).endswith("while the rate rises")


def test_what_only_varies_is_not_noted():
    rng = random.Random(3)
    steady = record_of(takes=lambda due: rng.lognormvariate(-5, 0.5), schedule=constant(100.0))
    assert growing(steady) == ""
    one_stall = record_of(takes=lambda due: 2.0 if 10 < due < 11 else 0.01, schedule=constant(100.0))
    assert growing(one_stall) == ""
    tiny = record_of(takes=lambda due: 0.0001 + due * 0.00001, schedule=constant(100.0))
    assert growing(tiny) == ""
    assert growing(record_of(seconds=5, takes=lambda due: 0.01 + due * 0.04)) == ""


def test_in_flight_must_be_rate_times_time():
    record = record_of(takes=0.2)  # 20 in flight
    record["in_flight"] = {"mean": 20.3, "error": 0.1}
    assert contradiction(record) == ""
    record["in_flight"] = {"mean": 30.0, "error": 0.1}
    assert "30 requests were in flight on average, but rate x service time is 20" in contradiction(record)
    record["in_flight"] = {"mean": 30.0, "error": 3.0}
    assert contradiction(record) == "", "the samples say no more than that"
    mixed = record_of(takes=0.2, failing=[(2, WRONG)])
    mixed["in_flight"] = {"mean": 20.0, "error": 0.1}
    assert contradiction(mixed) == "", "what failed was in flight too"


def test_slots_that_are_all_busy_are_noted():
    record = record_of(schedule=constant(100.0))
    record["in_flight"] = {"mean": 64.0, "error": 0.1}
    assert "all 64 slots" in full(record)
    record["asked"] = None
    assert full(record) == "", "in the closed model they should be"


def test_much_that_has_not_ended_is_noted():
    record = record_of(hung=400)
    assert any("400 requests had not ended" in one for one in notes(record))
    assert not any("had not ended" in one for one in notes(record_of(hung=10)))
