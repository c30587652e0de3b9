"""How much at once and how fast, in virtual time: never early, never too many, nothing lost."""

from __future__ import annotations

import heapq
import random
import time
from collections import Counter, defaultdict, deque
from dataclasses import replace

import pytest

from fetcher.feeds import Wait
from fetcher.feeds.limits import Limits
from fetcher.feeds.retry import Retry
from fetcher.model import Options, Request

TICK = 0.1


class Listed:
    """The innermost feed: these items, then nothing; counts what it gave and heard."""

    def __init__(self, items):
        self.items = iter(items)
        self.asked = 0
        self.heard = []
        self.again = deque()

    def take(self, now):
        if self.again:
            return self.again.popleft()
        self.asked += 1
        return next(self.items, None)

    def late(self, now):
        return None

    def done(self, result, now):
        self.heard.append(result)
        return result


def at(host, row=0):
    return Request(f"http://{host}/{row}", row=row, host=host if ":" in host else f"{host}:80")


class Sim:
    """A loop and an engine in virtual time; `answer(request, now)` is (seconds, facts of the result)."""

    def __init__(self, feed, answer, slots=64):
        self.feed, self.answer, self.slots = feed, answer, slots
        self.now = 0.0
        self.starts = defaultdict(list)
        self.running = Counter()
        self.most = Counter()
        self.heard = []
        self.turns = 0

    def run(self, until=1e12):
        flying, count = [], 0
        while self.now < until:
            self.turns += 1
            pause, idle = TICK, False
            while len(flying) < self.slots:
                item = self.feed.take(self.now)
                if isinstance(item, Request):
                    item.begin(self.now, self.feed.options)
                    self.starts[item.host].append(self.now)
                    self.running[item.host] += 1
                    self.most[item.host] = max(self.most[item.host], self.running[item.host])
                    seconds, facts = self.answer(item, self.now)
                    count += 1
                    heapq.heappush(flying, (self.now + seconds, count, item, facts))
                elif item is None:
                    idle = True
                    break
                elif isinstance(item, Wait):
                    pause = item.seconds
                    break
                else:
                    self.heard.append((self.now, item))
            if idle and not flying:
                return self
            ends = self.now + max(pause, 1e-4)
            self.now = min(ends, flying[0][0]) if flying and not idle else flying[0][0] if idle else ends
            while flying and flying[0][0] <= self.now:
                _, _, request, facts = heapq.heappop(flying)
                self.running[request.host] -= 1
                heard = self.feed.done(request.answer(self.now, **facts), self.now)
                if heard is not None:
                    self.heard.append((self.now, heard))
        return self

    def rows(self):
        return sorted(result.row for _, result in self.heard)


def fast(request, now):
    return 0.01, {"status": 200}


def limits(items, ahead=20_000, wall=lambda: 0.0, **options):
    return Limits(Listed(items), Options(**options), ahead=ahead, wall=wall)


def test_eight_per_host_by_default():
    sim = Sim(limits(at("a", n) for n in range(100)), fast).run()
    assert sim.most["a:80"] == 8
    assert sim.rows() == list(range(100))


@pytest.mark.parametrize(
    ("host", "per_host", "most"),
    [
        ("127.0.0.1:8000", None, 64),
        ("localhost:8000", None, 64),
        ("[::1]:8000", None, 64),
        ("127.0.0.1:8000", 3, 3),
        ("a", 0, 64),
        ("a", 1, 1),
        ("a", 500, 64),
    ],
)
def test_per_host(host, per_host, most):
    sim = Sim(limits((at(host, n) for n in range(200)), per_host=per_host), fast).run()
    assert list(sim.most.values()) == [most]


def test_a_port_is_a_host_of_its_own():
    sim = Sim(limits((at(f"a:{80 + n % 2}", n) for n in range(100)), per_host=4), fast).run()
    assert sim.most == {"a:80": 4, "a:81": 4}


def paused(hosts, each, **options):
    """A feed in which so many requests of each host are parked, and may all start from 1 s on."""
    feed = limits((at(host, n) for host in hosts for n in range(each)), **options)
    for host in hosts:
        feed.pause(f"{host}:80", 1.0, 0.0)
    while feed.take(0.0) == Wait(0.0):
        pass
    assert feed.hosts.parked == len(hosts) * each
    return feed


def test_hosts_take_turns():
    feed = paused("abc", 100)
    order = "".join(feed.take(1.0).host[0] for _ in range(24))
    assert order == "abc" * 8
    assert feed.take(1.0) is None


def test_a_hop_does_not_wait_behind_hosts_that_have_not_begun():
    feed = paused([f"h{n}" for n in range(300)], 2)
    hop = at("elsewhere", 7)

    def swallowed(result, now):
        hop.owed, hop.began = result.request.owed, 1.0  # as dataclasses.replace would
        feed.inner.again.append(hop)

    feed._done = swallowed
    feed.done(feed.take(1.0).answer(1.0, status=302), 1.0)
    assert feed.take(1.0) is hop
    assert feed.take(1.0).began < 0


def test_a_hanging_host_before_the_others_costs_them_nothing():
    def answer(request, now):
        return (1000.0, {"error": "read_timeout"}) if request.host == "slow:80" else (0.05, {"status": 200})

    alone = Sim(limits(at(f"h{n % 50}", n) for n in range(1000)), answer, slots=56).run()
    rows = [at("slow", n) for n in range(10_000)] + [at(f"h{n % 50}", 10_000 + n) for n in range(1000)]
    began = time.monotonic()
    both = Sim(limits(rows), answer).run(until=alone.now + 1.0)
    assert time.monotonic() - began < 20
    fast_ones = [now for now, result in both.heard if result.row >= 10_000]
    assert len(fast_ones) == 1000
    assert max(fast_ones) <= alone.now + 0.01
    assert both.most["slow:80"] == 8


def test_a_window_full_of_waiting_hosts_stops_reading_and_says_so():
    feed = limits((at("a" if n % 3 else "b", n) for n in range(100_000)), ahead=500)
    Sim(feed, lambda request, now: (10.0, {"status": 200})).run(until=15.0)
    assert feed.inner.asked <= 500 + 3 * 16
    assert feed.hosts.parked == 500
    assert [name for name, _ in feed.full] == ["a:80", "b:80"]
    assert feed.full[0][1] > feed.full[1][1]
    assert not limits([]).full


def test_one_take_reads_a_bounded_number():
    feed = limits(at("a", n) for n in range(100_000))
    for _ in range(8):
        assert isinstance(feed.take(0.0), Request)
    asked = feed.inner.asked
    assert feed.take(0.0) == Wait(0.0)
    assert feed.inner.asked - asked == 1000


@pytest.mark.parametrize("rate", [0.5, 5.0, 50.0, 5000.0])
def test_the_rate_of_the_whole_run(rate):
    count = min(int(rate * 20), 3000)
    sim = Sim(limits((at(f"h{n % 7}", n) for n in range(count)), rate=rate, per_host=0), fast).run()
    starts = sorted(start for host in sim.starts.values() for start in host)
    check_rate(starts, rate)
    ideal = (count - 1) / rate
    assert ideal - 1e-6 <= starts[-1] <= ideal * 1.05 + TICK
    assert sim.now <= starts[-1] + 0.02, "waits for a rate with nothing left to start"


def check_rate(starts, rate):
    """GCRA: never ahead of the schedule by more than what a fast one may catch up."""
    slack = 0.1 if 1 / rate < 0.1 else 0.0
    for n in range(1, len(starts)):
        for m in (n - 1, max(n - 10, 0), 0):
            assert starts[n] - starts[m] >= (n - m) / rate - slack - 1e-9


def test_the_rate_of_each_host():
    sim = Sim(limits((at(f"h{n % 3}", n) for n in range(60)), host_rate=2.0), fast).run()
    for starts in sim.starts.values():
        check_rate(starts, 2.0)
        assert starts[-1] < 9.5 + TICK
    assert sim.now < 10


def test_a_delay_told_later_outlives_an_idle_host():
    feed = limits([at("a", 1)], host_rate=0.0)
    feed.set_delay("a:80", 5.0)
    Sim(feed, fast).run()
    assert feed.hosts.delays == {"a:80": 5.0}
    feed.inner.items = iter([at("a", 2), at("a", 3), at("b", 4)])
    sim = Sim(feed, fast)
    sim.now = 100.0
    sim.run()
    first, second = sim.starts["a:80"]
    assert second - first >= 5.0
    assert sim.starts["b:80"][0] == 100.0
    assert feed.blocked_by()[:2] == ("crawl-delay", "a:80")


def retrying(items, wall=lambda: 0.0, **options):
    inner = Listed(items)
    wanted = Options(**options)
    return Limits(Retry(inner, wanted, random.Random(3), wall), wanted, wall=wall), inner


def test_a_short_retry_after_holds_the_whole_host_back_and_nobody_else():
    def answer(request, now):
        if request.host == "a:80" and now < 20.0:
            return 0.01, {"status": 429, "fields": (("Retry-After", "20"),)}
        return 0.01, {"status": 200}

    feed, inner = retrying([at("a", n) for n in range(50)] + [at("b", 50 + n) for n in range(50)])
    sim = Sim(feed, answer).run()
    assert sim.rows() == list(range(100))
    assert all(result.status == 200 for _, result in sim.heard)
    assert not [start for start in sim.starts["a:80"] if 0.011 < start < 20.0]
    assert len([start for start in sim.starts["a:80"] if start < 1]) == 8
    assert max(sim.starts["b:80"]) < 1.0
    assert feed.blocked_by()[:2] == ("retry-after", "a:80")
    assert len(inner.heard) == 100


def test_a_long_retry_after_ends_the_hosts_other_rows():
    closed = []

    def answer(request, now):
        if request.host != "a:80":
            return 0.3, {"status": 200}
        closed.append(now)
        return 0.01, {"status": 503, "fields": (("Retry-After", "3600"),)}

    items = [at("a", n) if n % 2 else at("b", n) for n in range(400)]
    feed, inner = retrying(items, per_host=4)
    sim = Sim(feed, answer, slots=8).run()
    assert sim.rows() == list(range(400))
    mine = [result for _, result in sim.heard if result.url.startswith("http://a/")]
    assert Counter(result.error for result in mine) == {"host_backoff": 196, None: 4}
    assert {result.status for result in mine if result.error is None} == {503}
    assert all(result.attempts == 0 and result.elapsed == 0 for result in mine if result.error)
    assert all("Retry-After" in result.message for result in mine if result.error)
    assert len(closed) == 4
    assert len(inner.heard) == 400, "the inner feed hears of each once"
    assert feed.hosts.parked == 0


def test_a_closed_host_opens_again():
    feed, _ = retrying([at("a", 1)])
    Sim(feed, lambda request, now: (0.01, {"status": 503, "fields": (("Retry-After", "90"),)})).run()
    feed.inner.inner.items = iter([at("a", 2)])
    sim = Sim(feed, fast)
    sim.now = 80.0
    assert sim.run().heard[0][1].error == "host_backoff"
    feed.inner.inner.items = iter([at("a", 3)])
    sim = Sim(feed, fast)
    sim.now = 95.0
    assert sim.run().heard[0][1].status == 200


def test_a_robots_request_of_a_closed_host_is_no_record():
    class Asking(Listed):
        def done(self, result, now):
            self.heard.append(result)
            return None if result.request.purpose == "robots" else result

    inner = Asking([at("a", 1), Wait(0.05), Request("x", host="a:80", purpose="robots"), at("b", 2)])
    feed = Limits(inner, Options(), wall=lambda: 0.0)

    def answer(request, now):
        return 0.01, {"status": 503, "fields": (("Retry-After", "90"),)}

    sim = Sim(feed, answer).run()
    assert sim.rows() == [1, 2]
    assert sorted(str(result.error) for result in inner.heard) == ["None", "None", "host_backoff"]


def test_what_has_begun_goes_before_what_has_not():
    inner = Listed(at("a", n) for n in range(1000))
    feed = Limits(inner, Options(per_host=2), ahead=100)
    hops = []

    def answer(request, now):
        return 0.01, {"status": 200}

    sim = Sim(feed, answer)
    done = feed._done

    def swallow(result, now):
        request = result.request
        if request.row % 10 == 0 and not request.hops:
            inner.again.append(replace(request, hops=(("x", 302),)))
            return None
        return done(result, now)

    feed._done = swallow
    sim.run()
    assert sim.rows() == list(range(1000))
    hops = [result for _, result in sim.heard if result.redirects]
    assert len(hops) == 100
    assert max(result.elapsed for result in hops) < 0.1, "a hop waited behind rows that had not begun"


def test_what_cannot_start_before_its_deadline_is_answered():
    late = at("a", 1)
    late.began, late.deadline, late.attempts = 0.0, 5.0, 1
    feed = limits([late, at("a", 2)])
    feed.pause("a:80", 10.0, 0.0)
    answer = feed.take(1.0)
    assert (answer.row, answer.error, answer.elapsed) == (1, "deadline_exceeded", 1.0)
    assert isinstance(feed.take(1.0), Wait)
    assert feed.take(10.0).row == 2


def test_what_is_parked_is_answered_at_its_deadline_and_begun_ones_keep_their_order():
    begun = [replace(at("a", n), began=0.0, deadline=20.0 if n % 2 else 5.0, attempts=1) for n in range(6)]
    feed = limits([at("a", 9), at("a", 10), *begun], per_host=1, deadline=20.0)
    first = feed.take(0.0)
    first.begin(0.0, Options())
    assert feed.take(0.0) == Wait(5.0), "until the first deadline"
    assert [feed.take(5.0).row for _ in range(3)] == [0, 2, 4]
    order = []
    for _ in range(4):
        feed.done(first.answer(6.0, status=200), 6.0)
        first = feed.take(6.0)
        order.append(first.row)
    assert order == [1, 3, 5, 10]
    assert not feed.hosts.waiting
    assert feed.hosts.dated.next() is None


def test_a_retry_after_a_stale_connection_has_begun_though_it_counts_no_attempt():
    stale = replace(at("a", 7), began=0.0, fresh=True)
    feed = limits([at("a", 1), at("a", 2), stale])
    feed.pause("a:80", 1.0, 0.0)
    assert isinstance(feed.take(0.0), Wait)
    assert [feed.take(1.0).row for _ in range(3)] == [7, 1, 2]


def test_a_long_pause_before_a_retry_does_not_let_new_rows_pass_parked_ones():
    order = []

    def answer(request, now):
        order.append(request.host[0])
        if len(order) == 1:
            return 0.01, {"status": 503, "fields": (("Retry-After", "30"),)}
        return 1.0, {"status": 200}

    items = [at("z", 0), *(at("a", n) for n in range(1, 11)), *(at(f"h{n}", 20 + n) for n in range(200))]
    feed, _ = retrying(items, per_host=1)
    sim = Sim(feed, answer, slots=3).run()
    assert len(sim.rows()) == 211
    assert "".join(order[:40]).count("a") == 10


def test_answers_and_waits_of_the_inner_feed_pass():
    refused = at("a", 1).answer(0.0, "invalid_url")
    feed = limits([refused, Wait(0.02), at("a", 2), None])
    assert feed.take(0.0) is refused
    assert feed.take(0.0) == Wait(0.02)
    assert feed.take(0.0).row == 2
    assert feed.take(0.0) is None


def test_blocked_by_names_the_reason_the_host_and_the_seconds():
    feed = limits([at("a", n) for n in range(80)], per_host=2)
    sim = Sim(feed, lambda request, now: (0.5, {"status": 200})).run()
    reason, host, seconds = feed.blocked_by()
    assert (reason, host) == ("per-host", "a:80")
    assert sim.now - 1.1 < seconds <= sim.now
    assert limits([]).blocked_by() is None
    free = limits([at(f"h{n}", n) for n in range(80)])
    Sim(free, fast).run()
    assert free.blocked_by() is None
    slow = limits([at(f"h{n}", n) for n in range(8)], rate=2.0)
    Sim(slow, fast).run()
    assert slow.blocked_by()[:2] == ("rate", "")
    assert 2.5 < slow.blocked_by()[2] < 3.6


def test_idle_hosts_are_forgotten():
    feed = limits(at(f"h{n}", n) for n in range(20_000))
    Sim(feed, fast).run()
    assert len(feed.hosts.entries) == 0
    feed = limits((at(f"h{n}", n) for n in range(20_000)), host_rate=100.0)
    sim = Sim(feed, fast).run()
    assert len(feed.hosts.entries) <= 2048
    assert sim.rows() == list(range(20_000))


def test_many_hosts_cost_no_more_than_few():
    def seconds(hosts):
        items = [at(f"h{n % hosts}", n) for n in range(30_000)]
        feed = limits(items, host_rate=1000.0)
        began = time.process_time()
        Sim(feed, fast).run()
        return time.process_time() - began

    assert seconds(30_000) < 4 * seconds(100) + 1.0


@pytest.mark.parametrize("seed", range(60))
def test_random_worlds(seed):
    rng = random.Random(seed)
    hosts = [f"h{n}" for n in range(rng.choice([1, 3, 40]))]
    per_host = rng.choice([0, 1, 2, 8])
    options = Options(
        per_host=per_host,
        host_rate=rng.choice([0.0, 0.0, 1.0, 20.0]),
        rate=rng.choice([0.0, 0.0, 5.0, 200.0]),
        retries=rng.choice([0, 1, 3]),
        deadline=rng.choice([0.0, 0.0, 5.0]),
    )
    count = rng.choice([1, 30, 150])
    bad = {n for n in range(count) if rng.random() < 0.1}
    inner = Listed(
        at("x", n).answer(0.0, "invalid_url") if n in bad else at(rng.choice(hosts), n) for n in range(count)
    )
    ahead = rng.choice([1, 10, 20_000])
    feed = Limits(Retry(inner, options, rng, lambda: 0.0), options, ahead=ahead, wall=lambda: 0.0)
    quiet = defaultdict(float)

    def answer(request, now):
        assert now >= quiet[request.host] - 1e-9, "asked although the host wanted a pause"
        roll = rng.random()
        seconds = rng.choice([0.001, 0.05, 1.0, 7.0])
        if roll < 0.1:
            pause = rng.choice([0, 1, 7, 59, 61, 1000])
            pauses.append((now + seconds, request.host, now + seconds + pause))
            return seconds, {"status": rng.choice([429, 503]), "fields": (("Retry-After", str(pause)),)}
        if roll < 0.3:
            return seconds, {"error": rng.choice(["reset", "dns_not_found", "read_timeout"])}
        return seconds, {"status": rng.choice([200, 404, 500])}

    pauses = []
    sim = Sim(feed, answer, slots=rng.choice([1, 7, 64]))
    done = feed.done

    def watched(result, now):
        for when, host, until in pauses:
            if when <= now:
                quiet[host] = max(quiet[host], until)
        return done(result, now)

    feed.done = watched
    sim.run()
    assert sim.rows() == list(range(count))
    assert len(inner.heard) + len(bad) == count
    assert not feed.hosts.parked
    assert not feed.hosts.waiting
    assert all(most <= (per_host or 64) for most in sim.most.values())
    for starts in sim.starts.values():
        if options.host_rate:
            check_rate(starts, options.host_rate)
    if options.rate:
        check_rate(sorted(start for starts in sim.starts.values() for start in starts), options.rate)
