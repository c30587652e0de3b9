"""--deny-private and --allow: judged on the address that is connected to, so that none other ever is.

All of this runs in namespaces of its own: a network that is loopback alone, in which every address leads to
one listener, and a DNS server that answers as it likes. So what is refused would be reached if it were asked,
what is public is reached, and a test that fails reaches nobody.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import fetcher
from fetcher.addresses import local, private
from fetcher.cli._settings import settings
from fetcher.errors import UsageError

ROOT = Path(fetcher.__file__).parents[1]
PUBLIC = "8.8.8.8"
A, AAAA = 1, 28
NAMES = {
    "localhost": ["127.0.0.1"],
    "public.test": [PUBLIC],
    "private.test": ["10.0.0.1"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "both.test": ["127.0.0.1", PUBLIC, "10.0.0.1"],
}

# Written as people and attackers write them; WHATWG reads the odd ones as the plain ones beside them.
REFUSED = """
127.0.0.1 127.1 127.0.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 017700000001 127.0.0.1. 127.255.255.254
0.0.0.0 0 0.1.2.3 10.0.0.1 10.255.255.255 167772161 172.16.0.1 172.31.255.254
192.168.0.1 192.168.257 0xc0a80001 169.254.169.254 0xa9fea9fe 2852039166 0251.0376.0251.0376 169.254.170.2
100.64.0.1 100.100.100.200 100.127.255.254 192.0.0.192 192.0.2.1 192.88.99.1 198.18.0.1 198.19.255.255
198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 168.63.129.16
\uff11\uff12\uff17.0.0.1 \u2460\u2461\u2466.\u24ea.\u24ea.\u2460 %31%32%37.0.0.1 127\u30020\u30020\u30021
[::1] [::] [0:0:0:0:0:0:0:1] [::127.0.0.1] [::ffff:0:127.0.0.1]
[::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:10.0.0.1] [::ffff:169.254.169.254]
[64:ff9b::7f00:1] [64:ff9b::10.0.0.1] [64:ff9b::a9fe:a9fe] [64:ff9b:1::a00:1]
[2002:7f00:1::] [2002:a00:1::1] [2002:a9fe:a9fe::] [2001::1] [2001:0:808:808::1] [2001:db8::1] [3fff::1]
[fe80::1] [febf::1] [fc00::1] [fd00:ec2::254] [fd20:ce::254] [fec0::1] [ff02::1] [100::1] [5f00::1] [4000::1]
localhost LOCALHOST. private.test mapped.test
"""
ALLOWED = """
8.8.8.8 1.1.1.1 134744072 0x08080808 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.1 172.15.255.255
172.32.0.1 169.253.255.255 192.167.255.255 198.17.255.255 223.255.255.255
[2606:4700::1111] [2a00::1] [2001:4860:4860::8888] [64:ff9b::8.8.8.8] [2002:808:808::1] [::ffff:8.8.8.8]
public.test both.test
"""
FORMS = {"refused": REFUSED.split(), "allowed": ALLOWED.split(), "open": ["127.1", "[::1]"]}
FORMS["unsaid"] = [  # no URLs at all
    "[fe80::1%25lo]",
    "[fe80::1%lo]",
    "127.0.0.1%00",
    "127.0.0.1:80:90",
    "0x100000000",
    "256.0.0.1",
    "[::1",
]


def test_the_two_policies_leave_no_address_to_both() -> None:
    """What a load test may go to is private, and a cloud's metadata is neither's."""
    for text in (*FORMS["refused"], *FORMS["allowed"]):
        with contextlib.suppress(ValueError):  # what is no address as it stands
            assert not (local(text.strip("[]")) and not private(text.strip("[]"))), text
    for text in (
        "169.254.169.254",
        "169.254.170.2",
        "fd00:ec2::254",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
    ):
        assert private(text)
        assert not local(text)


def test_a_file_in_the_working_directory_cannot_lift_the_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes with whatever was cloned there, and would win over the user's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    own, here = tmp_path / "home" / "fetch" / "fetch.toml", tmp_path / "fetch.toml"
    own.parent.mkdir(parents=True)
    own.write_text("deny-private = true")
    assert settings()["deny_private"] is True
    here.write_text("deny-private = false")
    with pytest.raises(UsageError, match="'deny-private' may not be set by a file that happens"):
        settings()
    here.write_text("deny-private = true")
    own.unlink()
    assert settings()["deny_private"] is True


# Inside.


class Listener:
    """Listens at every address; keeps which of them each connection was made to."""

    def __init__(self) -> None:
        self.socket = socket.create_server(
            ("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512
        )
        self.port: int = self.socket.getsockname()[1]
        self.places: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            conn, _ = self.socket.accept()
            self.places.append(conn.getsockname()[0].removeprefix("::ffff:"))
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn: socket.socket) -> None:
        """`/to/STATUS/URL` leads there, `/page?URL` links there, and a robots.txt names a sitemap there."""
        with conn, contextlib.suppress(OSError), conn.makefile("rb") as stream:
            while line := stream.readline():
                while stream.readline().strip():
                    pass
                target = line.split()[1].decode()
                status, more, body = "200 OK", "Content-Type: text/html\r\n", "here"
                if target.startswith("/to/"):
                    _, _, code, place = target.split("/", 3)
                    status, more = f"{code} Moved", f"Location: {place}\r\n"
                elif target.startswith("/page?"):
                    url = target.partition("?")[2]
                    body = (
                        f"<a href='{url}/link'>x</a><img src='{url}/asset'><a href='/to/302/{url}/hop'>x</a>"
                    )
                elif target == "/robots.txt":
                    body = f"Sitemap: http://127.0.0.1:{self.port}/sitemap.xml\n"
                conn.sendall(f"HTTP/1.1 {status}\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}".encode())


class Names:
    """A DNS server at 127.0.0.1; of `flipN` each answer is another one, public and private in turn."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        while True:
            query, who = self.socket.recvfrom(512)
            labels, at = [], 12
            while size := query[at]:
                labels.append(query[at + 1 : at + 1 + size].decode())
                at += size + 1
            (kind,) = struct.unpack("!H", query[at + 1 : at + 3])
            rows = [row for row in map(packed, self._found(".".join(labels).lower(), kind)) if row[0] == kind]
            head = query[:2] + struct.pack("!HHHHH", 0x8180, 1, len(rows), 0, 0)
            tail = [b"\xc0\x0c" + struct.pack("!HHIH", what, 1, 0, len(data)) + data for what, data in rows]
            self.socket.sendto(head + query[12 : at + 5] + b"".join(tail), who)

    def _found(self, name: str, kind: int) -> list[str]:
        if not name.startswith("flip"):
            return NAMES.get(name, [])
        self.asked[name] += kind == A
        turn = (int(name[4:].partition(".")[0]) + self.asked[name]) % 2
        return [PUBLIC if turn else "127.0.0.1"]


def packed(address: str) -> tuple[int, bytes]:
    """Its type in the DNS, and its bytes."""
    if ":" in address:
        return AAAA, socket.inet_pton(socket.AF_INET6, address)
    return A, socket.inet_aton(address)


def prepare() -> tuple[Listener, Names]:
    """Called in namespaces of our own: bring loopback up, have every address be local, and answer names."""
    for words in ("link set lo up", "route add local 0.0.0.0/0 dev lo", "-6 route add local ::/0 dev lo"):
        subprocess.run(["ip", *words.split()], check=True)
    with tempfile.TemporaryDirectory() as folder:
        texts = {
            "resolv.conf": "nameserver 127.0.0.1\noptions timeout:1\n",
            "nsswitch.conf": "hosts: files dns\n",
            "hosts": "127.0.0.1 localhost\n::1 localhost\n",
        }
        for name, text in texts.items():
            if Path("/etc", name).exists():
                Path(folder, name).write_text(text)
                subprocess.run(["mount", "--bind", f"{folder}/{name}", f"/etc/{name}"], check=True)
    return Listener(), Names()


def alone(what: str, *given: str) -> Any:
    """What the function of that name returns in namespaces of its own."""
    try:
        made = subprocess.run(["unshare", "-rnm", "ip", "link"], capture_output=True, check=False).returncode
    except FileNotFoundError:
        made = 1
    if made:
        pytest.skip("unshare -rnm does not work here")
    code = f"import json, tests.test_addresses as here; print(json.dumps(here.{what}))"
    words = ["unshare", "-rnm", sys.executable, "-c", code, *given]
    run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=55, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def asked(engine: str, urls: list[str], **settings: Any) -> list[tuple[str, str | None, str | None]]:
    """(URL, error, address) of each."""
    settings = {"deny_private": True, "retries": 0, "connect_timeout": 5, "concurrency": 8} | settings
    results = sorted(fetcher.fetch(urls, engine=engine, **settings), key=lambda result: result.row)
    assert len(results) == len(urls)
    return [(result.url, result.error, result.ip) for result in results]


def forms(engine: str) -> dict[str, Any]:
    listener, _ = prepare()
    said: dict[str, Any] = {}
    for kind, hosts in FORMS.items():
        urls = [f"http://{host}:{listener.port}/" for host in hosts]
        before = len(listener.places)
        answers = asked(engine, urls, deny_private=kind != "open")
        said[kind] = [[host, *answer[1:]] for host, answer in zip(hosts, answers, strict=True)]
        said[f"{kind} places"] = listener.places[before:]
    return said


def test_every_form_of_a_private_address_is_refused_and_no_public_one(name: str) -> None:
    assert len(FORMS["refused"]) >= 50
    assert len(FORMS["allowed"]) >= 15
    said = alone(f"forms({name!r})")
    assert [one for one in said["refused"] if one[1] != "blocked_address"] == []
    assert [one for one in said["unsaid"] if one[1] != "invalid_url"] == []
    assert said["refused places"] == said["unsaid places"] == []
    assert [
        one for one in said["allowed"] if one[1]
    ] == []  # they were reached: so would the others have been
    assert len(said["allowed places"]) >= 15
    assert not any(map(private, said["allowed places"]))
    assert [one[1] for one in said["open"]] == [None, None]  # and without the option they are
    assert sorted(said["open places"]) == ["127.0.0.1", "::1"]


def hops(engine: str) -> dict[str, Any]:
    listener, _ = prepare()
    start = f"http://{PUBLIC}:{listener.port}"
    hosts = [
        "127.0.0.1",
        "2130706433",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "localhost",
        "private.test",
        "10.0.0.1",
    ]
    urls = [
        f"{start}/to/{code}/http://{host}:{listener.port}/"
        for code in (301, 302, 303, 307, 308)
        for host in hosts
    ]
    urls += [f"{start}/to/302/{start}/to/302/http://{host}:{listener.port}/" for host in hosts]
    answers = asked(engine, [*urls, f"{start}/to/302/http://public.test:{listener.port}/"])
    return {"errors": [error for _, error, _ in answers], "places": sorted(set(listener.places))}


def test_every_hop_is_judged(name: str) -> None:
    said = alone(f"hops({name!r})")
    assert said["errors"] == ["blocked_address"] * 42 + [None]
    assert said["places"] == [PUBLIC]


def crawled(engine: str) -> dict[str, Any]:
    listener, _ = prepare()
    start = f"http://{PUBLIC}:{listener.port}/page?http://localhost:{listener.port}"
    settings: dict[str, Any] = {
        "engine": engine,
        "scope": "any",
        "assets": "all",
        "deny_private": True,
        "retries": 0,
    }
    results = list(fetcher.crawl(start, **settings))
    record = fetcher.audit(f"{start}/a", **settings)
    return {
        "crawl": sorted([result.url.partition("//")[2], result.error] for result in results),
        "audit": sorted(one["error"] for one in record["broken"]),
        "places": sorted(set(listener.places)),
    }


def test_links_assets_hops_and_sitemaps_of_a_crawl_are_judged() -> None:
    """None of them opens a connection: not even for a robots.txt."""
    said = alone("crawled('asyncio')")
    assert said["places"] == [PUBLIC]
    refused = {url.rpartition("/")[2] for url, error in said["crawl"] if error}
    assert refused == {"link", "asset", "hop", "sitemap.xml"}
    assert {error for _, error in said["crawl"]} == {None, "blocked_address"}
    assert said["audit"] == ["blocked_address"] * 4


def rebound(engine: str, count: int) -> dict[str, Any]:
    listener, names = prepare()
    port = listener.port
    urls = [f"http://flip{n}.test:{port}/to/302/http://flip{n}.test:{port}/end" for n in range(count)]
    urls += [f"http://flip{n}.test:{port}/to/302/http://flip{n + 1000}.test:{port}/end" for n in range(count)]
    first = asked(engine, urls)
    second = asked(engine, urls)  # another run asks the DNS again
    return {
        "answers": Counter(f"{error} {ip}" for _, error, ip in first + second),
        "asked": names.asked.total(),
        "places": Counter(listener.places),
    }


@pytest.mark.parametrize("count", [25, pytest.param(100, marks=pytest.mark.long)])
def test_a_name_that_changes_its_address_gains_nothing(name: str, count: int) -> None:
    """A DNS server that answers in turn with a public and a private address, TTL 0, to each question."""
    said = alone(f"rebound({name!r}, {count})")
    assert said["asked"] >= 2 * count
    assert list(said["places"]) == [PUBLIC]
    assert set(said["answers"]) == {f"None {PUBLIC}", "blocked_address None"}
    assert min(said["answers"].values()) >= count // 2


def loaded(engine: str) -> dict[str, Any]:
    listener, _ = prepare()
    port = listener.port
    said: dict[str, Any] = {"refused": []}
    for host in (PUBLIC, f"[::ffff:{PUBLIC}]", "169.254.169.254", "[fd00:ec2::254]", "168.63.129.16"):
        with contextlib.suppress(UsageError):  # before a worker starts
            said["refused"].append(fetcher.load(f"http://{host}:{port}/", engine=engine, count=1))
    targets = [f"http://{host}.test:{port}/" for host in ("public", "private", "both")]
    targets += [f"{targets[1]}to/302/{to}" for to in (targets[0], f"http://{PUBLIC}:{port}/")]
    for what, allow in (("unasked", ()), ("allowed", ("public.test",))):
        before = len(listener.places)
        record = fetcher.load(targets, engine=engine, count=20, concurrency=2, follow=True, allow=allow)
        said[what] = {
            "ok": [
                one["ok"] for one in sorted(record["by_target"], key=lambda one: targets.index(one["url"]))
            ],
            "errors": record["errors"],
            "places": sorted(set(listener.places[before:])),
        }
    return said


@pytest.mark.parametrize("engine", ["asyncio", "curl", pytest.param("processes", marks=pytest.mark.long)])
def test_a_load_test_goes_to_private_addresses_and_to_what_was_allowed(engine: str) -> None:
    if engine == "curl":
        pytest.importorskip("pycurl")
    said = alone(f"loaded({engine!r})")
    assert said["refused"] == []
    assert said["unasked"]["ok"] == [0, 4, 4, 0, 0]
    assert said["unasked"]["errors"] == {"blocked_address": 12}
    assert set(said["unasked"]["places"]) <= {"127.0.0.1", "10.0.0.1"}
    assert said["allowed"]["ok"] == [4, 4, 4, 4, 0]  # only under the name that was allowed
    assert PUBLIC in said["allowed"]["places"]
