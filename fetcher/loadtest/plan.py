"""What a load test will send: targets, model, rate and time, settled and checked before the first request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from fetcher import engines
from fetcher.addresses import local
from fetcher.descriptors import fit
from fetcher.errors import UsageError
from fetcher.feeds.arrivals import ORDERS
from fetcher.feeds.rows import Rows
from fetcher.handover import options_of, options_record, request_of, request_record
from fetcher.model import Options, Request
from fetcher.pump import Piece, Ready

TARGETS: Final = 1_000_000  # of a list that are kept
OPEN: Final = 1000  # at once in the open model: whoever waits for an answer must not hold up the schedule
SECONDS: Final = 10.0  # a test without a count or a time takes so long
LONGEST: Final = 24 * 3600.0
FASTEST: Final = 1_000_000.0


@dataclass(slots=True)
class Load:
    """What is asked for, beside Options. Every field has the name and the meaning of its `--option`."""

    count: int = 0  # requests in all; 0: as long as `duration`
    duration: float = 0.0  # seconds, the warm-up included; 0: as many as `count`, or 10 s
    rate: float = 0.0  # requests per second, of all workers; 0: the closed model
    poisson: bool = False
    stages: tuple[tuple[float, float], ...] = ()  # (seconds, rate)
    warmup: float = 0.0  # seconds that are not measured
    workers: int = 1
    order: str = "in-order"
    seed: int = 0
    follow: bool = False
    keep_alive: bool = True


@dataclass(slots=True)
class Plan:
    """A load test that can be run."""

    load: Load
    options: Options
    engine: str
    concurrency: int  # of each worker
    targets: list[Request] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether requests come by a schedule, or whenever a slot is free."""
        return bool(self.load.rate or self.load.stages)

    @property
    def seconds(self) -> float:
        """How long it takes at the most; 0: as long as its count takes."""
        return self.load.duration


def planned(pieces: Iterable[Piece], options: Options, load: Load, engine: str = "") -> Plan:
    """Check and complete it. Raises UsageError for what cannot be meant, or must not be done."""
    engine = (engine or _best()).lower()
    module = engines.pick(engine)
    if options.proxy or options.deny_private:
        raise UsageError("a load test goes to its servers itself: leave --proxy and --deny-private out")
    _check(load)
    load.duration = _lasts(load)
    if load.duration and load.warmup >= load.duration:
        raise UsageError(f"--warmup {load.warmup:g} leaves nothing of -d {load.duration:g} to be measured")
    load.workers = min(load.workers, load.count or load.workers)
    options.private_only = True
    options.max_redirects = (options.max_redirects or 10) if load.follow else 0
    targets = list(requests(pieces, options, load))
    is_open = bool(load.rate or load.stages)
    width = options.concurrency or (OPEN if is_open and module.CONCURRENCY > 1 else module.CONCURRENCY)
    each = max(-(-width // load.workers), 1)
    fitted, warning = fit(each, module.DESCRIPTORS)
    plan = Plan(load, options, engine, fitted, targets)
    if warning:
        plan.notes.append(warning)
    return plan


def _lasts(load: Load) -> float:
    """How many seconds it takes; 0: as long as its count does."""
    stages = sum(seconds for seconds, _ in load.stages)
    if stages:
        if load.duration > stages:
            raise UsageError(
                f"-d {load.duration:g}: the stages take {stages:g} s: give less, or leave it out"
            )
        return load.duration or stages
    return load.duration or (0.0 if load.count else SECONDS)


def _best() -> str:
    try:
        engines.pick("curl")
    except UsageError:
        return "asyncio"
    return "curl"


def _check(load: Load) -> None:
    for name in ("count", "workers"):
        value = getattr(load, name)
        if (
            isinstance(value, bool)
            or not isinstance(value, int)
            or not (name == "workers") <= value < 1 << 50
        ):
            raise UsageError(f"{name} {value!r}: give a whole number from {int(name == 'workers')} on")
    for name, most in (("duration", LONGEST), ("warmup", LONGEST), ("rate", FASTEST)):
        value = getattr(load, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
            raise UsageError(f"{name} {value!r}: give a number from 0 to {most:,.0f}")
    if load.rate and load.stages:
        raise UsageError("--rate and --stages exclude each other: the stages say the rate")
    if load.poisson and not (load.rate or load.stages):
        raise UsageError("--poisson goes with --rate R or --stages: which rate?")
    if any(not 0 <= rate <= FASTEST for _, rate in load.stages):
        raise UsageError(f"--stages: give rates from 0 to {FASTEST:,.0f}/s")
    if load.order not in ORDERS:
        raise UsageError(f"--order {load.order!r}: give {', '.join(ORDERS[:-1])} or {ORDERS[-1]}")
    if load.workers > 64:
        raise UsageError(f"--workers {load.workers}: give at most 64")


def requests(pieces: Iterable[Piece], options: Options, load: Load) -> list[Request]:
    """The targets as requests, ready to be copied. Raises UsageError for one that cannot be asked."""
    rows = Rows(Ready(pieces), options)
    found: list[Request] = []
    while (item := rows.take(0.0)) is not None:
        if not isinstance(item, Request):
            if getattr(item, "error", None):
                raise UsageError(f"{item.url}: {item.message}")  # type: ignore[union-attr]
            continue
        if len(found) == TARGETS:
            raise UsageError(f"over {TARGETS:,} targets: give fewer")
        if not load.keep_alive:
            item.headers = (*item.headers, ("Connection", "close"))
            item.fresh = True
        if item.login:
            raise UsageError(f"{item.url}: a target is a URL without a password: give --auth instead")
        _private(item, options)
        found.append(item)
    if not found:
        raise UsageError("no target: give a URL, as http://127.0.0.1:8000/, or a file of URLs")
    return found


def _private(request: Request, options: Options) -> None:
    """Refuse at once what is public by its text; what a name leads to is judged after each lookup."""
    host = request.host.rpartition(":")[0].strip("[]")
    if host in {name.lower().strip("[]") for name in options.allow}:
        return
    try:
        public = not local(host)
    except ValueError:
        return  # a name
    if public:
        raise UsageError(
            f"{request.url}: {host} is a public address, and a load test may do harm there: if the server is "
            f"yours, say so with --allow {host}"
        )


def task(plan: Plan, worker: int) -> dict[str, Any]:
    """What a worker is told, as JSON; it crosses by a pipe, for there are secrets among it."""
    load = asdict(plan.load)
    load["count"] = _share(plan.load.count, worker, plan.load.workers)
    return {
        "worker": worker,
        "engine": plan.engine,
        "concurrency": plan.concurrency,
        "targets": [request_record(target, plan.options) for target in plan.targets],
        "load": load,
        "options": options_record(replace(plan.options, save="")),
    }


def _share(count: int, worker: int, workers: int) -> int:
    return (count + workers - 1 - worker) // workers


def read(given: dict[str, Any]) -> tuple[list[Request], Load, Options]:
    """What `task` wrote down."""
    given["load"]["stages"] = tuple((seconds, rate) for seconds, rate in given["load"]["stages"])
    load, options = Load(**given["load"]), options_of(given["options"])
    return requests([("", request_of(target)) for target in given["targets"]], options, load), load, options
