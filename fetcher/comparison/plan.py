"""Who runs when, over which list, and what each host will get of it: decided before the first request."""

from __future__ import annotations

import random
import socket
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from fetcher import urls
from fetcher.comparison.arms import PLAIN, arms_of
from fetcher.comparison.arms import Arm as Arm
from fetcher.errors import UsageError
from fetcher.feeds.rows import Rows
from fetcher.model import Options, Request
from fetcher.pump import Piece, Ready
from fetcher.resolve import private
from fetcher.sources import Skip

BLOCKS: Final = 10
WARM: Final = 64  # URLs of a warm-up, at most
PROBED: Final = 20  # URLs that are asked beforehand, one after the other
EACH: Final = 8  # requests at once to a host that is not this machine, if nobody says
PUBLIC: Final = 100  # requests that a public host gets without --yes
LOOKUPS: Final = 32  # at once
SPAWN: Final = 8  # URLs of a warm-up, at least: workers are started by them
ALPHA: Final = 0.05


@dataclass
class Plan:
    """The whole comparison before it begins."""

    arms: list[Arm]
    pieces: list[Piece]  # the frozen list
    blocks: int = BLOCKS
    seed: int = 0
    warm: int = 0
    readers: tuple[str, ...] = ()  # what else is made of each body; () : what the options say
    hosts: Counter[str] = field(default_factory=Counter)  # host -> requests for the list once
    retries: int = 0  # further attempts that each may take
    sample: tuple[int, ...] = ()  # rows, from 1, that are asked beforehand

    @property
    def laps(self) -> int:
        """How many processes will have run the list."""
        return len(self.arms) * self.blocks

    @property
    def requests(self) -> int:
        """How many there will be, warm-ups and the probe included, if none is redirected or tried again."""
        return self.laps * (len(self.pieces) + self.warm) + self.probed

    @property
    def probed(self) -> int:
        """How many requests the probe makes."""
        return 1 + min(len(self.pieces), PROBED)

    def most(self) -> tuple[str, int]:
        """The host that gets most, and how many requests at most, retries included; redirects are not."""
        host, count = self.hosts.most_common(1)[0] if self.hosts else ("", 0)
        return host, self._gets(count)

    def beyond(self, limit: int = PUBLIC, *, options: Options) -> list[tuple[str, int]]:
        """Public hosts that would get more requests than this, and how many: names are looked up for it."""
        gets = [(host, self._gets(count)) for host, count in self.hosts.most_common()]
        many = [(host, count) for host, count in gets if count > limit]
        with ThreadPoolExecutor(LOOKUPS) as pool:
            local = pool.map(lambda one: is_local(one[0], options), many)
            return [one for one, is_ours in zip(many, local, strict=True) if not is_ours]

    def limits(self, options: Options) -> list[str]:
        """What holds every arm back alike, in words: limits per host, and rates that were asked for."""
        most = EACH if options.per_host is None else options.per_host
        held = [host for host in self.hosts if options.per_host is not None or not urls.is_loopback(host)]
        others = f" and {len(held) - 1:,} more" if len(held) > 1 else ""
        said = [f"at most {most} at once to {held[0]}{others} (--per-host)"] if held and most else []
        said += [f"at most {options.rate:g} requests a second in all (--rate)" if options.rate else ""]
        said += [
            f"at most {options.host_rate:g} a second per host (--host-rate)" if options.host_rate else ""
        ]
        return [words for words in said if words]

    def order(self, rng: random.Random) -> list[list[Arm]]:
        """For each block the arms in their order.

        Each arm stands at each place, and after each other arm, about equally often: squares of Williams
        (Australian J. Sci. Res. A 2, 1949), the arms drawn anew for each.
        """
        rows: list[list[Arm]] = []
        while len(rows) < self.blocks:
            rows += _square(rng.sample(self.arms, len(self.arms)), rng)
        return rows[: self.blocks]

    def _gets(self, count: int) -> int:
        asked = self.laps * (count + min(self.warm, count)) + min(self.probed, 1 + count)
        return asked * (1 + self.retries)


def planned(
    pieces: Iterable[Piece],
    names: Sequence[str],
    options: Options,
    *,
    blocks: int = BLOCKS,
    seed: int | None = None,
    repeat: int = 1,
    readers: tuple[str, ...] = (),
    most: int = 0,
) -> Plan:
    """The plan for these items. Raises UsageError for one that could show nothing.

    `most`: an engine's concurrency is at most so many times what it takes by itself; 0: no such limit.
    """
    frozen = [piece for piece in pieces if not isinstance(piece[1], Skip)]
    if not frozen:
        raise UsageError("nothing to compare: the input has no URL")
    arms = arms_of(names, options, most)
    _check_plain(names, options)
    least = least_blocks(len(names))
    if blocks < least:
        raise UsageError(
            f"--blocks {blocks}: in fewer than {least} blocks no difference between "
            f"{max(len(names), 2)} engines can be told from chance: give {least} or more"
        )
    frozen, hosts, failed = _kept(frozen, options)
    if failed == len(frozen):
        raise UsageError("nothing to compare: no line of the input is a URL that can be asked")
    frozen = frozen * repeat
    hosts = Counter({host: count * repeat for host, count in hosts.items()})
    seed = random.SystemRandom().randrange(1 << 31) if seed is None else seed
    warm = min(max(len(frozen) // 10, SPAWN), WARM, len(frozen))
    rows = random.Random(seed).sample(range(1, len(frozen) + 1), min(PROBED, len(frozen)))  # noqa: S311
    return Plan(arms, frozen, blocks, seed, warm, readers, hosts, options.retries, tuple(sorted(rows)))


def least_blocks(count: int) -> int:
    """How many blocks an exact test needs to find anything between so many engines.

    Its smallest p is 2 / 2 ** blocks (every sign flipped, or none), and Holm asks the first of `count` - 1
    comparisons for 0.05 / (`count` - 1).
    """
    blocks = 1
    while 2 / 2**blocks > ALPHA / max(count - 1, 1):
        blocks += 1
    return blocks


def _check_plain(names: Sequence[str], options: Options) -> None:
    """requests as it comes would not keep these, and might send to where it must not."""
    kept = ("proxy", "resolve", "deny_private", "cert", "family", "max_size")
    if PLAIN in names and (broken := [name for name in kept if getattr(options, name)]):
        option = "-4/-6" if broken[0] == "family" else f"--{broken[0].replace('_', '-')}"
        raise UsageError(f"{PLAIN} as it comes does not know {option}: leave out one of the two")


def _kept(pieces: Sequence[Piece], options: Options) -> tuple[list[Piece], Counter[str], int]:
    """The list (--unique is settled here, not in each lap), its hosts, and how many lines are no URLs."""
    rows, kept, hosts, failed = Rows(Ready(()), options), [], Counter[str](), 0
    for piece in pieces:
        rows.inlet = Ready([piece])
        if (row := rows.take(0.0)) is None:
            continue
        kept.append(piece)
        if isinstance(row, Request):
            hosts[row.host] += 1
        else:
            failed += 1
    return kept, hosts, failed


def is_local(host: str, options: Options) -> bool:
    """Whether name:port is this machine or a private network: by its text, --resolve, or its addresses."""
    name, _, port = host.rpartition(":")
    for fixed, at, address in options.resolve:
        if (fixed.lower(), str(at)) == (name, port):
            name = address
    name = name.strip("[]")
    if urls.is_loopback(name):
        return True
    try:
        return private(str(ip_address(name)))
    except ValueError:
        pass
    if options.proxy:  # names are its affair
        return False
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
    except OSError as error:
        return getattr(error, "errno", None) == socket.EAI_NONAME  # nobody is there to be asked
    except UnicodeError:
        return False
    return all(private(address) for address in found)


def _square(arms: list[Arm], rng: random.Random) -> list[list[Arm]]:
    """Rows with each arm at each place, and after each other arm, equally often (odd: with mirrors)."""
    size = len(arms)
    steps = [(n + 1) // 2 if n % 2 else (size - n // 2) % size for n in range(size)]
    rows = [[arms[(start + step) % size] for step in steps] for start in range(size)]
    if size % 2:
        rows += [row[::-1] for row in rows]
    rng.shuffle(rows)
    return rows
