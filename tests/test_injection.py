"""What a list, a server or a page says stays text: on a terminal, in files, in requests, in file names.

The sinks and reports have tests of their own, cell by cell; these go through whole commands, against a site
that puts into every place what somebody else would act on.
"""

from __future__ import annotations

import ast
import csv
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import fetcher
from fetcher.errors import UsageError
from fetcher.model import Request
from tests.servers import Raw, answers, by_path, raw, response

ROOT = Path(fetcher.__file__).parents[1]
FETCH = [sys.executable, "-m", "fetcher"]

# What a terminal (7 and 8 bits), Rich, a browser, GitHub's runner or a spreadsheet acts on.
ESCAPES = "\x1b[2J\x1b]0;owned\x07\x1b]8;;http://evil/\x1b\\\x9b31m\u202e"
MARKUP = "[bold red]x[/][link=http://evil]y[/link]"
HTML = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><b onclick=alert(1)>"
ATTACK = f"{ESCAPES}{MARKUP}{HTML}]]>\n::error title=x::owned\r=1+1"
RAW = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
OURS = re.compile(
    "\r\n|\r\x1b\\[K|\r|\x1b\\[[0-9;]*[mKAJ]|\x1b\\[\\?25[lh]"
)  # a line's end, the live line, colours


def hostile() -> dict[str, bytes]:
    """A site that says ATTACK wherever it may: titles, links, anchors, types, redirects, robots.txt."""
    coded = ATTACK.replace("'", "&#39;").replace("<", "&lt;").encode()
    links = [b"/a?" + coded, b"http://[" + coded, b"/moved", b"/typed", b"/gone?" + coded, b"/#" + coded]
    links += [b"javascript:" + coded, b"http://" + coded + b"@127.0.0.1:1/" + coded, b"//ev\x1b[2Jil/"]
    anchors = b"".join(b"<a href='%s'>%s</a>" % (link, coded) for link in links)
    page = b"<title>" + ATTACK.encode() + b"</title><p id='" + coded + b"'>" + anchors
    kind = (
        ATTACK.replace("\n", " ")
        .replace("\r", " ")
        .replace("\x1b", "")
        .replace("\x07", "")
        .replace("\u202e", "\xad")
    )
    location = "/to?" + kind.replace("\x9b", "")
    robots = f"User-agent: *\nDisallow: /typed{ATTACK}\nSitemap: /map.xml?{HTML}{ESCAPES}\n".encode()
    table = {
        "/": response(page, "Content-Type: text/html; charset=utf-8"),
        "/robots.txt": response(robots),
        "/moved": response(b"", f"Location: {location}", status="302 Found"),
        "/typed": response(b"x" * 3000, f"Content-Type: text/{kind}", f"ETag: {kind}"),
    }
    return {path.decode() if isinstance(path, bytes) else path: answer for path, answer in table.items()}


class Anything(dict[str, bytes]):
    """What is not in the table is a page with a hostile title, or nothing at all."""

    def __missing__(self, path: str) -> bytes:
        if path.startswith("/gone"):
            return response(b"gone", status="404 " + MARKUP)
        return response(f"<title>{ATTACK}</title>{path}".encode(), "Content-Type: text/html")


@pytest.fixture
def site() -> Iterator[Raw]:
    with raw(by_path(Anything(hostile()))) as server:
        yield server


def clean() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("FETCH_")} | {
        "TERM": "xterm"
    }


def on_a_terminal(*words: str, columns: int = 200, **environ: str) -> str:
    """All that a command writes to a terminal."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with subprocess.Popen(
        [*FETCH, *words], stdin=follower, stdout=follower, stderr=follower, env=clean() | environ, cwd=ROOT
    ) as child:
        os.close(follower)
        seen, until = b"", time.monotonic() + 40
        while time.monotonic() < until and select.select([leader], [], [], 20)[0]:
            try:
                seen += os.read(leader, 65536)
            except OSError:
                break
        child.wait(10)
    os.close(leader)
    text = seen.decode()
    assert "Traceback" not in text
    return text


def nothing_raw(text: str) -> None:
    """Nothing that a terminal would act on but line ends, colours and the live line of our own."""
    left = OURS.sub("", text)
    assert RAW.findall(left) == [], left
    assert "\x1b]" not in text
    assert "owned\x07" not in text


def listed(folder: Path, base: str) -> Path:
    path = folder / "urls.txt"
    lines = [
        *(
            f"{base}{ATTACK}",
            f"{base}?\x9b31m\u202e{MARKUP}{HTML}",
            "http://ev\x1b[2Jil.invalid/",
            "\x1b]0;owned\x07",
        ),
        *(
            f"{base}moved",
            f"{base}typed",
            f"http://[\x9b\u202e{MARKUP}",
            f"{MARKUP}://x",
            "=1+1",
            "@x",
            "-1",
            "+1",
        ),
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_terminal_sees_nothing_raw_of_a_list(site: Raw, tmp_path: Path) -> None:
    words = [str(listed(tmp_path, site.url)), "--retries", "0", "--headers", "etag"]
    for more in ((), ("--json",)):
        text = on_a_terminal(*words, *more)
        assert "[bold red]x[/]" in text.replace("%20", " "), "markup is text"
        nothing_raw(text)


@pytest.mark.parametrize("command", ["crawl", "audit"])
def test_a_terminal_sees_nothing_raw_of_a_site(site: Raw, command: str) -> None:
    text = on_a_terminal(command, site.url, "--retries", "0", GITHUB_ACTIONS="true")
    assert "[bold red]x[/]" in text.replace("%20", " "), "it was said"
    nothing_raw(text)
    assert not [line for line in text.split("\r\n") if line.startswith("::") and "owned" in line[:9]]


def test_a_terminal_sees_nothing_raw_of_a_refusal(tmp_path: Path) -> None:
    """A message names the line of a list, the tag of a sitemap, the key of a setting: made by anyone."""
    files = {
        "targets.txt": f"http://127.0.0.1/\x1b[2J{MARKUP}\n",
        "more.txt": "http://127.0.0.1\x9b31m\u202e/\n",
        "odd.xml": "<\u202e>",
        "tag.xml": "<a\u00b7\u202fb/>",
        "own.toml": '"\u202e\u009b31m" = 1\n',
        "run.jsonl": '{"\u202e": "\u009b31m"}\n',
    }
    for file, text in files.items():
        tmp_path.joinpath(file).write_text(text, encoding="utf-8")
    place = {file: str(tmp_path / file) for file in files}
    for words in (
        ("load", place["targets.txt"]),
        ("load", place["more.txt"], "--dry-run"),
        (place["odd.xml"],),
        (place["tag.xml"],),
        ("http://127.0.0.1:1/", "--config", place["own.toml"]),
        ("report", place["run.jsonl"]),
        ("diff", place["run.jsonl"], place["run.jsonl"]),
        ("crawl", "http://\x1b[2J\u202e/"),
        ("\x1b[2J\u202ex",),
    ):
        text = on_a_terminal(*words)
        assert text.startswith("fetch: "), (words, text)
        nothing_raw(text)


def test_a_dry_run_shows_nothing_raw(tmp_path: Path) -> None:
    path = tmp_path / "targets.txt"
    path.write_text(f"http://127.0.0.1?\x9b31m\u202e{MARKUP}\n", encoding="utf-8")
    text = on_a_terminal("load", str(path), "--dry-run", "-n", "1")
    assert "127.0.0.1" in text
    nothing_raw(text)


# Files.


class Page(HTMLParser):
    """Everything in a page that could act."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts = 0
        self.acts: list[str] = []
        self.links: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.acts += [name for name, _ in attrs if name.startswith("on")]
        self.acts += [
            tag for _ in (1,) if tag in ("img", "iframe", "object", "embed", "form", "base", "link")
        ]
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action")]


def page_is_inert(text: str) -> None:
    found = Page(text)
    assert found.scripts <= 2, "those of ours"
    assert found.acts == []
    assert [link for link in found.links if not link.startswith(("http://", "https://", "#", "/"))] == []
    assert 'http-equiv="Content-Security-Policy" content="default-src \'none\'' in text
    assert RAW.findall(text) == []


def markdown_is_inert(text: str) -> None:
    assert not re.search(r"(?<!\\)<(?!https?://)", text)
    assert not re.search(r"(?<!\\)\[[^\]]*(?<!\\)\]\(", text)
    assert RAW.findall(text) == []


def run(folder: Path, *words: str) -> None:
    done = subprocess.run(
        [*FETCH, *words], cwd=folder, env=clean() | {"PYTHONPATH": str(ROOT)}, capture_output=True
    )
    assert done.returncode in (0, 1), done.stderr
    assert b"Traceback" not in done.stderr


def test_every_file_of_a_list_holds_text_only(site: Raw, tmp_path: Path) -> None:
    files = [word for suffix in ("jsonl", "csv", "md") for word in ("-o", f"all.{suffix}")]
    run(tmp_path, str(listed(tmp_path, site.url)), "--retries", "0", "--headers", "etag,content-type", *files)
    run(tmp_path, "report", "all.jsonl", "-o", "all.html", "-o", "report.md")
    lines = tmp_path.joinpath("all.jsonl").read_bytes().split(b"\n")
    records = [json.loads(line) for line in lines[:-1]]
    assert lines[-1] == b""
    assert len(records) >= 12
    assert any("owned" in record["url"] for record in records)
    with tmp_path.joinpath("all.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    assert len(rows) == len(records) + 1
    assert [cell for row in rows for cell in row if re.match(r"\s*[=+@\t\r-]", cell)] == []
    assert sum(cell.startswith("'") for row in rows for cell in row) >= 4
    page_is_inert(tmp_path.joinpath("all.html").read_text(encoding="utf-8"))
    for name in ("all.md", "report.md"):
        markdown_is_inert(tmp_path.joinpath(name).read_text(encoding="utf-8"))


def test_every_file_of_an_audit_holds_text_only(site: Raw, tmp_path: Path) -> None:
    files = [
        word for suffix in ("json", "html", "md", "xml", "sarif", "csv") for word in ("-o", f"a.{suffix}")
    ]
    run(tmp_path, "audit", site.url, "--retries", "0", *files)
    record = json.loads(tmp_path.joinpath("a.json").read_text())
    assert any("alert(1)" in str(one.get("title")) for one in record["entries"]), "it was said"
    assert any("alert(1)" in one["url"] for one in record["broken"])
    page_is_inert(tmp_path.joinpath("a.html").read_text(encoding="utf-8"))
    markdown_is_inert(tmp_path.joinpath("a.md").read_text(encoding="utf-8"))
    suite = ElementTree.fromstring(tmp_path.joinpath("a.xml").read_bytes())
    assert {one.tag for one in suite.iter()} <= {
        "testsuites",
        "testsuite",
        "testcase",
        "failure",
        "skipped",
        "system-out",
    }
    sarif = json.loads(tmp_path.joinpath("a.sarif").read_text())
    messages = [one["message"]["text"] for one in sarif["runs"][0]["results"]]
    assert messages
    assert not [text for text in messages if "](" in text or RAW.search(text)]


SAVED = [
    *(
        "../../up",
        "..%2f..%2fup",
        "%2e%2e/%2e%2e/up",
        "..\\..\\up",
        "/etc/passwd",
        "//etc/passwd",
        ".",
        "..",
        "...",
    ),
    *(
        ".bashrc",
        ".ssh/authorized_keys",
        "-rf",
        "--help",
        "~",
        "~root/x",
        "$HOME/x",
        "$(id)",
        "`id`",
        "a;b",
        "a|b",
        "a&b",
    ),
    *(
        "CON",
        "nul.txt",
        "COM1",
        "a:b",
        "C:\\x",
        "x.txt::$DATA",
        "a%00b",
        "a%0ab",
        "a%1b[2J",
        "a b",
        "a*?",
        "a.",
        "x" * 900,
    ),
    *("\u202egpj.exe", "\uff0e\uff0e\uff0fup", "index.html/", "a.php?file=../../up"),
]


def test_no_url_and_no_server_chooses_a_file_outside(name: str, tmp_path: Path) -> None:
    assert len(SAVED) >= 36
    named = 'Content-Disposition: attachment; filename="../../evil.sh"'
    there = Anything({"/go": response(b"", "Location: /../../%2e%2e/evil.sh", named, status="302 x")})

    class Named(Anything):
        def __missing__(self, path: str) -> bytes:
            return there.get(path) or response(b"body", named)

    folder = tmp_path / "deep" / "saved"
    with raw(by_path(Named())) as server:
        urls = [server.url + path for path in (*SAVED, "go")]
        results = list(fetcher.fetch(urls, engine=name, save=str(folder), retries=0))
    assert [result.message for result in results if result.error] == []
    files = [path for path in tmp_path.rglob("*") if not path.is_dir()]
    assert len(files) == len(urls)
    assert {path.parent for path in files} == {folder}
    assert {path.resolve() for path in files} == {Path(str(result.saved)).resolve() for result in results}
    assert [
        path.name for path in files if not re.fullmatch(r"[0-9]{6}-[A-Za-z0-9._-]{1,200}", path.name)
    ] == []
    assert not [path for path in files if path.is_symlink() or "evil" in path.name]


# Requests.

LINES = ("a\r\nX-Injected: 1", "a\nX-Injected: 1", "a\rX-Injected: 1", "a\0b", "a\x0bb", "a\x7f")


def test_no_control_character_opens_a_connection(name: str) -> None:
    """In a URL, a method, a header, its name, the user agent, a login, a proxy: all are refused before."""
    with raw(answers(response(b"ok"))) as server:
        urls = [f"{server.url}{line}" for line in LINES] + [
            f"http://127.0.0.1:{server.port}{line}/" for line in LINES
        ]
        urls += [f"http://{line}@127.0.0.1:{server.port}/" for line in LINES]
        requests = [Request(server.url, method=f"GET {line}") for line in LINES]
        requests += [
            Request(server.url, headers=((field, value),))
            for line in LINES
            for field, value in ((line, "x"), ("X", line))
        ]
        results = list(fetcher.fetch([*urls, *requests], engine=name, retries=0))
        assert {result.error for result in results} == {"invalid_url"}
        assert all(result.message and result.message.isprintable() for result in results)
        settings: list[Callable[[str], dict[str, Any]]] = [
            lambda line: {"method": f"GET {line}"},
            lambda line: {"header": (("X", line),)},
            lambda line: {"header": ((line, "x"),)},
            lambda line: {"header": (("Cookie", line),)},
            lambda line: {"header_for": ((server.url, "X", line),)},
            lambda line: {"user_agent": line},
            lambda line: {"auth": f"me:{line}"},
            lambda line: {"proxy": f"http://127.0.0.1:{server.port}{line}"},
        ]
        for made in settings:
            for line in LINES:
                with pytest.raises(UsageError):
                    list(fetcher.fetch([server.url], engine=name, **made(line)))
        assert server.connections == 0


def test_what_a_server_says_injects_nothing(name: str) -> None:
    """Neither a Location nor a Set-Cookie can put a line into the next request."""
    places = [
        f"/end/{line}"
        for line in (
            "%0d%0aX-Injected:1",
            "\tX",
            "a\x0bX-Injected: 1",
            "a\x85X",
            "a\x00X",
            "a\rX-Injected: 1",
        )
    ]
    table = {f"/{n}": response(b"", f"Location: {place}", status="302 x") for n, place in enumerate(places)}
    table |= {
        f"/cookie/{n}": response(b"", "Location: /end/cookie", f"Set-Cookie: a={value}", status="302 x")
        for n, value in enumerate(("b\rX-Injected: 1", "b\x00c", "b\x1bc", "b\tX-Injected: 1"))
    }
    with raw(by_path(Anything(table))) as server:
        results = list(fetcher.fetch([server.url[:-1] + path for path in table], engine=name, retries=0))
        requests = [request for request in server.requests if request.startswith(b"GET /end/")]
    assert {result.error for result in results} <= {None, "bad_header", "bad_redirect"}
    assert len(requests) >= 3
    known = {b"host", b"user-agent", b"accept", b"accept-encoding", b"cookie", b"connection"}
    for request in requests:
        line, *fields = request.removesuffix(b"\r\n\r\n").split(b"\r\n")
        assert re.fullmatch(rb"GET /[!-~]+ HTTP/1\.1", line)
        assert {field.partition(b":")[0].lower() for field in fields} <= known
        assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", b"".join(fields))


# Code.

UNSAFE = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "marshal",
    "shelve",
    "yaml",
    "jsonpickle",
    "joblib",
    "code",
    "imp",
}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "pickle.loads", "allow_pickle"}
# Who may have processes: what multiprocessing pickles goes through pipes between a process and its own child.
PIPES = {
    *("engines/processes.py", "engines/_worker.py", "engines/_forked.py", "engines/_slot.py"),
    "partition/places/dask.py",  # a local cluster is made of it
}


def test_nothing_from_outside_becomes_code() -> None:
    """No unpickling, no eval, no shell: a list, an answer, a recorded run and a baseline are read as data."""
    for path in sorted((ROOT / "fetcher").rglob("*.py")):
        here = path.relative_to(ROOT / "fetcher").as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            tops = {name.partition(".")[0] for name in names}
            assert not tops & UNSAFE, f"{here}: {names}"
            assert "multiprocessing" not in tops or here in PIPES, f"{here}: whom does it talk to?"
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in CALLS, f"{here}: {called}"
                shell = [one for one in node.keywords if one.arg == "shell"]
                assert not shell, f"{here}: {ast.unparse(node)}"


def test_every_promise_of_the_policy_has_its_test() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 25
    for file, test in named:
        assert f"def {test}" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"
