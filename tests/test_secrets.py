"""Secrets reach the origin they were given for, and nobody else: no other origin, no output, no message.

One server is every origin: it speaks HTTP and TLS at the same port, answers for every name, tunnels as a
proxy would, and keeps the secrets of each request with the origin that it was for.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
import trustme

import fetcher
from fetcher import cli, engines, menu

ROOT = Path(fetcher.__file__).parents[1]
CODES = (301, 302, 303, 307, 308)
NAMES = ("home.test", "sub.home.test", "other.test")
# What each kind of secret is; none is part of another, and none looks like anything else that is said.
SECRETS = {
    "auth": "k1-auth",
    "userinfo": "k2-user info",
    "own header": "k3-header",
    "Cookie": "k4-cookie",
    "Authorization": "k5-bearer",
    "Set-Cookie": "k6-given",
    "proxy": "k7-proxy",
    "header-for": "k8-for",
    "data": "k9-data",
}
OWN = (
    ("X-Api-Key", SECRETS["own header"]),
    ("x-api-key", "k3-header"),
    ("Cookie", f"mine={SECRETS['Cookie']}"),
)


def forms(kind: str) -> set[bytes]:
    """How this secret may stand somewhere: as it is, percent-encoded, and as Basic."""
    secret = SECRETS[kind]
    basic = base64.b64encode(f"me:{secret}".encode()).decode()
    return {form.encode() for form in (secret, quote(secret), quote(secret, safe=""), basic)}


def found(text: bytes) -> set[str]:
    """Which secrets stand in there."""
    return {kind for kind in SECRETS if any(form in text for form in forms(kind))}


class Seen(NamedTuple):
    """One request: whom it was for, how it came, and what it said."""

    origin: str  # "" of a CONNECT
    path: str
    secrets: set[str]
    proxied: bool


@cache
def authority() -> tuple[ssl.SSLContext, bytes]:
    """A server's context for all the names, and the CA that made it."""
    one = trustme.CA(organization_name="secrets")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    one.issue_cert(*NAMES, "127.0.0.1").configure_cert(context)
    return context, one.cert_pem.bytes()


class Everyone:
    """Every origin there is, at two ports."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.listeners = [socket.create_server(("127.0.0.1", 0), backlog=256) for _ in range(2)]
        self.one, self.two = (listener.getsockname()[1] for listener in self.listeners)
        self.home, self.safe = f"http://home.test:{self.one}", f"https://home.test:{self.one}"
        self.changes = {
            "same": (self.home, self.home),
            "host": (self.home, f"http://other.test:{self.one}"),
            "port": (self.home, f"http://home.test:{self.two}"),
            "scheme up": (self.home, self.safe),
            "scheme down": (self.safe, self.home),
            "subdomain": (self.home, f"http://sub.home.test:{self.one}"),
            "parent domain": (f"http://sub.home.test:{self.one}", self.home),
            "host, TLS": (self.safe, f"https://other.test:{self.one}"),
        }
        self.open: set[socket.socket] = set()
        for listener in self.listeners:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                conn, _ = listener.accept()
                self.open.add(conn)
                threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn: socket.socket) -> None:
        proxied, scheme = False, "http"
        try:
            with contextlib.suppress(OSError):
                while first := conn.recv(1, socket.MSG_PEEK) if scheme == "http" else b"more":
                    if first == b"\x16":
                        plain, scheme = conn, "https"
                        conn = authority()[0].wrap_socket(plain, server_side=True)
                        self.open.add(conn)
                    head = b""
                    while not head.endswith(b"\r\n\r\n"):
                        if not (byte := conn.recv(1)):
                            return
                        head += byte
                    if head.startswith(b"CONNECT "):
                        proxied = True
                        self.seen.append(Seen("", "", found(head), False))
                        conn.sendall(b"HTTP/1.1 200 Go on\r\n\r\n")
                        continue
                    conn.sendall(self._answer(head, scheme, proxied))
        finally:
            self.open.discard(conn)
            conn.close()

    def _answer(self, head: bytes, scheme: str, proxied: bool) -> bytes:
        target = head.split(b" ")[1].decode()
        asked = target.startswith("http://")
        host = head.lower().partition(b"\r\nhost: ")[2].partition(b"\r\n")[0].decode()
        path = "/" + target.split("/", 3)[3] if asked else target
        self.seen.append(Seen(f"{scheme}://{host}", path, found(head), proxied or asked))
        fields, body = ["HTTP/1.1 200 OK", "Content-Type: text/html"], ""
        if path.startswith("/go/"):
            _, _, code, change, _ = path.split("/")
            to = self.changes[change.replace("_", " ")][1]
            fields[0] = f"HTTP/1.1 {code} Moved"
            fields.append(f"Location: {to}/end{path}")
            fields.append(f"Set-Cookie: given={SECRETS['Set-Cookie']}; Path=/")
            fields.append(f"Set-Cookie: wide={SECRETS['Set-Cookie']}; Path=/; Domain=home.test")
        elif path == "/robots.txt":
            other = self.changes["host"][1]
            body = f"Sitemap: /map.xml\nSitemap: {other}/robots-map.xml\n"
        elif path.endswith("map.xml"):
            places = "".join(f"<url><loc>{to}/mapped</loc></url>" for _, to in self.changes.values())
            body = f"<urlset>{places}</urlset>"
        elif path == "/":
            body = "".join(
                f"<a href='{to}/link'>x</a><img src='{to}/asset'>" for _, to in self.changes.values()
            )
            body += "".join(
                f"<a href='/go/302/{change.replace(' ', '_')}/x'>x</a>" for change in self.changes
            )
        fields.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*fields, "", body]).encode()

    def asked(self) -> list[str]:
        """A redirect of every status over every border, for a URL with a login and for one without."""
        return [
            f"{start}/go/{code}/{change.replace(' ', '_')}/{who}".replace(
                "://", f"://me:{quote(SECRETS['userinfo'])}@" if who == "userinfo" else "://", 1
            )
            for change, (start, _) in self.changes.items()
            for code in CODES
            for who in ("plain", "userinfo")
        ]

    def resolve(self) -> tuple[tuple[str, int, str], ...]:
        """All names are here."""
        return tuple((host, port, "127.0.0.1") for host in NAMES for port in (self.one, self.two))


@contextmanager
def everyone() -> Iterator[Everyone]:
    server = Everyone()
    try:
        yield server
    finally:
        for one in (*server.listeners, *list(server.open)):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)
        for listener in server.listeners:
            listener.close()
        until = time.monotonic() + 2
        while server.open and time.monotonic() < until:
            time.sleep(0.01)


@pytest.fixture
def trusted(tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    path.write_bytes(authority()[1])
    return str(path)


# Redirects: 7 kinds of secrets x 7 borders x 5 statuses x every engine.


def run(name: str, server: Everyone, trusted: str, **settings: Any) -> tuple[list[Seen], list[Seen]]:
    """What was asked first, and what behind the redirects."""
    urls = server.asked()
    results = list(
        fetcher.fetch(urls, engine=name, retries=0, concurrency=8, cacert=trusted, timeout=20, **settings)
    )
    assert [result.message for result in results if result.error] == []
    assert {result.attempts for result in results} == {2}
    asked = [one for one in server.seen if one.path.startswith("/go/")]
    ends = [one for one in server.seen if one.path.startswith("/end/")]
    assert len(asked) == len(ends) == len(urls) == 80
    return asked, ends


def told(one: Seen) -> str:
    return f"{one.path} at {one.origin}: {', '.join(sorted(one.secrets))}"


def test_no_secret_crosses_a_border_with_a_redirect(name: str, trusted: str) -> None:
    with everyone() as server:
        asked, ends = run(
            name, server, trusted, auth=f"me:{SECRETS['auth']}", header=OWN, resolve=server.resolve()
        )
    own = {"own header", "Cookie"}
    for one in asked:  # else there was nothing to leak
        assert one.secrets == own | {"userinfo" if one.path.endswith("/userinfo") else "auth"}, told(one)
    for one in ends:
        login = {"userinfo" if one.path.endswith("/userinfo") else "auth"}
        home = own | login | {"Set-Cookie"} if "/same/" in one.path else set()
        assert one.secrets == home, told(one)


def test_none_of_proxy_and_origin_reaches_the_other(name: str, trusted: str) -> None:
    """A proxy's login goes to the proxy; what goes through a tunnel is not told when it is asked for."""
    bearer = ("Authorization", f"Bearer {SECRETS['Authorization']}")
    with everyone() as server:
        for_other = (server.changes["host"][1], "X-Other", SECRETS["header-for"])
        place = f"http://me:{SECRETS['proxy']}@127.0.0.1:{server.one}"
        asked, ends = run(name, server, trusted, header=(*OWN, bearer), header_for=(for_other,), proxy=place)
        tunnels = [one for one in server.seen if not one.origin]
    assert tunnels
    assert all(one.secrets == {"proxy"} for one in tunnels)
    own = {"own header", "Cookie", "Authorization"}
    for one in (*asked, *ends):
        assert one.proxied
        expected = set(own) if one in asked else own | {"Set-Cookie"} if "/same/" in one.path else set()
        if one.origin == for_other[0]:
            expected.add("header-for")
        if one.origin.startswith("http:"):
            expected.add("proxy")  # it reads the request, and passes it on
        assert one.secrets == expected, told(one)


# Crawls.


def test_no_secret_crosses_a_border_in_a_crawl(name: str, trusted: str) -> None:
    """By hop, link, asset, and sitemap, named by the user or a robots.txt; nor is a robots.txt given any."""
    with everyone() as server:
        start = server.home.replace("://", f"://me:{quote(SECRETS['userinfo'])}@") + "/"
        settings: dict[str, Any] = {
            "engine": name,
            "header": OWN,
            "auth": f"me:{SECRETS['auth']}",
            "retries": 0,
        }
        settings |= {"scope": "any", "assets": "all", "resolve": server.resolve(), "cacert": trusted}
        settings |= {"sitemap": (f"{server.changes['subdomain'][1]}/own-map.xml",), "concurrency": 8}
        records = {result.url: result for result in fetcher.crawl(start, **settings)}
        seen = list(server.seen)
    assert {record.error for record in records.values()} == {None}
    away = [one for one in seen if one.origin != server.home]
    paths = {"/link", "/asset", "/mapped", "/robots-map.xml", "/own-map.xml", "/robots.txt"}
    assert {one.path for one in away} >= paths | {
        f"/end/go/302/{border}/x" for border in ("host", "port", "subdomain")
    }
    assert len({one.origin for one in away}) == 5
    assert [told(one) for one in away if one.secrets] == []
    for one in seen:
        if one not in away:
            expected = set() if one.path == "/robots.txt" else {"own header", "Cookie", "userinfo"}
            assert one.secrets == expected, told(one)


def test_no_secret_crosses_a_border_in_an_audit(trusted: str) -> None:
    """Links that leave the site are asked once."""
    with everyone() as server:
        settings: dict[str, Any] = {"header": OWN, "auth": f"me:{SECRETS['auth']}", "retries": 0}
        settings |= {"assets": "all", "resolve": server.resolve(), "cacert": trusted}
        record = fetcher.audit(f"{server.home}/", **settings)
        away = [one for one in server.seen if one.origin != server.home]
        home = [one for one in server.seen if one.origin == server.home and one.path != "/robots.txt"]
    assert {one.path for one in away} >= {"/link", "/asset"}
    assert [told(one) for one in away if one.secrets] == []
    assert {frozenset(one.secrets) for one in home} == {frozenset({"own header", "Cookie", "auth"})}
    assert found(json.dumps(record).encode()) == set()


# netrc and the environment.


@pytest.mark.parametrize(
    ("name", "how"),
    [*((one, "library") for one in menu.names(engines)), ("asyncio", "command"), ("curl", "command")],
    indirect=["name"],
)
def test_netrc_and_proxies_of_the_environment_are_not_read(
    name: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text(
        "".join(f"{who} login me password {SECRETS['auth']}\n" for who in ("machine 127.0.0.1", "default"))
    )
    netrc.chmod(0o600)
    with everyone() as server, everyone() as proxy:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(netrc))
        for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(variable, f"http://me:{SECRETS['proxy']}@127.0.0.1:{proxy.one}")
        for variable in ("no_proxy", "NO_PROXY"):
            monkeypatch.setenv(variable, "")
        urls = [f"{scheme}://127.0.0.1:{server.one}/" for scheme in ("http", "https")]
        if how == "library":
            assert [result.error for result in fetcher.fetch(urls, engine=name, insecure=True)] == [
                None,
                None,
            ]
        else:
            words = [sys.executable, "-m", "fetcher", *urls, "-e", name, "--insecure", "-q"]
            assert subprocess.run(words, cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode == 0
        assert [one.secrets for one in server.seen] == [set(), set()]
        assert proxy.seen == []


# What is said and written.


def spoken(heard: pytest.CaptureFixture[str], *words: str) -> str:
    """What a wrong command line is answered, in this process."""
    with pytest.raises(SystemExit) as ended:
        cli.main(list(words))
    said = heard.readouterr()
    assert ended.value.code == 2, said.err
    assert said.err
    return said.out + said.err


BAD = SECRETS["userinfo"].replace(" ", "")
WRONG = [
    ("-H", f"Authorization Bearer {BAD}"),
    ("-H", f": {BAD}"),
    ("-H", f"Content-Length: {BAD}"),
    ("-H", f"a b: {BAD}"),
    ("-H", f"X: {BAD}\u20ac"),
    ("-H", f"X: {BAD}\r\nY: {BAD}"),
    ("--header-for", f"nowhere X: {BAD}"),
    ("--header-for", f"http://h X {BAD}"),
    ("--header-for", f"http://me:{BAD}@h/x X: {BAD}"),
    ("--header-for", f"http://h Host: {BAD}"),
    ("--auth", BAD),
    ("--auth", f"me:{BAD}\n"),
    ("--user-agent", f"{BAD}\n"),
    ("--proxy", f"ftp://me:{BAD}@h"),
    ("--proxy", f"http://me:{BAD}@h:1/path"),
    ("--proxy", f"http://me:{BAD}@h:port"),
    ("--proxy", f"http://me:{BAD}@"),
    ("--proxy", f"me:{BAD}@h:1:2"),
    ("--deny-private", "--proxy", f"http://me:{BAD}@h:1"),
]
ARGUMENTS = [
    (f"https:/me:{BAD}@h/",),
    (f"me:{BAD}@h/",),
    ("crawl", f"http://me:{BAD}@[h/"),
    ("crawl", f"me:{BAD}@h"),
    ("crawl", "http://h/", "--sitemap", f"http://me:{BAD}@h:x/"),
    ("audit", f"http://me:{BAD}@h:99999/"),
    ("load", f"http://me:{BAD}@127.0.0.1:1/"),
    ("load", f"http://me:{BAD}@h:99999/"),
    ("load", f"http://me:{BAD}@8.8.8.8/"),
    ("compare", f"ftp://me:{BAD}@h/"),
]


@pytest.mark.parametrize("debug", [(), ("--debug",)])
@pytest.mark.parametrize(
    "words", [*(("http://127.0.0.1:1/", *given) for given in WRONG), *ARGUMENTS], ids=repr
)
def test_no_refusal_shows_a_secret(
    words: tuple[str, ...], debug: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    assert BAD not in spoken(capfd, *words, *debug)


@pytest.mark.parametrize(
    "text",
    [
        f'auth = ["me:{BAD}"]',
        f'auth = "{BAD}"',
        f'header = {{ X = "{BAD}" }}',
        f'header = "X {BAD}"',
        f'proxy = ["http://me:{BAD}@h:1"]',
        f'header = ["X: {BAD}", 1]',
        f'data = ["{BAD}"]',
    ],
)
def test_no_refusal_of_a_setting_shows_a_secret(
    text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tmp_path.joinpath("own.toml").write_text(text)
    assert BAD not in spoken(capfd, "http://127.0.0.1:1/", "--config", str(tmp_path / "own.toml"))
    assert BAD not in spoken(capfd, "http://127.0.0.1:1/", "--config", str(tmp_path / "own.toml"), "--debug")


class Ran(NamedTuple):
    code: int
    said: bytes
    below: bytes  # the command lines of its children


def ran(folder: Path, *words: str, **environ: str) -> Ran:
    """Run a command with every secret there is; everything it says, and what can be seen of its children."""
    secrets = (
        "--auth",
        f"me:{SECRETS['auth']}",
        *(word for field in OWN for word in ("-H", ": ".join(field))),
    )
    if words[0] not in ("report", "diff"):
        words = (*words, *secrets, "--debug", "--user-agent", "mine")
    environ = {key: value for key, value in os.environ.items() if not key.startswith("FETCH_")} | environ
    with tempfile.TemporaryFile() as out:
        command = [sys.executable, "-m", "fetcher", *words]
        assert command[-1] not in ("fetcher", "-m")
        child = subprocess.Popen(
            command, cwd=folder, stdout=out, stderr=out, env=environ | {"PYTHONPATH": str(ROOT)}
        )
        below, until = b"", time.monotonic() + 50
        while child.poll() is None and time.monotonic() < until:
            for path in Path(f"/proc/{child.pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    for pid in path.read_text().split():
                        line = Path(f"/proc/{pid}/cmdline").read_bytes()
                        below += b"" if command[-1].encode() in line else line  # forked, and not yet its own
            time.sleep(0.05)
        child.kill()
        child.wait()
        out.seek(0)
        return Ran(child.returncode, out.read(), below)


def nothing_found(folder: Path, *runs: Ran) -> None:
    """No secret in anything that was said or written; the list of URLs, which has some, lies elsewhere."""
    for one in runs:
        assert found(one.said) == set(), one.said
        assert found(one.below) == set()
        assert b"Traceback" not in one.said
    for path in folder.rglob("*"):
        assert found(os.fsencode(path)) == set()
        if path.is_file():
            assert found(path.read_bytes()) == set(), path


def test_no_output_of_get_has_a_secret(tmp_path: Path, trusted: str) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    login = f"me:{quote(SECRETS['userinfo'])}"
    plain = f"me:{SECRETS['userinfo'].replace(' ', '')}"
    with everyone() as server:
        wrong = [
            "http://{}@[h/",
            "https:/{}@h:x/",
            "ftp://{}@h/",
            "http://{}@h:99999/",
            "{}@127.0.0.1:1/",
            "http:\\{}@a b/",
        ]
        wrong += ["//{}@127.0.0.1:1/", "http://{}@127.0.0.1:1/", "http://{}@no-such-name.invalid/x?a=@"]
        urls = [*server.asked(), *(text.format(who) for text in wrong for who in (login, plain))]
        listed = tmp_path / "urls.txt"
        listed.write_text("\n".join(urls))
        words = [
            "--cacert",
            trusted,
            "--retries",
            "0",
            "--header-for",
            f"{server.home} X-For: {SECRETS['header-for']}",
        ]
        for host, port, address in server.resolve():
            words += ["--resolve", f"{host}:{port}:{address}"]
        files = [word for suffix in ("jsonl", "csv", "md", "parquet") for word in ("-o", f"all.{suffix}")]
        given = [*files, "--summary", "all.json", "--save", "bodies", "--headers", "content-type"]
        first = ran(folder, str(listed), *words, *given)
        place = f"http://me:{SECRETS['proxy']}@127.0.0.1:"
        post = ["-X", "POST", "--data", SECRETS["data"]]
        second = ran(folder, str(listed), *post, "--retries", "0", "--json", "--proxy", f"{place}1")
        third = ran(
            *(folder, str(listed), *post, "--cacert", trusted, "--errors", "--retries", "0"),
            *("--proxy", f"{place}{server.one}"),
        )
        sent = set().union(*(one.secrets for one in server.seen))
    records = [json.loads(line) for line in folder.joinpath("all.jsonl").read_text().splitlines()]
    assert len(records) == len(urls) == 98
    assert sum(record["ok"] for record in records) == 80
    assert first.code == second.code == third.code == 1
    assert sent >= SECRETS.keys() - {"Authorization"} - {"data"}
    reports = [
        ran(folder, "report", "all.jsonl", "-o", "all.html"),
        ran(folder, "diff", "all.jsonl", "all.csv"),
    ]
    assert [one.code for one in reports] in ([0, 0], [0, 1])
    assert b"***@" in folder.joinpath("all.html").read_bytes() + folder.joinpath("all.jsonl").read_bytes()
    nothing_found(folder, first, second, third, *reports)


def test_no_output_of_a_crawl_or_audit_has_a_secret(tmp_path: Path, trusted: str) -> None:
    """Nor what --state keeps on the disk."""
    folder = tmp_path / "out"
    folder.mkdir()
    with everyone() as server:
        start = server.home.replace("://", f"://me:{quote(SECRETS['userinfo'])}@") + "/"
        words = ["--cacert", trusted, "--retries", "0"]
        for host, port, address in server.resolve():
            words += ["--resolve", f"{host}:{port}:{address}"]
        runs = [
            ran(folder, "crawl", start, *words, "--state", "crawl.db", "-o", "crawl.jsonl", "--scope", "any"),
            ran(folder, "crawl", start, *words, "--state", "crawl.db", "-o", "crawl.jsonl", "--scope", "any"),
        ]
        files = [
            word
            for suffix in ("json", "html", "md", "xml", "sarif", "csv")
            for word in ("-o", f"audit.{suffix}")
        ]
        runs.append(ran(folder, "audit", start, *words, "--state", "a.db", *files, GITHUB_ACTIONS="true"))
        sent = set().union(*(one.secrets for one in server.seen))
    assert [one.code for one in runs] == [0, 0, 0]
    assert sent == {"own header", "Cookie", "userinfo"}
    with contextlib.closing(sqlite3.connect(folder / "a.db")) as base:
        assert base.execute("SELECT count(*) FROM urls WHERE record IS NOT NULL").fetchone()[0] > 10
    assert len(list(folder.iterdir())) == 9
    nothing_found(folder, *runs)


def test_no_output_of_a_load_test_has_a_secret(tmp_path: Path) -> None:
    """Its workers are told by a pipe: their command lines, which all users of a machine see, name none."""
    folder = tmp_path / "out"
    folder.mkdir()
    with everyone() as server:
        files = [word for suffix in ("json", "html", "md") for word in ("-o", f"load.{suffix}")]
        words = [
            "-n",
            "40",
            "-c",
            "4",
            "-X",
            "POST",
            "--data",
            SECRETS["data"],
            "-e",
            "asyncio",
            "--slo",
            "p99<9s",
        ]
        one = ran(
            folder, "load", f"http://127.0.0.1:{server.one}/", *words, *files, "--save-baseline", "base.json"
        )
        sent = set().union(*(one.secrets for one in server.seen))
    assert sent >= {"own header", "Cookie", "auth"}
    assert one.code in (0, 3)
    assert b"fetcher.loadtest" in one.below
    nothing_found(folder, one)


@pytest.mark.long
def test_no_output_of_a_comparison_has_a_secret(tmp_path: Path, site: str) -> None:
    """Its laps have the list in a file, which others may not read and which goes with the run."""
    folder, temporary, listed = tmp_path / "out", tmp_path / "temporary", tmp_path / "urls.txt"
    folder.mkdir()
    temporary.mkdir()
    there = site.replace("://", f"://me:{quote(SECRETS['userinfo'])}@")
    listed.write_text("".join(f"{there}/bytes/{n}\n" for n in range(40)))
    files = [word for suffix in ("json", "html", "md") for word in ("-o", f"compare.{suffix}")]
    words = ["--engines", "asyncio,threads", "--blocks", "6"]
    one = ran(folder, "compare", str(listed), *words, *files, TMPDIR=str(temporary))
    assert one.code in (0, 1, 3), one.said  # whoever is faster
    assert list(temporary.iterdir()) == []
    assert len(list(folder.iterdir())) == 3
    nothing_found(folder, one)
