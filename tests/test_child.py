"""A process of ours: it is told, heard and ended, and why it failed is said; all with real ones."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fetcher import child
from fetcher.child import Child, ended
from fetcher.errors import LocalFault, UsageError
from fetcher.model import Options
from fetcher.partition import MODULE
from fetcher.partition.shares import job
from fetcher.partition.told import Told, read
from fetcher.sinks import Form

LISTENING = """
import sys, threading, time
from fetcher.child import orders
said = orders()
begun = threading.Event()
def listen():
    begun.set()
    for line in said:
        print(line.decode().strip(), flush=True)
threading.Thread(target=listen, daemon=True).start()
begun.wait()
time.sleep(0.2)
sys.exit({code})
"""
LEASHED = """
import time
from fetcher.child import deaf, leash, orders
deaf()
leash(orders(), lambda: print("heard", flush=True))
print("ready", flush=True)
time.sleep(60)
"""


@contextmanager
def running(code: str) -> Iterator[Child]:
    """A Python that does this."""
    made = Child([sys.executable, "-c", code])
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("code", [0, 3])
def test_a_child_whose_thread_still_reads_its_orders_leaves_cleanly(code: int) -> None:
    with running(LISTENING.format(code=code)) as one:
        one.send(b"go\n")
        assert one.stdout.readline() == b"go\n"  # its thread is reading, and waits for the next line
        assert one.process.wait(10) == code
        failure = one.failure("it")
    assert (failure is None) == (code == 0)
    assert failure is None or str(failure) == "it failed: it ended with exit code 3"


def test_a_child_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "LEAVE", 0.4)
    made = Child([sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"])
    assert made.stdout.readline() == b"1\n"
    began = time.monotonic()
    made.close()
    assert 0.4 <= time.monotonic() - began < 5
    assert made.process.returncode == -signal.SIGKILL
    assert made.stdin.closed
    assert made.stdout.closed
    made.close()  # a second time is none


def test_what_is_told_to_one_that_has_ended_is_lost_and_no_error() -> None:
    with running("import sys; sys.exit(4)") as one:
        one.process.wait(10)
        one.tell({"stop": 0.0})
        one.send(b"x" * 1_000_000)
        assert str(one.failure("it")) == "it failed: it ended with exit code 4"
        assert str(one.failure()) == "it ended with exit code 4"


def test_close_lets_a_child_say_its_last_words_to_the_end_of_its_input() -> None:
    with running("import sys; sys.stdin.read(); sys.exit(7)") as one:
        began = time.monotonic()
    assert time.monotonic() - began < child.LEAVE
    assert one.process.returncode == 7


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("", None, ""),
        ("import sys; print('x', file=sys.stderr)", None, ""),
        ("import sys; print('a\\nno such -e', file=sys.stderr); sys.exit(2)", UsageError, "no such -e"),
        ("import sys; sys.exit(2)", UsageError, "it ended with exit code 2"),
        ("import sys; print('a\\nfull\\n', file=sys.stderr); sys.exit(4)", LocalFault, "part 1 failed: full"),
        ("import sys; sys.exit(4)", LocalFault, "part 1 failed: it ended with exit code 4"),
        ("1 / 0", LocalFault, "part 1 failed: ZeroDivisionError: division by zero"),
        ("import os; os.kill(os.getpid(), 9)", LocalFault, "part 1 failed: it was ended by SIGKILL"),
        ("import os; os.write(2, b'\\xff\\n'); os._exit(1)", LocalFault, "part 1 failed: \ufffd"),
    ],
)
def test_why_it_failed(code: str, kind: type[Exception] | None, words: str) -> None:
    with running(code) as one:
        failure = one.failure("part 1")
    assert (type(failure), str(failure or "")) == (kind or type(None), words)


def test_how_it_ended() -> None:
    assert [ended(0), ended(-15), ended(-99)] == [
        "it ended with exit code 0",
        "it was ended by SIGTERM",
        "it was ended by signal 99",
    ]


def test_what_cannot_be_started_is_told() -> None:
    with pytest.raises(LocalFault, match="no further process can be started: No such file"):
        Child(["/nowhere/python"])


def test_a_leashed_child_hears_each_line_and_ends_with_them() -> None:
    with running(LEASHED) as one:
        assert one.stdout.readline() == b"ready\n"
        one.process.send_signal(signal.SIGINT)  # Ctrl-C is for who started it
        one.tell({"any": 1})
        assert one.stdout.readline() == b"heard\n"
        assert one.process.poll() is None
        one.stdin.close()
        assert one.process.wait(10) == 128 + signal.SIGTERM


def heard(one: Child) -> list[Told]:
    return list(iter(lambda: read(one.stdout), None))


@pytest.mark.parametrize("rows", [0, 500])
def test_a_child_that_is_stopped_right_behind_its_start_says_its_last_word(rows: int) -> None:
    one = Child(MODULE)
    try:
        one.tell(dict(job("threads", Options(), ["url"], [Form("jsonl")])))
        one.send(b"".join(b'[%d, "list", "http://127.0.0.1:9/%d"]\n' % (n, n) for n in range(1, rows + 1)))
        one.tell({"stop": 0.0})
        said = heard(one)
        assert one.failure("it") is None
    finally:
        one.close()
    assert [told.note["over"] for told in said if told.note is not None] == [False, True]
    told = [row for one in said for row in one.rows]
    assert len(told) == len(set(told)) == sum(one.lines[0].count(b"\n") for one in said if one.lines)
    assert set(told) <= set(range(1, rows + 1))


def test_a_child_that_is_given_up_right_behind_its_start_leaves_at_once() -> None:
    one = Child(MODULE)
    one.tell(dict(job("threads", Options(), ["url"], [Form("jsonl")])))
    began = time.monotonic()
    one.close()
    assert time.monotonic() - began < child.LEAVE + 1
    assert one.process.returncode in (0, -signal.SIGKILL, 128 + signal.SIGTERM)
