"""`--cluster`: a real scheduler and workers on loopback, what is refused before, and what ends meanwhile."""

from __future__ import annotations

import inspect
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from fetcher.errors import UsageError
from fetcher.model import PARITY
from fetcher.records import read
from tests.county import County, county
from tests.ledgers import clean, fetch, rows_of, until
from tests.test_parts import done

distributed = pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")

pytestmark = [pytest.mark.xdist_group("dask"), pytest.mark.timeout(120)]

# The command, with parts of a few rows, and few parts.
SMALL = [
    sys.executable,
    "-c",
    "import fetcher.partition.spool as it; it.LEAST, it.EACH = 10, 2; import fetcher.cli as cli; cli.main()",
]
HOSTS = 120
QUIET = ("--dashboard-address", "127.0.0.1:0")
QUICK = ("-e", "asyncio", "--retries", "0", "--no-progress")
GONE = 3.0  # seconds until a process that nobody wants has ended: half as long is promised


class Process:
    """`dask scheduler` or `dask worker`, and what it has said."""

    def __init__(self, *words: object, env: dict[str, str] | None = None, **how: Any) -> None:
        self.log = Path(tempfile.mkdtemp(prefix="fetch-dask-")) / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dask", *map(str, words)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.log.parent,
                env=clean() | {"PYTHONPATH": os.pathsep.join(sys.path)} | (env or {}),
                start_new_session=True,
                **how,
            )

    def says(self, word: str) -> str:
        """What stands behind this word in the log, once it does."""

        def said() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return word in self.log.read_text()

        until(said, 40)
        return self.log.read_text().partition(word)[2].split()[0]

    def tree(self) -> list[Any]:
        """It and its processes (those of parts left out)."""
        own = psutil.Process(self.process.pid)
        return [own, *(one for one in own.children(recursive=True) if not is_part(one))]

    def parts(self) -> list[Any]:
        """The processes of parts that it has begun."""
        return [one for one in psutil.Process(self.process.pid).children(recursive=True) if is_part(one)]

    def kill(self) -> None:
        """At once, with all its processes but those of parts."""
        for one in self.tree():
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait()

    def end(self) -> None:
        """Kindly, then not."""
        if self.process.poll() is None:
            tree = self.tree()
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
            for one in tree:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            self.process.wait()


def is_part(one: Any) -> bool:
    try:
        return "fetcher.partition" in one.cmdline()
    except psutil.Error:
        return False


class Cluster:
    """A scheduler and its workers; those that were killed are replaced by `whole`."""

    def __init__(self, protocol: str = "tcp", env: dict[str, str] | None = None) -> None:
        self.env = env
        self.workers: list[Process] = []
        words = ("--host", f"{protocol}://127.0.0.1", "--port", 0, *QUIET)
        self.scheduler = Process("scheduler", *words, env=env)
        self.url = self.scheduler.says("Scheduler at:")

    def add(self, *words: object, env: dict[str, str] | None = None, **how: Any) -> Process:
        """One more worker; waits until it is there."""
        one = self.begin(*words, env=env, **how)
        one.says("Registered to:")
        return one

    def begin(self, *words: object, env: dict[str, str] | None = None, **how: Any) -> Process:
        """One more worker."""
        host = () if "--host" in words else ("--host", "127.0.0.1")
        given = ("--nthreads", 1, *host, *words)
        one = Process("worker", self.url, *given, env=(self.env or {}) | (env or {}), **how)
        self.workers.append(one)
        return one

    def whole(self) -> Cluster:
        """With two workers, none of which has a part."""
        self.workers = [one for one in self.workers if one.process.poll() is None]
        begun = [self.begin() for _ in range(2 - len(self.workers))]
        for one in begun:
            one.says("Registered to:")
        until(lambda: not self.parts())
        return self

    def parts(self) -> list[Any]:
        """The processes of parts."""
        return [part for worker in self.workers if worker.process.poll() is None for part in worker.parts()]

    def run(self, *words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        """The command, to its end; parts have few rows."""
        driver = self.start(*words, cwd=cwd)
        out, err = driver.communicate(timeout=90)
        return subprocess.CompletedProcess(driver.args, driver.returncode, out, err)

    def start(self, *words: object, cwd: Path) -> subprocess.Popen[str]:
        """The command."""
        return subprocess.Popen(
            [*SMALL, *map(str, words), "--cluster", self.url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env=clean() | (self.env or {}),
        )

    def end(self) -> None:
        """All of it."""
        for one in [*self.workers, self.scheduler]:
            one.end()


@contextmanager
def cluster_of(protocol: str = "tcp", env: dict[str, str] | None = None) -> Iterator[Cluster]:
    """A cluster without workers."""
    with ExitStack() as stack:
        made = Cluster(protocol, env)
        stack.callback(made.end)
        yield made


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    with cluster_of() as made:
        made.whole()
        yield made


@pytest.fixture
def cluster(running: Cluster) -> Cluster:
    """A scheduler and two workers with their nannies, which have nothing to do."""
    return running.whole()


@pytest.fixture(scope="module")
def bare() -> Iterator[Cluster]:
    """A scheduler without workers; who adds some ends them."""
    with cluster_of() as made:
        yield made


@pytest.fixture(scope="module")
def hosts() -> Iterator[County]:
    with county(HOSTS) as made:
        yield made


def listed(folder: Path, hosts: County, rows: int, path: str = "bytes/{n}") -> Path:
    """A list of so many URLs, over all hosts in turn."""
    made = folder / "urls.txt"
    made.write_text("".join(f"{hosts.url(n, path.format(n=n))}\n" for n in range(rows)))
    return made


def one_line(ran: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """Exit code and the only line that is said, which has these words."""
    assert (ran.returncode, ran.stdout) == (code, ""), ran.stderr
    lines = ran.stderr.splitlines()
    assert len(lines) == 1, ran.stderr
    assert lines[0].startswith("fetch: "), ran.stderr
    for word in words:
        assert word in lines[0], ran.stderr


def clear(text: str) -> None:
    """Whether all is in our own words."""
    for word in ("Traceback", "distributed", "tornado", "asyncio", "Error", "WARNING", "Future"):
        assert word not in text, text


# What comes of it.


def test_the_union_is_what_one_process_finds(cluster: Cluster, hosts: County, tmp_path: Path) -> None:
    paths = ["bytes/9", "gzip/500", "short", "to/7/bytes/7", "status/404", "slow/0.01"]
    lines = [hosts.url(n, paths[n % len(paths)]) for n in range(1200)]
    (tmp_path / "urls.txt").write_text("\n".join([*lines, "no url", "", "ftp://a/"]))
    given = ("urls.txt", *QUICK, "--per-host", 2, "--hash", "-c", 50)
    assert fetch(*given, "-q", "-o", "one.jsonl", cwd=tmp_path).returncode == 1
    hosts.said("reset")
    ran = cluster.run(*given, "-o", "out/", "--auth", "me:hidden-word", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (1, ""), ran.stderr
    clear(ran.stderr)
    assert len(done(tmp_path / "out")) >= 4

    def facts(path: str) -> list[tuple[Any, ...]]:
        records = read(str(tmp_path / path))
        return sorted((one["row"], *(one[name] for name in (*PARITY, "sha256"))) for one in records)

    assert facts("out/") == facts("one.jsonl")
    for one in (cluster.scheduler, *cluster.workers):
        assert "hidden-word" not in one.log.read_text()
    said = fetch("status", "out", cwd=tmp_path)
    assert (said.returncode, said.stdout.splitlines()[-1]) == (0, b"  complete")


def test_a_killed_worker_loses_and_doubles_nothing(cluster: Cluster, hosts: County, tmp_path: Path) -> None:
    listed(tmp_path, hosts, 600, "slow/0.05/{n}")
    hosts.said("reset")
    words = ("urls.txt", *QUICK, "--per-host", 1, "-c", 6, "-o", "out/")
    driver = cluster.start(*words, cwd=tmp_path)
    out = tmp_path / "out"
    until(lambda: bool(done(out)) and all(one.parts() for one in cluster.workers), 40)
    victim = cluster.workers[0]
    orphans = victim.parts()
    assert orphans
    victim.kill()
    until(lambda: not any(one.is_running() and one.status() != "zombie" for one in orphans), GONE)
    assert driver.poll() is None, "it was over before the worker was killed"
    said, errors = driver.communicate(timeout=90)
    assert (driver.returncode, said) == (0, ""), errors
    clear(errors)
    assert rows_of(out) == list(range(1, 601))
    assert fetch("verify", "urls.txt", "out/", cwd=tmp_path).returncode == 0
    stats = hosts.said("stats")
    assert stats["most"] == 1  # also while the orphan ended and another began
    assert stats["asked"] >= 600


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.long)])
def test_who_goes_leaves_nothing_running(
    number: signal.Signals, cluster: Cluster, hosts: County, tmp_path: Path
) -> None:
    listed(tmp_path, hosts, 500, "slow/0.05/{n}")
    words = ("urls.txt", *QUICK, "-c", 5, "-o", "out/")
    driver = cluster.start(*words, cwd=tmp_path)
    out = tmp_path / "out"
    until(lambda: bool(done(out)) and len(cluster.parts()) == 2, 40)
    driver.send_signal(number)
    said, errors = driver.communicate(timeout=20)
    if number == signal.SIGINT:
        assert (driver.returncode, said) == (130, ""), errors
        assert "the same with --resume" in errors
        clear(errors)
        assert not cluster.parts()  # it has waited for that
    else:
        until(lambda: not cluster.parts(), GONE)
    before = {name: (out / name).read_bytes() for name in done(out)}
    assert before
    ran = cluster.run(*words, "--resume", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr
    clear(ran.stderr)
    assert before == {name: (out / name).read_bytes() for name in before}
    assert rows_of(out) == list(range(1, 501))
    assert (out / "_SUCCESS").exists()


@pytest.mark.long
@pytest.mark.parametrize("debug", [False, True])
def test_a_cluster_of_its_own(debug: bool, hosts: County, tmp_path: Path) -> None:
    listed(tmp_path, hosts, 300)
    words = ("urls.txt", *QUICK, "-o", "out.jsonl/", "--cluster", "local", "--workers", "2")
    ran = fetch(*words, *["--debug"] * debug, cwd=tmp_path, command=SMALL)
    assert (ran.returncode, ran.stdout) == (0, b""), ran.stderr
    if debug:
        assert b"distributed.scheduler" in ran.stderr
    else:
        clear(ran.stderr.decode())
    assert rows_of(tmp_path / "out.jsonl") == list(range(1, 301))


@pytest.mark.long
def test_ctrl_c_at_a_cluster_of_its_own(hosts: County, tmp_path: Path) -> None:
    """A terminal sends it to all processes at once, the workers too."""
    listed(tmp_path, hosts, 2000, "slow/0.05/{n}")
    driver = subprocess.Popen(
        [*SMALL, "urls.txt", *QUICK, "-c", "10", "-o", "out/", "--cluster", "local", "--workers", "2"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=clean(),
        start_new_session=True,
    )
    until(lambda: bool(done(tmp_path / "out")), 40)
    tree = psutil.Process(driver.pid).children(recursive=True)
    assert any(is_part(one) for one in tree)
    os.killpg(driver.pid, signal.SIGINT)
    said, errors = driver.communicate(timeout=30)
    assert (driver.returncode, said) == (130, ""), errors
    clear(errors)
    until(lambda: not any(one.is_running() for one in tree), GONE)


@pytest.mark.long
def test_the_scheduler_goes(hosts: County, tmp_path: Path) -> None:
    listed(tmp_path, hosts, 2000, "slow/0.05/{n}")
    with cluster_of() as made:
        worker = made.add()
        driver = made.start("urls.txt", *QUICK, "-c", 10, "-o", "out/", cwd=tmp_path)
        until(lambda: bool(done(tmp_path / "out")) and bool(worker.parts()), 40)
        parts = worker.parts()
        made.scheduler.kill()
        said, errors = driver.communicate(timeout=30)
        assert (driver.returncode, said) == (4, ""), errors
        assert "the Dask scheduler has gone" in errors.splitlines()[-1]
        clear(errors)
        until(lambda: not any(one.is_running() and one.status() != "zombie" for one in parts), 2 * GONE)


# What is refused before anything is asked.


def refused(url: str, folder: Path, *words: str, env: dict[str, str] | None = None) -> None:
    """In one line, with exit code 2, and nothing is left of it."""
    (folder / "urls.txt").write_text("http://127.0.0.1:9/\n")
    ran = subprocess.run(
        [*SMALL, "urls.txt", "-o", "out/", "--cluster", url],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env=clean() | (env or {}),
        check=False,
    )
    one_line(ran, 2, url, *words)
    assert not list(folder.glob("out/part-*"))
    assert not list(folder.glob("out/_manifest"))


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("tcp://10.1.1.1:8786", "can run code on every worker"),
        ("ucx://127.0.0.1:8786", "give tcp://"),
        ("", "give tcp://"),
        pytest.param("tcp://127.0.0.1:1", "no scheduler answers there", marks=pytest.mark.long),
        ("tls://127.0.0.1:1", "DASK_DISTRIBUTED__COMM__TLS__CA_FILE"),
    ],
)
def test_an_address_that_cannot_be(url: str, word: str, tmp_path: Path) -> None:
    refused(url, tmp_path, word)


def test_addresses() -> None:
    from fetcher.partition.places._cluster import check

    fine = ["local", "127.0.0.1:8786", "tcp://localhost:1/", "tcp://[::1]:8786", "tls://cluster.example:8786"]
    for address in fine:
        check(address)
    wrong = [
        *("", "8786", "127.0.0.1", "http://127.0.0.1:8786", "scheduler.example:8786", "0.0.0.0:8786"),
        *("tcp://127.0.0.1.example:8786", "tcp://[::]:1", "inproc://1", "tcp://127.0.0.1:8786@10.1.1.1:1"),
    ]
    for address in wrong:
        with pytest.raises(UsageError, match="--cluster"):
            check(address)


@pytest.mark.long
def test_something_else_answers_there(hosts: County, tmp_path: Path) -> None:
    refused(f"tcp://127.1.0.1:{hosts.port}", tmp_path, "no scheduler answers there")


def test_no_workers(bare: Cluster, tmp_path: Path) -> None:
    refused(bare.url, tmp_path, "has no workers", f"dask worker {bare.url}")


@contextmanager
def odd(bare: Cluster, *words: object, **how: Any) -> Iterator[Process]:
    """A worker that is not as it should be; gone again afterwards."""
    worker = bare.add(*words, **how)
    try:
        yield worker
    finally:
        worker.end()
        bare.workers.remove(worker)
        with distributed.Client(bare.url, set_as_default=False) as client:
            until(lambda: not client.scheduler_info(n_workers=-1)["workers"])


PRELOADED = {
    "another version": ("import fetcher; fetcher.__version__ = '0.0.1'", "has fetch 0.0.1, here is"),
    "none": ("import sys; sys.modules['fetcher'] = None", "fetch is not installed there"),
    "another Dask": (
        """
import importlib.metadata as m
m.version = lambda name, old=m.version: '2020.1' if name == 'distributed' else old(name)
""",
        "has distributed 2020.1, here is",
    ),
}


@pytest.mark.parametrize(
    "what",
    ["another version", *(pytest.param(one, marks=pytest.mark.long) for one in ("none", "another Dask"))],
)
def test_another_installation_there(what: str, bare: Cluster, tmp_path: Path) -> None:
    text, word = PRELOADED[what]
    (tmp_path / "preloaded.py").write_text(text)
    with odd(bare, "--preload", tmp_path / "preloaded.py") as worker:
        refused(bare.url, tmp_path, "its worker tcp://127.0.0.1:", word, "'.[dask]'")
        assert worker.process.poll() is None


@pytest.mark.long
def test_no_fetch_where_the_scheduler_is(tmp_path: Path) -> None:
    (tmp_path / "preloaded.py").write_text(PRELOADED["none"][0])
    preload = {"DASK_DISTRIBUTED__SCHEDULER__PRELOAD": str([str(tmp_path / "preloaded.py")])}
    with cluster_of(env=preload) as made:
        made.add(env={"DASK_DISTRIBUTED__SCHEDULER__PRELOAD": "[]"})
        refused(made.url, tmp_path, "its scheduler: fetch is not installed there")


def outside() -> str:
    """An address of this machine that others reach."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(one.getsockname()[0])


def test_a_worker_that_others_reach(bare: Cluster, tmp_path: Path) -> None:
    address = outside()
    with odd(bare, "--host", address):
        refused(bare.url, tmp_path, f"its worker listens on tcp://{address}:", "can run code")


def test_a_worker_that_listens_everywhere_and_says_loopback(bare: Cluster, tmp_path: Path) -> None:
    """`dask worker` without --host, at a scheduler on loopback."""
    worker = Process("worker", bare.url, "--nthreads", 1, "--no-dashboard")
    try:
        assert worker.says("Start worker at:").startswith("tcp://127.0.0.1:")
        worker.says("Registered to:")
        refused(bare.url, tmp_path, "listens on tcp://0.0.0.0:", "start it with --host 127.0.0.1")
    finally:
        worker.end()


@pytest.mark.long
def test_a_scheduler_that_others_reach(tmp_path: Path) -> None:
    """`dask scheduler` without --host: reached by loopback here, and by everybody else as well."""
    outside()
    scheduler = Process("scheduler", "--port", 0, *QUIET)
    try:
        port = scheduler.says("Scheduler at:").rpartition(":")[2]
        refused(f"tcp://127.0.0.1:{port}", tmp_path, "its scheduler listens on tcp://", "--host 127.0.0.1")
    finally:
        scheduler.end()


# TLS.


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of everybody who has the certificate."""
    trustme = pytest.importorskip("trustme")
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "all.pem")
    names = {"CA_FILE": "ca.pem"} | {f"{who}__CERT": "all.pem" for who in ("SCHEDULER", "WORKER", "CLIENT")}
    return {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(folder / file) for name, file in names.items()}


@pytest.mark.long
def test_tls(certified: dict[str, str], hosts: County, tmp_path: Path) -> None:
    listed(tmp_path, hosts, 300)
    with cluster_of("tls", certified) as made:
        assert made.url.startswith("tls://")
        made.add("--host", "tls://127.0.0.1")
        ran = made.run("urls.txt", *QUICK, "-o", "out/", cwd=tmp_path)
        assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr
        clear(ran.stderr)
        assert rows_of(tmp_path / "out") == list(range(1, 301))
        there = tmp_path / "without"
        there.mkdir()
        refused(made.url, there, "DASK_DISTRIBUTED__COMM__TLS__CA_FILE")  # who has no certificate
        refused(made.url.replace("tls", "tcp"), there, "no scheduler answers there")


# What fails on a worker.


def test_a_directory_that_workers_do_not_see(cluster: Cluster, hosts: County, tmp_path: Path) -> None:
    """What is in the memory of one process."""
    listed(tmp_path, hosts, 100)
    hosts.said("reset")
    ran = cluster.run("urls.txt", *QUICK, "-q", "-o", "memory://out/", cwd=tmp_path)
    one_line(ran, 4, "memory://out", "does not see it", "a directory that all workers share")
    assert hosts.said("stats")["asked"] == 1  # by /stats


def test_a_part_that_fails(bare: Cluster, hosts: County, tmp_path: Path) -> None:
    """A worker may write no file of more than 60,000 bytes; one host has more rows than that."""
    lines = [hosts.url(n, f"bytes/{n}") for n in range(300)] + [hosts.url(5, "bytes/5")] * 600
    (tmp_path / "urls.txt").write_text("\n".join(lines))
    soft = 60_000

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))

    with odd(bare, preexec_fn=limited):
        ran = bare.run("urls.txt", *QUICK, "-o", "out.jsonl/", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (4, ""), ran.stderr
    clear(ran.stderr)
    assert "File too large" in ran.stderr
    assert "1 part left" in ran.stderr or "left: the same with --resume goes on" in ran.stderr
    with_it = bare.add()
    try:
        again = bare.run("urls.txt", *QUICK, "-o", "out.jsonl/", "--resume", cwd=tmp_path)
    finally:
        with_it.end()
    assert again.returncode == 0, again.stderr
    assert rows_of(tmp_path / "out.jsonl") == list(range(1, 901))


# What of Dask is used that it does not promise.


def test_the_names_that_are_not_quite_public_are_there() -> None:
    from distributed import Client, KilledWorker, LocalCluster, Worker
    from distributed.scheduler import WorkerState as SchedulersWorker
    from distributed.worker_state_machine import TaskState, WorkerState

    assert "n_workers" in inspect.signature(Client.scheduler_info).parameters
    assert "force" in inspect.signature(Client.cancel).parameters
    assert "on_error" in inspect.signature(Client.run).parameters
    for name in ("subscribe_topic", "run_on_scheduler", "nthreads"):
        assert callable(getattr(Client, name))
    for name in ("get_current_task", "log_event"):
        assert callable(getattr(Worker, name))
    assert "tasks" in WorkerState.__annotations__
    assert "executing" in inspect.getsource(sys.modules["distributed.worker_state_machine"])
    assert "state" in TaskState.__annotations__
    assert "address" in SchedulersWorker.__slots__
    assert isinstance(KilledWorker.last_worker, property)
    assert "silence_logs" in inspect.signature(LocalCluster).parameters


def test_a_task_that_nobody_wants_sees_it(cluster: Cluster) -> None:
    """The one fact that `Dask` stands on: the state of one's own task, read from its thread."""
    with distributed.Client(cluster.url, set_as_default=False) as client:
        future = client.submit(_watch, key="watched", pure=False)
        until(lambda: client.get_events("watched") != ())
        assert client.get_events("watched")[0][1] == "executing"
        client.cancel([future], force=True)
        until(lambda: len(client.get_events("watched")) > 1, GONE)
        assert client.get_events("watched")[1][1] in ("cancelled", "gone")


def _watch() -> None:
    worker = distributed.get_worker()
    key = worker.get_current_task()
    worker.log_event("watched", worker.state.tasks[key].state)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        task = worker.state.tasks.get(key)
        if task is None or task.state != "executing":
            worker.log_event("watched", "gone" if task is None else task.state)
            return
        time.sleep(0.02)
