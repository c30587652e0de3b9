"""Every fault of the fault server x every engine: the one record that stands beside it, and no harm done."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from fetcher import engines, menu
from fetcher.errors import KINDS
from fetcher.server import faults, site
from tests.matrix import Served, ask, look

# Row of the table "What today's engine libraries get wrong" -> some of the faults that show it. The other
# rows are of URLs, names and secrets: test_traps.py.
SHOWN = {
    1: ("/redirects/long-label", "/redirects/half-ipv6", "/redirects/raw-bytes", "/chunks/2-to-64"),
    2: ("/slow/drip-body", "/slow/drip-close", "/slow/drip-chunks"),
    3: ("/slow/drip-head", "/slow/drip-line", "/slow/drip-interim"),
    4: ("/codings/gzip-half-length", "/codings/deflate-half-chunked", "/codings/zstd-half-close"),
    5: ("/codings/br-half-length", "/codings/br-one-byte"),
    6: ("/codings/five", "/codings/lines", "/codings/six"),
    7: ("/chunks/zero", "/chunks/zero-crlf", "/chunks/zero-crlf-cr"),
    8: ("/interim/103", "/interim/103-apart"),
    9: ("/heads/20kB", "/redirects/9kB"),
    10: ("/closing/silently", "/closing/later", "/tls/silently"),
    11: ("/closing/surplus", "/closing/surplus-large", "/closing/204-surplus", "/tls/surplus"),
    12: ("/redirects/port-0",),
}


# One at a time 27 faults hang for half a minute.
SLOW = [pytest.param(name, marks=[pytest.mark.long] * (name == "sequential")) for name in menu.names(engines)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with site(faults=True) as base:
        yield look(base, tmp_path_factory.mktemp("faults"))


@pytest.mark.parametrize("name", SLOW, indirect=True)
def test_every_fault_is_told_as_it_is(name: str, served: Served) -> None:
    """All of them in one engine, and well-behaved answers between; what must come: fetcher/server/faults."""
    rows = ask(served, name)
    assert len(rows) >= 300
    assert {row.fault.path: row.wrong for row in rows if row.wrong} == {}


def test_the_table_says_what_it_must() -> None:
    every = faults.table()
    assert len({fault.path for fault in every}) == len(every) >= 300
    for fault in every:
        assert fault.error in {None, *KINDS}, fault.path
        assert fault.error is not None or fault.body is not None, fault.path
        assert (fault.error is None) <= (fault.status is not None), fault.path
        assert re.fullmatch(r"/[a-z]+/[A-Za-z0-9.-]+", fault.path)
        assert fault.says[-1] in ".;`" or fault.says.endswith(("not.", "it.")), fault.path
    assert {fault.group for fault in every} == set(menu.names(faults))


def test_the_rows_that_libraries_get_wrong_are_in_it(served: Served) -> None:
    paths = {fault.path for fault in faults.table()}
    assert not {path for shown in SHOWN.values() for path in shown} - paths


def test_most_kinds_that_a_server_can_cause_are_in_it() -> None:
    """What is missing needs a name server, a proxy, several rows or a fault of this machine."""
    seen = {fault.error for fault in faults.table()}
    unseen = {kind for kind, about in KINDS.items() if about.whose in {"network", "tls", "server"}} - seen
    assert unseen == {"connect_unreachable", "proxy_error", "host_backoff"}
