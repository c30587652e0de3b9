"""Random worlds for the loop: hosts with speeds, faults and redirects, answered in virtual time."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

from fetcher.drive import drive
from fetcher.engines._scripted import Answer, Scripted
from fetcher.feeds._hosts import Hosts
from fetcher.feeds.rows import Rows
from fetcher.model import Options, Request, Result
from fetcher.outbox import Outbox
from fetcher.pump import Ready
from fetcher.run import chain
from fetcher.sources import Bad, Skip

STATUSES = (200, 200, 200, 200, 404, 500, 503, 429)
ERRORS = (
    None,
    None,
    None,
    "no_response",
    "dns_not_found",
    "read_timeout",
    "truncated",
    "connect_refused",
    "reset",
)
ROBOTS = (b"", b"", b"User-agent: *\nDisallow: /7", b"User-agent: *\nCrawl-delay: 1")


class World:
    """A seeded script: what each attempt gets, and what was seen of the rules while it ran."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.per_host = self.random.choice((0, 1, 2, 8))
        self.options = Options(
            concurrency=self.random.choice((1, 3, 16, 64)),
            per_host=self.per_host,
            host_rate=self.random.choice((0.0, 0.0, 5.0)),
            rate=self.random.choice((0.0, 0.0, 20.0)),
            retries=self.random.choice((0, 1, 3)),
            max_redirects=self.random.choice((0, 2, 10)),
            deadline=self.random.choice((0.0, 0.0, 3.0)),
            timeout=5.0,
            unique=self.random.random() < 0.2,
            robots=self.random.random() < 0.3,
        )
        self.starts: dict[str, list[float]] = defaultdict(list)
        self.flying: Counter[str] = Counter()
        self.crowded: list[str] = []
        self.passed: dict[str, Counter[str]] = defaultdict(Counter)  # host -> who was served instead
        self.unfair: list[tuple[str, str]] = []
        self.owed = 0  # what Limits still waits for at the end
        self.overdue: list[tuple[int, float]] = []  # rows whose record came after their deadline

    def items(self) -> list[object]:
        """The list: URLs of few or many hosts, with blanks, comments, junk and duplicates among them."""
        hosts = self.random.choice((1, 3, 40))
        made: list[object] = []
        for n in range(self.random.randrange(120)):
            roll = self.random.random()
            if roll < 0.05:
                made.append(Skip(self.random.choice(("blank", "comment"))))
            elif roll < 0.1:
                made.append(
                    self.random.choice((Bad("x", "junk"), "ftp://h/x", "http://a..b/", "http://[::1/"))
                )
            else:
                made.append(f"http://h{self.random.randrange(hosts)}.test/{self.random.choice((n, 7))}")
        return made

    def script(self, request: Request) -> Answer:
        """One attempt's answer; redirects go anywhere, also in circles."""
        roll = self.random
        after = roll.choice((0.0, 0.01, 0.2, 1.0, 9.0))
        if roll.random() < 0.15:
            where = roll.choice(
                (
                    "/again",
                    f"http://h{roll.randrange(3)}.test/{roll.randrange(4)}",
                    "gopher://x/",
                    request.wire,
                )
            )
            return Answer(after, roll.choice((301, 302, 307)), fields=(("Location", where),))
        if roll.random() < 0.3:
            error = roll.choice(ERRORS)
            return Answer(after, None if error else 200, error, reused=roll.random() < 0.3)
        status = roll.choice(STATUSES)
        fields = (
            (("Retry-After", str(roll.choice((0, 1, 3, 90)))),)
            if status in (429, 503) and roll.random() < 0.5
            else ()
        )
        return Answer(after, status, size=roll.randrange(9), fields=fields)


class Watched(Scripted):
    """A scripted engine that counts, per host, what is in flight and when each attempt starts."""

    def __init__(self, world: World, hosts: Hosts) -> None:
        super().__init__(world.script, width=64)
        self.world = world
        self.hosts = hosts

    def submit(self, request: Request) -> None:
        world = self.world
        world.starts[request.host].append(self.now)
        world.flying[request.host] += 1
        if world.per_host and world.flying[request.host] > world.per_host:
            world.crowded.append(request.host)
        world.passed.pop(request.host, None)
        if request.attempts == 1 and not request.fresh:  # what has begun may go first
            self.pass_over(request.host)
        super().submit(request)

    def pass_over(self, served: str) -> None:
        """A host with something parked and a free slot may be passed over once by each other host."""
        passed = self.world.passed
        for name in list(passed):
            if name not in self.hosts.waiting:
                del passed[name]
        for name, host in self.hosts.waiting.items():
            if host.running >= host.limit or host.tat > self.now:
                passed.pop(name, None)
            elif name != served:
                passed[name][served] += 1
                if passed[name][served] > 1:
                    self.world.unfair.append((name, served))

    def hear(self, results: list[Result]) -> None:
        """Note which records come too late, unless for want of a slot."""
        for result in results:
            request = result.request
            full = self.most >= min(self.world.options.concurrency, self.width)
            if request is not None and request.deadline and not full and self.now > request.deadline + 0.2:
                self.world.overdue.append((result.row, self.now - request.deadline))

    def wait(self, timeout: float) -> list[Result]:
        results = super().wait(timeout)
        for result in results:
            assert result.request is not None
            self.world.flying[result.request.host] -= 1
            if result.request.purpose == "robots" and result.status == 200:
                result.found = {"text": self.world.random.choice(ROBOTS)}
        return results


def play(seed: int) -> tuple[World, list[object], list[Result], Rows, Watched]:
    """Run one world to its end."""
    world = World(seed)
    items = world.items()
    heard: list[Result] = []
    rows = Rows(Ready([("list", item) for item in items]), world.options)  # type: ignore[arg-type]
    limits, feed = chain(rows, world.options)
    engine = Watched(world, limits.hosts)
    drive(feed, engine, world.options, Outbox([heard.extend, engine.hear], queued=False), engine.clock)
    world.owed = limits._owed
    return world, items, heard, rows, engine
