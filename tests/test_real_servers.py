"""Every engine against servers that nobody here wrote: the same records, sizes right to the byte."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from fetcher.comparison.arms import installed
from fetcher.model import PARITY
from tests.servers import _await_port, nginx

PAGE = b"".join(b"<p>%d: the quick brown fox</p>\n" % n for n in range(3000))
CODED = {"gzip": gzip.compress(PAGE), "deflate": zlib.compress(PAGE)}


def _more() -> None:
    import brotli
    from backports import zstd

    CODED["br"] = brotli.compress(PAGE)
    CODED["zstd"] = zstd.compress(PAGE)


_more()


def records(tmp_path: Path, urls: list[str], engine: str, *words: str) -> list[dict[str, object]]:
    """What `fetch URLS --json` prints, by row."""
    listed = tmp_path / "urls.txt"
    listed.write_text("\n".join(urls))
    env = {key: value for key, value in os.environ.items() if not key.startswith("FETCH_")}
    done = subprocess.run(
        [sys.executable, "-m", "fetcher", listed, "--json", "--hash", "-q", "-e", engine, *words],
        capture_output=True,
        timeout=60,
        env=env,
        check=False,
    )
    assert done.stderr == b""
    return sorted(map(json.loads, done.stdout.splitlines()), key=lambda record: record["row"])


def agree(tmp_path: Path, urls: list[str]) -> list[dict[str, object]]:
    """The records, after every engine has given the same ones."""
    seen = {engine: records(tmp_path, urls, engine) for engine in installed()}
    parity = {
        engine: [{key: record[key] for key in PARITY} for record in found] for engine, found in seen.items()
    }
    first = next(iter(parity.values()))
    for engine, found in parity.items():
        assert found == first, engine
    assert len(first) == len(urls)
    return next(iter(seen.values()))


def right(record: dict[str, object], body: bytes, wire: int | None = None) -> None:
    digest = hashlib.sha256(body).hexdigest()
    assert (record["ok"], record["size"], record["sha256"]) == (True, len(body), digest), record
    if wire is not None:
        assert record["wire_size"] == wire, record


def test_nginx(tmp_path: Path) -> None:
    """Static and chunked gzip by nginx itself; the other codings as files it serves with their header."""
    coded = "".join(
        f'location = /{name} {{ add_header Content-Encoding "{name}"; default_type text/html; }}\n'
        for name in CODED
    )
    conf = coded + "location /moved { return 301 /page.html; }\nlocation /gone { return 410; }\n"
    files = {"page.html": PAGE, "empty.txt": b"", **CODED}
    with nginx(conf, files) as plain, nginx("", {"page.html": PAGE}, gzip=True) as dynamic:
        paths = ["page.html", "empty.txt", *CODED, "moved", "gone", "missing", "page.html?q=%e2%7E"]
        found = agree(tmp_path, [*(plain.url + path for path in paths), f"{dynamic.url}page.html"])
    by_path = dict(zip([*paths, "dynamic"], found, strict=True))
    right(by_path["page.html"], PAGE, len(PAGE))
    right(by_path["empty.txt"], b"", 0)
    for name, body in CODED.items():
        right(by_path[name], PAGE, len(body))
        assert by_path[name]["encoding"] == name
    right(by_path["moved"], PAGE, len(PAGE))
    assert [hop["status"] for hop in by_path["moved"]["redirects"]] == [301]  # type: ignore[attr-defined]
    assert [by_path[path]["status"] for path in ("gone", "missing")] == [410, 404]
    right(by_path["dynamic"], PAGE)
    assert by_path["dynamic"]["encoding"] == "gzip"
    assert 0 < by_path["dynamic"]["wire_size"] < len(PAGE) / 2  # type: ignore[operator]


@contextmanager
def lighttpd(folder: Path, port: int) -> Iterator[str]:
    """A real lighttpd that serves `folder/root` and compresses text itself."""
    binary = Path("/usr/sbin/lighttpd")
    if not binary.exists():
        pytest.skip("needs lighttpd: apt install lighttpd")
    conf = folder / "lighttpd.conf"
    conf.write_text(
        f"""
server.document-root = "{folder}/root"
server.bind = "127.0.0.1"
server.port = {port}
server.modules = ("mod_deflate", "mod_redirect")
mimetype.assign = (".html" => "text/html", ".bin" => "application/octet-stream")
deflate.mimetypes = ("text/html")
deflate.allowed-encodings = ("deflate", "gzip", "br", "zstd")
url.redirect = ("^/old" => "/page.html")
"""
    )
    log = folder / "lighttpd.log"
    with log.open("wb") as out, subprocess.Popen([binary, "-D", "-f", conf], stdout=out, stderr=out) as child:
        try:
            _await_port(port, child, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            child.kill()


def test_lighttpd(tmp_path: Path, free_port: int) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/page.html").write_bytes(PAGE)
    (tmp_path / "root/raw.bin").write_bytes(bytes(range(256)) * 500)
    with lighttpd(tmp_path, free_port) as base:
        page, raw, old, none = agree(
            tmp_path, [base + path for path in ("/page.html", "/raw.bin", "/old", "/no")]
        )
    right(page, PAGE)
    assert page["encoding"]
    right(raw, bytes(range(256)) * 500, 128_000)
    right(old, PAGE)
    assert none["status"] == 404


def test_werkzeug_through_pytest_httpserver(tmp_path: Path, httpserver: HTTPServer) -> None:
    """Chunked bodies in every coding, cookies along a chain, errors: the server of pytest-httpserver."""

    def chunked(body: bytes, coding: str) -> Response:
        parts = (body[n : n + 1000] for n in range(0, len(body), 1000))
        answer = Response(parts, direct_passthrough=True)
        if coding:
            answer.headers["Content-Encoding"] = coding
        return answer

    def login(request: Request) -> Response:
        return Response(f"cookie: {request.cookies.get('sid', 'none')}")

    def start(_: Request) -> Response:
        answer = Response(status=302, headers={"Location": "/home"})
        answer.set_cookie("sid", "7")
        return answer

    httpserver.expect_request("/home").respond_with_handler(login)
    httpserver.expect_request("/start").respond_with_handler(start)
    httpserver.expect_request("/teapot").respond_with_data("short and stout", status=418)
    coded = {"": PAGE, **CODED}
    for name, body in coded.items():
        httpserver.expect_request(f"/{name or 'plain'}").respond_with_handler(
            lambda _, body=body, name=name: chunked(body, name)
        )
    paths = [*(f"/{name or 'plain'}" for name in coded), "/start", "/home", "/teapot"]
    found = agree(tmp_path, [httpserver.url_for(path) for path in paths])
    for record, body in zip(found, coded.values(), strict=False):
        right(record, PAGE, len(body))
    right(found[-3], b"cookie: 7")
    right(found[-2], b"cookie: none")
    assert (found[-1]["status"], found[-1]["ok"], found[-1]["size"]) == (418, False, 15)
