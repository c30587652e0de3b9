"""`serving`: the server that `--serve` starts is awaited, watched, and gone afterwards, whatever happens."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fetcher.errors import UsageError
from fetcher.loadtest import leash
from fetcher.loadtest.serving import serving

LISTEN = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
STAY = "time.sleep(60)\n"
BURN = "until = time.process_time() + 0.3\nwhile time.process_time() < until: pass\n"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX's")
needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc here")


def command(code: str, *words: object) -> str:
    return shlex.join([sys.executable, "-S", "-c", code, *map(str, words)])


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def runs(pid: int) -> bool:
    """It is there, and no zombie: in a container nobody may bury those."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()


def ends(pid: int, seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while runs(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not runs(pid)


def noted(file: Path) -> str:
    """Code that writes its process's id into the file."""
    return f"import os, time\nwith open({str(file)!r}, 'w') as f: f.write(f'{{os.getpid()}}\\n')\n"


def pid_in(file: Path) -> int:
    until = time.monotonic() + 5
    while not (file.exists() and file.read_text().endswith("\n")) and time.monotonic() < until:
        time.sleep(0.02)
    return int(file.read_text())


def test_it_begins_once_the_port_accepts_and_ends_with_the_context(leaves_nothing, free_port, capfd):
    code = "import time; time.sleep(0.3)\n" + BURN + LISTEN + "print('hello', flush=True)\n" + STAY
    with serving(command(code, free_port), "127.0.0.1", free_port) as server:
        assert accepts(free_port)
        assert server.ended() == ""
        assert runs(server.pid)
        used = server.usage()
        assert 0.25 <= used["cpu"] < 2.3
        assert 1_000_000 < used["rss"] <= server.peak
    assert not accepts(free_port)
    assert not runs(server.pid)
    assert capfd.readouterr() == ("", ""), "stdout is for results, stderr for what we say"


def test_what_its_children_use_is_counted_and_not_forgotten(free_port):
    code = (
        LISTEN
        + "import os\nif not os.fork():\n "
        + BURN.replace("\n", "\n ")
        + "\n raise SystemExit\n"
        + STAY
    )
    with serving(command(code, free_port), "127.0.0.1", free_port) as server:
        until = time.monotonic() + 10
        while (most := server.usage()["cpu"]) < 0.25 and time.monotonic() < until:
            time.sleep(0.02)
        assert 0.25 <= most < 2.3
        os.kill(server.pid, signal.SIGKILL)
        assert ends(server.pid)
        server.ended()
        assert server.usage()["cpu"] >= most, "of what has gone, it still says what it took"
        assert server.usage()["rss"] == 0


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "import sys; print('fine so far'); sys.exit('no such database\\n\\n')",
            "ended with code 1: no such database",
        ),
        ("raise SystemExit(3)", "ended with code 3 ("),
        ("import os; os.kill(os.getpid(), 9)", "was ended by SIGKILL ("),
    ],
)
def test_a_server_that_does_not_start_says_why(leaves_nothing, free_port, code, says):
    began = time.monotonic()
    with pytest.raises(UsageError) as raised, serving(command(code), "127.0.0.1", free_port):
        pytest.fail("it began")
    assert says in str(raised.value)
    assert f"127.0.0.1:{free_port}" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert time.monotonic() - began < 6, "its end is noticed at once, not after 30 s"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "no command"),
        ("  ", "no command"),
        ("python 'x", "No closing quotation"),
        ("no-such-program-here --port 1", "cannot run 'no-such-program-here': No such file"),
        ("/", "cannot run '/': Permission denied"),
    ],
)
def test_a_command_that_cannot_be_run(leaves_nothing, free_port, words, says):
    with pytest.raises(UsageError, match=says), serving(words, "127.0.0.1", free_port):
        pytest.fail("it began")


def test_no_shell_reads_it(free_port, tmp_path):
    code = "import sys; sys.exit(' '.join(sys.argv[1:]))"
    line = f"{command(code)} $HOME '*' > {tmp_path}/x"
    with pytest.raises(UsageError) as raised, serving(line, "127.0.0.1", free_port):
        pytest.fail("it began")
    assert f": $HOME * > {tmp_path}/x (" in str(raised.value)


def test_a_port_that_is_taken_is_not_measured_for_another(free_port, tmp_path):
    started = tmp_path / "started"
    with socket.create_server(("127.0.0.1", free_port)):
        line = command(f"open({str(started)!r}, 'w')")
        with (
            pytest.raises(UsageError, match=r"something listens at 127\.0\.0\.1:"),
            serving(line, "127.0.0.1", free_port),
        ):
            pytest.fail("it began")
    assert not started.exists()


def test_a_server_that_never_listens_is_given_up_and_ended(leaves_nothing, free_port, tmp_path):
    file = tmp_path / "pid"
    code = noted(file) + "print('on my way', flush=True)\n"
    with (
        pytest.raises(UsageError, match=r"nothing listens at .* after 1 s: on my way; let it listen"),
        serving(command(code + STAY), "127.0.0.1", free_port, patience=1),
    ):
        pytest.fail("it began")
    assert not runs(pid_in(file))


def test_a_signal_that_was_heard_ends_the_waiting(leaves_nothing, free_port):
    asked = iter([False, False, True])
    with (
        pytest.raises(KeyboardInterrupt),
        serving(command("import time\n" + STAY), "127.0.0.1", free_port, stopped=lambda: next(asked)),
    ):
        pytest.fail("it began")


def test_one_that_is_deaf_to_term_is_killed(leaves_nothing, free_port, monkeypatch):
    monkeypatch.setattr(leash, "LEAVE", 0.5)
    with serving(command(DEAF + LISTEN + STAY, free_port), "127.0.0.1", free_port) as server:
        began = time.monotonic()
    assert time.monotonic() - began >= 0.5, "TERM was not waited for"
    assert not runs(server.pid)


def test_one_that_hears_term_may_tidy_up(free_port, tmp_path):
    file = tmp_path / "tidy"
    code = (
        "import signal, sys\n"
        f"def bye(*_):\n time.sleep(0.3)\n open({str(file)!r}, 'w').write('tidy')\n sys.exit()\n"
        "signal.signal(signal.SIGTERM, bye)\n"
    )
    with serving(command(code + LISTEN + STAY, free_port), "127.0.0.1", free_port):
        pass
    assert file.read_text() == "tidy"


@needs_proc
@pytest.mark.parametrize("ignores", ["", DEAF])
def test_what_it_started_in_another_session_is_ended_too(free_port, tmp_path, monkeypatch, ignores):
    monkeypatch.setattr(leash, "LEAVE", 0.5)
    file = tmp_path / "pid"
    words = [sys.executable, "-S", "-c", ignores + noted(file) + STAY]
    code = f"import subprocess\nsubprocess.Popen({words!r}, start_new_session=True)\n"
    with serving(command(code + LISTEN + STAY, free_port), "127.0.0.1", free_port):
        below = pid_in(file)
        assert runs(below)
    assert ends(below, 1.0)


@needs_proc
def test_one_that_goes_into_the_background_is_refused_and_ended(free_port, tmp_path):
    file = tmp_path / "pid"
    code = "import os\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\n" + LISTEN
    code += noted(file) + STAY
    with (
        pytest.raises(UsageError, match="in the foreground"),
        serving(command(code, free_port), "127.0.0.1", free_port),
    ):
        pytest.fail("it began")
    if file.exists():  # it may have been ended before it could write
        assert ends(pid_in(file), 1.0)
    assert not accepts(free_port)


def test_an_exception_ends_it(leaves_nothing, free_port):
    with (
        pytest.raises(ZeroDivisionError),
        serving(command(LISTEN + STAY, free_port), "127.0.0.1", free_port) as server,
    ):
        raise ZeroDivisionError
    assert not runs(server.pid)


def test_it_may_say_much_and_its_end_on_the_way_is_told(free_port):
    code = LISTEN + "line = 'x' * 99\nfor n in range(20000): print(line, n)\n"
    code += "print('done', file=sys.stderr, flush=True)\n" + STAY
    with serving(command(code, free_port), "127.0.0.1", free_port) as server:
        until = time.monotonic() + 10
        while server.said() != ": done" and time.monotonic() < until:
            time.sleep(0.02)
        assert server.said() == ": done", "it stands still: nobody reads what it says"
        os.kill(server.pid, signal.SIGKILL)
        assert ends(server.pid)
        assert server.ended() == "was ended by SIGKILL: done"


USER = """
import sys, time
from fetcher.loadtest.serving import serving
with serving(sys.argv[1], "127.0.0.1", int(sys.argv[2])) as server:
    print(server.pid, flush=True)
    time.sleep(60)
"""


@contextmanager
def user(line: str, port: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that serves, and the server's id."""
    words = [sys.executable, "-c", USER, line, str(port)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(words, text=True, start_new_session=True, **pipes) as child:
        try:
            assert child.stdout
            yield child, int(child.stdout.readline())
        finally:
            child.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_us_ends_it(free_port, number):
    with user(command(LISTEN + STAY, free_port), free_port) as (child, server):
        assert runs(server)
        os.killpg(child.pid, number)
        child.wait(5)
        assert ends(server), "it was left behind"


def test_a_second_ctrl_c_does_not_save_it(free_port):
    with user(command(DEAF + LISTEN + STAY, free_port), free_port) as (child, server):
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert runs(server), "it has the 5 s to end by itself"
        child.send_signal(signal.SIGINT)
        child.wait(4)
        assert ends(server, 1.0)
        assert time.monotonic() - began < leash.LEAVE


@needs_proc
def test_the_watcher_is_quick_and_leaves_with_us(free_port):
    with serving(command(LISTEN + STAY, free_port), "127.0.0.1", free_port):
        assert len(watchers()) == 1
    assert not watchers()


def watchers() -> list[str]:
    """The processes below us that watch."""
    found = []
    for children in Path("/proc/self/task").glob("*/children"):
        for pid in children.read_text().split():
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            found += [pid] if leash.__file__.encode() in words else []
    return found


@needs_proc
def test_fetch_load_serves_and_says_what_the_server_used(free_port):
    url = f"http://127.0.0.1:{free_port}/bytes/100"
    serve = shlex.join([sys.executable, "-m", "fetcher", "serve", "--port", str(free_port)])
    words = [sys.executable, "-m", "fetcher", "load", url, "-n", "200", "--serve", serve, "--json", "-q"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["ok"], record["bytes"]["decoded"]) == (200, 20_000)
    assert record["server"]["cpu"] >= 0
    assert record["server"]["rss"] > 5_000_000
    assert not accepts(free_port)
    again = subprocess.run([*words[:-3], "false", "--json"], capture_output=True, text=True, timeout=30)
    assert again.returncode == 2
    assert again.stderr.startswith("fetch: --serve: false ended with code 1")
