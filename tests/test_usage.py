"""CPU and memory of a process and all below it, with real processes that burn and hold."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from fetcher import usage as module
from fetcher.usage import Usage, own, tree, usage

BURN = """
import time
def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until: pass
"""
# Each says a line when it is where the test wants it, and goes on when it is told to.
GRANDCHILD = BURN + "burn(0.3); print('burnt', flush=True); input()"
CHILD = f"""
import subprocess, sys
words = [sys.executable, "-S", "-c", {GRANDCHILD!r}]
below = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(below.stdout.readline().strip().decode(), below.pid, flush=True)
input()
below.communicate(b"end\\n")
print("waited for", flush=True)
input()
"""
SLACK = 2.0  # CPU seconds that two interpreters may need to start on a machine with much to do
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")


@contextmanager
def running(code):
    words = [sys.executable, "-S", "-c", code]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    try:
        yield child
    finally:
        child.stdin.close()
        child.stdout.read()  # whoever is below it has ended, too
        child.stdout.close()
        child.kill()
        child.wait()


def say(child):
    child.stdin.write("go on\n")
    return child.stdout.readline().strip()


def gone():
    """The id of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-S", "-c", ""])
    done.wait()
    return done.pid


def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_what_a_grandchild_burns_is_counted_while_it_runs_and_when_it_has_ended():
    with running(CHILD) as child:
        assert child.stdout.readline().startswith("burnt")
        during = usage(child.pid).cpu
        assert 0.25 <= during < 0.3 + SLACK
        assert say(child) == "waited for"
        after = usage(child.pid).cpu
        assert after >= during - 0.05, "what was counted once is not forgotten"
        assert after < 0.3 + SLACK


def test_the_memory_that_a_child_holds():
    held = 50_000_000
    with running(f"held = b'x' * {held}; print('held', flush=True); input()") as child:
        child.stdout.readline()
        assert held < usage(child.pid).rss < held + 60_000_000


def test_the_memory_of_a_grandchild_is_the_trees():
    code = """
import subprocess, sys
code = "held = b'x' * 40_000_000; print('held', flush=True); input()"
below = subprocess.Popen([sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(below.stdout.readline(), flush=True)
input()
"""
    with running(code) as child:
        child.stdout.readline()
        assert usage(child.pid).rss > 40_000_000


def test_of_what_has_gone_there_is_nothing():
    assert usage(gone()) == Usage(0, 0)


def test_own_grows_by_what_was_burnt():
    before = own()
    burn(0.2)
    assert 0.19 <= own() - before < 0.2 + 1.0


def test_own_grows_by_what_a_child_burns_alive_or_dead():
    before = own()
    with running(BURN + "burn(0.2); print('burnt', flush=True); input()") as child:
        child.stdout.readline()
        alive = own() - before
    assert 0.15 <= alive < 0.2 + SLACK
    dead = own() - before
    assert alive - 0.05 <= dead < 0.2 + SLACK


def test_the_peak_is_a_process_own_and_not_what_its_parent_held():
    code = "from fetcher.usage import peak\nx = b'x' * 30_000_000\ndel x\nprint(peak())"
    heavy = f"""
import subprocess, sys
held = b'x' * 150_000_000
sys.stdout.write(subprocess.run([sys.executable, "-c", {code!r}], capture_output=True, text=True).stdout)
"""
    said = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True).stdout
    assert 30_000_000 < int(said) < 120_000_000


@needs_proc
def test_without_the_kernels_lists_of_children_the_tree_is_the_same(tmp_path, monkeypatch):
    with running(CHILD) as child:
        grandchild = int(child.stdout.readline().split()[1])
        listed = list(module._below(child.pid))
        assert listed == [child.pid, grandchild]
        as_listed = usage(child.pid)
        for process in Path("/proc").glob("[0-9]*"):
            (tmp_path / process.name).mkdir()
        monkeypatch.setattr(module, "PROC", tmp_path)  # who is there, and no lists of children
        asked = []
        monkeypatch.setattr(module, "_parents", lambda old=module._parents: asked.append(1) or old())
        assert list(module._below(child.pid)) == listed
        assert usage(child.pid).rss == pytest.approx(as_listed.rss, rel=0.1)
        assert usage(child.pid).cpu == pytest.approx(as_listed.cpu, abs=0.1)
        assert asked


@pytest.mark.skipif(shutil.which("ps") is None, reason="no ps here")
def test_without_proc_ps_says_the_same(tmp_path, monkeypatch):
    with running(CHILD) as child:
        child.stdout.readline()
        before = usage(child.pid)
        monkeypatch.setattr(module, "PROC", tmp_path / "none")
        by_ps = usage(child.pid)
        assert by_ps.rss == pytest.approx(before.rss, rel=0.1)
        assert by_ps.cpu <= before.cpu + 0.1  # of Linux, ps gives whole seconds only
    assert usage(gone()) == Usage(0, 0)


def test_without_ps_and_proc_there_is_nothing_to_say(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PROC", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert usage(os.getpid()) == Usage(0, 0)
    assert own() > 0


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("0:00.03", 0.03),  # macOS
        ("12:34.50", 754.5),
        ("00:00:07", 7),  # Linux
        ("1:02:03", 3723),
        ("2-03:04:05", 2 * 86400 + 3 * 3600 + 4 * 60 + 5),
        ("100:00.00", 6000),
    ],
)
def test_the_clock_of_ps(said, seconds):
    assert module._clock(said) == seconds


def test_a_tree_is_the_root_and_all_below_it():
    parents = {1: 0, 2: 1, 3: 1, 4: 2, 5: 4, 6: 9, 9: 1}
    assert sorted(tree(parents, 2)) == [2, 4, 5]
    assert sorted(tree(parents, 1)) == [1, 2, 3, 4, 5, 6, 9]
    assert tree(parents, 77) == [77]
