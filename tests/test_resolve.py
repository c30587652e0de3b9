"""Names to addresses: single flight, the cache, the address policy, and how a failed lookup is told."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from fetcher import resolve
from fetcher.engines._faults import kind_of
from fetcher.errors import Fault, UsageError
from fetcher.model import Options
from fetcher.resolve import Resolver, lookup_fault, private


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    one = Resolver(Options())
    yield one
    one.close()


class Lookups:
    """Stands in for getaddrinfo, which a test cannot slow down: answers every name with one address."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.go = threading.Event()

    def __call__(self, host: bytes, *rest: object) -> list[tuple[object, ...]]:
        self.asked.append(host)
        self.go.wait(5)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> Lookups:
    slow = Lookups()
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    return slow


def kind(asked: resolve.Answer) -> str:
    error = asked.exception(5)
    assert isinstance(error, Fault), error
    return error.kind


def test_a_literal_needs_no_lookup(resolver: Resolver) -> None:
    asked = resolver.ask("127.0.0.1", 81)
    assert asked.done()
    assert asked.result() == ((socket.AF_INET, ("127.0.0.1", 81)),)
    assert resolver.ask("[::1]", 82).result()[0] == (socket.AF_INET6, ("::1", 82, 0, 0))


def test_a_name_is_looked_up(resolver: Resolver) -> None:
    found = resolver.ask("localhost", 83).result(5)
    assert all(at[1] == 83 for _, at in found)
    assert {at[0] for _, at in found} <= {"127.0.0.1", "::1"}
    assert len(found) == len(set(found))


def test_a_name_that_is_not_there(resolver: Resolver) -> None:
    assert kind(resolver.ask("no-such-name.invalid", 80)) in {"dns_not_found", "dns_temporary"}


def test_port_zero_is_refused(resolver: Resolver) -> None:
    assert kind(resolver.ask("localhost", 0)) == "connect_refused"


def test_one_lookup_for_all_who_ask(resolver: Resolver, lookups: Lookups) -> None:
    asked = [resolver.ask("a.test", port) for port in range(1, 9)]
    lookups.go.set()
    assert [one.result(5)[0][1][1] for one in asked] == list(range(1, 9))
    assert resolver.ask("A.test", 9).done(), "kept"
    assert lookups.asked == [b"a.test"]


def test_many_names_at_a_time_with_few_threads(resolver: Resolver, lookups: Lookups) -> None:
    asked = [resolver.ask(f"{n}.test", 80) for n in range(100)]
    time.sleep(0.2)
    assert len(lookups.asked) == resolve.THREADS[0]
    lookups.go.set()
    assert all(one.result(5) for one in asked)


def test_hung_names_leave_room_for_a_healthy_one(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    def look_up(host: bytes, *_: object) -> list[tuple[object, ...]]:
        if host != b"well.test":
            go.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    resolver = Resolver(Options(concurrency=64))
    hung = [resolver.ask(f"{n}.test", 80) for n in range(40)]
    assert resolver.ask("well.test", 80).result(5)
    assert not any(one.done() for one in hung)
    assert Resolver(Options(concurrency=10_000)).most == resolve.THREADS[1]
    go.set()
    resolver.close()


def test_the_cache_is_bounded_and_forgets(
    resolver: Resolver, lookups: Lookups, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookups.go.set()
    monkeypatch.setattr(resolve, "NAMES", 3)
    for name in "abcd":
        resolver.ask(name, 80).result(5)
    assert len(resolver._kept) == 3
    resolver.ask("d", 80).result(5)
    resolver.ask("a", 80).result(5)
    assert lookups.asked == [b"a", b"b", b"c", b"d", b"a"]
    later = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: later)
    resolver.ask("d", 80).result(5)
    assert lookups.asked[-1] == b"d"


def test_who_no_longer_waits_harms_nobody(resolver: Resolver, lookups: Lookups) -> None:
    gone, waits = resolver.ask("a.test", 80), resolver.ask("a.test", 80)
    assert gone.cancel()
    lookups.go.set()
    assert waits.result(5)


def test_close_tells_who_waits_and_ends_the_threads(lookups: Lookups) -> None:
    resolver = Resolver(Options())
    stuck = resolver.ask("stuck.test", 80)
    began = time.monotonic()
    resolver.close()
    assert time.monotonic() - began < 1.2
    assert kind(stuck) == "cancelled"
    assert kind(resolver.ask("late.test", 80)) == "cancelled"
    lookups.go.set()
    for thread in resolver._threads:
        thread.join(2)
    assert not any(thread.is_alive() for thread in resolver._threads)


def test_a_failure_is_not_kept(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", fails)
        error = resolver.ask("localhost", 80).exception(5)
    assert str(error) == "dns_temporary: Temporary failure in name resolution"
    assert resolver.ask("localhost", 80).result(5)


def test_an_override_and_a_family() -> None:
    options = Options(resolve=(("Some.test", 80, "127.0.0.9"), ("six.test", 80, "[::1]")), family=4)
    resolver = Resolver(options)
    assert resolver.ask("some.TEST", 80).result(1) == ((socket.AF_INET, ("127.0.0.9", 80)),)
    assert kind(resolver.ask("six.test", 80)) == "dns_no_address"
    assert all(family == socket.AF_INET for family, _ in resolver.ask("localhost", 80).result(5))
    resolver.close()


REFUSED = """0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.9.9.9 169.254.169.254 172.31.0.1 192.168.1.1
192.0.0.192 198.18.0.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 168.63.129.16 :: ::1
fe80::1 fe80::1%1 fc00::1 fd00:ec2::254 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1
64:ff9b::10.0.0.1 64:ff9b:1::1 2002:7f00:1:: 2002:a00:1::1 2001:db8::1 2001::1 ::127.0.0.1
100::1 fec0::1"""
PUBLIC = (
    "1.1.1.1 8.8.8.8 172.32.0.1 100.128.0.1 2606:4700::1111 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1"
)


def test_what_deny_private_refuses() -> None:
    assert [one for one in REFUSED.split() if not private(one)] == []
    assert [one for one in PUBLIC.split() if private(one)] == []


def test_the_judged_address_is_the_one_that_is_given() -> None:
    options = Options(deny_private=True, resolve=(("mine.test", 80, "10.0.0.1"), ("its.test", 80, "1.1.1.1")))
    resolver = Resolver(options)
    for host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "mine.test"):
        assert kind(resolver.ask(host, 80)) == "blocked_address", host
    assert resolver.ask("its.test", 80).result(1)[0][1][0] == "1.1.1.1"
    resolver.close()


def test_a_proxy_makes_the_policy_void() -> None:
    with pytest.raises(UsageError, match="--deny-private"):
        Resolver(Options(deny_private=True, proxy="http://127.0.0.1:3128"))


def test_codes_of_getaddrinfo() -> None:
    codes = {
        socket.EAI_NONAME: "dns_not_found",
        -5: "dns_no_address",
        socket.EAI_AGAIN: "dns_temporary",
        socket.EAI_FAIL: "dns_temporary",
    }
    for code, expected in codes.items():
        fault = lookup_fault(socket.gaierror(code, "its words"))
        assert (fault.kind, fault.message) == (expected, "its words")
    assert lookup_fault(UnicodeError("label too long")).kind == "invalid_url"
    assert kind_of(TimeoutError(), phase="lookup", started=False).kind == "dns_temporary"


def test_no_descriptor_left_is_never_a_wrong_name(resolver: Resolver) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resolver.ask("127.0.0.1", 80).result(1)
    held = [os.open(os.devnull, os.O_RDONLY)]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(held) + 1, hard))
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        found = kind(resolver.ask("no-such-name.invalid", 80))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in held:
            os.close(one)
    assert found == "local_fd_limit"
