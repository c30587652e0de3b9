"""What every reader promises, and what `save` makes of names, statuses and disks."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import fetcher.readers as folder
from fetcher import menu
from fetcher.errors import KINDS, Fault, UsageError
from fetcher.model import Options, Request, Result
from fetcher.readers import Reader, save

BODY = b"<html>" + bytes(range(256)) * 40 + b'<a href="/x">x</a>'
every_reader = pytest.mark.parametrize("name", menu.names(folder))


def request(url: str = "http://example.org/a/page.html", row: int = 7) -> Request:
    return Request(url=url, wire=url, row=row, input=url)


def reader(name: str, directory: Path, asked: Request | None = None) -> Reader:
    return menu.pick(folder, name).reader(asked or request(), Options(save=str(directory)))


def read(name: str, directory: Path, body: bytes = BODY, step: int = 1 << 20, status: int = 200) -> Result:
    one = reader(name, directory)
    for start in range(0, len(body), step):
        one.feed(body[start : start + step])
    result = Result(status=status)
    one.done(result)
    return result


def descriptors() -> list[int]:
    return sorted(int(path.name) for path in Path("/dev/fd").iterdir())


def findings(result: Result) -> tuple[object, ...]:
    return result.size, result.sha256, result.found, result.saved, result.error


@every_reader
def test_the_finding_does_not_depend_on_the_pieces(name: str, tmp_path: Path) -> None:
    whole = findings(read(name, tmp_path))
    assert whole == findings(read(name, tmp_path, step=1)) == findings(read(name, tmp_path, step=100))
    assert whole != (None, None, None, None, None)


@every_reader
def test_an_empty_body_is_a_body(name: str, tmp_path: Path) -> None:
    assert read(name, tmp_path, b"").error is None


@every_reader
def test_a_dropped_body_leaves_nothing(name: str, tmp_path: Path) -> None:
    one = reader(name, tmp_path)
    one.feed(BODY)
    one.drop()
    assert list(tmp_path.iterdir()) == []


@every_reader
def test_it_says_whether_it_keeps_the_body(name: str) -> None:
    assert menu.pick(folder, name).KEEPS in {True, False}


@pytest.mark.parametrize("name", ["count", "hash", "save"])
def test_these_do_not_keep_the_body(name: str) -> None:
    assert menu.pick(folder, name).KEEPS is False


def test_count_and_hash(tmp_path: Path) -> None:
    assert read("count", tmp_path).size == len(BODY)
    assert read("hash", tmp_path).sha256 == hashlib.sha256(BODY).hexdigest()
    assert read("hash", tmp_path, b"").sha256 == hashlib.sha256().hexdigest()


def test_save_writes_the_body_under_our_name(tmp_path: Path) -> None:
    result = read("save", tmp_path)
    path = tmp_path / "000007-example.org-page.html"
    assert result.saved == str(path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == BODY
    assert path.stat().st_nlink == 1
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_save_shows_only_whole_files(tmp_path: Path) -> None:
    one = reader("save", tmp_path)
    one.feed(BODY)
    assert [path.name[0] for path in tmp_path.iterdir()] == ["."]
    one.drop()


@pytest.mark.parametrize(("status", "error"), [(404, None), (503, None), (200, "truncated_encoding")])
def test_save_keeps_only_what_is_ok(status: int, error: str | None, tmp_path: Path) -> None:
    one = reader("save", tmp_path)
    one.feed(BODY)
    result = Result(status=status, error=error)
    one.done(result)
    assert list(tmp_path.iterdir()) == []
    assert (result.error, result.saved) == (error, None)


def test_save_takes_an_equal_file_for_its_own(tmp_path: Path) -> None:
    first = read("save", tmp_path)
    again = read("save", tmp_path)
    assert again.error is None
    assert again.saved == first.saved
    assert len(list(tmp_path.iterdir())) == 1


def test_save_replaces_nothing(tmp_path: Path) -> None:
    path = tmp_path / "000007-example.org-page.html"
    path.write_bytes(b"mine")
    result = read("save", tmp_path)
    assert result.error == "local_disk"
    assert "not replaced" in (result.message or "")
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("inside", [BODY, b"mine", None])
def test_save_follows_no_link(inside: bytes | None, tmp_path: Path) -> None:
    target, directory = tmp_path / "target", tmp_path / "saved"
    directory.mkdir()
    if inside is not None:
        target.write_bytes(inside)
    link = directory / "000007-example.org-page.html"
    link.symlink_to(target)
    result = read("save", directory)
    assert result.error == "local_disk"
    assert link.is_symlink()
    assert (target.read_bytes() if target.exists() else None) == inside
    assert list(directory.iterdir()) == [link]


def test_save_works_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*names: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    result = read("save", tmp_path)
    assert result.error is None
    assert (tmp_path / "000007-example.org-page.html").read_bytes() == BODY
    other = read("save", tmp_path, b"other")
    assert other.error == "local_disk"
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [BODY]


@pytest.mark.parametrize("status", [200, 404])
def test_save_leaves_no_descriptor(status: int, tmp_path: Path) -> None:
    before = descriptors()
    read("save", tmp_path, status=status)
    reader("save", tmp_path).drop()
    assert descriptors() == before


def test_save_into_no_directory_is_a_fault_here(tmp_path: Path) -> None:
    with pytest.raises(Fault) as caught:
        reader("save", tmp_path / "absent")
    assert caught.value.kind == "local_disk"


def test_save_without_descriptors_says_so(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(descriptors())
    holders: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 8, limits[1]))
    try:
        while True:
            try:
                holders.append(os.dup(0))
            except OSError:
                break
        with pytest.raises(Fault) as caught:
            save.reader(request(), Options(save=str(tmp_path)))
    finally:
        for holder in holders:
            os.close(holder)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert caught.value.kind == "local_fd_limit"
    assert KINDS[caught.value.kind].transient


def test_save_on_a_full_disk_is_a_fault_here_and_leaves_nothing(tmp_path: Path) -> None:
    code = """if True:
        import os, resource, signal, sys
        from fetcher.errors import Fault
        from fetcher.model import Options, Request
        from fetcher.readers import save
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        one = save.reader(Request(url="http://h/x", wire="http://h/x", row=1), Options(save=sys.argv[1]))
        one.feed(b"x" * 900)
        try:
            one.feed(b"x" * 900)
        except Fault as fault:
            one.drop()
            print(fault.kind, os.listdir(sys.argv[1]))
    """
    run = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, timeout=30)
    assert (run.stdout, run.stderr) == ("local_disk []\n", "")


def test_prepare_makes_the_directory(tmp_path: Path) -> None:
    save.prepare(str(tmp_path / "a" / "b"))
    assert list((tmp_path / "a" / "b").iterdir()) == []
    save.prepare(str(tmp_path / "a" / "b"))


@pytest.mark.parametrize("given", ["file", "file/below", "a\0b"])
def test_prepare_refuses_what_is_no_directory(given: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="--save"):
        save.prepare(str(tmp_path / given))


NAMES = [
    ("http://example.org/", "000007-example.org"),
    ("http://example.org", "000007-example.org"),
    ("http://example.org:8080/a/b.tar.gz?x=/y.exe#z", "000007-example.org-b.tar.gz"),
    ("http://example.org/dir/", "000007-example.org-dir-index"),
    ("http://example.org/a/b.v2//?x=/y/", "000007-example.org-b.v2-index"),
    ("http://example.org//", "000007-example.org"),
    ("http://example.org/../../etc/passwd", "000007-example.org-passwd"),
    ("http://example.org/..", "000007-example.org"),
    ("http://example.org/.", "000007-example.org"),
    ("http://example.org/...", "000007-example.org"),
    ("http://example.org/.bashrc", "000007-example.org-bashrc"),
    ("http://example.org/.ssh/authorized_keys", "000007-example.org-authorized_keys"),
    ("http://example.org/%2e%2e%2fetc%2fpasswd", "000007-example.org-_2e_2e_2fetc_2fpasswd"),
    ("http://example.org/..%2f..%2fx.sh", "000007-example.org-_2f._2fx.sh"),
    ("http://example.org/..%5c..%5cx", "000007-example.org-_5c._5cx"),
    ("http://example.org/..\\..\\x.bat", "000007-example.org-x.bat"),
    ("http://example.org/C:\\x", "000007-example.org-x"),
    ("http://example.org/C:x", "000007-example.org-C_x"),
    ("http://example.org/CON", "000007-example.org-CON"),
    ("http://example.org/nul.txt", "000007-example.org-nul.txt"),
    ("http://example.org/COM1", "000007-example.org-COM1"),
    ("http://example.org/x.txt::$DATA", "000007-example.org-x.txt_DATA"),
    ("http://example.org/a%00.html", "000007-example.org-a_00.html"),
    ("http://example.org/a\0b.html", "000007-example.org-a_b.html"),
    ("http://example.org/a\r\nb", "000007-example.org-a_b"),
    ("http://example.org/\x1b[31m", "000007-example.org-_31m"),
    ("http://example.org/-rf", "000007-example.org--rf"),
    ("http://example.org/a b", "000007-example.org-a_b"),
    ("http://example.org/a;rm -rf ~;", "000007-example.org-a_rm_-rf_"),
    ("http://example.org/$(id)`id`|id", "000007-example.org-_id_id_id"),
    ("http://example.org/*?", "000007-example.org-_"),
    ("http://example.org/a.", "000007-example.org-a"),
    ("http://example.org/a. ", "000007-example.org-a._"),
    ("http://example.org/a.verylongextension", "000007-example.org-a.verylongextension"),
    ("http://example.org/" + "x" * 5000 + ".html", "000007-example.org-" + "x" * 60 + ".html"),
    ("http://example.org/\u202egpj.exe", "000007-example.org-_gpj.exe"),
    ("http://example.org/\uff0e\uff0e\uff0fetc", "000007-example.org-_etc"),
    ("http://user:secret@example.org/a", "000007-example.org-a"),
    ("http://[::1]:80/a", "000007-_1_-a"),
    ("http://" + "h" * 253 + "/a", "000007-" + "h" * 100 + "-a"),
    ("http://..\u2215x/a", "000007-_x-a"),
    ("", "000007"),
]


@pytest.mark.parametrize(("url", "expected"), NAMES)
def test_no_url_chooses_a_file_outside(url: str, expected: str, tmp_path: Path) -> None:
    directory = tmp_path / "saved"
    directory.mkdir()
    one = reader("save", directory, request(url))
    one.feed(b"x")
    result = Result(status=200)
    one.done(result)
    assert result.error is None
    assert [path.name for path in directory.iterdir()] == [expected]
    assert list(tmp_path.iterdir()) == [directory]
    assert len(expected) <= 255


def test_the_name_is_of_the_url_that_was_asked_for() -> None:
    asked = request("http://evil.example/.bashrc")
    asked.hops = (("http://example.org/a.txt", 302),)
    assert save.name(asked) == "000007-example.org-a.txt"


def test_a_server_cannot_choose_by_content_disposition(tmp_path: Path) -> None:
    one = reader("save", tmp_path)
    one.feed(b"x")
    one.done(Result(status=200, fields=(("Content-Disposition", 'attachment; filename="../evil"'),)))
    assert [path.name for path in tmp_path.iterdir()] == ["000007-example.org-page.html"]
