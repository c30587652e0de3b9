"""A text as a URL: refused by a Fault, or one wire form that every later step slices rightly."""

from __future__ import annotations

import json
from pathlib import Path

import ada_url

from fetcher import logins, traps, urls
from fetcher.errors import Fault
from fetcher.model import Request
from tests.fuzz._checks import kind_of

KINDS = {"invalid_url", "unsupported_scheme"}
BASE = "http://example.org/a/b?c"
SECRET = "S3CRET"
SEEDS = [
    *(b"http://example.org/", b"https://u:S3CRET@h:8080/a/../b;c?d=e&f#g", b"example.org", b"//h/x", b"h:80"),
    *(b"http://[::1]:80/", b"http://0x7f.1/", b"http://127.0.0.1:65536", b"http://xn--bcher-kva.de/%zz"),
    *(
        "http://bücher.example/ü?ü#ü".encode(),
        b"HTTP:\\\\h\\x",
        b"http:h",
        b"data:80",
        b"mailto:a@b",
        b"http://a..b",
    ),
    *(
        b"http://" + b"a." * 130,
        b"http://" + b"a" * 64 + b".b/",
        b"http://h/" + b"a" * 300,
        b"S3CRET:x@h",
        b"\xff",
    ),
    *(
        b"http://S3CRET@h@i/",
        b"http:/u:S3CRET@h",
        b"//u:S3CRET@h/@/",
        b"ftp://u:S3CRET@h/",
        b"http://u:S3CRET@[::1",
    ),
    "http://faß.example/".encode(),
    "http://\uff11\uff12\uff17.0.0.1/".encode(),
    b"http://h/jan/2024/x/x/x/?sid=0123456789abcdef0123",
]
WORDS = [
    b"http://",
    b"https://",
    b"http:",
    b"://",
    b"//",
    b"\\",
    b"@",
    b":",
    b"S3CRET",
    b"u:S3CRET@",
    b"[::1]",
    b"%2F",
]
WORDS += [
    b"%",
    b"%00",
    b"?",
    b"#",
    b"..",
    b"/./",
    b"%2e",
    b"xn--",
    b"\xc3\xbc",
    b"\xe2\x80\x8d",
    b"\xef\xbc\x8e",
]
WORDS += [
    b":80",
    b":443",
    b":0",
    b"0x7f",
    b"1.1.1.1",
    b"localhost",
    b"ftp:",
    b"javascript:",
    b"\t",
    b"\0",
    b" ",
    b"\x7f",
]


def more(folder: Path) -> list[bytes]:
    cases = json.loads((folder / "url" / "urltestdata.json").read_text("utf-8"))
    return [case["input"].encode("utf-8", "surrogatepass") for case in cases if isinstance(case, dict)]


def target(data: bytes) -> object:
    text = data.decode("utf-8", "surrogateescape")
    shown, login = logins.mask(text), logins.userinfo(text)
    if len(text) <= urls.HOST and urls.PLAIN(text):
        assert ada_url.normalize_url(text) == text
    joined = judged(lambda: urls.join(BASE, text))
    wire = judged(lambda: urls.wire(text))
    if isinstance(wire, Fault):
        assert SECRET not in wire.message.partition(":")[2], wire  # before it: a scheme
        return wire.kind, wire.message[:30], _kind(joined)
    if SECRET in login.partition(":")[2] and text.count(SECRET) == 1:
        assert SECRET not in shown, "a password is shown"
    return sliced(wire), bool(login), _kind(joined)


def judged(make):
    """What it gives, the Fault it raises; both judged."""
    try:
        href = make()
    except Fault as fault:
        kind_of(fault, KINDS)
        return fault
    assert href.startswith(("http://", "https://"))
    assert href.isascii(), href
    assert href.isprintable(), href
    assert not set(" #<>") & set(href), href  # a host may hold quotes
    assert urls.wire(href) == href, href
    assert ada_url.normalize_url(href) == href, href
    assert urls.key(href) == href
    return href


def sliced(href: str) -> tuple[object, ...]:
    """The parts that an engine uses are those that the parser sees."""
    request = Request("")
    origin = urls.aim(request, href)
    seen = ada_url.URL(href)
    assert origin == urls.origin(href) == seen.origin
    assert (request.wire, f"{request.scheme}:") == (href, seen.protocol)
    assert request.authority == seen.host
    assert request.target == seen.pathname + seen.search or request.target == f"{seen.pathname}?", href
    name, _, port = request.host.rpartition(":")
    assert name == seen.hostname
    assert port == (seen.port or ("443" if seen.protocol == "https:" else "80"))
    assert 0 <= int(port) < 65536
    assert seen.username == seen.password == seen.hash == ""
    assert all(0 < len(label) <= urls.LABEL for label in name.removesuffix(".").split(".")) or name[0] == "["
    assert len(traps.shape(href)) <= len(href)
    assert not (traps.is_long(href) and traps.is_repeating(href) and len(href) < 20)
    return request.scheme, port in ("80", "443"), name[:1] == "[", urls.is_loopback(request.host), "?" in href


def _kind(found: str | Fault) -> str:
    return found.kind if isinstance(found, Fault) else found[:7]
