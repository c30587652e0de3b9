"""The rooms of the comparison by hand: plan, gate, parity, bottleneck, verdict; and the process of a lap."""

from __future__ import annotations

import json
import math
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from itertools import pairwise

import pytest

from fetcher.comparison import inference
from fetcher.comparison import lap as laps
from fetcher.comparison import plan as plans
from fetcher.comparison.__main__ import options_of, read
from fetcher.comparison.bottleneck import bottleneck
from fetcher.comparison.gate import Connections, Gate
from fetcher.comparison.lap import Lap
from fetcher.comparison.parity import Parity
from fetcher.comparison.plan import Arm, Plan, least_blocks, planned
from fetcher.comparison.sentence import sentence
from fetcher.comparison.verdict import judged
from fetcher.drive import drive
from fetcher.engines._scripted import Answer, Scripted
from fetcher.errors import UsageError
from fetcher.feeds.rows import Rows
from fetcher.histogram import Histogram
from fetcher.model import PARITY, Options, Request
from fetcher.outbox import Outbox
from fetcher.pump import Ready
from fetcher.run import chain
from fetcher.sources import Bad, Skip
from tests.servers import hanging
from tests.worlds import Watched, World

LOCAL = "http://127.0.0.1:8000"
PUBLIC = "http://93.184.216.34"  # never asked: a plan is made before the first request


def pieces(*items):
    return [("list", item) for item in items]


def urls(count, base=LOCAL):
    return [f"{base}/{number}" for number in range(count)]


def plan_of(*items, engines=("asyncio", "threads"), **settings):
    options = settings.pop("options", Options())
    return planned(pieces(*items), engines, options, **{"seed": 1, **settings})


# Plan: the order of blocks.


def ordered(size, blocks, seed=1):
    arms = [Arm(str(number), "asyncio", 1) for number in range(size)]
    return [[arm.name for arm in row] for row in Plan(arms, [], blocks).order(random.Random(seed))]


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("squares", [1, 3])
def test_over_whole_squares_the_order_is_balanced(size, squares):
    square = 2 * size if size % 2 else size
    rows = ordered(size, squares * square)
    assert len(rows) == squares * square
    assert all(sorted(row) == [str(number) for number in range(size)] for row in rows)
    places = Counter((place, name) for row in rows for place, name in enumerate(row))
    assert set(places.values()) == {len(rows) // size}
    assert len(places) == size * size
    neighbours = Counter(pair for row in rows for pair in pairwise(row))
    assert set(neighbours.values()) == {len(rows) // size}
    assert len(neighbours) == size * (size - 1)


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("seed", range(5))
def test_over_ten_blocks_it_is_nearly_balanced(size, seed):
    rows = ordered(size, 10, seed)
    assert len(rows) == 10
    places = Counter((place, name) for row in rows for place, name in enumerate(row))
    for place in range(size):
        for name in range(size):
            assert abs(places[place, str(name)] - 10 / size) <= 2


def test_the_order_is_that_of_its_seed():
    assert ordered(4, 10, 7) == ordered(4, 10, 7)
    assert len({str(ordered(4, 10, seed)) for seed in range(10)}) == 10
    # The arms are drawn, and so is the order of the blocks: more than the 6 orders of 3 arms.
    assert len({str(ordered(3, 6, seed)) for seed in range(50)}) > 40


# Plan: who takes part.


def test_the_control_is_the_first_engine_again():
    arms = plan_of(*urls(3), engines=["threads", "asyncio"]).arms
    assert [(arm.name, arm.engine, arm.control) for arm in arms] == [
        ("threads", "threads", False),
        ("asyncio", "asyncio", False),
        ("threads again", "threads", True),
    ]
    assert arms[0].concurrency == arms[2].concurrency > 1


def test_an_engine_may_be_compared_with_itself():
    arms = plan_of(*urls(3), engines=["asyncio", "asyncio"]).arms
    assert [arm.name for arm in arms] == ["asyncio", "asyncio-2", "asyncio again"]
    assert {arm.engine for arm in arms} == {"asyncio"}


def test_each_arm_has_its_width():
    def widths(**settings):
        plan = plan_of(*urls(3), engines=["sequential", "threads", "asyncio"], **settings)
        return {arm.name: arm.concurrency for arm in plan.arms}

    usual = widths()
    assert usual["sequential"] == usual["sequential again"] == 1
    assert usual["threads"] > 1
    assert widths(options=Options(concurrency=7)) == {**usual, "threads": 7, "asyncio": 7}
    wide = widths(options=Options(concurrency=10**6), most=2)
    assert wide == {name: width * 2 if width > 1 else 1 for name, width in usual.items()}


# Plan: what each host gets.


def test_requests_are_counted_for_all_laps_warm_ups_and_the_probe():
    # 15 URLs of one host and 5 of another; 2 engines and the control; 10 blocks: 30 laps.
    plan = plan_of(*urls(15), *urls(5, "http://127.0.0.2"))
    assert plan.laps == 30
    assert plan.warm == 8
    assert plan.hosts == {"127.0.0.1:8000": 15, "127.0.0.2:80": 5}
    assert plan.probed == 21
    assert plan.requests == 30 * (20 + 8) + 21
    # At most, for the warm-up may be all for it, and 16 of the probe are; each may be tried thrice.
    assert plan.most() == ("127.0.0.1:8000", 3 * (30 * (15 + 8) + 16))
    assert plan_of(*urls(15), options=Options(retries=0)).most() == ("127.0.0.1:8000", 30 * (15 + 8) + 16)


def test_repeat_multiplies():
    plan = plan_of(*urls(15), *urls(5, "http://127.0.0.2"), repeat=3, blocks=6)
    assert len(plan.pieces) == 60
    assert plan.pieces[20:40] == plan.pieces[:20]
    assert plan.laps == 18
    assert plan.warm == 8
    assert plan.requests == 18 * (60 + 8) + 21
    assert plan.most() == ("127.0.0.1:8000", 3 * (18 * (45 + 8) + 21))


@pytest.mark.parametrize(
    ("count", "warm"), [(1, 1), (9, 8), (20, 8), (100, 10), (640, 64), (649, 64), (2000, 64)]
)
def test_a_tenth_of_the_list_warms_up_but_at_most_64(count, warm):
    assert plan_of(*urls(count)).warm == warm


def test_lines_that_are_no_urls_are_rows_but_no_requests_of_a_host():
    plan = plan_of(Skip("blank"), *urls(4), Bad("x", "junk"), "ftp://h/", Skip("comment"))
    assert len(plan.pieces) == 6
    assert plan.hosts == {"127.0.0.1:8000": 4}


def test_unique_is_settled_in_the_plan_and_not_in_each_lap(tmp_path):
    # A lap asks its first URLs twice, as the warm-up and as the list; --repeat asks for more of the same.
    options = Options(unique=True)
    given = [*urls(3), *urls(2), LOCAL + "/1", "http://127.0.0.1:8000/2#part", Bad("x", "junk")]
    plan = plan_of(*given, options=options, repeat=2)
    assert [item for _, item in plan.pieces] == [*urls(3), given[-1]] * 2
    assert plan.hosts == {"127.0.0.1:8000": 6}
    assert laps.options_record(options)["unique"] is False
    assert len(plan_of(*given).pieces) == len(given)


@pytest.mark.parametrize(
    ("base", "host"),
    [
        (PUBLIC, "93.184.216.34:80"),
        ("https://[2606:2800:220:1::1]", "[2606:2800:220:1::1]:443"),
        ("http://8.8.8.8:8080", "8.8.8.8:8080"),
    ],
)
def test_a_public_host_that_gets_more_than_100_is_told(base, host):
    plan = plan_of(*urls(4, base), *urls(400))
    # 30 laps of 4 and at most 4 more to warm up, and the probe's 5.
    assert plan.beyond(options=Options()) == [(host, 3 * (30 * 8 + 5))]
    assert plan.beyond(735, options=Options()) == []
    assert plan.beyond(734, options=Options()) == [(host, 735)]


def test_of_several_public_hosts_the_one_that_gets_most_is_first():
    plan = plan_of(*urls(3, PUBLIC), *urls(5, "http://8.8.8.8"), *urls(1, "http://1.1.1.1"))
    assert [host for host, _ in plan.beyond(200, options=Options())] == ["8.8.8.8:80", "93.184.216.34:80"]


@pytest.mark.parametrize(
    "base",
    [
        "http://127.0.0.1",
        "http://127.8.9.10:81",
        "http://localhost:8000",
        "http://[::1]:8000",
        "http://10.1.2.3",
        "http://192.168.0.7",
        "http://172.16.0.1",
        "http://169.254.1.1",
        "http://[fd00::1]",
        "http://[::ffff:10.0.0.1]",
    ],
)
def test_this_machine_and_private_networks_may_get_any_number(base):
    assert plan_of(*urls(1000, base)).beyond(options=Options()) == []


def test_resolve_decides_where_a_name_is(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("a name was looked up"))
    plan = plan_of(*urls(1000, "http://Shop.example"))
    for address in ("127.0.0.1", "10.0.0.1", "::1", "[::1]"):
        assert plan.beyond(options=Options(resolve=(("shop.EXAMPLE", 80, address),))) == []
    (beyond,) = plan.beyond(options=Options(resolve=(("shop.example", 80, "93.184.216.34"),)))
    assert beyond[0] == "shop.example:80"


@pytest.mark.parametrize(
    ("found", "local"),
    [
        (["10.0.0.1"], True),
        (["127.0.0.1", "::1"], True),
        (["10.0.0.1", "93.184.216.34"], False),
        (["93.184.216.34"], False),
        (socket.EAI_NONAME, True),  # nobody is there to be asked
        (socket.EAI_AGAIN, False),
    ],
)
def test_a_name_is_private_where_all_its_addresses_are(monkeypatch, found, local):
    def look(name, port):
        assert (name, port) == ("shop.example", None)
        if isinstance(found, int):
            raise socket.gaierror(found, "no such name")
        return [(0, 0, 0, "", (address, 0)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", look)
    plan = plan_of(*urls(1000, "http://shop.example"))
    # --resolve for another port is none for this one.
    options = Options(resolve=(("shop.example", 8080, "127.0.0.1"),))
    assert bool(plan.beyond(options=options)) is not local


# Plan: what could show nothing.


@pytest.mark.parametrize(("count", "least"), [(1, 6), (2, 6), (3, 7), (4, 7), (5, 8)])
def test_so_many_blocks_are_needed(count, least):
    assert least_blocks(count) == least
    comparisons = max(count - 1, 1)
    assert inference.holm([2 / 2**least] * comparisons)[0] <= inference.ALPHA
    assert inference.holm([2 / 2 ** (least - 1)] * comparisons)[0] > inference.ALPHA


@pytest.mark.parametrize(
    ("items", "settings", "words"),
    [
        ([], {}, ["nothing to compare", "no URL"]),
        ([Skip("blank")], {}, ["nothing to compare", "no URL"]),
        ([Bad("x", "junk"), "ftp://h/"], {}, ["nothing to compare", "no line", "URL"]),
        (urls(2), {"engines": []}, ["no engine", "--engines"]),
        (urls(2), {"engines": ["asyncio", "asynco"]}, ["asynco", "asyncio"]),
        (urls(2), {"blocks": 5}, ["--blocks 5", "2 engines", "chance", "give 6 or more"]),
        (urls(2), {"blocks": 6, "engines": ["asyncio"] * 3}, ["--blocks 6", "3 engines", "give 7 or more"]),
        (urls(2), {"blocks": 0}, ["--blocks 0", "give 6 or more"]),
    ],
)
def test_what_could_show_nothing_is_refused_in_one_line(items, settings, words):
    with pytest.raises(UsageError) as refused:
        plan_of(*items, **settings)
    said = str(refused.value)
    assert "\n" not in said
    assert [word for word in words if word not in said] == []


def test_without_a_seed_one_is_drawn():
    assert len({plan_of(*urls(2), seed=None).seed for _ in range(5)}) == 5
    assert plan_of(*urls(2), seed=0).seed == 0


# Gate: the warm-up, then the list.


class Gated(Scripted):
    """A scripted engine that notes which rows of the list begin before the warm-up has ended."""

    def __init__(self, script, warm, heard, opened):
        super().__init__(script)
        self.warm, self.heard, self.opened = warm, heard, opened
        self.early = []

    def submit(self, request):
        watch(self, request)
        super().submit(request)


def watch(engine, request):
    done = {result.row for result in engine.heard}
    if request.row > engine.warm and not (engine.opened and set(range(1, engine.warm + 1)) <= done):
        engine.early.append(request.row)


def gated(items, warm, script=lambda _request: Answer(0.1), **settings):
    """The rows that were heard, when the gate opened, and the engine."""
    options = Options(concurrency=8, **settings)
    opened, heard = [], []
    rows = Rows(Ready(pieces(*items[:warm], *items)), options)
    engine = Gated(script, warm, heard, opened)
    _, feed = chain(Gate(rows, warm, lambda: opened.append(engine.now)), options)
    drive(feed, engine, options, Outbox([heard.extend], queued=False), engine.clock)
    return heard, opened, engine


def assert_gated(items, warm, heard, opened, engine):
    assert sorted(result.row for result in heard) == list(range(1, warm + len(items) + 1)), "nothing is lost"
    assert len(opened) == 1
    assert engine.early == []


WARMING = {
    "all well": (urls(30), lambda request: Answer(0.1 * (request.row % 7)), {}),
    "no URLs": ([Bad("x", "junk"), "ftp://h/", *urls(28)], lambda _request: Answer(0.1), {}),
    "no URL last": ([*urls(4), "http://a..b/", *urls(20)], lambda _request: Answer(0.1), {}),
    "all are no URLs": ([Bad("x", "junk")] * 30, lambda _request: Answer(0.1), {}),
    "failing": (urls(30), lambda _request: Answer(0.1, None, "connect_refused"), {}),
    "asked again": (
        urls(30),
        lambda request: Answer(0.1, 503 if request.tries < 3 and request.row < 6 else 200),
        {"retries": 3},
    ),
    "asked again later": (
        urls(30),
        lambda request: (
            Answer(0.1, 429, fields=(("Retry-After", "3"),)) if request.tries == 1 else Answer(0.1)
        ),
        {},
    ),
    "moved": (
        urls(30),
        lambda request: (
            Answer(0.1, 302, fields=(("Location", f"/to{request.row}"),)) if not request.hops else Answer(0.2)
        ),
        {},
    ),
    "late": (urls(30), lambda request: Answer(0.9 if request.row % 3 else 0.1, 503), {"deadline": 1.0}),
    "one at a time": (urls(30), lambda _request: Answer(0.1), {"per_host": 1}),
    "slowly": (urls(30), lambda _request: Answer(0.1), {"rate": 5.0}),
    "forbidden": (
        urls(30),
        lambda request: Answer(0.1, 500 if request.purpose == "robots" else 200),
        {"robots": True, "retries": 0},
    ),
}


@pytest.mark.parametrize("case", WARMING)
@pytest.mark.parametrize("warm", [1, 2, 5])
def test_nothing_of_the_list_begins_before_the_warm_up_has_ended(case, warm):
    items, script, settings = WARMING[case]
    assert_gated(items, warm, *gated(items, warm, script, **settings))


def test_the_gate_opens_with_the_last_answer_of_the_warm_up():
    heard, opened, engine = gated(urls(20), 5, lambda request: Answer(0.3 * request.row))
    assert opened == pytest.approx([1.5])
    assert engine.most == 8, "then the list has all slots"
    first = min(result.request.began for result in heard if result.row > 5)
    assert first == pytest.approx(1.5)


def test_the_warm_up_may_be_as_long_as_the_list():
    items = urls(6)
    assert_gated(items, 6, *gated(items, 6))


def test_nothing_may_follow_the_warm_up():
    options, opened = Options(), []
    feed = Gate(Rows(Ready(pieces(*urls(2))), options), 2, lambda: opened.append(True))
    first, second = feed.take(0.0), feed.take(0.0)
    assert feed.take(0.0).why == "warm-up"
    for request in (first, second):
        assert opened == []
        request.begin(0.0, options)
        feed.done(request.answer(1.0, status=200), 1.0)
    assert opened == [True]
    assert feed.take(1.0) is None


def test_what_the_inner_feed_swallows_has_not_been_answered():
    class Twice(Rows):
        """Asks everything once more, as a crawler's frontier may."""

        def __init__(self, *words):
            super().__init__(*words)
            self.again = True

        def done(self, result, now):
            self.again = not self.again
            return result if self.again else None

    opened = []
    feed = Gate(Twice(Ready(pieces(*urls(2))), Options()), 1, lambda: opened.append(True))
    request = feed.take(0.0)
    assert feed.done(request.answer(1.0, status=503), 1.0) is None
    assert opened == []
    assert feed.done(request.answer(2.0, status=200), 2.0) is not None
    assert opened == [True]


class GatedWorld(Watched):
    """A world of the loop's own tests, with a gate in it."""

    def submit(self, request):
        if request.purpose == "page":
            watch(self, request)
        super().submit(request)


@pytest.mark.parametrize("seed", range(60))
def test_the_gate_holds_in_random_worlds(seed):
    world = World(seed)
    world.options.unique = False  # as in every lap: the plan has settled it
    items = [item for item in world.items() if not isinstance(item, Skip)] or urls(1)
    warm = random.Random(seed).randint(1, len(items))
    opened, heard = [], []
    rows = Rows(Ready(pieces(*items[:warm], *items)), world.options)
    gate = Gate(rows, warm, lambda: opened.append(True))
    limits, feed = chain(gate, world.options)
    engine = GatedWorld(world, limits.hosts)
    engine.warm, engine.heard, engine.opened, engine.early = warm, heard, opened, []
    outbox = Outbox([heard.extend], queued=False)
    drive(Connections(feed), engine, world.options, outbox, engine.clock)
    assert_gated(items, warm, heard, opened, engine)


def test_connections_are_counted_where_one_was_made():
    script = [
        Answer(reused=False),
        Answer(reused=True),
        Answer(0.0, None, "dns_not_found"),
        Answer(0.0, None, "connect_refused"),
        Answer(0.0, None, "tls_expired"),
        Answer(0.0, None, "bad_header"),
        Answer(0.0, 404, reused=True),
    ]
    options = Options(concurrency=1, retries=0)
    rows = Rows(Ready(pieces(*urls(len(script)), Bad("x", "junk"))), options)
    engine = Scripted(lambda request: script[request.row - 1])
    feed = Connections(chain(rows, options)[1])
    drive(feed, engine, options, Outbox(queued=False), engine.clock)
    assert feed.opened == 3


# Parity.

ARMS = {
    "a": Arm("asyncio", "asyncio", 8),
    "t": Arm("threads", "threads", 8),
    "c": Arm("asyncio again", "asyncio", 8, control=True),
}


def record(**facts):
    good = {"ok": True, "status": 200, "error": None, "size": 10, "wire_size": 10, "redirects": []}
    return {"url": "http://h/", "final_url": "http://h/", "content_type": "text/html", **good, **facts}


def failed(kind):
    return record(ok=False, status=None, error=kind, size=None, wire_size=None)


GOOD, OTHER, THIRD = record(), record(size=1234, wire_size=1234), record(size=12, wire_size=12)
RESET = failed("reset")
BUSY = record(ok=False, status=503)


def parity(**said):
    """What each arm said of one URL in its laps, beside a URL on which all agree."""
    found = Parity()
    for name, records in said.items():
        for one in records:
            found.add(ARMS[name], [GOOD, one, GOOD])
    return found.judge()


def test_all_agree():
    assert parity(a=[GOOD] * 3, t=[GOOD] * 3, c=[GOOD] * 3) == ([], 0)
    assert parity(a=[RESET] * 3, t=[RESET] * 3, c=[RESET] * 3) == ([], 0)
    assert Parity().judge() == ([], 0)


def test_an_engine_that_always_says_something_else_is_shown_with_what_it_said():
    ((odd,), changing) = parity(a=[GOOD] * 3, t=[OTHER] * 3, c=[GOOD] * 3)
    assert changing == 0
    assert (odd.row, odd.url) == (2, "http://h/")
    assert odd.fields == {
        "size": {"10": ["asyncio", "asyncio again"], "1,234": ["threads"]},
        "wire_size": {"10": ["asyncio", "asyncio again"], "1,234": ["threads"]},
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ok", False),
        ("status", 404),
        ("error", "bad_framing"),
        ("final_url", "http://h/else"),
        ("size", None),
        ("wire_size", 0),
        ("content_type", None),
        ("encoding", "gzip"),
        ("redirects", [{"url": "http://h/", "status": 301}]),
        ("sha256", "ab" * 32),
    ],
)
def test_every_field_of_parity_counts(name, value):
    assert name in PARITY
    ((odd,), _) = parity(a=[GOOD] * 2, t=[record(**{name: value})] * 2, c=[GOOD] * 2)
    assert list(odd.fields) == [name]
    assert sorted(arm for arms in odd.fields[name].values() for arm in arms) == sorted(
        arm.name for arm in ARMS.values()
    )


def test_times_and_addresses_do_not_count():
    other = record(elapsed=9.0, ip="127.0.0.2", engine="threads", started="yesterday", row=99)
    assert parity(a=[GOOD] * 2, t=[other] * 2, c=[GOOD] * 2) == ([], 0)


def test_a_page_that_changes_for_all_changes_by_itself():
    assert parity(a=[GOOD, OTHER], t=[OTHER, GOOD], c=[THIRD, GOOD]) == ([], 1)
    # Every lap its own, as a page with the time in it.
    made = {arm: [record(size=10 * at + n) for n in range(3)] for at, arm in enumerate("atc")}
    assert parity(**made) == ([], 1)
    # Two engines have seen it; the control happened not to.
    assert parity(a=[GOOD, OTHER], t=[OTHER, GOOD], c=[GOOD, GOOD]) == ([], 1)


def test_an_engine_that_is_often_wrong_is_shown():
    often = [GOOD, OTHER] + [OTHER] * 8
    ((odd,), changing) = parity(a=[GOOD] * 10, t=often, c=[GOOD] * 10)
    assert changing == 0
    assert odd.fields["size"] == {"10": ["asyncio", "asyncio again"], "1,234 or 10": ["threads"]}
    # Once may have been chance: a page that changes seldom.
    assert parity(a=[GOOD] * 4, t=[GOOD, OTHER, GOOD, GOOD], c=[GOOD] * 4) == ([], 1)


def test_an_engine_that_is_wrong_now_and_then_on_many_urls_is_shown():
    one = Parity()
    for lap in range(4):
        for arm in ARMS.values():
            wrong = {lap, lap + 10} if arm.engine == "threads" else set()
            one.add(arm, [OTHER if row in wrong else GOOD for row in range(20)])
    odd, changing = one.judge()
    assert len(odd) == 8
    assert changing == 0


def test_an_engine_is_not_excused_by_its_own_control():
    often = [OTHER] * 9 + [GOOD]
    ((odd,), changing) = parity(a=often, t=[GOOD] * 10, c=often)
    assert changing == 0
    assert odd.fields["size"] == {"1,234 or 10": ["asyncio", "asyncio again"], "10": ["threads"]}


def test_of_one_engine_alone_nobody_can_say_who_changed():
    assert parity(a=[GOOD, OTHER], c=[OTHER, GOOD]) == ([], 1)
    # Each arm true to itself, and yet they differ: that is no page that changes.
    ((odd,), _) = parity(a=[GOOD] * 3, c=[OTHER] * 3)
    assert odd.fields["size"] == {"10": ["asyncio"], "1,234": ["asyncio again"]}


@pytest.mark.parametrize("passing", [RESET, BUSY, failed("read_timeout"), record(ok=False, status=429)])
def test_a_failure_that_has_passed_is_no_disagreement(passing):
    assert parity(a=[GOOD] * 3, t=[GOOD, passing, GOOD], c=[GOOD] * 3) == ([], 1)
    assert parity(a=[passing, GOOD], t=[GOOD, passing], c=[GOOD] * 2) == ([], 1)


@pytest.mark.parametrize("passing", [RESET, BUSY])
def test_a_failure_that_never_passes_in_one_engine_is_one(passing):
    ((odd,), changing) = parity(a=[GOOD] * 3, t=[passing] * 3, c=[GOOD] * 3)
    assert changing == 0
    assert odd.fields["ok"] == {"True": ["asyncio", "asyncio again"], "False": ["threads"]}


def test_a_failure_that_does_not_pass_by_itself_is_shown():
    often = [GOOD, *[failed("bad_framing")] * 9]
    ((odd,), _) = parity(a=[GOOD] * 10, t=often, c=[GOOD] * 10)
    assert odd.fields["error"] == {"-": ["asyncio", "asyncio again"], "- or bad_framing": ["threads"]}


# Bottleneck.

ALONE = 0.010  # seconds


def lap(wall=1.0, cpu=0.6, usual=ALONE, **facts):
    """A lap of 100 URLs whose answers took `usual` seconds."""
    elapsed = Histogram()
    elapsed.add(usual, 100)
    made = {
        "startup": 0.2, "warmup": 0.0, "server": None, "rss": 50_000_000, "connections": 8,
        "width": 8, "spent": {"slots": 0.3}, "urls": 100, "ok": 100, "wire": 10**6, "elapsed": elapsed,
        "statuses": {"200": 100}, **facts,
    }  # fmt: skip
    return Lap(wall=wall, cpu=cpu, **made)


def limit(alone=ALONE, **facts):
    return bottleneck([lap(**facts)] * 6, alone)


def test_a_client_that_used_a_whole_cpu_was_the_limit_itself():
    assert limit(cpu=0.9) == "client"
    assert limit(cpu=0.86, usual=1.0, server=1.0) == "client", (
        "both were busy: it cannot be told from the server"
    )
    assert limit(cpu=3.2) == "client"  # several processes


def test_a_server_that_used_a_whole_cpu_was_the_limit():
    assert limit(server=0.9) == "server"
    assert limit(server=0.7) == "answers"
    assert limit(cpu=0.84, server=0.9) == "server"


def test_a_server_is_judged_over_the_warm_up_too():
    assert limit(server=0.9, warmup=0.5) == "answers"  # 0.9 of 1.5 seconds


def test_answers_that_queue_while_the_client_is_idle_wait_for_the_server():
    assert limit(cpu=0.1, usual=10 * ALONE) == "server"
    assert limit(cpu=0.1, usual=1.5 * ALONE) == "answers"
    assert limit(cpu=0.6, usual=10 * ALONE) == "answers", "the client may have been late to look"
    assert limit(cpu=0.1, usual=10 * ALONE, alone=None) == "answers"


def test_a_limit_that_was_asked_for_is_no_server():
    assert limit(cpu=0.1, usual=10 * ALONE, spent={"limits": 0.6, "slots": 0.2}) == "limits"
    assert limit(cpu=0.1, spent={"limits": 0.4, "slots": 0.4}) == "answers"


def test_the_usual_lap_counts():
    slow = lap(cpu=0.95)
    assert bottleneck([lap()] * 4 + [slow] * 2, ALONE) == "answers"
    assert bottleneck([lap()] * 2 + [slow] * 4, ALONE) == "client"


def test_of_laps_that_are_mostly_start_nothing_is_said_of_the_server():
    assert limit(wall=0.09, cpu=0.01, usual=10 * ALONE, server=0.09) == "answers"
    assert limit(wall=0.09, cpu=0.09) == "client"
    assert limit(wall=0.11, cpu=0.01, usual=10 * ALONE) == "server"


def test_without_laps_and_without_work_there_is_no_limit_but_answers():
    assert bottleneck([], ALONE) == "answers"
    assert limit(cpu=0.0, urls=0, ok=0, elapsed=Histogram()) == "answers"


# Verdict and sentence.


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(inference, "RESAMPLES", 300)


def laps_of(walls, cpu=0.5, **facts):
    """A lap for each of these times; `cpu` is the share of one CPU that it used."""
    return [lap(wall, cpu * wall, **facts) for wall in walls]


def walls(factor=1.0, seed=0, count=10):
    chance = random.Random(seed)
    return [factor * math.exp(chance.gauss(0.0, 0.02)) for _ in range(count)]


def verdict(engines, said=None, again=None, alone=ALONE, blocks=10):
    """The judgement on these laps; the control's are like those of the first engine."""
    names = list(engines)
    plan = plan_of(*urls(100), engines=names, blocks=blocks)
    arms = [*engines.values(), again if again is not None else laps_of(walls(seed=99, count=blocks))]
    done = dict(zip(plan.arms, arms, strict=True))
    parity = said or Parity()
    if said is None:
        for arm in plan.arms:
            parity.add(arm, [GOOD] * 3)
    found = judged(plan, done, parity, alone)
    whole = json.dumps(found.record(), allow_nan=False)
    text = sentence(found)
    assert json.loads(whole)["sentence"] == text
    assert "\n" not in text
    assert "nan" not in text.lower().split()
    assert "inf" not in text.lower().split()
    return found, text


def test_the_faster_engine_is_named_and_how_much_faster_it_was(quick):
    found, text = verdict({"asyncio": laps_of(walls(1.0)), "threads": laps_of(walls(1.5, 1))})
    assert (found.verdict, found.fastest) == ("ok", "asyncio")
    assert text.startswith("for this list use -e asyncio: 1.5")
    assert " x (1." in text
    assert "threads" in text
    assert found.entries[1].time.ratio.low > 1.4


def test_the_order_of_the_words_does_not_matter(quick):
    again = laps_of(walls(3.2, 9))
    found, text = verdict({"threads": laps_of(walls(3.2)), "asyncio": laps_of(walls(1.0, 1))}, again=again)
    assert found.fastest == "asyncio"
    assert text.startswith("for this list use -e asyncio: 3.2 x (")
    assert " threads" in text
    assert found.record()["control"]["engine"] == "threads"


def test_against_several_the_usual_one_is_the_measure(quick):
    engines = {"asyncio": 2.0, "threads": 1.0, "processes": 1.5}
    made = {name: laps_of(walls(factor, at)) for at, (name, factor) in enumerate(engines.items())}
    found, text = verdict(made, again=laps_of(walls(2.0, 9)))
    assert [entry.arm.name for entry in found.entries] == ["threads", "processes", "asyncio"]
    assert text.startswith("for this list use -e threads: ")
    assert text.partition(" x (")[2].partition(") ")[2].startswith("asyncio")


def test_where_time_does_not_differ_the_cpu_decides(quick):
    engines = {"asyncio": laps_of(walls(1.0), cpu=0.8), "threads": laps_of(walls(1.0, 1), cpu=0.2)}
    found, text = verdict(engines)
    assert found.verdict == "ok"
    assert text.startswith("for this list use -e threads: as fast as asyncio, as far as can be told here")
    assert text.endswith(", at 1/4 of the CPU of asyncio")
    made = {**engines, "processes": laps_of(walls(2.0, 2))}
    assert verdict(made)[1].rpartition("; ")[2].startswith("2.0")


def test_where_nothing_differs_either_will_do(quick):
    found, text = verdict({"asyncio": laps_of(walls(1.0)), "threads": laps_of(walls(1.0, 1))})
    assert found.entries[1].time.same
    assert text.endswith(
        " take the same time and about the same CPU, as far as can be told here: take either"
    )
    assert {"asyncio", "threads"} <= set(text.split())
    three = {name: laps_of(walls(1.0, at)) for at, name in enumerate(("asyncio", "threads", "processes"))}
    assert verdict(three)[1].endswith(": take any")


def test_who_disagrees_is_not_ranked_whatever_else_is_wrong(quick):
    said = Parity()
    for arm in plan_of(*urls(3)).arms:
        said.add(arm, [GOOD, OTHER if arm.engine == "threads" else GOOD])
    slow = laps_of(walls(2.0), ok=0)  # the control differs, and nothing was ok
    engines = {"asyncio": laps_of(walls(1.0), ok=0), "threads": laps_of(walls(0.5, 1), ok=0)}
    found, text = verdict(engines, said, again=slow)
    assert (found.verdict, found.fastest) == ("disagree", None)
    assert text.startswith("not ranked: the engines disagree on 1 of 100 URLs")
    whole = found.record()
    assert whole["disagreeing"] == 1
    assert whole["disagree"][0]["fields"]["size"]["1,234"] == ["threads"]


def test_an_engine_that_differs_from_itself_makes_all_invalid(quick):
    engines = {"asyncio": laps_of(walls(1.0)), "threads": laps_of(walls(3.0, 1))}
    found, text = verdict(engines, again=laps_of(walls(1.3, 9)))
    assert (found.verdict, found.fastest) == ("invalid", None)
    assert text.startswith("not ranked: asyncio differs from itself by 3")
    assert "run it again" in text
    assert found.floor > 1.2


def test_in_six_blocks_too_an_engine_may_differ_from_itself(quick):
    engines = {"asyncio": laps_of(walls(1.0, count=6)), "threads": laps_of(walls(3.0, 1, 6))}
    found, _ = verdict(engines, again=laps_of(walls(1.3, 9, 6)), blocks=6)
    assert found.verdict == "invalid"


def test_what_the_control_shows_is_the_floor_of_noise(quick):
    # The control is 4 % off, but not in every block: nobody is 3 % faster here.
    again = laps_of([wall * (1.14 if at % 3 else 0.95) for at, wall in enumerate(walls(1.0))])
    engines = {"asyncio": laps_of(walls(1.0)), "threads": laps_of([one * 1.03 for one in walls(1.0)])}
    found, _ = verdict(engines, again=again)
    assert found.verdict == "ok"
    assert 1.03 < found.floor < 1.2
    assert found.entries[1].time.same
    steady, _ = verdict(engines, again=laps_of(walls(1.0)))
    assert not steady.entries[1].time.same
    assert steady.floor == pytest.approx(1.01)


def test_where_nothing_was_answered_well_nothing_is_ranked(quick):
    found, text = verdict({"asyncio": laps_of(walls(1.0), ok=0), "threads": laps_of(walls(2.0, 1), ok=0)})
    assert found.verdict == "invalid"
    assert text == "not ranked: not one URL was answered well"


def test_where_the_server_was_the_limit_the_cpu_ranks(quick):
    idle = {"usual": 10 * ALONE}
    engines = {
        "asyncio": laps_of(walls(1.0), cpu=0.4, **idle),
        "threads": laps_of(walls(1.0, 1), cpu=0.2, **idle),
        "processes": laps_of(walls(2.0, 2), cpu=0.3, **idle),
    }
    found, text = verdict(engines)
    assert (found.verdict, found.fastest) == ("server-bound", None)
    assert [entry.arm.name for entry in found.entries] == ["threads", "asyncio", "processes"]
    assert text.startswith("the server was the limit, at about 10")
    assert "; -e threads needs least CPU: " in text
    assert text.endswith(" us per URL, 1/2 of the CPU of asyncio")
    assert found.entries[0].cpu is None
    assert not found.entries[1].cpu.same


def test_at_the_server_nobody_needs_least_where_all_need_the_same(quick):
    idle = {"usual": 10 * ALONE}
    engines = {
        "asyncio": laps_of(walls(1.0), cpu=0.2, **idle),
        "threads": laps_of(walls(1.0, 1), cpu=0.2, **idle),
    }
    found, text = verdict(engines, again=engines["asyncio"])
    assert found.verdict == "server-bound"
    assert found.entries[1].cpu.same
    assert all(one["ratio"] is None for one in found.record()["engines"].values()), "time ranks nobody"
    assert text.endswith("take the same CPU, as far as can be told here: take either")
    assert {"asyncio", "threads"} <= set(text.split())
    engines["threads"] = laps_of(walls(1.0), cpu=0.19, **idle)  # surely less, and not much
    text = verdict(engines, again=engines["asyncio"])[1]
    assert "; -e threads needs least CPU: 1,8" in text
    assert " us per URL, asyncio 1,9" in text
    assert text.endswith(" us")


def test_a_server_that_dies_in_the_middle_ranks_nobody(quick):
    def dying(factor, seed):
        laps = laps_of(walls(factor, seed))
        for one in laps[6:]:
            one.ok = 0
        return laps

    found, text = verdict({"asyncio": dying(1.0, 0), "threads": dying(1.5, 1)}, again=dying(1.0, 2))
    assert found.verdict == "invalid"
    assert "only 0% of the answers were good, in others 100%" in text


def test_an_engine_does_not_win_by_failing(quick):
    engines = {"asyncio": laps_of(walls(0.5), ok=66), "threads": laps_of(walls(1.0, 1), ok=100)}
    found, text = verdict(engines)
    assert found.verdict == "disagree"
    assert text.startswith("not ranked: the engines disagree on how many answers are good (")
    assert "asyncio 66%" in text


def test_a_server_busy_by_its_own_count_is_the_limit(quick):
    engines = {"asyncio": laps_of(walls(1.0), server=1.0), "threads": laps_of(walls(2.0, 1), server=1.0)}
    assert verdict(engines)[0].verdict == "server-bound"


def test_one_engine_alone_is_measured_and_not_ranked(quick):
    found, text = verdict({"asyncio": laps_of(walls(1.0))})
    assert text == "asyncio alone was measured: name others with --engines"
    assert found.entries[0].time is None
    assert verdict({"asyncio": laps_of(walls(1.0), ok=0)})[1].startswith("not ranked: ")
    assert verdict({"asyncio": laps_of(walls(1.0), cpu=0.1, usual=1.0)})[1].startswith("asyncio alone")


def test_no_cpu_at_all_breaks_nothing(quick):
    found, text = verdict(
        {"asyncio": laps_of(walls(1.0), cpu=0.0), "threads": laps_of(walls(2.0, 1), cpu=0.0)}
    )
    assert text.startswith("for this list use -e asyncio: 2.0")
    assert found.entries[0].cpu_per_url.median > 0
    some, text = verdict({"asyncio": laps_of(walls(1.0), cpu=0.0), "threads": laps_of(walls(1.0, 1))})
    assert some.verdict == "ok"
    assert "-e asyncio" in text


def test_laps_without_a_url_break_nothing(quick):
    nothing = {"urls": 0, "ok": 0, "wire": 0, "elapsed": Histogram(), "statuses": {}}
    found, _ = verdict({"asyncio": laps_of(walls(1.0), **nothing), "threads": laps_of(walls(1.0), **nothing)})
    assert found.verdict == "invalid"
    verdict({"asyncio": laps_of(walls(1.0)), "threads": laps_of(walls(1.0), **nothing)})


def test_the_reader_is_told_what_makes_figures_doubtful(quick):
    short, _ = verdict({"asyncio": laps_of(walls(0.01)), "threads": laps_of(walls(1.0, 1))})
    assert any("asyncio took 10 ms" in one and "--repeat" in one for one in short.warnings)
    disturbed = walls(1.0)
    disturbed[3] *= 4
    odd, _ = verdict({"asyncio": laps_of(walls(1.0)), "threads": laps_of(disturbed)})
    assert any("a lap of threads took 4" in one and "no lap is left out" in one for one in odd.warnings)
    wide = plan_of(*urls(2)).arms[0].concurrency
    full = {"asyncio": laps_of(walls(1.0), width=wide), "threads": laps_of(walls(1.0, 1), width=1)}
    assert [one for one in verdict(full)[0].warnings if "ulimit" in one] == [
        "threads ran 1 at once: the limit of open files (ulimit -n)"
    ]


@pytest.mark.parametrize("seed", range(25))
def test_whatever_was_measured_there_is_one_sentence(seed, monkeypatch):
    monkeypatch.setattr(inference, "RESAMPLES", 50)
    chance = random.Random(seed)
    names = chance.sample(("sequential", "asyncio", "threads", "processes"), chance.randint(1, 4))

    def some():
        facts = {"usual": chance.choice((ALONE, 20 * ALONE)), "ok": chance.choice((0, 100, 100, 100))}
        facts["server"] = chance.choice((None, None, 0.0, 1.0))
        facts["spent"] = chance.choice(({}, {"limits": 0.9}))
        factor = chance.choice((0.001, 0.9, 1.0, 1.0, 1.05, 40.0))
        return laps_of(walls(factor, chance.random()), cpu=chance.choice((0.0, 0.1, 0.5, 0.9, 2.0)), **facts)

    engines = {name: some() for name in names}
    again = chance.choice((engines[names[0]], some()))
    found, text = verdict(engines, again=again, alone=chance.choice((None, ALONE)))
    assert found.verdict in ("ok", "server-bound", "invalid", "disagree")
    if "-e " in text:
        named = text.partition("-e ")[2].split()[0].rstrip(":,")
        entries = {entry.arm.name: entry for entry in found.entries}
        best = found.entries[0]
        if found.verdict == "server-bound":
            assert named == best.arm.name
        else:
            assert named == best.arm.name or entries[named].time.same


# The frozen list, the settings, and the process of a lap.


def test_the_frozen_list_comes_out_as_it_went_in(tmp_path):
    plan = plan_of(LOCAL + "/a", "http://127.0.0.1/ü?q=\udcff", Bad("x\ny", "junk"), "ftp://h/")
    listed = laps.write(plan, tmp_path)
    assert read(listed, (), Options()) == plan.pieces
    with_readers = read(listed, ("hash",), Options())
    assert [item.readers for _, item in with_readers if isinstance(item, Request)] == [("count", "hash")] * 3
    assert [item for _, item in with_readers if isinstance(item, Bad)] == [plan.pieces[2][1]]


def test_the_settings_come_out_as_they_went_in():
    options = Options(
        concurrency=7,
        per_host=3,
        method="POST",
        data=b"\x00\xff",
        header=(("X-A", "1"),),
        header_for=(("http://h", "X-B", "2"),),
        auth="a:b",
        headers=("etag",),
        resolve=(("h", 80, "127.0.0.1"),),
        deadline=2.5,
    )
    assert options_of(json.loads(json.dumps(laps.options_record(options)))) == options
    assert options_of(json.loads(json.dumps(laps.options_record(Options())))) == Options()


def task(folder, engine, items, warm=2, concurrency=4):
    plan = plan_of(*items)
    return {
        "engine": engine, "concurrency": concurrency, "list": str(laps.write(plan, folder)),
        "out": str(folder / "out.jsonl"), "warm": warm, "readers": (),
        "options": laps.options_record(Options()),
    }  # fmt: skip


def started(folder):
    return subprocess.Popen(
        [sys.executable, "-m", "fetcher.comparison"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
    )


def ended(child, given, close=False):
    """What it says to this task, as long as its stdin stays open."""
    with child.stdin, child.stdout, child.stderr:
        child.stdin.write(json.dumps(given).encode() + b"\n")
        child.stdin.flush()
        said, complaint = child.stdout.read(), child.stderr.read()
        return child.wait(10), said.decode(), complaint.decode()


@pytest.mark.parametrize("engine", ["sequential", "asyncio"])
def test_a_lap_gives_a_record_for_each_row_of_the_list_and_its_figures(site, tmp_path, engine):
    items = [*(f"{site}/bytes/{size}" for size in range(40)), f"{site}/status/404", Bad("x", "junk")]
    width = 1 if engine == "sequential" else 4
    given = task(tmp_path, engine, items, warm=5, concurrency=width)
    before = time.monotonic()
    code, said, complaint = ended(started(tmp_path), given)
    after = time.monotonic()
    assert (code, complaint) == (0, "")
    figures = json.loads(said)
    assert before < figures["first"] <= figures["ended"] < after
    assert before < figures["opened"] < figures["ended"]
    assert 0 < figures["opened_cpu"] <= figures["ended_cpu"]
    assert figures["width"] == width
    assert 1 <= figures["connections"] <= width
    assert "warm-up" not in figures["spent"]
    assert figures["rss"] > 5_000_000
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    # The warm-up's rows are not among them.
    assert sorted(one["row"] for one in records) == list(range(6, 6 + len(items)))
    records.sort(key=lambda one: one["row"])
    assert [one["size"] for one in records[:40]] == list(range(40))
    assert [one["status"] for one in records] == [200] * 40 + [404, None]
    assert records[-1]["error"] == "invalid_url"
    assert {one["engine"] for one in records[:-1]} == {engine}


def test_the_lap_room_runs_it_and_counts_what_came_of_it(site, tmp_path):
    items = [*(f"{site}/bytes/{size}" for size in range(30)), f"{site}/status/404", Bad("x", "junk")]
    plan = plan_of(*items)
    listed = laps.write(plan, tmp_path)
    one = laps.lap(plan, plan.arms[0], listed, Options(), site.pid)
    records = list(laps.answers(one))
    assert [record["url"] for record in records[:30]] == items[:30]
    assert (one.urls, one.ok) == (32, 30)
    assert one.errors == {"invalid_url": 1}
    assert one.statuses == {"200": 30, "404": 1}
    assert one.wire >= sum(range(30))
    assert one.elapsed.total == 32
    assert not one.out.exists()
    assert 0 < one.startup < 30
    assert 0 < one.wall < 30
    assert 0 < one.cpu < 30
    assert one.server is not None
    assert one.rss > 5_000_000


def test_a_lap_ends_when_its_stdin_does(tmp_path):
    with hanging() as server:
        child = started(tmp_path)
        with child.stdout, child.stderr:
            child.stdin.write(json.dumps(task(tmp_path, "asyncio", [server.url] * 4)).encode() + b"\n")
            child.stdin.flush()
            assert_busy(server)
            child.stdin.close()
            began = time.monotonic()
            child.wait(10)
            assert time.monotonic() - began < 2.0
            assert child.returncode == -signal.SIGTERM
            assert child.stdout.read() == b""


PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-m", "fetcher.comparison"], stdin=subprocess.PIPE)
child.stdin.write(sys.argv[1].encode() + b"\\n")
child.stdin.flush()
time.sleep(60)
"""


@pytest.mark.parametrize("engine", ["sequential", "asyncio", "processes"])
def test_a_lap_ends_when_its_parent_is_killed(tmp_path, engine):
    with hanging() as server:
        given = json.dumps(task(tmp_path, engine, [server.url] * 4))
        parent = subprocess.Popen([sys.executable, "-c", PARENT, given], stdout=subprocess.PIPE)
        with closing(parent.stdout) as pipe:
            try:
                assert_busy(server)
            finally:
                parent.kill()
                parent.wait()
            # All that it started holds the other end of this pipe.
            readable, _, _ = select.select([pipe], [], [], 2.0)
            assert readable, "the lap outlives its parent"
            assert os.read(pipe.fileno(), 100) == b""


def assert_busy(server):
    until = time.monotonic() + 20
    while not server.connections and time.monotonic() < until:
        time.sleep(0.01)
    assert server.connections


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"engine": "asynco"}, ["asynco", "asyncio"]),
        ({"options": {**laps.options_record(Options()), "timeout": 0}}, ["--timeout 0", "above 0"]),
    ],
)
def test_a_task_that_cannot_be_meant_is_refused_in_one_line(tmp_path, change, words):
    code, said, complaint = ended(started(tmp_path), {**task(tmp_path, "asyncio", urls(3)), **change})
    assert (code, said) == (2, "")
    assert complaint.endswith("\n")
    assert complaint.count("\n") == 1
    assert [word for word in words if word not in complaint] == []


def test_the_limits_of_the_plan_are_those_that_are_told():
    assert (plans.BLOCKS, plans.WARM, plans.PROBED, plans.PUBLIC) == (10, 64, 20, 100)
    assert plans.ALPHA == inference.ALPHA
