"""What every test may ask for, and the rule for skips: in CI only those that `skips.toml` names."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from hypothesis import settings

from fetcher import engines, menu
from fetcher.errors import UsageError

HERE = Path(__file__).parent
# No test asserts a speed: by default hypothesis fails an example that takes 0.2 s.
settings.register_profile("fetch", deadline=None)
settings.load_profile("fetch")


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of shared test data; the test skips where FETCH_CORPORA is not set."""
    where = os.environ.get("FETCH_CORPORA")
    if not where:
        pytest.skip("FETCH_CORPORA is not set")
    folder = Path(where)
    assert folder.is_dir(), f"FETCH_CORPORA names no folder: {where}"
    return folder


@pytest.fixture(params=menu.names(engines))
def name(request: pytest.FixtureRequest) -> str:
    """Every engine by its name; the test skips for one that is not installed. Other menus have their own."""
    try:
        engines.pick(request.param)
    except UsageError as missing:
        pytest.skip(str(missing))
    return str(request.param)


@pytest.fixture
def engine(name: str) -> str:
    """The same."""
    return name


@pytest.fixture
def free_port() -> int:
    """A port of 127.0.0.1 where nothing listens just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """The base URL of the embedded test site."""
    from fetcher.server import site as start

    with start() as base:
        yield base


@pytest.fixture
def leaves_nothing() -> Iterator[None]:
    """Fails a test that leaves a thread, a child process or a socket behind for more than 1 s.

    Ask for it first: what is asked for after it has been torn down when it looks.
    """
    before = _traces().keys()
    yield
    until = time.monotonic() + 1.0
    while (left := _traces().keys() - before) and time.monotonic() < until:
        time.sleep(0.02)
    now = _traces()
    assert not left, f"left behind: {', '.join(now.get(key, key) for key in sorted(left))}"


def _traces() -> dict[str, str]:
    """Every thread, child process and socket of this process, described. Without /proc: threads only."""
    found = {f"thread {one.native_id}": f"thread {one.name}" for one in threading.enumerate()}
    for task in Path("/proc/self/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:  # the thread has gone
            continue
        for child in children:
            command = _command(child)
            # The one process that multiprocessing keeps until the interpreter ends.
            if "multiprocessing.resource_tracker" not in command:
                found[f"process {child}"] = f"process {child} ({command or 'zombie'})"
    for descriptor in Path("/proc/self/fd").glob("*"):
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target.startswith("socket:"):
            found[target] = target
    return found


def _command(process: str) -> str:
    """The command line of a process; empty once it has ended."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return ""
    return words.replace(b"\0", b" ").decode(errors="replace").strip()[:100]


class Skips:
    """Watches skips; in CI one that `skips.toml` does not name fails the run."""

    def __init__(self, allowed: list[dict[str, str]]) -> None:
        self.allowed = allowed
        self.refused: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.look(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.look(report)

    def look(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        if not any(
            re.fullmatch(one["reason"], reason) and fnmatch(report.nodeid, one.get("tests", "*"))
            for one in self.allowed
        ):
            self.refused[report.nodeid] = reason

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.refused and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for test, reason in sorted(self.refused.items()):
            terminalreporter.write_line(
                f"SKIPPED IN CI, but not named in tests/skips.toml: {test}: {reason}", red=True
            )


def pytest_configure(config: pytest.Config) -> None:
    # A shell's `make test &` starts us with Ctrl-C ignored, nohup with SIGHUP; what we start inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # With xdist only the process that reports decides; the workers do not.
    if os.environ.get("CI") == "true" and not hasattr(config, "workerinput"):
        allowed = tomllib.loads((HERE / "skips.toml").read_text(encoding="utf-8")).get("skip", [])
        config.pluginmanager.register(Skips(allowed), "fetch-skips")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tell `--dist loadgroup` the groups in the way that it reads them, at the end of the names of tests.

    xdist 3.8 does, but pytest 9.2 no longer hears it, and says nothing: pytest-dev/pytest-xdist#1386.
    """
    if not getattr(config.option, "loadgroup", False):
        return
    for item in items:
        groups = {mark.args[0] for mark in item.iter_markers("xdist_group")}
        end = f"@{'_'.join(sorted(groups))}"
        if groups and not item.nodeid.endswith(end):
            item._id = type(item.id).parse(item.nodeid + end)  # type: ignore[attr-defined]
        assert not groups or item.nodeid.endswith(end), "the group of a test is not heard"
