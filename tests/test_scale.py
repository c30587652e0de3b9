"""Lists of millions: memory stays flat, descriptors bounded, nothing is lost, a slow reader holds it back.

Each test prints its figures (`-s` shows them); docs/fuzzing.md has those of the last run.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from bench.watched import MB, Ran, blocks, ran
from fetcher.descriptors import KEPT, RESERVE

pytestmark = [
    pytest.mark.parametrize("name", ["asyncio", "curl"], indirect=True),
    pytest.mark.long,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("quiet"),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc"),
]


def figures(done: Ran, what: str, after: int = 0) -> None:
    print(
        f"\n{what}: {done.lines:,} lines in {done.seconds:.1f} s ({done.lines / done.seconds:,.0f}/s), "
        f"peak RSS {done.peak('rss') / MB:.1f} MB, {done.slope(after) * 1e6 / MB:+.2f} MB a million lines, "
        f"at most {done.peak('descriptors')} descriptors, {done.peak('threads')} threads; {dict(done.kinds)}"
    )


def address(number: int) -> str:
    """One of the 16 million addresses of this machine."""
    return str.join(".", map(str, (0x7F010000 + number).to_bytes(4, "big")))


def test_ten_million_lines_that_ask_nothing(engine: str) -> None:
    """Blank lines, comments and what is no URL: 15 of 100 get a record."""
    hundred = [""] * 60 + ["# a comment"] * 25 + ["http://a..b/"] * 10 + ["ftp://h/"] * 5
    block = "".join(f"{line}\n" for line in hundred).encode() * 100
    done = ran(((10_000, block) for _ in range(1000)), ["-e", engine])
    figures(done, f"{engine}, nothing to ask", 100_000)
    assert done.kinds == {"invalid_url": 1_000_000, "unsupported_scheme": 500_000}
    assert done.sums == (0, 1_500_000, 8_500_000)
    assert done.slope(100_000) * 1e6 < MB
    assert done.peak("descriptors") < RESERVE


def test_a_million_lines_to_one_host(engine: str, site: str) -> None:
    done = ran(blocks(f"{site}/bytes/{n % 1000}" for n in range(1_000_000)), ["-e", engine])
    figures(done, f"{engine}, one host", 100_000)
    assert done.kinds == {"200": 1_000_000}
    assert done.sums == (1_000_000, 0, 0)
    assert done.slope(100_000) * 1e6 < MB
    assert done.peak("descriptors") < 64 + RESERVE


@contextmanager
def everywhere() -> Iterator[int]:
    """The embedded site on every address of this machine: its port."""
    script = "from fetcher.server import run; run('0.0.0.0', 0, lambda base: print(base, flush=True))"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        try:
            yield int(child.stdout.readline().rpartition(b":")[2])
        finally:
            child.kill()


def test_a_hundred_thousand_hosts(engine: str) -> None:
    """Connections to hosts that never come again are not kept for ever, nor is what is known of them."""
    with everywhere() as port:
        lines = (f"http://{address(n)}:{port}/bytes/{n % 100}" for n in range(100_000))
        done = ran(blocks(lines), ["-e", engine, "--per-host", "2"])
    figures(done, f"{engine}, 100,000 hosts", 20_000)
    assert done.kinds == {"200": 100_000}
    assert done.slope(20_000) * 1e5 < 5 * MB
    assert done.peak("descriptors") < 64 + RESERVE + KEPT


def test_a_hundred_thousand_dead_hosts(engine: str) -> None:
    """All refused: that costs no time, and no memory."""
    with socket.socket() as held:
        held.bind(("0.0.0.0", 0))
        port = held.getsockname()[1]
        lines = (f"http://{address(n)}:{port}/" for n in range(100_000))
        done = ran(blocks(lines), ["-e", engine, "--per-host", "2"])
    figures(done, f"{engine}, 100,000 refused", 20_000)
    assert done.kinds == {"connect_refused": 100_000}
    assert done.slope(20_000) * 1e5 < 5 * MB
    assert done.peak("descriptors") < 64 + RESERVE


@contextmanager
def swallowing() -> Iterator[int]:
    """A port whose queue is full, on every address: a connect to it neither succeeds nor fails."""
    with socket.create_server(("0.0.0.0", 0), backlog=0) as listener:
        held, port = [], listener.getsockname()[1]
        try:
            for _ in range(8):
                held.append(socket.socket())
                held[-1].settimeout(0.1)
                held[-1].connect(("127.0.0.1", port))
        except TimeoutError:
            yield port
        else:
            pytest.skip("needs a system whose listen queue can be filled")
        finally:
            for one in held:
                one.close()


def test_two_thousand_blackholes_take_their_share_of_the_timeout(engine: str) -> None:
    """N x timeout / concurrency = 16 s, not a second more than the start and the end of a run take."""
    with swallowing() as port:
        lines = (f"http://{address(n)}:{port}/" for n in range(2048))
        words = ("-e", engine, "-c", "64", "--timeout", "0.5", "--connect-timeout", "0.5", "--retries", "0")
        done = ran(blocks(lines, 64), words)
    figures(done, f"{engine}, 2,048 blackholes")
    assert done.kinds == {"connect_timeout": 2048}
    assert 16.0 <= done.seconds < 21.0


def test_a_slow_reader_holds_the_list_back(engine: str, site: str) -> None:
    """For 12 s nobody reads: no more is asked than fits into pipes, and no timeout of 1 s falls due."""
    given, held = [0], [0, 0]

    def heard(stream: BinaryIO, kinds: Counter[str]) -> None:
        for number, line in enumerate(stream):
            kinds[line.partition(b"\t")[0].decode()] += 1
            if number == 1000:
                time.sleep(2.0)
                held[0] = given[0]
                time.sleep(10.0)
                held[1] = given[0]

    lines = (f"{site}/bytes/{n % 1000}" for n in range(200_000))
    words = ("-e", engine, "--timeout", "1", "--retries", "0")
    done = ran(blocks(lines, 100), words, heard=heard, given=given)
    figures(done, f"{engine}, a slow reader", 10_000)
    print(f"given while nobody read: {held}")
    assert done.kinds == {"200": 200_000}
    assert held[0] == held[1] < 20_000
    assert done.slope(10_000) * 1e6 < 5 * MB
