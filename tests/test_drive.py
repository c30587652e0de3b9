"""The loop and the feeds in random worlds and virtual time: nothing lost, doubled, early or crowded."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from fetcher.drive import drive
from fetcher.engines._scripted import Answer, Scripted
from fetcher.feeds import Wait
from fetcher.feeds.rows import Rows
from fetcher.model import Options, Request, Result
from fetcher.outbox import Outbox
from fetcher.pump import Pump, Ready
from fetcher.run import chain
from fetcher.sources import Skip
from tests.worlds import play


def check(seed: int) -> None:
    world, items, heard, rows, engine = play(seed)
    note = f"seed {seed}"
    wanted = [item for item in items if not isinstance(item, Skip)]
    assert len(heard) + rows.skipped.get("duplicate", 0) == len(wanted), note
    assert sorted(result.row for result in heard) == list(range(1, len(heard) + 1)), note
    assert rows.lines == len(items), note
    assert engine.most <= world.options.concurrency, note
    assert not world.crowded, note
    assert not world.unfair, note
    assert not world.overdue, note
    assert not world.owed, note
    gap = 1 / world.options.host_rate if world.options.host_rate else 0.0
    for starts in world.starts.values():
        for earlier, later in itertools.pairwise(starts):
            assert later - earlier >= gap - 1e-6, note
    every = sorted(start for starts in world.starts.values() for start in starts)
    if world.options.rate and len(every) > 1:
        assert every[-1] - every[0] >= (len(every) - 1) / world.options.rate - 1e-6, note
    for result in heard:
        assert len(result.redirects) <= max(world.options.max_redirects, 0) + 1, note
        assert result.attempts <= (world.options.retries + 1) * (len(result.redirects) + 1), note
        assert result.elapsed >= 0, note
        assert result.error != "internal", note


@pytest.mark.parametrize("seed", range(100))
def test_random_worlds(seed: int) -> None:
    check(seed)


@pytest.mark.long
def test_many_random_worlds() -> None:
    for seed in range(100, 3000):
        check(seed)


def run(items: list[object], script, options: Options | None = None, **outbox):
    options = options or Options(concurrency=8)
    engine = Scripted(script)
    heard: list[Result] = []
    rows = Rows(Ready([("list", item) for item in items]), options)
    limits, feed = chain(rows, options)
    drive(feed, engine, options, Outbox([heard.extend], queued=False), engine.clock)
    return heard, engine, limits


def test_an_empty_list_ends_at_once() -> None:
    heard, engine, _ = run([], lambda _: Answer())
    assert heard == []
    assert engine.now == 0.0


def test_slow_rows_of_one_host_cost_the_others_nothing() -> None:
    """10,000 rows of a hanging host before 1,000 fast ones: these are done as if it were not there."""
    slow = [f"http://slow.test/{n}" for n in range(10_000)]
    fast = [f"http://h{n % 50}.test/{n}" for n in range(1_000)]

    def script(request: Request) -> Answer:
        return Answer(1e9) if request.host.startswith("slow") else Answer(0.05)

    options = Options(concurrency=64, retries=0, timeout=30)
    _, engine, _ = run(fast, script, options)
    undisturbed = engine.now
    heard: list[tuple[float, Result]] = []
    engine = Scripted(script)
    rows = Rows(Ready([("list", item) for item in slow + fast]), options)
    feed = chain(rows, options)[1]
    outbox = Outbox([lambda results: heard.extend((engine.now, r) for r in results)], queued=False)
    drive(feed, engine, options, outbox, engine.clock)
    last = max(at for at, result in heard if result.status == 200)
    assert len(heard) == 11_000
    assert last <= undisturbed * 1.25 + 0.2


def test_a_stale_connection_does_not_let_new_rows_pass_parked_ones() -> None:
    items = [f"http://big.test/{n}" for n in range(21)] + [f"http://h{n}.test/" for n in range(400)]
    stale: list[Request] = []

    def script(request: Request) -> Answer:
        if not stale:
            stale.append(request)
            return Answer(0.0, None, "reset", reused=True)
        return Answer(1.0)

    options = Options(concurrency=4, per_host=2)
    engine = Scripted(script)
    ends: list[float] = []
    rows = Rows(Ready([("list", item) for item in items]), options)
    outbox = Outbox(
        [lambda results: ends.extend(engine.now for r in results if "big" in r.url)], queued=False
    )
    drive(chain(rows, options)[1], engine, options, outbox, engine.clock)
    assert len(ends) == 21
    assert ends[-1] < 15


def timed(items: list[object], script, options: Options) -> list[tuple[float, Result]]:
    """Every result with the time when it was heard."""
    engine = Scripted(script)
    heard: list[tuple[float, Result]] = []
    rows = Rows(Ready([("list", item) for item in items]), options)
    outbox = Outbox([lambda results: heard.extend((engine.now, r) for r in results)], queued=False)
    drive(chain(rows, options)[1], engine, options, outbox, engine.clock)
    return heard


def test_the_deadline_holds_in_the_queue_of_a_host() -> None:
    """Hops lead from everywhere to one host that takes one request at a time."""

    def script(request: Request) -> Answer:
        if request.host.startswith("slow"):
            return Answer(2.9)
        return Answer(0.1, 302, fields=(("Location", f"http://slow.test/{request.row}"),))

    options = Options(concurrency=32, per_host=1, deadline=5.0)
    heard = timed([f"http://h{n}.test/" for n in range(8)], script, options)
    assert len(heard) == 8
    assert sum(result.ok for _, result in heard) == 1
    assert {result.error for _, result in heard} == {None, "deadline_exceeded"}
    assert all(at <= 5.2 and result.elapsed <= 5.2 for at, result in heard)


def test_the_deadline_holds_while_robots_is_waited_for() -> None:
    def script(request: Request) -> Answer:
        if request.purpose == "robots":
            return Answer(4.0 if request.host.startswith("slow") else 0.0, 404)
        if request.host.startswith("slow"):
            return Answer(0.1)
        return Answer(1.5, 302, fields=(("Location", "http://slow.test/"),))

    options = Options(concurrency=32, deadline=5.0, robots=True)
    ((at, result),) = timed(["http://a.test/"], script, options)
    assert (result.error, result.attempts) == ("deadline_exceeded", 1)
    assert "robots.txt of slow.test" in (result.message or "")
    assert 5.0 <= at <= 5.2


def test_the_deadline_holds_in_a_pause_that_another_answer_asked_for() -> None:
    def script(request: Request) -> Answer:
        if request.url.endswith("first"):
            return Answer(0.5, 503, fields=(("Retry-After", "20"),))
        if request.host.startswith("h"):
            return Answer(0.1, 302, fields=(("Location", "http://slow.test/"),))
        return Answer(3.0)

    items = ["http://slow.test/first", "http://h1.test/", "http://h2.test/"]
    heard = timed(items, script, Options(concurrency=32, per_host=1, deadline=5.0, retries=0))
    assert [(result.row, result.error) for _, result in heard] == [
        (1, None),
        (2, "deadline_exceeded"),
        (3, "deadline_exceeded"),
    ]
    assert all(at <= 5.2 for at, _ in heard)


def test_a_full_outbox_starts_nothing_new_but_serves_what_flies() -> None:
    options = Options(concurrency=4)
    engine = Scripted(lambda _: Answer(1.0))
    outbox = Outbox(queued=True, capacity=6)
    rows = Rows(Ready([("list", f"http://h/{n}") for n in range(100)]), options)
    thread = threading.Thread(
        target=drive, args=(chain(rows, options)[1], engine, options, outbox, engine.clock)
    )
    thread.start()
    until = time.monotonic() + 5
    while outbox.waiting < 6 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.1)
    assert outbox.waiting == 6
    assert rows.rows == 6
    got = []
    while thread.is_alive() or outbox.waiting:
        got += outbox.get(0.1)
    thread.join()
    assert sorted(result.row for result in got) == list(range(1, 101))


def test_stopping_drains_then_cancels_and_cancelled_rows_get_no_record() -> None:
    options = Options(concurrency=4)
    heard: list[Result] = []
    outbox = Outbox([heard.extend], queued=False)

    def script(request: Request) -> Answer:
        if request.row == 3:
            outbox.stop(0.0)
        return Answer(1e6)

    engine = Scripted(script)
    rows = Rows(Ready([("list", f"http://h/{n}") for n in range(100)]), options)
    options.timeout = 2e6
    drive(chain(rows, options)[1], engine, options, outbox, engine.clock)
    assert heard == []
    assert rows.rows <= 4


def test_a_million_bad_lines_do_not_hold_up_what_is_in_flight() -> None:
    turns = 0

    class Counting(Scripted):
        def wait(self, timeout: float) -> list[Result]:
            nonlocal turns
            turns += 1
            return super().wait(timeout)

    options = Options(concurrency=4)
    engine = Counting(lambda _: Answer(0.5))
    heard: list[Result] = []
    items = ["http://h/", *(["http://a..b/"] * 20_000)]
    feed = chain(Rows(Ready([("list", item) for item in items]), options), options)[1]
    drive(feed, engine, options, Outbox([heard.extend], queued=False), engine.clock)
    assert len(heard) == 20_001
    assert turns >= 20


def test_a_pump_reads_a_bounded_number_ahead_and_ends() -> None:
    taken = 0

    def source():
        nonlocal taken
        for n in range(10_000):
            taken += 1
            yield ("list", f"http://h/{n}")

    pump = Pump(source(), ahead=50)
    pump.start()
    time.sleep(0.1)
    assert taken <= 52
    got = 0
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if pump.next() is not None:
            got += 1
        elif pump.ended and not len(pump):
            break
    assert got == 10_000
    pump.close()


def test_rows_wait_for_a_slow_source_and_hear_its_end() -> None:
    gate = threading.Event()

    def source():
        yield ("fifo", "http://h/1")
        gate.wait(10)
        yield ("fifo", "http://h/2")

    pump = Pump(source())
    pump.start()
    rows = Rows(pump, Options(concurrency=4))
    time.sleep(0.05)
    assert isinstance(rows.take(0.0), Request)
    assert isinstance(rows.take(0.0), Wait)
    gate.set()
    until = time.monotonic() + 5
    while not isinstance(item := rows.take(0.0), Request) and time.monotonic() < until:
        time.sleep(0.01)
    assert isinstance(item, Request)
    assert item.row == 2
